//! SQLite: `claribi.db` with everything that is, `audit.db` with everything that happened (`ARCHITECTURE.md`, decisions 4
//! and 5).
//!
//! One writer thread per file, readers in a pool. A read path cannot write, and the wrong file does not compile:
//! functions take [`Reader`] or [`Tx`] of [`Main`], or [`Reader`] of [`Audit`]. Queries never join across files.

pub mod audit;
mod list;
pub mod main;
mod migrate;
mod pool;
mod row;
mod snapshots;
pub mod watch;
mod writer;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{CachedStatement, Connection};

use crate::domain::error::{Error, Result};
use crate::domain::time::Clock;

use audit::tally::Tally;
use audit::usage::UsageReader;

pub use audit::appender::{Appender, AppenderLoad, Receipt};
pub use list::{Slice, Start};
pub use row::StoreError;
pub use watch::Watch;

/// Marks what belongs to `claribi.db`.
#[derive(Debug, Clone, Copy)]
pub enum Main {}
/// Marks what belongs to `audit.db`.
#[derive(Debug, Clone, Copy)]
pub enum Audit {}

/// A connection that can be read from.
pub struct Reader<'c, D> {
    connection: &'c Connection,
    file: PhantomData<D>,
}

impl<'c, D> Reader<'c, D> {
    fn new(connection: &'c Connection) -> Self {
        Self { connection, file: PhantomData }
    }

    /// A prepared statement, from the connection's cache.
    pub(in crate::store) fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?)
    }
}

/// A transaction on `claribi.db`: reads, writes, and what happens once it is committed.
pub struct Tx<'c> {
    reader: Reader<'c, Main>,
    after: RefCell<Vec<Box<dyn FnOnce() + Send>>>,
}

impl<'c> Tx<'c> {
    /// Over a connection on which a transaction has begun.
    fn new(connection: &'c Connection) -> Self {
        Self { reader: Reader::new(connection), after: RefCell::default() }
    }

    /// Runs `effect` after the commit, before the caller has its answer; not at all when the transaction rolls back.
    pub fn after_commit(&self, effect: impl FnOnce() + Send + 'static) {
        self.after.borrow_mut().push(Box::new(effect));
    }

    /// The id of the row that the last insert made.
    pub(in crate::store) fn last_id(&self) -> i64 {
        self.reader.connection.last_insert_rowid()
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c, Main>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

/// Both files.
#[derive(Clone)]
pub struct Store {
    main: Arc<MainFile>,
    audit: Arc<AuditFile>,
}

struct MainFile {
    wal: PathBuf,
    snapshots: Arc<snapshots::Snapshots>,
    reads: AtomicU64,
    writer: writer::Writer,
    watch: Watch,
}

struct AuditFile {
    wal: PathBuf,
    readers: pool::Readers,
    appender: Option<Appender>,
}

/// Whether the chain may be appended to: only by the process that holds the data directory's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds the lock: migrates and appends.
    Owner,
    /// A command beside a server: reads, and writes changes to `claribi.db`.
    Guest,
}

/// How the files are kept.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// Whether each commit of `audit.db` waits for the disk.
    pub audit_fsync: bool,
    /// What becomes of requests while `audit.db` cannot be written.
    pub audit_failure: OnFailure,
    /// Connections for reading, of each file.
    pub readers: u32,
}

/// What becomes of requests while `audit.db` cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They are refused: what cannot be written down is not done.
    Refuse,
    /// They are served, with a loud log; what was not written down is counted and said once it can be.
    Degrade,
}

impl Store {
    /// Opens both files below `directory`, bringing them up to date when this process owns it.
    pub fn open(
        directory: &Path,
        backups: &Path,
        role: Role,
        settings: StoreSettings,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let main_path = directory.join("claribi.db");
        let audit_path = directory.join("audit.db");
        // Opening would make it, and an empty log would look like somebody's work.
        if role == Role::Guest
            && let Some(missing) = [&main_path, &audit_path].into_iter().find(|path| !path.exists())
        {
            return Err(StoreError::Unusable(format!("{} is not there; restore it from a backup.", missing.display())));
        }
        let main = pool::open(&main_path, pool::Durability::Full, pool::Space::GivenBack)?;
        let mut audit = open_log(&audit_path, &settings)?;
        let mut main = main;
        match role {
            Role::Owner => {
                migrate::main(&mut main, backups, clock.now())?;
                migrate::audit(&mut audit)?;
            }
            Role::Guest => migrate::check(&main, &audit)?,
        }
        let watch = Watch::open(&main_path)?;
        let readers = pool::Readers::open(&main_path, settings.readers)?;
        let snapshots = Arc::new(snapshots::Snapshots::new(readers, watch.clone(), role));
        let main = MainFile {
            wal: wal_of(&main_path),
            writer: writer::Writer::start(main, watch.clone(), Arc::clone(&snapshots))?,
            snapshots,
            reads: AtomicU64::new(0),
            watch,
        };
        let appender = match role {
            Role::Owner => Some(Appender::start(audit, &audit_path, settings.audit_failure)?),
            Role::Guest => None,
        };
        let readers = pool::Readers::open(&audit_path, settings.readers)?;
        let audit = AuditFile { wal: wal_of(&audit_path), readers, appender };
        Ok(Self { main: Arc::new(main), audit: Arc::new(audit) })
    }

    /// Reads `claribi.db` on this thread, as of one moment: for point reads and pages by index, which take microseconds.
    ///
    /// It sees what this process committed, and what another did [`watch::FRESH`] ago.
    pub fn read_now<T>(&self, read: impl FnOnce(&Reader<'_, Main>) -> Result<T>) -> Result<T> {
        self.main.reads.fetch_add(1, Ordering::Relaxed);
        self.main.snapshots.read(read)
    }

    /// Ends the snapshots of `claribi.db` that are kept for the next read, so that its log can begin anew.
    pub fn let_go(&self) {
        self.main.snapshots.let_go();
    }

    /// Reads `claribi.db` on a thread that may block.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader<'_, Main>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read_now(read)).await.map_err(Error::internal)?
    }

