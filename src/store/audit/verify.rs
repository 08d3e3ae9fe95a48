//! Checking what is stored, entry by entry: that each follows the one before, says what its copies beside it say, and is
//! counted in its block's summary. Signatures and where to begin are the service's.

use rusqlite::Row;

use super::blocks::{self, start_of};
use super::entries::Columns;
use crate::domain::audit::summary::BLOCK;
use crate::domain::audit::{Entry, Filling, Hash, Verifier};
use crate::store::{Audit, Reader, StoreError};

/// Entries that are read at a time: a reader that held the file open for longer would keep its log from being written
/// back.
const PAGE: u32 = 4_096;

/// Where the number stands; after it the entry's bytes and their hash.
const SEQ: usize = Columns::COUNT;
const NEXT: &str = "SELECT at, org_id, lineage_id, operation, status, request, seq, entry, hash FROM entries
    WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3";

/// What is wrong with what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// There is no entry of this number.
    Missing,
    /// It does not follow the one before: one of them was changed, or they were exchanged.
    Broken,
    /// Its bytes are no entry's.
    Unreadable,
    /// What stands beside it for searching is not what it says.
    Copies,
    /// The summary of the block that it ends is not what the block has.
    Summary,
}

/// A walk along the chain.
pub struct Walk {
    verifier: Verifier,
    /// The entry that comes next.
    next: i64,
    summary: Option<Filling>,
}

impl Walk {
    /// Begins after an entry with its hash.
    pub fn after(seq: i64, hash: Hash) -> Self {
        let next = seq + 1;
        // A block that was begun before cannot be summed up. The first entry of all begins one.
        let summary = (next == 1 || next % BLOCK == 0).then(Filling::default);
        Self { verifier: Verifier::after(hash), next, summary }
    }

    /// The last entry that was found right, and its hash.
    pub fn position(&self) -> (i64, &Hash) {
        (self.next - 1, self.verifier.head())
    }

    /// How many were found right.
    pub fn checked(&self) -> u64 {
        self.verifier.checked()
    }

    /// Checks some entries more, up to `last`. Gives whether there were any, or what is wrong with the next one.
    pub fn go_on(&mut self, db: &Reader<'_, Audit>, last: i64) -> Result<Result<bool, Flaw>, StoreError> {
        let mut statement = db.prepare(NEXT)?;
        let mut rows = statement.query(rusqlite::params![self.next, last, PAGE])?;
        let mut found = false;
        while let Some(row) = rows.next()? {
            found = true;
            if let Err(flaw) = self.check(db, row)? {
                return Ok(Err(flaw));
            }
        }
        Ok(Ok(found))
    }

    fn check(&mut self, db: &Reader<'_, Audit>, row: &Row<'_>) -> Result<Result<(), Flaw>, StoreError> {
        let seq: i64 = row.get(SEQ)?;
        if seq != self.next {
            return Ok(Err(Flaw::Missing));
        }
        // What is of another type than the schema says was put there by somebody else.
        let (Ok(encoded), Ok(hash)) = (row.get_ref(SEQ + 1)?.as_blob(), row.get::<_, Hash>(SEQ + 2)) else {
            return Ok(Err(Flaw::Broken));
        };
        if self.verifier.check(seq, encoded, &hash).is_err() {
            return Ok(Err(Flaw::Broken));
        }
        let Some(entry) = Entry::decode(encoded) else { return Ok(Err(Flaw::Unreadable)) };
        if !Columns::of(&entry).are(row) {
            return Ok(Err(Flaw::Copies));
        }
        if let Err(flaw) = self.sum_up(db, seq, &entry)? {
            return Ok(Err(flaw));
        }
        self.next += 1;
        Ok(Ok(()))
    }

    fn sum_up(&mut self, db: &Reader<'_, Audit>, seq: i64, entry: &Entry) -> Result<Result<(), Flaw>, StoreError> {
        if let Some(summary) = &mut self.summary {
            summary.add(entry);
        }
        if seq % BLOCK != BLOCK - 1 {
            return Ok(Ok(()));
        }
        let Some(summary) = self.summary.replace(Filling::default()) else { return Ok(Ok(())) };
        let summary = summary.into_summary();
        // The newest may not be written yet.
        let Some(stored) = blocks::find(db, start_of(seq))? else {
            let is_passed_over = blocks::end(db)? > seq;
            return Ok(if is_passed_over { Err(Flaw::Summary) } else { Ok(()) });
        };
        let same = stored.last == seq
            && (stored.oldest_ms, stored.newest_ms) == (summary.oldest_ms, summary.newest_ms)
            && stored.facts == summary.bytes();
        Ok(if same { Ok(()) } else { Err(Flaw::Summary) })
    }
}
