//! Why a request could not be served, as facts. Words for codes stand in [`super::code`]; how a face prints an
//! error is the edge's business. Causes are for the log and never leave the server.

mod sentences;

use std::io::ErrorKind;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::access::{Permission, Role, Scope};
use super::code::Code;
use super::id::Kind;
use super::window::WindowName;

/// Why the server failed: for its log, for no client.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What took a permission away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBy {
    /// The key was not given it: by its preset, or by its list where it has none.
    Scope(Option<Scope>),
    /// The role of the user, or of the key's owner, does not have it.
    Role(Role),
}

/// A refusal or failure.
#[derive(Debug)]
pub enum Error {
    /// A rule of the request as a whole is broken; the sentence says which and what to do.
    InvalidRequest(String),
    /// A field of the body breaks a rule.
    InvalidField {
        /// Where in the body, `widgets[0].title`.
        field: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The body is not JSON, or not of the expected shape.
    InvalidJson(String),
    /// The body has a field that is not known.
    UnknownField(String),
    /// A query parameter breaks a rule.
    InvalidParameter {
        /// Its name.
        name: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A cursor of another list, or none of ours.
    InvalidCursor,
    /// SQL that cannot be run, with its line and column when known.
    InvalidSql {
        /// What is wrong.
        message: String,
        /// Line and column, from one.
        position: Option<(u64, u64)>,
    },
    /// More than one credential.
    TwoCredentials,
    /// No credential where one is needed.
    CredentialsMissing,
    /// A key that is malformed, unknown, or wrong.
    InvalidKey,
    /// A key whose secret matched, but which was revoked.
    KeyRevoked,
    /// A key whose secret matched, but which has expired.
    KeyExpired,
    /// A key in the query string.
    KeyInUrl,
    /// A session token that is malformed, forged, expired or ended.
    InvalidToken,
    /// A wrong e-mail or password, or a deactivated user.
    InvalidLogin,
    /// Fewer credits than the estimate.
    InsufficientCredits {
        /// What is left.
        remaining: i64,
        /// What the operation would take.
        estimated: i64,
    },
    /// A permission is missing.
    PermissionMissing {
        /// Which; none for managing keys, which hangs on the scope alone.
        permission: Option<Permission>,
        /// What took it away.
        by: TakenBy,
    },
    /// What is bound to an account, asked for with a key.
    SessionRequired,
    /// The plan has not got what is asked.
    PlanRequired {
        /// What is asked: "API access".
        feature: &'static str,
        /// The plan at hand.
        plan: String,
        /// A plan that has it.
        needed: Option<String>,
    },
    /// The trial is over and the operation is not reading.
    TrialEnded {
        /// The plan that is the trial.
        plan: String,
        /// A plan to go on with.
        needed: Option<String>,
    },
    /// The key's allowlist does not hold the caller's address, or that address is not known.
    AddressNotAllowed(Option<IpAddr>),
    /// Plain HTTP from elsewhere than loopback or a trusted proxy.
    HttpsRequired,
    /// A host that is not ours.
    MisdirectedRequest,
    /// No such object in the caller's organisation.
    NotFound {
        /// What was looked for: "dashboard".
        noun: &'static str,
        /// The id as the client spelled it.
        id: String,
    },
    /// No such path.
    NoSuchPath,
    /// The path exists with other methods.
    MethodNotAllowed(String),
    /// None of the accepted media types can be given.
    NotAcceptable(&'static str),
    /// The body came too slowly.
    RequestTimeout,
    /// The state does not allow it.
    Conflict(String),
    /// A request with the same Idempotency-Key is being served.
    RequestInProgress,
    /// A key, or the one that it took over from, is in its grace.
    AlreadyRotating {
        /// When that is over.
        until: super::time::Timestamp,
    },
    /// The Idempotency-Key came with another request before.
    IdempotencyMismatch,
    /// A result that is asked for does not exist yet.
    NotReady(String),
    /// The object is not, or no longer, as the request's conditions want it.
    PreconditionFailed,
    /// A part of a file that begins past its end.
    RangeNotSatisfiable {
        /// The file's length in bytes.
        length: u64,
    },
    /// A body over its limit.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A media type that is not taken.
    UnsupportedMediaType(&'static str),
    /// A body that is compressed.
    UnsupportedCoding,
    /// An uploaded file that cannot be read.
    InvalidFile(String),
    /// A data source that cannot be reached, or does not give its data.
    SourceUnavailable(String),
    /// A query past its deadline.
    QueryTimeout(String),
    /// A query past its memory or size.
    QueryTooLarge(String),
    /// A query that somebody of the organisation called off.
    QueryCanceled,
    /// A window is full.
    RateLimited {
        /// Which.
        window: WindowName,
        /// Its limit.
        limit: u32,
        /// Seconds until a request of this kind fits again.
        retry_after: u64,
    },
    /// Too many failed logins, of this account or from this address.
    TooManyLogins {
        /// Seconds until another may be tried.
        retry_after: u64,
    },
    /// As many of something are open as may be.
    TooManyOpen {
        /// Of what, and whose: "streams of this credential".
        what: &'static str,
        /// How many that is.
        limit: usize,
    },
    /// There is no organisation yet.
    NotSetUp,
    /// A token that does not belong to the setup link that works now.
    SetupLinkInvalid,
    /// A failure of earlier work, as it was written down then: its facts are gone, its code and words are not.
    Recorded {
        /// Its code.
        code: Code,
        /// What was said.
        message: String,
    },
    /// A queue is full.
    Overloaded,
    /// `audit.db` cannot be written.
    AuditUnavailable,
    /// What is to be kept cannot be written, most often because the disk is full, with its cause for the log.
    StorageUnavailable(Cause),
    /// A defect or a failure of the machine, with its cause for the log.
    Internal(Cause),
}

impl Error {
    /// A failure of the server's own, from its cause: of the disk where that is what the system says, internal otherwise.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
                Self::StorageUnavailable(cause)
            }
            _ => Self::Internal(cause),
        }
    }

    /// What the log may know and no client: why the server failed.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Internal(cause) | Self::StorageUnavailable(cause) => Some(cause),
            _ => None,
        }
    }

    /// No object of this kind has the id.
    pub fn not_found<K: Kind>(id: impl AsRef<str>) -> Self {
        Self::NotFound { noun: K::NOUN, id: Self::clipped(id.as_ref()) }
    }

    /// A field of the body breaks a rule.
    pub fn field(field: impl AsRef<str>, reason: impl Into<String>) -> Self {
        Self::InvalidField { field: Self::clipped(field.as_ref()), reason: reason.into() }
    }

    /// A change that changes nothing.
    pub fn nothing_to_change() -> Self {
        Self::InvalidRequest("Nothing is to be changed; give at least one field.".to_owned())
    }

    /// A query parameter breaks a rule.
    pub fn parameter(name: impl AsRef<str>, reason: impl Into<String>) -> Self {
        Self::InvalidParameter { name: Self::clipped(name.as_ref()), reason: reason.into() }
    }

    /// What a client wrote, as far as it is repeated to it: an answer does not grow with the request.
    pub fn clipped(text: &str) -> String {
        const LONGEST: usize = 100;
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidRequest(_) | Self::InvalidField { .. } => Code::InvalidRequest,
            Self::InvalidJson(_) => Code::InvalidJson,
            Self::UnknownField(_) => Code::UnknownField,
            Self::InvalidParameter { .. } => Code::InvalidParameter,
            Self::InvalidCursor => Code::InvalidCursor,
            Self::InvalidSql { .. } => Code::InvalidSql,
            Self::TwoCredentials => Code::TwoCredentials,
            Self::CredentialsMissing => Code::CredentialsMissing,
            Self::InvalidKey => Code::InvalidKey,
            Self::KeyRevoked => Code::KeyRevoked,
            Self::KeyExpired => Code::KeyExpired,
            Self::KeyInUrl => Code::KeyInUrl,
            Self::InvalidToken | Self::SetupLinkInvalid => Code::InvalidToken,
            Self::InvalidLogin => Code::InvalidLogin,
            Self::InsufficientCredits { .. } => Code::InsufficientCredits,
            Self::PermissionMissing { .. } | Self::SessionRequired => Code::PermissionMissing,
            Self::PlanRequired { .. } => Code::PlanRequired,
            Self::TrialEnded { .. } => Code::TrialEnded,
            Self::AddressNotAllowed(_) => Code::AddressNotAllowed,
            Self::HttpsRequired => Code::HttpsRequired,
            Self::MisdirectedRequest => Code::MisdirectedRequest,
            Self::NotFound { .. } | Self::NoSuchPath => Code::NotFound,
            Self::MethodNotAllowed(_) => Code::MethodNotAllowed,
            Self::NotAcceptable(_) => Code::NotAcceptable,
            Self::RequestTimeout => Code::RequestTimeout,
            Self::Conflict(_) => Code::Conflict,
            Self::RequestInProgress => Code::RequestInProgress,
            Self::AlreadyRotating { .. } => Code::AlreadyRotating,
            Self::IdempotencyMismatch => Code::IdempotencyMismatch,
            Self::NotReady(_) => Code::NotReady,
            Self::PreconditionFailed => Code::PreconditionFailed,
            Self::RangeNotSatisfiable { .. } => Code::RangeNotSatisfiable,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::UnsupportedMediaType(_) | Self::UnsupportedCoding => Code::UnsupportedMediaType,
            Self::InvalidFile(_) => Code::InvalidFile,
            Self::SourceUnavailable(_) => Code::SourceUnavailable,
            Self::QueryTimeout(_) => Code::QueryTimeout,
            Self::QueryTooLarge(_) => Code::QueryTooLarge,
            Self::QueryCanceled => Code::QueryCanceled,
            Self::RateLimited { .. } | Self::TooManyLogins { .. } | Self::TooManyOpen { .. } => Code::RateLimited,
            Self::Recorded { code, .. } => *code,
            Self::Internal(_) => Code::Internal,
            Self::NotSetUp => Code::SetupRequired,
            Self::Overloaded => Code::Overloaded,
            Self::AuditUnavailable => Code::AuditUnavailable,
            Self::StorageUnavailable(_) => Code::StorageUnavailable,
        }
    }

    /// Facts that stand beside code and message, under these names on every face.
    pub fn facts(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::InvalidField { field, .. } | Self::UnknownField(field) => vec![("field", json!(field))],
            Self::InvalidParameter { name, .. } => vec![("parameter", json!(name))],
            Self::InvalidSql { position: Some((line, column)), .. } => {
                vec![("line", json!(line)), ("column", json!(column))]
            }
            Self::InsufficientCredits { remaining, estimated } => {
                vec![("credits_remaining", json!(remaining)), ("estimated_cost", json!(estimated))]
            }
            Self::PermissionMissing { permission, by } => {
                let mut facts: Vec<_> = permission.iter().map(|it| ("permission", json!(it.as_str()))).collect();
                match by {
                    TakenBy::Role(role) => {
                        facts.extend([("refused_by", json!("role")), ("role", json!(role.as_str()))]);
                    }
                    TakenBy::Scope(scope) => {
                        facts.push(("refused_by", json!("scope")));
                        facts.extend(scope.map(|scope| ("scope", json!(scope.as_str()))));
                    }
                }
                facts
            }
            Self::SessionRequired => vec![("refused_by", json!("scope"))],
            Self::PlanRequired { plan, needed, .. } | Self::TrialEnded { plan, needed } => {
                let mut facts = vec![("refused_by", json!("plan")), ("plan", json!(plan))];
                facts.extend(needed.iter().map(|needed| ("needed_plan", json!(needed))));
                facts
            }
            Self::AddressNotAllowed(address) => {
                let mut facts = vec![("refused_by", json!("address"))];
                facts.extend(address.iter().map(|address| ("address", json!(address.to_string()))));
                facts
            }
            Self::TooLarge { limit } => vec![("limit", json!(limit))],
            Self::RateLimited { window, limit, retry_after } => {
                vec![("window", json!(window.as_str())), ("limit", json!(limit)), ("retry_after", json!(retry_after))]
            }
            Self::TooManyLogins { retry_after } => vec![("retry_after", json!(retry_after))],
            Self::TooManyOpen { limit, .. } => vec![("limit", json!(limit)), ("retry_after", json!(1))],
            _ => Vec::new(),
        }
    }

    /// Seconds for `Retry-After`, where the answer has one.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::TooManyLogins { retry_after } => Some(*retry_after),
            Self::Overloaded | Self::Recorded { code: Code::Overloaded, .. } => Some(1),
            Self::AuditUnavailable | Self::StorageUnavailable(_) => Some(5),
            Self::NotReady(_) | Self::RequestInProgress | Self::TooManyOpen { .. } => Some(1),
            _ => None,
        }
    }
}

impl std::error::Error for Error {}

/// What a use case returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
