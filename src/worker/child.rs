//! The worker's own side: limits itself, takes jobs one after another, and ends with its socket.
//!
//! It trusts neither its input nor its own code: a panic in a job is answered as a failure, and a query that keeps a
//! thread past its end ends the process, which the server replaces.

use std::any::Any;
use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::protocol::{
    BUILD, Confinement, Failure, FailureCode, FrameKind, FromWorker, Job, MAX_FRAME, NO_ROOM, Outcome, ProcessLimits,
    ToWorker, WidgetOutcome, is_no_room, read_message, write_frame, write_message,
};
use super::sandbox;
use crate::domain::document::Document;
use crate::domain::result::WidgetData;
use crate::domain::widget::{Format, WidgetKind};
use crate::engine::control::{Control, Report};
use crate::engine::sql::session::{Engine, Settings};
use crate::engine::sql::{explain, query, refresh};
use crate::engine::threads::Threads;
use crate::engine::{connect, import, internal, profile};
use crate::render::{chart, pdf};

/// The threads that queries run on, at most.
const MOST_CORES: usize = 4;
/// Bytes of a preview, which the server holds in memory.
const MAX_PREVIEW: u64 = 16 << 20;
/// The size of a chart's drawing, in its own units: pages scale it.
const CHART_WIDTH: f64 = 640.0;
/// As [`CHART_WIDTH`].
const CHART_HEIGHT: f64 = 300.0;

/// Serves the socket on standard input until it closes; what `claribi worker` does.
pub fn run() -> ExitCode {
    let served = io::stdin().as_fd().try_clone_to_owned().and_then(|socket| {
        let surroundings = Surroundings {
            confine: sandbox::confine,
            // Jobs need not be waited for: nobody will read their answers.
            at_end: || std::process::exit(0),
        };
        serve(UnixStream::from(socket), &surroundings)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the worker ends");
            if is_no_room(&error) { NO_ROOM.into() } else { ExitCode::FAILURE }
        }
    }
}

/// What differs between a process of its own and a test.
struct Surroundings {
    confine: fn(&ProcessLimits) -> io::Result<Confinement>,
    /// Called by the thread that reads, once the server is gone.
    at_end: fn(),
}

fn serve(mut socket: UnixStream, surroundings: &Surroundings) -> io::Result<()> {
    let Some(ToWorker::Hello { build, limits }) = read_message(&mut socket)? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the server did not say hello"));
    };
    if build != BUILD {
        let message = format!("this worker is of build {BUILD}, the server of {build}");
        write_message(&mut socket, &FromWorker::Failed { failure: Failure::new(FailureCode::Internal, &message) })?;
        return Err(io::Error::other(message));
    }
    let cores = thread::available_parallelism().map_or(1, usize::from).min(MOST_CORES);
    let confinement = (surroundings.confine)(&limits)?;
    let threads = Threads::start(cores)?;
    let settings = Settings { cores, scratch: limits.write.first().cloned() };
    let engine = Arc::new(Engine::new(settings, threads.hands()).map_err(|failure| io::Error::other(failure.message))?);
    let out = Arc::new(Mutex::new(socket.try_clone()?));
    let worker = Worker { out, threads, engine, memory_bytes: limits.memory_bytes, confinement };
    worker.say(&worker.ready())?;
    let (jobs, received) = channel();
    let at_end = surroundings.at_end;
    let reader = thread::Builder::new().name("read".into()).spawn(move || {
        let result = read_jobs(socket, &jobs);
        at_end();
        result
    })?;
    let out = worker.out.clone();
    if worker.work(&received)? == Ended::Stuck {
        // The server learns at once that this worker takes no further job.
        return out.lock().shutdown(Shutdown::Both);
    }
    reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader died")))
}

/// A job with the signal that calls it off.
struct Assignment {
    job: Job,
    deadline: Duration,
    canceled: watch::Receiver<bool>,
}

