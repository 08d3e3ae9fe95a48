//! The one thread that appends to the chain: everything that waits goes into one commit, and everyone waits for
//! theirs. Nothing is dropped.

mod lost;
mod thread;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot, watch};

use self::thread::Thread;
use super::{entries, tally::Tally};
use crate::domain::audit::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::time::monotonic;
use crate::store::{OnFailure, Reader, StoreError};

/// As many entries are worth a commit: what it costs beside its rows is little for each. The writer gives fewer some time.
const WORTH_IT: usize = 16;
/// Entries that may wait; more are refused before their request is handled.
const QUEUE: usize = 65_536;

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
    on_failure: OnFailure,
    entries: AtomicU64,
    commits: AtomicU64,
    /// Sums that are not in the file yet. Whoever reads sums holds this over reading the file, the writer over bringing
    /// them there: nobody sees a call twice, or not at all.
    tally: Mutex<Tally>,
    /// Replies that [`Appender::tell`] has to give; `None` when nobody runs it, and the writer gives them itself.
    told: Mutex<Option<Vec<Told>>>,
    tell: Notify,
    /// The last entry that is committed.
    committed: watch::Sender<i64>,
    /// When the oldest entry of the batch that is being committed was queued, on the monotonic clock; 0: none is.
    committing: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Pending>,
    /// When the first of them came, on the monotonic clock.
    since: Duration,
    marks: Vec<(&'static str, i64)>,
    jobs: Vec<Job>,
    floods: Vec<EnterFloods>,
    /// Nothing more is expected, and the thread ends once it is empty.
    closed: bool,
    /// The thread has ended: nobody takes anything any more, and who asks is told so at once.
    ended: bool,
}

/// Asks for entries of what was counted of floods: of other minutes than the present one, or of all.
struct EnterFloods {
    present: Option<i64>,
    reply: oneshot::Sender<bool>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.marks.is_empty() && self.jobs.is_empty() && self.floods.is_empty()
    }

    fn ask(&mut self) -> Asked {
        Asked {
            marks: std::mem::take(&mut self.marks),
            jobs: std::mem::take(&mut self.jobs),
            floods: std::mem::take(&mut self.floods),
            closed: self.closed,
        }
    }
}

/// What is asked of the writer beside entries.
struct Asked {
    marks: Vec<(&'static str, i64)>,
    jobs: Vec<Job>,
    floods: Vec<EnterFloods>,
    closed: bool,
}

/// Something to be written that is no entry.
type Work = Box<dyn FnOnce(&Connection) -> Result<(), StoreError> + Send>;

struct Job {
    work: Work,
    reply: oneshot::Sender<bool>,
}

/// A reply, and what it says.
struct Told {
    reply: oneshot::Sender<bool>,
    committed: bool,
}

impl Told {
    /// Who left does not hear it.
    fn give(self) {
        let _ = self.reply.send(self.committed);
    }
}

/// Gives the writer its replies back when the task ends that gave them.
struct Teller<'s>(&'s Shared);

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        let told = self.0.told.lock().take();
        told.into_iter().flatten().for_each(Told::give);
    }
}

struct Pending {
    /// None when nothing but the commit is waited for.
    entry: Option<Entry>,
    reply: Option<oneshot::Sender<bool>>,
}

