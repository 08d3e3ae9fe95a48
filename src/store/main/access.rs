//! What decides access, in one read: a key or a session with its owner, role, organisation and plan.

use ipnet::IpNet;
use rusqlite::Row;
use uuid::Uuid;

use crate::domain::access::{Grant, Permissions, Role, Scope};
use crate::domain::error::Result;
use crate::domain::id::{KeyId, OrgId, SessionId, UserId};
use crate::domain::org::OrgKind;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::store::row::{json, parsed, uuid};
use crate::store::{Main, Reader, StoreError};

/// Who is behind a credential.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The user.
    pub user: UserId,
    /// The user's uuid.
    pub user_uuid: Uuid,
    /// The user's e-mail.
    pub email: String,
    /// First and last name.
    pub names: (String, String),
    /// The role now.
    pub role: Role,
    /// Whether the user may come in: neither only invited, nor deactivated, nor removed.
    pub active: bool,
    /// The organisation whose member the user is.
    pub home: OrgId,
    /// The organisation that is acted in: that one, or its sandbox.
    pub org: OrgId,
    /// The organisation's uuid.
    pub org_uuid: Uuid,
    /// The organisation's name.
    pub org_name: String,
    /// Live or sandbox.
    pub org_kind: OrgKind,
    /// The name of its plan.
    pub plan: String,
    /// When the organisation was made: a trial counts from there.
    pub org_created_at: Timestamp,
}

/// A key with its holder.
#[derive(Debug, Clone)]
pub struct KeyAccess {
    /// The key's row.
    pub key: KeyId,
    /// The key's uuid.
    pub uuid: Uuid,
    /// Limits and usage count for this.
    pub lineage: i64,
    /// Its name.
    pub name: String,
    /// What it was given.
    pub grant: Grant,
    /// Beside the text in the MAC.
    pub salt: [u8; 16],
    /// HMAC-SHA256 of salt and text.
    pub mac: [u8; 32],
    /// Which pepper.
    pub pepper_id: i64,
    /// Whether it is a `live` key.
    pub live: bool,
    /// From this instant on it is refused: its expiry, or the end of its grace.
    pub expires_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Networks it may be used from.
    pub allowlist: Vec<IpNet>,
    /// Limits of its own.
    pub limits: Limits,
    /// Its owner.
    pub holder: Holder,
}

/// A session with its holder.
#[derive(Debug, Clone)]
pub struct SessionAccess {
    /// The session's row.
    pub session: SessionId,
    /// From this instant on it is refused.
    pub expires_at: Timestamp,
    /// Whether it was ended.
    pub revoked: bool,
    /// Whose it is.
    pub holder: Holder,
}

const HOLDER: &str = "u.id AS user_id, u.uuid AS user_uuid, u.email, u.first_name, u.last_name, u.role,
    u.status = 'active' AS active, u.org_id AS home_id, o.id AS org_id, o.uuid AS org_uuid, o.name AS org_name, o.kind AS org_kind, o.plan, o.created_at AS org_created_at";

fn holder(row: &Row<'_>) -> rusqlite::Result<Holder> {
    Ok(Holder {
        user: row.get("user_id")?,
        user_uuid: uuid(row, "user_uuid")?,
        email: row.get("email")?,
        names: (row.get("first_name")?, row.get("last_name")?),
        role: parsed(row, "role", Role::parse)?,
        active: row.get("active")?,
        home: row.get("home_id")?,
        org: row.get("org_id")?,
        org_uuid: uuid(row, "org_uuid")?,
        org_name: row.get("org_name")?,
        org_kind: parsed(row, "org_kind", OrgKind::parse)?,
        plan: row.get("plan")?,
        org_created_at: row.get("org_created_at")?,
    })
}

