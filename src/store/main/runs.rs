//! Runs of reports: durable, leased by the server's boot id, no clocks.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use super::{idempotency, reports};
use crate::domain::error::Result;
use crate::domain::id::{IdRef, KeyId, OrgId, ReportId, Run as RunKind, RunId, UserId};
use crate::domain::report::{ReportFormat, Run, RunFilter, RunStatus};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.org_id, t.report_id, r.uuid AS report_uuid, t.user_id, t.status, t.format,
    t.credits, t.reserved, t.error_code, t.error_message, t.file_bytes, t.created_at, t.started_at, t.finished_at
    FROM runs t JOIN reports r ON r.id = t.report_id";
/// Runs have no names; an order by name is that of their ids.
const VIEW: View = View { select: SELECT, table: "runs", name: "''" };

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let code: Option<String> = row.get("error_code")?;
    let message: Option<String> = row.get("error_message")?;
    let bytes: Option<i64> = row.get("file_bytes")?;
    Ok(Run {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        report: (row.get("report_id")?, uuid(row, "report_uuid")?),
        status: parsed(row, "status", RunStatus::parse)?,
        format: parsed(row, "format", ReportFormat::parse)?,
        requested_by: row.get("user_id")?,
        credits: row.get("credits")?,
        reserved: row.get("reserved")?,
        error: code.zip(message),
        file_bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

/// One run of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<RunKind>) -> Result<Option<Run>, StoreError> {
    db.find_in_org(SELECT, org.raw(), id, read)
}

/// The runs of a report.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    report: ReportId,
    filter: &RunFilter,
    slice: &Slice,
) -> Result<Vec<Run>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(report, filter), slice, read)
}

/// How many runs of a report.
pub fn count(db: &Reader<'_, Main>, org: OrgId, report: ReportId, filter: &RunFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(report, filter))
}

fn conditions(report: ReportId, filter: &RunFilter) -> Conditions {
    Conditions::default()
        .with("t.report_id = ?", Some(report.raw()))
        .times(&filter.times)
        .with("t.status = ?", filter.status.map(|status| status.as_str().to_owned()))
        .with("t.format = ?", filter.format.map(|format| format.as_str().to_owned()))
}

/// The newest run of a report.
pub fn latest(db: &Reader<'_, Main>, org: OrgId, report: ReportId) -> Result<Option<Run>, StoreError> {
    one(db, org, report, "1")
}

/// The newest run of a report that has a file.
pub fn latest_file(db: &Reader<'_, Main>, org: OrgId, report: ReportId) -> Result<Option<Run>, StoreError> {
    one(db, org, report, "t.status = 'succeeded'")
}

fn one(db: &Reader<'_, Main>, org: OrgId, report: ReportId, condition: &str) -> Result<Option<Run>, StoreError> {
    let mut statement = db.prepare(&format!(
        "{SELECT} WHERE t.org_id = ?1 AND t.report_id = ?2 AND {condition} ORDER BY t.id DESC LIMIT 1"
    ))?;
    Ok(statement.query_row(rusqlite::params![org, report], read).optional()?)
}

