//! People as rows. Who was removed stays as a row that nobody is shown, so that keys and runs keep an owner; the address
//! and the names are gone from it.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use crate::domain::access::Role;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, SessionId, User as UserKind, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Status, User, UserFilter};
use crate::store::list::{Conditions, Slice, View};
use crate::store::main::sessions;
use crate::store::row::{UuidBytes, is_duplicate, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

/// What people are called: first and last name, or the e-mail of those who gave neither.
macro_rules! name {
    () => {
        "coalesce(nullif(trim(t.first_name || ' ' || t.last_name), ''), t.email)"
    };
}

const NAME: &str = name!();
const SELECT: &str = concat!(
    "SELECT t.id, t.uuid, t.org_id, t.email, ",
    name!(),
    " AS name, t.first_name, t.last_name, t.role, t.status, t.created_at, t.updated_at
     FROM (SELECT * FROM users WHERE status <> 'removed') t"
);
const VIEW: View = View { select: SELECT, table: "users", name: NAME };

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        org: row.get("org_id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        role: parsed(row, "role", Role::parse)?,
        status: parsed(row, "status", Status::parse)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// A person about to be added.
#[derive(Debug)]
pub struct NewUser {
    /// Its uuid.
    pub uuid: Uuid,
    /// Checked and in lower case.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The role.
    pub role: Role,
    /// How they stand.
    pub status: Status,
    /// The password's argon2id hash; of one that nobody knows for those who are invited.
    pub password: String,
}

/// Adds a person; an e-mail that is taken is a conflict.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &NewUser, now: Timestamp) -> Result<UserId> {
    let inserted = tx
        .prepare(
            "INSERT INTO users (uuid, org_id, email, first_name, last_name, role, status, password, created_at,
                 updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        )?
        .execute(rusqlite::params![
            UuidBytes(new.uuid),
            org,
            new.email,
            new.first_name,
            new.last_name,
            new.role.as_str(),
            new.status.as_str(),
            new.password,
            now
        ]);
    match inserted {
        Ok(_) => Ok(UserId::new(tx.last_id())),
        Err(error) => Err(taken_or(error, &new.email)),
    }
}

fn taken_or(error: rusqlite::Error, email: &str) -> Error {
    if is_duplicate(&error) {
        return Error::Conflict(format!("There is a user with the e-mail {email} already; use another."));
    }
    error.into()
}

/// People of an organisation.
pub fn list(db: &Reader<'_, Main>, org: OrgId, filter: &UserFilter, slice: &Slice) -> Result<Vec<User>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)
}

/// How many people.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &UserFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter).when("t.status <> 'removed'"))
}

fn conditions(filter: &UserFilter) -> Conditions {
    Conditions::default()
        .times(&filter.times)
        .text("has_text(t.first_name || ' ' || t.last_name || ' ' || t.email, ?)", filter.q.as_ref())
        .with("t.role = ?", filter.role.map(|role| role.as_str().to_owned()))
        .with("t.status = ?", filter.status.map(|status| status.as_str().to_owned()))
}

/// One person of an organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, id: &IdRef<UserKind>) -> Result<Option<User>, StoreError> {
    db.find_in_org(SELECT, org.raw(), id, read)
}

/// The person of this e-mail.
pub fn find_by_email(db: &Reader<'_, Main>, email: &str) -> Result<Option<User>, StoreError> {
    Ok(db.prepare(&format!("{SELECT} WHERE t.email = ?1"))?.query_row([email], read).optional()?)
}

/// The first owner of an organisation who may come in.
pub fn first_owner(db: &Reader<'_, Main>, org: OrgId) -> Result<Option<UserId>, StoreError> {
    let mut statement = db.prepare(
        "SELECT id FROM users WHERE org_id = ?1 AND role = 'owner' AND status = 'active' ORDER BY id LIMIT 1",
    )?;
    Ok(statement.query_row([org], |row| row.get(0)).optional()?)
}

/// Whether an organisation has an owner who may come in, beside this person.
pub fn has_other_owner(db: &Reader<'_, Main>, org: OrgId, user: UserId) -> Result<bool, StoreError> {
    let mut statement = db.prepare(
        "SELECT EXISTS (SELECT 1 FROM users WHERE org_id = ?1 AND role = 'owner' AND status = 'active' AND id <> ?2)",
    )?;
    Ok(statement.query_row(rusqlite::params![org, user], |row| row.get(0))?)
}

/// Sets role and names.
pub fn update(tx: &Tx<'_>, user: &User, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare(
        "UPDATE users SET role = ?3, first_name = ?4, last_name = ?5, updated_at = ?6 WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![user.org, user.id, user.role.as_str(), user.first_name, user.last_name, now])?;
    Ok(())
}

/// Sets how a person stands.
pub fn set_status(tx: &Tx<'_>, org: OrgId, user: UserId, status: Status, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE users SET status = ?3, updated_at = ?4 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, user, status.as_str(), now])?;
    Ok(())
}

/// Sets the e-mail; one that is taken is a conflict.
pub fn set_email(tx: &Tx<'_>, org: OrgId, user: UserId, email: &str, now: Timestamp) -> Result<()> {
    let updated = tx
        .prepare("UPDATE users SET email = ?3, updated_at = ?4 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, user, email, now]);
    updated.map(drop).map_err(|error| taken_or(error, email))
}

/// The hash of a person's password.
pub fn password(db: &Reader<'_, Main>, org: OrgId, user: UserId) -> Result<Option<String>, StoreError> {
    let mut statement = db.prepare("SELECT password FROM users WHERE org_id = ?1 AND id = ?2")?;
    Ok(statement.query_row(rusqlite::params![org, user], |row| row.get(0)).optional()?)
}

/// Sets a password's hash and ends the person's sessions, but for one that may go on.
pub fn set_password(
    tx: &Tx<'_>,
    org: OrgId,
    user: UserId,
    hash: &str,
    goes_on: Option<SessionId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare("UPDATE users SET password = ?3, updated_at = ?4 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, user, hash, now])?;
    sessions::end_all(tx, user, goes_on, now)
}

/// Takes a person out of their organisation: sessions end, keys are revoked, the address is free for another.
pub fn remove(tx: &Tx<'_>, org: OrgId, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    // No address looks like this, so nobody comes in by it; keys show it as their owner.
    let mark = format!("{} (removed)", user.prefixed());
    tx.prepare(
        "UPDATE users SET status = 'removed', email = ?3, first_name = '', last_name = '', password = '', updated_at = ?4
         WHERE org_id = ?1 AND id = ?2",
    )?
    .execute(rusqlite::params![org, user, mark, now])?;
    tx.prepare(
        "UPDATE api_keys SET revoked_at = ?2, revoke_reason = 'The owner was removed.'
         WHERE user_id = ?1 AND revoked_at IS NULL",
    )?
    .execute(rusqlite::params![user, now])?;
    tx.prepare("DELETE FROM links WHERE user_id = ?1")?.execute([user])?;
    sessions::end_all(tx, user, None, now)
}
