//! Snapshots of `claribi.db` that are kept between reads: as long as nobody commits, a read asks neither the file system
//! for a lock nor SQLite whether its pages are still those of the file.
//!
//! A snapshot that somebody keeps holds the write-ahead log: it cannot begin anew, and grows. So none is kept while this
//! process writes, those that nobody reads from end before a transaction begins, and all of them once a second
//! ([`Store::let_go`](super::Store::let_go)), for the commands beside it.

use rusqlite::Connection;

use super::pool::{Readers, Reading};
use super::watch::Watch;
use super::{Main, Reader, Role};
use crate::domain::error::Result;

/// The readers of `claribi.db`.
pub(super) struct Snapshots {
    readers: Readers,
    watch: Watch,
    /// Commands keep none: nobody would end theirs while they wait.
    keeps: bool,
}

impl Snapshots {
    pub(super) fn new(readers: Readers, watch: Watch, role: Role) -> Self {
        Self { readers, watch, keeps: role == Role::Owner }
    }

    /// Reads as of one moment, which is no older than the last commit that this process has answered.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Reader<'_, Main>) -> Result<T>) -> Result<T> {
        self.readers.with(|reading| {
            let moment = if self.keeps { self.watch.moment() } else { None };
            // Some errors of SQLite end a transaction.
            if moment.is_none() || reading.moment != moment || reading.connection.is_autocommit() {
                begin(reading, moment)?;
            }
            let done = read(&Reader::new(&reading.connection));
            if moment.is_none() {
                end(reading)?;
            }
            done
        })
    }

    /// Ends those that nobody reads from.
    pub(super) fn let_go(&self) {
        self.readers.for_each_idle(|reading| {
            if let Err(error) = end(reading) {
                tracing::warn!(%error, "a snapshot of claribi.db could not be ended");
            }
        });
    }
}

fn begin(reading: &mut Reading, moment: Option<u64>) -> rusqlite::Result<()> {
    end(reading)?;
    run(&reading.connection, "BEGIN")?;
    reading.moment = moment;
    Ok(())
}

/// Also what a read that panicked or failed has left.
fn end(reading: &mut Reading) -> rusqlite::Result<()> {
    reading.moment = None;
    if reading.connection.is_autocommit() {
        return Ok(());
    }
    run(&reading.connection, "COMMIT")
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
