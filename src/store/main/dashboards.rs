//! Dashboards with their widgets and the results of the last refresh.

use rusqlite::Row;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::dashboard::{Dashboard, DashboardFilter, Position, SourceRef, Widget, WidgetError};
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardId, DashboardKind, IdRef, OrgId, SourceId, Widget as WidgetKindOf, WidgetId};
use crate::domain::time::Timestamp;
use crate::domain::widget::{Format, WidgetKind};
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, json, optional_json, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.name, t.description, t.refreshed_at, t.created_at, t.updated_at, t.version
    FROM dashboards t";
pub(in crate::store) const VIEW: View = View { select: SELECT, table: "dashboards", name: "t.name" };
const WIDGETS: &str = "SELECT t.id, t.uuid, t.kind, t.title, t.source_id, s.uuid AS source_uuid, t.sql, t.target,
    t.format, t.position, t.data, t.svg, t.error FROM widgets t LEFT JOIN sources s ON s.id = t.source_id";

/// By position, in the order of `SELECT`: lists of dashboards are what clients ask for most.
fn read(row: &Row<'_>) -> rusqlite::Result<Dashboard> {
    Ok(Dashboard {
        id: row.get(0)?,
        uuid: row.get::<_, UuidBytes>(1)?.0,
        name: row.get(2)?,
        description: row.get(3)?,
        refreshed_at: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        version: row.get(7)?,
        widgets: Vec::new(),
    })
}

fn read_widget(row: &Row<'_>) -> rusqlite::Result<Widget> {
    let source: Option<SourceId> = row.get("source_id")?;
    let source_uuid = row.get::<_, Option<UuidBytes>>("source_uuid")?;
    Ok(Widget {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        kind: parsed(row, "kind", WidgetKind::parse)?,
        title: row.get("title")?,
        source: source.zip(source_uuid).map(|(id, uuid)| SourceRef { id, uuid: uuid.0 }),
        sql: row.get("sql")?,
        target: row.get("target")?,
        format: json::<Format>(row, "format")?,
        position: optional_json::<Position>(row, "position")?,
        data: row.get::<_, Option<String>>("data")?.and_then(|text| RawValue::from_string(text).ok()),
        svg: row.get("svg")?,
        error: optional_json::<WidgetError>(row, "error")?,
    })
}

/// One dashboard of the organisation, with its widgets.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<DashboardKind>) -> Result<Option<Dashboard>, StoreError> {
    let Some(mut dashboard) = db.find_in_org(SELECT, org.raw(), id, read)? else { return Ok(None) };
    dashboard.widgets = widgets(db, org, dashboard.id)?;
    Ok(Some(dashboard))
}

/// The widgets of a dashboard, in their order.
pub fn widgets(db: &Reader<'_, Main>, org: OrgId, dashboard: DashboardId) -> Result<Vec<Widget>, StoreError> {
    let mut statement =
        db.prepare(&format!("{WIDGETS} WHERE t.org_id = ?1 AND t.dashboard_id = ?2 ORDER BY t.place, t.id"))?;
    let rows = statement.query_map(rusqlite::params![org, dashboard], read_widget)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Dashboards without their widgets.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    filter: &DashboardFilter,
    slice: &Slice,
) -> Result<Vec<Dashboard>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)
}

/// How many dashboards.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &DashboardFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter))
}

fn conditions(filter: &DashboardFilter) -> Conditions {
    Conditions::default().times(&filter.times).text("has_text(t.name, ?)", filter.q.as_ref())
}

/// A widget about to be stored.
#[derive(Debug, Clone)]
pub struct StoredWidget {
    /// The uuid of a new one.
    pub uuid: Uuid,
    /// What it shows.
    pub kind: WidgetKind,
    /// Its title.
    pub title: String,
    /// Its source.
    pub source: SourceId,
    /// Its query.
    pub sql: String,
    /// A KPI's target.
    pub target: Option<f64>,
    /// How its numbers are written.
    pub format: Format,
    /// Where it stands.
    pub position: Option<Position>,
}

/// Makes a dashboard without widgets.
pub fn create(
    tx: &Tx<'_>,
    org: OrgId,
    uuid: Uuid,
    name: &str,
    description: &str,
    now: Timestamp,
) -> Result<DashboardId, StoreError> {
    tx.prepare(
        "INSERT INTO dashboards (uuid, org_id, name, description, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
    )?
    .execute(rusqlite::params![UuidBytes(uuid), org, name, description, now])?;
    Ok(DashboardId::new(tx.last_id()))
}

