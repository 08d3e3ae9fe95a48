//! Syncs of data sources: one at a time for each source, leased by the boot id of who runs it.

use rusqlite::{OptionalExtension, Row};

use crate::domain::code::Code;
use crate::domain::id::{OrgId, SourceId, SyncId};
use crate::domain::source::SourceTable;
use crate::domain::sync::{Sync, SyncFilter, SyncStatus, Trigger};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::parsed;
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id AS sync_id, t.source_id AS sync_source, t.\"trigger\" AS sync_trigger,
    t.status AS sync_status, t.attempt AS sync_attempt, t.unchanged AS sync_unchanged, t.\"rows\" AS sync_rows,
    t.bytes AS sync_bytes, t.code AS sync_code, t.reason AS sync_reason, t.created_at AS sync_started_at,
    t.finished_at AS sync_finished_at FROM syncs t";
/// Syncs have no names; an order by name is that of their ids.
const VIEW: View = View { select: SELECT, table: "syncs", name: "''" };
/// The syncs of a source that are remembered.
const KEPT: u32 = 1_000;

/// Reads the columns of a sync, which carry `sync_` before their names.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Sync> {
    let code: Option<String> = row.get("sync_code")?;
    let reason: Option<String> = row.get("sync_reason")?;
    Ok(Sync {
        id: row.get("sync_id")?,
        source: row.get("sync_source")?,
        trigger: parsed(row, "sync_trigger", Trigger::parse)?,
        status: parsed(row, "sync_status", SyncStatus::parse)?,
        attempt: row.get("sync_attempt")?,
        unchanged: row.get("sync_unchanged")?,
        rows: row.get("sync_rows")?,
        bytes: row.get("sync_bytes")?,
        failure: code.map(|code| Code::parse(&code).unwrap_or(Code::Internal)).zip(reason),
        started_at: row.get("sync_started_at")?,
        finished_at: row.get("sync_finished_at")?,
        progress: None,
    })
}

/// The syncs of a source.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    source: SourceId,
    filter: &SyncFilter,
    slice: &Slice,
) -> Result<Vec<Sync>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(source, filter), slice, read)
}

/// How many syncs of a source.
pub fn count(db: &Reader<'_, Main>, org: OrgId, source: SourceId, filter: &SyncFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(source, filter))
}

fn conditions(source: SourceId, filter: &SyncFilter) -> Conditions {
    Conditions::default()
        .with("t.source_id = ?", Some(source.raw()))
        .times(&filter.times)
        .with("t.status = ?", filter.status.map(|status| status.as_str().to_owned()))
        .with("t.\"trigger\" = ?", filter.trigger.map(|trigger| trigger.as_str().to_owned()))
}

/// One sync of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: SyncId) -> Result<Option<Sync>, StoreError> {
    one(db, "t.org_id = ?1 AND t.id = ?2", (org.raw(), id.raw()))
}

/// The sync of a source that goes on.
pub fn running(db: &Reader<'_, Main>, org: OrgId, source: SourceId) -> Result<Option<Sync>, StoreError> {
    one(db, "t.org_id = ?1 AND t.source_id = ?2 AND t.status = 'running'", (org.raw(), source.raw()))
}

fn one(db: &Reader<'_, Main>, condition: &str, values: (i64, i64)) -> Result<Option<Sync>, StoreError> {
    let mut statement = db.prepare(&format!("{SELECT} WHERE {condition}"))?;
    Ok(statement.query_row(values, read).optional()?)
}

/// Begins a sync of a source of which none goes on, and forgets the oldest ones.
pub fn begin(
    tx: &Tx<'_>,
    org: OrgId,
    source: SourceId,
    (trigger, attempt): (Trigger, u32),
    boot: &str,
    now: Timestamp,
) -> Result<SyncId, StoreError> {
    tx.prepare(
        "INSERT INTO syncs (org_id, source_id, \"trigger\", status, attempt, boot, created_at)
         VALUES (?1, ?2, ?3, 'running', ?4, ?5, ?6)",
    )?
    .execute(rusqlite::params![org, source, trigger.as_str(), attempt, boot, now])?;
    let id = SyncId::new(tx.last_id());
    tx.prepare(
        "DELETE FROM syncs WHERE org_id = ?1 AND source_id = ?2
         AND id <= (SELECT id FROM syncs WHERE source_id = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
    )?
    .execute(rusqlite::params![org, source, KEPT])?;
    Ok(id)
}

/// How a sync ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With these rows and bytes; `unchanged` says that they are those of before.
    Done {
        /// Of all tables.
        rows: u64,
        /// Of all tables.
        bytes: u64,
        /// Whether nothing was new.
        unchanged: bool,
    },
    /// Without data.
    Failed(Code, String),
}

