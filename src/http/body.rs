//! Request bodies as JSON: bounded while they are read, strict about what they say (trap A13).

mod plain;

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use poem::http::header::CONTENT_TYPE;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use self::plain::Plain;
use super::credential::exchange;
use super::exchange::Exchange;
use super::fault::Fault;
use crate::domain::error::Error;
use crate::domain::time::monotonic;

/// A JSON body. Unknown fields, fields that stand twice, and wrong types are refused by their place; no body is `{}`.
pub struct Body<T>(pub T);

impl<'a, T: DeserializeOwned + Type> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let exchange = exchange(request)?;
        let bytes = match body.take() {
            Ok(body) => collect(body, exchange).await.map_err(Fault::from)?,
            Err(_) => Bytes::new(),
        };
        if !bytes.is_empty() {
            check_content_type(request.header(CONTENT_TYPE)).map_err(Fault::from)?;
        }
        Ok(Self(parse(&bytes).map_err(Fault::from)?))
    }
}

/// Reads a body to its end, within the exchange's rules.
pub async fn collect(body: poem::Body, exchange: &Exchange) -> Result<Bytes, Error> {
    let mut chunks = std::pin::pin!(body.into_bytes_stream());
    let mut meter = Meter::new(exchange);
    let mut collected = BytesMut::new();
    while let Some(chunk) = meter.next(&mut chunks).await? {
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

/// Holds a body to its limits: bytes, pauses, and the slowest pace.
pub struct Meter<'e> {
    exchange: &'e Exchange,
    started: std::time::Duration,
    read: u64,
}

impl<'e> Meter<'e> {
    /// Begins to read.
    pub fn new(exchange: &'e Exchange) -> Self {
        Self { exchange, started: monotonic(), read: 0 }
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// `TooLarge` past the limit, `RequestTimeout` for a pause that is too long or a body that is too slow,
    /// `InvalidRequest` for one that breaks off.
    pub async fn next<S, E>(&mut self, chunks: &mut S) -> Result<Option<Bytes>, Error>
    where
        S: futures_util::Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let rules = self.exchange.body;
        let next = tokio::time::timeout(rules.pause, chunks.next()).await.map_err(|_| Error::RequestTimeout)?;
        let Some(chunk) = next else { return Ok(None) };
        let chunk =
            chunk.map_err(|_| Error::InvalidRequest("The request body breaks off; send all of it.".to_owned()))?;
        self.read += chunk.len() as u64;
        self.exchange.bytes_in.store(self.read, Ordering::Relaxed);
        let limit = self.exchange.body_limit();
        if self.read > limit {
            return Err(Error::TooLarge { limit });
        }
        let elapsed = monotonic().saturating_sub(self.started);
        if elapsed > rules.pause && self.read < rules.rate.saturating_mul(elapsed.as_secs()) {
            return Err(Error::RequestTimeout);
        }
        Ok(Some(chunk))
    }
}

fn check_content_type(sent: Option<&str>) -> Result<(), Error> {
    let sent = sent.unwrap_or_default();
    let mut parts = sent.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json =
        media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    let mut charsets =
        parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    let is_utf8 = charsets.all(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    if is_json && is_utf8 { Ok(()) } else { Err(Error::UnsupportedMediaType("application/json in UTF-8")) }
}

/// Reads JSON; an empty body is `{}`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Plain(&mut reader)).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    reader.end().map_err(|error| explain("", &error))?;
    Ok(value)
}

/// An error of serde's as a fact of ours. Its words are stable enough to be told apart; what is not recognised is passed
/// on without its position, which a reader does not need beside the field's path.
fn explain(path: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(words, _)| words);
    let quoted = || message.split('`').nth(1).unwrap_or_default().to_owned();
    let root = path.is_empty() || path == ".";
    let at = |name: &str| if root { name.to_owned() } else { format!("{path}.{name}") };
    // For unknown fields the path already ends in the field.
    let parent = |name: &str| {
        if root || path == name || path.ends_with(&format!(".{name}")) { path.to_owned() } else { at(name) }
    };
    if !error.is_data() {
        return Error::InvalidJson(format!(
            "The body is not valid JSON at line {}, column {}: {message}.",
            error.line(),
            error.column()
        ));
    }
    if message.starts_with("unknown field") {
        let name = quoted();
        let field = if root { name } else { parent(&name) };
        return Error::UnknownField(field);
    }
    if message.starts_with("missing field") {
        return Error::field(at(&quoted()), "is missing.");
    }
    if message.starts_with("duplicate field") {
        return Error::InvalidJson(format!("The field `{}` stands in the body twice.", at(&quoted())));
    }
    let field = if root { "body" } else { path };
    Error::field(field, format!("is not what it must be: {message}."))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Inner {
        count: u32,
    }

    fn refused(text: &str) -> (&'static str, String) {
        let error = parse::<Outer>(text.as_bytes()).unwrap_err();
        (error.code().as_str(), error.to_string())
    }

    #[test]
    fn each_mistake_is_named_by_its_place() {
        assert_eq!(
            refused(r#"{"name":"a","nam":1}"#),
            ("unknown_field", "`nam` is not a field of this operation; leave it out.".into())
        );
        assert_eq!(
            refused(r#"{"name":"a","inner":[{"count":1,"x":2}]}"#).1,
            "`inner[0].x` is not a field of this operation; leave it out."
        );
        assert_eq!(refused(r#"{"inner":[]}"#), ("invalid_request", "`name` is missing.".into()));
        assert_eq!(refused(r#"{"name":"a","inner":[{}]}"#).1, "`inner[0].count` is missing.");
        assert_eq!(
            refused(r#"{"name":"a","name":"b"}"#),
            ("invalid_json", "The field `name` stands in the body twice.".into())
        );
        assert_eq!(refused(r#"{"name":5}"#).0, "invalid_request");
        assert!(
            refused(r#"{"name":"a","inner":[{"count":-1}]}"#).1.starts_with("`inner[0].count` is not what it must be")
        );
        assert_eq!(refused(r#"{"name":"a"} x"#).0, "invalid_json");
        assert_eq!(refused("{").0, "invalid_json");
        assert_eq!(refused("\u{feff}{}").0, "invalid_json");
        assert_eq!(refused("[]").0, "invalid_request");
        let deep = format!(r#"{{"name":{}"#, "[".repeat(100_000));
        assert_ne!(refused(&deep).0, "internal");
        assert_eq!(parse::<Outer>(b"{\"name\":\"\xff\"}").unwrap_err().code().as_str(), "invalid_json");
    }

    #[test]
    fn arrays_are_no_objects_and_objects_are_no_words() {
        assert!(parse::<Outer>(br#"{"name":"a","inner":[{"count":1}],"colour":"red"}"#).is_ok());
        assert!(parse::<Outer>(br#"{"name":"a","colour":null}"#).is_ok());
        assert!(refused(r#"["a"]"#).1.starts_with("`body` is not what it must be: invalid type: sequence"));
        assert!(refused(r#"{"name":"a","inner":[[1]]}"#).1.starts_with("`inner[0]` is not what it must be"));
        assert!(refused(r#"{"name":"a","colour":{"red":null}}"#).1.starts_with("`colour` is not what it must be"));
        assert!(refused(r#"{"name":"a","colour":"blue"}"#).1.contains("expected `red`"));
    }

    #[test]
    fn no_body_is_an_empty_object() {
        assert_eq!(refused("").1, "`name` is missing.");
    }

    #[test]
    fn only_json_in_utf8_is_taken() {
        for good in ["application/json", "application/json; charset=UTF-8", "application/problem+json"] {
            assert!(check_content_type(Some(good)).is_ok(), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""] {
            assert!(check_content_type(Some(bad)).is_err(), "{bad}");
        }
    }
}
