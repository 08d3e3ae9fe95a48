//! The one thread that appends to the chain: everything that waits goes into one commit, and everyone waits for
//! theirs. Nothing is dropped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::entries::{self, Link};
use super::tally::{self, Tally};
use crate::domain::audit::{Entry, Hash, chain};
use crate::domain::error::{Error, Result};
use crate::domain::time::monotonic;
use crate::store::{Reader, StoreError, pool};

/// Entries of one commit at most.
const BATCH: usize = 512;
/// Entries that may wait; more are refused before their request is handled.
const QUEUE: usize = 65_536;
/// Entries after which the write-ahead log is written back beside the writer.
const CHECKPOINT: usize = 16_384;
/// Entries after which the writer does so itself: only when nothing is left to write back does SQLite begin the log
/// anew, and under load the thread beside the writer never gets to that point. A log that grows costs new pages of the
/// file system's cache at every commit; one that is begun anew overwrites those that are there.
const CHECKPOINT_HARD: usize = 32_768;
/// A batch from which on the next one is given time to fill: under load a commit costs more than its rows.
const LOADED: usize = 8;
/// That time. Nobody waits it out when calls come one by one.
const GATHER: Duration = Duration::from_micros(250);
/// How often sums are brought to the file.
const TALLY: Duration = Duration::from_secs(1);
/// Entries that are counted again at a time.
const RECOUNT: u32 = 4_096;
/// How often a failed file is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Appends entries. Clones share the thread.
#[derive(Clone)]
pub struct Appender {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    healthy: AtomicBool,
    entries: AtomicU64,
    commits: AtomicU64,
    /// Sums that are not in the file yet. Whoever reads sums holds this over reading the file, the writer over bringing
    /// them there: nobody sees a call twice, or not at all.
    tally: Mutex<Tally>,
    /// When the oldest entry of the batch that is being committed was queued, on the monotonic clock; 0: none is.
    committing: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Pending>,
    /// When the first of them came, on the monotonic clock.
    since: Duration,
    marks: Vec<(&'static str, i64)>,
    closed: bool,
}

struct Pending {
    entry: Entry,
    reply: Option<oneshot::Sender<bool>>,
}

/// How the appender does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppenderLoad {
    /// Entries written since the start.
    pub entries: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Entries that wait for the next commit.
    pub waiting: usize,
    /// How long the oldest entry that is not committed has been waiting.
    pub lag: Duration,
}

/// Resolves when an entry is committed.
pub struct Receipt(oneshot::Receiver<bool>);

impl Receipt {
    /// Waits for the commit.
    ///
    /// # Errors
    /// `AuditUnavailable` when the entry could not be written.
    pub async fn committed(self) -> Result<()> {
        if self.0.await.unwrap_or(false) { Ok(()) } else { Err(Error::AuditUnavailable) }
    }

    /// The same on a thread that may block.
    pub fn committed_now(self) -> Result<()> {
        if self.0.blocking_recv().unwrap_or(false) { Ok(()) } else { Err(Error::AuditUnavailable) }
    }
}

