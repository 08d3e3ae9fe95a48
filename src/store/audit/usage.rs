//! Reading what calls add up to. Everything takes what the writer has not brought to the file yet.

use rusqlite::{OptionalExtension, Row};

use super::tally::{EVERYONE, Tally};
use crate::domain::error::Result;
use crate::domain::id::{KeyId, OrgId, SessionId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::usage::{Callers, Figures, Window};
use crate::store::{Audit, Reader, StoreError};

/// The file and what belongs to it: one consistent view of what calls add up to.
pub struct UsageReader<'c> {
    pub(super) db: Reader<'c, Audit>,
    pub(super) fresh: &'c Tally,
}

impl<'c> UsageReader<'c> {
    pub(in crate::store) fn new(db: Reader<'c, Audit>, fresh: &'c Tally) -> Self {
        Self { db, fresh }
    }
}

/// How a key, or a session, was used.
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
    used(usage, key.raw())
}

/// How a session was used; `None` when it never was.
pub fn session_usage(usage: &UsageReader<'_>, session: SessionId) -> Result<Option<KeyUsage>, StoreError> {
    used(usage, -session.raw())
}

/// The keys that were used after an instant.
pub fn keys_used_since(usage: &UsageReader<'_>, since: Timestamp) -> Result<Vec<KeyId>, StoreError> {
    let mut statement = usage.db.prepare("SELECT key_id FROM key_usage WHERE last_at > ?1 AND key_id > 0")?;
    let mut keys: Vec<KeyId> = statement.query_map([since], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let fresh = usage.fresh.keys().filter(|(key, used)| *key > 0 && used.at > since.millis());
    keys.extend(fresh.map(|(key, _)| KeyId::new(key)));
    Ok(keys)
}

/// Of a key, or of a session as the negative of its id.
fn used(usage: &UsageReader<'_>, key: i64) -> Result<Option<KeyUsage>, StoreError> {
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
    let Some(fresh) = usage.fresh.key(key) else { return Ok(stored) };
    Ok(Some(KeyUsage {
        calls: stored.map_or(0, |stored| stored.calls).saturating_add_signed(fresh.calls),
        last_at: Timestamp::from_millis(fresh.at),
        last_operation: fresh.operation.clone().into_owned(),
        last_address: fresh.address.to_string(),
    }))
}

/// The keys under which the rows of these callers stand.
fn keys_of(callers: &Callers) -> Vec<i64> {
    let raw = |keys: &[KeyId]| keys.iter().map(|key| key.raw()).collect::<Vec<_>>();
    match callers {
        Callers::Everyone => vec![EVERYONE],
        Callers::Keys(keys) => raw(keys),
        Callers::User(_, keys) | Callers::Each(keys) => [raw(keys), vec![0]].concat(),
    }
}

fn user_of(callers: &Callers) -> Option<i64> {
    match callers {
        Callers::User(user, _) => Some(user.raw()),
        Callers::Everyone | Callers::Keys(_) | Callers::Each(_) => None,
    }
}

/// Which calls of an organisation.
#[derive(Debug, Clone)]
pub struct Calls<'q> {
    /// The organisation.
    pub org: OrgId,
    /// Whose.
    pub callers: &'q Callers,
    /// Of this operation alone; `none` for calls that met no operation.
    pub operation: Option<&'q str>,
}

/// Calls that were counted together.
#[derive(Debug)]
pub struct Counted {
    /// The second that their bucket begins with.
    pub start: i64,
    /// The key; `None` without one, and for everyone's as one.
    pub key: Option<KeyId>,
    /// The user; `None` for nobody known, and for everyone's as one.
    pub user: Option<UserId>,
    /// The operation.
    pub operation: String,
    /// What they add up to.
    pub figures: Figures,
}

/// Calls within a window, in its buckets, in no order: what stands in the file, then what is not there yet.
pub fn each(
    usage: &UsageReader<'_>,
    calls: &Calls<'_>,
    window: &Window,
    mut take: impl FnMut(Counted),
) -> Result<(), StoreError> {
    let keys = keys_of(calls.callers);
    let ids = format!("[{}]", keys.iter().map(i64::to_string).collect::<Vec<_>>().join(","));
    let mut statement = usage.db.prepare(
        "SELECT r.start, r.key_id, r.user_id, r.operation, r.ok, r.refused, r.limited, r.client, r.server, r.gone,
             r.credits, r.bytes_in, r.bytes_out, r.latency
         FROM json_each(?1) k CROSS JOIN rollups r
             ON r.org_id = ?2 AND r.span = ?3 AND r.key_id = k.value AND r.start >= ?4 AND r.start < ?5
         WHERE (?6 IS NULL OR r.user_id = ?6) AND (?7 IS NULL OR r.operation = ?7)",
    )?;
    let (user, operation, span) = (user_of(calls.callers), calls.operation, window.bucket.seconds());
    let mut rows = statement.query(rusqlite::params![ids, calls.org, span, window.from, window.to, user, operation])?;
    while let Some(row) = rows.next()? {
        take(read(row)?);
    }
    for (cell, figures) in usage.fresh.minutes() {
        let theirs = *calls.callers == Callers::Everyone || keys.contains(&cell.key);
        let of_user = user.is_none_or(|user| user == cell.user);
        let asked = operation.is_none_or(|operation| operation == cell.operation);
        let within = (window.from..window.to).contains(&cell.start);
        if cell.org == calls.org.raw() && theirs && of_user && asked && within {
            take(Counted {
                start: window.bucket.of(cell.start),
                key: (cell.key > 0).then(|| KeyId::new(cell.key)),
                user: (cell.user > 0).then(|| UserId::new(cell.user)),
                operation: cell.operation.clone().into_owned(),
                figures: figures.clone(),
            });
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Counted, StoreError> {
    let mut figures = Figures {
        outcomes: [row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?],
        credits: row.get(10)?,
        bytes_in: row.get(11)?,
        bytes_out: row.get(12)?,
        ..Figures::default()
    };
    let latency = row.get_ref(13)?.as_blob().map_err(rusqlite::Error::from)?;
    figures.latency.absorb(latency).ok_or_else(|| StoreError::Corrupt("`rollups.latency`".to_owned()))?;
    let (key, user): (i64, i64) = (row.get(1)?, row.get(2)?);
    Ok(Counted {
        start: row.get(0)?,
        key: (key > 0).then(|| KeyId::new(key)),
        user: (user > 0).then(|| UserId::new(user)),
        operation: row.get(3)?,
        figures,
    })
}

/// How many calls since an instant. The bucket that it lies in counts as a whole: a minute as long as those are kept, then
/// an hour.
pub fn count(usage: &UsageReader<'_>, calls: &Calls<'_>, since: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    let mut sum = 0;
    for piece in Window::since(since, now).pieces() {
        each(usage, calls, &piece, |counted| sum += counted.figures.calls())?;
    }
    Ok(u64::try_from(sum).unwrap_or(0))
}
