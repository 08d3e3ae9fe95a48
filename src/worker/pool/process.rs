//! One worker process: started, talked to in frames, stopped and killed. Which of them gets which job is the pool's
//! business.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::super::protocol::{
    BUILD, Confinement, Failure, FailureCode, FrameKind, FromWorker, Job, NO_ROOM, Outcome, ProcessLimits, ToWorker,
    frame_head, is_no_room, parse_head,
};
use super::{Done, Use};

/// Bytes of the head of a frame.
const HEAD: usize = 5;
/// What a worker may run over its deadline before it is killed. One that can gives up by itself at its deadline, by a timer
/// that no query holds up; with this, one that cannot is gone within half a second.
const OVERRUN: Duration = Duration::from_millis(400);
/// How long a process that has hung up may take to end.
const DYING: Duration = Duration::from_millis(500);
/// The signal of a system call that is not allowed.
const SIGSYS: i32 = 31;
/// Lines of a worker's standard error that are logged, for each worker.
const LOG_LINES: usize = 64;

/// A worker process, as the server holds it.
pub(super) struct Worker {
    pub(super) child: Child,
    socket: UnixStream,
    /// What was read of the socket and not yet of its frames: reading may be given up at any byte.
    received: BytesMut,
    /// Whether a message to it was cut off: it can never be told anything again.
    is_cut_off: bool,
    pub(super) scratch: PathBuf,
    pub(super) org: i64,
    pub(super) purpose: Use,
    pub(super) jobs: u32,
    pub(super) idle_since: Duration,
    pub(super) confinement: Confinement,
}

impl Worker {
    pub(super) async fn start(
        program: &Path,
        scratch: PathBuf,
        org: i64,
        purpose: Use,
        limits: ProcessLimits,
    ) -> Result<Self, Unstarted> {
        let mut worker = Self::spawn(program, scratch, org, purpose)?;
        match worker.greet(limits).await {
            Ok(confinement) => {
                worker.confinement = confinement;
                Ok(worker)
            }
            Err(error) => Err(worker.unstarted(error).await),
        }
    }

