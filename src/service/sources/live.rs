//! Sources that are live: their queries are sent to their database, by a worker that may reach nothing else. Of their
//! tables it is kept what they are called and which columns they have, to be looked up; that narrows no query. What a
//! query may read is what the database lets the source's user read.

use std::path::Path;

use super::databases::Place;
use super::failure::error_of;
use super::fetch::News;
use super::files::{Progress, table_of};
use super::syncs::Lease;
use crate::domain::connection::Connection;
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SourceId};
use crate::domain::source::SourceTable;
use crate::service::app::App;
use crate::worker::pool::Errand;
use crate::worker::protocol::{DescribeJob, Job, Outcome};

impl App {
    /// The tables that a live source has now.
    pub(super) async fn bring_tables(
        &self,
        lease: &Lease,
        connection: &Connection,
        place: Place,
        progress: &mut Progress,
    ) -> Result<News> {
        let read = place.read.iter().cloned().collect();
        let errand = Errand { org: lease.org.raw(), read, deadline: self.settings.job_timeout };
        let (reach, tables) = (place.reach(), connection.tables());
        let job = |scratch: &Path| {
            Job::Describe(DescribeJob { database: place.database, tables, scratch: scratch.to_owned() })
        };
        let done = self.pool.background(&errand, &reach, job, progress.as_mut(), |done, _| Ok(done.outcome)).await;
        let Outcome::Connected { tables, .. } = done.map_err(error_of)? else {
            return Err(Error::internal("looking up the tables of a database gave another outcome"));
        };
        let tables = tables.into_iter().map(|table| SourceTable { rows: None, ..table_of(table) });
        Ok(News::Tables(tables.collect()))
    }

    /// Where the database of a live source is now, and what opens it.
    ///
    /// # Errors
    /// `NotFound` when the source is gone, `SourceUnavailable` when it cannot be reached.
    pub(in crate::service) async fn reach(&self, org: OrgId, source: SourceId) -> Result<Place> {
        let (source, secret) = self.source_to_open(org, source)?;
        let Some(connection) = &source.connection else {
            return Err(Error::internal("a live source is nowhere"));
        };
        self.locate(connection, secret).await
    }
}
