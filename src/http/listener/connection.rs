//! One connection from its first byte to its last, over any stream: a socket now, TLS later, a pipe in tests.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::deadlines::{Alarm, Deadlines, HeadTimer, Late, Watched};
use super::{Counters, Peer, Serve, Server};

/// How many bytes of an unread request are taken off a connection whose answer is sent already, and for how long.
/// Closing a socket with unread bytes makes the system reset it, and the reset can overtake the answer.
const DRAINED_BYTES: u64 = 64 * 1024;
const DRAINED_FOR: Duration = Duration::from_secs(2);

/// Bytes that one connection buffers of what it reads, at most.
const READ_BUFFER: usize = 64 * 1024;

/// Why a connection ended.
enum End {
    /// hyper is done with it, well or not.
    Served(hyper::Result<()>),
    /// Its client was late.
    Late(Late),
}

impl<S: Serve> Server<S> {
    /// Serves one connection until it ends, its client is late, or the shutdown began and its request is answered.
    pub async fn serve_stream<I>(&self, stream: I, peer: Peer)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let _open = Open::new(&self.counters);
        let deadlines = Deadlines::none();
        let mut stream = Watched::new(stream, Arc::clone(&deadlines), self.limits.write_stall, peer.departure.clone());
        let end = self.answer(&mut stream, peer, &deadlines).await;
        let client_may_still_send = match &end {
            // An idle connection has nothing unread; one that was answered may have.
            End::Served(Ok(())) => !deadlines.awaits_head(),
            End::Served(Err(error)) => error.is_parse(),
            End::Late(_) => false,
        };
        self.account(&end);
        if client_may_still_send && !stream.has_ended() {
            drain(&mut stream).await;
        }
    }

    /// Lets hyper serve the connection, under the deadlines and the shutdown.
    async fn answer<I>(&self, stream: &mut Watched<I>, peer: Peer, deadlines: &Arc<Deadlines>) -> End
    where
        I: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let service = service_fn(|request| {
            deadlines.head_arrived();
            self.service.serve(request, peer.clone())
        });
        let connection = pin!(
            http1::Builder::new()
                .timer(HeadTimer { deadlines: Arc::clone(deadlines) })
                .header_read_timeout(self.limits.header_timeout)
                // A client that has said all and closes its side is answered, and its request leaves its row: without
                // this hyper drops the service, and who sends and leaves could ask without a trace.
                .half_close(true)
                .max_header_size(self.limits.max_header_bytes)
                .max_buf_size(READ_BUFFER.max(self.limits.max_header_bytes))
                .serve_connection(TokioIo::new(stream), service)
        );
        self.until_end(connection, deadlines).await
    }

    /// Polls the connection, its alarm and the shutdown, in this order.
    async fn until_end<C>(&self, mut connection: Pin<&mut C>, deadlines: &Arc<Deadlines>) -> End
    where
        C: Future<Output = hyper::Result<()>> + Graceful,
    {
        let mut alarm = Alarm::new(Arc::clone(deadlines), self.limits.header_timeout);
        let mut shutdown = self.shutdown.clone();
        let mut begun = pin!(shutdown.begun());
        // Whom the shutdown wakes. As long as it is this task, the word itself need not be asked for again.
        let mut registered: Option<Waker> = None;
        let mut finishing = false;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(End::Served(result));
                }
                if !finishing {
                    let known = registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                    finishing = if known {
                        self.shutdown.has_begun()
                    } else {
                        registered = Some(cx.waker().clone());
                        begun.as_mut().poll(cx).is_ready()
                    };
                    if finishing {
                        deadlines.shut_down_within(self.limits.shutdown_grace);
                        connection.as_mut().finish();
                        continue;
                    }
                }
                return alarm.poll_late(cx).map(End::Late);
            }
        })
        .await
    }

    fn account(&self, end: &End) {
        match end {
            End::Served(Err(error)) if error.is_parse() => Counters::count(&self.counters.malformed),
            End::Late(Late::Head) => Counters::count(&self.counters.timed_out),
            End::Late(Late::Read) => Counters::count(&self.counters.stalled),
            End::Served(_) | End::Late(Late::Shutdown) => {}
        }
    }
}

/// hyper's connection, as far as the loop above needs it.
trait Graceful {
    /// Ends the connection after the request that runs, or now if none does.
    fn finish(self: Pin<&mut Self>);
}

impl<I, S, B> Graceful for http1::Connection<I, S>
where
    S: HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Reads and forgets what the client still sends, within bounds, until it closes its side.
pub(super) async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = stream.take(DRAINED_BYTES);
    // How it ends is all the same: the connection is closed next.
    let _ = tokio::time::timeout(DRAINED_FOR, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// Counts a connection as open for as long as it lives.
struct Open<'a> {
    counters: &'a Counters,
}

impl<'a> Open<'a> {
    fn new(counters: &'a Counters) -> Self {
        Counters::count(&counters.open);
        Self { counters }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.counters.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}
