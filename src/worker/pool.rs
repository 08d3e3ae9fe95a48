//! The server's side of the workers: starts them, gives them jobs, kills those that overrun (DESIGN, decision 9).

mod process;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use self::process::{Ended, Worker, cause_of_death};
use super::lane::{Lane, Place};
use super::metronome::Metronome;
use super::protocol::{Confinement, Failure, FailureCode, FromWorker, Job, Outcome, ProcessLimits, Settled};
use crate::domain::time::monotonic;

/// Jobs after which a worker is replaced.
const RECYCLE_JOBS: u32 = 200;
/// How far workers give way to the server, whose calls are short: with the same priority, queries that keep every core busy
/// made each call wait for the scheduler, and its 99th percentile was twelve times what it is without them. On cores that
/// nobody else wants it costs a query nothing.
const QUERY_NICENESS: i32 = 10;
/// Nobody waits for background work.
const BACKGROUND_NICENESS: i32 = 15;
/// How long a worker may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a worker that is called off may take to say so.
const CALL_OFF: Duration = Duration::from_millis(500);

/// How the pool is set up.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// The program whose `worker` command is the child: this one, by a path that survives its replacement.
    pub program: PathBuf,
    /// Where workers may write, a directory each.
    pub scratch: PathBuf,
    /// Queries that run at once.
    pub queries: usize,
    /// Imports and reports that run at once.
    pub background: usize,
    /// Databases elsewhere that are read at once.
    pub connectors: usize,
    /// Idle time after which a worker is ended.
    pub idle: Duration,
    /// Bytes of private memory of one worker.
    pub memory_bytes: u64,
    /// Bytes of one file that a worker writes.
    pub file_bytes: u64,
}

/// What a job may touch, and for whom it is done.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The organisation, for fairness and because a query worker never serves two.
    pub org: i64,
    /// Directories and files it reads.
    pub read: Vec<PathBuf>,
    /// How long it may run.
    pub deadline: Duration,
}

/// What a job reaches that is not of this installation.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The TCP port that it may connect to.
    pub port: Option<u16>,
    /// Files of people that it reads.
    pub files: Settled,
}

/// Which lane a job runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneName {
    Query,
    /// That of queries, in a worker that is not kept.
    Once,
    /// Those of work that nobody may be waiting for.
    Background,
}

/// What a job gave.
#[derive(Debug)]
pub struct Done {
    /// Its outcome.
    pub outcome: Outcome,
    /// The bytes that came with it.
    pub bytes: Option<Bytes>,
}

/// The pool. Clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    settings: PoolSettings,
    queries: Lane,
    background: Lane,
    metronome: Metronome,
    connectors: Lane,
    idle: Mutex<VecDeque<Worker>>,
    started: AtomicU64,
    killed: AtomicU64,
    told: AtomicBool,
}

impl Pool {
    /// A pool without workers: they start when they are needed.
    pub fn new(settings: PoolSettings) -> Self {
        Self(Arc::new(Shared {
            queries: Lane::with_guests(settings.queries),
            background: Lane::with_guests(settings.background),
            connectors: Lane::in_shares(settings.connectors),
            metronome: Metronome::new(),
            idle: Mutex::default(),
            started: AtomicU64::new(0),
            killed: AtomicU64::new(0),
            told: AtomicBool::new(false),
            settings,
        }))
    }

    /// Runs a job in the query lane, in a worker that has served only this organisation.
    ///
    /// `job` gets the worker's scratch directory. Files it leaves there are gone after `take` returns. Whoever drops the
    /// future calls the job off: its place is free at once, its worker when it has let go, or is killed.
    ///
    /// # Errors
    /// The job's failure; `Full` when too many wait.
    pub async fn query<T>(
        &self,
        errand: &Errand,
        job: impl FnOnce(&Path) -> Job,
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let _place = self.0.queries.enter(errand.org).await.ok_or(Refused::Full)?;
        let worker = match self.reuse(errand.org).await {
            Some(worker) => worker,
            None => self.start(errand, LaneName::Query, &Reach::default()).await?,
        };
        let _work = self.0.metronome.work();
        self.work(worker, errand, job, take).await
    }

    /// As [`Pool::query`], in a worker of its own that reaches this: it has its turn among the organisation's other
    /// queries. For what somebody waits for.
    pub async fn ask<T>(
        &self,
        errand: &Errand,
        reach: &Reach,
        job: impl FnOnce(&Path) -> Job,
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let _place = self.0.queries.enter(errand.org).await.ok_or(Refused::Full)?;
        let worker = self.start(errand, LaneName::Once, reach).await?;
        self.work(worker, errand, job, take).await
    }

