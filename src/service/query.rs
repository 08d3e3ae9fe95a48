//! One query, its answer ready to be sent.

mod explain;
mod limits;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

pub use self::explain::{Explanation, ReadTable};
pub(super) use self::limits::Allowance;
use super::app::App;
use super::caller::Caller;
use super::sources::error_of;
use crate::datadir::Scratch;
use crate::datadir::left;
use crate::domain::access::Permission;
use crate::domain::connection::Mode;
use crate::domain::dashboard::check_sql;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, SavedQueryId, Source as SourceKind, SourceId};
use crate::domain::result::Column;
use crate::domain::source::{Source, SourceStatus};
pub use crate::domain::structured::{StructuredQuery, Written};
use crate::worker::pool::{Done, Errand, Refused};
pub use crate::worker::protocol::ResultFormat;
use crate::worker::protocol::{AskJob, Job, Outcome, QueryJob, QueryLimits, TableFile};

/// A query as a client asks for it.
#[derive(Debug)]
pub struct QueryRequest {
    /// One `SELECT`, and the values for `$1`, `$2`, ….
    pub text: Option<Written>,
    /// The query put together of parts instead.
    pub parts: Option<StructuredQuery>,
    /// The source whose tables need no schema, and as the client spelled it; without one all sources are there.
    pub source: Option<(IdRef<SourceKind>, String)>,
    /// Rows at most.
    pub limit: Option<u64>,
    /// How the result is written.
    pub format: ResultFormat,
}

/// A result, ready to be sent. Clones share its bytes.
#[derive(Debug, Clone)]
pub struct QueryAnswer {
    /// The encoded result.
    pub content: Content,
    /// Its rows.
    pub rows: u64,
    /// Whether there were more.
    pub truncated: bool,
    /// Whether it stays the result of this query until another extract comes.
    pub is_lasting: bool,
}

/// Bytes in memory, or in a file that goes with the last clone.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// In a file of this length.
    File {
        /// Where.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// Removed with the value; `None` for files that stay.
        holder: Option<Arc<Scratch>>,
    },
}

/// A query that is ready to be run.
pub(super) struct Prepared {
    /// The tables that it may read.
    pub(super) tables: Vec<TableFile>,
    /// The source whose tables need no schema, by slug and uuid.
    pub(super) source: Option<(String, Uuid)>,
    /// Its text and values.
    pub(super) written: Written,
    /// What it may use.
    pub(super) limits: QueryLimits,
    /// How its result is written.
    pub(super) format: ResultFormat,
    /// The live source that it is sent to, instead of reading extracts.
    pub(super) live: Option<SourceId>,
    /// The organisation's live sources, by slug, which no query of others reads.
    elsewhere: Vec<String>,
}

impl Prepared {
    /// Whether all that it may read stays as it is until another extract comes.
    pub(super) fn reads_extracts(&self) -> bool {
        self.live.is_none()
    }
}

impl Content {
    /// Its bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

impl App {
    /// Runs a query in a worker. Whoever drops the future calls it off.
    pub async fn query(&self, caller: &Caller, request: QueryRequest) -> Result<QueryAnswer> {
        caller.require(Permission::AnalyticsQuery)?;
        let prepared = self.prepare_query(caller, request)?;
        self.run_query(caller, prepared, None).await
    }

    /// What a request comes to: checked, with the tables that it may read as they are now.
    pub(super) fn prepare_query(&self, caller: &Caller, request: QueryRequest) -> Result<Prepared> {
        let limits = self.allowance(caller).asked(request.limit)?;
        let found = self.query_source(caller, request.source.as_ref())?;
        let written = match (request.text, request.parts) {
            (Some(text), None) => {
                check_sql("sql", &text.sql, self.settings.sql_limit)?;
                text
            }
            (None, Some(parts)) => written(&parts, found.as_ref())?,
            (Some(_), Some(_)) => {
                return Err(Error::field(
                    "sql",
                    "and the parts of a structured query exclude each other; give one of the two.",
                ));
            }
            (None, None) => {
                return Err(Error::field("sql", "is missing; write one SELECT, or give `table` and `measures`."));
            }
        };
        let (tables, elsewhere) = match &found {
            None => self.all_table_files(caller)?,
            Some(found) => (self.table_files(caller.identity().holder.org_uuid, found), Vec::new()),
        };
        let source = found.as_ref().map(|found| (found.slug.clone(), found.uuid));
        let live = found.filter(|found| found.mode == Mode::Live).map(|found| found.id);
        Ok(Prepared { tables, source, written, limits, format: request.format, live, elsewhere })
    }

    /// Has a query answered, listed among those that run: by a worker, or of a live source by its database. Whoever drops
    /// the future calls it off.
    pub(super) async fn run_query(
        &self,
        caller: &Caller,
        prepared: Prepared,
        saved: Option<(SavedQueryId, Uuid)>,
    ) -> Result<QueryAnswer> {
        let Some(source) = prepared.live else {
            return self.compute_query(caller, prepared, saved).await.map_err(error_of);
        };
        let sql = prepared.written.sql.clone();
        let asked = self.running.watch(caller, &sql, saved, self.ask_source(caller, source, prepared)).await;
        asked.unwrap_or(Err(Error::QueryCanceled))
    }

