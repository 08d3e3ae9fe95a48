//! Request bodies as JSON: bounded while they are read, strict about what they say.

mod explain;
mod json;
mod plain;

pub use json::parse;

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use poem::http::header::CONTENT_TYPE;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

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
    collect_within(body, exchange, exchange.body_limit()).await
}

/// The same, within a limit of its own.
pub async fn collect_within(body: poem::Body, exchange: &Exchange, limit: u64) -> Result<Bytes, Error> {
    let mut chunks = std::pin::pin!(body.into_bytes_stream());
    let mut meter = Meter { limit, ..Meter::new(exchange) };
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
    limit: u64,
}

impl<'e> Meter<'e> {
    /// Begins to read.
    pub fn new(exchange: &'e Exchange) -> Self {
        Self { exchange, started: monotonic(), read: 0, limit: exchange.body_limit() }
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
        if self.read > self.limit {
            return Err(Error::TooLarge { limit: self.limit });
        }
        let elapsed = monotonic().saturating_sub(self.started);
        if elapsed > rules.pause && self.read < rules.rate.saturating_mul(elapsed.as_secs()) {
            return Err(Error::RequestTimeout);
        }
        Ok(Some(chunk))
    }
}

/// Refuses what is no JSON in UTF-8.
pub fn check_content_type(sent: Option<&str>) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
