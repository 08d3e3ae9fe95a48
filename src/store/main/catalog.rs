//! What people say of the tables and columns of sources. It is read along with each source.

use crate::domain::catalog::Entry;
use crate::domain::id::{OrgId, SourceId};
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Tx};

/// Keeps what is said of one table of a source and of its columns, instead of what was.
pub fn replace(
    tx: &Tx<'_>,
    (org, source): (OrgId, SourceId),
    table: &str,
    entries: &[Entry],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM catalog WHERE org_id = ?1 AND source_id = ?2 AND \"table\" = ?3")?
        .execute(rusqlite::params![org, source, table])?;
    let mut insert = tx.prepare(
        "INSERT INTO catalog (org_id, source_id, \"table\", \"column\", name, description, hidden)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for Entry { table, column, words } in entries {
        insert.execute(rusqlite::params![org, source, table, column, words.name, words.description, words.hidden])?;
    }
    tx.prepare("UPDATE sources SET updated_at = ?3, version = version + 1 WHERE org_id = ?1 AND id = ?2")?
        .execute(rusqlite::params![org, source, now])?;
    Ok(())
}
