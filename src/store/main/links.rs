//! One-time links, by the digest of their token: at most one for each person.

use rusqlite::OptionalExtension;

use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::Purpose;
use crate::store::{Main, Reader, StoreError, Tx};

/// Keeps a link; the person's earlier one is worth nothing from now on.
pub fn put(
    tx: &Tx<'_>,
    user: UserId,
    purpose: Purpose,
    digest: &[u8; 32],
    now: Timestamp,
    end: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare(
        "INSERT OR REPLACE INTO links (user_id, purpose, digest, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(rusqlite::params![user, purpose.as_str(), digest, now, end])?;
    Ok(())
}

/// Whose link of this purpose works at `now`.
pub fn find(
    db: &Reader<'_, Main>,
    purpose: Purpose,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let mut statement =
        db.prepare("SELECT user_id FROM links WHERE digest = ?1 AND purpose = ?2 AND expires_at > ?3")?;
    Ok(statement.query_row(rusqlite::params![digest, purpose.as_str(), now], |row| row.get(0)).optional()?)
}

/// Takes a person's link away.
pub fn forget(tx: &Tx<'_>, user: UserId) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM links WHERE user_id = ?1")?.execute([user])?;
    Ok(())
}
