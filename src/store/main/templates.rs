//! Report templates: the built-in ones exist in every organisation.

use rusqlite::Row;
use uuid::Uuid;

use crate::domain::error::Result;
use crate::domain::id::{IdRef, OrgId, Template, TemplateId};
use crate::domain::report::{ReportTemplate, ReportTemplateFilter, TemplateKind};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.name, t.description, t.kind, t.created_at FROM report_templates t";
const VIEW: View = View { select: SELECT, table: "report_templates", name: "t.name" };

fn read(row: &Row<'_>) -> rusqlite::Result<ReportTemplate> {
    Ok(ReportTemplate {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        name: row.get("name")?,
        description: row.get("description")?,
        kind: parsed(row, "kind", TemplateKind::parse)?,
        created_at: row.get("created_at")?,
    })
}

/// Gives an organisation a built-in template.
pub fn create(
    tx: &Tx<'_>,
    org: OrgId,
    uuid: Uuid,
    kind: TemplateKind,
    now: Timestamp,
) -> Result<TemplateId, StoreError> {
    tx.prepare(
        "INSERT INTO report_templates (uuid, org_id, name, description, kind, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(rusqlite::params![UuidBytes(uuid), org, kind.title(), kind.description(), kind.as_str(), now])?;
    Ok(TemplateId::new(tx.last_id()))
}

/// One template of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<Template>) -> Result<Option<ReportTemplate>, StoreError> {
    db.find_in_org(SELECT, org.raw(), id, read)
}

/// Templates.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    filter: &ReportTemplateFilter,
    slice: &Slice,
) -> Result<Vec<ReportTemplate>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)
}

/// How many templates.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &ReportTemplateFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter))
}

fn conditions(filter: &ReportTemplateFilter) -> Conditions {
    Conditions::default()
        .times(&filter.times)
        .text("has_text(t.name, ?)", filter.q.as_ref())
        .with("t.kind = ?", filter.kind.map(|kind| kind.as_str().to_owned()))
}
