//! The server's side of the workers: starts them, gives them jobs, kills those that overrun (DESIGN, decision 9).

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::lane::Lane;
use super::protocol::{
    BUILD, Failure, FailureCode, FrameKind, FromWorker, Job, Outcome, ProcessLimits, ToWorker, frame_head, parse_head,
};
use crate::domain::time::monotonic;

/// Jobs after which a worker is replaced.
const RECYCLE_JOBS: u32 = 200;
/// Idle time after which a worker is ended.
const RECYCLE_IDLE: Duration = Duration::from_secs(600);
/// What a worker may run over its deadline before it is killed: it gives up by itself before.
const OVERRUN: Duration = Duration::from_millis(1_500);
/// How long a worker may take to start.
const START: Duration = Duration::from_secs(20);
/// Lines of a worker's standard error that are logged, for each worker.
const LOG_LINES: usize = 64;

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

/// Which lane a job runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneName {
    Query,
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
    idle: Mutex<VecDeque<Worker>>,
    started: AtomicU64,
    killed: AtomicU64,
}

impl Pool {
    /// A pool without workers: they start when they are needed.
    pub fn new(settings: PoolSettings) -> Self {
        Self(Arc::new(Shared {
            queries: Lane::new(settings.queries),
            background: Lane::new(settings.background),
            idle: Mutex::default(),
            started: AtomicU64::new(0),
            killed: AtomicU64::new(0),
            settings,
        }))
    }

    /// Runs a job in the query lane, in a worker that has served only this organisation.
    ///
    /// `job` gets the worker's scratch directory. Files it leaves there are gone after `take` returns.
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
        let mut worker = match self.reuse(errand.org).await {
            Some(worker) => worker,
            None => self.start(errand, LaneName::Query, None).await?,
        };
        let scratch = worker.scratch.clone();
        let done = worker.run(job(&scratch), errand.deadline, &mut |_, _| {}).await;
        match done {
            Ok(done) => {
                let taken = take(done, &scratch).map_err(Refused::from);
                self.keep(worker).await;
                taken
            }
            Err(ended) => Err(self.bury(worker, ended).await),
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
        self.connect(errand, None, job, progress, take).await
    }

