//! What the server and a worker say to one another over the worker's standard input, which is a socket.
//!
//! A frame is a little-endian `u32` length, one byte of kind, and that many bytes: JSON of [`ToWorker`] or
//! [`FromWorker`], or raw bytes that belong to the message before. Neither side accepts a frame over [`MAX_FRAME`].

mod connect;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::connect::{AskJob, ConnectJob, Database, DescribeJob, Server};
use crate::domain::import::ImportOptions;
use crate::domain::result::{Column, ColumnType, WidgetData};
use crate::domain::widget::{Format, WidgetKind};

/// The longest frame, in bytes: a job names all tables of an organisation, and what their columns are called.
pub const MAX_FRAME: usize = 8 << 20;
/// Results up to this many bytes travel in a frame, larger ones in a file.
pub const INLINE_LIMIT: usize = 256 << 10;
/// Identifies the build on both sides; a worker of another build refuses to serve.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("CLARIBI_BUILD"));

/// The kinds of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A JSON message.
    Json = 0,
    /// The bytes that the message before announced.
    Bytes = 1,
}

/// The server's messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToWorker {
    /// First of all; answered by `Ready`.
    Hello {
        /// The server's [`BUILD`].
        build: String,
        /// What the worker limits itself to before it reads anything else.
        limits: ProcessLimits,
    },
    /// One job; answered by any number of `Progress`, then `Done` or `Failed`.
    Run {
        /// Milliseconds from now after which the worker itself gives up; the server kills it a little later.
        deadline_ms: u64,
        /// What to do.
        job: Box<Job>,
    },
    /// Stop the running job; it is answered as failed with [`FailureCode::Canceled`].
    Cancel,
}

/// The worker's messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromWorker {
    /// The worker waits for a job: first when it has limited itself, then after each job that left it whole.
    Ready {
        /// The worker's [`BUILD`].
        build: String,
        /// What keeps it in.
        confinement: Confinement,
    },
    /// The job goes on.
    Progress {
        /// From 0 to 1.
        fraction: f64,
        /// Rows so far.
        rows: u64,
    },
    /// The job is done.
    Done {
        /// Its result.
        outcome: Box<Outcome>,
    },
    /// The job failed.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// What a worker process may use in all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Bytes of private writable memory (`RLIMIT_DATA`).
    pub memory_bytes: u64,
    /// Bytes of one written file (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// Directories it may read below; nothing else of the file system once the kernel supports that.
    pub read: Vec<PathBuf>,
    /// Directories it may write below.
    pub write: Vec<PathBuf>,
    /// The TCP ports it may connect to; none but for jobs that read a database server.
    pub ports: Vec<u16>,
    /// Lower its scheduling priority by this much.
    pub nice: i32,
}

/// What keeps a worker in, of what only some kernels have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Landlock: of the file system and the network it has what it was given.
    pub landlock: bool,
    /// seccomp: it has the system calls of its jobs.
    pub seccomp: bool,
}

/// The jobs a worker knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Files of comma-separated values become Parquet extracts, a table each.
    Import {
        /// The files.
        files: Vec<ImportFile>,
        /// An existing, empty directory; receives `<table>.parquet` for each.
        into: PathBuf,
        /// The tables that rows are added to, and no others; `None` where tables are made.
        append_to: Option<Vec<BaseTable>>,
    },
    /// Files are looked at as an import would read them, and nothing is kept.
    Preview {
        /// The files.
        files: Vec<ImportFile>,
        /// An existing, empty directory; is left empty.
        scratch: PathBuf,
        /// Receives a JSON list of [`crate::domain::preview::FilePreview`].
        into: PathBuf,
    },
    /// Tables of a database become Parquet extracts.
    Connect(ConnectJob),
    /// The tables of a database are looked up, and nothing of what they hold; the outcome is `Connected`.
    Describe(DescribeJob),
    /// One query that a database answers itself; the outcome is `Queried`.
    Ask(AskJob),
    /// One query, its result encoded in the media type that was asked for.
    Query(QueryJob),
    /// The widgets of a dashboard.
    Refresh {
        /// The tables that all of them may read.
        tables: Vec<TableFile>,
        /// The widgets.
        widgets: Vec<WidgetQuery>,
        /// Limits of each query.
        limits: QueryLimits,
        /// Receives a JSON list of [`WidgetOutcome`], in the order of the widgets.
        into: PathBuf,
    },
    /// Facts about each column of a source.
    Profile {
        /// The source's tables.
        tables: Vec<TableFile>,
        /// Receives the profile ([`crate::domain::profile::Profile`]) as JSON.
        into: PathBuf,
    },
    /// A document becomes a file.
    Render {
        /// JSON of [`crate::domain::document::Document`].
        document: PathBuf,
        /// Receives the PDF.
        into: PathBuf,
    },
}

