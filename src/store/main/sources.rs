//! Data sources. Their data are files; a row points at the extract that is queried.

use rusqlite::Row;
use uuid::Uuid;

use super::syncs::{self, Runs};
use crate::domain::code::Code;
use crate::domain::connection::{Connection, Kind, Mode};
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardId, IdRef, OrgId, ReportId, Source as SourceKind, SourceId, SyncId};
use crate::domain::import::ImportOptions;
use crate::domain::schedule::Schedule;
use crate::domain::source::{Source, SourceFilter, SourceStatus, SourceTable};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, is_duplicate, json, optional_json, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.name, t.slug, t.kind, t.mode, t.status, t.error, t.connection,
    t.secret IS NOT NULL AS has_secret, t.state, t.schedule, t.time_zone, t.next_sync_at, t.paused, t.extract, t.tables, t.options,
    t.last_synced_at, t.created_at, t.updated_at, t.version, y.id AS sync_id, y.source_id AS sync_source,
    y.\"trigger\" AS sync_trigger, y.status AS sync_status, y.attempt AS sync_attempt, y.unchanged AS sync_unchanged,
    y.\"rows\" AS sync_rows, y.bytes AS sync_bytes, y.code AS sync_code, y.reason AS sync_reason,
    y.created_at AS sync_started_at, y.finished_at AS sync_finished_at,
    (SELECT json_group_array(json_object('table', c.\"table\", 'column', c.\"column\", 'name', c.name,
        'description', c.description, 'hidden', json(iif(c.hidden, 'true', 'false'))) ORDER BY c.id)
        FROM catalog c WHERE c.source_id = t.id) AS words
    FROM sources t LEFT JOIN syncs y ON y.id = (SELECT max(id) FROM syncs WHERE source_id = t.id)";
const VIEW: View = View { select: SELECT, table: "sources", name: "t.name" };

fn read(row: &Row<'_>) -> rusqlite::Result<Source> {
    let kind = parsed(row, "kind", Kind::parse)?;
    let connection = optional_json(row, "connection")?.map(|fields| stored(kind, fields)).transpose()?;
    let zone: Option<String> = row.get("time_zone")?;
    let schedule: Option<String> = row.get("schedule")?;
    let synced: Option<SyncId> = row.get("sync_id")?;
    Ok(Source {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        name: row.get("name")?,
        slug: row.get("slug")?,
        kind,
        mode: parsed(row, "mode", Mode::parse)?,
        connection,
        has_secret: row.get("has_secret")?,
        state: row.get("state")?,
        schedule: schedule.zip(zone).and_then(|(cron, zone)| Schedule::stored(cron, &zone)),
        next_sync_at: row.get("next_sync_at")?,
        paused: row.get::<_, Option<String>>("paused")?.and_then(|code| Code::parse(&code)),
        status: parsed(row, "status", SourceStatus::parse)?,
        error: row.get("error")?,
        extract: row.get::<_, Option<UuidBytes>>("extract")?.map(|uuid| uuid.0),
        tables: json(row, "tables")?,
        words: json(row, "words")?,
        options: json(row, "options")?,
        last_synced_at: row.get("last_synced_at")?,
        last_sync: synced.map(|_| syncs::read(row)).transpose()?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        version: row.get("version")?,
    })
}

fn stored(kind: Kind, fields: serde_json::Value) -> rusqlite::Result<Connection> {
    Connection::read(kind, fields).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(corrupt(&error))))
}

fn corrupt(error: &Error) -> StoreError {
    StoreError::Corrupt(format!("`connection`: {error}"))
}

/// A source about to be made.
#[derive(Debug)]
pub struct NewSource<'s> {
    /// Its uuid.
    pub uuid: Uuid,
    /// What people call it.
    pub name: &'s str,
    /// Its schema in SQL.
    pub slug: &'s str,
    /// How queries reach its data.
    pub mode: Mode,
    /// Where its data is; none of files.
    pub connection: Option<&'s Connection>,
}

