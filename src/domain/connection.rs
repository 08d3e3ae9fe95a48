//! Where the data of a source comes from when it was not uploaded: an address on the web, a SQLite file, a database
//! server. What stands here may be shown to whoever reads sources; what may not is [`secret`].
//!
//! Deliberately not here: whether an address may be reached (`outbound::guard`), and how it is read
//! (`engine::connect`).

mod live;
mod masked;
mod readings;
pub mod secret;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::masked::{MASK, masked};
pub use self::readings::{Reading, What};
pub use self::secret::{Credentials, SecretText};
use super::error::{Error, Result};
use super::import::ImportOptions;

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

/// How a connection to a database server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, and the server's certificate is one for its name.
    #[default]
    Verify,
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

/// A file of this machine that is read by its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// Its path, from the root.
    pub path: String,
    /// What it is called, which names its table; the last part of the path where that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl LocalFile {
    /// What it is called: as told, or as the last part of the path says.
    pub fn name(&self) -> String {
        self.file.clone().unwrap_or_else(|| self.path.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

/// A file on the web.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebFile {
    /// `http://` or `https://`, without user and password.
    pub url: String,
    /// What the file is called, which names its table; the last part of the path where that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Connection {
    /// Whether files of this place can be read so.
    ///
    /// # Errors
    /// `InvalidField` for options that contradict themselves, and for any of a database.
    pub fn check_options(&self, options: &ImportOptions) -> Result<()> {
        match self {
            Self::Url(file) => options.check(&[&file.name()]),
            Self::File(file) => options.check(&[&file.name()]),
            _ if options.is_empty() => Ok(()),
            _ => Err(Error::field("options", "are for files; a database says itself what its columns are.")),
        }
    }
}

impl WebFile {
    /// What the file is called: as told, or as the last part of the path says.
    pub fn name(&self) -> String {
        if let Some(name) = &self.file {
            return name.clone();
        }
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let path = rest.split(['?', '#']).next().and_then(|rest| rest.split_once('/')).map_or("", |(_, path)| path);
        match path.rsplit('/').find(|part| !part.is_empty()) {
            Some(last) => last.to_owned(),
            None => "data".to_owned(),
        }
    }
}

/// A SQLite file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteFile {
    /// Its path, from the root.
    pub path: String,
    /// The tables to read; all where neither tables nor queries are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Queries to read, by the name of the table that each becomes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, String>,
    /// By table or query, the column that only grows: later syncs read what is beyond the last value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cursor: BTreeMap<String, String>,
}

impl SqliteFile {
    /// What SQLite keeps of the database at a path: the file, then its journals, each of which may not be there.
    pub fn all_of(path: &Path) -> [PathBuf; 4] {
        ["", "-wal", "-shm", "-journal"].map(|suffix| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        })
    }
}

/// A database server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port; the usual one where that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database.
    pub database: String,
    /// Who we are there.
    pub user: String,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// Certificates in PEM that are trusted instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The tables to read, `name` or `schema.name`; all where neither tables nor queries are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Queries to read, by the name of the table that each becomes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, String>,
    /// By table or query, the column that only grows: later syncs read what is beyond the last value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cursor: BTreeMap<String, String>,
}

/// The longest text of a field, in bytes.
const TEXT: usize = 1_000;
/// The longest URL, in bytes.
const URL: usize = 4_000;
/// The longest bundle of certificates, in bytes.
const AUTHORITY: usize = 100_000;

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

    /// Itself, if it keeps the rules.
    ///
    /// # Errors
    /// `InvalidField` that names the field.
    pub fn checked(self) -> Result<Self> {
        match &self {
            Self::Url(file) => check_web_file(file)?,
            Self::File(file) => {
                check_path(&file.path)?;
                file.file.as_ref().map_or(Ok(()), |name| text("file", name, 200))?;
            }
            Self::Sqlite(file) => check_path(&file.path)?,
            Self::Postgres(server) | Self::Mysql(server) => check_server(server)?,
        }
        self.check_readings()?;
        Ok(self)
    }
}

fn check_path(path: &str) -> Result<()> {
    text("path", path, TEXT)?;
    if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(field("path", "must go from the root, without `..`."));
    }
    Ok(())
}

fn check_web_file(file: &WebFile) -> Result<()> {
    text("url", &file.url, URL)?;
    // With short values it is longer as it is shown.
    text("url", &masked(&file.url), URL)?;
    let scheme = file.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err(field("url", "must begin with `https://` or `http://`."));
    }
    if authority(&file.url).contains('@') {
        return Err(field("url", "must be without user and password; send them as a header in `secret.headers`."));
    }
    match &file.file {
        Some(name) => text("file", name, 200),
        None => Ok(()),
    }
}

fn check_server(server: &Server) -> Result<()> {
    text("host", &server.host, 255)?;
    text("database", &server.database, TEXT)?;
    text("user", &server.user, TEXT)?;
    // A socket's directory, a list of servers, a port or a path would all be read as something else by some driver.
    if !server.host.chars().all(|it| it.is_alphanumeric() || matches!(it, '.' | '-' | '_' | ':' | '[' | ']')) {
        return Err(field("host", "must be one name or address, without port and path."));
    }
    if server.port == Some(0) {
        return Err(field("port", "must be from 1 to 65535."));
    }
    match &server.authority {
        Some(pem) if pem.len() > AUTHORITY || !pem.contains("-----BEGIN CERTIFICATE-----") => {
            Err(field("authority", "must be certificates in PEM, of at most 100 kB."))
        }
        Some(_) if server.tls != Tls::Verify => Err(field("authority", "takes `tls` to be `verify`.")),
        _ => Ok(()),
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

fn text(name: &str, text: &str, longest: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(field(name, "must not be empty."));
    }
    if text.len() > longest {
        return Err(field(name, &format!("must have at most {longest} bytes.")));
    }
    if text.chars().any(char::is_control) {
        return Err(field(name, "must be without control characters."));
    }
    Ok(())
}

fn field(name: &str, reason: &str) -> Error {
    Error::field(format!("connection.{name}"), reason)
}

#[cfg(test)]
mod tests;
