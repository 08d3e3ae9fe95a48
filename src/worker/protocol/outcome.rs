//! What became of a job.

use serde::{Deserialize, Serialize};

use super::Explained;
use crate::domain::result::{Column, ColumnType, WidgetData};

/// The results of jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The tables that were made.
    Imported {
        /// In the order of the files.
        tables: Vec<ImportedTable>,
    },
    /// The preview was written.
    Previewed,
    /// The tables of a database that were read.
    Connected {
        /// In the order in which they were named, or in that of the database.
        tables: Vec<ImportedTable>,
        /// What was not kept as it was, a sentence each.
        notes: Vec<String>,
    },
    /// A query's result.
    Queried(QueryOutcome),
    /// What a query would do.
    Explained(Explained),
    /// The widgets' results were written.
    Refreshed {
        /// Rows read from extracts, for the cost.
        rows_scanned: u64,
    },
    /// The profile was written.
    Profiled {
        /// Rows read.
        rows_scanned: u64,
    },
    /// The file was written.
    Rendered {
        /// Its length.
        bytes: u64,
        /// How many pages it has.
        pages: u32,
    },
}

/// A query's result: in the bytes frame that follows, or in the job's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryOutcome {
    /// `None`: a bytes frame follows with the body. `Some`: its length in the job's `into`.
    pub file_bytes: Option<u64>,
    /// The columns.
    pub columns: Vec<Column>,
    /// Rows in the body.
    pub rows: u64,
    /// Whether there were more.
    pub truncated: bool,
    /// Whether the same query of the same extracts has the same result at any time: it asks neither clock nor chance.
    pub is_lasting: bool,
    /// Rows read from extracts.
    pub rows_scanned: u64,
    /// Milliseconds of planning and execution.
    pub elapsed_ms: u64,
}

/// What became of one widget.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WidgetOutcome {
    /// As [`super::WidgetQuery::widget`].
    pub widget: i64,
    /// Its data, or why there is none.
    pub result: Result<WidgetData, Failure>,
    /// A chart's drawing.
    pub svg: Option<String>,
}

/// A table that an import made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedTable {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// The length of its extract.
    pub bytes: u64,
    /// Its columns.
    pub columns: Vec<ImportedColumn>,
}

/// A column of a table.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ImportedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether it holds a null.
    pub nullable: bool,
}

/// Why a job failed, in words that may be shown to its caller: no path, no internals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    pub code: FailureCode,
    /// One sentence that says what to do.
    pub message: String,
    /// Where in the SQL, when that is known.
    pub position: Option<Position>,
}

impl Failure {
    /// A failure without a position.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), position: None }
    }
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The SQL is not one read-only query, or names what is not there, or does not type-check, or fails on the data.
    InvalidSql,
    /// A file cannot be read as what it claims to be.
    InvalidFile,
    /// The options of an import do not fit its file.
    InvalidOptions,
    /// Another system that data comes from cannot be reached, refuses, or breaks off.
    Source,
    /// The deadline passed.
    Timeout,
    /// Memory, spill, row width or result bytes went past a limit.
    TooLarge,
    /// The server asked to stop.
    Canceled,
    /// There is no room on the disk; the message is for the log.
    DiskFull,
    /// A defect of ours, or the worker died; the message is for the log.
    Internal,
}

/// A place in a text, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}
