//! The deadlines of one connection, kept with a single timer.
//!
//! hyper wants a timer for every request head, and a write deadline would want one for every write. At tens of
//! thousands of requests a second that is as many registrations in the runtime's timer wheel. So nothing is
//! registered when a deadline is set: it is a number in [`Deadlines`], and one [`Alarm`] for each connection wakes at
//! the earliest of them, or at one that has passed away since, in which case it is set anew.
//!
//! The runtime's own clock is used here on purpose: these are deadlines of sockets, and no answer depends on them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::departure::{Ahead, Departure};

/// What a client was late with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// Sending a whole request head.
    Head,
    /// Taking bytes of an answer.
    Read,
    /// Finishing after the shutdown began.
    Shutdown,
}

/// When each thing a connection waits for is due. One task uses it, the atomics only make it shareable with hyper,
/// hence the relaxed order everywhere.
#[derive(Debug)]
pub(super) struct Deadlines {
    origin: Instant,
    head: AtomicU64,
    read: AtomicU64,
    shutdown: AtomicU64,
}

/// A deadline that is not set. Others are microseconds after the connection began.
const NEVER: u64 = u64::MAX;

impl Deadlines {
    /// Nothing is due.
    pub(super) fn none() -> Arc<Self> {
        let never = || AtomicU64::new(NEVER);
        Arc::new(Self { origin: Instant::now(), head: never(), read: never(), shutdown: never() })
    }

    /// A request head is there: the client is not waited for.
    pub(super) fn head_arrived(&self) {
        self.head.store(NEVER, Ordering::Relaxed);
    }

    /// Whether the connection waits for a request head.
    pub(super) fn awaits_head(&self) -> bool {
        self.head.load(Ordering::Relaxed) != NEVER
    }

    /// The shutdown began: whatever runs has `grace`.
    pub(super) fn shut_down_within(&self, grace: Duration) {
        self.shutdown.store(self.ticks(Instant::now() + grace), Ordering::Relaxed);
    }

    /// The earliest deadline and what it is for.
    fn next(&self) -> Option<(Instant, Late)> {
        let head = (self.head.load(Ordering::Relaxed), Late::Head);
        let read = (self.read.load(Ordering::Relaxed), Late::Read);
        let shutdown = (self.shutdown.load(Ordering::Relaxed), Late::Shutdown);
        let (ticks, late) = [head, read, shutdown].into_iter().min_by_key(|(ticks, _)| *ticks)?;
        (ticks != NEVER).then(|| (self.origin + Duration::from_micros(ticks), late))
    }

    fn ticks(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_micros()).unwrap_or(NEVER - 1)
    }
}

/// Wakes the connection when something is due.
pub(super) struct Alarm {
    deadlines: Arc<Deadlines>,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl Alarm {
    /// An alarm that first looks after `first`.
    pub(super) fn new(deadlines: Arc<Deadlines>, first: Duration) -> Self {
        Self { deadlines, sleep: Box::pin(tokio::time::sleep(first)) }
    }

    /// Ready when a deadline has passed.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        loop {
            let Some((due, late)) = self.deadlines.next() else { return Poll::Pending };
            if due < self.sleep.deadline() {
                self.sleep.as_mut().reset(due);
            }
            ready!(self.sleep.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(late);
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

/// The timer that hyper is given. It notes when the next head is due, and the sleep it hands out never wakes: the
/// [`Alarm`] does.
pub(super) struct HeadTimer {
    pub(super) deadlines: Arc<Deadlines>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let ticks = self.deadlines.ticks(Instant::from_std(deadline));
        self.deadlines.head.store(ticks, Ordering::Relaxed);
        // A type without size: boxing it allocates nothing.
        Box::pin(Never)
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: std::time::Instant) {
        *sleep = self.sleep_until(new_deadline);
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// A sleep without end.
struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Never {}

/// A stream that notes since when its peer takes no bytes, and whether the peer is done sending.
pub(super) struct Watched<I> {
    stream: I,
    deadlines: Arc<Deadlines>,
    stall: Duration,
    ended: bool,
    ahead: Ahead,
    departure: Departure,
}

impl<I> Watched<I> {
    /// Watches `stream`: a write that makes no progress for `stall` is late, and who wants to know by `departure` whether
    /// the peer has left is told.
    pub(super) fn new(stream: I, deadlines: Arc<Deadlines>, stall: Duration, departure: Departure) -> Self {
        Self { stream, deadlines, stall, ended: false, ahead: Ahead::default(), departure }
    }

    /// Whether nothing more can come from the peer.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Starts the deadline at the first write that has to wait, and clears it at the first that goes through.
    fn note<T>(&self, progress: Poll<T>) -> Poll<T> {
        let due = self.deadlines.read.load(Ordering::Relaxed);
        match &progress {
            Poll::Ready(_) if due != NEVER => self.deadlines.read.store(NEVER, Ordering::Relaxed),
            Poll::Pending if due == NEVER => {
                let due = self.deadlines.ticks(Instant::now() + self.stall);
                self.deadlines.read.store(due, Ordering::Relaxed);
            }
            _ => {}
        }
        progress
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.ahead.take(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.ended |= read.is_err() || buf.filled().len() == before;
        Poll::Ready(read)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        // hyper flushes whenever it has come round, also while a request is served: the one moment to look.
        let Self { stream, ahead, departure, .. } = &mut *self;
        ahead.look(stream, departure, cx);
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(shut)
    }
}