/// Makes a source that waits for its data; a slug that is taken is a conflict.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &NewSource<'_>, boot: &str, now: Timestamp) -> Result<SourceId> {
    let NewSource { uuid, name, slug, mode, connection } = new;
    let kind = connection.map_or(Kind::File, Connection::kind);
    let fields = connection.map(|connection| connection.fields().to_string());
    let inserted = tx
        .prepare(
            "INSERT INTO sources
                 (uuid, org_id, name, slug, kind, connection, status, boot, created_at, updated_at, mode)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'syncing', ?7, ?8, ?8, ?9)",
        )?
        .execute(rusqlite::params![UuidBytes(*uuid), org, name, slug, kind.as_str(), fields, boot, now, mode.as_str()]);
    match inserted {
        Ok(_) => Ok(SourceId::new(tx.last_id())),
        Err(error) if is_duplicate(&error) => Err(Error::Conflict(format!(
            "There is a data source with the SQL name `{slug}` already; choose another name."
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Waits for a source's data again.
pub fn restart(tx: &Tx<'_>, org: OrgId, id: SourceId, boot: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE sources SET status = 'syncing', error = NULL, boot = ?3, updated_at = ?4, version = version + 1
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, boot, now])?;
    Ok(())
}

/// A new extract, with what came along.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its directory.
    pub extract: Uuid,
    /// Its tables.
    pub tables: &'a [SourceTable],
    /// What the connector wants to know the next time, as JSON.
    pub state: Option<&'a str>,
}

/// Points a source at a new extract: the commit is the swap. Tables that do not say when they came came now.
pub fn swap(tx: &Tx<'_>, org: OrgId, id: SourceId, new: &Arrival<'_>, now: Timestamp) -> Result<()> {
    let stamped = |table: &SourceTable| SourceTable { loaded_at: table.loaded_at.or(Some(now)), ..table.clone() };
    let tables: Vec<SourceTable> = new.tables.iter().map(stamped).collect();
    let tables = serde_json::to_string(&tables).map_err(Error::internal)?;
    tx.prepare(
        "UPDATE sources SET extract = ?3, tables = ?4, state = ?5, status = 'active', error = NULL, boot = NULL,
             last_synced_at = ?6, updated_at = ?6, version = version + 1 WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, UuidBytes(new.extract), tables, new.state, now])?;
    Ok(())
}

/// Keeps which tables a live source has.
pub fn describe(tx: &Tx<'_>, org: OrgId, id: SourceId, tables: &[SourceTable], now: Timestamp) -> Result<()> {
    let tables = serde_json::to_string(tables).map_err(Error::internal)?;
    tx.prepare(
        "UPDATE sources SET tables = ?3, status = 'active', error = NULL, boot = NULL, last_synced_at = ?4,
             updated_at = ?4, version = version + 1 WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, tables, now])?;
    Ok(())
}

/// Notes that a source was looked at and has the data that is here.
pub fn confirm(tx: &Tx<'_>, org: OrgId, id: SourceId, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE sources SET last_synced_at = ?3, version = version + 1 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id, now])?;
    Ok(())
}

/// Notes that a source's data did not come: one that has data keeps it and stays as it is.
pub fn fail(tx: &Tx<'_>, org: OrgId, id: SourceId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE sources SET status = 'error', error = ?3, boot = NULL, updated_at = ?4, version = version + 1
         WHERE org_id = ?1 AND id = ?2 AND extract IS NULL AND last_synced_at IS NULL",
    )?
    .execute(rusqlite::params![org, id, reason, now])?;
    Ok(())
}

