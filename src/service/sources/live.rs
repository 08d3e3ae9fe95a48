//! Sources that are live: each query is sent to their database, by a worker of its own that may reach nothing else. Of
//! their tables it is kept what they are called and which columns they have, to be looked up; that narrows no query. What
//! a query may read is what the database lets the source's user read.

use std::path::Path;
use std::time::Duration;

use super::databases::Place;
use super::failure::error_of;
use super::fetch::{Brought, News};
use super::files::{Progress, table_of};
use super::syncs::Lease;
use crate::datadir::Scratch;
use crate::domain::connection::{Connection, Credentials};
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SourceId};
use crate::domain::source::{Source, SourceTable};
use crate::service::app::App;
use crate::service::query::{QueryAnswer, answer};
use crate::worker::pool::{Errand, Refused};
use crate::worker::protocol::{AskJob, DescribeJob, Failure, FailureCode, Job, Outcome, QueryLimits, ResultFormat};

/// A query for a database, in its own SQL.
pub(in crate::service) struct Ask {
    /// Whose source it is.
    pub org: OrgId,
    /// The source.
    pub source: SourceId,
    /// One `SELECT`.
    pub sql: String,
    /// The values of its parameters.
    pub parameters: Vec<serde_json::Value>,
    /// What it may use.
    pub limits: QueryLimits,
    /// How the result is written.
    pub format: ResultFormat,
}

impl App {
    /// The tables that a live source has now.
    pub(super) async fn bring_tables(
        &self,
        lease: &Lease,
        source: &Source,
        connection: &Connection,
        secret: Credentials,
        progress: &mut Progress,
    ) -> Result<Brought> {
        progress(0.0, 0);
        let place = self.locate(connection, secret).await?;
        let errand = Errand { org: lease.org.raw(), read: Vec::new(), deadline: self.settings.job_timeout };
        let reach = place.reach();
        let tables = connection.tables();
        let job = |scratch: &Path| {
            let database = place.database(scratch);
            Job::Describe(DescribeJob { database, tables, scratch: scratch.to_owned() })
        };
        let done = self.pool.connect(&errand, &reach, job, progress.as_mut(), |done, _| Ok(done.outcome)).await;
        let Outcome::Connected { tables, .. } = done.map_err(error_of)? else {
            return Err(Error::internal("looking up the tables of a database gave another outcome"));
        };
        let tables = tables.into_iter().map(|table| SourceTable { rows: None, ..table_of(table) }).collect();
        Ok(Brought { from: source.connection.clone(), news: News::Tables(tables), state: None })
    }

    /// Has a worker send a query to its database. A result that is no longer needed is called off with the future.
    pub(in crate::service) async fn ask(
        &self,
        ask: Ask,
        deadline: Duration,
        holder: Scratch,
    ) -> Result<QueryAnswer, Refused> {
        let place = self.reach(ask.org, ask.source).await.map_err(refused)?;
        let errand = Errand { org: ask.org.raw(), read: Vec::new(), deadline };
        let reach = place.reach();
        let target = holder.path().join("result");
        let Ask { sql, parameters, limits, format, .. } = ask;
        let job = |scratch: &Path| {
            let database = place.database(scratch);
            Job::Ask(AskJob { database, sql, parameters, limits, format, into: scratch.join("result") })
        };
        self.pool
            .ask(&errand, &reach, job, move |done, scratch| answer(done, scratch.join("result"), target, holder))
            .await
    }

    /// Where a query's database is now, and what opens it.
    async fn reach(&self, org: OrgId, source: SourceId) -> Result<Place> {
        let (source, secret) = self.source_to_open(org, source)?;
        let Some(connection) = &source.connection else {
            return Err(Error::internal("a live source is nowhere"));
        };
        self.locate(connection, secret).await
    }
}

/// Why a database cannot be reached, as a worker would have said it.
fn refused(error: Error) -> Refused {
    let code = match &error {
        Error::SourceUnavailable(_) | Error::NotFound { .. } => FailureCode::Source,
        _ => FailureCode::Internal,
    };
    let message = match (&error, error.cause()) {
        (Error::SourceUnavailable(message), _) => message.clone(),
        (_, Some(cause)) => cause.to_string(),
        (_, None) => error.to_string(),
    };
    Refused::Failed(Failure::new(code, message))
}
