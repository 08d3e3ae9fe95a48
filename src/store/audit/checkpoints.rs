//! Signed checkpoints, and letting go of what a seal covers. Both are written by the thread that appends to the chain.

use rusqlite::{OptionalExtension, Row};

use super::appender::{Appender, Receipt};
use crate::domain::audit::{Checkpoint, CheckpointKind, Signed};
use crate::store::row::parsed;
use crate::store::{Audit, Reader, StoreError};

const COLUMNS: &str = "kind, seq, at, hash, signature";
/// Entries that go in one transaction: calls wait for as long as it takes.
const FORGOTTEN_AT_ONCE: i64 = 2_048;

fn read(row: &Row<'_>) -> rusqlite::Result<Signed> {
    let checkpoint = Checkpoint {
        kind: parsed(row, "kind", CheckpointKind::parse)?,
        seq: row.get("seq")?,
        hash: row.get("hash")?,
        at_ms: row.get("at")?,
    };
    Ok(Signed { checkpoint, signature: row.get("signature")? })
}

/// Keeps a checkpoint.
pub fn insert(appender: &Appender, signed: Signed) -> Receipt {
    appender.run(move |connection| {
        let Signed { checkpoint, signature } = signed;
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO checkpoints (kind, seq, at, hash, signature) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(rusqlite::params![
                checkpoint.kind.as_str(),
                checkpoint.seq,
                checkpoint.at_ms,
                checkpoint.hash,
                signature
            ])?;
        Ok(())
    })
}

/// Lets some of the oldest entries go that the newest seal covers, and what belongs to them. To be asked again until
/// [`is_forgotten`].
pub fn forget(appender: &Appender, seal: i64) -> Receipt {
    appender.run(move |connection| {
        let first: Option<i64> =
            connection.prepare_cached("SELECT min(seq) FROM entries")?.query_row([], |row| row.get(0))?;
        let upto = first.map_or(seal, |first| (first + FORGOTTEN_AT_ONCE - 1).min(seal));
        connection.prepare_cached("DELETE FROM entries WHERE seq <= ?1")?.execute([upto])?;
        connection.prepare_cached("DELETE FROM blocks WHERE last <= ?1")?.execute([upto])?;
        connection.prepare_cached("DELETE FROM checkpoints WHERE seq < ?1")?.execute([upto])?;
        Ok(())
    })
}

/// Whether everything is gone that a seal covers.
pub fn is_forgotten(db: &Reader<'_, Audit>, seal: i64) -> Result<bool, StoreError> {
    let first: Option<i64> = db.prepare("SELECT min(seq) FROM entries")?.query_row([], |row| row.get(0))?;
    Ok(first.is_none_or(|first| first > seal))
}

/// The newest checkpoint of a kind.
pub fn newest(db: &Reader<'_, Audit>, kind: CheckpointKind) -> Result<Option<Signed>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM checkpoints WHERE kind = ?1 ORDER BY seq DESC LIMIT 1");
    Ok(db.prepare(&sql)?.query_row([kind.as_str()], read).optional()?)
}

/// The checkpoints of entries from one to another, in order.
pub fn between(db: &Reader<'_, Audit>, first: i64, last: i64) -> Result<Vec<Signed>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM checkpoints WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map([first, last], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
