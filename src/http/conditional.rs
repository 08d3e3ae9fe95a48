//! Conditional requests (RFC 9110, 13): the tags of what is answered, 304 for what the client has, 412 for what has
//! changed.
//!
//! A tag is the hash of the body. Nothing has to be counted up for it, so no change can be forgotten: not one that comes
//! through another table, and not another shape of the body in another version of this program. A change asks for the
//! same hash of the object as it stands within its transaction.

use std::sync::Arc;

use aws_lc_rs::digest;
use poem::Response;
use poem::http::header::{self, AsHeaderName, HeaderMap};
use poem::http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::compress;
use super::exchange::Exchange;
use super::face::Face;
use super::wire::catalog::DataSourceTable;
use super::wire::dashboard::Dashboard;
use super::wire::key::Key;
use super::wire::organization::Organization;
use super::wire::report::Report;
use super::wire::saved_query::SavedQuery;
use super::wire::session::Session;
use super::wire::source::DataSource;
use super::wire::user::User;
use super::wire::{Hex, Integer, Spelling, UuidText};
use crate::domain::condition::Condition;
use crate::domain::error::{Error, Result};
use crate::service::conditions::{Conditions, Standing};

/// Objects are asked for again at each use: whoever keeps one must ask whether it is still the same.
pub const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Bytes of a hash in a tag.
const HASH: usize = 16;

/// The conditions that a request's head states.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `If-Match`.
    pub if_match: Option<Condition>,
    /// `If-None-Match`.
    pub if_none_match: Option<Condition>,
}

impl Asked {
    /// Reads a head.
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            if_match: condition(headers, header::IF_MATCH),
            if_none_match: condition(headers, header::IF_NONE_MATCH),
        }
    }

    /// Whether there is any.
    pub fn is_some(&self) -> bool {
        self.if_match.is_some() || self.if_none_match.is_some()
    }

    /// Whether an object with this tag is answered as a whole, instead of by 304 or 412.
    pub fn wants(&self, opaque: &str) -> bool {
        self.if_match.as_ref().is_none_or(|condition| condition.names_definition(opaque))
            && self.if_none_match.as_ref().is_none_or(|condition| condition.names_content(opaque).is_none())
    }
}

fn condition(headers: &HeaderMap, name: impl AsHeaderName) -> Option<Condition> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    Some(Condition::read(lines.map(|line| line.to_str().unwrap_or_default())))
}

/// The hash of a body, as it stands in a tag.
pub fn hash(body: &[u8]) -> String {
    hex::encode(&digest::digest(&digest::SHA256, body).as_ref()[..HASH])
}

/// An object that is answered by itself.
pub trait Tagged: Serialize {
    /// Whether a client may keep it, if it asks at each use.
    const MAY_BE_KEPT: bool = true;

    /// What a change is based on, where the body tells more than that.
    fn definition(&self) -> Option<impl Serialize> {
        None::<()>
    }
}

/// The tag of an object, of which `body` is the JSON.
pub fn tag(object: &impl Tagged, body: &[u8]) -> String {
    match object.definition().and_then(|definition| serde_json::to_vec(&definition).ok()) {
        Some(definition) => format!("{}.{}", hash(&definition), hash(body)),
        None => hash(body),
    }
}

/// Gives an answer its tag.
pub fn put(headers: &mut HeaderMap, opaque: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("\"{opaque}\"")) {
        headers.insert(header::ETAG, value);
    }
}

/// The tag of an answer, without its quotes.
pub fn of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ETAG)?.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')
}

/// An answer to a safe request, by its conditions: itself, 304, or `PreconditionFailed`.
pub fn answered(asked: &Asked, response: Response) -> Result<Response> {
    let Some(opaque) = of(response.headers()).filter(|_| asked.is_some() && response.status().is_success()) else {
        return Ok(response);
    };
    if asked.if_match.as_ref().is_some_and(|condition| !condition.names_definition(opaque)) {
        return Err(Error::PreconditionFailed);
    }
    let held = asked.if_none_match.as_ref().and_then(|condition| condition.names_content(opaque));
    match held.map(str::to_owned) {
        Some(held) => Ok(not_modified(response, &held)),
        None => Ok(response),
    }
}

