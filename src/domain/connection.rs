//! Where the data of a source comes from when it was not uploaded: an address on the web, a SQLite file, a database
//! server. What stands here may be shown to whoever reads sources; what may not is [`secret`].
//!
//! Deliberately not here: whether an address may be reached (`outbound::guard`), and how it is read
//! (`engine::connect`).

mod live;
mod masked;
mod places;
mod readings;
mod rules;
pub mod secret;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::masked::{MASK, masked};
pub use self::places::{LocalFile, Server, SqliteFile, Tls, WebFile};
pub use self::readings::{Reading, What};
use self::rules::field;
pub use self::secret::{Credentials, SecretText};
use super::error::{Error, Result};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Uploaded files, or a file of this machine.
    File,
    /// A file on the web.
    Url,
    /// A SQLite file of this machine.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
    /// A MySQL or MariaDB server.
    Mysql,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::File, Self::Url, Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Url => "url",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether queries can be sent there instead of copying the data.
    pub const fn can_be_live(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres | Self::Mysql)
    }
}

/// How queries reach the data of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is copied into an extract, which is swapped whole.
    Extract,
    /// The query is sent to the source.
    Live,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Extract, Self::Live];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Live => "live",
        }
    }

    /// The mode of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Where the data comes from. Free of secrets once a URL's values are [apart](Connection::apart).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// A file of this machine.
    File(LocalFile),
    /// A file on the web.
    Url(WebFile),
    /// A SQLite file.
    Sqlite(SqliteFile),
    /// A PostgreSQL server.
    Postgres(Server),
    /// A MySQL or MariaDB server.
    Mysql(Server),
}

impl Connection {
    /// Reads and checks the fields of a connection.
    ///
    /// # Errors
    /// A field that this kind has not got, that is missing, or that breaks a rule, as `connection.<field>`.
    pub fn parse(kind: Kind, fields: Value) -> Result<Self> {
        if kind == Kind::File && fields.get("path").is_none() {
            return Err(field("path", "is missing; or send the files themselves, as multipart/form-data."));
        }
        Self::read(kind, fields)?.checked()
    }

    /// Reads the fields of a connection that was checked once: what was kept stays readable, whatever the rules are now.
    ///
    /// # Errors
    /// A field that this kind has not got, or that is missing.
    pub fn read(kind: Kind, fields: Value) -> Result<Self> {
        Ok(match kind {
            Kind::File => Self::File(fields_of(fields)?),
            Kind::Url => Self::Url(fields_of(fields)?),
            Kind::Sqlite => Self::Sqlite(fields_of(fields)?),
            Kind::Postgres => Self::Postgres(fields_of(fields)?),
            Kind::Mysql => Self::Mysql(fields_of(fields)?),
        })
    }

    /// As it is shown.
    pub fn shown(&self) -> Value {
        match self {
            Self::Url(file) => Self::Url(WebFile { url: masked(&file.url), ..file.clone() }).fields(),
            other => other.fields(),
        }
    }

    /// As it is stored.
    pub fn fields(&self) -> Value {
        let written = match self {
            Self::File(file) => serde_json::to_value(file),
            Self::Url(file) => serde_json::to_value(file),
            Self::Sqlite(file) => serde_json::to_value(file),
            Self::Postgres(server) | Self::Mysql(server) => serde_json::to_value(server),
        };
        // Texts, numbers, lists and maps by text can always be written.
        written.unwrap_or_default()
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::File(_) => Kind::File,
            Self::Url(_) => Kind::Url,
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(_) => Kind::Postgres,
            Self::Mysql(_) => Kind::Mysql,
        }
    }

    /// Host and port to reach, of a database server.
    pub fn server(&self) -> Option<(&str, u16)> {
        match self {
            Self::Postgres(server) => Some((&server.host, server.port.unwrap_or(5432))),
            Self::Mysql(server) => Some((&server.host, server.port.unwrap_or(3306))),
            Self::File(_) | Self::Url(_) | Self::Sqlite(_) => None,
        }
    }

    /// Whether what a secret was given for is the same there: a password is not sent on to another server because
    /// somebody changed where the source points.
    pub fn shares_secret_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Url(one), Self::Url(other)) => origin(&one.url) == origin(&other.url),
            (Self::File(_), Self::File(_)) | (Self::Sqlite(_), Self::Sqlite(_)) => true,
            (Self::Postgres(one), Self::Postgres(other)) | (Self::Mysql(one), Self::Mysql(other)) => {
                (&one.host, one.port, &one.user, one.tls, &one.authority)
                    == (&other.host, other.port, &other.user, other.tls, &other.authority)
            }
            _ => false,
        }
    }
}

/// What stands between scheme and path.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '\\', '?', '#']).next().unwrap_or_default()
}

fn origin(url: &str) -> String {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    format!("{scheme}://{}", authority(url)).to_ascii_lowercase()
}

fn fields_of<T: DeserializeOwned>(fields: Value) -> Result<T> {
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let path = error.path().to_string();
        let said = error.inner().to_string();
        let quoted = said.split('`').nth(1).unwrap_or_default().to_owned();
        if said.starts_with("unknown field") {
            Error::UnknownField(format!("connection.{quoted}"))
        } else if said.starts_with("missing field") {
            field(&quoted, "is missing.")
        } else if path == "." {
            Error::field("connection", "must be an object.")
        } else {
            field(&path, &format!("cannot be read: {said}."))
        }
    })
}

#[cfg(test)]
mod tests;
