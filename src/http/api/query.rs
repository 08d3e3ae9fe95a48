//! Queries on the `/api/` face. Wire types are in `http::wire::query`, rules in `service::query`.

use poem_openapi::OpenApi;

use super::{FACE, Tag};
use crate::http::accept::AcceptedFormat;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::reply::QueryReply;
use crate::http::wire::query::{QueryRequest, QueryResult};
use crate::service::app::App;

/// The query of `/api/`.
pub struct QueryApi(pub App);

#[OpenApi(prefix_path = "/api/analytics/query", tag = "Tag::Query")]
impl QueryApi {
    /// Run a read-only query.
    ///
    /// The query is one `SELECT`, or put together of measures, dimensions, time and filters. The answer is JSON, or what a
    /// request accepts better: `text/csv`, `application/vnd.apache.arrow.stream` or `application/vnd.apache.parquet`.
    #[oai(path = "/", method = "post", operation_id = "query_run")]
    async fn run(
        &self,
        Credential(caller): Credential,
        AcceptedFormat(format): AcceptedFormat,
        Body(request): Body<QueryRequest>,
    ) -> Reply<QueryReply<QueryResult>> {
        let answer = self.0.query(&caller, request.read(FACE, format)).await?;
        Ok(QueryReply::of(answer, format).await?)
    }
}
