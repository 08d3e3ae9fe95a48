//! The three faces: where they begin, how they spell ids and errors.

use serde_json::{Map, Value, json};

use crate::domain::error::Error;
use crate::domain::id::{BareIntegers, RequestId};
use crate::domain::window::Surface;
use crate::service::limits::PLATFORM_FACE;

/// A face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
    /// `/api/`
    Platform,
    /// `/api/v1/`
    External,
    /// `/v1/`
    V1,
}

impl Face {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Platform, Self::External, Self::V1];

    /// The face that a path belongs to, by its first segments; paths of none are answered in the shape of `/v1/`.
    pub fn of_path(path: &str) -> Option<Self> {
        let mut segments = path.trim_start_matches('/').split('/');
        match (segments.next(), segments.next()) {
            (Some("v1"), _) => Some(Self::V1),
            (Some("api"), Some("v1")) => Some(Self::External),
            (Some("api"), _) => Some(Self::Platform),
            _ => None,
        }
    }

    /// Its number in the chain.
    pub const fn number(self) -> u8 {
        match self {
            Self::Platform => PLATFORM_FACE,
            Self::External => 2,
            Self::V1 => 3,
        }
    }

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "api",
            Self::External => "api-v1",
            Self::V1 => "v1",
        }
    }

    /// The path below which it lies, without a trailing slash.
    pub const fn base(self) -> &'static str {
        match self {
            Self::Platform => "/api",
            Self::External => "/api/v1",
            Self::V1 => "/v1",
        }
    }

    /// Whether its paths are written with a trailing slash; both spellings work.
    pub const fn slash(self) -> &'static str {
        match self {
            Self::Platform | Self::External => "/",
            Self::V1 => "",
        }
    }

    /// Which windows its requests count in.
    pub const fn surface(self) -> Surface {
        match self {
            Self::Platform => Surface::Platform,
            Self::External | Self::V1 => Surface::Other,
        }
    }

    /// Whether a bare integer is an id here.
    pub const fn bare_integers(self) -> BareIntegers {
        match self {
            Self::Platform => BareIntegers::Accepted,
            Self::External | Self::V1 => BareIntegers::Unknown,
        }
    }

    /// An error in this face's shape.
    pub fn error_body(self, error: &Error, request: RequestId) -> Value {
        let code = error.code();
        let request = request.to_string();
        let mut body = match self {
            Self::Platform => json!({
                "error": code.as_str(), "message": code.sentence(), "detail": error.to_string(), "request_id": request,
            }),
            Self::External => json!({
                "error": code.title(), "message": error.to_string(), "code": code.as_str(), "request_id": request,
            }),
            Self::V1 => json!({
                "code": code.as_str(), "message": error.to_string(), "request_id": request,
            }),
        };
        add_facts(&mut body, error);
        match self {
            Self::V1 => Value::Object(Map::from_iter([("error".to_owned(), body)])),
            _ => body,
        }
    }
}

/// An error as a problem by RFC 9457, the same on every face: `page` is where its code is explained.
pub fn problem_body(error: &Error, request: RequestId, page: String) -> Value {
    let code = error.code();
    let mut body = json!({
        "type": page, "title": code.title(), "status": code.status(), "detail": error.to_string(),
        "instance": request.to_string(), "code": code.as_str(),
    });
    add_facts(&mut body, error);
    body
}

fn add_facts(body: &mut Value, error: &Error) {
    if let Some(fields) = body.as_object_mut() {
        fields.extend(error.facts().into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}
