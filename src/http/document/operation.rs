//! What the macros say of an operation, completed from the table of operations: who may call it, every error it can give,
//! what its parameters may be, examples of its bodies.

use serde_json::{Value, json};

use super::{errors, examples, headers};
use crate::domain::operation::{Class, Needs, Operation, Repeats};
use crate::domain::page::{DEFAULT_SIZE, MAX_SIZE};
use crate::http::face::Face;
use crate::http::once;

/// Completes the description of an operation at a path.
pub fn complete(described: &mut Value, operation: &Operation, path: &str, face: Face, needless: &[String]) {
    describe(described, operation);
    if operation.needs == Needs::Session {
        described["security"] = serde_json::json!([{"bearer": []}]);
    }
    parameters(described, path, face);
    body(described, face, needless);
    answers(described, operation, face);
}

/// Who may call it, and what it counts as.
fn describe(described: &mut Value, operation: &Operation) {
    let needs = match operation.needs {
        Needs::Nothing => "Needs no credential.".to_owned(),
        Needs::Caller => "Needs a credential, and no permission.".to_owned(),
        Needs::Session => "Needs a session; keys are refused.".to_owned(),
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
    if operation.repeats == Repeats::Once {
        let parameters = described.as_object_mut().map(|fields| fields.entry("parameters").or_insert(json!([])));
        parameters.and_then(Value::as_array_mut).into_iter().for_each(|all| all.push(idempotency_key()));
    }
}

/// The header of requests that happen once.
fn idempotency_key() -> Value {
    json!({
        "name": once::IDEMPOTENCY_KEY,
        "in": "header",
        "required": false,
        "description": "Names the request: sent again under this name, it has no second effect and costs no credits, \
            and its answer is given again, for 24 hours unless the server is set otherwise. Names belong to a path and \
            to an API key and its successors, or to a user. A secret in an answer is null the second time.",
        "schema": {"type": "string", "minLength": 1, "maxLength": once::KEY_LENGTH, "pattern": "^[!-~]+$"},
        "example": "5b0c1a52-quarterly-report",
    })
}

/// An example of every success, and every error that it can give.
fn answers(described: &mut Value, operation: &Operation, face: Face) {
    let Some(responses) = described.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let may_be_kept = responses.contains_key("304");
    for (status, response) in responses.iter_mut() {
        if response.get("description").and_then(Value::as_str) == Some("") {
            response["description"] = success_text(status).into();
        }
        response["headers"] = headers::of(200, operation);
        if may_be_kept {
            response["headers"]["ETag"] = headers::reference("ETag");
        }
        let status = status.parse().unwrap_or_default();
        for (media_type, media) in response.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
            let example = match schema_name(media) {
                Some(schema) => {
                    examples::answer(examples::Which { operation: operation.id, schema: &schema, status }, face)
                }
                None if media["schema"]["format"] == "binary" => None,
                None => examples::text(operation.id, media_type, face).map(Value::from),
            };
            if let Some(example) = example {
                media["example"] = example;
            }
        }
    }
    for (status, mut response) in errors::responses(operation, face) {
        response["headers"] = headers::of(status, operation);
        responses.insert(status.to_string(), response);
    }
}

/// The name of the schema that a body refers to.
fn schema_name(media: &Value) -> Option<String> {
    media["schema"]["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)
}

fn success_text(status: &str) -> &'static str {
    match status {
        "201" => "Done, and something new exists.",
        "202" => "Accepted; the work goes on.",
        "206" => "The part that was asked for.",
        "304" => "The client has it already, by its `If-None-Match`.",
        _ => "Done.",
    }
}

/// A list's argument is one object to the framework: its properties are the parameters.
pub fn spread_parameters(described: &mut Value) {
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
fn parameters(described: &mut Value, path: &str, face: Face) {
    let operation_id = described["operationId"].as_str().unwrap_or_default().to_owned();
    let parameters = described.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (description, bounds) = match name.as_str() {
            "limit" | "page_size" => {
                ("Entries at most.", json!({"minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE}))
            }
            "page" => ("Which page, from one. A page past the end is empty.", json!({"minimum": 1, "default": 1})),
            "cursor" => ("The `next_cursor` of the page before; without it the list begins.", json!({})),
            "section" => (
                "Which table of a CSV file, from one; other formats have all in one file.",
                json!({"minimum": 1, "default": 1}),
            ),
            "format" if operation_id == "audit_export" => {
                ("The form; by default `ndjson`.", json!({"default": "ndjson"}))
            }
            "seconds" if operation_id == "usage_follow" => (
                "How long the stream is to be; by default until one of the two sides ends it. With 0 it tells once what is left \
                 now.",
                json!({"minimum": 0, "maximum": 86_400}),
            ),
            "seconds" => (
                "How long the stream is to be; by default until one of the two sides ends it. With 0 it tells what has \
                 come since `Last-Event-ID`.",
                json!({"minimum": 0, "maximum": 86_400}),
            ),
            "parameters" => (
                "Values of the query's parameters by their names, as a JSON object. Those that are left out have their \
                 default.",
                json!({"example": "{\"month\":7}"}),
            ),
            "explain" => ("A method and a path on any face, such as `POST /v1/reports/generate`.", json!({})),
            "address" if operation_id == "auth_verify" => {
                ("With `explain`: the IP address that the call would come from.", json!({}))
            }
            "table" => ("A table by its name in queries, or else by the one that it has in its source.", json!({})),
            "id" if operation_id == "query_cancel" => {
                ("The query's `id`: the `X-Request-Id` of the request that asked for it.", json!({}))
            }
            "id" | "widget_id" => ("An id in any spelling of this face.", json!({})),
            _ => continue,
        };
        parameter["description"] = description.into();
        if let (Some(schema), Value::Object(bounds)) = (parameter["schema"].as_object_mut(), bounds) {
            schema.extend(bounds);
        }
        let collection = path.split(&format!("/{{{name}}}")).next().and_then(|before| before.rsplit('/').next());
        if parameter["in"] == "path"
            && let Some(example) = collection.and_then(|collection| examples::variable(collection, face))
        {
            // The parameter is read as text; a number is one of its spellings.
            parameter["example"] = example.as_i64().map_or(example, |number| number.to_string().into());
        }
    }
}

/// A body without which the request is complete may be left out; an example shows one.
fn body(described: &mut Value, face: Face, needless: &[String]) {
    let Some(body) = described.get_mut("requestBody").and_then(Value::as_object_mut) else { return };
    let content = body.get_mut("content").and_then(Value::as_object_mut);
    let Some((_, media)) = content.and_then(|content| content.iter_mut().next()) else { return };
    let schema = schema_name(media).unwrap_or_default();
    if let Some(example) = examples::request(&schema, face) {
        media["example"] = example;
    }
    body.insert("required".to_owned(), Value::Bool(!needless.contains(&schema)));
}
