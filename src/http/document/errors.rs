//! The errors of the documents: which an operation can give, their shape on a face, and an example of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::access::Permission;
use crate::domain::code::Code;
use crate::domain::error::{Error, TakenBy};
use crate::domain::id::RequestId;
use crate::domain::operation::{COMMON, Needs, ONCE, Operation, Repeats};
use crate::domain::window::WindowName;
use crate::http::face::Face;

/// What operations without a caller can answer with, beside their own.
const PUBLIC: &[Code] = &[
    Code::InvalidParameter,
    Code::KeyInUrl,
    Code::HttpsRequired,
    Code::TooLarge,
    Code::RequestTimeout,
    Code::MisdirectedRequest,
    Code::Internal,
    Code::Overloaded,
    Code::AuditUnavailable,
];

/// The error responses of an operation by their status, without headers.
pub fn responses(operation: &Operation) -> BTreeMap<u16, Value> {
    let common = if operation.needs == Needs::Nothing { PUBLIC } else { COMMON };
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    let once = if operation.repeats == Repeats::Once { ONCE } else { &[] };
    for code in operation.errors.iter().chain(once).chain(common) {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    by_status.into_iter().map(|(status, codes)| (status, response(&codes))).collect()
}

fn response(codes: &[Code]) -> Value {
    let words: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.sentence())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({"$ref": format!("#/components/examples/{}", code.as_str())})))
        .collect();
    let content = json!({"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}, "examples": examples});
    json!({"description": words.join("\n\n"), "content": {"application/json": content}})
}

/// An example of every error, by its code, as the face answers it.
pub fn examples(face: Face) -> Value {
    let request = RequestId(uuid::Uuid::from_u128(0x0196_0a8f_4d2e_7c3b_9a51_6f0e_8d7c_4b2a));
    let example = |code: &Code| {
        let body = face.error_body(&sample(*code), request);
        (code.as_str().to_owned(), json!({"summary": code.title(), "value": body}))
    };
    Value::Object(Code::ALL.iter().map(example).collect())
}

/// An error of this code, with the facts that are part of its shape.
fn sample(code: Code) -> Error {
    match code {
        Code::InvalidRequest => Error::field("name", "is missing."),
        Code::UnknownField => Error::UnknownField("nam".to_owned()),
        Code::InvalidParameter => Error::parameter("limit", "must be 1 to 100."),
        Code::InvalidSql => Error::InvalidSql {
            message: "There is no column `delay`; did you mean `dep_delay`?".to_owned(),
            position: Some((1, 8)),
        },
        Code::InsufficientCredits => Error::InsufficientCredits { remaining: 10, estimated: 25 },
        Code::PermissionMissing => {
            Error::PermissionMissing { permission: Some(Permission::DashboardsRead), by: TakenBy::Key }
        }
        Code::NotFound => Error::NotFound { noun: "object", id: "999".to_owned() },
        Code::TooLarge => Error::TooLarge { limit: 1 << 20 },
        Code::RateLimited => Error::RateLimited { window: WindowName::Hour, limit: 1_000, retry_after: 30 },
        code => Error::Recorded { code, message: code.sentence().to_owned() },
    }
}

/// The shape of errors on a face.
pub fn schema(face: Face) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let code = json!({"type": "string", "enum": codes, "description": "Stable, and the same on every face."});
    let request = text("As in the header X-Request-Id.");
    let fields = match face {
        Face::Platform => json!({
            "error": code, "message": text("What the code means in general."),
            "detail": text("What is the matter in this case, and what to do."), "request_id": request,
        }),
        Face::External => json!({
            "error": text("A few words."), "message": text("What is the matter, and what to do."),
            "code": code, "request_id": request,
        }),
        Face::V1 => json!({
            "code": code, "message": text("What is the matter, and what to do."), "request_id": request,
        }),
    };
    let required: Vec<&String> = fields.as_object().map(|fields| fields.keys().collect()).unwrap_or_default();
    // Facts of single codes, such as `credits_remaining`, stand beside these.
    let object = json!({"type": "object", "required": required, "properties": fields, "additionalProperties": true});
    match face {
        Face::V1 => json!({"type": "object", "required": ["error"], "properties": {"error": object}}),
        Face::Platform | Face::External => object,
    }
}
