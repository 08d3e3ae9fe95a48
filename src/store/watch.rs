//! Whether what was cached about access may still be trusted, and whether a snapshot of the file is still of the present.
//!
//! `access_version` in `claribi.db` is raised by triggers on whatever decides access. This process' own writer
//! publishes it after each commit; commits of other processes are seen by looking at `PRAGMA data_version` on a
//! connection of its own. Before a cached row is trusted, a look has begun at most [`FRESH`] ago, or this request
//! looks. Hence a command that waits a little longer than that after its commit may return: no later request can
//! trust an older row or read from an older snapshot, whatever the scheduler did.

mod protocol;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use self::protocol::{Eye, Freshness, Look};
pub use self::protocol::{Stamped, trusted};
use super::{StoreError, pool};
use crate::domain::time::monotonic;

/// How old a look may be.
pub const FRESH: Duration = Duration::from_nanos(FRESH_NANOS);
const FRESH_NANOS: u64 = 5_000_000;

/// The watch of one file. Clones share it.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

struct Shared {
    freshness: Freshness<AtomicU64, Mutex<(OwnConnection, i64)>>,
    looks: AtomicU64,
    foreign: AtomicU64,
}

/// The connection that nothing else uses: its `PRAGMA data_version` tells of commits of all others.
struct OwnConnection(Connection);

impl Eye for OwnConnection {
    type Error = StoreError;

    fn data_version(&mut self) -> Result<i64, StoreError> {
        Ok(self.0.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    fn version(&mut self) -> Result<u64, StoreError> {
        let version: i64 =
            self.0.prepare_cached("SELECT version FROM access_version")?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(version).unwrap_or(0))
    }
}

impl Watch {
    /// Opens the watch on `claribi.db`.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let mut eye = OwnConnection(pool::open_reader(path)?);
        let (data_version, version) = (eye.data_version()?, eye.version()?);
        Ok(Self(Arc::new(Shared {
            freshness: Freshness::new(eye, version, data_version, nanos(monotonic())),
            looks: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
        })))
    }

    /// The version that cached rows are compared with, after a look that is fresh enough.
    ///
    /// Rows are read by [`trusted`], which asks for it first.
    pub fn version(&self) -> u64 {
        self.look_when_due();
        self.0.freshness.version()
    }

    /// What a snapshot that is begun now is kept with, after a look that is fresh enough; none while this process writes.
    pub(super) fn moment(&self) -> Option<u64> {
        self.look_when_due();
        self.0.freshness.moment()
    }

    /// A transaction of this process' writer, which alone may call it: no snapshot is kept while it goes on.
    pub(super) fn writing(&self) -> Writing<'_> {
        self.0.freshness.begin_write();
        Writing(self)
    }

    /// How often it looked, for metrics.
    pub fn looks(&self) -> u64 {
        self.0.looks.load(Ordering::Relaxed)
    }

    /// A number that grows with each commit of any connection that a look saw: this process' and others'.
    pub fn commits_seen(&self) -> u64 {
        self.0.foreign.load(Ordering::Relaxed)
    }

    /// Takes over the version that the writer committed.
    pub(super) fn publish(&self, version: u64) {
        self.0.freshness.publish(version);
    }

    fn look_when_due(&self) {
        if self.0.freshness.is_due(nanos(monotonic())) {
            self.look();
        }
    }

    fn look(&self) {
        let look = self.0.freshness.look(|| nanos(monotonic()));
        if !matches!(look, Look::NotNeeded) {
            self.0.looks.fetch_add(1, Ordering::Relaxed);
        }
        match look {
            Look::NotNeeded | Look::Nothing => {}
            Look::Commits => {
                self.0.foreign.fetch_add(1, Ordering::Relaxed);
            }
            // Every cached row is read again.
            Look::Failed(error) => tracing::warn!(%error, "looking for changes of access failed"),
        }
    }
}

/// A transaction that goes on until this is dropped.
pub(super) struct Writing<'w>(&'w Watch);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.0.freshness.end_write();
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
