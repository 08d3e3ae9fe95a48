//! Connections: how one is opened, and the pool of those that only read.

use std::path::Path;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, list};
use crate::domain::error::Result;

/// The oldest SQLite whose write-ahead log is free of the reset bug (sqlite.org, "The WAL-reset bug").
const OLDEST_SQLITE: i32 = 3_051_003;
/// Statements kept prepared on each connection.
const STATEMENTS: usize = 128;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Power loss.
    Full,
    /// The end of the process, `kill -9` included.
    Kill,
}

/// What becomes of pages that hold nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// They can be given back to the file system, for which SQLite keeps a page of pointers for each few hundred.
    GivenBack,
    /// They are used again: for a file that grows at its end, where those pointers would cost every commit a page.
    UsedAgain,
}

/// Opens a file for writing, making it when it is not there.
#[expect(clippy::disallowed_methods, reason = "the one place that opens the files")]
pub(super) fn open(path: &Path, durability: Durability, space: Space) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::Unusable(format!(
            "This build carries SQLite {}, which can corrupt a write-ahead log; build with 3.51.3 or newer.",
            rusqlite::version()
        )));
    }
    let connection = Connection::open(path)?;
    if space == Space::GivenBack {
        // Before the first table, or it never is.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unusable(format!(
            "SQLite cannot use a write-ahead log in the data directory (it says `{mode}`); use a local file system."
        )));
    }
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    keep_plans(&connection)?;
    list::add_functions(&connection)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Opens a file for reading alone.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, reader_flags())?;
    prepare_reader(&connection)?;
    Ok(connection)
}

fn reader_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Keeps prepared statements prepared: SQLite otherwise plans anew whenever a bound value changes that its statistics
/// could have used, which costs a point read more than the read itself.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn prepare_reader(connection: &Connection) -> rusqlite::Result<()> {
    keep_plans(connection)?;
    list::add_functions(connection)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Connections that only read.
pub(super) struct Readers(r2d2::Pool<SqliteConnectionManager>);

impl Readers {
    /// Opens `count` of them.
    pub(super) fn open(path: &Path, count: u32) -> Result<Self, StoreError> {
        let manager = SqliteConnectionManager::file(path)
            .with_flags(reader_flags())
            .with_init(|connection| prepare_reader(connection));
        let pool = r2d2::Pool::builder()
            .max_size(count)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(Duration::from_secs(10))
            .build(manager)?;
        Ok(Self(pool))
    }

    /// Lends one.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = self.0.get().map_err(StoreError::from)?;
        read(&connection)
    }
}