/// Changes name and description.
pub fn update(
    tx: &Tx<'_>,
    org: OrgId,
    id: DashboardId,
    name: &str,
    description: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE dashboards SET name = ?3, description = ?4, updated_at = ?5, version = version + 1
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, id, name, description, now])?;
    Ok(())
}

/// Adds a widget at a place.
pub fn add_widget(
    tx: &Tx<'_>,
    org: OrgId,
    dashboard: DashboardId,
    place: usize,
    widget: &StoredWidget,
) -> Result<WidgetId> {
    tx.prepare(
        "INSERT INTO widgets (uuid, org_id, dashboard_id, place, kind, title, source_id, sql, target, format, position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(rusqlite::params![
        UuidBytes(widget.uuid),
        org,
        dashboard,
        place,
        widget.kind.as_str(),
        widget.title,
        widget.source,
        widget.sql,
        widget.target,
        text(&widget.format)?,
        widget.position.as_ref().map(text).transpose()?,
    ])?;
    Ok(WidgetId::new(tx.last_id()))
}

/// Whether a replaced widget's last result still answers its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastResult {
    /// It does.
    Keeps,
    /// It is forgotten.
    Forgets,
}

/// Replaces a widget in its row.
pub fn replace_widget(
    tx: &Tx<'_>,
    org: OrgId,
    id: WidgetId,
    place: usize,
    widget: &StoredWidget,
    result: LastResult,
) -> Result<()> {
    tx.prepare(
        "UPDATE widgets SET place = ?3, kind = ?4, title = ?5, source_id = ?6, sql = ?7, target = ?8, format = ?9,
             position = ?10, data = CASE WHEN ?11 THEN data END, svg = CASE WHEN ?11 THEN svg END,
             error = CASE WHEN ?11 THEN error END WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![
        org,
        id,
        place,
        widget.kind.as_str(),
        widget.title,
        widget.source,
        widget.sql,
        widget.target,
        text(&widget.format)?,
        widget.position.as_ref().map(text).transpose()?,
        result == LastResult::Keeps,
    ])?;
    Ok(())
}

/// Takes a widget away.
pub fn remove_widget(tx: &Tx<'_>, org: OrgId, id: WidgetId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM widgets WHERE org_id = ?1 AND id = ?2")?.execute(rusqlite::params![org, id])?;
    Ok(())
}

/// Takes a dashboard away, with its widgets.
pub fn delete(tx: &Tx<'_>, org: OrgId, id: DashboardId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM dashboards WHERE org_id = ?1 AND id = ?2")?.execute(rusqlite::params![org, id])?;
    Ok(())
}

/// What a refresh stores for a widget.
#[derive(Debug, Clone)]
pub enum Refreshed {
    /// Its data as JSON, and a chart's drawing.
    Data(String, Option<String>),
    /// Why there is none; the last data stays beside it.
    Failed(WidgetError),
}

/// Stores the results of a refresh. A widget that was removed or rewritten meanwhile takes none.
pub fn store_results(
    tx: &Tx<'_>,
    org: OrgId,
    id: DashboardId,
    results: &[(WidgetId, String, Refreshed)],
    now: Timestamp,
) -> Result<()> {
    for (widget, sql, result) in results {
        match result {
            Refreshed::Data(data, svg) => tx
                .prepare(
                    "UPDATE widgets SET data = ?4, svg = ?5, error = NULL
                     WHERE org_id = ?1 AND dashboard_id = ?2 AND id = ?3 AND sql = ?6",
                )?
                .execute(rusqlite::params![org, id, widget, data, svg, sql])?,
            Refreshed::Failed(error) => tx
                .prepare(
                    "UPDATE widgets SET error = ?4 WHERE org_id = ?1 AND dashboard_id = ?2 AND id = ?3 AND sql = ?5",
                )?
                .execute(rusqlite::params![org, id, widget, text(error)?, sql])?,
        };
    }
    tx.prepare("UPDATE dashboards SET refreshed_at = ?3, version = version + 1 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, id, now])?;
    Ok(())
}

/// One widget of a dashboard.
pub fn find_widget(
    db: &Reader<'_, Main>,
    org: OrgId,
    dashboard: DashboardId,
    id: &IdRef<WidgetKindOf>,
) -> Result<Option<Widget>, StoreError> {
    Ok(widgets(db, org, dashboard)?.into_iter().find(|widget| match id {
        IdRef::Number(id) => widget.id == *id,
        IdRef::Uuid(uuid) => widget.uuid == *uuid,
        IdRef::Unknown => false,
    }))
}

fn text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
