//! Reading what calls add up to. Everything takes what the writer has not brought to the file yet.

use rusqlite::OptionalExtension;

use super::tally::Tally;
use crate::domain::error::Result;
use crate::domain::id::{KeyId, OrgId};
use crate::domain::time::Timestamp;
use crate::store::{Audit, Reader, StoreError};

/// The file and what belongs to it: one consistent view of what calls add up to.
pub struct UsageReader<'c> {
    db: Reader<'c, Audit>,
    fresh: &'c Tally,
}

impl<'c> UsageReader<'c> {
    pub(in crate::store) fn new(db: Reader<'c, Audit>, fresh: &'c Tally) -> Self {
        Self { db, fresh }
    }
}

/// How a key was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUsage {
    /// Calls in all.
    pub calls: u64,
    /// When last.
    pub last_at: Timestamp,
    /// Which operation last.
    pub last_operation: String,
    /// From where last.
    pub last_address: String,
}

/// How a key was used; `None` when it never was.
pub fn key_usage(usage: &UsageReader<'_>, key: KeyId) -> Result<Option<KeyUsage>, StoreError> {
    let stored = usage
        .db
        .prepare("SELECT calls, last_at, last_operation, last_address FROM key_usage WHERE key_id = ?1")?
        .query_row([key], |row| {
            Ok(KeyUsage {
                calls: row.get(0)?,
                last_at: row.get(1)?,
                last_operation: row.get(2)?,
                last_address: row.get(3)?,
            })
        })
        .optional()?;
    let Some(fresh) = usage.fresh.key(key.raw()) else { return Ok(stored) };
    Ok(Some(KeyUsage {
        calls: stored.map_or(0, |stored| stored.calls).saturating_add_signed(fresh.calls),
        last_at: Timestamp::from_millis(fresh.at),
        last_operation: fresh.operation.clone().into_owned(),
        last_address: fresh.address.to_string(),
    }))
}

/// Calls of an organisation since an instant, by whole hours: the hour that the instant lies in counts as a whole.
pub fn calls_since(usage: &UsageReader<'_>, org: OrgId, since: Timestamp) -> Result<u64, StoreError> {
    let since = since.seconds().div_euclid(HOUR) * HOUR;
    let stored: i64 = usage
        .db
        .prepare(
            "SELECT coalesce(sum(ok + refused + limited + client + server + gone), 0) FROM rollups
             WHERE org_id = ?1 AND span = 3600 AND start >= ?2",
        )?
        .query_row(rusqlite::params![org, since], |row| row.get(0))?;
    let fresh = usage.fresh.minutes().filter(|(cell, _)| cell.org == org.raw() && cell.start >= since);
    let fresh: i64 = fresh.map(|(_, sums)| sums.calls()).sum();
    Ok(u64::try_from(stored + fresh).unwrap_or(0))
}

const HOUR: i64 = 3_600;
