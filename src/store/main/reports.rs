//! Reports: what is printed, of what.

use rusqlite::Row;
use uuid::Uuid;

use super::runs;
use crate::domain::error::Result;
use crate::domain::id::{DashboardId, IdRef, OrgId, Report as ReportKind, ReportId, SourceId, TemplateId};
use crate::domain::report::{Report, ReportFilter, ReportFormat, TemplateKind};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.name, t.template_id, p.uuid AS template_uuid, p.kind AS template_kind,
    t.dashboard_id, d.uuid AS dashboard_uuid, t.format, t.created_at, t.updated_at, t.version
    FROM reports t JOIN report_templates p ON p.id = t.template_id LEFT JOIN dashboards d ON d.id = t.dashboard_id";
pub(in crate::store) const VIEW: View = View { select: SELECT, table: "reports", name: "t.name" };

fn read(row: &Row<'_>) -> rusqlite::Result<Report> {
    let dashboard: Option<DashboardId> = row.get("dashboard_id")?;
    let dashboard_uuid = row.get::<_, Option<UuidBytes>>("dashboard_uuid")?;
    Ok(Report {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        name: row.get("name")?,
        template: (
            row.get("template_id")?,
            uuid(row, "template_uuid")?,
            parsed(row, "template_kind", TemplateKind::parse)?,
        ),
        sources: Vec::new(),
        dashboard: dashboard.zip(dashboard_uuid.map(|uuid| uuid.0)),
        format: parsed(row, "format", ReportFormat::parse)?,
        latest_run: None,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        version: row.get("version")?,
    })
}

fn complete(db: &Reader<'_, Main>, org: OrgId, mut report: Report) -> Result<Report, StoreError> {
    report.sources = sources(db, report.id)?;
    report.latest_run = runs::latest(db, org, report.id)?;
    Ok(report)
}

fn sources(db: &Reader<'_, Main>, report: ReportId) -> Result<Vec<(SourceId, Uuid)>, StoreError> {
    let mut statement = db.prepare(
        "SELECT s.id, s.uuid FROM report_sources r JOIN sources s ON s.id = r.source_id
         WHERE r.report_id = ?1 ORDER BY r.place",
    )?;
    let rows = statement.query_map([report], |row| Ok((row.get("id")?, uuid(row, "uuid")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One report of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<ReportKind>) -> Result<Option<Report>, StoreError> {
    db.find_in_org(SELECT, org.raw(), id, read)?.map(|report| complete(db, org, report)).transpose()
}

/// Reports with their newest runs.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    filter: &ReportFilter,
    slice: &Slice,
) -> Result<Vec<Report>, StoreError> {
    let reports = db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)?;
    reports.into_iter().map(|report| complete(db, org, report)).collect()
}

/// How many reports.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &ReportFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter))
}

fn conditions(filter: &ReportFilter) -> Conditions {
    Conditions::default()
        .times(&filter.times)
        .text("has_text(t.name, ?)", filter.q.as_ref())
        .with(
            "(SELECT r.status FROM runs r WHERE r.report_id = t.id ORDER BY r.id DESC LIMIT 1) = ?",
            filter.status.map(|status| status.as_str().to_owned()),
        )
        .refers(
            "t.template_id = ?",
            "t.template_id = (SELECT p.id FROM report_templates p WHERE p.uuid = ?)",
            filter.template.as_ref(),
        )
        .refers(
            "t.dashboard_id = ?",
            "t.dashboard_id = (SELECT d.id FROM dashboards d WHERE d.uuid = ?)",
            filter.dashboard.as_ref(),
        )
}

/// A report about to be stored.
#[derive(Debug)]
pub struct StoredReport {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its template.
    pub template: TemplateId,
    /// Its sources.
    pub sources: Vec<SourceId>,
    /// Its dashboard.
    pub dashboard: Option<DashboardId>,
    /// The format of runs that ask for none.
    pub format: ReportFormat,
}

/// Makes a report.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &StoredReport, now: Timestamp) -> Result<ReportId, StoreError> {
    tx.prepare(
        "INSERT INTO reports (uuid, org_id, name, template_id, dashboard_id, format, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
    )?
    .execute(rusqlite::params![
        UuidBytes(new.uuid),
        org,
        new.name,
        new.template,
        new.dashboard,
        new.format.as_str(),
        now
    ])?;
    let id = ReportId::new(tx.last_id());
    for (place, source) in new.sources.iter().enumerate() {
        tx.prepare("INSERT INTO report_sources (report_id, source_id, place) VALUES (?1, ?2, ?3)")?
            .execute(rusqlite::params![id, source, place])?;
    }
    Ok(id)
}

/// Changes a report's name and format.
pub fn update(
    tx: &Tx<'_>,
    org: OrgId,
    id: ReportId,
    name: &str,
    format: ReportFormat,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE reports SET name = ?3, format = ?4, updated_at = ?5, version = version + 1
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, name, format.as_str(), now])?;
    Ok(())
}

/// Takes a report away, with its runs.
pub fn delete(tx: &Tx<'_>, org: OrgId, id: ReportId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM reports WHERE org_id = ?1 AND id = ?2")?.execute(rusqlite::params![org, id])?;
    Ok(())
}

/// Raises a report's version: a run of it has changed.
pub fn touch(tx: &Tx<'_>, org: OrgId, id: ReportId) -> Result<(), StoreError> {
    tx.prepare("UPDATE reports SET version = version + 1 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id])?;
    Ok(())
}
