//! API keys as rows. Their text is nowhere; revoked rows stay.

use rusqlite::Row;
use uuid::Uuid;

use super::access::grant;
use crate::domain::access::Grant;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind, KeyId, OrgId, UserId};
use crate::domain::key::{Key, KeyFilter, Owner, Status};
use crate::domain::key_text::Environment;
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, json, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.lineage_id, t.user_id, u.email, t.name, t.public, t.environment, t.scope,
    t.permissions, t.allowlist, t.created_at, t.expires_at, t.revoked_at
    FROM api_keys t JOIN users u ON u.id = t.user_id";
const VIEW: View = View { select: SELECT, table: "api_keys", name: "t.name" };

fn read(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        lineage: row.get("lineage_id")?,
        owner: row.get("user_id")?,
        owner_email: row.get("email")?,
        name: row.get("name")?,
        public: row.get("public")?,
        environment: parsed(row, "environment", |text| {
            Some(if text == "live" { Environment::Live } else { Environment::Test })
        })?,
        grant: grant(row)?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        allowlist: json(row, "allowlist")?,
    })
}

/// A key about to be stored.
#[derive(Debug)]
pub struct NewKey {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its owner.
    pub owner: UserId,
    /// Its name.
    pub name: String,
    /// The eight public characters.
    pub public: String,
    /// Live or test.
    pub environment: Environment,
    /// What it is given.
    pub grant: Grant,
    /// Beside the text in the MAC.
    pub salt: [u8; 16],
    /// HMAC-SHA256 of salt and text.
    pub mac: [u8; 32],
    /// Which pepper.
    pub pepper_id: i64,
    /// Networks it may be used from.
    pub allowlist: Vec<ipnet::IpNet>,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// Stores a key, which begins a lineage.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &NewKey, now: Timestamp) -> Result<KeyId> {
    let permissions = match new.grant {
        Grant::Preset(_) => 0,
        Grant::Listed(permissions) => permissions.bits(),
    };
    let allowlist = serde_json::to_string(&new.allowlist).map_err(Error::internal)?;
    tx.prepare(
        "INSERT INTO api_keys (uuid, org_id, user_id, lineage_id, name, public, environment, scope, permissions, salt,
             mac, pepper_id, allowlist, created_at, expires_at)
         VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(rusqlite::params![
        UuidBytes(new.uuid),
        org,
        new.owner,
        new.name,
        new.public,
        new.environment.as_str(),
        new.grant.scope().map(crate::domain::access::Scope::as_str),
        permissions,
        new.salt,
        new.mac,
        new.pepper_id,
        allowlist,
        now,
        new.expires_at
    ])?;
    let id = tx.last_id();
    tx.prepare("UPDATE api_keys SET lineage_id = id WHERE id = ?1")?.execute([id])?;
    Ok(KeyId::new(id))
}

/// Whose keys.
#[derive(Debug, Clone, Copy, Hash)]
pub enum Whose {
    /// One person's.
    Of(UserId),
    /// The organisation's.
    Everyones,
}

/// One key of the organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<KeyKind>, whose: Whose) -> Result<Option<Key>, StoreError> {
    let found = db.find_in_org(SELECT, org.raw(), id, read)?;
    Ok(found.filter(|key| match whose {
        Whose::Of(user) => key.owner == user,
        Whose::Everyones => true,
    }))
}

/// The key whose public characters these are: for the command line, which knows keys by their prefix.
pub fn find_by_public(db: &Reader<'_, Main>, public: &str) -> Result<Option<(OrgId, Key)>, StoreError> {
    let mut statement =
        db.prepare(&format!("{} WHERE t.public = ?1", SELECT.replacen("SELECT ", "SELECT t.org_id, ", 1)))?;
    let mut rows = statement.query([public])?;
    Ok(rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get("org_id")?, read(row)?))).transpose()?)
}

/// Keys, as they stand at `now`.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    whose: Whose,
    filter: &KeyFilter,
    now: Timestamp,
    slice: &Slice,
) -> Result<Vec<Key>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(whose, filter, now), slice, read)
}

/// How many keys.
pub fn count(
    db: &Reader<'_, Main>,
    org: OrgId,
    whose: Whose,
    filter: &KeyFilter,
    now: Timestamp,
) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(whose, filter, now))
}

fn conditions(whose: Whose, filter: &KeyFilter, now: Timestamp) -> Conditions {
    let conditions = Conditions::default()
        .times(&filter.times)
        .text("has_text(t.name, ?)", filter.q.as_ref())
        .with("t.environment = ?", filter.environment.map(|environment| environment.as_str().to_owned()));
    let conditions = match whose {
        Whose::Of(user) => conditions.with("t.user_id = ?", Some(user.raw())),
        Whose::Everyones => conditions,
    };
    let conditions = match &filter.user {
        None => conditions,
        Some(Owner::Email(email)) => {
            conditions.with("t.user_id = (SELECT o.id FROM users o WHERE o.email = ?)", Some(email.clone()))
        }
        Some(Owner::Id(id)) => {
            conditions.refers("t.user_id = ?", "t.user_id = (SELECT o.id FROM users o WHERE o.uuid = ?)", Some(id))
        }
    };
    // As `Key::status` has it.
    match filter.status {
        None => conditions,
        Some(Status::Revoked) => conditions.when("t.revoked_at IS NOT NULL"),
        Some(Status::Expired) => conditions.when("t.revoked_at IS NULL").with("t.expires_at <= ?", Some(now.millis())),
        Some(Status::Active) => conditions
            .when("t.revoked_at IS NULL")
            .with("(t.expires_at IS NULL OR t.expires_at > ?)", Some(now.millis())),
    }
}

/// Revokes a key; one that is revoked already stays as it is.
pub fn revoke(tx: &Tx<'_>, org: OrgId, id: KeyId, reason: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE api_keys SET revoked_at = ?3, revoke_reason = ?4 WHERE org_id = ?1 AND id = ?2 AND revoked_at IS NULL",
    )?
    .execute(rusqlite::params![org, id, now, reason])?;
    Ok(())
}
