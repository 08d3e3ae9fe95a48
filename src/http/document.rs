//! The OpenAPI documents, one for each face: what the faces register, made true by the table of operations (trap A12).
//! It is the only JSON that is edited.

use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{OpenApi, OpenApiService};
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;

use super::face::Face;
use super::{api, api_v1, v1};
use crate::domain::code::Code;
use crate::domain::error::Error;
use crate::domain::id::RequestId;
use crate::domain::operation::{COMMON, Class, Needs, Operation};

/// Stands in the documents for the server's own address, which is put in when one is answered.
pub const SERVER: &str = "https://claribi.example";

/// The documents, in the order of [`Face::ALL`].
///
/// # Errors
/// When a face registers what cannot be documented.
pub fn all() -> Result<[String; 3], String> {
    Ok([of(Face::Platform)?, of(Face::External)?, of(Face::V1)?])
}

/// The document of a face, as indented JSON.
///
/// # Errors
/// When the face registers what cannot be documented.
pub fn of(face: Face) -> Result<String, String> {
    let spec = match face {
        Face::Platform => spec::<api::Api>(face),
        Face::External => spec::<api_v1::Api>(face),
        Face::V1 => spec::<v1::Api>(face),
    };
    let mut document: Value = serde_json::from_str(&spec).map_err(|error| error.to_string())?;
    complete(&mut document, face)?;
    serde_json::to_string_pretty(&document).map_err(|error| error.to_string())
}

fn spec<A: OpenApi>(face: Face) -> String {
    let title = match face {
        Face::Platform => "claribi platform API",
        Face::External => "claribi external API v1",
        Face::V1 => "claribi REST API v1",
    };
    OpenApiService::new(Documented::<A>(PhantomData), title, env!("CARGO_PKG_VERSION")).server(SERVER).spec()
}

/// Lends a face's documentation without its endpoints, so that a document needs no server.
struct Documented<A>(PhantomData<fn() -> A>);

impl<A: OpenApi> OpenApi for Documented<A> {
    fn meta() -> Vec<MetaApi> {
        A::meta()
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, _routes: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

fn complete(document: &mut Value, face: Face) -> Result<(), String> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).ok_or("a document without paths")?;
    let mut spelled = Map::new();
    for (path, mut item) in std::mem::take(paths) {
        let methods = item.as_object_mut().ok_or("a path that is no object")?;
        for (_, described) in methods.iter_mut() {
            let id = described.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
            let operation = Operation::find(&id).ok_or_else(|| format!("`{id}` is not in the table of operations"))?;
            describe(described, operation, face);
        }
        let slash = if path.ends_with('/') { "" } else { face.slash() };
        spelled.insert(format!("{path}{slash}"), item);
    }
    *paths = spelled;
    let components = document.as_object_mut().map(|root| root.entry("components").or_insert_with(|| json!({})));
    if let Some(components) = components.and_then(Value::as_object_mut) {
        let schemas = components.entry("schemas").or_insert_with(|| json!({}));
        if let Some(schemas) = schemas.as_object_mut() {
            close_requests(schemas);
            schemas.insert("Error".to_owned(), error_schema(face));
        }
    }
    Ok(())
}

/// Who may call it, what it counts as, and every error it can give.
fn describe(described: &mut Value, operation: &Operation, face: Face) {
    let Some(fields) = described.as_object_mut() else { return };
    let needs = match operation.needs {
        Needs::Nothing => "Needs no credential.".to_owned(),
        Needs::Caller => "Needs a credential, and no permission.".to_owned(),
        Needs::KeyManagement => "Needs a session, or a key with the read-write preset.".to_owned(),
        Needs::Permission(permission) => format!("Needs the permission `{}`.", permission.as_str()),
    };
    let class = match operation.class {
        Class::General => "",
        Class::Generation => " Counts in the generation windows too.",
    };
    let text = fields.get("description").and_then(Value::as_str).map(|text| format!("{text}\n\n")).unwrap_or_default();
    fields.insert("description".to_owned(), Value::String(format!("{text}{needs}{class}")));

    let common: &[Code] = if operation.needs == Needs::Nothing { PUBLIC } else { COMMON };
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in operation.errors.iter().chain(common) {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    let responses = fields.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        if response.get("description").and_then(Value::as_str) == Some("") {
            response["description"] = Value::String(success_text(status).to_owned());
        }
        response["headers"] = headers(operation);
    }
    for (status, codes) in by_status {
        responses.insert(status.to_string(), error_response(&codes, face));
    }
}

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

fn success_text(status: &str) -> &'static str {
    match status {
        "201" => "Done, and something new exists.",
        "202" => "Accepted; the work goes on.",
        _ => "Done.",
    }
}

fn headers(operation: &Operation) -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let number = |description: &str| json!({"description": description, "schema": {"type": "integer"}});
    let mut headers = json!({"X-Request-Id": text("Names this request in the log and in the audit.")});
    if operation.needs != Needs::Nothing {
        headers["X-RateLimit-Limit"] = number("The limit of the window that the next two tell of.");
        headers["X-RateLimit-Remaining"] = number("Requests that still fit.");
        headers["X-RateLimit-Reset"] = number("The second (since 1970) in which the rest next rises.");
        headers["RateLimit-Policy"] = text("Quota and length in seconds of every window.");
        headers["RateLimit"] = text("Rest, and seconds until it rises, of every window.");
    }
    headers
}

fn error_response(codes: &[Code], face: Face) -> Value {
    let words: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.sentence())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .filter_map(|code| sample(*code).map(|error| (code, error)))
        .map(|(code, error)| {
            let body = face.error_body(&error, RequestId(uuid::Uuid::from_u128(0x0196_0a8f_4d2e_7c3b_9a51_6f0e_8d7c_4b2a)));
            (code.as_str().to_owned(), json!({"value": body}))
        })
        .collect();
    let mut content = json!({"schema": {"$ref": "#/components/schemas/Error"}});
    if !examples.is_empty() {
        content["examples"] = Value::Object(examples);
    }
    json!({"description": words.join("\n\n"), "content": {"application/json": content}})
}

/// An error as it would be answered, for those whose facts are part of their shape.
fn sample(code: Code) -> Option<Error> {
    Some(match code {
        Code::InsufficientCredits => Error::InsufficientCredits { remaining: 10, estimated: 25 },
        Code::CredentialsMissing => Error::CredentialsMissing,
        Code::InvalidKey => Error::InvalidKey,
        Code::KeyRevoked => Error::KeyRevoked,
        Code::NotFound => Error::NotFound { noun: "object", id: "999".to_owned() },
        Code::RateLimited => {
            Error::RateLimited { window: crate::domain::window::WindowName::Hour, limit: 1_000, retry_after: 30 }
        }
        _ => return None,
    })
}

fn error_schema(face: Face) -> Value {
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
    let object = json!({"type": "object", "required": required, "properties": fields, "additionalProperties": true});
    match face {
        Face::V1 => json!({"type": "object", "required": ["error"], "properties": {"error": object}}),
        _ => object,
    }
}

/// Request objects take their own fields and no others: by convention their names begin with `New`, or end in
/// `Request`, `Patch`, or are parts of such.
fn close_requests(schemas: &mut Map<String, Value>) {
    for (name, schema) in schemas.iter_mut() {
        let is_request = name.starts_with("New") || name.ends_with("Request") || name.ends_with("Patch");
        if is_request && let Some(fields) = schema.as_object_mut() {
            fields.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
}
