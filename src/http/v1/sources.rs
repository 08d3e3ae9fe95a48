//! Data sources on the `/v1/` face. Wire types are in `http::wire::source`, rules in `service::sources`.

use poem_openapi::OpenApi;

use super::{Id, Tag};
use crate::domain::id::Source as SourceOf;
use crate::domain::source::SourceFilter;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::Named;
use crate::http::reply::{Changed, CreatedOrAccepted, Json, One};
use crate::http::upload::{Look, NewFiles, Upload};
use crate::http::wire::import::Preview;
use crate::http::wire::source::{DataSource, DataSourcePatch};
use crate::http::wire::{Deleted, Listing, Spelling};
use crate::service::app::App;

/// The data sources of `/v1/`.
pub struct DataSourcesApi(pub App);

#[OpenApi(prefix_path = "/v1/data-sources", tag = "Tag::DataSources")]
impl DataSourcesApi {
    /// List data sources.
    #[oai(path = "/", method = "get", operation_id = "data_sources_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, SourceFilter>,
    ) -> Reply<Json<Listing<DataSource<Id>>>> {
        let page = self.0.sources(&caller, &list.0)?;
        Ok(Json(page.map(DataSource::from).into()))
    }

    /// Create a data source by uploading files.
    ///
    /// Each file becomes a table. Answers 202 when reading them takes longer than ten seconds; it then goes on, and the
    /// status is `syncing` until it is done.
    #[oai(path = "/", method = "post", operation_id = "data_sources_create")]
    async fn create(&self, Credential(caller): Credential, upload: Upload) -> Reply<CreatedOrAccepted<DataSource<Id>>> {
        let incoming = upload.receive(self.0.begin_upload(&caller)?).await?;
        let wait = Some(self.0.settings.upload_wait);
        let source = self.0.create_source(&caller, incoming, wait, Box::new(|_, _| {})).await?;
        Ok(self.0.answer(&caller, DataSource::answer(source)).await?)
    }

    /// Look at files before they are kept.
    ///
    /// Tells what would be detected of them, the types of their columns by the first 1,000 rows, and the first ten rows.
    /// Takes the form by which a data source is made, so that it can be sent again once it is right.
    #[oai(path = "/preview", method = "post", operation_id = "data_sources_preview")]
    async fn preview(&self, Credential(caller): Credential, upload: Upload<Look>) -> Reply<Json<Preview>> {
        let files = upload.receive_files(self.0.begin_preview(&caller)?).await?;
        Ok(Json(self.0.preview_files(&caller, files).await?.into()))
    }

    /// Get a data source with its tables and columns.
    #[oai(path = "/:id", method = "get", operation_id = "data_sources_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<SourceOf>) -> Reply<One<DataSource<Id>>> {
        Ok(One(self.0.source(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Replace tables of a data source by files, or add rows to them.
    ///
    /// Tables are matched by name, and the new data is swapped in whole: queries that run go on with the old one, and
    /// whatever fails leaves it as it was. Files are read as the source's were, unless `options` say otherwise. Answers
    /// when it is done.
    #[oai(path = "/:id/files", method = "post", operation_id = "data_sources_files")]
    async fn files(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        upload: Upload<NewFiles>,
    ) -> Reply<Json<DataSource<Id>>> {
        let holder = self.0.begin_files(&caller, &id.id, &id.spelled)?;
        let (files, mode) = upload.receive_files(holder).await?;
        let answer = |source| Json(DataSource::from(source));
        Ok(self.0.put_files(&caller, (&id.id, &id.spelled), files, mode, answer).await?)
    }

    /// Rename a data source.
    ///
    /// Its name in SQL stays, so queries go on working.
    #[oai(path = "/:id", method = "patch", operation_id = "data_sources_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        Body(patch): Body<DataSourcePatch>,
    ) -> Reply<Changed<DataSource<Id>>> {
        Ok(Changed(self.0.update_source(&caller, &id.id, &id.spelled, patch.read()?).await?.into()))
    }

    /// Delete a data source with its data.
    ///
    /// Refused while a dashboard or a report refers to it; the refusal names them.
    #[oai(path = "/:id", method = "delete", operation_id = "data_sources_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<SourceOf>) -> Reply<Json<Deleted<Id>>> {
        let deleted = self.0.delete_source(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(deleted.id, deleted.uuid))))
    }
}
