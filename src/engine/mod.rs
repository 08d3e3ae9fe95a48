//! The data engine: files become extracts, extracts answer queries and are profiled.
//!
//! It runs in worker processes alone; the server never calls it. It knows files and tables, not organisations or
//! permissions: whoever asks has decided what may be read.

pub mod control;
pub mod detect;
pub mod import;
pub mod profile;
pub mod sql;
pub mod threads;

use crate::worker::protocol::{Failure, FailureCode};

/// A failure that is a defect of ours or of the machine; the words are for the log.
pub(crate) fn internal(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureCode::Internal, format!("{what}: {error}"))
}
