//! API keys as rows. Their text is nowhere; revoked rows stay.

use rusqlite::Row;
use uuid::Uuid;

use super::access::grant;
use crate::domain::access::{Grant, Scope};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind, KeyId, OrgId, UserId};
use crate::domain::key::{
    DAY, EXPIRING_DAYS, Flag, Key, KeyFilter, OLD_DAYS, Owner, Reminder, Rotation, STALE_DAYS, Sought, Status,
};
use crate::domain::key_text::Environment;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, json, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.lineage_id, t.user_id, u.email, t.name, t.public, t.environment, t.scope,
    t.permissions, t.allowlist, t.created_at, t.expires_at, t.revoked_at, t.limits, t.reminder_days, t.reminder_at,
    s.id AS successor_id, s.uuid AS successor_uuid, p.id AS predecessor_id, p.uuid AS predecessor_uuid,
    CASE WHEN s.id IS NOT NULL THEN min(t.grace_until, coalesce(t.revoked_at, t.grace_until))
         ELSE min(p.grace_until, coalesce(p.revoked_at, p.grace_until)) END AS grace_until
    FROM api_keys t JOIN users u ON u.id = t.user_id LEFT JOIN api_keys s ON s.predecessor_id = t.id
    LEFT JOIN api_keys p ON p.id = t.predecessor_id";

/// From when on a key is refused, in SQL: as `Key::ends_at` has it.
macro_rules! ends {
    () => {
        "coalesce(min(t.expires_at, t.grace_until), t.expires_at, t.grace_until)"
    };
}

/// Whether it works at an instant, in SQL.
macro_rules! works {
    () => {
        concat!("t.revoked_at IS NULL AND coalesce(", ends!(), " > ?, 1)")
    };
}

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
        limits: json(row, "limits")?,
        reminder: match row.get("reminder_days")? {
            Some(days) => Some(Reminder { days, first: row.get("reminder_at")? }),
            None => None,
        },
        rotation: match row.get("grace_until")? {
            Some(grace_until) => Some(Rotation {
                successor: relative(row, "successor_id", "successor_uuid")?,
                predecessor: relative(row, "predecessor_id", "predecessor_uuid")?,
                grace_until,
            }),
            None => None,
        },
    })
}

fn relative(row: &Row<'_>, id: &str, its_uuid: &str) -> rusqlite::Result<Option<(KeyId, Uuid)>> {
    row.get::<_, Option<KeyId>>(id)?.map(|id| Ok((id, uuid(row, its_uuid)?))).transpose()
}

/// What is kept of a key's text.
#[derive(Debug, Clone)]
pub struct KeptText {
    /// The eight public characters.
    pub public: String,
    /// Live or test.
    pub environment: Environment,
    /// Beside the text in the MAC.
    pub salt: [u8; 16],
    /// HMAC-SHA256 of salt and text.
    pub mac: [u8; 32],
    /// Which pepper.
    pub pepper_id: i64,
}

/// A key about to be stored.
#[derive(Debug)]
pub struct NewKey {
    /// Its uuid.
    pub uuid: Uuid,
    /// Its owner.
    pub owner: UserId,
    /// What is kept of its text.
    pub text: KeptText,
    /// What can be changed later.
    pub terms: Terms,
    /// Limits of its own.
    pub limits: Limits,
    /// The key that it takes over from, and that one's lineage; without one it begins a lineage.
    pub predecessor: Option<(KeyId, i64)>,
}

/// What can be changed of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its name.
    pub name: String,
    /// What it is given.
    pub grant: Grant,
    /// Networks it may be used from.
    pub allowlist: Vec<ipnet::IpNet>,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When its owner is reminded of it.
    pub reminder: Option<Reminder>,
}

impl From<&Key> for Terms {
    fn from(key: &Key) -> Self {
        Self {
            name: key.name.clone(),
            grant: key.grant,
            allowlist: key.allowlist.clone(),
            expires_at: key.expires_at,
            reminder: key.reminder,
        }
    }
}

