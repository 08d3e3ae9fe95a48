//! What one organisation's bad queries cost the others: the latency of another's key requests, and the memory of the
//! server, while queries that never end and queries that eat memory run one after another.
//!
//! `cargo bench --bench neighbours` prints idle, under load, and as its last lines the ratio of the p99 and what the
//! server's memory grew by.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Connections that bad queries come over.
const BAD: usize = 8;
/// Between two requests of the neighbour, so that what is measured is latency and not how much fits.
const PAUSE: Duration = Duration::from_millis(2);
const SPAN: Duration = Duration::from_secs(15);
/// The longest that a query may run here: each of them is stopped several times.
const TIMEOUT: &str = "2s";
/// A query that never ends, and one that keeps all it has seen.
const QUERIES: [&str; 2] = [
    "SELECT count(*) FROM unnest(range(0, 1000000)) AS s(a), unnest(range(0, 1000000)) AS t(b) WHERE a * b % 7 = 1",
    "SELECT array_agg(a * 1000000 + b) FROM unnest(range(0, 1000000)) AS s(a), unnest(range(0, 1000000)) AS t(b)",
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        server.neighbour(Duration::from_secs(2)).await?;
        let (idle, rest) = (server.neighbour(SPAN).await?, server.memory()?);
        server.forget_highest()?;
        let bad: Vec<_> = (0..BAD)
            .map(|number| tokio::task::spawn_local(bad(server.address, server.keys[0].clone(), number)))
            .collect();
        let (loaded, stopped) = (server.neighbour(SPAN).await?, server.memory()?);
        let mut answers = 0;
        for task in bad {
            answers += task.await??;
        }
        writeln!(out, "idle:        {idle}, {:.1} MB", rest.now)?;
        writeln!(out, "bad queries: {loaded}, {:.1} MB; {answers} were stopped", stopped.now)?;
        writeln!(out, "p99: {:.2} times idle", loaded.p99.as_secs_f64() / idle.p99.as_secs_f64())?;
        writeln!(out, "memory: {:+.1} MB at its highest", stopped.highest - rest.now)?;
        Ok(())
    })
}

/// Latencies of one span.
struct Figures {
    count: usize,
    p50: Duration,
    p99: Duration,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |span: Duration| span.as_secs_f64() * 1_000.0;
        write!(out, "{:>6} requests, p50 {:.2} ms, p99 {:.2} ms", self.count, millis(self.p50), millis(self.p99))
    }
}

/// Resident memory of the server itself, in MB.
struct Memory {
    now: f64,
    highest: f64,
}

/// The real binary with two organisations, each with a key.
struct Server {
    process: Child,
    address: SocketAddr,
    keys: [String; 2],
}

impl Server {
    fn start(directory: &Path) -> Result<Self, Failure> {
        let config = directory.join("config.toml");
        let room = "[plans.enterprise]\nrequests_per_hour = 1000000000\nrequests_per_day = 1000000000\n";
        std::fs::write(&config, format!("{room}[worker]\nquery_timeout = \"{TIMEOUT}\"\n"))?;
        let data = directory.join("data");
        let claribi = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_claribi"));
            command.arg("--config").arg(&config).arg("--data-dir").arg(&data).args(arguments).stderr(Stdio::null());
            command
        };
        let mut keys = Vec::new();
        for (make, email) in
            [(["init", "--org", "Bad"], "bad@bench.example"), (["org", "create", "--name=Good"], "good@bench.example")]
        {
            let mut made = claribi(&make);
            let mut made = made.args(["--email", email, "--password-stdin"]);
            made = made.stdin(Stdio::piped()).stdout(Stdio::null());
            let mut made = made.spawn()?;
            made.stdin.take().ok_or("no standard input")?.write_all(b"a long password for a benchmark\n")?;
            if !made.wait()?.success() {
                return Err(format!("{make:?} failed").into());
            }
            let key =
                claribi(&["key", "create", "--user", email, "--name", "bench", "--scope", "read-write"]).output()?;
            keys.push(String::from_utf8(key.stdout)?.trim().to_owned());
        }
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = claribi(&["serve", "--listen", &address.to_string()]).spawn()?;
        let keys = keys.try_into().map_err(|_| "two keys")?;
        let server = Self { process, address, keys };
        for _ in 0..500 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the server does not come up".into())
    }

    /// Requests of the other organisation, one after another.
    async fn neighbour(&self, span: Duration) -> Result<Figures, Failure> {
        let request = head("GET", "/v1/dashboards", &self.keys[1], 0);
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (end, mut latencies) = (Instant::now() + span, Vec::new());
        while Instant::now() < end {
            let start = Instant::now();
            let answer = ask(&mut stream, request.as_bytes()).await?;
            latencies.push(start.elapsed());
            if !answer.starts_with("HTTP/1.1 200") {
                return Err(answer.into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        Ok(Figures { count: latencies.len(), p50: at(50), p99: at(99) })
    }

    /// Has the highest figure begin anew: to start took more than to serve.
    fn forget_highest(&self) -> Result<(), Failure> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")?)
    }

    fn memory(&self) -> Result<Memory, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
            let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
            Ok::<f64, Failure>(kilobytes / 1_000.0)
        };
        Ok(Memory { now: of("VmRSS:")?, highest: of("VmHWM:")? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Bad queries, one after another; how many were stopped.
async fn bad(address: SocketAddr, key: String, number: usize) -> Result<usize, std::io::Error> {
    let body = format!("{{\"sql\":\"{}\"}}", QUERIES[number % QUERIES.len()]);
    let request = head("POST", "/v1/query", &key, body.len()) + &body;
    let mut stream = TcpStream::connect(address).await?;
    let (end, mut stopped) = (Instant::now() + SPAN, 0);
    while Instant::now() < end {
        let answer = ask(&mut stream, request.as_bytes()).await?;
        stopped += usize::from(answer.starts_with("HTTP/1.1 422"));
    }
    Ok(stopped)
}

fn head(method: &str, path: &str, key: &str, length: usize) -> String {
    let of_body = match length {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{of_body}\r\n")
}

/// Sends a request and reads its whole answer; gives its head.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> Result<String, std::io::Error> {
    stream.write_all(request).await?;
    let mut buffer = Vec::new();
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let lines = text.split("\r\n").filter_map(|line| line.split_once(": "));
        let length = lines
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .find_map(|(_, value)| value.parse().ok());
        if buffer.len() >= head + 4 + length.unwrap_or(0) {
            return Ok(text);
        }
    }
}
