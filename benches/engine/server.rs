//! The real program, over a data directory of its own, on the same cores.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failure;

/// A plan with room, and queries with time: what is measured is the engine.
const CONFIG: &str = "[plans.enterprise]\nrequests_per_hour = 1000000000\nrequests_per_day = 1000000000\n\
    [worker]\nquery_timeout = \"10m\"\njob_timeout = \"1h\"\n";

/// The server, and the commands beside it.
pub struct Claribi {
    directory: PathBuf,
    cores: usize,
    process: Child,
    address: SocketAddr,
    key: String,
    connection: RefCell<Option<BufReader<TcpStream>>>,
    memory: Option<Memory>,
    imported: Cell<usize>,
    /// The ids of the newest sources, by their names.
    newest: RefCell<HashMap<String, String>>,
}

impl Claribi {
    /// Makes an installation in a directory and serves it, on so many cores.
    pub fn start(directory: &Path, cores: usize) -> Result<Self, Failure> {
        std::fs::write(directory.join("config.toml"), CONFIG)?;
        let mut init = command(directory, cores)
            .args(["init", "--org", "Bench", "--email", "bench@bench.example", "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        init.stdin.take().ok_or("no standard input")?.write_all(b"a long password for a benchmark\n")?;
        if !init.wait()?.success() {
            return Err("claribi init failed".into());
        }
        let key = ["key", "create", "--user", "bench@bench.example", "--name", "bench", "--scope", "read-write"];
        let made = command(directory, cores).args(key).stderr(Stdio::null()).output()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let serve = ["serve", "--listen", &address.to_string()];
        let process = command(directory, cores).args(serve).stderr(Stdio::null()).spawn()?;
        let memory = Some(Memory::watch(process.id()));
        let claribi = Self {
            directory: directory.to_owned(),
            cores,
            process,
            address,
            key: String::from_utf8(made.stdout)?.trim().to_owned(),
            connection: RefCell::default(),
            imported: Cell::default(),
            newest: RefCell::default(),
            memory,
        };
        for _ in 0..1_000 {
            if TcpStream::connect(address).is_ok() {
                return Ok(claribi);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("the server does not come up".into())
    }

    /// Makes a source of files; gives the time from the command's start to its end, and the most bytes in memory.
    /// Queries of a name go to the newest.
    pub fn import(&self, name: &str, files: &[PathBuf]) -> Result<(Duration, u64), Failure> {
        let number = self.imported.get() + 1;
        let begun = Instant::now();
        let mut adding = command(&self.directory, self.cores)
            .args(["source", "add"])
            .args(files)
            .args(["--name", &format!("{name} {number}")])
            .stdout(Stdio::null())
            .spawn()?;
        let memory = Memory::watch(adding.id());
        if !adding.wait()?.success() {
            return Err(format!("claribi source add failed for {name}").into());
        }
        self.imported.set(number);
        self.newest.borrow_mut().insert(name.to_owned(), format!("ds_{number:x}"));
        Ok((begun.elapsed(), memory.peak()))
    }

    /// Asks a query; gives the time until its answer was there, and the answer.
    pub fn query(&self, source: &str, sql: &str) -> Result<(Duration, Value), Failure> {
        let id = self.newest.borrow().get(source).cloned();
        let body = json!({"sql": sql, "data_source_id": id}).to_string();
        let request = format!(
            "POST /v1/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        let mut held = self.connection.borrow_mut();
        let connection = match held.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        let connection = held.insert(connection);
        let begun = Instant::now();
        connection.get_mut().write_all(request.as_bytes())?;
        let (status, body) = answer(connection)?;
        let took = begun.elapsed();
        if status != 200 {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok((took, serde_json::from_slice(&body)?))
    }

    /// The most bytes that the server and its workers have had in memory at one time.
    pub fn peak(&self) -> u64 {
        self.memory.as_ref().map_or(0, Memory::peak)
    }
}

impl Drop for Claribi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Ends with its process.
        drop(self.memory.take());
    }
}

fn command(directory: &Path, cores: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("0-{}", cores - 1), env!("CARGO_BIN_EXE_claribi")]);
    command.arg("--config").arg(directory.join("config.toml")).arg("--data-dir").arg(directory.join("data"));
    command
}

/// Status and body of an answer that says how long it is.
fn answer(connection: &mut BufReader<TcpStream>) -> Result<(u16, Vec<u8>), Failure> {
    let (mut status, mut length) = (0, 0);
    for number in 0.. {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err("the server closed the connection".into());
        }
        if number == 0 {
            status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
        } else if line == "\r\n" {
            break;
        } else if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((status, body))
}

/// Looks every 20 ms at how much memory a process has with those that it started.
struct Memory {
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    fn watch(process: u32) -> Self {
        let (peak, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, ended) = (peak.clone(), over.clone());
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                seen.fetch_max(resident(process), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self { peak, over, thread: Some(thread) }
    }

    fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Bytes of a process and its descendants that are in memory.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let own =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = tasks.flat_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
    });
    own.unwrap_or(0) * 1_024 + children.map(resident).sum::<u64>()
}
