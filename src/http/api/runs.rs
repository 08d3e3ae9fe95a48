//! Runs of reports on the `/api/` face.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{Id, Tag};
use crate::domain::id::Run as RunOf;
use crate::http::credential::Credential;
use crate::http::download::FileReply;
use crate::http::fault::Reply;
use crate::http::params::{Exchanged, Named};
use crate::http::reply::One;
use crate::http::wire::report::Run;
use crate::service::app::App;

/// The runs of `/api/`.
pub struct RunsApi(pub App);

#[OpenApi(prefix_path = "/api/runs", tag = "Tag::Runs")]
impl RunsApi {
    /// Get a run.
    #[oai(path = "/:id", method = "get", operation_id = "runs_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<RunOf>, exchange: Exchanged) -> Reply<One<Run<Id>>> {
        Ok(One(Run::of(self.0.run(&caller, &id.id, &id.spelled)?, &exchange.0)))
    }

    /// Download the file of a run.
    #[oai(path = "/:id/download", method = "get", operation_id = "runs_download")]
    async fn download(
        &self,
        Credential(caller): Credential,
        id: Named<RunOf>,
        section: Query<Option<u32>>,
        exchange: Exchanged,
    ) -> Reply<FileReply> {
        Ok(FileReply::of(self.0.run_file(&caller, &id.id, &id.spelled, section.0)?, &exchange.0).await?)
    }
}
