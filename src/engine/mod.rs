//! The data engine: files and databases become extracts, extracts answer queries and are profiled.
//!
//! It runs in worker processes alone; the server never calls it. It knows files and tables, not organisations or
//! permissions: whoever asks has decided what may be read.

pub mod connect;
pub mod control;
pub mod detect;
pub mod import;
pub mod profile;
pub mod sql;
pub mod threads;

use std::error::Error;
use std::io::ErrorKind;

use crate::worker::protocol::{Failure, FailureCode};

/// A failure that is a defect of ours or of the machine; the words are for the log.
pub(crate) fn internal(what: &str, error: &(dyn Error + 'static)) -> Failure {
    let code = if is_disk_full(error) { FailureCode::DiskFull } else { FailureCode::Internal };
    Failure::new(code, format!("{what}: {error}"))
}

/// The same where nothing but our own words say what is wrong.
pub(crate) fn defect(what: &str) -> Failure {
    Failure::new(FailureCode::Internal, what)
}

/// Whether an error has at its bottom that there is no room to write.
fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let full = error.downcast_ref::<std::io::Error>().is_some_and(|error| {
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
    });
    full || error.source().is_some_and(is_disk_full)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::error::ArrowError;
    use datafusion::error::DataFusionError;
    use datafusion::parquet::errors::ParquetError;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_defect_however_deep_it_lies() {
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        let deep = DataFusionError::from(ArrowError::from(full()));
        assert_eq!(internal("a query failed", &deep).code, FailureCode::DiskFull);
        let parquet = ParquetError::from(full());
        assert_eq!(internal("writing failed", &parquet).code, FailureCode::DiskFull);
        let other = std::io::Error::from(ErrorKind::PermissionDenied);
        assert_eq!(internal("writing failed", &other).code, FailureCode::Internal);
    }
}
