//! Reading the chain, and the facts about keys that its writer keeps.

use rusqlite::{OptionalExtension, Row};

use super::admissions::caller_of;
use crate::domain::audit::{Entry, GENESIS, Hash};
use crate::domain::error::Result;
use crate::domain::id::OrgId;
use crate::store::{Audit, Reader, StoreError};

/// A link of the chain as it is stored.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its number, without gaps.
    pub seq: i64,
    /// Its bytes as they were hashed.
    pub encoded: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
}

impl Link {
    /// What it says; `None` when its bytes are not an entry's.
    pub fn entry(&self) -> Option<Entry> {
        Entry::decode(&self.encoded)
    }
}

/// What is kept beside an entry's bytes, for filters.
pub(super) struct Columns<'e> {
    pub at: i64,
    pub org: Option<i64>,
    pub lineage: Option<i64>,
    pub operation: Option<&'e str>,
    pub status: Option<u16>,
    pub request: Option<&'e [u8]>,
}

impl<'e> Columns<'e> {
    pub(super) fn of(entry: &'e Entry) -> Self {
        match entry {
            Entry::Call(call) => Self {
                at: call.at_ms,
                org: call.org,
                lineage: caller_of(call),
                operation: call.operation.as_deref(),
                status: Some(call.status),
                request: Some(&call.request_id),
            },
            Entry::Flood(flood) => {
                Self { at: flood.at_ms, org: None, lineage: None, operation: None, status: None, request: None }
            }
            Entry::Event(event) => Self {
                at: event.at_ms,
                org: event.org,
                lineage: None,
                operation: None,
                status: None,
                request: event.digest.as_ref().map(|digest| &digest[..16]),
            },
        }
    }

    /// How many they are.
    pub(super) const COUNT: usize = 6;

    /// Whether they are what a row has, which begins with them in the order of the table; what cannot be read as their type
    /// is not. By name every row would look all of them up.
    pub(super) fn are(&self, row: &Row<'_>) -> bool {
        let text = |place: usize| row.get_ref(place).ok().and_then(|value| value.as_str_or_null().ok());
        let bytes = |place: usize| row.get_ref(place).ok().and_then(|value| value.as_blob_or_null().ok());
        row.get::<_, i64>(0) == Ok(self.at)
            && row.get::<_, Option<i64>>(1) == Ok(self.org)
            && row.get::<_, Option<i64>>(2) == Ok(self.lineage)
            && text(3) == Some(self.operation)
            && row.get::<_, Option<u16>>(4) == Ok(self.status)
            && bytes(5) == Some(self.request)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link { seq: row.get("seq")?, encoded: row.get("entry")?, hash: row.get("hash")? })
}

/// The last link's number and hash.
pub fn head(db: &Reader<'_, Audit>) -> Result<(i64, Hash), StoreError> {
    let head = db
        .prepare("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(head.unwrap_or((0, GENESIS)))
}

/// The hash of a link; `None` when it is not there.
pub fn hash_of(db: &Reader<'_, Audit>, seq: i64) -> Result<Option<Hash>, StoreError> {
    Ok(db.prepare("SELECT hash FROM entries WHERE seq = ?1")?.query_row([seq], |row| row.get(0)).optional()?)
}

/// The number of the first link that is there.
pub fn first(db: &Reader<'_, Audit>) -> Result<Option<i64>, StoreError> {
    Ok(db.prepare("SELECT min(seq) FROM entries")?.query_row([], |row| row.get(0))?)
}

/// The newest links, newest first; of one organisation or of all.
pub fn newest(db: &Reader<'_, Audit>, org: Option<OrgId>, limit: u32) -> Result<Vec<Link>, StoreError> {
    let mut statement =
        db.prepare("SELECT seq, entry, hash FROM entries WHERE ?1 IS NULL OR org_id = ?1 ORDER BY seq DESC LIMIT ?2")?;
    let rows = statement.query_map(rusqlite::params![org, limit], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The links after a number, in order.
pub fn after(db: &Reader<'_, Audit>, seq: i64, limit: u32) -> Result<Vec<Link>, StoreError> {
    let mut statement = db.prepare("SELECT seq, entry, hash FROM entries WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = statement.query_map(rusqlite::params![seq, limit], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether the chain has an event that adopted the change with this half digest.
pub fn has_adopted(db: &Reader<'_, Audit>, half_digest: &[u8; 16]) -> Result<bool, StoreError> {
    let found: Option<i64> = db
        .prepare("SELECT 1 FROM entries WHERE request = ?1 AND status IS NULL")?
        .query_row([half_digest.as_slice()], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

/// A number that is kept beside the chain.
pub fn mark(db: &Reader<'_, Audit>, name: &str) -> Result<i64, StoreError> {
    Ok(db
        .prepare("SELECT value FROM marks WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}
