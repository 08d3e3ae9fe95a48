//! Reading a database: where it is, what is read of it, and what became of that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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

/// A database that can be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Database {
    /// A file of SQLite.
    Sqlite {
        /// Its whole path, without symbolic links.
        path: PathBuf,
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
    /// A file of certificates in PEM that the server's own is checked by; none where it is not checked.
    pub authorities: Option<PathBuf>,
}
