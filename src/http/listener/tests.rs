//! What clients see of the listener, over real sockets. Deadlines are short, and every wait is for an event.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

/// A client that waits longer than this for an event has found a bug.
const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(40);
const FAR: Duration = Duration::from_secs(3600);

async fn in_time<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("the event did not come")
}

/// Answers by path: `/hold` when told so, `/large` with more than any socket buffers, `/echo` with what was sent,
/// everything else at once and without reading the request.
#[derive(Default)]
struct House {
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

enum Answer {
    Whole(Full<Bytes>),
    /// The same megabyte, over and over.
    Endless(Bytes),
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Endless(piece) => Poll::Ready(Some(Ok(Frame::data(piece.clone())))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Endless(_) => SizeHint::default(),
        }
    }
}

impl Serve for House {
    type Body = Answer;

    async fn serve(&self, request: Request<Incoming>, _: Peer) -> Answered<Answer> {
        Ok(match request.uri().path() {
            "/hold" => {
                self.entered.notify_one();
                self.release.notified().await;
                whole("released")
            }
            "/large" => Response::new(Answer::Endless(Bytes::from(vec![b'x'; 1 << 20]))),
            "/echo" => match request.into_body().collect().await {
                Ok(body) => Response::new(Answer::Whole(Full::new(body.to_bytes()))),
                Err(_) => whole("cut"),
            },
            _ => whole("hello"),
        })
    }
}

fn whole(text: &'static str) -> Response<Answer> {
    Response::new(Answer::Whole(Full::new(Bytes::from_static(text.as_bytes()))))
}

/// A server on a free port, running until told otherwise.
struct Site {
    address: SocketAddr,
    counters: Arc<Counters>,
    shutdown: ShutdownHandle,
    entered: Arc<Notify>,
    release: Arc<Notify>,
    running: JoinHandle<()>,
}

impl Site {
    async fn open(limits: Limits) -> Self {
        let (handle, shutdown) = Shutdown::new();
        let house = House::default();
        let (entered, release) = (Arc::clone(&house.entered), Arc::clone(&house.release));
        let server = Arc::new(Server::new(house, limits, shutdown));
        let counters = server.counters();
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(server.run(listener));
        Self { address, counters, shutdown: handle, entered, release, running }
    }

    async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap() }
    }
}

struct Client {
    stream: TcpStream,
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads one answer by its Content-Length; empty when the server closed instead.
    async fn answer(&mut self) -> String {
        in_time(async {
            let mut text = String::new();
            loop {
                if let Some((head, body)) = text.split_once("\r\n\r\n")
                    && let Some(length) = head.to_ascii_lowercase().split("content-length: ").nth(1)
                    && body.len() >= length.lines().next().unwrap().parse::<usize>().unwrap()
                {
                    return text;
                }
                let mut piece = [0; 4096];
                match self.stream.read(&mut piece).await.unwrap() {
                    0 => return text,
                    n => text.push_str(std::str::from_utf8(&piece[..n]).unwrap()),
                }
            }
        })
        .await
    }

    /// Everything up to the end of the connection, which must be an orderly one.
    async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        in_time(self.stream.read_to_end(&mut bytes)).await.expect("the connection was reset");
        bytes
    }
}

