//! Queries on the `/v1/` face. Wire types are in `http::wire::query`, rules in `service::query`.

use poem_openapi::OpenApi;

use super::{FACE, Id, Tag};
use crate::domain::id::RunningQueryKind;
use crate::http::accept::AcceptedFormat;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::params::Named;
use crate::http::query_reply::QueryReply;
use crate::http::reply::Json;
use crate::http::wire::Nothing;
use crate::http::wire::explanation::QueryExplanation;
use crate::http::wire::query::{QueryRequest, QueryResult};
use crate::http::wire::running::{CanceledQuery, RunningQueries};
use crate::service::app::App;
use crate::service::query::ResultFormat;

/// The query of `/v1/`.
pub struct QueryApi(pub App);

#[OpenApi(prefix_path = "/v1/query", tag = "Tag::Query")]
impl QueryApi {
    /// Run a read-only query.
    ///
    /// The query is one `SELECT`, or put together of measures, dimensions, time and filters. The answer is JSON, or what a
    /// request accepts better: `text/csv`, `application/vnd.apache.arrow.stream` or `application/vnd.apache.parquet`.
    /// Spreadsheets run what looks like a formula: of texts that begin with one of `=+-@`, a tab or a carriage return, CSV
    /// has an apostrophe in front; the other forms have them as they are.
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

    /// Explain a query.
    ///
    /// The query is planned as it would run, and not run: the answer tells its SQL, the columns of its result, the tables
    /// and columns that it would read, and the plan. What is refused of a query is refused here too.
    #[oai(path = "/explain", method = "post", operation_id = "query_explain")]
    async fn explain(
        &self,
        Credential(caller): Credential,
        Body(request): Body<QueryRequest>,
    ) -> Reply<Json<QueryExplanation<Id>>> {
        Ok(Json(self.0.explain_query(&caller, request.read(FACE, ResultFormat::Json)).await?.into()))
    }

    /// List the queries that run.
    ///
    /// All of the organization's that run or wait for their turn, the earliest first. The text is shown to the user who
    /// asked.
    #[oai(path = "/running", method = "get", operation_id = "query_running")]
    async fn running(&self, Credential(caller): Credential) -> Reply<Json<RunningQueries<Id>>> {
        Ok(Json(self.0.running_queries(&caller)?.into()))
    }

    /// Cancel a query that runs.
    ///
    /// Whoever waits for it is answered 422 `query_canceled`. Queries of other users take the permission
    /// `organization:manage`. A query also ends when all who wait for it hang up.
    #[oai(path = "/running/:id/cancel", method = "post", operation_id = "query_cancel")]
    async fn cancel(
        &self,
        Credential(caller): Credential,
        id: Named<RunningQueryKind>,
        _body: Body<Nothing>,
    ) -> Reply<Json<CanceledQuery>> {
        Ok(Json(self.0.cancel_query(&caller, &id.spelled)?.into()))
    }
}
