//! Reading a database: where it is, what is read of it, and what became of that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{QueryLimits, ResultFormat, SettledFile};
use crate::domain::connection::{Reading, SecretText, Tls};

/// Tables of a database become Parquet extracts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectJob {
    /// The database.
    pub database: Database,
    /// What is read of it; nothing named stands for every table that it lists.
    pub readings: Vec<Reading>,
    /// By table of the database, the column that only grows: for those that are read because none is named.
    pub cursors: BTreeMap<String, String>,
    /// The extract that is there already: readings with a cursor go on from it.
    pub previous: Option<PathBuf>,
    /// An existing, empty directory; receives `<table>.parquet` for each, and where cursors stand.
    pub into: PathBuf,
    /// Rows of all tables together, beyond which the job fails.
    pub max_rows: u64,
}

/// The tables of a database that queries can be sent to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DescribeJob {
    /// The database.
    pub database: Database,
    /// The tables, with their schemas where they need one; none stands for all that it lists.
    pub tables: Vec<(Option<String>, String)>,
    /// An existing directory; is left empty.
    pub scratch: PathBuf,
}

/// A query that is sent to a database, its result encoded in the media type that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AskJob {
    /// The database.
    pub database: Database,
    /// One `SELECT` in its own SQL.
    pub sql: String,
    /// The values of its parameters.
    pub parameters: Vec<serde_json::Value>,
    /// What it may use.
    pub limits: QueryLimits,
    /// How the result is written.
    pub format: ResultFormat,
    /// Where a result over [`super::INLINE_LIMIT`] goes.
    pub into: PathBuf,
}

/// A database that can be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Database {
    /// A file of SQLite.
    Sqlite {
        /// Its whole path, without symbolic links.
        path: PathBuf,
        /// The file, and those of its journals that are there.
        files: Vec<SettledFile>,
    },
    /// A server of PostgreSQL, or of one that speaks its protocol.
    Postgres(Server),
    /// A server of MySQL or MariaDB.
    Mysql(Server),
}

impl Database {
    /// The port that reading it connects to.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres(server) | Self::Mysql(server) => Some(server.port),
        }
    }
}

/// A database server, with the addresses that its name was found to have: a worker resolves nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// Its name, which its certificate is checked by.
    pub host: String,
    /// Where it is: tried in order, and nothing else is.
    pub addresses: Vec<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The database on it.
    pub database: String,
    /// Who reads.
    pub user: String,
    /// The user's password.
    pub password: Option<SecretText>,
    /// How the connection is protected.
    pub tls: Tls,
    /// The certificates that the server's own is checked by; none where it is not checked.
    pub authorities: Option<Authorities>,
}

/// Certificates in PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorities {
    /// Those that the machine trusts, in a file that is there.
    File(PathBuf),
    /// Those that were given for the server.
    Given(String),
}
