//! What lists take from the query: a page as the face counts them, an order, and what narrows the list.
//!
//! One extractor reads all of it, so that a handler has one argument however many parameters its list takes. The
//! framework knows arguments of one parameter only: to it, this one is an object, whose properties router and document
//! take for the parameters that they are. What is documented is therefore what is let in.

pub(super) mod filters;
mod given;

use std::marker::PhantomData;

use poem::{Request, RequestBody, Result};
use poem_openapi::__private::UrlQuery;
use poem_openapi::registry::{MetaOperationParam, MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

pub(super) use self::given::Given;
use super::credential::exchange;
use super::face::Face;
use super::fault::Fault;
use super::wire::Spelling;
use crate::domain::error::Result as Checked;
use crate::domain::page::{ListRequest, Order, PageRequest, SortBy};

/// What narrows the lists of one resource, on the wire.
pub trait ListFilter: Sized + Send {
    /// What they can be sorted by.
    const ORDERS: &'static [SortBy];

    /// The parameters that a face offers.
    fn parameters(face: Face) -> Vec<Parameter>;

    /// Reads them.
    fn read(given: &Given<'_>) -> Checked<Self>;
}

/// A query parameter: its name and its schema with a description.
pub type Parameter = (&'static str, MetaSchema);

/// What is asked of a list, on the face that spells ids as `S`.
pub struct ListQuery<S, F>(pub ListRequest<F>, PhantomData<fn() -> S>);

impl<S: Spelling, F: ListFilter> ListQuery<S, F> {
    fn parameters() -> Vec<Parameter> {
        let page = match S::FACE {
            Face::Platform => {
                ["page", "page_size"].map(|name| (name, MetaSchema::new_with_format("integer", "uint32")))
            }
            Face::External | Face::V1 => {
                [("cursor", MetaSchema::new("string")), ("limit", MetaSchema::new_with_format("integer", "uint32"))]
            }
        };
        let sort = MetaSchema {
            description: Some(
                "The order; `-` stands for descending. What is equal by it stands in the order in which it was made.",
            ),
            enum_items: orders::<F>().map(|order| order.as_str().into()).collect(),
            default: Some(Order::default().as_str().into()),
            ..MetaSchema::new("string")
        };
        page.into_iter().chain([("sort", sort)]).chain(F::parameters(S::FACE)).collect()
    }

    fn read(given: &Given<'_>) -> Checked<ListRequest<F>> {
        let page = match S::FACE {
            Face::Platform => PageRequest::number(given.number("page")?, given.number("page_size")?)?,
            Face::External | Face::V1 => {
                PageRequest::after(given.text("cursor").map(str::to_owned), given.number("limit")?)?
            }
        };
        let orders: Vec<Order> = orders::<F>().collect();
        let order = given.one_of("sort", &orders, Order::as_str)?.unwrap_or_default();
        Ok(ListRequest { page, order, filter: F::read(given)? })
    }
}

fn orders<F: ListFilter>() -> impl Iterator<Item = Order> {
    F::ORDERS.iter().flat_map(|by| Order::both(*by))
}

impl<'a, S: Spelling, F: ListFilter> ApiExtractor<'a> for ListQuery<S, F> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(spread(Self::parameters()))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let pairs = request.extensions().get::<UrlQuery>().map_or(&[][..], |query| &query.0);
        let given = Given::new(pairs, exchange(request)?.face);
        let request = Self::read(&given).map_err(Fault::from)?;
        Ok(Self(request, PhantomData))
    }
}

/// The object that stands for these parameters.
pub(super) fn spread(parameters: Vec<Parameter>) -> MetaSchemaRef {
    let properties = parameters.into_iter();
    let properties = properties.map(|(name, schema)| (name, MetaSchemaRef::Inline(Box::new(schema)))).collect();
    MetaSchemaRef::Inline(Box::new(MetaSchema { properties, ..MetaSchema::new("object") }))
}

/// What narrows a list, where there are no pages: all of it is asked for.
pub struct Filtered<S, F>(pub F, PhantomData<fn() -> S>);

impl<'a, S: Spelling, F: ListFilter> ApiExtractor<'a> for Filtered<S, F> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(spread(F::parameters(S::FACE)))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let pairs = request.extensions().get::<UrlQuery>().map_or(&[][..], |query| &query.0);
        let given = Given::new(pairs, exchange(request)?.face);
        Ok(Self(F::read(&given).map_err(Fault::from)?, PhantomData))
    }
}

/// The names of the query parameters that an argument of a handler stands for.
pub fn names(param: &MetaOperationParam) -> Vec<String> {
    match &param.schema {
        MetaSchemaRef::Inline(schema) if !schema.properties.is_empty() => {
            schema.properties.iter().map(|(name, _)| (*name).to_owned()).collect()
        }
        _ => vec![param.name.clone()],
    }
}
