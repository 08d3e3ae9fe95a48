//! Whether a client has closed its side while its request is served.
//!
//! hyper does not look, because a client may say all and close, and is answered (`half_close`). Work that is worth nothing
//! without somebody who waits for it looks here: what comes after the request is read ahead then, and kept for hyper.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

/// Bytes that are read ahead at most: a client that goes on sending has not left.
const AHEAD: usize = 1_024;

/// What one connection knows of it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_watched: AtomicBool,
    has_left: AtomicBool,
    told: Notify,
}

impl Departure {
    /// Returns when the client has closed its side. It is looked for as long as somebody waits here.
    pub async fn left(&self) {
        let _watched = Watch::begin(&self.0);
        let mut told = std::pin::pin!(self.0.told.notified());
        // Before the question, so that no answer is missed.
        told.as_mut().enable();
        if !self.0.has_left.load(Ordering::Acquire) {
            told.await;
        }
    }

    /// Says that nothing more comes.
    pub(super) fn note_end(&self) {
        self.0.has_left.store(true, Ordering::Release);
        self.0.told.notify_waiters();
    }
}

/// While it lives, the connection looks.
struct Watch<'s>(&'s State);

impl<'s> Watch<'s> {
    fn begin(state: &'s State) -> Self {
        state.is_watched.store(true, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.is_watched.store(false, Ordering::Relaxed);
    }
}

/// What was read before hyper asked for it.
#[derive(Default)]
pub(super) struct Ahead {
    bytes: Vec<u8>,
}

impl Ahead {
    /// Gives out what was read ahead; `false` when there is nothing.
    pub(super) fn take(&mut self, into: &mut ReadBuf<'_>) -> bool {
        let count = self.bytes.len().min(into.remaining());
        into.put_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        count > 0
    }

    /// Looks whether the peer is done, where somebody wants to know; what it says instead is kept.
    pub(super) fn look<I: AsyncRead + Unpin>(&mut self, stream: &mut I, departure: &Departure, cx: &mut Context<'_>) {
        if departure.0.is_watched.load(Ordering::Relaxed) && self.bytes.is_empty() {
            let _ = self.poll_ahead(stream, departure, cx);
        }
    }

    fn poll_ahead<I: AsyncRead + Unpin>(
        &mut self,
        stream: &mut I,
        departure: &Departure,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut bytes = [0; AHEAD];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(stream).poll_read(cx, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            departure.note_end();
        } else {
            self.bytes.extend_from_slice(buffer.filled());
            // hyper may wait for just these.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(())
    }
}
