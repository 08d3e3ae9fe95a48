//! The caller as the first argument of a handler. The edge has authenticated and admitted it before the handler runs.

use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::conditional::Changing;
use super::exchange::Exchange;
use super::fault::Fault;
use crate::domain::error::Error;
use crate::service::caller::Caller;

/// The caller, by key or session, in either header.
pub struct Credential(pub Caller);

/// The exchange of a request.
///
/// # Errors
/// Internal when a handler runs without the edge: a defect.
pub fn exchange(request: &Request) -> Result<&Arc<Exchange>> {
    let exchange = request.extensions().get::<Arc<Exchange>>();
    exchange.ok_or_else(|| Fault(Error::internal("a request without an exchange")).into())
}

impl<'a> ApiExtractor<'a> for Credential {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme("bearer", scheme("http", None, Some("bearer"), BEARER));
        registry.create_security_scheme("api_key", scheme("apiKey", Some("header"), None, API_KEY));
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["bearer", "api_key"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let exchange = exchange(request)?;
        let caller = exchange.caller().map_err(Fault::from)?.clone().with(exchange.once.get().cloned());
        // Only this copy holds the exchange, which holds the caller: together they would never be let go.
        let has_conditions = exchange.asked.is_some() && !request.method().is_safe();
        Ok(Self(if has_conditions { caller.under(Arc::new(Changing(exchange.clone()))) } else { caller }))
    }
}

const BEARER: &str = "An API key (`claribi_sk_live_…`, `claribi_sk_test_…`) or an access token of a session.";
const API_KEY: &str = "An API key.";

fn scheme(
    ty: &'static str,
    place: Option<&'static str>,
    scheme: Option<&'static str>,
    description: &'static str,
) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty,
        description: Some(description),
        name: place.map(|_| "X-API-Key"),
        key_in: place,
        scheme,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}
