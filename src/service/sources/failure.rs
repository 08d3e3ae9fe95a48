//! Why a worker gave nothing, in the words of the table of codes.

use crate::domain::error::Error;
use crate::worker::pool::Refused;
use crate::worker::protocol::{Failure, FailureCode};

/// A worker's refusal in the words of the table of codes.
pub(in crate::service) fn error_of(refused: Refused) -> Error {
    match refused {
        Refused::Full => Error::Overloaded,
        Refused::Canceled => Error::QueryCanceled,
        Refused::Failed(failure) => failure_of(failure),
    }
}

/// A job's failure in the words of the table of codes.
pub(in crate::service) fn failure_of(failure: Failure) -> Error {
    let Failure { code, message, position } = failure;
    match code {
        FailureCode::InvalidSql => {
            Error::InvalidSql { message, position: position.map(|place| (place.line, place.column)) }
        }
        FailureCode::InvalidOptions => Error::field("options", format!("do not fit the file: {message}")),
        FailureCode::InvalidFile => Error::InvalidFile(message),
        FailureCode::Source => Error::SourceUnavailable(message),
        FailureCode::Timeout => Error::QueryTimeout(message),
        FailureCode::TooLarge => Error::QueryTooLarge(message),
        FailureCode::Canceled => Error::Overloaded,
        FailureCode::DiskFull => Error::StorageUnavailable(message.into()),
        FailureCode::Internal => Error::internal(message),
    }
}
