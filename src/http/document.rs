//! The OpenAPI documents, one for each face: what the faces register, made true by the table of operations.
//! It is the only JSON that is edited.

mod errors;
mod examples;
mod headers;
mod operation;
mod samples;
mod schemas;
#[cfg(test)]
mod tests;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::marker::PhantomData;

use super::face::Face;
use super::{api, api_v1, v1};
use crate::domain::operation::Operation;

/// Stands in the documents for the server's own address, which is put in when one is answered.
pub const SERVER: &str = "https://claribi.example";

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Indented JSON.
    Json,
    /// YAML 1.2 that readers of YAML 1.1 understand alike.
    Yaml,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Json, Self::Yaml];

    /// Its name, and the end of its file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    /// Its media type (RFC 8259, RFC 9512).
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// The document of a face, as JSON.
///
/// # Errors
/// When the face registers what cannot be documented.
pub fn of(face: Face) -> Result<String, String> {
    written(face, Format::Json)
}

/// The document of a face.
///
/// # Errors
/// When the face registers what cannot be documented.
pub fn written(face: Face, format: Format) -> Result<String, String> {
    let spec = match face {
        Face::Platform => spec::<api::Api>(face),
        Face::External => spec::<api_v1::Api>(face),
        Face::V1 => spec::<v1::Api>(face),
    };
    let mut document: Value = serde_json::from_str(&spec).map_err(|error| error.to_string())?;
    complete(&mut document, face)?;
    match format {
        Format::Json => serde_json::to_string_pretty(&document).map_err(|error| error.to_string()),
        Format::Yaml => serde_saphyr::to_string(&document).map_err(|error| error.to_string()),
    }
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
         searched. Errors are told in this face's shape, or by RFC 9457 to a client that sends `Accept: \
         application/problem+json`; the pages under `/docs/errors/` explain their codes."
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
    // What nullable says beside other schemas was settled in this version; the macros write 3.0.0.
    document["openapi"] = "3.0.3".into();
    schemas::rename(document)?;
    let needless = schemas::mend(&mut document["components"]["schemas"], face);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).ok_or("a document without paths")?;
    let mut spelled = Map::new();
    for (path, mut item) in std::mem::take(paths) {
        let path = format!("{}{}", path.trim_end_matches('/'), face.slash());
        let methods = item.as_object_mut().ok_or("a path that is no object")?;
        for (method, described) in methods.iter_mut() {
            let id = described.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
            let operation = Operation::find(&id).ok_or_else(|| format!("`{id}` is not in the table of operations"))?;
            operation::spread_parameters(described);
            schemas::mend(described, face);
            operation::complete(described, operation, &path, face, &needless);
            if let Some(samples) = samples::of(method, &path, described) {
                described["x-codeSamples"] = samples;
            }
        }
        spelled.insert(path, item);
    }
    *paths = spelled;
    let components = &mut document["components"];
    components["schemas"]["ErrorEnvelope"] = errors::schema(face);
    components["schemas"]["Problem"] = errors::problem_schema();
    components["examples"] = errors::examples(face);
    components["headers"] = headers::all();
    Ok(())
}