    /// Has a worker do a job that is called off when the future is dropped.
    async fn work<T>(
        &self,
        worker: Worker,
        errand: &Errand,
        job: impl FnOnce(&Path) -> Job,
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let scratch = worker.scratch.clone();
        let mut leased = Leased { pool: self, worker: Some(worker), is_at_work: true };
        let done = leased.run(job(&scratch), errand.deadline).await;
        let worker = leased.returned()?;
        match done {
            Ok(done) => {
                let taken = take(done, &scratch).map_err(Refused::from);
                self.keep(worker).await;
                taken
            }
            Err(ended) => Err(self.bury(worker, ended).await),
        }
    }

    /// Has a worker stop its job: politely first, so that it can be kept.
    async fn call_off(self, mut worker: Worker) {
        match tokio::time::timeout(CALL_OFF, worker.stop()).await {
            Ok(Ok(())) => self.keep(worker).await,
            _ => {
                self.0.killed.fetch_add(1, Ordering::Relaxed);
                worker.kill().await;
            }
        }
    }

    /// Runs a job in the background lane, in a worker of its own that no network reaches.
    pub async fn background<T>(
        &self,
        errand: &Errand,
        job: impl FnOnce(&Path) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let place = self.0.background.enter(errand.org).await.ok_or(Refused::Full)?;
        self.apart(place, errand, &Reach::default(), job, progress, take).await
    }

    /// As [`Pool::background`], in a worker that reaches this. Jobs that may connect wait for other machines more than
    /// they compute, and however long these keep them waiting, no import and no report stands behind them: they have a
    /// lane of their own. Without a port it is work like any other.
    pub async fn connect<T>(
        &self,
        errand: &Errand,
        reach: &Reach,
        job: impl FnOnce(&Path) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let lane = if reach.port.is_some() { &self.0.connectors } else { &self.0.background };
        let place = lane.enter(errand.org).await.ok_or(Refused::Full)?;
        self.apart(place, errand, reach, job, progress, take).await
    }

    /// Has a worker of its own do a job that nobody calls off.
    async fn apart<T>(
        &self,
        _place: Place,
        errand: &Errand,
        reach: &Reach,
        job: impl FnOnce(&Path) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let mut worker = self.start(errand, LaneName::Background, reach).await?;
        let scratch = worker.scratch.clone();
        // Who waits for another machine keeps no core.
        let _work = reach.port.is_none().then(|| self.0.metronome.work());
        let done = worker.run(job(&scratch), errand.deadline, progress).await;
        match done {
            Ok(done) => {
                let taken = take(done, &scratch).map_err(Refused::from);
                worker.end().await;
                taken
            }
            Err(ended) => Err(self.bury(worker, ended).await),
        }
    }