/// 304 with the fields that a 200 under the held tag would have had, without those that tell of a body.
fn not_modified(mut response: Response, held: &str) -> Response {
    let varies = compress::varies(response.headers());
    drop(response.take_body());
    response.set_status(StatusCode::NOT_MODIFIED);
    let headers = response.headers_mut();
    for of_body in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_DISPOSITION,
        header::CONTENT_RANGE,
    ] {
        headers.remove(of_body);
    }
    if varies {
        headers.append(header::VARY, compress::VARY);
    }
    put(headers, held);
    response
}

/// The conditions of a request that changes something, asked of objects as its face shows them.
pub struct Changing(pub Arc<Exchange>);

impl Conditions for Changing {
    fn check(&self, object: Standing<'_>) -> Result<()> {
        let shown = match self.0.face {
            Face::Platform => self.shown::<Integer>(object)?,
            Face::External => self.shown::<UuidText>(object)?,
            Face::V1 => self.shown::<Hex>(object)?,
        };
        let asked = &self.0.asked;
        let is_seen = asked.if_match.as_ref().is_none_or(|condition| condition.names_definition(&shown));
        let is_unwanted =
            asked.if_none_match.as_ref().is_some_and(|condition| condition.names_content(&shown).is_some());
        if is_seen && !is_unwanted { Ok(()) } else { Err(Error::PreconditionFailed) }
    }
}

impl Changing {
    fn shown<I: Spelling>(&self, object: Standing<'_>) -> Result<String> {
        match object {
            Standing::Dashboard(dashboard) => tag_of(&Dashboard::<I>::from(dashboard.clone())),
            Standing::SavedQuery(query) => tag_of(&SavedQuery::<I>::from(query.clone())),
            Standing::Source(source) => tag_of(&DataSource::<I>::from(source.clone())),
            Standing::Table(table) => tag_of(&DataSourceTable::from(table.clone())),
            Standing::Report(report) => tag_of(&Report::<I>::of(report.clone(), &self.0)),
            Standing::User(user) => tag_of(&User::<I>::from(user.clone())),
            Standing::Session(session) => tag_of(&Session::<I>::of(session, self.0.caller()?)),
            Standing::Organization(organization) => tag_of(&Organization::<I>::from(organization.clone())),
            Standing::Key(key) => tag_of(&Key::<I>::of(key.clone(), self.0.at)),
        }
    }
}

fn tag_of(object: &impl Tagged) -> Result<String> {
    Ok(tag(object, &serde_json::to_vec(object).map_err(Error::internal)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(opaque: &str) -> Response {
        let mut response = Response::builder().content_type("application/json").body("{}");
        put(response.headers_mut(), opaque);
        response.headers_mut().insert(header::CACHE_CONTROL, REVALIDATE);
        response
    }

    fn asked(if_match: Option<&str>, if_none_match: Option<&str>) -> Asked {
        let read = |text: Option<&str>| text.map(|text| Condition::read([text].into_iter()));
        Asked { if_match: read(if_match), if_none_match: read(if_none_match) }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again_under_the_tag_by_which_it_holds_it() {
        for held in ["\"a\"", "\"a-gz\"", "\"a-zst\""] {
            let answer = answered(&asked(None, Some(held)), tagged("a")).unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(answer.headers()["etag"], held);
            assert_eq!(answer.headers()["cache-control"], "private, no-cache");
            assert_eq!(answer.headers()["vary"], "accept-encoding");
            assert!(!answer.headers().contains_key("content-type"));
        }
    }

    #[test]
    fn if_match_is_asked_before_if_none_match() {
        let failed = answered(&asked(Some("\"b\""), Some("\"a\"")), tagged("a"));
        assert!(matches!(failed, Err(Error::PreconditionFailed)));
        assert_eq!(answered(&asked(Some("\"a\""), Some("\"b\"")), tagged("a")).unwrap().status(), StatusCode::OK);
    }
}
