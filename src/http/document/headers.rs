//! The headers of answers: what they say, and which answer has which.

use serde_json::{Value, json};

use crate::domain::operation::{Needs, Operation, Repeats};
use crate::http::{once, query_reply};

/// The headers of answers, by name.
pub fn all() -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let number = |description: &str| json!({"description": description, "schema": {"type": "integer"}});
    json!({
        "X-Request-Id": text("Names this request in the log and in the audit."),
        "X-RateLimit-Limit": number("The limit of the window that the next two tell of."),
        "X-RateLimit-Remaining": number("Requests that still fit."),
        "X-RateLimit-Reset": number("The second (since 1970) in which the rest next rises."),
        "X-RateLimit-Mode": text(
            "`degraded` while limits are kept by this server alone, at a share, because those of all servers do not answer."
        ),
        "RateLimit-Policy": text("Quota and length in seconds of every window."),
        "RateLimit": text("Rest, and seconds until it rises, of every window."),
        once::REPLAYED: text("`true` where an earlier request with the same Idempotency-Key had this answer."),
        "Retry-After": number("Seconds after which the request may be sent again."),
        "ETag": text(
            "Names this state of the object: for `If-None-Match` when it is read again, for `If-Match` when it is changed."
        ),
        query_reply::ROW_COUNT: number("The rows of the result."),
        query_reply::TRUNCATED: text("`true` where there were more rows than the limit, otherwise `false`."),
        "WWW-Authenticate": text("Which credentials are taken."),
    })
}

/// The headers of an answer: limits are told to those whom the server knows.
pub fn of(status: u16, operation: &Operation) -> Value {
    let mut names = vec!["X-Request-Id"];
    if operation.needs != Needs::Nothing && status != 401 {
        names.extend([
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
            "X-RateLimit-Mode",
            "RateLimit-Policy",
            "RateLimit",
        ]);
    }
    let happens_once = operation.repeats == Repeats::Once;
    match status {
        200 if operation.gives_result() => names.extend([query_reply::ROW_COUNT, query_reply::TRUNCATED]),
        200 if happens_once => names.push(once::REPLAYED),
        409 if happens_once => names.push("Retry-After"),
        401 | 403 => names.push("WWW-Authenticate"),
        429 | 503 => names.push("Retry-After"),
        _ => (),
    }
    Value::Object(names.into_iter().map(|name| (name.to_owned(), reference(name))).collect())
}

/// A header by its name in the components.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}
