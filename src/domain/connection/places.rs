//! The places that data can be at: their fields, and what follows from them alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
    /// By table or query, the column that only grows: later syncs read from its last value on.
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
    /// By table or query, the column that only grows: later syncs read from its last value on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cursor: BTreeMap<String, String>,
}
