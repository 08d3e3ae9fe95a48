//! Summaries of blocks: made by the writer of the chain beside what calls add up to, read by those who search.
//!
//! Blocks begin at multiples of their size, wherever the chain begins and ends. A block that is not whole, or not
//! written yet, has no summary: its entries are looked at one by one.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::audit::summary::BLOCK;
use crate::domain::audit::{Entry, Filling, Summary};
use crate::store::{Audit, Reader, StoreError};

/// The writer's side: the block that is being filled, and those that are not in the file yet.
#[derive(Default)]
pub(super) struct Blocks {
    filling: Filling,
    whole: Vec<(i64, Summary)>,
}

/// The first entry of the block that an entry is in.
pub(super) const fn start_of(seq: i64) -> i64 {
    seq - seq.rem_euclid(BLOCK)
}

impl Blocks {
    /// Takes in the entry with this number, which is the next.
    pub(super) fn add(&mut self, seq: i64, entry: &Entry) {
        self.filling.add(entry);
        if seq % BLOCK == BLOCK - 1 {
            self.whole.push((start_of(seq), std::mem::take(&mut self.filling).into_summary()));
        }
    }

    /// Whether every whole block is in the file.
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// Brings whole blocks to the file, within a transaction of the caller's.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO blocks VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (first, summary) in &self.whole {
            let last = first + BLOCK - 1;
            insert.execute(rusqlite::params![first, last, summary.oldest_ms, summary.newest_ms, summary.bytes()])?;
        }
        Ok(())
    }

    /// Forgets what was brought to the file.
    pub(super) fn clear(&mut self) {
        self.whole.clear();
    }
}

/// The first entry that no summary covers.
pub(super) fn end<D>(db: &Reader<'_, D>) -> Result<i64, StoreError> {
    let last: Option<i64> = db
        .prepare("SELECT last FROM blocks ORDER BY first DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.map_or(0, |last| last + 1))
}

/// A summary as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub last: i64,
    pub oldest_ms: i64,
    pub newest_ms: i64,
    pub facts: Vec<u8>,
}

/// The summary of the block that begins here.
pub(super) fn find(db: &Reader<'_, Audit>, first: i64) -> Result<Option<Stored>, StoreError> {
    let mut statement = db.prepare("SELECT last, oldest, newest, facts FROM blocks WHERE first = ?1")?;
    let mut rows = statement.query([first])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Stored {
        last: row.get("last")?,
        oldest_ms: row.get("oldest")?,
        newest_ms: row.get("newest")?,
        facts: row.get("facts")?,
    }))
}

/// The last entry before which everything is older than an instant: the end of the blocks that may go.
pub fn older_than(db: &Reader<'_, Audit>, instant_ms: i64) -> Result<Option<i64>, StoreError> {
    // What is older than its neighbours lies in a block with them; what is younger holds back all that follows.
    let last: Option<i64> = db
        .prepare(
            "SELECT max(last) FROM blocks
             WHERE first < coalesce((SELECT min(first) FROM blocks WHERE newest >= ?1), 9223372036854775807)",
        )?
        .query_row([instant_ms], |row| row.get(0))?;
    Ok(last)
}
