//! An error as an answer: in its face's shape, or as a problem by RFC 9457 for a client that prefers it, with the
//! headers that belong to its code.

use poem::Response;
use poem::http::header::{self, HeaderMap};
use poem::http::{HeaderValue, StatusCode};

use super::accept;
use super::error_pages;
use super::face::{self, Face};
use crate::domain::error::{Error, TakenBy};
use crate::domain::id::RequestId;

const PROBLEM: &str = "application/problem+json";

/// How a client is told of errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// In the shape of this face.
    Face(Face),
    /// As a problem, whose types are pages at this address: empty where the request's own host cannot be believed.
    Problem {
        /// Scheme and host.
        origin: String,
    },
}

impl Shape {
    /// What the request asks for; `origin` is how it reached us, if that can be believed.
    pub fn asked(face: Face, headers: &HeaderMap, origin: Option<&str>) -> Self {
        if accept::prefers(headers, PROBLEM, "application/json") {
            return Self::Problem { origin: origin.unwrap_or_default().to_owned() };
        }
        Self::Face(face)
    }

    /// The whole answer.
    pub fn answer(&self, error: &Error, request: RequestId) -> Response {
        let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (content_type, body) = match self {
            Self::Face(face) => ("application/json", face.error_body(error, request)),
            Self::Problem { origin } => {
                let page = error_pages::address(origin, error.code());
                (PROBLEM, face::problem_body(error, request, page))
            }
        };
        let mut response = Response::builder().status(status).content_type(content_type).body(body.to_string());
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("accept"));
        if let Some(challenge) = challenge(error).and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = error.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let (name, value) = match error {
            Error::MethodNotAllowed(allow) => (header::ALLOW, allow.clone()),
            Error::RangeNotSatisfiable { length } => (header::CONTENT_RANGE, format!("bytes */{length}")),
            // Which codings would be taken (RFC 9110, 15.5.16).
            Error::UnsupportedCoding => (header::ACCEPT_ENCODING, "identity".to_owned()),
            _ => return response,
        };
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
        response
    }
}

/// `WWW-Authenticate` by RFC 6750, section 3: an error is named only to whom has shown a credential, and no more is said
/// of it than the body says.
fn challenge(error: &Error) -> Option<String> {
    const REALM: &str = "Bearer realm=\"claribi\"";
    let described =
        |kind: &str| format!("{REALM}, error=\"{kind}\", error_description=\"{}\"", error.code().sentence());
    match error {
        Error::CredentialsMissing | Error::InvalidLogin => Some(REALM.to_owned()),
        Error::InvalidKey | Error::KeyRevoked | Error::KeyExpired | Error::InvalidToken => {
            Some(described("invalid_token"))
        }
        Error::KeyInUrl => Some(described("invalid_request")),
        Error::PermissionMissing { permission: Some(permission), by: TakenBy::Scope(_) } => {
            Some(format!("{REALM}, error=\"insufficient_scope\", scope=\"{}\"", permission.as_str()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::Code;
    use crate::http::samples;

    fn header(error: &Error) -> Option<String> {
        let response = Shape::Face(Face::V1).answer(error, samples::REQUEST);
        response.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_error_is_named_only_to_whom_has_shown_a_credential() {
        assert_eq!(header(&Error::CredentialsMissing).unwrap(), "Bearer realm=\"claribi\"");
        let named = header(&Error::KeyExpired).unwrap();
        assert!(
            named.starts_with("Bearer realm=\"claribi\", error=\"invalid_token\", error_description=\"The API key")
        );
        let missing = samples::of(Code::PermissionMissing);
        assert!(header(&missing).unwrap().ends_with("error=\"insufficient_scope\", scope=\"dashboards:update\""));
    }

    #[test]
    fn every_401_has_a_challenge_that_can_be_parsed() {
        for code in Code::ALL.iter().filter(|code| code.status() == 401) {
            let text = header(&samples::of(*code)).unwrap();
            assert_eq!(text.matches('"').count() % 2, 0, "{text}");
            assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\'), "{text}");
        }
    }

    #[test]
    fn a_problem_names_its_page_absolutely_where_the_host_is_known() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(PROBLEM));
        let shape = Shape::asked(Face::Platform, &headers, Some("https://bi.example.com"));
        assert_eq!(shape, Shape::Problem { origin: "https://bi.example.com".to_owned() });
        let response = shape.answer(&Error::CredentialsMissing, samples::REQUEST);
        assert_eq!(response.content_type(), Some(PROBLEM));
        assert_eq!(Shape::asked(Face::V1, &HeaderMap::new(), None), Shape::Face(Face::V1));
    }
}
