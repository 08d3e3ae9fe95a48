//! Every operation of the API, once: what it needs, how it counts, what it can answer.
//!
//! Paths and methods are not here: each face registers its own, and `http::operations` joins the two at start.

use super::access::Permission;
use super::code::Code;
pub use super::window::Class;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone; a credential is not even looked at.
    Nothing,
    /// Any caller, for what is their own.
    Caller,
    /// A session, or a key with the read-write preset: managing one's own keys.
    KeyManagement,
    /// A session: what is bound to the account behind it.
    Session,
    /// A caller with this permission.
    Permission(Permission),
}

/// What limits the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// None is read; one that is sent is refused past a JSON body's limit.
    None,
    /// JSON, within `server.json_limit`.
    Json,
    /// A multipart upload, within `server.upload_limit`.
    Upload,
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// `<resource>_<verb>`: the operation id of every face, and the name in audit, metrics and usage.
    pub id: &'static str,
    /// Who may call it.
    pub needs: Needs,
    /// Which windows it counts in.
    pub class: Class,
    /// Its body.
    pub body: BodyKind,
    /// The codes it can answer with, beside those that every operation has. One that names `plan_required` takes API
    /// access of sessions too.
    pub errors: &'static [Code],
    /// Whether it takes an `Idempotency-Key`.
    pub repeats: Repeats,
}

/// What the second of two requests with one `Idempotency-Key` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// The same again: the header is not looked at.
    Again,
    /// Nothing: it is answered like the first.
    Once,
}

/// Codes that every operation with a caller can answer with.
pub const COMMON: &[Code] = &[
    Code::InvalidRequest,
    Code::InvalidParameter,
    Code::TwoCredentials,
    Code::CredentialsMissing,
    Code::InvalidKey,
    Code::KeyRevoked,
    Code::KeyExpired,
    Code::KeyInUrl,
    Code::InvalidToken,
    Code::PermissionMissing,
    Code::PlanRequired,
    Code::AddressNotAllowed,
    Code::HttpsRequired,
    Code::TooLarge,
    Code::RequestTimeout,
    Code::MisdirectedRequest,
    Code::RateLimited,
    Code::Internal,
    Code::SetupRequired,
    Code::Overloaded,
    Code::AuditUnavailable,
    Code::StorageUnavailable,
];

/// Codes that operations which take an `Idempotency-Key` can answer with, beside the common ones.
pub const ONCE: &[Code] = &[Code::RequestInProgress, Code::IdempotencyMismatch];

const FIND: &[Code] = &[Code::NotFound, Code::PreconditionFailed];
const FILE: &[Code] = &[Code::NotFound, Code::NotReady, Code::PreconditionFailed, Code::RangeNotSatisfiable];
const PAGE: &[Code] = &[Code::InvalidCursor];
const BODY: &[Code] = &[Code::InvalidRequest, Code::InvalidJson, Code::UnknownField, Code::UnsupportedMediaType];
const PEOPLE: &[Code] = &[
    Code::InvalidRequest,
    Code::InvalidJson,
    Code::UnknownField,
    Code::UnsupportedMediaType,
    Code::NotFound,
    Code::Conflict,
    Code::PreconditionFailed,
    Code::TrialEnded,
];
/// What takes access away goes on when a trial is over.
const KEEP_OUT: &[Code] = &[
    Code::InvalidRequest,
    Code::InvalidJson,
    Code::UnknownField,
    Code::UnsupportedMediaType,
    Code::NotFound,
    Code::Conflict,
    Code::PreconditionFailed,
];
const OWN: &[Code] =
    &[Code::InvalidRequest, Code::InvalidJson, Code::UnknownField, Code::UnsupportedMediaType, Code::Conflict];

macro_rules! operations {
    ($($id:literal $needs:expr, $class:ident, $body:ident, $errors:expr $(, $repeats:ident)?;)*) => {
        /// The table. `Once` stands at the end of those that take an `Idempotency-Key`.
        pub static OPERATIONS: &[Operation] = &[$(
            Operation {
                id: $id,
                needs: $needs,
                class: Class::$class,
                body: BodyKind::$body,
                errors: $errors,
                repeats: operations!(@repeats $($repeats)?),
            },
        )*];
    };
    (@repeats) => { Repeats::Again };
    (@repeats $repeats:ident) => { Repeats::$repeats };
}

