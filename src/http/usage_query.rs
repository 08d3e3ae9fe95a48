//! What is asked of figures, from the query: which time, in which buckets, whose calls, of which operation.

use std::marker::PhantomData;

use poem::{Request, RequestBody, Result};
use poem_openapi::__private::UrlQuery;
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::credential::exchange;
use super::fault::Fault;
use super::list_query::{Given, Parameter, filters};
use super::wire::Spelling;
use crate::domain::error::{Error, Result as Checked};
use crate::domain::usage::Bucket;
use crate::service::usage::FiguresRequest;

/// Entries of a ranking by default, and at most.
const TOP: [u32; 2] = [20, 100];

/// What is told.
pub trait Told: Send {
    /// What can be asked of it.
    const ASKED: &'static [&'static str];
}

/// Figures over time.
pub enum OverTime {}
/// What adds most to them.
pub enum Most {}
/// What is left now.
pub enum Left {}

impl Told for OverTime {
    const ASKED: &'static [&'static str] = &["from", "to", "bucket", "key", "user", "operation"];
}

impl Told for Most {
    const ASKED: &'static [&'static str] = &["from", "to", "bucket", "key", "user", "operation", "top"];
}

impl Told for Left {
    const ASKED: &'static [&'static str] = &["key"];
}

/// What is asked of figures, on the face that spells ids as `S`.
pub struct UsageQuery<S, T>(pub FiguresRequest, PhantomData<fn() -> (S, T)>);

impl<S: Spelling, T: Told> UsageQuery<S, T> {
    fn parameters() -> Vec<Parameter> {
        let bucket = MetaSchema { default: Some(Bucket::Hour.as_str().into()), ..MetaSchema::new("string") };
        let top = MetaSchema { default: Some(TOP[0].into()), ..MetaSchema::new_with_format("integer", "uint32") };
        let all = [
            filters::instant(
                "from",
                "From this instant on, from the beginning of its bucket. Unless given, an hour of minutes, a day of hours or \
                 30 days of days.",
            ),
            filters::instant(
                "to",
                "Until this instant, to the end of its bucket; the end of the present one unless given.",
            ),
            described(
                "bucket",
                "The length of buckets: minutes are kept for 48 hours, hours for 90 days, days for two years.",
                MetaSchema { enum_items: Bucket::ALL.map(|bucket| bucket.as_str().into()).into(), ..bucket },
            ),
            filters::text(
                "key",
                "Calls of this API key and of those of its rotations. An id in any spelling of this face.",
            ),
            filters::text(
                "user",
                "Calls of this user, by keys and in sessions: an id in any spelling of this face, or an e-mail.",
            ),
            filters::text(
                "operation",
                "Calls of this operation, by its `operationId`; `none` for those that met none.",
            ),
            described("top", "How many entries, 1 to 100.", top),
        ];
        all.into_iter().filter(|(name, _)| T::ASKED.contains(name)).collect()
    }

    fn read(given: &Given<'_>) -> Checked<FiguresRequest> {
        let top = given.number("top")?.unwrap_or(TOP[0]);
        if !(1..=TOP[1]).contains(&top) {
            return Err(Error::parameter("top", format!("must be 1 to {}.", TOP[1])));
        }
        Ok(FiguresRequest {
            bucket: given.one_of("bucket", &Bucket::ALL, Bucket::as_str)?,
            from: given.instant("from")?,
            to: given.instant("to")?,
            key: given.id("key").zip(given.text("key").map(str::to_owned)),
            user: filters::owner(given).zip(given.text("user").map(str::to_owned)),
            operation: given.text("operation").map(str::to_owned),
            top: top as usize,
        })
    }
}

fn described(name: &'static str, description: &'static str, schema: MetaSchema) -> Parameter {
    (name, MetaSchema { description: Some(description), ..schema })
}

impl<'a, S: Spelling, T: Told> ApiExtractor<'a> for UsageQuery<S, T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(super::list_query::spread(Self::parameters()))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let pairs = request.extensions().get::<UrlQuery>().map_or(&[][..], |query| &query.0);
        let given = Given::new(pairs, exchange(request)?.face);
        Ok(Self(Self::read(&given).map_err(Fault::from)?, PhantomData))
    }
}