    /// The same of a query that reads extracts.
    pub(super) async fn compute_query(
        &self,
        caller: &Caller,
        prepared: Prepared,
        saved: Option<(SavedQueryId, Uuid)>,
    ) -> Result<QueryAnswer, Refused> {
        let sql = prepared.written.sql.clone();
        let computed = self.running.watch(caller, &sql, saved, self.compute(caller, prepared)).await;
        computed.unwrap_or(Err(Refused::Canceled)).map_err(|refused| self.allowance(caller).told(refused))
    }

    /// Has a worker send a query to the database of a live source.
    async fn ask_source(&self, caller: &Caller, source: SourceId, prepared: Prepared) -> Result<QueryAnswer> {
        self.effort.count_query();
        let place = self.reach(caller.org(), source).await?;
        let errand = Errand { read: place.read.iter().cloned().collect(), ..self.query_errand(caller) };
        let reach = place.reach();
        let Prepared { written: Written { sql, parameters }, limits, format, .. } = prepared;
        let job = |scratch: &Path| {
            let into = scratch.join("result");
            Job::Ask(AskJob { database: place.database, sql, parameters, limits, format, into })
        };
        let answered = self.pool.once(&errand, &reach, job, |done, scratch| self.taken(caller, done, scratch)).await;
        answered.map_err(|refused| error_of(self.allowance(caller).told(refused)))
    }

    async fn compute(&self, caller: &Caller, prepared: Prepared) -> Result<QueryAnswer, Refused> {
        let errand = self.query_errand(caller);
        self.effort.count_query();
        let Prepared { tables, source, written, limits, format, elsewhere, .. } = prepared;
        let limits = QueryLimits { spill_bytes: self.spill(), ..limits };
        self.pool
            .query(
                &errand,
                |scratch| {
                    Job::Query(QueryJob {
                        tables,
                        source: source.map(|(slug, _)| slug),
                        live: elsewhere,
                        sql: written.sql,
                        parameters: written.parameters,
                        limits,
                        format,
                        into: scratch.join("result"),
                    })
                },
                |done, scratch| self.taken(caller, done, scratch),
            )
            .await
    }

    /// What a worker gave: a large result lies in its scratch space, and is moved to where that does not reach.
    fn taken(&self, caller: &Caller, done: Done, scratch: &Path) -> io::Result<QueryAnswer> {
        let Outcome::Queried(outcome) = done.outcome else {
            return Err(io::Error::other("a query gave another outcome"));
        };
        let content = match (outcome.file_bytes, done.bytes) {
            (None, Some(bytes)) => Content::Bytes(bytes),
            (Some(length), _) => {
                let holder = self.data.scratch(&format!("query-{}", self.entropy.uuid(caller.at).simple()));
                let holder = holder.map_err(io::Error::other)?;
                let path = holder.path().join("result");
                if left::take(&scratch.join("result"), &path)? != length {
                    return Err(io::Error::other("a query left another file than it told"));
                }
                Content::File { path, length, holder: Some(holder.into()) }
            }
            (None, None) => return Err(io::Error::other("a query gave no body")),
        };
        let (rows, truncated, is_lasting) = (outcome.rows, outcome.truncated, outcome.is_lasting);
        Ok(QueryAnswer { content, rows, truncated, is_lasting })
    }

    /// What a query worker of the caller's organisation may touch, and how long one job of it may take.
    pub(super) fn query_errand(&self, caller: &Caller) -> Errand {
        Errand {
            org: caller.org().raw(),
            read: vec![self.data.org_sources(caller.identity().holder.org_uuid)],
            deadline: std::time::Duration::from_millis(self.allowance(caller).limits.millis),
        }
    }

    /// The source that a query is about, which has to have data.
    fn query_source(&self, caller: &Caller, source: Option<&(IdRef<SourceKind>, String)>) -> Result<Option<Source>> {
        let Some((id, spelled)) = source else { return Ok(None) };
        let found = self.find_source(caller.org(), id, spelled)?;
        if found.status != SourceStatus::Active {
            return Err(Error::NotReady(format!(
                "The data source `{}` has no data yet; wait until it is active.",
                found.slug
            )));
        }
        Ok(Some(found))
    }
}

/// A query of parts in SQL, by the table that it is about.
pub(super) fn written(parts: &StructuredQuery, source: Option<&Source>) -> Result<Written> {
    let source = source.ok_or_else(|| Error::field("data_source_id", "is missing; a query of parts is about one."))?;
    if source.mode == Mode::Live {
        let reason = format!(
            "is of `{}`, which is live and answers queries in its own SQL alone; write `sql`, or copy the data by a source \
             that is none.",
            source.slug
        );
        return Err(Error::field("data_source_id", reason));
    }
    let tables = source.visible_tables();
    let table = tables.iter().find(|table| table.name == parts.table).ok_or_else(|| {
        let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        Error::field("table", format!("is no table of `{}`; there are {}.", source.slug, known.join(", ")))
    })?;
    let columns: Vec<Column> = table.columns.iter().map(|column| column.column.clone()).collect();
    parts.written(&source.slug, &columns)
}