    /// Workers that were started, and that had to be killed or died.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.started.load(Ordering::Relaxed), self.0.killed.load(Ordering::Relaxed))
    }

    /// Running and waiting jobs of the lanes of queries, of background work, and of connectors.
    pub fn load(&self) -> [(usize, usize); 3] {
        [self.0.queries.load(), self.0.background.load(), self.0.connectors.load()]
    }

    /// The process ids of idle workers: for tests that end them.
    pub fn idle_processes(&self) -> Vec<u32> {
        self.0.idle.lock().iter().filter_map(|worker| worker.child.id()).collect()
    }

    /// Ends idle workers that have been so for long; and all of them at a stop.
    pub async fn tidy(&self, which: Idle) {
        let (now, longest) = (monotonic(), self.0.settings.idle);
        let old: VecDeque<Worker> = {
            let mut idle = self.0.idle.lock();
            let (keep, end) = idle
                .drain(..)
                .partition(|worker| which == Idle::Old && now.saturating_sub(worker.idle_since) < longest);
            *idle = keep;
            end
        };
        for worker in old {
            worker.end().await;
        }
    }

    async fn reuse(&self, org: i64) -> Option<Worker> {
        let found = {
            let mut idle = self.0.idle.lock();
            let index = idle.iter().position(|worker| worker.org == org)?;
            idle.remove(index)?
        };
        let mut leased = Leased { pool: self, worker: Some(found), is_at_work: false };
        // It answers at once when it stops a query, and ends when the query then does not let go of its threads: so
        // who can take another job says that it is ready. One that was killed while it was idle had said so before.
        let ready = tokio::time::timeout(START, leased.worker.as_mut()?.receive()).await;
        let ready = matches!(ready, Ok(Ok(FromWorker::Ready { .. })));
        let mut worker = leased.returned().ok()?;
        if ready && matches!(worker.child.try_wait(), Ok(None)) {
            return Some(worker);
        }
        worker.wait_or_kill().await;
        None
    }

    async fn start(&self, errand: &Errand, lane: LaneName, reach: &Reach) -> Result<Worker, Refused> {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        // Idle workers of others make room before there are more than there are places.
        let surplus = {
            let mut idle = self.0.idle.lock();
            if lane != LaneName::Background && idle.len() >= self.0.settings.queries { idle.pop_front() } else { None }
        };
        if let Some(worker) = surplus {
            worker.end().await;
        }
        let settings = &self.0.settings;
        let scratch = settings.scratch.join(format!("worker-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&scratch)?;
        let limits = ProcessLimits {
            memory_bytes: settings.memory_bytes,
            file_bytes: settings.file_bytes,
            read: errand.read.clone(),
            files: reach.files.files().to_vec(),
            write: vec![scratch.clone()],
            ports: reach.port.into_iter().collect(),
            nice: if lane == LaneName::Background { BACKGROUND_NICENESS } else { QUERY_NICENESS },
        };
        let worker = Worker::start(&settings.program, scratch, errand.org, lane, limits);
        match tokio::time::timeout(START, worker).await {
            Ok(Ok(worker)) => {
                self.tell(worker.confinement);
                Ok(worker)
            }
            // A machine that has no process, memory or time for one has too much to do.
            Ok(Err(error)) => {
                tracing::error!(%error, "a worker does not start");
                Err(Refused::Full)
            }
            Err(_) => {
                tracing::error!("a worker does not start in time");
                Err(Refused::Full)
            }
        }
    }

    /// Says, once, what this kernel does not keep workers from.
    fn tell(&self, Confinement { landlock, seccomp }: Confinement) {
        if (landlock && seccomp) || self.0.told.swap(true, Ordering::Relaxed) {
            return;
        }
        if !landlock {
            tracing::warn!("this kernel has no Landlock: workers are not kept from other files and machines");
        }
        if !seccomp {
            tracing::warn!("this kernel has no seccomp for us: workers are not kept from any system call");
        }
    }

    /// Says why a job failed, and ends or keeps its worker accordingly.
    async fn bury(&self, mut worker: Worker, ended: Ended) -> Refused {
        match ended {
            Ended::Failed(failure) => {
                self.keep(worker).await;
                Refused::Failed(failure)
            }
            Ended::Overran => {
                self.0.killed.fetch_add(1, Ordering::Relaxed);
                worker.kill().await;
                Refused::Failed(Failure::new(
                    FailureCode::Timeout,
                    "It took too long and was stopped; ask for less, or raise the time-out in the configuration.",
                ))
            }
            Ended::Died(error) => {
                self.0.killed.fetch_add(1, Ordering::Relaxed);
                let status = worker.wait_or_kill().await;
                tracing::warn!(%error, ?status, organization = worker.org, "a worker died");
                Refused::Failed(cause_of_death(status))
            }
        }
    }

    /// Keeps a worker of the query lane for its organisation's next job.
    async fn keep(&self, mut worker: Worker) {
        if worker.lane != LaneName::Query || worker.jobs >= RECYCLE_JOBS {
            worker.end().await;
            return;
        }
        worker.idle_since = monotonic();
        self.0.idle.lock().push_back(worker);
    }
}

/// Which idle workers to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Those that have been idle for long.
    Old,
    /// All.
    All,
}

/// Why a job gave nothing.
#[derive(Debug, Clone)]
pub enum Refused {
    /// Too many wait.
    Full,
    /// Somebody called it off.
    Canceled,
    /// It failed.
    Failed(Failure),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Failed(Failure::new(FailureCode::Internal, error.to_string()))
    }
}

/// A worker in somebody's hands. Dropped at work, the work is called off; dropped before, it is idle again.
struct Leased<'p> {
    pool: &'p Pool,
    worker: Option<Worker>,
    is_at_work: bool,
}

impl Leased<'_> {
    fn returned(&mut self) -> Result<Worker, Refused> {
        self.worker.take().ok_or_else(|| io::Error::other("a worker that is not there").into())
    }

    async fn run(&mut self, job: Job, deadline: Duration) -> Result<Done, Ended> {
        match &mut self.worker {
            Some(worker) => worker.run(job, deadline, &mut |_, _| {}).await,
            None => Err(Ended::Died(io::Error::other("a worker that is not there"))),
        }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        match tokio::runtime::Handle::try_current() {
            _ if !self.is_at_work => self.pool.0.idle.lock().push_back(worker),
            Ok(runtime) => drop(runtime.spawn(self.pool.clone().call_off(worker))),
            // The process ends, and its children with it.
            Err(_) => drop(worker),
        }
    }
}
