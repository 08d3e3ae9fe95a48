//! Data sources on the `/v1/` face. Wire types are in `http::wire::source`, rules in `service::sources`.

use poem_openapi::OpenApi;

use super::{Id, Tag};
use crate::domain::id::Source as SourceOf;
use crate::domain::source::SourceFilter;
use crate::domain::sync::SyncFilter;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::new_source::NewSource;
use crate::http::params::{NameInPath, Named};
use crate::http::reply::{Changed, CreatedOrAccepted, DoneOrAccepted, Json, One};
use crate::http::upload::{Look, NewFiles, Upload};
use crate::http::wire::catalog::{DataSourceTable, DataSourceTables, TablePatch, TableProfile};
use crate::http::wire::import::Preview;
use crate::http::wire::source::{DataSource, DataSourcePatch, NewPreview};
use crate::http::wire::sync::DataSourceSync;
use crate::http::wire::{Deleted, Listing, Nothing, Spelling};
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

    /// Create a data source from uploaded files, a file on the web, or a database.
    ///
    /// Each file becomes a table. JSON says where a file or a database is that the server reads, now and at each sync:
    /// of a database all tables, or those that are named, or queries in its own SQL. Answers 202 when reading takes
    /// longer than ten seconds; it then goes on, and the status is `syncing` until it is done. Where it fails, a source of
    /// files that were sent is gone, and one that is elsewhere has the status `error` with the reason.
    #[oai(path = "/", method = "post", operation_id = "data_sources_create")]
    async fn create(&self, Credential(caller): Credential, new: NewSource) -> Reply<CreatedOrAccepted<DataSource<Id>>> {
        let source = new.make(&self.0, &caller).await?;
        Ok(self.0.answer(&caller, DataSource::answer(source)).await?)
    }

    /// Look at files before they are kept.
    ///
    /// Tells what would be detected of them, the types of their columns by the first 1,000 rows, and the first ten rows.
    /// Takes the form by which a data source is made, so that it can be sent again once it is right.
    #[oai(path = "/preview", method = "post", operation_id = "data_sources_preview")]
    async fn preview(&self, Credential(caller): Credential, upload: Upload<Look>) -> Reply<Json<Preview>> {
        let files = upload.receive_files(self.0.begin_preview(&caller).await?).await?;
        Ok(Json(self.0.preview_files(&caller, files).await?.into()))
    }

    /// Look at a file that is elsewhere before it is kept.
    ///
    /// Fetches a file on the web, or one of the server's machine, and tells of it what is told of files that are sent.
    /// Takes the body by which a data source is made, so that it can be sent again once it is right.
    #[oai(path = "/preview-connection", method = "post", operation_id = "data_sources_preview_connection")]
    async fn preview_connection(
        &self,
        Credential(caller): Credential,
        Body(look): Body<NewPreview>,
    ) -> Reply<Json<Preview>> {
        let room = self.0.begin_preview(&caller).await?;
        Ok(Json(self.0.preview_place(&caller, look.read(), room).await?.into()))
    }

    /// Get a data source with its tables and columns.
    #[oai(path = "/:id", method = "get", operation_id = "data_sources_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<SourceOf>) -> Reply<One<DataSource<Id>>> {
        Ok(One(self.0.source(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Replace tables of a data source by files, or add rows to them.
    ///
    /// Tables are matched by name, and the new data is swapped in whole: queries that run go on with the old one, and
    /// whatever fails leaves it as it was. Files are read as the source's were; `options` take the place of those. Answers
    /// when it is done.
    #[oai(path = "/:id/files", method = "post", operation_id = "data_sources_files")]
    async fn files(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        upload: Upload<NewFiles>,
    ) -> Reply<Json<DataSource<Id>>> {
        let holder = self.0.begin_files(&caller, &id.id, &id.spelled).await?;
        let (files, mode) = upload.receive_files(holder).await?;
        let answer = |source| Json(DataSource::from(source));
        Ok(self.0.put_files(&caller, (&id.id, &id.spelled), (files, mode), Box::new(|_, _| {}), answer).await?)
    }

    /// Change a data source: its name, where its data is, what opens it, how its file is read, when it is read again.
    ///
    /// Its name in SQL stays, so queries go on working. Its data stays until the next sync.
    #[oai(path = "/:id", method = "patch", operation_id = "data_sources_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        Body(patch): Body<DataSourcePatch>,
    ) -> Reply<Changed<DataSource<Id>>> {
        Ok(Changed(self.0.update_source(&caller, &id.id, &id.spelled, patch.read()?).await?.into()))
    }

    /// Read the data of a data source again.
    ///
    /// The new data takes the place of the old whole; when it cannot be had, the old stays and the answer says why.
    /// Answers 202 when it takes longer than ten seconds; it then goes on. One that goes on already is joined.
    #[oai(path = "/:id/sync", method = "post", operation_id = "data_sources_sync")]
    async fn sync(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        _body: Body<Nothing>,
    ) -> Reply<DoneOrAccepted<DataSourceSync<Id>>> {
        let wait = Some(self.0.settings.upload_wait);
        let sync = self.0.sync_source(&caller, &id.id, &id.spelled, wait, Box::new(|_, _| {})).await?;
        Ok(self.0.answer(&caller, DataSourceSync::answer(sync)).await?)
    }

    /// List the syncs of a data source: the newest thousand.
    #[oai(path = "/:id/syncs", method = "get", operation_id = "data_sources_syncs")]
    async fn syncs(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        list: ListQuery<Id, SyncFilter>,
    ) -> Reply<Json<Listing<DataSourceSync<Id>>>> {
        let page = self.0.syncs(&caller, &id.id, &id.spelled, &list.0)?;
        Ok(Json(page.map(DataSourceSync::of).into()))
    }

    /// Get the tables of a data source with their columns.
    ///
    /// Beside what queries can name, it has what is hidden and what has vanished but still has words.
    #[oai(path = "/:id/tables", method = "get", operation_id = "data_sources_tables")]
    async fn tables(&self, Credential(caller): Credential, id: Named<SourceOf>) -> Reply<One<DataSourceTables<Id>>> {
        Ok(One(self.0.source(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Get a table with its columns.
    ///
    /// By its name in queries, or else by the one that it has in its source.
    #[oai(path = "/:id/tables/:table", method = "get", operation_id = "data_sources_table")]
    async fn table(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        table: NameInPath,
    ) -> Reply<One<DataSourceTable>> {
        Ok(One(self.0.source_table(&caller, (&id.id, &id.spelled), &table.0)?.into()))
    }

    /// Describe, rename and hide a table and its columns.
    ///
    /// Holds for the data that is here and for all that comes later. Queries, those of widgets and reports too, go by the
    /// new names from then on, and by these alone; what is hidden is not there for them. Nothing is renamed within them.
    /// Files that are sent later still find their table by the name that it has in its source.
    #[oai(path = "/:id/tables/:table", method = "patch", operation_id = "data_sources_table_update")]
    async fn update_table(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        table: NameInPath,
        Body(patch): Body<TablePatch>,
    ) -> Reply<Changed<DataSourceTable>> {
        Ok(Changed(self.0.update_table(&caller, (&id.id, &id.spelled), &table.0, patch.read()?).await?.into()))
    }

    /// Get what the columns of a table hold.
    ///
    /// Nulls, distinct values, bounds, means, distributions and the most frequent values of the columns that queries can
    /// name. Computed when it is first asked for, and kept for as long as the data is the same.
    #[oai(path = "/:id/tables/:table/profile", method = "get", operation_id = "data_sources_table_profile")]
    async fn table_profile(
        &self,
        Credential(caller): Credential,
        id: Named<SourceOf>,
        table: NameInPath,
    ) -> Reply<One<TableProfile>> {
        Ok(One(self.0.table_profile(&caller, (&id.id, &id.spelled), &table.0).await?.into()))
    }

    /// Delete a data source with its data.
    ///
    /// Refused while its first data is being read, and while a dashboard or a report refers to it; the refusal names
    /// these. Saved queries do not keep it.
    #[oai(path = "/:id", method = "delete", operation_id = "data_sources_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<SourceOf>) -> Reply<Json<Deleted<Id>>> {
        let deleted = self.0.delete_source(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(deleted.id, deleted.uuid))))
    }
}
