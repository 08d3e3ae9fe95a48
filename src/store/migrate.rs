//! Schemas: forward only, one count per file, refused when they are newer than this program.

use std::path::Path;
use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::StoreError;
use crate::domain::time::Timestamp;

/// "clbr": marks `claribi.db`.
const MAIN_ID: i32 = 0x636c_6272;
/// "clba": marks `audit.db`.
const AUDIT_ID: i32 = 0x636c_6261;

const MAIN: &[M<'static>] = &[
    M::up(include_str!("main/migrations/0001_first_light.sql")),
    M::up(include_str!("main/migrations/0002_idempotency.sql")),
    M::up(include_str!("main/migrations/0003_lists.sql")),
    M::up(include_str!("main/migrations/0004_key_life.sql")),
    M::up(include_str!("main/migrations/0005_people.sql")),
    M::up(include_str!("main/migrations/0006_logins.sql")),
    M::up(include_str!("main/migrations/0007_ledger.sql")),
    M::up(include_str!("main/migrations/0008_begun_sessions.sql")),
    M::up(include_str!("main/migrations/0009_changes.sql")),
    M::up(include_str!("main/migrations/0010_import_options.sql")),
    M::up(include_str!("main/migrations/0011_connections.sql")),
    M::up(include_str!("main/migrations/0012_saved_queries.sql")),
    M::up(include_str!("main/migrations/0013_catalog.sql")),
];
const AUDIT: &[M<'static>] = &[
    M::up(include_str!("audit/migrations/0001_first_light.sql")),
    M::up(include_str!("audit/migrations/0002_rollups.sql")),
    M::up(include_str!("audit/migrations/0003_figures.sql")),
    M::up(include_str!("audit/migrations/0004_checkpoints.sql")),
    M::up(include_str!("audit/migrations/0005_floods.sql")),
    M::up(include_str!("audit/migrations/0006_fewer_indexes.sql")),
];

static MAIN_STEPS: LazyLock<Migrations<'static>> = LazyLock::new(|| Migrations::from_slice(MAIN));
static AUDIT_STEPS: LazyLock<Migrations<'static>> = LazyLock::new(|| Migrations::from_slice(AUDIT));

/// Brings `claribi.db` up to date, after a copy of it when it holds anything.
pub(super) fn main(connection: &mut Connection, backups: &Path, now: Timestamp) -> Result<(), StoreError> {
    let version = check_file(connection, MAIN_ID, MAIN.len(), "claribi.db")?;
    if version > 0 && version < MAIN.len() {
        let copy = backups.join(format!("before-{}-{}.db", MAIN.len(), now.seconds()));
        connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    }
    apply(connection, &MAIN_STEPS, MAIN_ID)
}

/// Brings `audit.db` up to date.
pub(super) fn audit(connection: &mut Connection) -> Result<(), StoreError> {
    check_file(connection, AUDIT_ID, AUDIT.len(), "audit.db")?;
    apply(connection, &AUDIT_STEPS, AUDIT_ID)
}

/// Refuses files whose schema is not exactly this program's: what a command beside a server does.
pub(super) fn check(main: &Connection, audit: &Connection) -> Result<(), StoreError> {
    for (connection, id, count, name) in
        [(main, MAIN_ID, MAIN.len(), "claribi.db"), (audit, AUDIT_ID, AUDIT.len(), "audit.db")]
    {
        if check_file(connection, id, count, name)? != count {
            return Err(StoreError::Unusable(format!(
                "`{name}` has an older schema than this program; stop the server and start this version's first."
            )));
        }
    }
    Ok(())
}

fn apply(connection: &mut Connection, steps: &Migrations<'static>, id: i32) -> Result<(), StoreError> {
    steps.to_latest(connection)?;
    connection.pragma_update(None, "application_id", id)?;
    Ok(())
}

fn check_file(connection: &Connection, id: i32, known: usize, name: &str) -> Result<usize, StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    let found: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if version > 0 && found != id {
        return Err(StoreError::Unusable(format!(
            "`{name}` is a database of another program; use another data directory."
        )));
    }
    if version > known {
        return Err(StoreError::Unusable(format!(
            "`{name}` was written by a newer version of claribi (schema {version}, this program knows {known}); update the program."
        )));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_applies_to_an_empty_file() {
        assert!(MAIN_STEPS.validate().is_ok());
        assert!(AUDIT_STEPS.validate().is_ok());
    }
}
