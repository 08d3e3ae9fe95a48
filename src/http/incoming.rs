//! What a request brings, before its handler sees it: path, query, length and coding of the body. Headers are
//! `head`'s, credentials `authenticate`'s.

use std::sync::Arc;

use http_body::Body as _;
use hyper::body::Incoming;
use poem::RequestParts;
use poem::http::header;
use poem_openapi::__private::UrlQuery;

use super::exchange::Exchange;
use super::operations::Route;
use crate::domain::error::{Error, Result};
use crate::domain::operation::{BodyKind, Operation};

/// The longest path that is looked at.
const PATH_LENGTH: usize = 2_048;

/// The path without one trailing slash; anything odd about it is an unknown path.
pub(super) fn plain_path(path: &str) -> Result<&str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let odd = path.len() > PATH_LENGTH || path.contains("//") || path.ends_with('/') || path.contains([';', '\\']);
    if odd { Err(Error::NoSuchPath) } else { Ok(path) }
}

/// The query, decoded once: bad encoding, repeats, and names that the operation does not have are refused by name.
pub(super) fn checked_query(route: &Route, query: Option<&str>) -> Result<UrlQuery> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(UrlQuery(Vec::new())) };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let bad = || Error::parameter(part, "is not percent-encoded UTF-8.");
        let name = decoded(name).ok_or_else(bad)?;
        let value = decoded(value).ok_or_else(bad)?;
        if !route.query.contains(&name) {
            let known = route.query.join(", ");
            let reason = match known.as_str() {
                "" => "is not a parameter here: there are none.".to_owned(),
                known => format!("is not a parameter here; there are {known}."),
            };
            return Err(Error::parameter(name, reason));
        }
        if pairs.iter().any(|(found, _)| *found == name) {
            return Err(Error::parameter(name, "stands in the query twice."));
        }
        pairs.push((name, value));
    }
    Ok(UrlQuery(pairs))
}

/// A name or value of a query without its percent-encoding; `None` for what is no UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [*rest.next()?, *rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// A body whose length is told and too long is not begun.
pub(super) fn check_length(request: &hyper::Request<Incoming>, limit: u64) -> Result<()> {
    match request.body().size_hint().exact() {
        Some(length) if length > limit => Err(Error::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// A compressed body could be a thousand times as long as what is counted.
pub(super) fn check_coding(operation: &Operation, request: &hyper::Request<Incoming>) -> Result<()> {
    let codings = request.headers().get_all(header::CONTENT_ENCODING);
    let is_plain = codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let is_read = operation.body != BodyKind::None && !request.body().is_end_stream();
    if is_plain || !is_read { Ok(()) } else { Err(Error::UnsupportedCoding) }
}

/// The request as poem's handlers have it.
pub(super) fn poem_request(
    request: hyper::Request<Incoming>,
    exchange: Arc<Exchange>,
    query: UrlQuery,
) -> poem::Request {
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() {
        poem::Body::empty()
    } else {
        let boxed = http_body_util::BodyExt::boxed(http_body_util::BodyExt::map_err(body, std::io::Error::other));
        poem::Body::from(boxed)
    };
    let mut parts = RequestParts::from((
        parts,
        poem::web::LocalAddr::default(),
        poem::web::RemoteAddr::default(),
        poem::http::uri::Scheme::HTTP,
    ));
    parts.extensions.insert(exchange);
    parts.extensions.insert(query);
    poem::Request::from_parts(parts, body)
}