use Code::{
    AlreadyRotating, Conflict, InsufficientCredits, InvalidCursor, InvalidFile, InvalidJson, InvalidLogin,
    InvalidRequest, InvalidSql, InvalidToken, NotAcceptable, NotFound, NotReady, PlanRequired, PreconditionFailed,
    QueryCanceled, QueryTimeout, QueryTooLarge, RateLimited, SourceUnavailable, TrialEnded, UnknownField,
    UnsupportedMediaType,
};
use Needs::{Caller, KeyManagement, Nothing, Session};

const fn of(permission: Permission) -> Needs {
    Needs::Permission(permission)
}

operations! {
    "auth_login" Nothing, General, Json, &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, InvalidLogin, RateLimited];
    "auth_refresh" Nothing, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, InvalidToken];
    "auth_accept_invitation" Nothing, General, Json, BODY;
    "auth_reset_password" Nothing, General, Json, BODY;
    "auth_sandbox" Session, General, Json, OWN;
    "auth_status" Caller, General, None, &[];
    "auth_verify" Caller, General, None, &[];
    "setup_complete" Nothing, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, InvalidToken, NotFound];
    "users_me" Caller, General, None, &[PreconditionFailed];
    "users_me_update" Session, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, PreconditionFailed, Conflict];
    "users_me_password" Session, General, Json, OWN;
    "users_me_email" Session, General, Json, OWN;
    "users_list" of(Permission::UsersRead), General, None, PAGE;
    "users_create" of(Permission::UsersManage), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, Conflict, TrialEnded], Once;
    "users_get" of(Permission::UsersRead), General, None, FIND;
    "users_update" of(Permission::UsersManage), General, Json, PEOPLE;
    "users_delete" of(Permission::UsersManage), General, None, &[NotFound, PreconditionFailed, Conflict];
    "users_deactivate" of(Permission::UsersManage), General, Json, KEEP_OUT;
    "users_reactivate" of(Permission::UsersManage), General, Json, PEOPLE;
    "users_invite" of(Permission::UsersManage), General, Json, PEOPLE;
    "users_reset_password" of(Permission::UsersManage), General, Json, PEOPLE;
    "sessions_list" Session, General, None, PAGE;
    "sessions_delete" Session, General, None, &[NotFound, Conflict, PreconditionFailed];
    "organization_get" Caller, General, None, &[PreconditionFailed];
    "organization_update" of(Permission::OrganizationManage), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, PreconditionFailed, TrialEnded];
    "organization_sandbox" of(Permission::OrganizationManage), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, Conflict, TrialEnded];
    "audit_list" of(Permission::AuditRead), General, None, PAGE;
    "audit_follow" of(Permission::AuditRead), General, None, &[];
    "audit_export" of(Permission::AuditRead), General, None, &[];
    "audit_get" of(Permission::AuditRead), General, None, FIND;
    "usage_get" of(Permission::UsageRead), General, None, &[];
    "usage_series" of(Permission::UsageRead), General, None, &[NotFound];
    "usage_operations" of(Permission::UsageRead), General, None, &[NotFound];
    "usage_keys" of(Permission::UsageRead), General, None, &[NotFound];
    "usage_users" of(Permission::UsageRead), General, None, &[NotFound];
    "usage_headroom" of(Permission::UsageRead), General, None, &[NotFound];
    "usage_follow" of(Permission::UsageRead), General, None, &[NotFound];
    "usage_ledger" of(Permission::BillingManage), General, None, PAGE;
    "dashboards_list" of(Permission::DashboardsRead), General, None, PAGE;
    "dashboards_create" of(Permission::DashboardsCreate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, TrialEnded], Once;
    "dashboards_get" of(Permission::DashboardsRead), General, None, FIND;
    "dashboards_update" of(Permission::DashboardsUpdate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, PreconditionFailed, TrialEnded];
    "dashboards_delete" of(Permission::DashboardsDelete), General, None, &[NotFound, PreconditionFailed, TrialEnded];
    "dashboards_refresh" of(Permission::DashboardsRefresh), Generation, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, InsufficientCredits, TrialEnded], Once;
    "dashboards_refresh_estimate" of(Permission::DashboardsRefresh), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, TrialEnded];
    "dashboards_widget" of(Permission::DashboardsRead), General, None, FIND;
    "data_sources_list" of(Permission::DataSourcesRead), General, None, PAGE;
    "data_sources_create" of(Permission::DataSourcesCreate), General, Upload,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, Conflict, InvalidFile, SourceUnavailable,
          QueryTimeout, QueryTooLarge, TrialEnded], Once;
    "data_sources_preview" of(Permission::DataSourcesCreate), General, Upload,
        &[InvalidRequest, UnknownField, UnsupportedMediaType, Conflict, InvalidFile, QueryTimeout, QueryTooLarge,
          TrialEnded];
    "data_sources_preview_connection" of(Permission::DataSourcesCreate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, Conflict, InvalidFile, SourceUnavailable,
          QueryTimeout, QueryTooLarge, TrialEnded];
    "data_sources_get" of(Permission::DataSourcesRead), General, None, FIND;
    "data_sources_update" of(Permission::DataSourcesUpdate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, PreconditionFailed, TrialEnded];
    "data_sources_files" of(Permission::DataSourcesUpdate), General, Upload,
        &[InvalidRequest, UnknownField, UnsupportedMediaType, NotFound, Conflict, InvalidFile, QueryTimeout, QueryTooLarge,
          PreconditionFailed, TrialEnded], Once;
    "data_sources_sync" of(Permission::DataSourcesSync), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, Conflict, InvalidFile,
          SourceUnavailable, QueryTimeout, QueryTooLarge, TrialEnded], Once;
    "data_sources_syncs" of(Permission::DataSourcesRead), General, None, &[NotFound, InvalidCursor];
    "data_sources_tables" of(Permission::DataSourcesRead), General, None, FIND;
    "data_sources_table" of(Permission::DataSourcesRead), General, None, FIND;
    "data_sources_table_update" of(Permission::DataSourcesUpdate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, Conflict, PreconditionFailed,
          TrialEnded];
    "data_sources_table_profile" of(Permission::AnalyticsQuery), General, None,
        &[NotFound, NotReady, PreconditionFailed, QueryTimeout, QueryTooLarge];
    "data_sources_delete" of(Permission::DataSourcesDelete), General, None,
        &[NotFound, Conflict, PreconditionFailed, TrialEnded];
    "query_run" of(Permission::AnalyticsQuery), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, NotAcceptable, NotReady, InvalidSql,
          SourceUnavailable, QueryTimeout, QueryTooLarge, QueryCanceled];
    "query_explain" of(Permission::AnalyticsQuery), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, NotReady, InvalidSql,
          SourceUnavailable, QueryTimeout, QueryTooLarge, QueryCanceled];
    "query_running" of(Permission::AnalyticsQuery), General, None, &[];
    "query_cancel" of(Permission::AnalyticsQuery), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound];
    "queries_list" of(Permission::AnalyticsQuery), General, None, PAGE;
    "queries_create" of(Permission::AnalyticsQuery), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, TrialEnded], Once;
    "queries_get" of(Permission::AnalyticsQuery), General, None, FIND;
    "queries_update" of(Permission::AnalyticsQuery), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, PreconditionFailed, TrialEnded];
    "queries_delete" of(Permission::AnalyticsQuery), General, None, &[NotFound, PreconditionFailed, TrialEnded];
    "queries_result" of(Permission::AnalyticsQuery), General, None,
        &[NotFound, NotAcceptable, NotReady, PreconditionFailed, InvalidRequest, InvalidSql, SourceUnavailable,
          QueryTimeout, QueryTooLarge, QueryCanceled];
    "reports_list" of(Permission::ReportsRead), General, None, PAGE;
    "reports_create" of(Permission::ReportsGenerate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, TrialEnded], Once;
    "reports_generate" of(Permission::ReportsGenerate), Generation, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, Conflict, NotReady, InsufficientCredits,
          TrialEnded, QueryTimeout, QueryTooLarge, InvalidSql], Once;
    "reports_get" of(Permission::ReportsRead), General, None, FIND;
    "reports_update" of(Permission::ReportsGenerate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, PreconditionFailed, TrialEnded];
    "reports_delete" of(Permission::ReportsDelete), General, None, &[NotFound, PreconditionFailed, TrialEnded];
    "reports_run" of(Permission::ReportsGenerate), Generation, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, InsufficientCredits, TrialEnded], Once;
    "reports_generate_estimate" of(Permission::ReportsGenerate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, NotReady, TrialEnded];
    "reports_run_estimate" of(Permission::ReportsGenerate), General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, TrialEnded];
    "reports_download" of(Permission::ReportsRead), General, None, FILE;
    "report_templates_list" of(Permission::ReportsRead), General, None, PAGE;
    "report_templates_get" of(Permission::ReportsRead), General, None, FIND;
    "runs_list" of(Permission::ReportsRead), General, None, &[NotFound, InvalidCursor];
    "runs_get" of(Permission::ReportsRead), General, None, FIND;
    "runs_download" of(Permission::ReportsRead), General, None, FILE;
    "keys_list" Caller, General, None, PAGE;
    "keys_create" KeyManagement, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, PlanRequired, Conflict, TrialEnded], Once;
    "keys_get" Caller, General, None, FIND;
    "keys_update" KeyManagement, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, Conflict, PreconditionFailed,
          TrialEnded];
    "keys_rotate" KeyManagement, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, PlanRequired, NotFound, Conflict,
          AlreadyRotating, PreconditionFailed, TrialEnded], Once;
    "keys_activity" Caller, General, None, &[NotFound];
    "keys_revoke_all" KeyManagement, General, Json, &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType];
    "keys_revoke" KeyManagement, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, NotFound, PreconditionFailed];
    "keys_report_leak" Nothing, General, Json,
        &[InvalidRequest, InvalidJson, UnknownField, UnsupportedMediaType, RateLimited];
    "keys_delete" KeyManagement, General, None, FIND;
}

