//! What a query would do, without doing it.

use std::path::Path;

use serde_json::Value;

use super::{Prepared, QueryRequest, Written};
use crate::domain::access::Permission;
use crate::domain::dashboard::SourceRef;
use crate::domain::error::{Error, Result};
use crate::domain::result::Column;
use crate::domain::source::{Source, SourceFilter};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::sources::error_of;
use crate::store::Slice;
use crate::store::main::sources;
use crate::worker::pool::{Done, Errand};
use crate::worker::protocol::{ExplainJob, ExplainLiveJob, Explained, Job, Outcome, QueryLimits, TableRead};

/// What a query would do.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Its text: as it was sent, or what its parts became.
    pub sql: String,
    /// The values of its parameters.
    pub parameters: Vec<Value>,
    /// The columns of its result.
    pub columns: Vec<Column>,
    /// The tables that it would read; none where a database answers it.
    pub tables: Vec<ReadTable>,
    /// How it would be done, a line for each step.
    pub plan: Vec<String>,
    /// Whether the plan has more lines.
    pub is_cut: bool,
}

/// A table that a query would read.
#[derive(Debug, Clone)]
pub struct ReadTable {
    /// Its source.
    pub source: SourceRef,
    /// The slug of that.
    pub slug: String,
    /// Its name in queries.
    pub table: String,
    /// The columns that would be read.
    pub columns: Vec<String>,
    /// Its rows, all of them.
    pub rows: Option<u64>,
    /// Bytes of its extract, all of it.
    pub bytes: u64,
}

impl App {
    /// Plans a query in a worker, where it would run, and tells how it would. Whoever drops the future calls it off.
    pub async fn explain_query(&self, caller: &Caller, request: QueryRequest) -> Result<Explanation> {
        caller.require(Permission::AnalyticsQuery)?;
        let prepared = self.prepare_query(caller, request)?;
        let Written { sql, parameters } = prepared.written.clone();
        let told = self.running.watch(caller, &sql, None, self.plan_query(caller, prepared)).await;
        let Explained { columns, reads, plan, is_cut } = told.unwrap_or(Err(Error::QueryCanceled))?;
        let tables = self.read_tables(caller, reads)?;
        Ok(Explanation { sql, parameters, columns, tables, plan, is_cut })
    }

    async fn plan_query(&self, caller: &Caller, prepared: Prepared) -> Result<Explained> {
        self.effort.count_query();
        let errand = self.query_errand(caller);
        let Prepared { tables, source, written: Written { sql, parameters }, limits, live, elsewhere, .. } = prepared;
        let planned = if let Some(source) = live {
            let place = self.reach(caller.org(), source).await?;
            let errand = Errand { read: place.read.iter().cloned().collect(), ..errand };
            let reach = place.reach();
            let job = |scratch: &Path| {
                let scratch = scratch.to_owned();
                Job::ExplainLive(ExplainLiveJob { database: place.database, sql, parameters, limits, scratch })
            };
            self.pool.once(&errand, &reach, job, |done, _| explained(done)).await
        } else {
            let limits = QueryLimits { spill_bytes: self.spill(), ..limits };
            let source = source.map(|(slug, _)| slug);
            let job = ExplainJob { tables, source, live: elsewhere, sql, parameters, limits };
            self.pool.query(&errand, |_| Job::Explain(job), |done, _| explained(done)).await
        };
        planned.map_err(|refused| error_of(self.allowance(caller).told(refused)))
    }

    /// The tables with what the catalogue says of them. One that went meanwhile is left out.
    fn read_tables(&self, caller: &Caller, reads: Vec<TableRead>) -> Result<Vec<ReadTable>> {
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let org = caller.org();
        let all = self.store.read_now(|db| Ok(sources::list(db, org, &SourceFilter::active(), &Slice::all())?))?;
        Ok(reads.into_iter().filter_map(|read| known(&all, read)).collect())
    }
}

fn known(all: &[Source], read: TableRead) -> Option<ReadTable> {
    let source = all.iter().find(|source| source.slug == read.source)?;
    let table = source.visible_tables().into_iter().find(|table| table.name == read.table)?;
    Some(ReadTable {
        source: SourceRef { id: source.id, uuid: source.uuid },
        slug: read.source,
        table: read.table,
        columns: read.columns,
        rows: table.rows,
        bytes: table.bytes,
    })
}

/// What a worker said of a query.
fn explained(done: Done) -> std::io::Result<Explained> {
    match done.outcome {
        Outcome::Explained(explained) => Ok(explained),
        other => Err(std::io::Error::other(format!("the plan of a query gave {other:?}"))),
    }
}
