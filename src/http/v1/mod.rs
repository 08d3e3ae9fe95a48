//! The `/v1/` face (seed 003): ids are prefix and hex, lists go by cursor, errors are nested.

mod dashboards;

use poem_openapi::Tags;

use super::wire::Hex;
use crate::service::app::App;

/// How this face spells ids.
type Id = Hex;

/// The groups of the reference.
#[derive(Tags)]
pub(super) enum Tag {
    /// Dashboards and their widgets.
    Dashboards,
}

/// The face's operations.
pub type Api = dashboards::DashboardsApi;

/// The face over an app.
pub fn all(app: &App) -> Api {
    dashboards::DashboardsApi(app.clone())
}
