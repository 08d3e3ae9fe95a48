//! Who changed what: a row in the transaction of every effect. Never updated, never deleted.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::audit::clip::clip;
use crate::domain::error::Result;
use crate::domain::id::OrgId;
use crate::domain::time::Timestamp;
use crate::store::row::{UuidBytes, optional_json};
use crate::store::{Main, Reader, StoreError, Tx};

/// Through which door a change came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A request.
    Api,
    /// A command.
    Cli,
    /// Work in the background.
    Job,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Job => "job",
        }
    }
}

/// A change about to be written.
#[derive(Debug)]
pub struct NewChange<'a> {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub org: Option<OrgId>,
    /// Through which door.
    pub origin: Origin,
    /// Who: `key_2a`, `u_1`, `operator root`.
    pub actor: &'a str,
    /// The request, for changes through the API.
    pub request: Option<Uuid>,
    /// `<resource>.<verb>`.
    pub action: &'a str,
    /// The object's prefixed id.
    pub object: &'a str,
    /// What it was, without secrets.
    pub before: Option<Value>,
    /// What it is, without secrets.
    pub after: Option<Value>,
}

/// Writes a change and gives its digest, which the call's row in the chain carries. What is long in it is clipped.
pub fn insert(tx: &Tx<'_>, change: &NewChange<'_>) -> Result<[u8; 32], StoreError> {
    let (before, after) = (change.before.as_ref().map(clip), change.after.as_ref().map(clip));
    let id = next_id(tx)?;
    let digest = digest_of(id, change, before.as_deref(), after.as_deref());
    tx.prepare(
        "INSERT INTO changes (id, at, org_id, origin, actor, request, action, object, before, after, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(rusqlite::params![
        id,
        change.at,
        change.org,
        change.origin.as_str(),
        change.actor,
        change.request.map(UuidBytes),
        change.action,
        change.object,
        before,
        after,
        digest
    ])?;
    Ok(digest)
}

/// The number that the table would give next: nobody else writes before this transaction ends.
fn next_id(tx: &Tx<'_>) -> Result<i64, StoreError> {
    let mut statement =
        tx.prepare("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0) + 1")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// SHA-256 over every field, each with its length before it. The row's number is one of them: equal changes within a
/// millisecond are two.
fn digest_of(id: i64, change: &NewChange<'_>, before: Option<&str>, after: Option<&str>) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(256);
    let mut field = |part: &[u8]| {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    };
    field(&id.to_le_bytes());
    field(&change.at.millis().to_le_bytes());
    field(&change.org.map_or(0, OrgId::raw).to_le_bytes());
    field(change.origin.as_str().as_bytes());
    field(change.actor.as_bytes());
    field(change.request.map_or([0; 16], Uuid::into_bytes).as_slice());
    field(change.action.as_bytes());
    field(change.object.as_bytes());
    for text in [before, after] {
        field(&[u8::from(text.is_some())]);
        field(text.unwrap_or_default().as_bytes());
    }
    let mut output = [0; 32];
    output.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    output
}

/// A change as it was written.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its row.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub org: Option<OrgId>,
    /// `api`, `cli` or `job`.
    pub origin: String,
    /// Who.
    pub actor: String,
    /// The request, for changes through the API.
    pub request: Option<Uuid>,
    /// `<resource>.<verb>`.
    pub action: String,
    /// The object's prefixed id.
    pub object: String,
    /// What the chain carries of it.
    pub digest: [u8; 32],
}

/// A change with what it was and is.
#[derive(Debug, Clone)]
pub struct Kept {
    /// `<resource>.<verb>`.
    pub action: String,
    /// The object's prefixed id.
    pub object: String,
    /// Who.
    pub actor: String,
    /// What it was, without secrets.
    pub before: Option<Value>,
    /// What it is, without secrets.
    pub after: Option<Value>,
    /// What the chain carries of it.
    pub digest: [u8; 32],
    /// Bytes that what it was and is take.
    pub bytes: usize,
}

/// The change that the chain carries this digest of.
pub fn find(db: &Reader<'_, Main>, digest: &[u8; 32]) -> Result<Option<Kept>, StoreError> {
    let mut statement =
        db.prepare("SELECT action, object, actor, before, after, digest FROM changes WHERE digest = ?1")?;
    let mut rows = statement.query([digest.as_slice()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let length = |column| row.get_ref(column).ok().and_then(|text| text.as_str().ok().map(str::len)).unwrap_or(0);
    Ok(Some(Kept {
        action: row.get("action")?,
        object: row.get("object")?,
        actor: row.get("actor")?,
        before: optional_json(row, "before")?,
        after: optional_json(row, "after")?,
        digest: row.get("digest")?,
        bytes: length("before") + length("after"),
    }))
}

/// The changes after this row, oldest first.
pub fn after(db: &Reader<'_, Main>, id: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
    let mut statement = db.prepare(
        "SELECT id, at, org_id, origin, actor, request, action, object, digest FROM changes WHERE id > ?1
         ORDER BY id LIMIT ?2",
    )?;
    let rows = statement.query_map(rusqlite::params![id, limit], |row| {
        Ok(Change {
            id: row.get("id")?,
            at: row.get("at")?,
            org: row.get("org_id")?,
            origin: row.get("origin")?,
            actor: row.get("actor")?,
            request: row.get::<_, Option<UuidBytes>>("request")?.map(|uuid| uuid.0),
            action: row.get("action")?,
            object: row.get("object")?,
            digest: row.get("digest")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
