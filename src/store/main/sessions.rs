//! Sessions: each is a row, so that it can be ended.

use rusqlite::Row;
use uuid::Uuid;

use crate::domain::error::Result;
use crate::domain::id::{IdRef, OrgId, Session as SessionKind, SessionId, UserId};
use crate::domain::session::{Arrival, Session, SessionFilter};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::{UuidBytes, uuid};
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.uuid, t.user_id, u.uuid AS user_uuid, t.acts_in, o.uuid AS org_uuid, t.created_at,
    t.expires_at, t.revoked_at, t.address, t.user_agent
    FROM sessions_of_people t JOIN users u ON u.id = t.user_id JOIN organizations o ON o.id = t.acts_in";
const VIEW: View = View { select: SELECT, table: "sessions_of_people", name: "''" };

fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get("id")?,
        uuid: uuid(row, "uuid")?,
        user: (row.get("user_id")?, uuid(row, "user_uuid")?),
        acts_in: (row.get("acts_in")?, uuid(row, "org_uuid")?),
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        address: row.get::<_, Option<String>>("address")?.and_then(|text| text.parse().ok()),
        user_agent: row.get("user_agent")?,
    })
}

/// A session about to begin.
#[derive(Debug)]
pub struct NewSession<'s> {
    /// Its uuid.
    pub uuid: Uuid,
    /// Whose it is.
    pub user: UserId,
    /// The organisation that it acts in.
    pub acts_in: OrgId,
    /// The request that begins it.
    pub arrival: &'s Arrival,
    /// From this instant on it is refused.
    pub end: Timestamp,
}

/// Begins a session.
pub fn create(tx: &Tx<'_>, new: &NewSession<'_>, now: Timestamp) -> Result<SessionId, StoreError> {
    tx.prepare(
        "INSERT INTO sessions (uuid, user_id, acts_in, created_at, expires_at, address, user_agent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(rusqlite::params![
        UuidBytes(new.uuid),
        new.user,
        new.acts_in,
        now,
        new.end,
        new.arrival.address.to_string(),
        new.arrival.user_agent
    ])?;
    Ok(SessionId::new(tx.last_id()))
}

/// A person's sessions that stand at `now`. The organisation is the person's own, whichever the session acts in.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    user: UserId,
    filter: &SessionFilter,
    now: Timestamp,
    slice: &Slice,
) -> Result<Vec<Session>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), standing(user, filter, now), slice, read)
}

/// How many there are.
pub fn count(
    db: &Reader<'_, Main>,
    org: OrgId,
    user: UserId,
    filter: &SessionFilter,
    now: Timestamp,
) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), standing(user, filter, now))
}

fn standing(user: UserId, filter: &SessionFilter, now: Timestamp) -> Conditions {
    Conditions::default()
        .times(&filter.times)
        .with("t.user_id = ?", Some(user.raw()))
        .with("t.expires_at > ?", Some(now.millis()))
        .when("t.revoked_at IS NULL")
}

/// One session of the organisation's people that stands at `now`.
pub fn find(
    db: &Reader<'_, Main>,
    org: OrgId,
    id: &IdRef<SessionKind>,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let found = db.find_in_org(SELECT, org.raw(), id, |row| {
        Ok((read(row)?, row.get::<_, Option<Timestamp>>("revoked_at")?.is_some()))
    })?;
    Ok(found.filter(|(session, ended)| !ended && session.expires_at > now).map(|(session, _)| session))
}

/// Ends a session.
pub fn end(tx: &Tx<'_>, session: SessionId, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(rusqlite::params![session, now])?;
    Ok(())
}

/// Ends a person's oldest sessions beyond so many; gives them, a hundred at most at a time.
pub fn end_oldest(tx: &Tx<'_>, user: UserId, most: u32, now: Timestamp) -> Result<Vec<SessionId>, StoreError> {
    let mut statement = tx.prepare(
        "UPDATE sessions SET revoked_at = ?3 WHERE id IN (
             SELECT id FROM sessions WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?3
             ORDER BY id DESC LIMIT 100 OFFSET ?2)
         RETURNING id",
    )?;
    let rows = statement.query_map(rusqlite::params![user, most, now], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Ends a person's sessions, but for one that may go on.
pub fn end_all(tx: &Tx<'_>, user: UserId, goes_on: Option<SessionId>, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare("UPDATE sessions SET revoked_at = ?3 WHERE user_id = ?1 AND id IS NOT ?2 AND revoked_at IS NULL")?
        .execute(rusqlite::params![user, goes_on, now])?;
    Ok(())
}