/// Hands jobs on and calls them off, until the socket closes.
fn read_jobs(mut socket: UnixStream, jobs: &Sender<Assignment>) -> io::Result<()> {
    let mut cancel: Option<watch::Sender<bool>> = None;
    while let Some(message) = read_message(&mut socket)? {
        match message {
            ToWorker::Run { deadline_ms, job } => {
                let (sender, canceled) = watch::channel(false);
                cancel = Some(sender);
                let deadline = Duration::from_millis(deadline_ms);
                if jobs.send(Assignment { job: *job, deadline, canceled }).is_err() {
                    break;
                }
            }
            // One that comes after its job's end finds nobody to stop.
            ToWorker::Cancel => drop(cancel.as_ref().map(|cancel| cancel.send_replace(true))),
            ToWorker::Hello { .. } => return Err(io::Error::new(io::ErrorKind::InvalidData, "a second hello")),
        }
    }
    if let Some(cancel) = cancel {
        cancel.send_replace(true);
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Ended {
    /// The server closed the socket.
    Closed,
    /// A stopped query does not let go of its thread.
    Stuck,
}

struct Worker {
    out: Arc<Mutex<UnixStream>>,
    threads: Threads,
    engine: Arc<Engine>,
    memory_bytes: u64,
    confinement: Confinement,
}

/// What a job yields: its outcome, and the bytes that follow it.
type Done = (Outcome, Option<Vec<u8>>);

impl Worker {
    fn work(self, jobs: &Receiver<Assignment>) -> io::Result<Ended> {
        let mut ended = Ended::Closed;
        for Assignment { job, deadline, canceled } in jobs {
            let control = Control::new(canceled, deadline, self.report());
            let result = catch_unwind(AssertUnwindSafe(|| self.run(job, &control)))
                .unwrap_or_else(|panic| Err(Failure::new(FailureCode::Internal, describe(panic.as_ref()))));
            self.answer(result)?;
            // Asked after each job: a refresh succeeds though one of its widgets had to be stopped.
            if !self.threads.settled() {
                tracing::warn!("a stopped query keeps running; the worker ends with it");
                ended = Ended::Stuck;
                break;
            }
            // When nobody hears it, the thread that reads finds out.
            let _ = self.say(&self.ready());
        }
        self.threads.abandon();
        Ok(ended)
    }

    fn run(&self, job: Job, control: &Control) -> Result<Done, Failure> {
        match job {
            Job::Import { files, into, append_to } => {
                let tables = import::run(&files, &into, append_to.as_deref(), import::Options::default(), control)?;
                Ok((Outcome::Imported { tables }, None))
            }
            Job::Preview { files, scratch, into } => {
                let previews = import::preview(&files, &scratch, import::Options::default(), control)?;
                write_json(&into, &previews)?;
                let length = std::fs::metadata(&into).map_or(0, |file| file.len());
                if length > MAX_PREVIEW {
                    let message = format!("The preview is over {MAX_PREVIEW} bytes; look at fewer files at once.");
                    return Err(Failure::new(FailureCode::InvalidFile, message));
                }
                Ok((Outcome::Previewed, None))
            }
            Job::Connect(job) => {
                let (tables, notes) = connect::run(job, &self.threads.hands(), control)?;
                Ok((Outcome::Connected { tables, notes }, None))
            }
            Job::Describe(job) => {
                let tables = connect::describe(job, &self.threads.hands(), control)?;
                Ok((Outcome::Connected { tables, notes: Vec::new() }, None))
            }
            Job::Ask(job) => {
                let (outcome, body) = connect::ask(job, &self.threads.hands(), control)?;
                let body = outcome.file_bytes.is_none().then_some(body);
                Ok((Outcome::Queried(outcome), body))
            }
            Job::Query(job) => {
                let (outcome, body) = self.threads.watch(query::run(self.engine.clone(), job, control))?;
                let body = outcome.file_bytes.is_none().then_some(body);
                Ok((Outcome::Queried(outcome), body))
            }
            Job::Explain(job) => {
                let explained = self.threads.watch(explain::run(self.engine.clone(), job, control))?;
                Ok((Outcome::Explained(explained), None))
            }
            Job::ExplainLive(job) => {
                let explained = connect::explain(job, &self.threads.hands(), control)?;
                Ok((Outcome::Explained(explained), None))
            }
            Job::Refresh { tables, widgets, limits, into } => {
                let drawn: Vec<(String, Format)> =
                    widgets.iter().map(|widget| (widget.title.clone(), widget.format.clone())).collect();
                let kinds: Vec<WidgetKind> = widgets.iter().map(|widget| widget.kind).collect();
                let work = refresh::run(&self.engine, tables, widgets, limits, control);
                let (mut outcomes, rows_scanned) = self.threads.watch(work)?;
                for ((outcome, kind), (title, format)) in outcomes.iter_mut().zip(kinds).zip(&drawn) {
                    outcome.svg = draw(kind, title, format, outcome);
                }
                write_json(&into, &outcomes)?;
                Ok((Outcome::Refreshed { rows_scanned }, None))
            }
            Job::Profile { tables, spill_bytes, into } => {
                let most = (self.memory_bytes / 2, spill_bytes);
                let work = profile::run(self.engine.clone(), tables, into, most, control);
                Ok((Outcome::Profiled { rows_scanned: self.threads.watch(work)? }, None))
            }
            Job::Render { document, into } => render_document(&document, &into),
        }
    }

    fn ready(&self) -> FromWorker {
        FromWorker::Ready { build: BUILD.to_owned(), confinement: self.confinement }
    }

    fn answer(&self, result: Result<Done, Failure>) -> io::Result<()> {
        match result {
            Ok((outcome, bytes)) => {
                let message = serde_json::to_vec(&FromWorker::Done { outcome: Box::new(outcome) })?;
                if message.len() > MAX_FRAME {
                    let message = "The result has too many tables and columns to be told; ask for fewer at a time.";
                    return self.say(&FromWorker::Failed { failure: Failure::new(FailureCode::TooLarge, message) });
                }
                let mut out = self.out.lock();
                write_frame(&mut *out, FrameKind::Json, &message)?;
                bytes.map_or(Ok(()), |bytes| write_frame(&mut *out, FrameKind::Bytes, &bytes))
            }
            Err(failure) => self.say(&FromWorker::Failed { failure }),
        }
    }

    fn say(&self, message: &FromWorker) -> io::Result<()> {
        write_message(&mut *self.out.lock(), message)
    }

    fn report(&self) -> Report {
        let out = self.out.clone();
        Arc::new(move |fraction, rows| {
            // A server that is gone is noticed by the thread that reads.
            let _ = write_message(&mut *out.lock(), &FromWorker::Progress { fraction, rows });
        })
    }
}

/// Charts are drawn once, when their data is computed: no reader waits for a worker.
fn draw(kind: WidgetKind, title: &str, format: &Format, outcome: &WidgetOutcome) -> Option<String> {
    match &outcome.result {
        Ok(WidgetData::Chart { x, series }) => {
            Some(chart::svg(kind, title, *x, series, format, CHART_WIDTH, CHART_HEIGHT))
        }
        _ => None,
    }
}

fn render_document(document: &Path, into: &Path) -> Result<Done, Failure> {
    let bytes = std::fs::read(document).map_err(|error| internal("a document cannot be read", &error))?;
    let document: Document =
        serde_json::from_slice(&bytes).map_err(|error| internal("a document does not read back", &error))?;
    let made = pdf::write(&document).map_err(|error| internal("a report cannot be written", &error))?;
    write_file(into, &made.bytes)?;
    Ok((Outcome::Rendered { bytes: made.bytes.len() as u64, pages: made.pages }, None))
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).map_err(|error| internal("a result cannot be written", &error))?;
    write_file(path, &bytes)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| internal("a file cannot be written", &error))
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("a job panicked: {}", words.unwrap_or("without words"))
}

#[cfg(test)]
mod tests;
