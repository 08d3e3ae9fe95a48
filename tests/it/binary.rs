//! The real program as its operator runs it: started, asked, stopped, killed, started again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::patience::comes_true_here;

/// The owner's password: one that no document shows.
pub const OWNER_PASSWORD: &str = "nineteen mossy steps";
const OWNER: &str = "ada@example.com";

/// An installation on disk, and the program over it.
pub struct Installation {
    directory: tempfile::TempDir,
}

impl Installation {
    /// Made by `claribi init`.
    pub fn new() -> Self {
        let made = Self::nowhere();
        let init = made.run_with(
            &["init", "--org", "Acme Corp", "--email", OWNER, "--password-stdin"],
            &format!("{OWNER_PASSWORD}\n"),
        );
        assert!(init.status.success(), "{}", text(&init.stderr));
        made
    }

    /// A place for one that is still to be made.
    pub fn nowhere() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Made by `claribi init --setup-link`: without an organisation.
    pub fn without_an_owner() -> Self {
        let made = Self { directory: tempfile::tempdir().unwrap() };
        let init = made.run(&["init", "--setup-link"]);
        assert!(init.status.success(), "{}", text(&init.stderr));
        made
    }

    /// The same installation on another machine: its files, copied while nothing runs over them.
    pub fn copy(&self) -> Self {
        let copy = Self::nowhere();
        let copied = Command::new("cp").arg("-a").arg(self.data()).arg(copy.data()).status().unwrap();
        assert!(copied.success());
        copy
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claribi"));
        // Somebody's shell has these; they are nobody's settings.
        command.env("CLARIBI_KEY", "x").env("CLARIBI_URL", "y");
        command.arg("--data-dir").arg(self.data()).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the program says when it is started with a setting that cannot be used.
    pub fn run_with_variable(&self, variable: &str, value: &str) -> String {
        let output = self.command(&["key", "list"]).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        self.run_with_variables(arguments, &[], input)
    }

    pub fn run_with_variables(&self, arguments: &[&str], variables: &[(&str, String)], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// A new key of the owner's, as `key create` prints it in a pipe: alone.
    pub fn key(&self, name: &str) -> String {
        let made = self.run(&["key", "create", "--user", OWNER, "--name", name, "--scope", "read-write"]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        let key = text(&made.stdout).trim().to_owned();
        assert!(key.starts_with("claribi_sk_live_") && key.len() == 52, "{key}");
        key
    }

    pub fn serve(&self) -> Serving {
        self.serve_with(&[], &[])
    }

    /// The same with further arguments and variables.
    pub fn serve_with(&self, arguments: &[&str], variables: &[(&str, String)]) -> Serving {
        let serving = self.begin_serving(arguments, variables);
        serving.until_ready();
        serving
    }

    /// The same, without waiting until requests are answered.
    pub fn begin_serving(&self, arguments: &[&str], variables: &[(&str, String)]) -> Serving {
        let address = free_address();
        let mut child = self
            .command(&[&["serve", "--listen", &address.to_string()], arguments].concat())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = kept(child.stderr.take().unwrap());
        let said = kept(child.stdout.take().unwrap());
        Serving { child, address, log, said }
    }
}

/// A running server, ended with the value.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    said: Arc<Mutex<String>>,
}

/// What a program writes, as far as it has.
fn kept(output: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = text.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            kept.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    text
}

impl Serving {
    pub fn until_ready(&self) {
        let is_ready = comes_true_here(|| self.get("/readyz", "").is_some_and(|answer| answer.status == 200));
        assert!(is_ready, "the server does not come up: {}", self.log());
    }

    pub fn get(&self, path: &str, key: &str) -> Option<Answer> {
        ask(
            self.address,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"),
        )
    }

    /// The same with a token of a session.
    pub fn get_as(&self, path: &str, token: &str) -> Option<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
        ask(self.address, &format!("{head}Connection: close\r\n\r\n"))
    }

    pub fn post(&self, path: &str, key: &str, body: &str) -> Option<Answer> {
        ask(
            self.address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it has written to standard output.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub fn until_logged(&self, sentence: &str) {
        let is_logged = comes_true_here(|| self.log().contains(sentence));
        assert!(is_logged, "`{sentence}` is not in the log: {}", self.log());
    }

    /// Ends it as systemd does, and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }

    /// Ends it as the kernel does when memory runs out.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// One request on a connection of its own. `None` when the server broke it off before the whole answer was here.
pub fn ask(address: SocketAddr, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let answer = String::from_utf8(bytes).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let answer = Answer { status: head.split(' ').nth(1)?.parse().ok()?, head: head.to_owned(), body: body.to_owned() };
    let length: usize = answer.header("content-length")?.parse().ok()?;
    (answer.body.len() == length).then_some(answer)
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_was_answered_is_there_after_a_stop_and_a_start() {
    let installation = Installation::new();
    let key = installation.key("first");
    let serving = installation.serve();
    let made = serving.post("/v1/dashboards", &key, r#"{"name":"Kept"}"#).unwrap();
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(serving.stop(), Some(0));

    let serving = installation.serve();
    let found = serving.get(&format!("/v1/dashboards/{id}"), &key).unwrap();
    assert_eq!((found.status, found.json()["name"].as_str()), (200, Some("Kept")));
    // Its limits count on: two calls of this key in this hour.
    assert_eq!(found.header("x-ratelimit-remaining"), Some("4998"));
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn every_response_a_client_received_has_its_audit_row_after_sigkill() {
    let installation = Installation::new();
    let key = installation.key("load");
    let serving = installation.serve();
    let (address, stop) = (serving.address, Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (key, stop) = (key.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut received = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let request = format!("GET /v1/dashboards HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n");
                    let Some(answer) = ask(address, &request) else { break };
                    received.push(answer.header("x-request-id").unwrap().to_owned());
                }
                received
            })
        })
        .collect();
    // In the midst of it: when a good number of answers is in.
    while serving
        .get("/v1/usage", &key)
        .is_some_and(|answer| answer.json()["requests"]["last_24h"].as_u64() < Some(300))
    {}
    serving.kill();
    stop.store(true, Ordering::Relaxed);
    let received: BTreeSet<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert!(received.len() > 200, "only {} answers", received.len());

    let listed = installation.run(&["--json", "audit", "list", "--limit", "10000"]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let listed = text(&listed.stdout);
    let missing: Vec<&String> = received.iter().filter(|id| !listed.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{} of {} answers have no row", missing.len(), received.len());
}

#[test]
fn calls_are_counted_once_each_also_across_sigkill() {
    let installation = Installation::new();
    let key = installation.key("counted");
    let mut calls = 0;
    for _ in 0..3 {
        let serving = installation.serve();
        for _ in 0..7 {
            serving.get("/v1/dashboards", &key).unwrap();
        }
        let counted = serving.get("/v1/usage", &key).unwrap().json()["requests"]["last_24h"].as_u64();
        calls += 7;
        assert_eq!(counted, Some(calls), "before the kill");
        calls += 1;
        // Not a second has passed: what the calls add up to is in memory still.
        serving.kill();
    }
    let listed = installation.run(&["--json", "key", "list"]);
    assert!(text(&listed.stdout).contains("\"usage_count\""), "{}", text(&listed.stdout));
    let serving = installation.serve();
    let shown = serving.get("/v1/keys", &key).unwrap().json();
    assert_eq!(shown["data"][0]["usage_count"].as_u64(), Some(calls));
}

#[test]
fn a_key_revoked_by_command_is_refused_when_the_command_has_returned() {
    let installation = Installation::new();
    let (key, other) = (installation.key("to go"), installation.key("to stay"));
    let serving = installation.serve();
    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);
    let revoked = installation.run(&["key", "revoke", &key[..24], "--yes"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    let refused = serving.get("/v1/dashboards", &key).unwrap();
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (401, Some("key_revoked")));
    assert_eq!(serving.get("/v1/dashboards", &other).unwrap().status, 200);
}

#[test]
fn who_sends_and_leaves_at_once_leaves_a_row_too() {
    let installation = Installation::new();
    let key = installation.key("in a hurry");
    let serving = installation.serve();
    let request = format!("GET /v1/dashboards HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n");
    for _ in 0..20 {
        TcpStream::connect(serving.address).unwrap().write_all(request.as_bytes()).unwrap();
    }
    // And one that only closes its own side has its answer.
    let mut polite = TcpStream::connect(serving.address).unwrap();
    polite.write_all(request.as_bytes()).unwrap();
    polite.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    polite.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let listed = || text(&installation.run(&["audit", "list"]).stdout);
    let rows = || listed().lines().filter(|line| line.contains("dashboards_list")).count();
    assert!(comes_true_here(|| rows() == 21), "some left without a row: {}", listed());
}

#[test]
fn serve_makes_no_data_directory_and_two_servers_do_not_share_one() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere");
    let program = env!("CARGO_BIN_EXE_claribi");
    let refused = Command::new(program).arg("--data-dir").arg(&nowhere).arg("serve").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("claribi init"), "{}", text(&refused.stderr));
    assert!(!nowhere.exists());

    let installation = Installation::new();
    let _serving = installation.serve();
    let second = installation.run(&["serve", "--listen", &free_address().to_string()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another claribi process"), "{}", text(&second.stderr));
}

#[test]
fn a_misspelt_variable_stops_the_start_and_names_the_right_one() {
    let installation = Installation::new();
    let mut serve = installation.command(&["serve", "--listen", &free_address().to_string()]);
    let refused = serve.env("CLARIBI_LIMITS__KEY_PER_MINTUE", "5").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("key_per_minute") && said.contains("CLARIBI_LIMITS__KEY_PER_MINTUE"), "{said}");
}

#[test]
fn secrets_are_readable_by_their_owner_alone_and_keys_are_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let installation = Installation::new();
    let key = installation.key("hidden");
    let serving = installation.serve();
    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);
    assert_eq!(serving.stop(), Some(0));
    for file in files(&installation.data()) {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert!(mode & 0o077 == 0 || file.parent() != Some(&installation.data().join("secrets")), "{}", file.display());
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "the key is in {}", file.display());
        assert!(
            !bytes.windows(22).any(|window| window == &key.as_bytes()[24..46]),
            "its secret is in {}",
            file.display()
        );
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