    /// Reads `audit.db` on this thread.
    pub fn read_audit_now<T>(&self, read: impl FnOnce(&Reader<'_, Audit>) -> Result<T>) -> Result<T> {
        self.audit.readers.with(|reading| read(&Reader::new(&reading.connection)))
    }

    /// Reads `audit.db` on a thread that may block.
    pub async fn read_audit<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader<'_, Audit>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read_audit_now(read)).await.map_err(Error::internal)?
    }

    /// Reads what calls add up to, on a thread that may block, as of one instant that the writer is not held up for
    /// longer than it takes to copy what the file does not have. Beside a server this is up to a second behind.
    pub async fn read_figures<T: Send + 'static>(
        &self,
        read: impl FnOnce(&UsageReader<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read_figures_now(read)).await.map_err(Error::internal)?
    }

    /// The same on this thread.
    pub fn read_figures_now<T>(&self, read: impl FnOnce(&UsageReader<'_>) -> Result<T>) -> Result<T> {
        self.audit.readers.with(|reading| {
            // Ended when it is dropped; it writes nothing.
            let transaction = reading.connection.unchecked_transaction().map_err(StoreError::from)?;
            let reader = Reader::new(&reading.connection);
            let pinned = |fresh: &Tally| {
                // The first read is what makes the snapshot.
                audit::entries::mark(&reader, audit::tally::MARK)?;
                Ok::<_, StoreError>(fresh.clone())
            };
            let fresh = match self.appender() {
                Some(appender) => appender.with_tally(pinned)?,
                None => pinned(&Tally::default())?,
            };
            let done = read(&UsageReader::new(reader, &fresh));
            drop(transaction);
            done
        })
    }

    /// Reads a little of what calls add up to, on this thread; the writer waits for it. Beside a server this is up to a
    /// second behind.
    pub fn read_usage_now<T>(&self, read: impl FnOnce(&UsageReader<'_>) -> Result<T>) -> Result<T> {
        let both = |fresh: &Tally| {
            self.audit.readers.with(|reading| read(&UsageReader::new(Reader::new(&reading.connection), fresh)))
        };
        match self.appender() {
            Some(appender) => appender.with_tally(both),
            None => both(&Tally::default()),
        }
    }

    /// One transaction on `claribi.db`, all or nothing: an error of the closure rolls it back.
    ///
    /// # Errors
    /// What the closure returned; `Overloaded` when the queue stays full.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.main.writer.run(write).await
    }

    /// The same from a thread without a runtime: the command line.
    pub fn write_now<T: Send + 'static>(&self, write: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.main.writer.run_now(write)
    }

    /// What knows whether cached access can be trusted.
    pub fn watch(&self) -> &Watch {
        &self.main.watch
    }

    /// What appends to the chain; `None` beside a server.
    pub fn appender(&self) -> Option<&Appender> {
        self.audit.appender.as_ref()
    }

    /// Waits until the disk has what is committed to `audit.db`: what is not in the file is in its log.
    pub fn sync_audit(&self) -> Result<()> {
        std::fs::File::open(&self.audit.wal).and_then(|log| log.sync_data()).map_err(Error::internal)
    }

    /// How both files do, for metrics.
    pub fn load(&self) -> StoreLoad {
        StoreLoad {
            reads: self.main.reads.load(Ordering::Relaxed),
            transactions: self.main.writer.transactions(),
            waiting: self.main.writer.waiting(),
            appender: self.appender().map(Appender::load),
            wal_bytes: [&self.main.wal, &self.audit.wal].map(|path| path.metadata().map_or(0, |file| file.len())),
        }
    }

    /// Writes out what is queued and leaves both files tidy. Nothing may be written afterwards.
    pub fn close(&self) {
        self.main.writer.close();
        if let Some(appender) = &self.audit.appender {
            appender.close();
        }
    }
}

/// How both files do.
#[derive(Debug, Clone, Copy)]
pub struct StoreLoad {
    /// Reads of `claribi.db` since the start.
    pub reads: u64,
    /// Transactions on `claribi.db` since the start.
    pub transactions: u64,
    /// Transactions that wait for their turn.
    pub waiting: usize,
    /// The writer of `audit.db`; none beside a server.
    pub appender: Option<AppenderLoad>,
    /// Bytes of the write-ahead logs of `claribi.db` and `audit.db`.
    pub wal_bytes: [u64; 2],
}

/// SQLite keeps the log of a file beside it, under its name.
fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Opens the log for writing: with `audit.fsync` its commits wait for the disk.
fn open_log(path: &Path, settings: &StoreSettings) -> Result<rusqlite::Connection, StoreError> {
    let durability = if settings.audit_fsync { pool::Durability::Full } else { pool::Durability::Kill };
    pool::open(path, durability, pool::Space::UsedAgain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_of_the_log_wait_for_the_disk_where_the_settings_say_so() {
        let directory = tempfile::tempdir().unwrap();
        // As SQLite numbers them: NORMAL and FULL.
        for (audit_fsync, synchronous) in [(false, 1), (true, 2)] {
            let settings = StoreSettings { audit_fsync, audit_failure: OnFailure::Refuse, readers: 1 };
            let log = open_log(&directory.path().join("audit.db"), &settings).unwrap();
            let found: i64 = log.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
            assert_eq!(found, synchronous, "audit.fsync = {audit_fsync}");
        }
    }
}
