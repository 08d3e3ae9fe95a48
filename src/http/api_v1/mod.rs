//! The external face `/api/v1/`: what its published list of endpoints has (`tests/it/documented/001-endpoints.txt`), and
//! no more. Ids are uuids, lists go by cursor.

mod account;
mod dashboards;
mod reports;
mod sources;

use poem_openapi::Tags;

use super::face::Face;
use super::wire::UuidText;
use crate::service::app::App;

/// How this face spells ids.
type Id = UuidText;
/// This face.
const FACE: Face = Face::External;

/// The groups of the reference.
#[derive(Tags)]
enum Tag {
    /// What a credential is and may do, and what is left of limits and credits.
    Account,
    /// Reports and their files.
    Reports,
    /// Dashboards and their widgets.
    Dashboards,
    /// Data sources and their tables.
    #[oai(rename = "Data sources")]
    DataSources,
}

/// The face's operations.
pub type Api = (account::AccountApi, reports::ReportsApi, dashboards::DashboardsApi, sources::DataSourcesApi);

/// The face over an app.
pub fn all(app: &App) -> Api {
    (
        account::AccountApi(app.clone()),
        reports::ReportsApi(app.clone()),
        dashboards::DashboardsApi(app.clone()),
        sources::DataSourcesApi(app.clone()),
    )
}
