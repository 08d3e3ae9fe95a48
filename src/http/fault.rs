//! Errors on their way from a handler to the edge: facts all the way, rendered in one place.

use poem::error::ResponseError;
use poem::http::StatusCode;
use poem_openapi::ApiResponse;
use poem_openapi::error::{AuthorizationError, ParseParamError};
use poem_openapi::registry::{MetaResponses, Registry};

use crate::domain::error::Error;

/// The failure of a handler. Which errors an operation can give stands in the table of operations, from which the
/// documents have them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub Error);

/// What a handler returns.
pub type Reply<T> = Result<T, Fault>;

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl ResponseError for Fault {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl ApiResponse for Fault {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_registry: &mut Registry) {}
}

/// What an endpoint's failure says, whether it is ours or the framework's.
pub fn error_of(failure: poem::Error) -> Error {
    match failure.downcast::<Fault>() {
        Ok(Fault(error)) => error,
        Err(other) => framework_error(&other),
    }
}

fn framework_error(failure: &poem::Error) -> Error {
    if let Some(param) = failure.downcast_ref::<ParseParamError>() {
        return Error::parameter(param.name, "is not of the type that it must have.");
    }
    if failure.is::<AuthorizationError>() {
        return Error::CredentialsMissing;
    }
    match failure.status() {
        StatusCode::NOT_FOUND => Error::NoSuchPath,
        status if status.is_client_error() => Error::InvalidRequest("The request cannot be read.".to_owned()),
        _ => Error::internal(failure.to_string()),
    }
}
