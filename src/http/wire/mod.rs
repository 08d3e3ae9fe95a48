//! The bodies of requests and answers. A type is written once and takes a face's spelling of ids as a parameter; what a
//! face says differently altogether stands in the face.

pub mod audit;
pub mod catalog;
pub mod connection;
pub mod credits;
pub mod dashboard;
pub mod explanation;
pub mod import;
pub mod key;
pub mod limits;
mod listing;
pub mod organization;
pub mod query;
pub mod report;
pub mod running;
pub mod saved_query;
pub mod session;
pub mod setup;
pub mod source;
mod spelling;
mod stamp;
pub mod structured;
pub mod sync;
pub mod usage;
pub mod user;
pub mod widget;

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::{Deserialize, Serialize};

pub use listing::{Counted, Listing};
pub use spelling::{Hex, Integer, REFERENCE_FORMAT, Reference, SUFFIXES, Spelling, UuidText};
pub use stamp::Stamp;

/// An empty request body: `{}` or nothing.
#[derive(Debug, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "EmptyRequest")]
pub struct Nothing {}

/// What was deleted.
#[derive(Serialize, Object)]
pub struct Deleted<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    /// Always true.
    deleted: bool,
}

impl<I: Spelling> Deleted<I> {
    /// This was.
    pub fn of(id: I) -> Self {
        Self { id, deleted: true }
    }
}
