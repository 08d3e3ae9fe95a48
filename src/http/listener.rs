//! Connections: accepting them, how many there may be, and the deadlines a silent client meets.
//!
//! This module turns sockets into requests and answers into bytes. It knows neither poem nor routes; whoever
//! implements [`Serve`] does. HTTP/1.1 only until TLS is here: a browser speaks HTTP/2 over TLS alone.
//!
//! **Invariant:** a connection that waits for its client has a deadline, which costs no timer per request (see
//! `deadlines`). The one exception are request bodies: who reads them, the edge, demands a minimum rate.

mod addresses;
mod connection;
mod deadlines;
mod departure;
mod refusal;
mod shutdown;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::Semaphore;

pub use self::departure::Departure;
pub use self::shutdown::{Shutdown, ShutdownHandle};

use self::addresses::Addresses;

/// What answers requests.
pub trait Serve: Send + Sync + 'static {
    /// The body of an answer. An error in it ends the connection, so that the client sees a cut answer as cut.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request. The future is dropped when the client hangs up: what must run to its end runs in a
    /// task of its own. A client that has left is not answered, and its connection ends.
    fn serve(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Answered<Self::Body>> + Send;
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The socket's address; behind a proxy this is the proxy.
    pub address: SocketAddr,
    /// Whether it has closed its side, for work that is worth nothing without it.
    pub departure: Departure,
}

impl Peer {
    /// One that has connected from here.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, departure: Departure::default() }
    }
}

/// What a connection may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. At the limit the next one waits in the kernel's queue until one ends.
    pub connections: usize,
    /// Connections of one IPv4 address or one IPv6 /64 network. More are refused with a bare 503.
    pub connections_per_address: usize,
    /// Whose addresses have no such limit: proxies, whose connections are those of all their clients.
    pub proxies: Vec<IpNet>,
    /// How long a request head may take, and how long a kept-alive connection may idle before the next one.
    pub header_timeout: Duration,
    /// How long a client may take no byte of an answer that is ready for it.
    pub write_stall: Duration,
    /// The largest request head, in bytes; hyper answers 431 to a longer one.
    pub max_header_bytes: usize,
    /// How long running requests may take to finish after a shutdown began.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 1024,
            proxies: Vec::new(),
            header_timeout: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            max_header_bytes: 64 * 1024,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// What happened to connections since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted, refused ones included.
    pub accepted: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
    /// Connections refused because their address had its share.
    pub refused: AtomicU64,
    /// Connections whose bytes were not HTTP/1.1. They are answered without a request id and are in no audit log.
    pub malformed: AtomicU64,
    /// Connections ended because no request head came in time.
    pub timed_out: AtomicU64,
    /// Connections ended because the client stopped reading its answer.
    pub stalled: AtomicU64,
    /// Times the system refused to hand out a connection, for want of file descriptors or memory.
    pub accept_errors: AtomicU64,
}

impl Counters {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A bound TCP port.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds the first address that can be bound. Port 0 takes any free port.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await? })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A service with the limits its connections live under.
pub struct Server<S> {
    service: S,
    limits: Limits,
    counters: Arc<Counters>,
    shutdown: Shutdown,
}

impl<S: Serve> Server<S> {
    /// A server that serves until `shutdown` begins. Nothing is bound or spawned yet.
    pub fn new(service: S, limits: Limits, shutdown: Shutdown) -> Self {
        Self { service, limits, counters: Arc::default(), shutdown }
    }

    /// The counters of this server's connections, for `/metrics`.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Accepts and serves connections until the shutdown begins, then waits for those that are left: idle ones end
    /// at once, running requests have [`Limits::shutdown_grace`].
    pub async fn run(self: Arc<Self>, listener: Listener) {
        let slots = Arc::new(Semaphore::new(self.limits.connections.min(Semaphore::MAX_PERMITS)));
        let accepting = Arc::clone(&self).accept_all(listener, Arc::clone(&slots));
        // The listener is dropped here, so that late clients are refused by the kernel instead of left waiting.
        accepting.await;
        self.drain(&slots).await;
    }

    /// Accepts until the shutdown begins. Every open connection holds one of `slots`.
    async fn accept_all(self: Arc<Self>, listener: Listener, slots: Arc<Semaphore>) {
        let addresses = Addresses::new(self.limits.connections_per_address, self.limits.proxies.clone());
        let refusals = refusal::Desk::default();
        let mut pause = Pause::default();
        let mut shutdown = self.shutdown.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.begun() => return,
                accepted = accept_one(&listener, &slots) => accepted,
            };
            let (slot, stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if concerns_one_client(&error) => continue,
                Err(error) => {
                    Counters::count(&self.counters.accept_errors);
                    tokio::select! {
                        () = shutdown.begun() => return,
                        () = pause.after(&error) => continue,
                    }
                }
            };
            pause = Pause::default();
            Counters::count(&self.counters.accepted);
            let Some(share) = addresses.enter(address.ip()) else {
                Counters::count(&self.counters.refused);
                refusals.refuse(stream);
                continue;
            };
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                let _held = (slot, share);
                // An answer is written whole, so Nagle's algorithm would only delay it; a socket that cannot be set
                // is one whose client left.
                if stream.set_nodelay(true).is_ok() {
                    server.serve_stream(stream, Peer::at(address)).await;
                }
            });
        }
    }

    /// Waits until every slot is free. Connections end themselves by their grace; the second on top is for their
    /// tasks to be scheduled.
    async fn drain(&self, slots: &Semaphore) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let patience = self.limits.shutdown_grace + Duration::from_secs(1);
        if tokio::time::timeout(patience, slots.acquire_many(all)).await.is_err() {
            tracing::warn!("connections were still open when the time for shutting down was over");
        }
    }
}

/// A slot first, then a connection: what waits for a slot waits in the kernel and costs no memory here.
async fn accept_one(
    listener: &Listener,
    slots: &Arc<Semaphore>,
) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.socket.accept().await?;
    Ok((slot, stream, address))
}

/// Whether an accept error says something about one connection only. All others (no descriptors, no memory) come
/// again at once, and accepting without a pause would spin.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The pause after an accept error: 10 ms, doubled up to one second as long as nothing is accepted.
struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    async fn after(&mut self, error: &io::Error) {
        if self.next == Self::FIRST {
            tracing::warn!(%error, "connections cannot be accepted; raise the limit of open files");
        }
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        tokio::time::sleep(pause).await;
    }
}

/// An answer, or none because nobody waits for it.
pub type Answered<B> = Result<Response<B>, Gone>;

/// The client has closed its side before it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Display for Gone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the client has left")
    }
}

impl Error for Gone {}
