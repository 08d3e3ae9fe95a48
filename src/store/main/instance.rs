//! What belongs to no organisation: the organisations themselves, and what the operator sees.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use crate::domain::error::Result;
use crate::domain::id::OrgId;
use crate::domain::org::{Org, OrgKind};
use crate::domain::time::Timestamp;
use crate::store::row::{UuidBytes, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT id, uuid, name, kind, plan, parent_id, created_at, updated_at FROM organizations";

fn read(row: &Row<'_>) -> rusqlite::Result<Org> {
    Ok(Org {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        name: row.get("name")?,
        kind: parsed(row, "kind", OrgKind::parse)?,
        plan: row.get("plan")?,
        parent: row.get("parent_id")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// All organisations, oldest first.
pub fn orgs(db: &Reader<'_, Main>) -> Result<Vec<Org>, StoreError> {
    let mut statement = db.prepare(&format!("{SELECT} ORDER BY id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether there is any organisation.
pub fn has_org(db: &Reader<'_, Main>) -> Result<bool, StoreError> {
    Ok(db.prepare("SELECT EXISTS (SELECT 1 FROM organizations)")?.query_row([], |row| row.get(0))?)
}

/// One organisation.
pub fn org(db: &Reader<'_, Main>, id: OrgId) -> Result<Option<Org>, StoreError> {
    Ok(db.prepare(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], read).optional()?)
}

/// The sandbox of an organisation.
pub fn sandbox(db: &Reader<'_, Main>, parent: OrgId) -> Result<Option<Org>, StoreError> {
    Ok(db.prepare(&format!("{SELECT} WHERE parent_id = ?1"))?.query_row([parent], read).optional()?)
}

/// An organisation about to be made.
#[derive(Debug)]
pub struct NewOrg<'a> {
    /// Its uuid.
    pub uuid: Uuid,
    /// Checked.
    pub name: &'a str,
    /// Live or sandbox.
    pub kind: OrgKind,
    /// One of the configuration's.
    pub plan: &'a str,
    /// The organisation whose sandbox it is, if it is one's.
    pub parent: Option<OrgId>,
}

/// Makes an organisation.
pub fn create_org(tx: &Tx<'_>, new: &NewOrg<'_>, now: Timestamp) -> Result<OrgId, StoreError> {
    tx.prepare(
        "INSERT INTO organizations (uuid, name, kind, plan, parent_id, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    )?
    .execute(rusqlite::params![UuidBytes(new.uuid), new.name, new.kind.as_str(), new.plan, new.parent, now])?;
    Ok(OrgId::new(tx.last_id()))
}

/// Renames an organisation.
pub fn set_name(tx: &Tx<'_>, org: OrgId, name: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE organizations SET name = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(rusqlite::params![org, name, now])?;
    Ok(())
}

/// Sets the plan of an organisation.
pub fn set_plan(tx: &Tx<'_>, org: OrgId, plan: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE organizations SET plan = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(rusqlite::params![org, plan, now])?;
    Ok(())
}
