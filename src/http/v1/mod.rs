//! The `/v1/` face: ids are prefix and hex, lists go by cursor, errors are nested.

mod account;
mod audit;
mod dashboards;
mod keys;
mod queries;
mod query;
mod reports;
mod runs;
mod sources;
mod usage;
mod users;

use poem_openapi::Tags;

use super::face::Face;
use super::wire::Hex;
use crate::service::app::App;

/// How this face spells ids.
type Id = Hex;
/// This face.
const FACE: Face = Face::V1;

/// The groups of the reference.
#[derive(Tags)]
enum Tag {
    /// What a credential is and may do, and its organization.
    Account,
    /// Credits and limits, and what calls add up to.
    Usage,
    /// Dashboards and their widgets.
    Dashboards,
    /// Reports and their templates.
    Reports,
    /// Runs of reports and their files.
    Runs,
    /// Data sources and their tables.
    #[oai(rename = "Data sources")]
    DataSources,
    /// Read-only SQL over data sources.
    Query,
    /// API keys.
    Keys,
    /// What was called and changed, by whom, and what became of it.
    #[oai(rename = "Audit log")]
    Audit,
    /// The people of the organization, and their sessions.
    Users,
}

/// The face's operations.
pub type Api = (
    account::AccountApi,
    usage::UsageApi,
    dashboards::DashboardsApi,
    reports::ReportsApi,
    reports::ReportTemplatesApi,
    runs::RunsApi,
    sources::DataSourcesApi,
    query::QueryApi,
    queries::QueriesApi,
    keys::KeysApi,
    audit::AuditApi,
    users::UsersApi,
    users::SessionsApi,
);

/// The face over an app.
pub fn all(app: &App) -> Api {
    (
        account::AccountApi(app.clone()),
        usage::UsageApi(app.clone()),
        dashboards::DashboardsApi(app.clone()),
        reports::ReportsApi(app.clone()),
        reports::ReportTemplatesApi(app.clone()),
        runs::RunsApi(app.clone()),
        sources::DataSourcesApi(app.clone()),
        query::QueryApi(app.clone()),
        queries::QueriesApi(app.clone()),
        keys::KeysApi(app.clone()),
        audit::AuditApi(app.clone()),
        users::UsersApi(app.clone()),
        users::SessionsApi(app.clone()),
    )
}
