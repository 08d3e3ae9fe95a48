//! Saved queries.

use rusqlite::Row;
use uuid::Uuid;

use crate::domain::dashboard::SourceRef;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, SavedQueryId, SavedQueryKind, SourceId};
use crate::domain::saved_query::{Body, Parameter, SavedQuery, SavedQueryFilter};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, json, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.name, t.description, t.source_id, t.source_uuid, t.sql, t.parts,
    t.row_limit, t.parameters, t.created_at, t.updated_at FROM saved_queries t";
pub(in crate::store) const VIEW: View = View { select: SELECT, table: "saved_queries", name: "t.name" };

fn read(row: &Row<'_>) -> rusqlite::Result<SavedQuery> {
    let source: Option<SourceId> = row.get("source_id")?;
    let source_uuid = row.get::<_, Option<UuidBytes>>("source_uuid")?;
    Ok(SavedQuery {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        name: row.get("name")?,
        description: row.get("description")?,
        source: source.zip(source_uuid).map(|(id, uuid)| SourceRef { id, uuid: uuid.0 }),
        body: match row.get("sql")? {
            Some(sql) => Body::Sql(sql),
            None => Body::Parts(json(row, "parts")?),
        },
        limit: row.get::<_, Option<i64>>("row_limit")?.map(i64::unsigned_abs),
        parameters: json(row, "parameters")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// One saved query of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<SavedQueryKind>) -> Result<Option<SavedQuery>, StoreError> {
    db.find_in_org(SELECT, org.raw(), id, read)
}

/// Those of a name, two at most: names need not differ.
pub fn find_by_name(db: &Reader<'_, Main>, org: OrgId, name: &str) -> Result<Vec<SavedQuery>, StoreError> {
    let mut statement = db.prepare(&format!("{SELECT} WHERE t.org_id = ?1 AND t.name = ?2 ORDER BY t.id LIMIT 2"))?;
    let rows = statement.query_map(rusqlite::params![org, name], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Saved queries.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    filter: &SavedQueryFilter,
    slice: &Slice,
) -> Result<Vec<SavedQuery>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)
}

/// How many saved queries.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &SavedQueryFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter))
}

fn conditions(filter: &SavedQueryFilter) -> Conditions {
    Conditions::default().times(&filter.times).text("has_text(t.name, ?)", filter.q.as_ref())
}

/// What a row says beside its ids and times.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its source.
    pub source: Option<SourceRef>,
    /// The query.
    pub body: Body,
    /// Rows at most.
    pub limit: Option<u64>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

impl Definition {
    fn columns(&self) -> Result<(Option<&str>, Option<String>, String)> {
        let (sql, parts) = match &self.body {
            Body::Sql(sql) => (Some(sql.as_str()), None),
            Body::Parts(parts) => (None, Some(text(parts)?)),
        };
        Ok((sql, parts, text(&self.parameters)?))
    }
}

/// Makes a saved query.
pub fn create(tx: &Tx<'_>, org: OrgId, uuid: Uuid, made: &Definition, now: Timestamp) -> Result<SavedQueryId> {
    let (sql, parts, parameters) = made.columns()?;
    tx.prepare(
        "INSERT INTO saved_queries (uuid, org_id, name, description, source_id, source_uuid, sql, parts, row_limit,
             parameters, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
    )?
    .execute(rusqlite::params![
        UuidBytes(uuid),
        org,
        made.name,
        made.description,
        made.source.map(|source| source.id),
        made.source.map(|source| UuidBytes(source.uuid)),
        sql,
        parts,
        made.limit.map(u64::cast_signed),
        parameters,
        now,
    ])?;
    Ok(SavedQueryId::new(tx.last_id()))
}

/// Replaces what a saved query says.
pub fn update(tx: &Tx<'_>, org: OrgId, id: SavedQueryId, made: &Definition, now: Timestamp) -> Result<()> {
    let (sql, parts, parameters) = made.columns()?;
    tx.prepare(
        "UPDATE saved_queries SET name = ?3, description = ?4, source_id = ?5, source_uuid = ?6, sql = ?7, parts = ?8,
             row_limit = ?9, parameters = ?10, updated_at = ?11
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![
        org,
        id,
        made.name,
        made.description,
        made.source.map(|source| source.id),
        made.source.map(|source| UuidBytes(source.uuid)),
        sql,
        parts,
        made.limit.map(u64::cast_signed),
        parameters,
        now,
    ])?;
    Ok(())
}

/// Takes a saved query away.
pub fn delete(tx: &Tx<'_>, org: OrgId, id: SavedQueryId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM saved_queries WHERE org_id = ?1 AND id = ?2")?.execute(rusqlite::params![org, id])?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
