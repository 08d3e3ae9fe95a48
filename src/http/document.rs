//! The OpenAPI documents, one for each face: what the faces register, made true by the table of operations (trap A12).
//! It is the only JSON that is edited.

mod errors;
mod examples;
mod schemas;
#[cfg(test)]
mod tests;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::marker::PhantomData;

use super::face::Face;
use super::{api, api_v1, v1};
use crate::domain::operation::{Class, Needs, Operation};
use crate::domain::page::{DEFAULT_SIZE, MAX_SIZE};

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
    OpenApiService::new(Documented::<A>(PhantomData), title, env!("CARGO_PKG_VERSION"))
        .description(introduction(face))
        .server(SERVER)
        .spec()
}

/// What a reader has to know before the first request.
fn introduction(face: Face) -> String {
    let (ids, lists) = match face {
        Face::Platform => ("integers", "by `page` and `page_size`: `{count, next, previous, results}`"),
        Face::External => ("uuids", "by `cursor` and `limit`: `{data, next_cursor}`"),
        Face::V1 => ("a prefix and hexadecimal digits (`d_7f3a`)", "by `cursor` and `limit`: `{data, next_cursor}`"),
    };
    format!(
        "Send an API key or a session's access token as `Authorization: Bearer`, or a key as `X-API-Key`. Ids are {ids}; \
         every face also accepts the prefixed and the uuid form. Lists go {lists}. Times are RFC 3339 in UTC. Paths work \
         with and without a trailing slash. Every answer has an `X-Request-Id`, by which the server's log and audit are \
         searched."
    )
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
    schemas::rename(document)?;
    let needless = schemas::mend(&mut document["components"]["schemas"], face);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).ok_or("a document without paths")?;
    let mut spelled = Map::new();
    for (path, mut item) in std::mem::take(paths) {
        let methods = item.as_object_mut().ok_or("a path that is no object")?;
        for (_, described) in methods.iter_mut() {
            let id = described.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
            let operation = Operation::find(&id).ok_or_else(|| format!("`{id}` is not in the table of operations"))?;
            spread_parameters(described);
            schemas::mend(described, face);
            describe(described, operation);
            describe_parameters(described);
            describe_body(described, operation, face, &needless);
        }
        spelled.insert(format!("{}{}", path.trim_end_matches('/'), face.slash()), item);
    }
    *paths = spelled;
    let components = &mut document["components"];
    components["schemas"]["Error"] = errors::schema(face);
    components["examples"] = errors::examples(face);
    components["headers"] = headers();
    Ok(())
}

/// Who may call it, what it counts as, and every error it can give.
fn describe(described: &mut Value, operation: &Operation) {
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
    // Lines are wrapped for the source; only paragraphs mean something.
    let text = described.get("description").and_then(Value::as_str).unwrap_or_default();
    let paragraphs = text.split("\n\n").filter(|text| !text.is_empty()).map(|text| text.replace('\n', " "));
    let paragraphs: Vec<String> = paragraphs.chain([format!("{needs}{class}")]).collect();
    described["description"] = Value::String(paragraphs.join("\n\n"));

    let Some(responses) = described.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, response) in responses.iter_mut() {
        if response.get("description").and_then(Value::as_str) == Some("") {
            response["description"] = Value::String(success_text(status).to_owned());
        }
        response["headers"] = header_references(200, operation);
    }
    for (status, mut response) in errors::responses(operation) {
        response["headers"] = header_references(status, operation);
        responses.insert(status.to_string(), response);
    }
}

fn success_text(status: &str) -> &'static str {
    match status {
        "201" => "Done, and something new exists.",
        "202" => "Accepted; the work goes on.",
        _ => "Done.",
    }
}

/// A list's argument is one object to the framework: its properties are the parameters.
fn spread_parameters(described: &mut Value) {
    let Some(parameters) = described.get_mut("parameters").and_then(Value::as_array_mut) else { return };
    let spread = std::mem::take(parameters).into_iter().flat_map(|mut parameter| {
        let Some(Value::Object(properties)) = parameter["schema"].get_mut("properties").map(Value::take) else {
            return vec![parameter];
        };
        let parameters = properties.into_iter().map(|(name, mut schema)| {
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
        });
        parameters.collect()
    });
    *parameters = spread.collect();
}

/// What the page parameters mean and may be, and that ids have several spellings.
fn describe_parameters(described: &mut Value) {
    let parameters = described.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        let (description, bounds) = match name {
            "limit" | "page_size" => {
                ("Entries at most.", json!({"minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE}))
            }
            "page" => ("Which page, from one. A page past the end is empty.", json!({"minimum": 1, "default": 1})),
            "cursor" => ("The `next_cursor` of the page before; without it the list begins.", json!({})),
            "explain" => ("A method and a path on any face, such as `POST /v1/reports/generate`.", json!({})),
            "id" | "widget_id" => ("An id in any spelling of this face.", json!({})),
            _ => continue,
        };
        parameter["description"] = description.into();
        if let (Some(schema), Value::Object(bounds)) = (parameter["schema"].as_object_mut(), bounds) {
            schema.extend(bounds);
        }
    }
}

/// A body without which the request is complete may be left out; an example shows one.
fn describe_body(described: &mut Value, operation: &Operation, face: Face, needless: &[String]) {
    let Some(body) = described.get_mut("requestBody").and_then(Value::as_object_mut) else { return };
    let content = body.get_mut("content").and_then(Value::as_object_mut);
    let Some((_, media)) = content.and_then(|content| content.iter_mut().next()) else { return };
    let schema = media["schema"]["$ref"].as_str().unwrap_or_default();
    let is_needless = needless.iter().any(|name| schema.ends_with(&format!("/{name}")));
    if let Some(example) = examples::request(operation.id, face) {
        media["example"] = example;
    }
    body.insert("required".to_owned(), Value::Bool(!is_needless));
}

/// The headers of answers, by name.
fn headers() -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let number = |description: &str| json!({"description": description, "schema": {"type": "integer"}});
    json!({
        "X-Request-Id": text("Names this request in the log and in the audit."),
        "X-RateLimit-Limit": number("The limit of the window that the next two tell of."),
        "X-RateLimit-Remaining": number("Requests that still fit."),
        "X-RateLimit-Reset": number("The second (since 1970) in which the rest next rises."),
        "RateLimit-Policy": text("Quota and length in seconds of every window."),
        "RateLimit": text("Rest, and seconds until it rises, of every window."),
        "Retry-After": number("Seconds after which the request may be sent again."),
        "WWW-Authenticate": text("Which credentials are taken."),
    })
}

/// The headers of an answer: limits are told to those whom the server knows.
fn header_references(status: u16, operation: &Operation) -> Value {
    let mut names = vec!["X-Request-Id"];
    if operation.needs != Needs::Nothing && status != 401 {
        names.extend([
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
            "RateLimit-Policy",
            "RateLimit",
        ]);
    }
    match status {
        401 => names.push("WWW-Authenticate"),
        429 | 503 => names.push("Retry-After"),
        _ => (),
    }
    let reference = |name: &str| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    Value::Object(names.into_iter().map(reference).collect())
}