/// A file to import.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportFile {
    /// Where it is.
    pub path: PathBuf,
    /// What people call it, for messages: its name, never its path.
    pub name: String,
    /// The table it becomes; of a workbook with several sheets, how their tables' names begin.
    pub table: String,
    /// How it is read.
    #[serde(default)]
    pub options: ImportOptions,
}

/// A table that rows are added to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BaseTable {
    /// Its extract.
    pub path: PathBuf,
    /// What it has.
    pub table: ImportedTable,
}

/// A table that a query may read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TableFile {
    /// The slug of its source: the schema in SQL.
    pub source: String,
    /// Its name.
    pub table: String,
    /// Its extract.
    pub path: PathBuf,
    /// The columns that go by another name than in the extract, or are not to be seen; those that are not named here are
    /// as they are.
    #[serde(default)]
    pub columns: Vec<ColumnView>,
}

/// A column of an extract that queries see otherwise than it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnView {
    /// Its name in the extract.
    pub column: String,
    /// Its name in queries; none hides it.
    pub name: Option<String>,
}

/// A query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryJob {
    /// The tables it may read.
    pub tables: Vec<TableFile>,
    /// The source whose tables need no schema before their name.
    pub source: Option<String>,
    /// One `SELECT`.
    pub sql: String,
    /// Values for `$1`, `$2`, … in order.
    pub parameters: Vec<serde_json::Value>,
    /// What it may use.
    pub limits: QueryLimits,
    /// How the result is written.
    pub format: ResultFormat,
    /// Where a result over [`INLINE_LIMIT`] goes.
    pub into: PathBuf,
}

/// What one query may use.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct QueryLimits {
    /// Rows returned; a further one makes the result `truncated`.
    pub rows: u64,
    /// Bytes of the encoded result.
    pub bytes: u64,
    /// Bytes that the engine's memory pool hands out before it spills or refuses.
    pub memory_bytes: u64,
    /// Bytes it may spill to the worker's scratch directory.
    pub spill_bytes: u64,
    /// Milliseconds it may run.
    pub millis: u64,
}

/// The forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultFormat {
    /// The answer of `POST /v1/query`: `{columns, rows, row_count, truncated, elapsed_ms}`.
    Json,
    /// RFC 4180 with a header line.
    Csv,
    /// The Arrow IPC streaming format.
    Arrow,
    /// An Apache Parquet file.
    Parquet,
}

/// One widget's query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WidgetQuery {
    /// What the answer names it by.
    pub widget: i64,
    /// Decides what becomes of the result.
    pub kind: WidgetKind,
    /// The source whose tables need no schema.
    pub source: Option<String>,
    /// One `SELECT`.
    pub sql: String,
    /// What a chart is called.
    pub title: String,
    /// How a chart writes its numbers.
    pub format: Format,
}

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
    /// As [`WidgetQuery::widget`].
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

/// The head of a frame: length and kind.
pub fn frame_head(kind: FrameKind, length: usize) -> io::Result<[u8; 5]> {
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over the limit"));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
    Ok([length[0], length[1], length[2], length[3], kind as u8])
}

/// Reads the head of a frame.
pub fn parse_head(head: [u8; 5]) -> io::Result<(FrameKind, usize)> {
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let kind = match head[4] {
        0 => FrameKind::Json,
        1 => FrameKind::Bytes,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown kind of frame")),
    };
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over the limit"));
    }
    Ok((kind, length))
}

/// Writes one frame; the child's side, which blocks.
pub fn write_frame(out: &mut impl Write, kind: FrameKind, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&frame_head(kind, bytes.len())?)?;
    out.write_all(bytes)?;
    out.flush()
}

/// Writes one JSON message.
pub fn write_message(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    write_frame(out, FrameKind::Json, &serde_json::to_vec(message)?)
}

/// Reads one JSON message; the child's side, which blocks. `None` at the end of the stream.
pub fn read_message<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 5];
    match input.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (kind, length) = parse_head(head)?;
    if kind != FrameKind::Json {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was expected"));
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}