impl Appender {
    /// Starts the thread on a connection of its own.
    pub(in crate::store) fn start(connection: Connection, path: &Path) -> Result<Self, StoreError> {
        let (seq, hash) = entries::head(&Reader::new(&connection))?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let checkpointer = start_checkpointer(pool::open(path, pool::Durability::Kill, pool::Space::UsedAgain)?)?;
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
            healthy: AtomicBool::new(true),
            entries: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            tally: Mutex::default(),
            committing: AtomicU64::new(0),
        });
        let mut worker = Thread {
            connection,
            checkpointer,
            since_checkpoint: 0,
            last_batch: 0,
            shared: shared.clone(),
            seq,
            hash,
            buffer: Vec::with_capacity(512),
            tallied_at: monotonic(),
        };
        worker.recount()?;
        let thread = std::thread::Builder::new().name("audit-writer".into()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Queues an entry; the receipt tells when it is committed.
    pub fn append(&self, entry: Entry) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        self.push(Pending { entry, reply: Some(reply) });
        Receipt(receipt)
    }

    /// Queues an entry that nobody waits for.
    pub fn append_unwatched(&self, entry: Entry) {
        self.push(Pending { entry, reply: None });
    }

    fn push(&self, pending: Pending) {
        let mut queue = self.shared.queue.lock();
        let idle = queue.waiting.is_empty();
        if idle {
            queue.since = monotonic();
        }
        queue.waiting.push(pending);
        drop(queue);
        if idle {
            self.shared.wake.notify_one();
        }
    }

    /// Keeps a number beside the chain, with the next commit.
    pub fn set_mark(&self, name: &'static str, value: i64) {
        self.shared.queue.lock().marks.push((name, value));
        self.shared.wake.notify_one();
    }

    /// Whether a request may be handled at all: what happens must be written down.
    ///
    /// # Errors
    /// `AuditUnavailable` when the last commit failed, `Overloaded` when too many entries wait.
    pub fn ready(&self) -> Result<()> {
        if !self.shared.healthy.load(Ordering::Acquire) {
            return Err(Error::AuditUnavailable);
        }
        if self.shared.queue.lock().waiting.len() >= QUEUE {
            return Err(Error::Overloaded);
        }
        Ok(())
    }

    /// How it does, for metrics.
    pub fn load(&self) -> AppenderLoad {
        let queue = self.shared.queue.lock();
        let committing = self.shared.committing.load(Ordering::Acquire);
        let oldest = match (committing, queue.waiting.is_empty()) {
            (0, true) => None,
            (0, false) => Some(queue.since),
            (nanos, _) => Some(Duration::from_nanos(nanos)),
        };
        AppenderLoad {
            entries: self.shared.entries.load(Ordering::Relaxed),
            commits: self.shared.commits.load(Ordering::Relaxed),
            waiting: queue.waiting.len(),
            lag: oldest.map_or(Duration::ZERO, |oldest| monotonic().saturating_sub(oldest)),
        }
    }

    /// What calls add up to and the file does not have yet, held still while `read` reads both.
    pub(in crate::store) fn with_tally<T>(&self, read: impl FnOnce(&Tally) -> T) -> T {
        read(&self.shared.tally.lock())
    }

    /// Writes what waits and ends the thread.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

fn start_checkpointer(connection: Connection) -> Result<SyncSender<()>, StoreError> {
    let (sender, asked) = sync_channel(1);
    std::thread::Builder::new().name("audit-checkpoint".into()).spawn(move || {
        while asked.recv().is_ok() {
            checkpoint(&connection);
        }
    })?;
    Ok(sender)
}

struct Thread {
    connection: Connection,
    checkpointer: SyncSender<()>,
    since_checkpoint: usize,
    last_batch: usize,
    shared: Arc<Shared>,
    seq: i64,
    hash: Hash,
    buffer: Vec<u8>,
    tallied_at: Duration,
}