/// Keeps how the files of a source are read.
pub fn keep_options(tx: &Tx<'_>, org: OrgId, id: SourceId, options: &ImportOptions) -> Result<()> {
    let options = serde_json::to_string(options).map_err(Error::internal)?;
    tx.prepare("UPDATE sources SET options = ?3 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id, options])?;
    Ok(())
}

/// Changes what people call a source.
pub fn rename(tx: &Tx<'_>, org: OrgId, id: SourceId, name: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE sources SET name = ?3, updated_at = ?4, version = version + 1 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id, name, now])?;
    Ok(())
}

/// The dashboards and reports that refer to a source, as `dashboard d_2a (Sales)`, the oldest first.
pub fn referrers(db: &Reader<'_, Main>, org: OrgId, id: SourceId) -> Result<Vec<String>, StoreError> {
    let dashboards = names(
        db,
        "SELECT DISTINCT d.id, d.name FROM widgets w JOIN dashboards d ON d.id = w.dashboard_id
         WHERE w.org_id = ?1 AND w.source_id = ?2 ORDER BY d.id",
        (org, id),
        |id| DashboardId::new(id).prefixed(),
    )?;
    let reports = names(
        db,
        "SELECT r.id, r.name FROM report_sources s JOIN reports r ON r.id = s.report_id
         WHERE r.org_id = ?1 AND s.source_id = ?2 ORDER BY r.id",
        (org, id),
        |id| ReportId::new(id).prefixed(),
    )?;
    let dashboards = dashboards.into_iter().map(|text| format!("dashboard {text}"));
    Ok(dashboards.chain(reports.into_iter().map(|text| format!("report {text}"))).collect())
}

fn names(
    db: &Reader<'_, Main>,
    sql: &str,
    of: (OrgId, SourceId),
    spelled: fn(i64) -> String,
) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map(of, |row| Ok(format!("{} ({})", spelled(row.get(0)?), row.get::<_, String>(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes away a source: one whose file could not be read leaves nothing.
pub fn delete(tx: &Tx<'_>, org: OrgId, id: SourceId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM sources WHERE org_id = ?1 AND id = ?2")?.execute(rusqlite::params![org, id])?;
    Ok(())
}

/// Fails the sources whose first data was read by processes that are no more.
pub fn repair(tx: &Tx<'_>, runs: Runs<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let (condition, boot) = runs.condition();
    Ok(tx
        .prepare(&format!(
            "UPDATE sources SET status = CASE WHEN extract IS NULL THEN 'error' ELSE 'active' END, boot = NULL,
                 error = CASE WHEN kind = 'file' AND connection IS NULL THEN '{whoever} stopped while the data was read; upload it again.'
                     ELSE '{whoever} stopped while the data was read; sync it again.' END, updated_at = ?2,
                 version = version + 1 WHERE status = 'syncing' AND {condition}",
            whoever = runs.whoever(),
        ))?
        .execute(rusqlite::params![boot, now])?)
}

/// One source of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<SourceKind>) -> Result<Option<Source>, StoreError> {
    db.find_in_org(SELECT, org.raw(), id, read)
}

/// The source of this slug.
pub fn find_by_slug(db: &Reader<'_, Main>, org: OrgId, slug: &str) -> Result<Option<Source>, StoreError> {
    let mut statement = db.prepare(&format!("{SELECT} WHERE t.org_id = ?1 AND t.slug = ?2"))?;
    let mut rows = statement.query(rusqlite::params![org, slug])?;
    Ok(rows.next()?.map(read).transpose()?)
}

/// Sources.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    filter: &SourceFilter,
    slice: &Slice,
) -> Result<Vec<Source>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)
}

/// How many sources.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &SourceFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter))
}

/// Bytes of the extracts that the sources point at, but for one source.
pub fn kept_bytes(db: &Reader<'_, Main>, org: OrgId, except: Option<SourceId>) -> Result<u64, StoreError> {
    let mut statement = db.prepare(
        "SELECT coalesce(sum(x.value ->> 'bytes'), 0) FROM sources s, json_each(s.tables) x
         WHERE s.org_id = ?1 AND s.id IS NOT ?2",
    )?;
    Ok(statement.query_row((org, except), |row| row.get(0))?)
}

fn conditions(filter: &SourceFilter) -> Conditions {
    Conditions::default()
        .times(&filter.times)
        .text("has_text(t.name, ?)", filter.q.as_ref())
        .with("t.status = ?", filter.status.map(|status| status.as_str().to_owned()))
        .with("t.kind = ?", filter.kind.map(|kind| kind.as_str().to_owned()))
        .with("t.mode = ?", filter.mode.map(|mode| mode.as_str().to_owned()))
}

/// Every extract that a source points at, with the source's directory: what may not be collected.
pub fn extracts(db: &Reader<'_, Main>) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
    let mut statement = db.prepare("SELECT uuid, extract FROM sources WHERE extract IS NOT NULL")?;
    let rows = statement.query_map([], |row| Ok((uuid(row, "uuid")?, uuid(row, "extract")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
