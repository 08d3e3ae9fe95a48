//! Why a command did not do what it was told: one sentence that says what to do, and an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::datadir::DataDirError;
use crate::domain::error::Error;
use crate::keyring::KeyringError;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// It was called wrongly: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(String),
    /// Whoever read its output stopped reading, as `head` does: no failure.
    ReaderGone,
}

impl Failure {
    /// It could not be done, for this reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }

    /// It was called wrongly, in this way.
    pub fn usage(reason: impl Into<String>) -> Self {
        Self::Usage(reason.into())
    }

    /// 0 done, 1 failed, 2 wrong usage.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Failed(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(reason) | Self::Failed(reason) => out.write_str(reason.trim_end_matches('.')),
            Self::ReaderGone => out.write_str("the output was not read to its end"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // Who runs commands may know what the API keeps to its log.
            Error::StorageUnavailable(cause) => Self::Failed(format!("{cause}; make room on the disk and try again")),
            Error::Internal(cause) => {
                Self::Failed(format!("{cause}; this is a defect or the machine's, look at its log"))
            }
            Error::InvalidField { field, reason } => Self::Usage(format!("{} {reason}", option(&field))),
            Error::InvalidRequest(_) | Error::InvalidParameter { .. } => Self::Usage(error.to_string()),
            Error::Overloaded => Self::failed("the database is busy; try again"),
            Error::InvalidSql { message, position: Some((line, column)) } => {
                Self::Failed(format!("{} (line {line}, column {column})", message.trim_end_matches('.')))
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The option behind a field of a request.
fn option(field: &str) -> String {
    let field = field.strip_prefix("options.").unwrap_or(field);
    match field.split(['[', '.']).next().unwrap_or(field) {
        "options" => "the flags".to_owned(),
        "columns" => "--type".to_owned(),
        "nulls" => "--null".to_owned(),
        "permissions" => "--permission".to_owned(),
        "expires_at" => "--expires".to_owned(),
        "ip_allowlist" => "--ip".to_owned(),
        "grace_seconds" => "--grace".to_owned(),
        "reminder_days" => "--reminder".to_owned(),
        "sql" => "the query".to_owned(),
        "file" => "a file".to_owned(),
        "password" => "the password".to_owned(),
        plain => format!("--{}", plain.replace('_', "-")),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::Failed(error.to_string()) }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { Self::from(io::Error::from(error)) } else { Self::Failed(error.to_string()) }
    }
}