impl Pending {
    /// Whether it is tried again when it cannot be written: who waits for an event hears of that.
    fn comes_again(&self) -> bool {
        matches!(self.entry, Some(Entry::Event(_))) && self.reply.is_some()
    }
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
    pub(in crate::store) fn start(
        connection: Connection,
        path: &Path,
        on_failure: OnFailure,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
            healthy: AtomicBool::new(true),
            on_failure,
            entries: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            tally: Mutex::default(),
            told: Mutex::new(None),
            tell: Notify::new(),
            committed: watch::Sender::new(entries::head(&Reader::new(&connection))?.0),
            committing: AtomicU64::new(0),
        });
        let mut writer = Thread::new(connection, path, shared.clone())?;
        let thread = std::thread::Builder::new().name("audit-writer".into()).spawn(move || writer.run())?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Queues an entry; the receipt tells when it is committed. A flood is added to what was counted of its network in
    /// its minute, which is committed too, and is an entry when the minute is over.
    pub fn append(&self, entry: Entry) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        self.push(Pending { entry: Some(entry), reply: Some(reply) });
        Receipt(receipt)
    }

    /// Queues an entry that nobody waits for.
    pub fn append_unwatched(&self, entry: Entry) {
        self.push(Pending { entry: Some(entry), reply: None });
    }

    /// Makes entries of what was counted of floods in other minutes than this one, or in any.
    pub fn enter_floods(&self, present: Option<i64>) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        self.ask(|queue| queue.floods.push(EnterFloods { present, reply }));
        Receipt(receipt)
    }

    fn push(&self, pending: Pending) {
        let mut queue = self.shared.queue.lock();
        if queue.ended {
            return;
        }
        let idle = queue.waiting.is_empty();
        if idle {
            queue.since = monotonic();
        }
        queue.waiting.push(pending);
        let is_worth_it = queue.waiting.len() == WORTH_IT;
        drop(queue);
        if idle || is_worth_it {
            self.shared.wake.notify_one();
        }
    }

    /// Keeps a number beside the chain, with the next commit.
    pub fn set_mark(&self, name: &'static str, value: i64) {
        self.ask(|queue| queue.marks.push((name, value)));
    }

    /// Queues what is to be written beside the chain, in a transaction of its own after the entries that wait now.
    pub(super) fn run(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static) -> Receipt {
        let (reply, receipt) = oneshot::channel();
        self.ask(|queue| queue.jobs.push(Job { work: Box::new(work), reply }));
        Receipt(receipt)
    }

    /// Queues something beside entries. Once the thread has ended it is dropped, and its receipt says that it was not done.
    fn ask(&self, push: impl FnOnce(&mut Queue)) {
        let mut queue = self.shared.queue.lock();
        if !queue.ended {
            push(&mut queue);
            self.shared.wake.notify_one();
        }
    }

    /// Whether a request may be handled at all: what happens must be written down.
    ///
    /// # Errors
    /// `AuditUnavailable` when the last commit failed, `Overloaded` when too many entries wait.
    pub fn ready(&self) -> Result<()> {
        if !self.is_healthy() && !self.serves_on() {
            return Err(Error::AuditUnavailable);
        }
        if self.shared.queue.lock().waiting.len() >= QUEUE {
            return Err(Error::Overloaded);
        }
        Ok(())
    }

    /// Whether requests are served while entries cannot be written.
    pub fn serves_on(&self) -> bool {
        self.shared.on_failure == OnFailure::Degrade
    }

    /// Hears of entries when they are committed: the number of the last one.
    pub fn committed(&self) -> watch::Receiver<i64> {
        self.shared.committed.subscribe()
    }

    /// Whether the last commit went well.
    pub fn is_healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Acquire)
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

    /// Tells those who wait that their entries are committed, from a task of the runtime they wait on: waking one task
    /// from another costs nothing, waking it from the writer's thread costs a system call. Runs until it is dropped.
    pub async fn tell(&self) {
        *self.shared.told.lock() = Some(Vec::new());
        let _teller = Teller(&self.shared);
        loop {
            self.shared.tell.notified().await;
            let told = self.shared.told.lock().as_mut().map(std::mem::take);
            told.into_iter().flatten().for_each(Told::give);
        }
    }

    /// What calls add up to and the file does not have yet, held still while `read` reads both.
    pub(in crate::store) fn with_tally<T>(&self, read: impl FnOnce(&Tally) -> T) -> T {
        read(&self.shared.tally.lock())
    }

    /// Writes what waits and ends the thread. What comes after that is told at once that it is not written.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
            // What came while it ended waits for nobody.
            *self.shared.queue.lock() = Queue { closed: true, ended: true, ..Queue::default() };
        }
    }
}
