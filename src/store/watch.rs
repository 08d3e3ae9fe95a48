//! Whether what was cached about access may still be trusted (DESIGN, decision 6; trap A4).
//!
//! `access_version` in `claribi.db` is raised by triggers on whatever decides access. This process' own writer
//! publishes it after each commit; commits of other processes are seen by looking at `PRAGMA data_version` on a
//! connection of its own. Before a cached row is trusted, a look has begun at most [`FRESH`] ago, or this request
//! looks. Hence a command that waits a little longer than that after its commit may return: no later request can
//! trust an older row, whatever the scheduler did.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{StoreError, pool};
use crate::domain::time::monotonic;

/// How old a look may be.
pub const FRESH: Duration = Duration::from_millis(5);

/// The watch of one file. Clones share it.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

struct Shared {
    version: AtomicU64,
    looked: AtomicU64,
    looks: AtomicU64,
    foreign: AtomicU64,
    eye: Mutex<Eye>,
}

struct Eye {
    connection: Connection,
    data_version: i64,
}

impl Watch {
    /// Opens the watch on `claribi.db`.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = pool::open_reader(path)?;
        let data_version = read_data_version(&connection)?;
        let version = read_version(&connection)?;
        Ok(Self(Arc::new(Shared {
            version: AtomicU64::new(version),
            looked: AtomicU64::new(nanos(monotonic())),
            looks: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            eye: Mutex::new(Eye { connection, data_version }),
        })))
    }

    /// The version that cached rows are compared with, after a look that is fresh enough.
    ///
    /// Read it before loading a row, and keep it beside the row.
    pub fn version(&self) -> u64 {
        let now = nanos(monotonic());
        if now.saturating_sub(self.0.looked.load(Ordering::Acquire)) > nanos(FRESH) {
            self.look();
        }
        self.0.version.load(Ordering::Acquire)
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
        self.0.version.fetch_max(version, Ordering::AcqRel);
    }

    fn look(&self) {
        let mut eye = self.0.eye.lock();
        // Others may have looked while this request waited; their look's start counts.
        let start = nanos(monotonic());
        if start.saturating_sub(self.0.looked.load(Ordering::Acquire)) <= nanos(FRESH) {
            return;
        }
        self.0.looks.fetch_add(1, Ordering::Relaxed);
        match read_data_version(&eye.connection) {
            Ok(seen) if seen == eye.data_version => {}
            Ok(seen) => {
                self.0.foreign.fetch_add(1, Ordering::Relaxed);
                match read_version(&eye.connection) {
                    Ok(version) => {
                        eye.data_version = seen;
                        self.publish(version);
                    }
                    Err(error) => self.distrust(&error),
                }
            }
            Err(error) => self.distrust(&error),
        }
        self.0.looked.store(start, Ordering::Release);
    }

    /// A look that fails counts as a change: every cached row is read again.
    fn distrust(&self, error: &StoreError) {
        tracing::warn!(%error, "looking for changes of access failed");
        self.0.version.fetch_add(1, Ordering::AcqRel);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn read_data_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

fn read_version(connection: &Connection) -> Result<u64, StoreError> {
    let version: i64 =
        connection.prepare_cached("SELECT version FROM access_version")?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(version).unwrap_or(0))
}