/// The key with these eight public characters.
pub fn key(db: &Reader<'_, Main>, public: &str) -> Result<Option<KeyAccess>, StoreError> {
    let mut statement = db.prepare(&format!(
        "SELECT k.id AS key_id, k.uuid, k.lineage_id, k.name, k.scope, k.permissions, k.salt, k.mac, k.pepper_id,
                k.environment, k.revoked_at, k.allowlist, k.limits,
                coalesce(min(k.expires_at, k.grace_until), k.expires_at, k.grace_until) AS ends_at, {HOLDER}
         FROM api_keys k JOIN users u ON u.id = k.user_id JOIN organizations o ON o.id = k.org_id
         WHERE k.public = ?1"
    ))?;
    let mut rows = statement.query([public])?;
    Ok(rows.next()?.map(read_key).transpose()?)
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<KeyAccess> {
    Ok(KeyAccess {
        key: row.get("key_id")?,
        uuid: uuid(row, "uuid")?,
        lineage: row.get("lineage_id")?,
        name: row.get("name")?,
        grant: grant(row)?,
        salt: row.get("salt")?,
        mac: row.get("mac")?,
        pepper_id: row.get("pepper_id")?,
        live: parsed(row, "environment", |text| Some(text == "live"))?,
        expires_at: row.get("ends_at")?,
        revoked: row.get::<_, Option<i64>>("revoked_at")?.is_some(),
        allowlist: json(row, "allowlist")?,
        limits: json(row, "limits")?,
        holder: holder(row)?,
    })
}

/// What a key was given, from its columns `scope` and `permissions`.
pub(super) fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let scope: Option<String> = row.get("scope")?;
    Ok(match scope.as_deref().and_then(Scope::parse) {
        Some(scope) => Grant::Preset(scope),
        None => Grant::Listed(Permissions::from_bits(row.get("permissions")?)),
    })
}

/// The session of this id.
pub fn session(db: &Reader<'_, Main>, session: SessionId) -> Result<Option<SessionAccess>, StoreError> {
    let mut statement = db.prepare(&format!(
        "SELECT s.id AS session_id, s.expires_at, s.revoked_at, {HOLDER}
         FROM sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.acts_in WHERE s.id = ?1"
    ))?;
    let mut rows = statement.query([session])?;
    Ok(rows
        .next()?
        .map(|row| {
            Ok::<_, rusqlite::Error>(SessionAccess {
                session: row.get("session_id")?,
                expires_at: row.get("expires_at")?,
                revoked: row.get::<_, Option<i64>>("revoked_at")?.is_some(),
                holder: holder(row)?,
            })
        })
        .transpose()?)
}

/// The user of this e-mail with the password's hash: for logging in.
pub fn login(db: &Reader<'_, Main>, email: &str) -> Result<Option<(Holder, String)>, StoreError> {
    let mut statement = db.prepare(&format!(
        "SELECT u.password, {HOLDER} FROM users u JOIN organizations o ON o.id = u.org_id WHERE u.email = ?1"
    ))?;
    let mut rows = statement.query([email])?;
    Ok(rows.next()?.map(|row| Ok::<_, rusqlite::Error>((holder(row)?, row.get("password")?))).transpose()?)
}

/// The user of this id, in their own organisation: for acting in somebody's name from the command line.
pub fn user(db: &Reader<'_, Main>, user: UserId) -> Result<Option<Holder>, StoreError> {
    let mut statement =
        db.prepare(&format!("SELECT {HOLDER} FROM users u JOIN organizations o ON o.id = u.org_id WHERE u.id = ?1"))?;
    let mut rows = statement.query([user])?;
    Ok(rows.next()?.map(holder).transpose()?)
}

/// The user of this id as a member of this organisation: their own one, or its sandbox.
pub fn member(db: &Reader<'_, Main>, org: OrgId, user: UserId) -> Result<Option<Holder>, StoreError> {
    let mut statement = db.prepare(&format!(
        "SELECT {HOLDER} FROM users u JOIN organizations o ON o.id = u.org_id OR o.parent_id = u.org_id
         WHERE u.id = ?1 AND o.id = ?2"
    ))?;
    let mut rows = statement.query(rusqlite::params![user, org])?;
    Ok(rows.next()?.map(holder).transpose()?)
}
