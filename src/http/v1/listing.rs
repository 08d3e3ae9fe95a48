//! Lists of the cursor faces: `{data, next_cursor}`.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;

use crate::domain::page::{More, Page};

/// A page of a list.
#[derive(Serialize, Object)]
pub struct Listing<T: Type + ParseFromJSON + ToJSON> {
    /// The entries, oldest first.
    data: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    next_cursor: Option<String>,
}

impl<T: Type + ParseFromJSON + ToJSON> From<Page<T>> for Listing<T> {
    fn from(page: Page<T>) -> Self {
        let next_cursor = match page.more {
            More::Cursor(cursor) => cursor,
            More::Count { .. } => None,
        };
        Self { data: page.items, next_cursor }
    }
}
