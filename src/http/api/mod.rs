//! The platform face `/api/`: ids are integers, lists go by page number.

mod account;
mod audit;
mod auth;
mod dashboards;
mod keys;
mod queries;
mod query;
mod reports;
mod runs;
mod setup;
mod sources;
mod usage;
mod users;

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
    /// The caller's user and organization.
    Account,
    /// Credits and limits, and what calls add up to.
    Usage,
    /// Data sources and their tables.
    #[oai(rename = "Data sources")]
    DataSources,
    /// Dashboards and their widgets.
    Dashboards,
    /// Reports and their templates.
    Reports,
    /// Runs of reports and their files.
    Runs,
    /// Read-only SQL over data sources.
    Query,
    /// API keys.
    #[oai(rename = "API keys")]
    Keys,
    /// What was called and changed, by whom, and what became of it.
    #[oai(rename = "Audit log")]
    Audit,
    /// The people of the organization, and their sessions.
    Users,
}

/// The face's operations.
pub type Api = (
    auth::AuthApi,
    setup::SetupApi,
    account::AccountApi,
    usage::UsageApi,
    sources::DataSourcesApi,
    dashboards::DashboardsApi,
    reports::ReportsApi,
    reports::ReportTemplatesApi,
    runs::RunsApi,
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
        auth::AuthApi(app.clone()),
        setup::SetupApi(app.clone()),
        account::AccountApi(app.clone()),
        usage::UsageApi(app.clone()),
        sources::DataSourcesApi(app.clone()),
        dashboards::DashboardsApi(app.clone()),
        reports::ReportsApi(app.clone()),
        reports::ReportTemplatesApi(app.clone()),
        runs::RunsApi(app.clone()),
        query::QueryApi(app.clone()),
        queries::QueriesApi(app.clone()),
        keys::KeysApi(app.clone()),
        audit::AuditApi(app.clone()),
        users::UsersApi(app.clone()),
        users::SessionsApi(app.clone()),
    )
}
