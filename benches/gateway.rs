//! What governance costs: requests a second of `GET /v1/dashboards` with key, limits, permissions and audit on, beside
//! a bare poem handler that returns the same bytes through the same listener, to the same client on the same machine.
//!
//! `cargo bench --bench gateway` prints both and, as its last line, their ratio. Rounds alternate, so that a machine
//! whose speed drifts slows both; the figures are medians of the rounds.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "the parent reads the address from there")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use poem::{Endpoint, EndpointExt, Route, handler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use claribi::http::listener::{Answered, Limits, Listener, Peer, Serve, Server, Shutdown};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_secs(1);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(position) = arguments.iter().position(|argument| argument == "--bare") {
        return bare(&arguments[position + 1]);
    }
    let directory = tempfile::tempdir()?;
    let governed = Governed::start(directory.path())?;
    let body = directory.path().join("body.json");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request =
        format!("GET /v1/dashboards HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", governed.key);
    std::fs::write(&body, runtime.block_on(fetch(governed.address, &request))?)?;
    let plain = Bare::start(&body)?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (address, sent) in [(governed.address, &request), (plain.address, &request)] {
        runtime.block_on(load(address, sent, WARM_UP))?;
    }
    for _ in 0..ROUNDS {
        theirs.push(runtime.block_on(load(plain.address, &request, ROUND))?);
        ours.push(runtime.block_on(load(governed.address, &request, ROUND))?);
    }
    let (bare, claribi) = (Figures::median(&mut theirs), Figures::median(&mut ours));
    let mut out = std::io::stdout();
    writeln!(out, "{CONNECTIONS} connections, {ROUNDS} rounds of {} s each, medians", ROUND.as_secs())?;
    writeln!(out, "bare poem handler:   {bare}")?;
    writeln!(out, "GET /v1/dashboards:  {claribi}")?;
    writeln!(out, "ratio: {:.2}", claribi.per_second / bare.per_second)?;
    Ok(())
}

/// What one round, or the median of several, came to.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

impl Figures {
    fn median(rounds: &mut [Self]) -> Self {
        rounds.sort_by(|one, two| one.per_second.total_cmp(&two.per_second));
        rounds[rounds.len() / 2]
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |span: Duration| span.as_secs_f64() * 1_000.0;
        write!(
            out,
            "{:>8.0} requests/s, p50 {:.2} ms, p99 {:.2} ms",
            self.per_second,
            millis(self.p50),
            millis(self.p99)
        )
    }
}

/// The real binary, over a data directory of its own.
struct Governed {
    process: Child,
    address: SocketAddr,
    key: String,
}

impl Governed {
    fn start(directory: &Path) -> Result<Self, Failure> {
        let config = directory.join("config.toml");
        // A plan with room: what is measured is admission, not refusal.
        std::fs::write(&config, "[plans.enterprise]\nrequests_per_hour = 1000000000\nrequests_per_day = 1000000000\n")?;
        let data = directory.join("data");
        let claribi = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_claribi"));
            command.arg("--config").arg(&config).arg("--data-dir").arg(&data).args(arguments);
            command
        };
        let mut init = claribi(&["init", "--org", "Bench", "--email", "bench@bench.example", "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        init.stdin.take().ok_or("no standard input")?.write_all(b"a long password for a benchmark\n")?;
        if !init.wait()?.success() {
            return Err("claribi init failed".into());
        }
        let made =
            claribi(&["key", "create", "--user", "bench@bench.example", "--name", "bench", "--scope", "read-write"])
                .stderr(Stdio::null())
                .output()?;
        let key = String::from_utf8(made.stdout)?.trim().to_owned();
        let address = free_address()?;
        let process = claribi(&["serve", "--listen", &address.to_string()]).stderr(Stdio::null()).spawn()?;
        let governed = Self { process, address, key };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(reachable(address))?;
        for name in ["Q2 Revenue", "Marketing Funnel", "On-time performance"] {
            let body = format!("{{\"name\":\"{name}\"}}");
            let request = format!(
                "POST /v1/dashboards HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                governed.key,
                body.len()
            );
            runtime.block_on(fetch(address, &request))?;
        }
        Ok(governed)
    }
}

impl Drop for Governed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program again, serving a bare handler.
struct Bare {
    process: Child,
    address: SocketAddr,
}

impl Bare {
    fn start(body: &Path) -> Result<Self, Failure> {
        let mut process =
            Command::new(std::env::current_exe()?).arg("--bare").arg(body).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()? })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[handler]
fn list(body: poem::web::Data<&Bytes>) -> poem::Response {
    poem::Response::builder().content_type("application/json").body(body.0.clone())
}

/// A poem endpoint as the listener's service.
struct Plain<E>(E);

impl<E: Endpoint<Output = poem::Response> + 'static> Serve for Plain<E> {
    type Body = BoxBody<Bytes, std::io::Error>;

    async fn serve(&self, request: hyper::Request<Incoming>, _peer: Peer) -> Answered<Self::Body> {
        let request = poem::Request::from((
            request,
            poem::web::LocalAddr::default(),
            poem::web::RemoteAddr::default(),
            poem::http::uri::Scheme::HTTP,
        ));
        Ok(self.0.get_response(request).await.into())
    }
}

fn bare(body: &str) -> Result<(), Failure> {
    let body = Bytes::from(std::fs::read(body)?);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async move {
        let listener = Listener::bind("127.0.0.1:0".parse::<SocketAddr>()?).await?;
        println!("{}", listener.local_addr()?);
        let app = Route::new().at("/v1/dashboards", poem::get(list)).data(body).map_to_response();
        let (_handle, shutdown) = Shutdown::new();
        std::sync::Arc::new(Server::new(Plain(app), Limits::default(), shutdown)).run(listener).await;
        Ok(())
    })
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn reachable(address: SocketAddr) -> Result<(), Failure> {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the server does not come up".into())
}

/// One request on a connection of its own; gives the body.
async fn fetch(address: SocketAddr, request: &str) -> Result<Vec<u8>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::new();
    let (head, length) = read_answer(&mut stream, &mut buffer).await?;
    let answer = String::from_utf8_lossy(&buffer[..head]).into_owned();
    if !answer.starts_with("HTTP/1.1 2") {
        return Err(format!("{answer}{}", String::from_utf8_lossy(&buffer[head..])).into());
    }
    Ok(buffer[head..head + length].to_vec())
}

/// Keeps every connection busy for a time.
async fn load(address: SocketAddr, request: &str, span: Duration) -> Result<Figures, Failure> {
    let end = Instant::now() + span;
    let start = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| client(address, request, end));
    let mut latencies = Vec::new();
    for done in futures_util::future::join_all(clients).await {
        latencies.extend(done?);
    }
    let per_second = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    Ok(Figures { per_second, p50: at(50), p99: at(99) })
}

async fn client(address: SocketAddr, request: &str, end: Instant) -> Result<Vec<Duration>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut latencies, mut buffer) = (Vec::with_capacity(8_192), Vec::with_capacity(4_096));
    loop {
        let start = Instant::now();
        if start >= end {
            return Ok(latencies);
        }
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        read_answer(&mut stream, &mut buffer).await?;
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&buffer).into_owned().into());
        }
        latencies.push(start.elapsed());
    }
}

/// Reads one whole answer; gives the lengths of its head and body.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(usize, usize), Failure> {
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?;
        let length = text
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(Ok(0), |(_, value)| value.parse::<usize>())?;
        if buffer.len() >= head + 4 + length {
            return Ok((head + 4, length));
        }
    }
}
