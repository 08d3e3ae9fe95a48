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

/// Calls of these keys of an organisation since an instant: the minute that the instant lies in counts as a whole. Days
/// and hours that lie behind it as a whole are read as such.
pub fn calls_of_keys(usage: &UsageReader<'_>, org: OrgId, keys: &[KeyId], since: Timestamp) -> Result<u64, StoreError> {
    let minute = since.seconds().div_euclid(MINUTE) * MINUTE;
    let hour = (minute + HOUR - 1).div_euclid(HOUR) * HOUR;
    let day = (hour + DAY - 1).div_euclid(DAY) * DAY;
    let ids = format!("[{}]", keys.iter().map(|key| key.raw().to_string()).collect::<Vec<_>>().join(","));
    let mut statement = usage.db.prepare(
        "SELECT coalesce(sum(ok + refused + limited + client + server + gone), 0) FROM rollups
         WHERE org_id = ?1 AND span = ?2 AND start >= ?3 AND start < ?4
             AND key_id IN (SELECT value FROM json_each(?5))",
    )?;
    let mut calls = 0_i64;
    for (span, from, to) in [(MINUTE, minute, hour), (HOUR, hour, day), (DAY, day, i64::MAX)] {
        let found: i64 = statement.query_row(rusqlite::params![org, span, from, to, ids], |row| row.get(0))?;
        calls += found;
    }
    let is_theirs = |key: i64| keys.iter().any(|one| one.raw() == key);
    let fresh = usage.fresh.minutes().filter(|(cell, _)| cell.start >= minute && is_theirs(cell.key));
    calls += fresh.map(|(_, sums)| sums.calls()).sum::<i64>();
    Ok(u64::try_from(calls).unwrap_or(0))
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

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