/// One connection served without the accept loop; the future ends when the server is done with it.
async fn one_connection(limits: Limits) -> (Client, JoinHandle<Arc<Counters>>) {
    let (handle, shutdown) = Shutdown::new();
    let server = Server::new(House::default(), limits, shutdown);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (served, address) = listener.accept().await.unwrap();
    let end = tokio::spawn(async move {
        let _handle = handle;
        server.serve_stream(served, Peer::at(address)).await;
        server.counters()
    });
    (Client { stream }, end)
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_connection_is_kept_alive_over_many_requests() {
    let (mut client, end) = one_connection(Limits::default()).await;
    for _ in 0..3 {
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nping").await;
        assert!(client.answer().await.ends_with("ping"));
    }
    drop(client);
    assert_eq!(value(&in_time(end).await.unwrap().open), 0);
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_ended() {
    let (mut client, end) = one_connection(Limits { header_timeout: SOON, ..Limits::default() }).await;
    client.send("GET / HTTP/1.1\r\nHos").await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(value(&in_time(end).await.unwrap().timed_out), 1);
}

#[tokio::test]
async fn sending_a_head_byte_by_byte_buys_no_time() {
    let (client, end) = one_connection(Limits { header_timeout: SOON, ..Limits::default() }).await;
    let (_reading, mut writing) = client.stream.into_split();
    let dripping = tokio::spawn(async move {
        writing.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        let mut drip = tokio::time::interval(Duration::from_millis(5));
        loop {
            drip.tick().await;
            if writing.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    assert_eq!(value(&in_time(end).await.unwrap().timed_out), 1);
    in_time(dripping).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_ended_and_a_long_request_is_not() {
    let site = Site::open(Limits { header_timeout: SOON, ..Limits::default() }).await;
    let mut busy = site.connect().await;
    busy.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n").await;
    in_time(site.entered.notified()).await;
    let mut idle = site.connect().await;
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.answer().await.ends_with("hello"));
    assert_eq!(idle.rest().await, b"");
    // By now the busy connection is older than the idle one was when it ended.
    site.release.notify_one();
    assert!(busy.answer().await.ends_with("released"));
}

#[tokio::test]
async fn a_reader_that_stalls_is_ended() {
    let (mut client, end) = one_connection(Limits { write_stall: SOON, ..Limits::default() }).await;
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // The client holds its socket open and takes nothing.
    assert_eq!(value(&in_time(end).await.unwrap().stalled), 1);
}

#[tokio::test]
async fn a_reader_that_makes_progress_is_not_stalled() {
    let limits = Limits { write_stall: Duration::from_secs(1), ..Limits::default() };
    let (mut client, end) = one_connection(limits).await;
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut buffer = vec![0; 1 << 16];
    let mut pause = tokio::time::interval(Duration::from_millis(4));
    // Longer than the deadline in all, and never as long between two reads.
    for _ in 0..300 {
        pause.tick().await;
        assert_ne!(in_time(client.stream.read(&mut buffer)).await.unwrap(), 0);
    }
    drop(client);
    assert_eq!(value(&in_time(end).await.unwrap().stalled), 0);
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_and_leaves_frees_its_slot() {
    let site = Site::open(Limits { connections: 1, ..Limits::default() }).await;
    for half in ["GET / HT", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"] {
        let mut leaver = site.connect().await;
        leaver.send(half).await;
        drop(leaver);
        let mut next = site.connect().await;
        next.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(next.answer().await.ends_with("hello"));
    }
}

#[tokio::test]
async fn a_connection_past_the_limit_in_all_waits_until_one_ends() {
    let site = Site::open(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = site.connect().await;
    first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(first.answer().await.ends_with("hello"));
    let mut second = site.connect().await;
    second.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // The first is served again while the second waits.
    first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(first.answer().await.ends_with("hello"));
    assert_eq!(value(&site.counters.accepted), 1);
    drop(first);
    assert!(second.answer().await.ends_with("hello"));
}

#[tokio::test]
async fn a_connection_past_the_limit_of_its_address_is_refused_until_one_ends() {
    let site = Site::open(Limits { connections_per_address: 1, ..Limits::default() }).await;
    let mut held = site.connect().await;
    held.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(held.answer().await.ends_with("hello"));

    let mut refused = site.connect().await;
    let answer = refused.answer().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    assert_eq!(value(&site.counters.refused), 1);

    drop(held);
    // When the server has seen the end of the first connection is its own affair.
    in_time(async {
        loop {
            let mut next = site.connect().await;
            // A refused client may find its connection closed when it sends.
            let _ = next.stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            if next.answer().await.ends_with("hello") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_lets_the_running_request_finish_and_ends_idle_connections_at_once() {
    let site = Site::open(Limits { shutdown_grace: FAR, ..Limits::default() }).await;
    let mut idle = site.connect().await;
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.answer().await.ends_with("hello"));
    let mut busy = site.connect().await;
    busy.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n").await;
    in_time(site.entered.notified()).await;

    site.shutdown.begin();
    assert_eq!(idle.rest().await, b"");
    site.release.notify_one();
    let answer = busy.answer().await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("released"), "{answer}");
    drop((idle, busy));
    in_time(site.running).await.unwrap();
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_is_cut() {
    let site = Site::open(Limits { shutdown_grace: SOON, ..Limits::default() }).await;
    let mut busy = site.connect().await;
    busy.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n").await;
    in_time(site.entered.notified()).await;
    site.shutdown.begin();
    assert_eq!(busy.rest().await, b"");
    in_time(site.running).await.unwrap();
    assert_eq!(value(&site.counters.open), 0);
}

#[tokio::test]
async fn bytes_that_are_not_http_get_a_bare_answer_and_are_counted() {
    for (bytes, status) in [
        ("\x16\x03\x01 hello\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 400 "),
        (&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000)), "HTTP/1.1 431 "),
    ] {
        let (mut client, end) = one_connection(Limits { max_header_bytes: 8192, ..Limits::default() }).await;
        client.send(bytes).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(answer.starts_with(status), "{answer}");
        drop(client);
        assert_eq!(value(&in_time(end).await.unwrap().malformed), 1);
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_sent_is_not_lost_to_a_reset() {
    let (mut client, end) = one_connection(Limits::default()).await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n").await;
    assert!(client.answer().await.ends_with("hello"));
    // A server that had closed its socket would answer the first of these with a reset, and the next would fail.
    for _ in 0..60 {
        client.send(&"x".repeat(1000)).await;
    }
    assert_eq!(client.rest().await, b"");
    drop(client);
    in_time(end).await.unwrap();
}

#[tokio::test]
async fn any_stream_can_be_served() {
    let (_handle, shutdown) = Shutdown::new();
    let server = Server::new(House::default(), Limits::default(), shutdown);
    let (mut client, served) = tokio::io::duplex(1024);
    let peer = Peer::at("192.0.2.7:4711".parse().unwrap());
    let talk = async {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);
        answer
    };
    let (answer, ()) = in_time(async { tokio::join!(talk, server.serve_stream(served, peer)) }).await;
    assert!(answer.ends_with("hello"), "{answer}");
}
