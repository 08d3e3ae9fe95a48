//! The server's side of the workers: starts them, gives them jobs, kills those that overrun.

mod idle;
mod process;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

pub use self::idle::Idle;
use self::idle::Leased;
use self::process::{Ended, Unstarted, Worker, cause_of_death};
use super::lane::{Lane, Place};
use super::metronome::Metronome;
use super::protocol::{Confinement, Failure, FailureCode, Job, Outcome, ProcessLimits, Settled};

/// How far workers give way to the server, whose calls are short: with the same priority, queries that keep every core busy
/// made each call wait for the scheduler, and its 99th percentile was twelve times what it is without them. On cores that
/// nobody else wants it costs a query nothing.
const QUERY_NICENESS: i32 = 10;
/// Nobody waits for background work.
const BACKGROUND_NICENESS: i32 = 15;
/// How long a worker may take to start.
const START: Duration = Duration::from_secs(20);

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

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Queries of one organisation, one after the other.
    Kept,
    /// One job that somebody waits for.
    Once,
    /// One job that nobody may be waiting for.
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
    asked: Mutex<Asked>,
}

/// The jobs that were asked for: how many, and the numbers of those that have not ended.
#[derive(Default)]
struct Asked {
    count: u64,
    going_on: BTreeSet<u64>,
}

/// A job from when it is asked for until it has ended.
struct Going<'p>(&'p Pool, u64);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.0.asked.lock().going_on.remove(&self.1);
    }
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
            asked: Mutex::default(),
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
        let _going = self.going();
        let (place, reach) = (enter(&self.0.queries, errand).await?, Reach::default());
        let worker = match self.reuse(errand.org).await {
            Some(worker) => worker,
            None => self.start(errand, Use::Kept, &reach).await?,
        };
        self.work((worker, place), (errand, &reach), job, &mut |_, _| {}, take).await
    }

    /// As [`Pool::query`], in a worker of its own that reaches this: it has its turn among the organisation's other
    /// queries. For what somebody waits for.
    pub async fn once<T>(
        &self,
        errand: &Errand,
        reach: &Reach,
        job: impl FnOnce(&Path) -> Job,
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let _going = self.going();
        let place = enter(&self.0.queries, errand).await?;
        let worker = self.start(errand, Use::Once, reach).await?;
        self.work((worker, place), (errand, reach), job, &mut |_, _| {}, take).await
    }

    /// Runs a job in the background lane, in a worker of its own that reaches this. Jobs that may connect wait for other
    /// machines more than they compute, and however long these keep them waiting, no import and no report stands behind
    /// them: they have a lane of their own.
    pub async fn background<T>(
        &self,
        errand: &Errand,
        reach: &Reach,
        job: impl FnOnce(&Path) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let _going = self.going();
        let lane = if reach.port.is_some() { &self.0.connectors } else { &self.0.background };
        let place = enter(lane, errand).await?;
        let worker = self.start(errand, Use::Background, reach).await?;
        self.work((worker, place), (errand, reach), job, progress, take).await
    }

    /// Has a worker do a job that is called off when the future is dropped.
    async fn work<T>(
        &self,
        (worker, place): (Worker, Place),
        (errand, reach): (&Errand, &Reach),
        job: impl FnOnce(&Path) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        // Who waits for another machine keeps no core.
        let _work = reach.port.is_none().then(|| self.0.metronome.work());
        let scratch = worker.scratch.clone();
        let mut leased = Leased::at_work(self, worker);
        let done = leased.run(job(&scratch), errand.deadline, progress).await;
        let worker = leased.returned()?;
        match done {
            Ok(done) => {
                let taken = take(done, &scratch).map_err(Refused::from);
                self.keep(worker, Some(place));
                taken
            }
            Err(ended) => Err(self.bury(worker, place, ended).await),
        }
    }

    /// How many jobs were asked for, and the number, counted so, of the first that waits or runs still.
    pub fn asked(&self) -> (u64, Option<u64>) {
        let asked = self.0.asked.lock();
        (asked.count, asked.going_on.first().copied())
    }

    fn going(&self) -> Going<'_> {
        let mut asked = self.0.asked.lock();
        asked.count += 1;
        let number = asked.count;
        asked.going_on.insert(number);
        Going(self, number)
    }

    /// Workers that were started, and that had to be killed or died.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.started.load(Ordering::Relaxed), self.0.killed.load(Ordering::Relaxed))
    }

    /// Running and waiting jobs of the lanes of queries, of background work, and of connectors.
    pub fn load(&self) -> [(usize, usize); 3] {
        [self.0.queries.load(), self.0.background.load(), self.0.connectors.load()]
    }

    /// How many jobs that may spill can run at once.
    pub fn width(&self) -> u64 {
        let jobs = self.0.settings.queries + self.0.settings.background;
        // Organisations that have none at work come in beyond these.
        2 * jobs as u64
    }

    /// The process ids of idle workers: for tests that end them.
    pub fn idle_processes(&self) -> Vec<u32> {
        self.0.idle.lock().iter().filter_map(|worker| worker.child.id()).collect()
    }

    async fn start(&self, errand: &Errand, purpose: Use, reach: &Reach) -> Result<Worker, Refused> {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        // Idle workers of others make room before there are more than there are places.
        let surplus = {
            let mut idle = self.0.idle.lock();
            let is_full = purpose != Use::Background && idle.len() >= self.0.settings.queries;
            if is_full { idle.pop_front() } else { None }
        };
        if let Some(worker) = surplus {
            worker.end().await;
        }
        let settings = &self.0.settings;
        if purpose == Use::Kept {
            // A worker confines itself to directories that exist when it starts, and lives on when the first source comes.
            errand.read.iter().try_for_each(std::fs::create_dir_all)?;
        }
        let scratch = settings.scratch.join(format!("worker-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&scratch)?;
        let limits = ProcessLimits {
            memory_bytes: settings.memory_bytes,
            file_bytes: settings.file_bytes,
            read: errand.read.clone(),
            files: reach.files.files().to_vec(),
            write: vec![scratch.clone()],
            ports: reach.port.into_iter().collect(),
            nice: if purpose == Use::Background { BACKGROUND_NICENESS } else { QUERY_NICENESS },
        };
        let worker = Worker::start(&settings.program, scratch.clone(), errand.org, purpose, limits);
        let started = tokio::time::timeout(START, worker).await;
        if let Ok(Ok(worker)) = started {
            self.tell(worker.confinement);
            return Ok(worker);
        }
        // One that never ran takes nothing along.
        let _ = std::fs::remove_dir_all(scratch);
        Err(match started {
            // A machine that has no process, memory or time for one has too much to do. All else stays as it is.
            Ok(Err(Unstarted::Broken(error))) => io::Error::other(format!("a worker does not start: {error}")).into(),
            Ok(Err(Unstarted::Scarce(error))) => {
                tracing::error!(%error, "a worker does not start");
                Refused::Full
            }
            _ => {
                tracing::error!("a worker does not start in time");
                Refused::Full
            }
        })
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
    async fn bury(&self, mut worker: Worker, place: Place, ended: Ended) -> Refused {
        match ended {
            Ended::Failed(failure) => {
                self.keep(worker, Some(place));
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
}

/// Waits for a place in a lane.
async fn enter(lane: &Lane, errand: &Errand) -> Result<Place, Refused> {
    lane.enter(errand.org).await.ok_or(Refused::Full)
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
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let is_full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        let code = if is_full { FailureCode::DiskFull } else { FailureCode::Internal };
        Self::Failed(Failure::new(code, error.to_string()))
    }
}

#[cfg(test)]
mod tests;