/// Stores a key.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &NewKey, now: Timestamp) -> Result<KeyId> {
    let allowlist = serde_json::to_string(&new.terms.allowlist).map_err(Error::internal)?;
    let limits = serde_json::to_string(&new.limits).map_err(Error::internal)?;
    let (predecessor, lineage) = new.predecessor.unzip();
    tx.prepare(
        "INSERT INTO api_keys (uuid, org_id, user_id, lineage_id, name, public, environment, scope, permissions, salt,
             mac, pepper_id, allowlist, created_at, expires_at, limits, reminder_days, reminder_at, predecessor_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )?
    .execute(rusqlite::params![
        UuidBytes(new.uuid),
        org,
        new.owner,
        lineage.unwrap_or(0),
        new.terms.name,
        new.text.public,
        new.text.environment.as_str(),
        new.terms.grant.scope().map(Scope::as_str),
        listed(new.terms.grant),
        new.text.salt,
        new.text.mac,
        new.text.pepper_id,
        allowlist,
        now,
        new.terms.expires_at,
        limits,
        new.terms.reminder.map(|reminder| reminder.days),
        new.terms.reminder.map(|reminder| reminder.first),
        predecessor
    ])?;
    let id = tx.last_id();
    if lineage.is_none() {
        tx.prepare("UPDATE api_keys SET lineage_id = id WHERE id = ?1")?.execute([id])?;
    }
    Ok(KeyId::new(id))
}

/// What the column `permissions` holds: a preset has none of its own.
fn listed(grant: Grant) -> u32 {
    match grant {
        Grant::Preset(_) => 0,
        Grant::Listed(permissions) => permissions.bits(),
    }
}

/// Changes what can be changed of a key.
pub fn update(tx: &Tx<'_>, org: OrgId, id: KeyId, terms: &Terms, limits: Limits) -> Result<()> {
    let allowlist = serde_json::to_string(&terms.allowlist).map_err(Error::internal)?;
    let limits = serde_json::to_string(&limits).map_err(Error::internal)?;
    tx.prepare(
        "UPDATE api_keys SET name = ?3, scope = ?4, permissions = ?5, allowlist = ?6, expires_at = ?7,
             reminder_days = ?8, reminder_at = ?9, limits = ?10 WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![
        org,
        id,
        terms.name,
        terms.grant.scope().map(Scope::as_str),
        listed(terms.grant),
        allowlist,
        terms.expires_at,
        terms.reminder.map(|reminder| reminder.days),
        terms.reminder.map(|reminder| reminder.first),
        limits,
    ])?;
    Ok(())
}

/// Lets a key that has a successor work until the end of its grace.
pub fn supersede(tx: &Tx<'_>, org: OrgId, id: KeyId, grace_until: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE api_keys SET grace_until = ?3 WHERE org_id = ?1 AND id = ?2")?.execute(rusqlite::params![
        org,
        id,
        grace_until
    ])?;
    Ok(())
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

/// Which keys.
#[derive(Debug, Clone, Copy)]
pub struct Search<'f> {
    /// Whose.
    pub whose: Whose,
    /// What narrows them.
    pub filter: &'f KeyFilter,
    /// When: keys stand as they do then.
    pub now: Timestamp,
    /// Keys that cannot be stale: those in use.
    pub in_use: &'f [KeyId],
}

/// Keys, as they stand.
pub fn list(db: &Reader<'_, Main>, org: OrgId, search: &Search<'_>, slice: &Slice) -> Result<Vec<Key>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(search), slice, read)
}

/// How many keys.
pub fn count(db: &Reader<'_, Main>, org: OrgId, search: &Search<'_>) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(search))
}

fn conditions(&Search { whose, filter, now, in_use }: &Search<'_>) -> Conditions {
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
    match filter.status {
        None => conditions,
        Some(Sought::Status(status)) => standing(conditions, status, now),
        Some(Sought::Flag(flag)) => flagged(standing(conditions, Status::Active, now), flag, now, in_use),
    }
}

/// As `Key::status` has it.
fn standing(conditions: Conditions, status: Status, now: Timestamp) -> Conditions {
    let now = Some(now.millis());
    match status {
        Status::Revoked => conditions.when("t.revoked_at IS NOT NULL"),
        Status::Expired => conditions.when("t.revoked_at IS NULL").with(concat!(ends!(), " <= ?"), now),
        Status::Rotating => conditions.when("t.grace_until IS NOT NULL").with(works!(), now),
        Status::Active => conditions.when("t.grace_until IS NULL").with(works!(), now),
    }
}

