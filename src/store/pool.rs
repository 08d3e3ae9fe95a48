//! Connections: how one is opened, and the pool of those that only read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
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
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare_reader(&connection)?;
    Ok(connection)
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
pub(super) struct Readers {
    pool: r2d2::Pool<Opening>,
    made: Arc<Mutex<Vec<Weak<Lent>>>>,
}

/// A connection and what its user keeps with it: who has taken it from the pool has its lock at once, and so has who
/// looks after those that nobody has taken.
type Lent = Mutex<Reading>;

/// A connection that only reads.
pub(super) struct Reading {
    pub(super) connection: Connection,
    /// What the snapshot that it has was kept with; see [`Snapshots`](super::snapshots::Snapshots).
    pub(super) moment: Option<u64>,
}

/// Opens what the pool lends.
struct Opening {
    path: PathBuf,
    made: Arc<Mutex<Vec<Weak<Lent>>>>,
}

impl r2d2::ManageConnection for Opening {
    type Connection = Arc<Lent>;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Arc<Lent>, rusqlite::Error> {
        let lent = Arc::new(Mutex::new(Reading { connection: open_reader(&self.path)?, moment: None }));
        let mut made = self.made.lock();
        made.retain(|one| one.strong_count() > 0);
        made.push(Arc::downgrade(&lent));
        Ok(lent)
    }

    fn is_valid(&self, _: &mut Arc<Lent>) -> Result<(), rusqlite::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Arc<Lent>) -> bool {
        false
    }
}

impl Readers {
    /// Opens `count` of them.
    pub(super) fn open(path: &Path, count: u32) -> Result<Self, StoreError> {
        let made = Arc::default();
        let pool = r2d2::Pool::builder()
            .max_size(count)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(None)
            .connection_timeout(Duration::from_secs(10))
            .build(Opening { path: path.to_owned(), made: Arc::clone(&made) })?;
        Ok(Self { pool, made })
    }

    /// Lends one.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Reading) -> Result<T>) -> Result<T> {
        let lent = self.pool.get().map_err(StoreError::from)?;
        read(&mut lent.lock())
    }

    /// Does it to each that nobody has taken.
    pub(super) fn for_each_idle(&self, mut act: impl FnMut(&mut Reading)) {
        for one in self.made.lock().iter().filter_map(Weak::upgrade) {
            if let Some(mut idle) = one.try_lock() {
                act(&mut idle);
            }
        }
    }
}