impl Ending {
    /// With tables that have come.
    pub fn of_new(tables: &[SourceTable]) -> Self {
        Self::with(tables, false)
    }

    /// With the tables that were there before.
    pub fn of_same(tables: &[SourceTable]) -> Self {
        Self::with(tables, true)
    }

    fn with(tables: &[SourceTable], unchanged: bool) -> Self {
        let rows = tables.iter().filter_map(|table| table.rows).sum();
        Self::Done { rows, bytes: tables.iter().map(|table| table.bytes).sum(), unchanged }
    }
}

/// Ends a sync that this process runs; tells whether it was still running: it may have been given up, or its source
/// deleted.
pub fn finish(
    tx: &Tx<'_>,
    org: OrgId,
    id: SyncId,
    ending: &Ending,
    boot: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (status, rows, bytes, unchanged, code, reason) = match ending {
        Ending::Done { rows, bytes, unchanged } => ("succeeded", Some(*rows), Some(*bytes), *unchanged, None, None),
        Ending::Failed(code, reason) => ("failed", None, None, false, Some(code.as_str()), Some(reason)),
    };
    let ended = tx
        .prepare(
            "UPDATE syncs SET status = ?3, \"rows\" = ?4, bytes = ?5, unchanged = ?6, code = ?7, reason = ?8,
                 finished_at = ?9, boot = NULL
             WHERE org_id = ?1 AND id = ?2 AND status = 'running' AND boot = ?10",
        )?
        .execute(rusqlite::params![org, id, status, rows, bytes, unchanged, code, reason, now, boot])?;
    Ok(ended > 0)
}

/// Fails the sync of a source that began before an instant in another process than the one with this boot id and goes on:
/// whoever ran it is no more. This one ends its own by itself, however long they wait for their turn.
pub fn give_up(tx: &Tx<'_>, source: SourceId, boot: &str, before: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE syncs SET status = 'failed', code = ?4, reason = 'It never ended.', boot = NULL, finished_at = ?3
         WHERE source_id = ?1 AND status = 'running' AND created_at < ?2 AND boot <> ?5",
    )?
    .execute(rusqlite::params![source, before, now, Code::Internal.as_str(), boot])?;
    Ok(())
}

/// Whose syncs.
#[derive(Debug, Clone, Copy)]
pub enum Runs<'b> {
    /// Of the process with this boot id, which ends or has ended.
    Of(&'b str),
    /// Of all but the process with this boot id: they are no more.
    OfOthers(&'b str),
    /// Of the command with this boot id, which is no more.
    OfCommand(&'b str),
}

impl<'b> Runs<'b> {
    /// The condition on `boot`, and the boot id that it speaks of as `?1`.
    pub(super) fn condition(self) -> (&'static str, &'b str) {
        match self {
            Runs::Of(boot) | Runs::OfCommand(boot) => ("boot = ?1", boot),
            Runs::OfOthers(boot) => ("boot <> ?1", boot),
        }
    }

    /// Who it was, as a sentence begins.
    pub(super) fn whoever(self) -> &'static str {
        match self {
            Runs::Of(_) | Runs::OfOthers(_) => "The server",
            Runs::OfCommand(_) => "The command",
        }
    }
}

/// The processes other than this one in which syncs go on, as the rows have it.
pub fn elsewhere(db: &Reader<'_, Main>, boot: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare("SELECT DISTINCT boot FROM syncs WHERE status = 'running' AND boot <> ?1")?;
    let rows = statement.query_map([boot], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Fails what goes on in processes that end or are no more; sources that follow a schedule are due at once.
pub fn repair(tx: &Tx<'_>, runs: Runs<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let (condition, boot) = runs.condition();
    tx.prepare(&format!(
        "UPDATE sources SET next_sync_at = min(next_sync_at, ?2) WHERE next_sync_at IS NOT NULL
         AND id IN (SELECT source_id FROM syncs WHERE status = 'running' AND {condition})"
    ))?
    .execute(rusqlite::params![boot, now])?;
    Ok(tx
        .prepare(&format!(
            "UPDATE syncs SET status = 'failed', code = ?3, boot = NULL, finished_at = ?2,
                 reason = '{whoever} stopped while the data was read.' WHERE status = 'running' AND {condition}",
            whoever = runs.whoever(),
        ))?
        .execute(rusqlite::params![boot, now, Code::Internal.as_str()])?)
}
