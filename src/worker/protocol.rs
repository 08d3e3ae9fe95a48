//! What the server and a worker say to one another over the worker's standard input, which is a socket.
//!
//! Messages travel in frames (`frames`): the server's are [`ToWorker`], the worker's [`FromWorker`].

mod connect;
mod explain;
mod frames;
mod outcome;
mod settled;

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub use self::connect::{AskJob, Authorities, ConnectJob, Database, DescribeJob, Server};
pub use self::explain::{ExplainJob, ExplainLiveJob, Explained, TableRead};
pub use self::frames::{FrameKind, MAX_FRAME, frame_head, parse_head, read_message, write_frame, write_message};
pub use self::outcome::{
    Failure, FailureCode, ImportedColumn, ImportedTable, Outcome, Position, QueryOutcome, WidgetOutcome,
};
pub use self::settled::{Settled, SettledFile};
use crate::domain::import::ImportOptions;
use crate::domain::widget::{Format, WidgetKind};

/// Descriptors that a worker may hold: a sort or a grouping that spills has a file for each part, hundreds of large ones.
pub const DESCRIPTORS: u32 = 1_024;
/// Results up to this many bytes travel in a frame, larger ones in a file.
pub const INLINE_LIMIT: usize = 256 << 10;
/// Identifies the build on both sides; a worker of another build refuses to serve.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("CLARIBI_BUILD"));

/// How a worker ends that had no room to start: as programs do that may be tried again (`EX_TEMPFAIL` of sysexits.h).
pub const NO_ROOM: u8 = 75;

/// Whether the machine has no process, memory or descriptor left.
pub fn is_no_room(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE))
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
    /// Files of people that it may read, as long as they are the same.
    pub files: Vec<SettledFile>,
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
    /// One query is planned and not run; the outcome is `Explained`.
    Explain(ExplainJob),
    /// A database tells how it would answer one query; the outcome is `Explained`.
    ExplainLive(ExplainLiveJob),
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
        /// Bytes that it may spill to the worker's scratch directory.
        spill_bytes: u64,
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
    /// Sources that are live, of which nothing is here: whoever names them is told where to ask.
    pub live: Vec<String>,
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
