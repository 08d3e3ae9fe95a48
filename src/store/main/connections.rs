//! Where sources are, what opens them, and when they are read again: the columns of `sources` that files have not got.

use rusqlite::OptionalExtension;
use uuid::Uuid;

use crate::domain::code::Code;
use crate::domain::connection::Connection;
use crate::domain::id::{OrgId, SourceId};
use crate::domain::import::ImportOptions;
use crate::domain::schedule::Schedule;
use crate::domain::time::Timestamp;
use crate::store::main::sources;
use crate::store::row::uuid;
use crate::store::{Main, Reader, StoreError, Tx};

/// Points a source elsewhere. What its connector knew of the place before is forgotten.
pub fn point(tx: &Tx<'_>, org: OrgId, id: SourceId, to: &Connection, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE sources SET connection = ?3, state = NULL, updated_at = ?4, version = version + 1
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, to.fields().to_string(), now])?;
    Ok(())
}

/// Keeps how the file of a source is read. What is known of the file is forgotten: it is to be read anew, changed or not.
pub fn read_as(
    tx: &Tx<'_>,
    org: OrgId,
    id: SourceId,
    options: &ImportOptions,
    now: Timestamp,
) -> crate::domain::error::Result<()> {
    sources::keep_options(tx, org, id, options)?;
    tx.prepare(
        "UPDATE sources SET state = NULL, updated_at = ?3, version = version + 1 WHERE org_id = ?1 AND id = ?2",
    )?
    .execute((org, id, now))
    .map_err(StoreError::from)?;
    Ok(())
}

/// Keeps what opens a source, sealed; `None` forgets it.
pub fn keep_secret(
    tx: &Tx<'_>,
    org: OrgId,
    id: SourceId,
    sealed: Option<&[u8]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE sources SET secret = ?3, state = NULL, updated_at = ?4, version = version + 1
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, sealed, now])?;
    Ok(())
}

/// What opens a source, sealed.
pub fn secret(db: &Reader<'_, Main>, org: OrgId, id: SourceId) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = db.prepare("SELECT secret FROM sources WHERE org_id = ?1 AND id = ?2")?;
    Ok(statement.query_row((org, id), |row| row.get(0)).optional()?.flatten())
}

/// The sealed secrets of every organisation: to seal them anew.
pub fn secrets(db: &Reader<'_, Main>) -> Result<Vec<(OrgId, SourceId, Vec<u8>)>, StoreError> {
    let mut statement = db.prepare("SELECT org_id, id, secret FROM sources WHERE secret IS NOT NULL ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Puts the same secret under another key; nothing else of the source changes.
pub fn reseal(tx: &Tx<'_>, org: OrgId, id: SourceId, sealed: &[u8]) -> Result<(), StoreError> {
    tx.prepare("UPDATE sources SET secret = ?3 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id, sealed])?;
    Ok(())
}

/// Lets a source follow a schedule, from `next` on; `None` ends that.
pub fn follow(
    tx: &Tx<'_>,
    org: OrgId,
    id: SourceId,
    schedule: Option<(&Schedule, Timestamp)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (cron, zone) = schedule.map(|(schedule, _)| (schedule.cron(), schedule.zone())).unzip();
    let next = schedule.map(|(_, next)| next);
    tx.prepare(
        "UPDATE sources SET schedule = ?3, time_zone = ?4, next_sync_at = ?5, paused = NULL, updated_at = ?6, version = version + 1
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, cron, zone, next, now])?;
    Ok(())
}

/// Says when a source is due.
pub fn due_at(tx: &Tx<'_>, org: OrgId, id: SourceId, at: Option<Timestamp>) -> Result<(), StoreError> {
    tx.prepare("UPDATE sources SET next_sync_at = ?3 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id, at])?;
    Ok(())
}

/// Says why the time of a source was passed over; `None` when it was not.
pub fn pause(tx: &Tx<'_>, org: OrgId, id: SourceId, why: Option<Code>) -> Result<(), StoreError> {
    tx.prepare("UPDATE sources SET paused = ?3 WHERE org_id = ?1 AND id = ?2 AND paused IS NOT ?3")?
        .execute(rusqlite::params![org, id, why.map(Code::as_str)])?;
    Ok(())
}

/// A source whose time has come.
#[derive(Debug, Clone)]
pub struct Due {
    /// Whose.
    pub org: OrgId,
    /// The organisation's directory.
    pub org_uuid: Uuid,
    /// When the organisation was made, and its plan.
    pub on: (Timestamp, String),
    /// The source.
    pub source: SourceId,
}

/// Which syncs count as going on: those that began since, and in the process with this boot id all.
#[derive(Debug, Clone, Copy)]
pub struct Running<'b> {
    /// When.
    pub since: Timestamp,
    /// The process.
    pub boot: &'b str,
}

/// How many sources may be begun with.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// At one look.
    pub all: u32,
    /// Of one organisation, with those that are under way.
    pub of_one: u32,
}

/// The sources of all organisations whose time has come and of which no sync goes on: of each organisation the longest due
/// first, as many as it has too few under way, and first those of who has the fewest.
pub fn due(db: &Reader<'_, Main>, now: Timestamp, running: Running<'_>, most: Most) -> Result<Vec<Due>, StoreError> {
    let mut statement = db.prepare(
        "WITH under_way AS MATERIALIZED (
             SELECT source_id, org_id FROM syncs
             WHERE status = 'running' AND (created_at >= ?2 OR boot = ?4)),
         busy AS MATERIALIZED (SELECT org_id, count(*) AS syncs FROM under_way GROUP BY org_id),
         due AS (
             SELECT s.org_id, s.id, s.next_sync_at, coalesce(b.syncs, 0)
                 + row_number() OVER (PARTITION BY s.org_id ORDER BY s.next_sync_at, s.id) AS place
             FROM sources s LEFT JOIN busy b ON b.org_id = s.org_id
             WHERE s.next_sync_at <= ?1 AND s.status <> 'syncing'
             AND s.id NOT IN (SELECT source_id FROM under_way))
         SELECT d.org_id, o.uuid, o.created_at, o.plan, d.id FROM due d JOIN organizations o ON o.id = d.org_id
         WHERE d.place <= ?5 ORDER BY d.place, d.next_sync_at, d.id LIMIT ?3",
    )?;
    let params = rusqlite::params![now, running.since, most.all, running.boot, most.of_one];
    let rows = statement.query_map(params, |row| {
        let on = (row.get("created_at")?, row.get("plan")?);
        Ok(Due { org: row.get(0)?, org_uuid: uuid(row, "uuid")?, on, source: row.get("id")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