    /// As [`Pool::background`], in a worker that may connect to this TCP port.
    pub async fn connect<T>(
        &self,
        errand: &Errand,
        port: Option<u16>,
        job: impl FnOnce(&Path) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Done, &Path) -> io::Result<T>,
    ) -> Result<T, Refused> {
        let _place = self.0.background.enter(errand.org).await.ok_or(Refused::Full)?;
        let mut worker = self.start(errand, LaneName::Background, port).await?;
        let scratch = worker.scratch.clone();
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

    /// Running and waiting jobs of the query lane and of the background lane.
    pub fn load(&self) -> [(usize, usize); 2] {
        [self.0.queries.load(), self.0.background.load()]
    }

    /// The process ids of idle workers: for tests that end them.
    pub fn idle_processes(&self) -> Vec<u32> {
        self.0.idle.lock().iter().filter_map(|worker| worker.child.id()).collect()
    }

    /// Ends idle workers that have been so for long; and all of them at a stop.
    pub async fn tidy(&self, which: Idle) {
        let now = monotonic();
        let old: VecDeque<Worker> = {
            let mut idle = self.0.idle.lock();
            let (keep, end) = idle
                .drain(..)
                .partition(|worker| which == Idle::Old && now.saturating_sub(worker.idle_since) < RECYCLE_IDLE);
            *idle = keep;
            end
        };
        for worker in old {
            worker.end().await;
        }
    }

    async fn reuse(&self, org: i64) -> Option<Worker> {
        let mut worker = {
            let mut idle = self.0.idle.lock();
            let index = idle.iter().position(|worker| worker.org == org)?;
            idle.remove(index)?
        };
        // It answers at once when it stops a query, and ends when the query then does not let go of its threads: so
        // who can take another job says that it is ready. One that was killed while it was idle had said so before.
        let ready = matches!(tokio::time::timeout(START, worker.receive()).await, Ok(Ok(FromWorker::Ready { .. })));
        if ready && matches!(worker.child.try_wait(), Ok(None)) {
            return Some(worker);
        }
        worker.wait_or_kill().await;
        None
    }

    async fn start(&self, errand: &Errand, lane: LaneName, port: Option<u16>) -> Result<Worker, Refused> {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        // Idle workers of others make room before there are more than there are places.
        let surplus = {
            let mut idle = self.0.idle.lock();
            if lane == LaneName::Query && idle.len() >= self.0.settings.queries { idle.pop_front() } else { None }
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
            write: vec![scratch.clone()],
            ports: port.into_iter().collect(),
            nice: if lane == LaneName::Background { 5 } else { 0 },
        };
        let worker = Worker::start(&settings.program, scratch, errand.org, lane, limits);
        match tokio::time::timeout(START, worker).await {
            Ok(started) => started.map_err(|error| {
                tracing::error!(%error, "a worker does not start");
                Refused::from(error)
            }),
            Err(_) => Err(Refused::from(io::Error::other("a worker does not start in time"))),
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
                tracing::warn!(%error, ?status, "a worker died");
                Refused::Failed(cause_of_death(status))
            }
        }
    }

    /// Keeps a worker of the query lane for its organisation's next job.
    async fn keep(&self, mut worker: Worker) {
        if worker.lane == LaneName::Background || worker.jobs >= RECYCLE_JOBS {
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
#[derive(Debug)]
pub enum Refused {
    /// Too many wait.
    Full,
    /// It failed.
    Failed(Failure),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Failed(Failure::new(FailureCode::Internal, error.to_string()))
    }
}

fn cause_of_death(status: Option<ExitStatus>) -> Failure {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGXFSZ: i32 = 25;
    match status.and_then(|status| status.signal()) {
        Some(SIGABRT | SIGKILL) => Failure::new(
            FailureCode::TooLarge,
            "It needed more memory than a worker may use; ask for less, or raise `worker.memory`.",
        ),
        Some(SIGXFSZ) => Failure::new(
            FailureCode::TooLarge,
            "It wrote more to disk than a worker may; ask for less, or raise `worker.spill`.",
        ),
        _ => Failure::new(FailureCode::Internal, format!("the worker ended with {status:?}")),
    }
}

/// Why a worker gave no outcome.
enum Ended {
    Failed(Failure),
    Overran,
    Died(io::Error),
}

struct Worker {
    child: Child,
    socket: UnixStream,
    scratch: PathBuf,
    org: i64,
    lane: LaneName,
    jobs: u32,
    idle_since: Duration,
}

impl Worker {
    async fn start(
        program: &Path,
        scratch: PathBuf,
        org: i64,
        lane: LaneName,
        limits: ProcessLimits,
    ) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut child = Command::new(program)
            .arg("worker")
            .env_clear()
            .env("MALLOC_ARENA_MAX", "2")
            // What counts against its limit of memory is what is writable: to be so as it is used, not as it is reserved.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .current_dir(&scratch)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log_lines(stderr));
        }
        let mut worker = Self {
            child,
            socket: UnixStream::from_std(ours)?,
            scratch,
            org,
            lane,
            jobs: 0,
            idle_since: Duration::ZERO,
        };
        worker.send(&ToWorker::Hello { build: BUILD.to_owned(), limits }).await?;
        match worker.receive().await? {
            FromWorker::Ready { build } if build == BUILD => Ok(worker),
            FromWorker::Ready { build } => Err(io::Error::other(format!("the worker is of another build: {build}"))),
            _ => Err(io::Error::other("the worker did not say that it is ready")),
        }
    }

    async fn run(
        &mut self,
        job: Job,
        deadline: Duration,
        progress: &mut (dyn FnMut(f64, u64) + Send),
    ) -> Result<Done, Ended> {
        self.jobs += 1;
        match tokio::time::timeout(deadline + OVERRUN, self.converse(job, deadline, progress)).await {
            Ok(done) => done,
            Err(_) => Err(Ended::Overran),
        }
    }

    async fn converse(
        &mut self,
        job: Job,
        deadline: Duration,
        progress: &mut (dyn FnMut(f64, u64) + Send),
    ) -> Result<Done, Ended> {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.send(&ToWorker::Run { deadline_ms, job: Box::new(job) }).await.map_err(Ended::Died)?;
        loop {
            match self.receive().await.map_err(Ended::Died)? {
                FromWorker::Progress { fraction, rows } => progress(fraction, rows),
                FromWorker::Failed { failure } => return Err(Ended::Failed(failure)),
                FromWorker::Ready { .. } => {
                    return Err(Ended::Died(io::Error::other("a worker that is ready while it works")));
                }
                FromWorker::Done { outcome } => {
                    let inline = matches!(&*outcome, Outcome::Queried(query) if query.file_bytes.is_none());
                    let bytes = if inline { Some(self.receive_bytes().await.map_err(Ended::Died)?) } else { None };
                    return Ok(Done { outcome: *outcome, bytes });
                }
            }
        }
    }

    async fn send(&mut self, message: &ToWorker) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        self.socket.write_all(&frame_head(FrameKind::Json, bytes.len())?).await?;
        self.socket.write_all(&bytes).await
    }

    async fn receive(&mut self) -> io::Result<FromWorker> {
        match self.frame().await? {
            (FrameKind::Json, bytes) => Ok(serde_json::from_slice(&bytes)?),
            (FrameKind::Bytes, _) => Err(io::Error::other("bytes that nothing announced")),
        }
    }

    async fn receive_bytes(&mut self) -> io::Result<Bytes> {
        match self.frame().await? {
            (FrameKind::Bytes, bytes) => Ok(bytes.into()),
            (FrameKind::Json, _) => Err(io::Error::other("a message where bytes were announced")),
        }
    }

    async fn frame(&mut self) -> io::Result<(FrameKind, Vec<u8>)> {
        let mut head = [0; 5];
        self.socket.read_exact(&mut head).await?;
        let (kind, length) = parse_head(head)?;
        let mut bytes = vec![0; length];
        self.socket.read_exact(&mut bytes).await?;
        Ok((kind, bytes))
    }

    /// The status of a worker that has died by itself, which may take a moment to be seen.
    async fn wait_or_kill(&mut self) -> Option<ExitStatus> {
        match tokio::time::timeout(Duration::from_millis(500), self.child.wait()).await {
            Ok(status) => {
                self.clean();
                status.ok()
            }
            Err(_) => self.kill().await,
        }
    }

    async fn kill(&mut self) -> Option<ExitStatus> {
        let _ = self.child.start_kill();
        let status = self.child.wait().await.ok();
        self.clean();
        status
    }

    /// Closes the socket, at which the worker exits.
    async fn end(self) {
        let Self { mut child, socket, scratch, .. } = self;
        drop(socket);
        if tokio::time::timeout(Duration::from_millis(500), child.wait()).await.is_err() {
            let _ = child.start_kill();
            let _ = child.wait().await;
        }
        let _ = std::fs::remove_dir_all(scratch);
    }

    fn clean(&self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

async fn log_lines(stderr: tokio::process::ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    let mut count = 0;
    while let Ok(Some(line)) = lines.next_line().await {
        count += 1;
        if count <= LOG_LINES {
            tracing::warn!(line = %crate::domain::key_text::scrub(&line), "a worker says");
        }
    }
}
