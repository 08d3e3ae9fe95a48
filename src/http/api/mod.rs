//! The platform face `/api/` (seeds 002 and 004): ids are integers, lists go by page number.

mod auth;
mod dashboards;
mod keys;
mod sources;

use poem_openapi::Tags;

use super::face::Face;
use super::wire::Integer;
use crate::service::app::App;

/// How this face spells ids.
type Id = Integer;
/// This face.
const FACE: Face = Face::Platform;

/// The groups of the reference.
#[derive(Tags)]
enum Tag {
    /// Sessions, and who is calling.
    Authentication,
    /// Data sources and their tables.
    #[oai(rename = "Data sources")]
    DataSources,
    /// Dashboards and their widgets.
    Dashboards,
    /// API keys.
    #[oai(rename = "API keys")]
    Keys,
}

/// The face's operations.
pub type Api = (auth::AuthApi, sources::DataSourcesApi, dashboards::DashboardsApi, keys::KeysApi);

/// The face over an app.
pub fn all(app: &App) -> Api {
    (
        auth::AuthApi(app.clone()),
        sources::DataSourcesApi(app.clone()),
        dashboards::DashboardsApi(app.clone()),
        keys::KeysApi(app.clone()),
    )
}
