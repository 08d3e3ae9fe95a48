//! The errors of the documents: which an operation can give, their shape on a face, and an example of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::SERVER;
use crate::domain::code::Code;
use crate::domain::operation::{COMMON, Needs, ONCE, Operation, Repeats};
use crate::http::error_pages;
use crate::http::face::{self, Face};
use crate::http::samples;

/// What operations without a caller can answer with, beside their own.
const PUBLIC: &[Code] = &[
    Code::InvalidRequest,
    Code::InvalidParameter,
    Code::KeyInUrl,
    Code::HttpsRequired,
    Code::TooLarge,
    Code::RequestTimeout,
    Code::MisdirectedRequest,
    Code::Internal,
    Code::SetupRequired,
    Code::Overloaded,
    Code::AuditUnavailable,
    Code::StorageUnavailable,
];

/// The error responses of an operation of a face by their status, without headers.
pub fn responses(operation: &Operation, face: Face) -> BTreeMap<u16, Value> {
    let common = if operation.needs == Needs::Nothing { PUBLIC } else { COMMON };
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    let once = if operation.repeats == Repeats::Once { ONCE } else { &[] };
    // Its lists go by number.
    let has_cursors = face != Face::Platform;
    let codes = operation.errors.iter().chain(once).chain(common);
    for code in codes.filter(|code| has_cursors || **code != Code::InvalidCursor) {
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
    // Problems are told of once, in the introduction: as a second media type of every answer they would make each
    // error of a generated client one of two.
    json!({"description": words.join("\n\n"), "content": {"application/json": content}})
}

/// The name of the example of a problem, beside those of the codes.
const PROBLEM: &str = "problem";

/// An example of every error, by its code, as the face answers it; and one as a problem.
pub fn examples(face: Face) -> Value {
    let missing = samples::of(Code::NotFound);
    let page = error_pages::address(SERVER, Code::NotFound);
    let problem = face::problem_body(&missing, samples::REQUEST, page);
    let example = |code: &Code| {
        let body = face.error_body(&samples::of(*code), samples::REQUEST);
        (code.as_str().to_owned(), json!({"summary": code.title(), "value": body}))
    };
    let problem = (PROBLEM.to_owned(), json!({"summary": "As a problem (RFC 9457)", "value": problem}));
    Value::Object(Code::ALL.iter().map(example).chain([problem]).collect())
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

/// The shape of problems, which is that of RFC 9457 on every face.
pub fn problem_schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let fields = json!({
        "type": {"type": "string", "format": "uri-reference", "description": "The page that explains the code."},
        "title": text("A few words."),
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": text("What is the matter in this case, and what to do."),
        "instance": text("The request's id, as in the header X-Request-Id."),
        "code": {"type": "string", "enum": codes, "description": "Stable, and the same on every face."},
    });
    let required: Vec<&String> = fields.as_object().map(|fields| fields.keys().collect()).unwrap_or_default();
    json!({"type": "object", "required": required, "properties": fields, "additionalProperties": true})
}
