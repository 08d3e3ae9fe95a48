//! Looking at a query without running it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Database, QueryLimits, TableFile};
use crate::domain::result::Column;

/// A query over extracts of which it is told what it would do; as [`super::QueryJob`] otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainJob {
    /// The tables it may read.
    pub tables: Vec<TableFile>,
    /// The source whose tables need no schema before their name.
    pub source: Option<String>,
    /// Sources that are live, of which nothing is here: whoever names them is told where to ask.
    pub live: Vec<String>,
    /// One `SELECT`.
    pub sql: String,
    /// Values for `$1`, `$2`, … in order.
    pub parameters: Vec<serde_json::Value>,
    /// What it might use: of these, planning has the time, and the plan the rows.
    pub limits: QueryLimits,
}

/// A query for a database, which is asked how it would answer it; as [`super::AskJob`] otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainLiveJob {
    /// The database.
    pub database: Database,
    /// One `SELECT` in its own SQL.
    pub sql: String,
    /// The values of its parameters.
    pub parameters: Vec<serde_json::Value>,
    /// What it might use.
    pub limits: QueryLimits,
    /// An existing directory; is left empty.
    pub scratch: PathBuf,
}

/// What a query would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explained {
    /// The columns of its result.
    pub columns: Vec<Column>,
    /// The tables that it would read, each once, in the order in which the plan has them; none of a database's.
    pub reads: Vec<TableRead>,
    /// A line for each step, indented below the one that takes what it gives.
    pub plan: Vec<String>,
    /// Whether there were more lines than are told.
    pub is_cut: bool,
}

/// A table that a query would read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRead {
    /// The slug of its source.
    pub source: String,
    /// Its name, as queries see it.
    pub table: String,
    /// The columns that would be read, as queries see them.
    pub columns: Vec<String>,
}
