//! What handlers take from path and query.

use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::__private::UrlQuery;
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};

use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use crate::domain::error::Error;
use crate::domain::id::{IdRef, Kind};

/// An id in the path, in any spelling of the face, and as the client spelled it. What is no id is an unknown one.
pub struct Named<K> {
    /// The id.
    pub id: IdRef<K>,
    /// As it was spelled.
    pub spelled: String,
}

impl<'a, K: Kind> ApiExtractor<'a> for Named<K> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let exchange = exchange(request)?;
        let spelled = exchange.capture(options.name).to_owned();
        let id = IdRef::parse(&spelled, exchange.face.bare_integers());
        if let IdRef::Number(id) = id {
            // The first id of a path is the object that the call's row names.
            let _ = exchange.object.set(id.raw());
        }
        Ok(Self { id, spelled })
    }
}

/// A name in the path, such as a table's.
pub struct NameInPath(pub String);

impl<'a> ApiExtractor<'a> for NameInPath {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        Ok(Self(exchange(request)?.capture(options.name).to_owned()))
    }
}

/// The query parameter `parameters`: the values of a saved query's parameters by their names, as a JSON object.
pub struct GivenParameters(pub Map<String, Value>);

/// The longest text of it, in bytes: what a URL bears.
const PARAMETERS_LENGTH: usize = 6_000;

impl<'a> ApiExtractor<'a> for GivenParameters {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let schema = MetaSchema { max_length: Some(PARAMETERS_LENGTH), ..MetaSchema::new("string") };
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let pairs = request.extensions().get::<UrlQuery>().map_or(&[][..], |query| &query.0);
        let given = pairs.iter().find(|(name, _)| name == options.name);
        let Some((_, text)) = given else { return Ok(Self(Map::new())) };
        let wrong = || {
            let reason = format!(
                "must be a JSON object of values by their names, such as {{\"month\":6}}, of {PARAMETERS_LENGTH} bytes at most."
            );
            Fault::from(Error::parameter(options.name, reason)).into()
        };
        if text.len() > PARAMETERS_LENGTH {
            return Err(wrong());
        }
        serde_json::from_str(text).map(Self).map_err(|_| wrong())
    }
}

/// The exchange itself, for handlers that make links or note a cost.
pub struct Exchanged(pub Arc<Exchange>);

impl<'a> ApiExtractor<'a> for Exchanged {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        Ok(Self(exchange(request)?.clone()))
    }
}