/// As `Key::flags` has it.
fn flagged(conditions: Conditions, flag: Flag, now: Timestamp, in_use: &[KeyId]) -> Conditions {
    let days = |days: i64| Some(now.millis() + days * DAY);
    match flag {
        Flag::Expiring => conditions.with("t.expires_at <= ?", days(EXPIRING_DAYS)),
        Flag::Old => conditions.with("t.created_at <= ?", days(-OLD_DAYS)),
        Flag::Stale => {
            let ids: Vec<String> = in_use.iter().map(|key| key.raw().to_string()).collect();
            conditions
                .with("t.created_at <= ?", days(-STALE_DAYS))
                .with("t.id NOT IN (SELECT value FROM json_each(?))", Some(format!("[{}]", ids.join(","))))
        }
    }
}

/// The ids of all keys, those that work no more included.
pub fn ids(db: &Reader<'_, Main>, org: OrgId, whose: Whose) -> Result<Vec<KeyId>, StoreError> {
    let owner = match whose {
        Whose::Of(user) => Some(user),
        Whose::Everyones => None,
    };
    let mut statement = db.prepare("SELECT id FROM api_keys WHERE org_id = ?1 AND (?2 IS NULL OR user_id = ?2)")?;
    let rows = statement.query_map(rusqlite::params![org, owner], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest keys that work at `now` and that no other takes over from, at most so many.
pub fn newest(
    db: &Reader<'_, Main>,
    org: OrgId,
    whose: Whose,
    now: Timestamp,
    most: u32,
) -> Result<Vec<Key>, StoreError> {
    let owner = match whose {
        Whose::Of(user) => Some(user),
        Whose::Everyones => None,
    };
    let mut statement = db.prepare(&format!(
        "{SELECT} WHERE t.org_id = ?1 AND (?2 IS NULL OR t.user_id = ?2) AND t.grace_until IS NULL AND {}
         ORDER BY t.id DESC LIMIT ?4",
        works!().replace('?', "?3")
    ))?;
    let rows = statement.query_map(rusqlite::params![org, owner, now, most], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The ids of a lineage, oldest first.
pub fn lineage(db: &Reader<'_, Main>, org: OrgId, lineage: i64) -> Result<Vec<KeyId>, StoreError> {
    let mut statement = db.prepare("SELECT id FROM api_keys WHERE lineage_id = ?2 AND org_id = ?1 ORDER BY id")?;
    let rows = statement.query_map(rusqlite::params![org, lineage], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many keys of the organisation work at `now`.
pub fn working(db: &Reader<'_, Main>, org: OrgId, now: Timestamp) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), Conditions::default().with(works!(), Some(now.millis())))
}

/// Revokes those that work at `now`; gives which.
pub fn revoke_all(
    tx: &Tx<'_>,
    org: OrgId,
    whose: Whose,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Vec<KeyId>, StoreError> {
    let owner = match whose {
        Whose::Of(user) => Some(user),
        Whose::Everyones => None,
    };
    let mut statement = tx.prepare(concat!(
        "UPDATE api_keys AS t SET revoked_at = ?2, revoke_reason = ?3
         WHERE t.org_id = ?1 AND (?4 IS NULL OR t.user_id = ?4) AND t.revoked_at IS NULL AND coalesce(",
        ends!(),
        " > ?2, 1) RETURNING id"
    ))?;
    let rows = statement.query_map(rusqlite::params![org, now, reason, owner], |row| row.get(0))?;
    let mut revoked: Vec<KeyId> = rows.collect::<rusqlite::Result<_>>()?;
    revoked.sort_unstable_by_key(|id| id.raw());
    Ok(revoked)
}

/// Revokes a key; one that is revoked already stays as it is. Gives whether it was revoked by this.
pub fn revoke(tx: &Tx<'_>, org: OrgId, id: KeyId, reason: Option<&str>, now: Timestamp) -> Result<bool, StoreError> {
    let revoked = tx.prepare(
        "UPDATE api_keys SET revoked_at = ?3, revoke_reason = ?4 WHERE org_id = ?1 AND id = ?2 AND revoked_at IS NULL",
    )?
    .execute(rusqlite::params![org, id, now, reason])?;
    Ok(revoked > 0)
}
