//! The rules that places keep, told by the field that breaks them.

use super::{Connection, Server, Tls, WebFile, authority, masked};
use crate::domain::error::{Error, Result};
use crate::domain::import::ImportOptions;

/// The longest text of a field, in bytes.
pub(super) const TEXT: usize = 1_000;
/// The longest URL, in bytes.
const URL: usize = 4_000;
/// The longest bundle of certificates, in bytes.
const AUTHORITY: usize = 100_000;

impl Connection {
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

pub(super) fn text(name: &str, text: &str, longest: usize) -> Result<()> {
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

pub(super) fn field(name: &str, reason: &str) -> Error {
    Error::field(format!("connection.{name}"), reason)
}