/// Operations whose answers show a secret.
const SHOWS_SECRET: &[&str] = &[
    "auth_login",
    "auth_refresh",
    "auth_sandbox",
    "setup_complete",
    "keys_create",
    "keys_rotate",
    "users_create",
    "users_invite",
    "users_reset_password",
];

/// Operations that end when their client leaves, whatever their method: they change nothing, and cost much. The others
/// go on, and a client that has closed its side only is answered.
const ENDS_WITH_CLIENT: &[&str] = &["query_run", "query_explain", "queries_result"];

/// Operations whose answer is the result of a query.
const GIVES_RESULT: &[&str] = &["query_run", "queries_result"];

impl Operation {
    /// Whether it ends when its client closes its side.
    pub fn ends_with_client(&self) -> bool {
        ENDS_WITH_CLIENT.contains(&self.id)
    }

    /// Whether its answer is the result of a query.
    pub fn gives_result(&self) -> bool {
        GIVES_RESULT.contains(&self.id)
    }

    /// Whether its answers show a secret: they are neither compressed nor kept.
    pub fn shows_secret(&self) -> bool {
        SHOWS_SECRET.contains(&self.id)
    }

    /// Whether it takes a plan with a sandbox organisation.
    pub fn takes_sandbox_plan(&self) -> bool {
        self.id == "organization_sandbox"
    }

    /// Whether it is there before there is an organisation, and then alone.
    pub fn sets_up(&self) -> bool {
        self.id == "setup_complete"
    }

    /// The operation of that id.
    pub fn find(id: &str) -> Option<&'static Self> {
        OPERATIONS.iter().find(|operation| operation.id == id)
    }
}
