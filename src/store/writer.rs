//! The one thread that writes `claribi.db`: a bounded queue, one transaction per job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::snapshots::Snapshots;
use super::watch::Watch;
use super::{StoreError, Tx};
use crate::domain::error::{Error, Result};
use crate::domain::time::monotonic;

/// Jobs that may wait.
const QUEUE: usize = 1024;
/// How long a caller waits for room in the queue.
const PATIENCE: Duration = Duration::from_secs(5);
/// A job that takes longer is logged: it holds up everyone else.
const BUDGET: Duration = Duration::from_millis(50);

type Job = Box<dyn FnOnce(&File) + Send>;

/// What the thread writes to, and who has to know of it.
struct File {
    connection: Connection,
    watch: Watch,
    snapshots: Arc<Snapshots>,
}

/// The thread's queue.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    transactions: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(connection: Connection, watch: Watch, snapshots: Arc<Snapshots>) -> Result<Self, StoreError> {
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
        let transactions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&transactions);
        let thread = std::thread::Builder::new().name("main-writer".into()).spawn(move || {
            let file = File { connection, watch, snapshots };
            while let Some(job) = jobs.blocking_recv() {
                job(&file);
                counted.fetch_add(1, Ordering::Relaxed);
            }
            file.leave_tidy();
        })?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), transactions })
    }

    /// Runs a transaction and waits for its commit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (job, answer) = prepare(write);
        let queue = self.queue.lock().clone().ok_or(Error::Overloaded)?;
        queue.send_timeout(job, PATIENCE).await.map_err(|_| Error::Overloaded)?;
        answer.await.map_err(|_| Error::internal("the writer thread has ended"))?
    }

    /// The same on a thread that may block.
    pub(super) fn run_now<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (job, answer) = prepare(write);
        let queue = self.queue.lock().clone().ok_or(Error::Overloaded)?;
        queue.blocking_send(job).map_err(|_| Error::Overloaded)?;
        answer.blocking_recv().map_err(|_| Error::internal("the writer thread has ended"))?
    }

    /// Transactions since the start, those that were rolled back included, for metrics.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// Jobs that wait, for metrics.
    pub(super) fn waiting(&self) -> usize {
        self.queue.lock().as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Lets the queued jobs finish and ends the thread.
    pub(super) fn close(&self) {
        drop(self.queue.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

fn prepare<T: Send + 'static>(
    write: impl FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T>>) {
    let (reply, answer) = oneshot::channel();
    let job = Box::new(move |file: &File| {
        let start = monotonic();
        let result = file.transact(write);
        let took = monotonic().saturating_sub(start);
        if took > BUDGET {
            tracing::debug!(millis = took.as_millis(), "a transaction held up the others");
        }
        let _ = reply.send(result);
    });
    (job, answer)
}

impl File {
    /// `BEGIN IMMEDIATE`, the closure, `COMMIT`, the new version of access, the effects; in this order, before any reply.
    fn transact<T>(&self, write: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let tx = Tx::new(&self.connection);
        let (value, version) = self.commit(&tx, write)?;
        self.watch.publish(version);
        for effect in tx.after.into_inner() {
            effect();
        }
        Ok(value)
    }

    /// The transaction, and the version that it committed. While it goes on, no snapshot holds the log.
    fn commit<T>(&self, tx: &Tx<'_>, write: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<(T, u64)> {
        let _writing = self.watch.writing();
        self.snapshots.let_go();
        self.run("BEGIN IMMEDIATE")?;
        let outcome = catch_unwind(AssertUnwindSafe(|| write(tx)))
            .unwrap_or_else(|_| Err(Error::internal("a transaction panicked")));
        // SQLite itself rolls back when the disk is full or memory runs out.
        if self.connection.is_autocommit() {
            return Err(outcome.err().unwrap_or_else(|| Error::internal("SQLite rolled the transaction back")));
        }
        let committed = outcome.and_then(|value| {
            let version: i64 = self
                .connection
                .prepare_cached("SELECT version FROM access_version")?
                .query_row([], |row| row.get(0))?;
            self.run("COMMIT")?;
            Ok((value, u64::try_from(version).unwrap_or(0)))
        });
        if committed.is_err() && !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        committed
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn leave_tidy(&self) {
        let _writing = self.watch.writing();
        self.snapshots.let_go();
        // Who still reads, as a server does beside a command, is not waited for: the last one takes the log over.
        let tidied = self
            .connection
            .execute_batch("PRAGMA optimize;")
            .and_then(|()| self.connection.busy_timeout(Duration::ZERO))
            .and_then(|()| self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        if let Err(error) = tidied {
            tracing::debug!(%error, "claribi.db was closed without a checkpoint");
        }
    }
}
