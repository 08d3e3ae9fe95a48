//! The `Idempotency-Key`: where an operation takes one, a request that came before is not handled again. What is kept,
//! and when, is the business of `service::once`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_lc_rs::digest::{Context, SHA256};
use poem::http::header::{self, HeaderMap};
use poem::http::{HeaderValue, StatusCode};
use poem::{Endpoint, Request, Response};

use super::exchange::Exchange;
use super::multipart::Part;
use super::operations::Route;
use super::{body, fault, new_source};
use crate::domain::error::{Error, Result};
use crate::domain::operation::{BodyKind, Repeats};
use crate::service::app::App;
use crate::service::once::{Fingerprint, StoredAnswer};

/// The header of requests that happen once.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Says of an answer that it is an earlier request's.
pub const REPLAYED: &str = "Idempotent-Replayed";
/// The longest key, in characters.
pub const KEY_LENGTH: usize = 255;

/// Calls an operation, or answers as it was answered before.
///
/// # Errors
/// What the operation gives; `InvalidParameter` for a header that is no key, `IdempotencyMismatch` and
/// `RequestInProgress`.
pub async fn call(app: &App, exchange: &Exchange, route: &Route, mut request: Request) -> Result<Response> {
    let operation = route.operation;
    let key = if operation.repeats == Repeats::Once { key_of(request.headers())? } else { None };
    let Some(key) = key else { return handled(route, request).await };
    // An upload is not read twice where its handler runs: there, the handler's reading tells what it is.
    let fingerprint = match operation.body {
        BodyKind::Upload => None,
        BodyKind::Json | BodyKind::None => Some(read(&mut request, exchange).await?),
    };
    let caller = exchange.caller()?;
    let (_held, once) = app.once(caller, exchange.plain_path(), key, fingerprint)?;
    let once = Arc::new(once);
    let _ = exchange.once.set(once.clone());
    let Some(stored) = once.answered() else { return handled(route, request).await };
    if fingerprint.is_none() {
        new_source::identify(exchange, request).await?;
    }
    caller.require_needs(operation.needs)?;
    exchange.replayed.store(true, Ordering::Relaxed);
    Ok(replayed(stored))
}

async fn handled(route: &Route, request: Request) -> Result<Response> {
    route.endpoint.call(request).await.map_err(fault::error_of)
}

/// The key of a request, if it has one.
fn key_of(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::parameter(IDEMPOTENCY_KEY, "stands in the request twice."));
    }
    let is_visible = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(|text| (1..=KEY_LENGTH).contains(&text.len())).filter(is_visible);
    let reason = || format!("must be 1 to {KEY_LENGTH} characters of visible ASCII.");
    Ok(Some(key.ok_or_else(|| Error::parameter(IDEMPOTENCY_KEY, reason()))?.to_owned()))
}

/// Reads the body and puts it back.
async fn read(request: &mut Request, exchange: &Exchange) -> Result<Fingerprint> {
    let bytes = body::collect(request.take_body(), exchange).await?;
    let mut sum = Sum::of(exchange);
    sum.piece(&bytes);
    request.set_body(bytes);
    Ok(sum.finish())
}

fn replayed(stored: &StoredAnswer) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(stored.status).unwrap_or_default())
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(REPLAYED, HeaderValue::from_static("true"))
        .body(stored.body.clone())
}

/// What a request asks for, as SHA-256 over its query and its body. Of a form that is its parts: clients draw a new
/// boundary each time they send it.
pub struct Sum {
    whole: Context,
    content: Context,
}

impl Sum {
    /// Begins with the query.
    pub fn of(exchange: &Exchange) -> Self {
        let mut sum = Self { whole: Context::new(&SHA256), content: Context::new(&SHA256) };
        sum.field(exchange.path.split_once('?').map_or("", |(_, query)| query));
        sum
    }

    /// A part of a form; its pieces follow.
    pub fn part(&mut self, part: &Part) {
        self.close();
        self.field(&part.name);
        self.field(part.file_name.as_deref().unwrap_or_default());
    }

    /// A piece of the body, or of a part of it.
    pub fn piece(&mut self, bytes: &[u8]) {
        self.content.update(bytes);
    }

    /// The sum.
    pub fn finish(mut self) -> Fingerprint {
        self.close();
        hash(self.whole)
    }

    fn field(&mut self, text: &str) {
        self.whole.update(&(text.len() as u64).to_le_bytes());
        self.whole.update(text.as_bytes());
    }

    /// Contents go in as their hashes, so that their ends cannot be mistaken.
    fn close(&mut self) {
        let content = std::mem::replace(&mut self.content, Context::new(&SHA256));
        self.whole.update(&hash(content));
    }
}

fn hash(context: Context) -> Fingerprint {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
