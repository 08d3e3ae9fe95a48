//! People and their sessions.

use rusqlite::{OptionalExtension, Row};
use uuid::Uuid;

use crate::domain::access::Role;
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SessionId, UserId};
use crate::domain::org::User;
use crate::domain::time::Timestamp;
use crate::store::row::{UuidBytes, is_duplicate, parsed, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT id, uuid, org_id, email, first_name, last_name, role, created_at, updated_at FROM users";

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        org: row.get("org_id")?,
        email: row.get("email")?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        role: parsed(row, "role", Role::parse)?,
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
    /// The password's argon2id hash.
    pub password: String,
}

/// Adds a person; an e-mail that is taken is a conflict.
pub fn create(tx: &Tx<'_>, org: OrgId, new: &NewUser, now: Timestamp) -> Result<UserId> {
    let inserted = tx
        .prepare(
            "INSERT INTO users (uuid, org_id, email, first_name, last_name, role, password, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )?
        .execute(rusqlite::params![
            UuidBytes(new.uuid),
            org,
            new.email,
            new.first_name,
            new.last_name,
            new.role.as_str(),
            new.password,
            now
        ]);
    match inserted {
        Ok(_) => Ok(UserId::new(tx.last_id())),
        Err(error) if is_duplicate(&error) => {
            Err(Error::Conflict(format!("There is a user with the e-mail {} already; use another.", new.email)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The people of an organisation, oldest first.
pub fn list(db: &Reader<'_, Main>, org: OrgId) -> Result<Vec<User>, StoreError> {
    let mut statement = db.prepare(&format!("{SELECT} WHERE org_id = ?1 ORDER BY id"))?;
    let rows = statement.query_map([org], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One person of an organisation.
pub fn find(db: &Reader<'_, Main>, org: OrgId, user: UserId) -> Result<Option<User>, StoreError> {
    let mut statement = db.prepare(&format!("{SELECT} WHERE org_id = ?1 AND id = ?2"))?;
    Ok(statement.query_row(rusqlite::params![org, user], read).optional()?)
}

/// The person of this e-mail.
pub fn find_by_email(db: &Reader<'_, Main>, email: &str) -> Result<Option<User>, StoreError> {
    Ok(db.prepare(&format!("{SELECT} WHERE email = ?1"))?.query_row([email], read).optional()?)
}

/// Sets a password's hash.
pub fn set_password(tx: &Tx<'_>, org: OrgId, user: UserId, hash: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE users SET password = ?3, updated_at = ?4 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, user, hash, now])?;
    end_sessions(tx, user, now)
}

/// Begins a session.
pub fn create_session(
    tx: &Tx<'_>,
    user: UserId,
    uuid: Uuid,
    now: Timestamp,
    end: Timestamp,
) -> Result<SessionId, StoreError> {
    tx.prepare("INSERT INTO sessions (uuid, user_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(rusqlite::params![UuidBytes(uuid), user, now, end])?;
    Ok(SessionId::new(tx.last_id()))
}

/// Ends all sessions of a person.
pub fn end_sessions(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE sessions SET revoked_at = ?2 WHERE user_id = ?1 AND revoked_at IS NULL")?
        .execute(rusqlite::params![user, now])?;
    Ok(())
}
