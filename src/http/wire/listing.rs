//! The shapes of lists: by cursor, and by page number.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;

use crate::domain::page::{More, Page};
use crate::http::exchange::Exchange;
use crate::http::incoming::decoded;

/// A page by cursor.
#[derive(Serialize, Object)]
pub struct Listing<T: Type + ParseFromJSON + ToJSON> {
    /// The entries, oldest first unless `sort` says otherwise.
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

/// A page by number.
#[derive(Serialize, Object)]
pub struct Counted<T: Type + ParseFromJSON + ToJSON> {
    /// All entries of the list.
    count: u64,
    /// The address of the next page; null at the end.
    next: Option<String>,
    /// The address of the page before; null at the beginning.
    previous: Option<String>,
    /// The entries, oldest first unless `sort` says otherwise.
    results: Vec<T>,
}

impl<T: Type + ParseFromJSON + ToJSON> Counted<T> {
    /// A page with links that keep the request's other parameters.
    pub fn of(page: Page<T>, exchange: &Exchange) -> Self {
        let More::Count { total, page: number, size } = page.more else {
            return Self { count: page.items.len() as u64, next: None, previous: None, results: page.items };
        };
        let has_next = u64::from(number) * u64::from(size) < total;
        let last = u32::try_from(total.div_ceil(u64::from(size)).max(1)).unwrap_or(u32::MAX);
        Self {
            count: total,
            next: has_next.then(|| link(exchange, number + 1)),
            previous: (number > 1).then(|| link(exchange, (number - 1).min(last))),
            results: page.items,
        }
    }
}

fn link(exchange: &Exchange, page: u32) -> String {
    let (path, query) = exchange.path.split_once('?').unwrap_or((&exchange.path, ""));
    let mut parts: Vec<String> = query
        .split('&')
        // By its full name: `Type`, which is in scope for the derive, has an `is_empty` for texts that is always false.
        .filter(|part| !str::is_empty(part) && name_of(part).as_deref() != Some("page"))
        .map(str::to_owned)
        .collect();
    parts.push(format!("page={page}"));
    let origin = exchange.origin.get().map_or("", String::as_str);
    let slash = if path.ends_with('/') { "" } else { "/" };
    format!("{origin}{path}{slash}?{}", parts.join("&"))
}

fn name_of(part: &str) -> Option<String> {
    decoded(part.split('=').next().unwrap_or_default())
}