/// The uuids of a report's runs: the directories that go with it.
pub fn uuids(db: &Reader<'_, Main>, org: OrgId, report: ReportId) -> Result<Vec<Uuid>, StoreError> {
    let mut statement = db.prepare("SELECT uuid FROM runs WHERE org_id = ?1 AND report_id = ?2")?;
    let rows = statement.query_map(rusqlite::params![org, report], |row| uuid(row, "uuid"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A run about to be queued.
#[derive(Debug)]
pub struct NewRun {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its report.
    pub report: ReportId,
    /// The format of its file.
    pub format: ReportFormat,
    /// Who asked.
    pub user: UserId,
    /// With which key.
    pub key: Option<KeyId>,
    /// Credits reserved for it.
    pub reserved: i64,
}

/// Queues a run.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &NewRun, now: Timestamp) -> Result<RunId, StoreError> {
    tx.prepare(
        "INSERT INTO runs (uuid, org_id, report_id, user_id, key_id, status, format, reserved, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8)",
    )?
    .execute(rusqlite::params![
        UuidBytes(new.uuid),
        org,
        new.report,
        new.user,
        new.key,
        new.format.as_str(),
        new.reserved,
        now
    ])?;
    let id = RunId::new(tx.last_id());
    reports::touch(tx, org, new.report)?;
    Ok(id)
}

/// A queued run, taken by this server.
#[derive(Debug)]
pub struct Leased {
    /// Whose.
    pub org: OrgId,
    /// The run.
    pub run: Run,
}

/// For whom a run is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Whoever has one.
    Anyone,
    /// Those of whom none runs.
    Guest,
}

/// Takes the oldest queued run of the organisation of which the fewest run; of equals they take turns, which go on behind
/// `last`, however many runs of one are queued.
pub fn lease(
    tx: &Tx<'_>,
    (turn, last): (Turn, OrgId),
    boot: &str,
    now: Timestamp,
) -> Result<Option<Leased>, StoreError> {
    let most = if turn == Turn::Guest { 0 } else { i64::MAX };
    let taken: Option<(RunId, OrgId)> = tx
        .prepare(
            "UPDATE runs SET status = 'running', boot = ?1, attempt = attempt + 1, started_at = ?2
             WHERE id = (
                 SELECT min(id) FILTER (WHERE status = 'queued') AS oldest FROM runs
                 WHERE status IN ('queued', 'running') GROUP BY org_id
                 HAVING oldest IS NOT NULL AND count(*) FILTER (WHERE status = 'running') <= ?4
                 ORDER BY count(*) FILTER (WHERE status = 'running'), org_id <= ?3, org_id LIMIT 1)
             RETURNING id, org_id",
        )?
        .query_row(rusqlite::params![boot, now, last, most], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, org)) = taken else { return Ok(None) };
    Ok(find(tx, org, &IdRef::Number(id))?.map(|run| Leased { org, run }))
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With a file of this length.
    File(u64),
    /// Without one: code and sentence.
    Failed(String, String),
}

/// Ends a run; one that was deleted meanwhile is left alone. The request that began a run which fails may be sent again.
pub fn finish(
    tx: &Tx<'_>,
    org: OrgId,
    id: RunId,
    ending: &Ending,
    credits: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (status, bytes, code, message) = match ending {
        Ending::File(bytes) => ("succeeded", Some(i64::try_from(*bytes).unwrap_or(i64::MAX)), None, None),
        Ending::Failed(code, message) => ("failed", None, Some(code), Some(message)),
    };
    let report: Option<ReportId> = tx
        .prepare(
            "UPDATE runs SET status = ?3, file_bytes = ?4, error_code = ?5, error_message = ?6, credits = ?7,
                 finished_at = ?8, boot = NULL WHERE org_id = ?1 AND id = ?2 RETURNING report_id",
        )?
        .query_row(rusqlite::params![org, id, status, bytes, code, message, credits, now], |row| row.get(0))
        .optional()?;
    if matches!(ending, Ending::Failed(..)) {
        idempotency::free_run(tx, org, id)?;
    }
    match report {
        Some(report) => reports::touch(tx, org, report),
        None => Ok(()),
    }
}

/// The most attempts of a run: the third death of the server over it is taken as its fault.
pub const ATTEMPTS: i64 = 3;

/// Queues again what an earlier run of the server left running; gives those that were tried too often.
pub fn requeue(tx: &Tx<'_>, boot: Option<&str>) -> Result<Vec<(OrgId, RunId)>, StoreError> {
    let condition = "status = 'running' AND (?1 IS NULL OR boot <> ?1)";
    let spent: Vec<(OrgId, RunId)> = tx
        .prepare(&format!("SELECT org_id, id FROM runs WHERE {condition} AND attempt >= {ATTEMPTS}"))?
        .query_map([boot], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    tx.prepare(&format!("UPDATE runs SET status = 'queued', boot = NULL WHERE {condition} AND attempt < {ATTEMPTS}"))?
        .execute([boot])?;
    Ok(spent)
}
