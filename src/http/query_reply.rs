//! Results of queries on their way to a client, in the form that it accepts best.
//!
//! How many rows there are, and whether there were more, stands in headers too: of the forms only JSON can say so itself.

use poem::http::{HeaderName, HeaderValue, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;

use super::accept::RESULT_FORMS;
use super::conditional;
use super::reply::{JSON, Prepared, Ready};
use crate::domain::error::Error;
use crate::service::query::{QueryAnswer, ResultFormat};
use crate::service::saved_queries::SavedResult;

/// Whether there were more rows than the limit: `true` or `false`.
pub const TRUNCATED: &str = "X-Truncated";
/// The rows of the result.
pub const ROW_COUNT: &str = "X-Row-Count";

/// A query's result: JSON with the schema of `T`, or one of the other [`RESULT_FORMS`].
pub struct QueryReply<T>(Ready<T>);

impl<T> QueryReply<T> {
    /// The result, as it was written.
    ///
    /// # Errors
    /// Internal when its file is gone.
    pub async fn of(answer: QueryAnswer, format: ResultFormat) -> Result<Self, Error> {
        let content_type = match format {
            ResultFormat::Json => JSON,
            ResultFormat::Csv => "text/csv; charset=utf-8",
            ResultFormat::Arrow => "application/vnd.apache.arrow.stream",
            ResultFormat::Parquet => "application/vnd.apache.parquet",
        };
        let (rows, truncated) = (answer.rows, answer.truncated);
        let mut ready = Prepared::new(answer.content, content_type).open().await?;
        let headers = ready.headers_mut();
        headers.insert(HeaderName::from_static("x-row-count"), HeaderValue::from(rows));
        let truncated = HeaderValue::from_static(if truncated { "true" } else { "false" });
        headers.insert(HeaderName::from_static("x-truncated"), truncated);
        Ok(Self(ready))
    }
}

impl<T> IntoResponse for QueryReply<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<T: Type> ApiResponse for QueryReply<T> {
    fn meta() -> MetaResponses {
        let mut meta = Ready::<T>::meta();
        let text = MetaSchema::new("string");
        let binary = MetaSchema { format: Some("binary"), ..text.clone() };
        for response in &mut meta.responses {
            for (content_type, format) in RESULT_FORMS {
                let schema = match format {
                    ResultFormat::Json => continue,
                    ResultFormat::Csv => text.clone(),
                    ResultFormat::Arrow | ResultFormat::Parquet => binary.clone(),
                };
                let schema = MetaSchemaRef::Inline(Box::new(schema));
                response.content.push(MetaMediaType { content_type, schema });
            }
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A saved query's result, under a tag where it lasts.
pub enum SavedReply<T> {
    /// What the client has, by its tag: the edge answers 304.
    Held(String),
    /// The result.
    Fresh(QueryReply<T>, Option<String>),
}

impl<T> SavedReply<T> {
    /// The result, as it was written.
    ///
    /// # Errors
    /// Internal when its file is gone.
    pub async fn of(result: SavedResult, format: ResultFormat) -> Result<Self, Error> {
        Ok(match result {
            SavedResult::Held(tag) => Self::Held(tag),
            SavedResult::Fresh(answer, tag) => Self::Fresh(QueryReply::of(answer, format).await?, tag),
        })
    }
}

impl<T> IntoResponse for SavedReply<T> {
    fn into_response(self) -> Response {
        let (mut response, tag) = match self {
            Self::Held(tag) => (Response::default(), Some(tag)),
            Self::Fresh(reply, tag) => (reply.into_response(), tag),
        };
        // Each form has a tag of its own.
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
        if let Some(tag) = tag {
            response.headers_mut().insert(header::CACHE_CONTROL, conditional::REVALIDATE);
            conditional::put(response.headers_mut(), &tag);
        }
        response
    }
}

impl<T: Type> ApiResponse for SavedReply<T> {
    fn meta() -> MetaResponses {
        let mut meta = QueryReply::<T>::meta();
        meta.responses.push(MetaResponse {
            description: "",
            status: Some(304),
            status_range: None,
            content: vec![],
            headers: vec![],
        });
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}
