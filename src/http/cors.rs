//! Cross-origin requests: pages of the listed origins may call the API from a browser (the Fetch standard, CORS
//! protocol). Without a listed origin nothing is said and browsers refuse.
//!
//! Keys and tokens travel in headers that the page itself sets, so credentials of the browser's are never allowed.

use poem::http::header::{self, HeaderMap};
use poem::http::{HeaderValue, Method, StatusCode};

/// What pages may send beside what browsers always let them.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, x-api-key, content-type, accept, idempotency-key, if-match, if-none-match, if-range, range",
);
/// What pages may read beside what browsers always let them.
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, x-ratelimit-mode, ratelimit, ratelimit-policy, \
     retry-after, etag, allow, www-authenticate, content-disposition, content-range, accept-ranges, \
     idempotent-replayed, x-row-count, x-truncated",
);
/// How long a browser may keep what a preflight said, in seconds: what most browsers cut it to anyway.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The origins whose pages may call.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<HeaderValue>);

/// What a request's head says of where it comes from.
pub struct CrossOrigin {
    /// The origin, when it is a listed one.
    listed: Option<HeaderValue>,
    preflight: bool,
}

impl Origins {
    /// These, spelled as browsers send them.
    pub fn new<'o>(origins: impl Iterator<Item = &'o str>) -> Self {
        Self(origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// Looks at a head; `None` when there are no origins at all.
    pub fn look(&self, method: &Method, headers: &HeaderMap) -> Option<CrossOrigin> {
        if self.0.is_empty() {
            return None;
        }
        let origin = headers.get(header::ORIGIN);
        let preflight = *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Some(CrossOrigin { listed: origin.filter(|origin| self.0.contains(origin)).cloned(), preflight })
    }
}

impl CrossOrigin {
    /// Says in an answer what its page may do. Every answer depends on the origin, those to others too.
    pub fn stamp(self, status: StatusCode, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.listed else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.preflight {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
        } else if status.is_success()
            && let Some(allow) = headers.get(header::ALLOW).cloned()
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}