    fn spawn(program: &Path, scratch: PathBuf, org: i64, purpose: Use) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut child = Command::new(program)
            .arg("worker")
            .env_clear()
            .env("MALLOC_ARENA_MAX", "2")
            // What counts against its limit of memory is what is writable: to be so as it is used, not as it is reserved.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            // Of what SQLite sorts, what is too much for memory goes where the worker may write.
            .env("SQLITE_TMPDIR", &scratch)
            .current_dir(&scratch)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log_lines(stderr));
        }
        Ok(Self {
            child,
            socket: UnixStream::from_std(ours)?,
            received: BytesMut::new(),
            is_cut_off: false,
            scratch,
            org,
            purpose,
            jobs: 0,
            idle_since: Duration::ZERO,
            confinement: Confinement { landlock: false, seccomp: false },
        })
    }

    /// Tells it what it limits itself to, and gets what that came to.
    async fn greet(&mut self, limits: ProcessLimits) -> io::Result<Confinement> {
        self.send(&ToWorker::Hello { build: BUILD.to_owned(), limits }).await?;
        match self.receive().await? {
            FromWorker::Ready { build, confinement } if build == BUILD => Ok(confinement),
            FromWorker::Ready { build, .. } => {
                Err(io::Error::other(format!("the worker is of another build: {build}")))
            }
            FromWorker::Failed { failure } => Err(io::Error::other(failure.message)),
            _ => Err(io::Error::other("the worker did not say that it is ready")),
        }
    }

    /// Why it is not ready: one that the kernel has ended had no room, one that gave up by itself has said why to its log.
    async fn unstarted(mut self, error: io::Error) -> Unstarted {
        let has_hung_up = !matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::InvalidData);
        let ended = tokio::time::timeout(DYING, self.child.wait()).await;
        let Some(status) = ended.ok().and_then(Result::ok).filter(|_| has_hung_up) else { return error.into() };
        let why = io::Error::other(format!("it ended with {status}"));
        match (status.signal(), status.code()) {
            (Some(SIGSYS), _) => Unstarted::Broken(why),
            (Some(_), _) => Unstarted::Scarce(why),
            (None, code) if code == Some(NO_ROOM.into()) => Unstarted::Scarce(why),
            _ => Unstarted::Broken(why),
        }
    }

    pub(super) async fn run(
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
        let head = frame_head(FrameKind::Json, bytes.len())?;
        if std::mem::replace(&mut self.is_cut_off, true) {
            return Err(io::Error::other("a message to it was cut off"));
        }
        self.socket.write_all(&head).await?;
        self.socket.write_all(&bytes).await?;
        self.is_cut_off = false;
        Ok(())
    }

    /// Stops the job that it was given and reads what comes of it, whatever that is.
    pub(super) async fn stop(&mut self) -> io::Result<()> {
        self.send(&ToWorker::Cancel).await?;
        loop {
            match self.receive().await? {
                FromWorker::Progress { .. } => {}
                FromWorker::Failed { .. } => return Ok(()),
                FromWorker::Ready { .. } => return Err(io::Error::other("a worker that is ready while it works")),
                FromWorker::Done { outcome } => {
                    if let Outcome::Queried(query) = *outcome {
                        match query.file_bytes {
                            None => drop(self.receive_bytes().await?),
                            // It had a file written; where to is known to the job alone, and the directory is its own.
                            Some(_) => self.empty_scratch(),
                        }
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Takes away its directory: it gets no further job.
    pub(super) fn remove_scratch(&self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
    }

    /// Takes away what lies in its directory.
    fn empty_scratch(&self) {
        for entry in std::fs::read_dir(&self.scratch).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
    }

    pub(super) async fn receive(&mut self) -> io::Result<FromWorker> {
        match self.frame().await? {
            (FrameKind::Json, bytes) => Ok(serde_json::from_slice(&bytes)?),
            (FrameKind::Bytes, _) => Err(io::Error::other("bytes that nothing announced")),
        }
    }

    async fn receive_bytes(&mut self) -> io::Result<Bytes> {
        match self.frame().await? {
            (FrameKind::Bytes, bytes) => Ok(bytes),
            (FrameKind::Json, _) => Err(io::Error::other("a message where bytes were announced")),
        }
    }

    async fn frame(&mut self) -> io::Result<(FrameKind, Bytes)> {
        loop {
            if let Some(head) = self.received.first_chunk::<HEAD>() {
                let (kind, length) = parse_head(*head)?;
                if self.received.len() >= HEAD + length {
                    self.received.advance(HEAD);
                    return Ok((kind, self.received.split_to(length).freeze()));
                }
                self.received.reserve(HEAD + length - self.received.len());
            }
            if self.socket.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The status of a worker that has died by itself, which may take a moment to be seen.
    pub(super) async fn wait_or_kill(&mut self) -> Option<ExitStatus> {
        match tokio::time::timeout(DYING, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => self.kill().await,
        }
    }

    pub(super) async fn kill(&mut self) -> Option<ExitStatus> {
        let _ = self.child.start_kill();
        self.child.wait().await.ok()
    }

    /// Says that nothing more will be asked, at which the worker exits.
    pub(super) async fn end(mut self) {
        let _ = self.socket.shutdown().await;
        self.wait_or_kill().await;
    }
}

impl Drop for Worker {
    /// What it wrote goes with it. What a process that is still dying writes goes at the next start.
    fn drop(&mut self) {
        self.remove_scratch();
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

/// Why there is no worker.
#[derive(Debug)]
pub(super) enum Unstarted {
    /// The machine has no process, memory or descriptor for one now.
    Scarce(io::Error),
    /// There will be none the next time either.
    Broken(io::Error),
}

impl From<io::Error> for Unstarted {
    fn from(error: io::Error) -> Self {
        if is_no_room(&error) { Self::Scarce(error) } else { Self::Broken(error) }
    }
}

/// Why a worker gave no outcome.
pub(super) enum Ended {
    Failed(Failure),
    Overran,
    Died(io::Error),
}

/// What a worker's death says of its job.
pub(super) fn cause_of_death(status: Option<ExitStatus>) -> Failure {
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
        Some(SIGSYS) => {
            tracing::error!(
                "a worker made a system call that no code of claribi makes, and was ended; what it was given may be an attack"
            );
            Failure::new(FailureCode::Internal, "the worker made a system call that ends it")
        }
        _ => Failure::new(FailureCode::Internal, format!("the worker ended with {status:?}")),
    }
}
