//! What handlers take from path and query.

use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::credential::exchange;
use super::exchange::Exchange;
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
