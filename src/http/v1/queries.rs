//! Saved queries on the `/v1/` face. Wire types are in `http::wire::saved_query`, rules in `service::saved_queries`.

use poem_openapi::OpenApi;

use super::{FACE, Id, Tag};
use crate::domain::id::SavedQueryKind;
use crate::domain::saved_query::SavedQueryFilter;
use crate::http::accept::AcceptedFormat;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::{Exchanged, GivenParameters, Named};
use crate::http::query_reply::SavedReply;
use crate::http::reply::{Changed, Created, Json, One};
use crate::http::wire::query::QueryResult;
use crate::http::wire::saved_query::{NewSavedQuery, SavedQuery, SavedQueryPatch};
use crate::http::wire::{Deleted, Listing, Spelling};
use crate::service::app::App;

/// The saved queries of `/v1/`.
pub struct QueriesApi(pub App);

#[OpenApi(prefix_path = "/v1/queries", tag = "Tag::Query")]
impl QueriesApi {
    /// List saved queries.
    #[oai(path = "/", method = "get", operation_id = "queries_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, SavedQueryFilter>,
    ) -> Reply<Json<Listing<SavedQuery<Id>>>> {
        let page = self.0.saved_queries(&caller, &list.0)?;
        Ok(Json(page.map(SavedQuery::from).into()))
    }

    /// Save a query.
    ///
    /// It is SQL, or put together of parts. SQL is read when it is run; parts are held against the columns of their table
    /// at once.
    #[oai(path = "/", method = "post", operation_id = "queries_create")]
    async fn create(
        &self,
        Credential(caller): Credential,
        Body(new): Body<NewSavedQuery>,
    ) -> Reply<Created<SavedQuery<Id>>> {
        let answer = |made| Created(SavedQuery::from(made));
        Ok(self.0.create_saved_query(&caller, new.read(FACE)?, answer).await?)
    }

    /// Get a saved query.
    #[oai(path = "/:id", method = "get", operation_id = "queries_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<SavedQueryKind>) -> Reply<One<SavedQuery<Id>>> {
        Ok(One(self.0.saved_query(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Change a saved query.
    #[oai(path = "/:id", method = "patch", operation_id = "queries_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<SavedQueryKind>,
        Body(patch): Body<SavedQueryPatch>,
    ) -> Reply<Changed<SavedQuery<Id>>> {
        let query = self.0.update_saved_query(&caller, &id.id, &id.spelled, patch.read(FACE)?).await?;
        Ok(Changed(query.into()))
    }

    /// Delete a saved query.
    #[oai(path = "/:id", method = "delete", operation_id = "queries_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<SavedQueryKind>) -> Reply<Json<Deleted<Id>>> {
        let deleted = self.0.delete_saved_query(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(deleted.id, deleted.uuid))))
    }

    /// Get the result of a saved query.
    ///
    /// It is computed once and kept until the data of a source that it may read changes, or room is needed; then
    /// `elapsed_ms` is that of the run that computed it, and `ETag` names the result. Of those who ask for a result at the
    /// same time one has it computed. Queries of live sources, and those that ask for
    /// the time or for chance, are computed each time and have no tag.
    ///
    /// The answer is JSON, or what a request accepts better: `text/csv`, `application/vnd.apache.arrow.stream` or
    /// `application/vnd.apache.parquet`.
    #[oai(path = "/:id/result", method = "get", operation_id = "queries_result")]
    async fn result(
        &self,
        Credential(caller): Credential,
        id: Named<SavedQueryKind>,
        parameters: GivenParameters,
        AcceptedFormat(format): AcceptedFormat,
        exchange: Exchanged,
    ) -> Reply<SavedReply<QueryResult>> {
        let held = exchange.0.asked.if_none_match.as_ref();
        let result = self.0.saved_result(&caller, (&id.id, &id.spelled), parameters.0, format, held).await?;
        Ok(SavedReply::of(result, format).await?)
    }
}
