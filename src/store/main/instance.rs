//! What belongs to no organisation: the organisations themselves, and what the operator sees.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use crate::domain::error::Result;
use crate::domain::id::OrgId;
use crate::domain::org::{Org, OrgKind};
use crate::domain::time::Timestamp;
use crate::store::row::{UuidBytes, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT id, uuid, name, kind, plan, created_at, updated_at FROM organizations";

fn read(row: &Row<'_>) -> rusqlite::Result<Org> {
    Ok(Org {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        name: row.get("name")?,
        kind: parsed(row, "kind", OrgKind::parse)?,
        plan: row.get("plan")?,
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

/// Makes an organisation.
pub fn create_org(
    tx: &Tx<'_>,
    uuid: Uuid,
    name: &str,
    kind: OrgKind,
    plan: &str,
    now: Timestamp,
) -> Result<OrgId, StoreError> {
    tx.prepare(
        "INSERT INTO organizations (uuid, name, kind, plan, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
    )?
    .execute(rusqlite::params![UuidBytes(uuid), name, kind.as_str(), plan, now])?;
    Ok(OrgId::new(tx.last_id()))
}
