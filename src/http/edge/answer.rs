//! What every answer gets on its way out: the request's id and what is left of the caller's windows; and the answers that
//! no handler makes.

use std::sync::atomic::Ordering;

use http_body::Body as _;
use poem::Response;
use poem::http::header::{self, HeaderName};
use poem::http::{HeaderValue, StatusCode};

use super::Edge;
use crate::domain::error::Error;
use crate::domain::id::RequestId;
use crate::domain::window::{Admission, Class, Verdict};
use crate::http::exchange::Exchange;
use crate::http::limit_headers;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Edge {
    /// The headers that every answer of a call has.
    pub(super) fn finished(&self, exchange: &Exchange, mut response: Response) -> Response {
        if exchange.is_degraded.load(Ordering::Relaxed) {
            limit_headers::stamp_degraded(response.headers_mut());
        }
        if let (Some(admission), Some(operation)) = (exchange.admission.get(), exchange.operation.get()) {
            limit_headers::stamp(response.headers_mut(), admission, exchange.face, operation.class, exchange.at);
        } else if let Some(caller) = exchange.caller.get()
            && let Ok(Some(headroom)) = self.0.app.headroom(caller.identity())
        {
            // Refused by address or plan before the windows were asked: nothing is counted, the rest is told.
            let admission = Admission { verdict: Verdict::Admitted, at_ms: exchange.at.millis(), headroom };
            let class = exchange.operation.get().map_or(Class::General, |operation| operation.class);
            limit_headers::stamp(response.headers_mut(), &admission, exchange.face, class, exchange.at);
        }
        stamp(&mut response, exchange.request);
        response
    }
}

/// The headers that every answer has.
pub(super) fn stamp(response: &mut Response, request: RequestId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// What is said when a handler did not come to its end.
pub(super) fn panicked(exchange: &Exchange) -> Response {
    exchange.shape.answer(&Error::internal("a handler panicked"), exchange.request)
}

/// Which methods there are.
pub(super) fn options(allow: &str) -> Response {
    let mut response: Response = StatusCode::NO_CONTENT.into();
    if let Ok(value) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Keeps the length of the body that a GET would have had, and drops the body. Answers that never have one have no
/// length either.
pub(in crate::http) fn drop_body(response: &mut Response) {
    let boxed: http_body_util::combinators::BoxBody<bytes::Bytes, std::io::Error> = response.take_body().into();
    let has_body = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(length) = boxed.size_hint().exact().filter(|_| has_body) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
}