impl Thread {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let (marks, closed) = self.wait(&mut batch);
            if batch.is_empty() && marks.is_empty() {
                if closed {
                    break;
                }
                if !self.shared.healthy.load(Ordering::Acquire) {
                    self.retry();
                }
                self.bring_sums();
                continue;
            }
            let entries = batch.len();
            self.last_batch = entries;
            let done = self.commit(&batch, &marks);
            if let Err(error) = &done {
                tracing::error!(%error, entries, "audit.db cannot be written");
            }
            self.shared.healthy.store(done.is_ok(), Ordering::Release);
            if done.is_ok() {
                // Before anyone is answered: who has an answer finds it counted.
                let mut tally = self.shared.tally.lock();
                batch.iter().for_each(|pending| tally.add(&pending.entry));
            }
            self.shared.committing.store(0, Ordering::Release);
            for reply in batch.drain(..).filter_map(|pending| pending.reply) {
                let _ = reply.send(done.is_ok());
            }
            self.checkpoint(entries);
            if monotonic().saturating_sub(self.tallied_at) >= TALLY {
                self.bring_sums();
            }
        }
        self.bring_sums();
        let tidied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = tidied {
            tracing::debug!(%error, "audit.db was closed without a checkpoint");
        }
    }

    /// Takes up to a batch, waiting for the first.
    fn wait(&self, batch: &mut Vec<Pending>) -> (Vec<(&'static str, i64)>, bool) {
        let mut queue = self.shared.queue.lock();
        if queue.waiting.is_empty() && queue.marks.is_empty() && !queue.closed {
            if !self.shared.healthy.load(Ordering::Acquire) {
                let _ = self.shared.wake.wait_for(&mut queue, RETRY);
            } else if self.shared.tally.lock().is_empty() {
                self.shared.wake.wait(&mut queue);
            } else {
                let _ = self.shared.wake.wait_for(&mut queue, TALLY);
            }
        }
        let filling = !queue.closed && (1..BATCH / 2).contains(&queue.waiting.len());
        if self.last_batch >= LOADED && filling {
            let _ = self.shared.wake.wait_for(&mut queue, GATHER);
        }
        if !queue.waiting.is_empty() {
            let since = u64::try_from(queue.since.as_nanos()).unwrap_or(u64::MAX);
            self.shared.committing.store(since, Ordering::Release);
        }
        if queue.waiting.len() <= BATCH {
            std::mem::swap(&mut queue.waiting, batch);
        } else {
            // The rest is a little younger than this: near enough for a figure.
            batch.extend(queue.waiting.drain(..BATCH));
        }
        (std::mem::take(&mut queue.marks), queue.closed)
    }

    /// All of a batch, or none of it.
    fn commit(&mut self, batch: &[Pending], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let (seq, hash) = (self.seq, self.hash);
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let written = self.write(batch, marks).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        if written.is_err() {
            (self.seq, self.hash) = (seq, hash);
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        self.shared.entries.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        written
    }

    fn write(&mut self, batch: &[Pending], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO entries (seq, at, org_id, lineage_id, operation, status, request, entry, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for pending in batch {
            self.buffer.clear();
            pending.entry.encode(&mut self.buffer);
            self.seq += 1;
            self.hash = chain::link(&self.hash, &self.buffer);
            let row = Columns::of(&pending.entry);
            insert.execute(rusqlite::params![
                self.seq,
                row.at,
                row.org,
                row.lineage,
                row.operation,
                row.status,
                row.request,
                self.buffer,
                self.hash
            ])?;
        }
        drop(insert);
        for (name, value) in marks {
            self.connection
                .prepare_cached("INSERT INTO marks VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")?
                .execute(rusqlite::params![name, value])?;
        }
        Ok(())
    }

    /// Counts what an earlier run had not brought to the file when it ended.
    fn recount(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut tally = shared.tally.lock();
        let reader = Reader::new(&self.connection);
        let mut last = entries::mark(&reader, tally::MARK)?;
        loop {
            let links = entries::after(&reader, last, RECOUNT)?;
            let Some(newest) = links.last() else { break };
            last = newest.seq;
            links.iter().filter_map(Link::entry).for_each(|entry| tally.add(&entry));
        }
        drop(tally);
        self.bring_sums();
        Ok(())
    }

    /// Brings the sums to the file. When it cannot be written they stay, and are brought the next time.
    fn bring_sums(&mut self) {
        self.tallied_at = monotonic();
        let mut tally = self.shared.tally.lock();
        if tally.is_empty() {
            return;
        }
        match self.write_sums(&tally) {
            Ok(()) => tally.clear(),
            Err(error) => {
                tracing::debug!(%error, "what calls add up to could not be written");
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
            }
        }
    }

    fn write_sums(&self, tally: &Tally) -> Result<(), StoreError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        tally.write(&self.connection, self.seq)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    /// Tries a failed file again, so that it recovers without a request having to fail for it.
    fn retry(&self) {
        let tried = self
            .connection
            .execute("INSERT INTO marks VALUES ('tried', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", []);
        if tried.is_ok() {
            tracing::info!("audit.db can be written again");
            self.shared.healthy.store(true, Ordering::Release);
        }
    }

    /// Past a soft mark a thread beside this one writes the log back; past a hard mark this one does, and callers wait.
    fn checkpoint(&mut self, entries: usize) {
        let before = self.since_checkpoint;
        self.since_checkpoint += entries;
        if self.since_checkpoint >= CHECKPOINT_HARD {
            checkpoint(&self.connection);
            self.since_checkpoint = 0;
        } else if before < CHECKPOINT && self.since_checkpoint >= CHECKPOINT {
            let _ = self.checkpointer.try_send(());
        }
    }
}

/// Writes the log back as far as readers allow.
fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!(%error, "a checkpoint of audit.db failed");
    }
}

/// What is kept beside an entry's bytes, for filters.
struct Columns<'e> {
    at: i64,
    org: Option<i64>,
    lineage: Option<i64>,
    operation: Option<&'e str>,
    status: Option<u16>,
    request: Option<&'e [u8]>,
}

impl<'e> Columns<'e> {
    fn of(entry: &'e Entry) -> Self {
        match entry {
            Entry::Call(call) => Self {
                at: call.at_ms,
                org: call.org,
                // Sessions have windows too: they stand here as the negative of their id.
                lineage: call.lineage.or(call.session.map(|session| -session)),
                operation: call.operation.as_deref(),
                status: Some(call.status),
                request: Some(&call.request_id),
            },
            Entry::Event(event) => Self {
                at: event.at_ms,
                org: event.org,
                lineage: None,
                operation: None,
                status: None,
                request: event.digest.as_ref().map(|digest| &digest[..16]),
            },
        }
    }
}
