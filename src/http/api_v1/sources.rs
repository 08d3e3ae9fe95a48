//! Data sources on the `/api/v1/` face. Wire types are in `http::wire::source`, rules in `service::sources`.

use poem_openapi::OpenApi;

use super::{Id, Tag};
use crate::domain::id::Source as SourceOf;
use crate::domain::source::SourceFilter;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::Named;
use crate::http::reply::{Json, One};
use crate::http::wire::Listing;
use crate::http::wire::source::DataSource;
use crate::service::app::App;

/// The data sources of `/api/v1/`.
pub struct DataSourcesApi(pub App);

#[OpenApi(prefix_path = "/api/v1/data-sources", tag = "Tag::DataSources")]
impl DataSourcesApi {
    /// List active data sources.
    #[oai(path = "/", method = "get", operation_id = "data_sources_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, SourceFilter>,
    ) -> Reply<Json<Listing<DataSource<Id>>>> {
        let page = self.0.sources(&caller, &list.0)?;
        Ok(Json(page.map(DataSource::from).into()))
    }

    /// Get a data source with its tables and columns.
    #[oai(path = "/:id", method = "get", operation_id = "data_sources_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<SourceOf>) -> Reply<One<DataSource<Id>>> {
        Ok(One(self.0.source(&caller, &id.id, &id.spelled)?.into()))
    }
}
