//! Limits that several servers share in a real Redis: together they admit exactly the limit, and an outage is seen and
//! heals by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use claribi::domain::window::{Class, Limits, Surface, Verdict, WindowName, WindowSet};

use crate::binary::{Installation, Serving, free_address, text};
use crate::chance::Chance;
use crate::patience::{comes_true_here, until_so_here};
use crate::way::Way;

const LIST: &str = "/v1/dashboards";
const MODE: &str = "x-ratelimit-mode";

/// A Redis of the test's own, ended with the value.
struct Redis {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Redis {
    fn start(address: SocketAddr, more: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = address.port().to_string();
        let plain = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
        let child = Command::new("redis-server")
            .args(if more.contains(&"--tls-port") { &plain[2..] } else { &plain[..] })
            .args(more)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("tests/run installs redis-server");
        let redis = Self { child, address, _directory: directory };
        until_so_here("Redis", || TcpStream::connect(address).is_ok());
        redis
    }

    /// Sends commands on one connection and gives the first line of the last answer.
    fn tell(&self, commands: &[&str]) -> String {
        let stream = TcpStream::connect(self.address).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        for command in commands {
            (&stream).write_all(format!("{command}\r\n").as_bytes()).unwrap();
            line.clear();
            answers.read_line(&mut line).unwrap();
        }
        line
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(url: &str, per_hour: usize) -> Vec<(&'static str, String)> {
    vec![
        ("CLARIBI_LIMITS__BACKEND", "redis".to_owned()),
        ("CLARIBI_LIMITS__REDIS_URL", url.to_owned()),
        // A machine that builds elsewhere may be slow: what is slow here is slower.
        ("CLARIBI_LIMITS__REDIS_TIMEOUT", "250ms".to_owned()),
        ("CLARIBI_PLANS__ENTERPRISE__REQUESTS_PER_HOUR", per_hour.to_string()),
    ]
}

/// How many of so many requests on each of four threads are served.
fn served(serving: &Serving, key: &str, each: usize) -> usize {
    std::thread::scope(|scope| {
        let asking = || (0..each).filter(|_| serving.get(LIST, key).unwrap().status == 200).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(asking)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Asks until the answers are of this mode.
fn until(serving: &Serving, key: &str, mode: Option<&str>) {
    let is_so = comes_true_here(|| serving.get("/v1/usage", key).unwrap().header(MODE) == mode);
    assert!(is_so, "no answer is of the mode {mode:?}: {}", serving.log());
}

#[test]
fn two_servers_on_one_redis_admit_together_exactly_the_limit() {
    const LIMIT: usize = 60;
    let redis = Redis::start(free_address(), &[]);
    let one = Installation::new();
    let key = one.key("of both");
    let two = one.copy();
    let variables = settings(&format!("redis://{}", redis.address), LIMIT);
    let (first, second) = (one.serve_with(&[], &variables), two.serve_with(&[], &variables));
    let (by_first, by_second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| served(&first, &key, 20));
        let second = scope.spawn(|| served(&second, &key, 20));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(by_first + by_second, LIMIT, "{by_first} and {by_second}");
    let (here, there) = (first.get(LIST, &key).unwrap(), second.get(LIST, &key).unwrap());
    assert_eq!((here.status, there.status, here.header(MODE)), (429, 429, None));
    assert_eq!(here.header("x-ratelimit-reset"), there.header("x-ratelimit-reset"), "told alike");
    let usage = first.get("/v1/usage", &one.key("of its own")).unwrap();
    assert_eq!(usage.header("x-ratelimit-remaining"), Some("59"), "another key has its own");
    assert_eq!(usage.json()["limits"]["general"]["hour"]["remaining"], 59);

    // Neither a restart nor other servers' memory matters: Redis knows.
    first.kill();
    let first = one.serve_with(&[], &variables);
    assert_eq!(first.get(LIST, &key).unwrap().status, 429);
    let stranger = Installation::new();
    let others = stranger.serve_with(&[], &variables);
    let theirs = stranger.key("the first as well");
    assert_eq!(others.get(LIST, &theirs).unwrap().header("x-ratelimit-remaining"), Some("59"), "another installation");
}

#[test]
fn calls_go_on_while_redis_does_not_and_say_so() {
    let at = free_address();
    let installation = Installation::new();
    let (key, other) = (installation.key("first"), installation.key("second"));
    let own = free_address();
    let mut variables = settings(&format!("redis://{at}"), 10);
    variables.push(("CLARIBI_METRICS__LISTEN", own.to_string()));
    variables.push(("CLARIBI_LIMITS__GENERATION_IN_OUTAGE", "refuse".to_owned()));

    // Absent: a share of the limit, and generation is refused as the settings say.
    let serving = installation.serve_with(&[], &variables);
    let answer = serving.get(LIST, &key).unwrap();
    assert_eq!((answer.status, answer.header(MODE)), (200, Some("degraded")));
    assert_eq!(answer.header("x-ratelimit-limit"), Some("5"));
    assert_eq!(served(&serving, &key, 4), 4);
    assert_eq!(serving.get(LIST, &key).unwrap().status, 429);
    let refused = serving.post("/v1/dashboards/d_1/refresh", &other, "{}").unwrap();
    assert_eq!((refused.status, refused.header(MODE)), (503, Some("degraded")));
    assert!(refused.header("retry-after").is_some());
    let page = scrape(own);
    assert!(
        page.contains("claribi_limits_redis_up 0") && page.contains("claribi_limits_redis_outages_total 1"),
        "{page}"
    );

    // It comes, and nothing has to be started anew.
    let redis = Redis::start(at, &[]);
    let fresh = installation.key("third");
    serving.until_logged("Redis keeps limits again");
    let answer = serving.get(LIST, &fresh).unwrap();
    assert_eq!((answer.header(MODE), answer.header("x-ratelimit-remaining")), (None, Some("9")));
    assert!(scrape(own).contains("claribi_limits_redis_up 1"));

    // Emptied, it counts from nothing, which is written down.
    redis.tell(&["FLUSHALL", "SCRIPT FLUSH"]);
    assert_eq!(serving.get(LIST, &fresh).unwrap().header("x-ratelimit-remaining"), Some("9"));
    serving.until_logged("Redis was emptied");

    // A replica takes no writes.
    let patient = installation.key("fourth");
    redis.tell(&["REPLICAOF 127.0.0.1 1"]);
    until(&serving, &patient, Some("degraded"));
    redis.tell(&["REPLICAOF NO ONE"]);
    until(&serving, &patient, None);

    let events = text(&installation.run(&["--json", "audit", "list", "--limit", "1000"]).stdout);
    for kind in ["limits_degraded", "limits_restored", "limits_emptied"] {
        assert!(events.contains(kind), "{kind} is not in the audit log: {events}");
    }
}

#[test]
fn a_redis_that_answers_late_is_waited_for_once_and_taken_again_when_it_is_quick() {
    let redis = Redis::start(free_address(), &[]);
    let way = Way::to(redis.address);
    let installation = Installation::new();
    let key = installation.key("patient");
    let serving = installation.serve_with(&[], &settings(&format!("redis://{}", way.address), 5_000));
    assert_eq!(serving.get(LIST, &key).unwrap().header(MODE), None);
    way.hold_up(true);
    until(&serving, &key, Some("degraded"));
    serving.until_logged("no answer within 250 ms");
    way.hold_up(false);
    until(&serving, &key, None);
    // What this server admitted before the outage counts in it.
    drop(redis);
    until(&serving, &key, Some("degraded"));
    let left = serving.get(LIST, &key).unwrap().header("x-ratelimit-remaining").unwrap().parse::<u32>().unwrap();
    assert!(left < 2_498, "{left} of 2500 are left");
}

#[test]
fn a_password_comes_from_a_file_and_stands_in_no_log() {
    const PASSWORD: &str = "a-password-of-a-redis-9";
    let redis = Redis::start(free_address(), &["--requirepass", "another"]);
    let installation = Installation::new();
    let key = installation.key("first");
    let file = installation.data().with_file_name("redis-password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let mut variables = settings(&format!("redis://{}", redis.address), 10);
    variables.push(("CLARIBI_LIMITS__REDIS_PASSWORD_FILE", file.display().to_string()));
    variables.push(("CLARIBI_LOG__LEVEL", "debug".to_owned()));
    let serving = installation.serve_with(&[], &variables);
    assert_eq!(serving.get(LIST, &key).unwrap().header(MODE), Some("degraded"));
    redis.tell(&["AUTH another", &format!("CONFIG SET requirepass {PASSWORD}")]);
    until(&serving, &key, None);
    assert!(!serving.log().contains(PASSWORD), "{}", serving.log());

    let written =
        installation.run_with_variable("CLARIBI_LIMITS__REDIS_URL", &format!("redis://u:{PASSWORD}@127.0.0.1"));
    assert!(written.contains("redis_password_file") && !written.contains(PASSWORD), "{written}");
}

#[test]
fn redis_is_spoken_to_over_tls_and_its_certificate_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, secret) = (directory.path().join("redis.pem"), directory.path().join("redis.key"));
    certify(&certificate, &secret);
    let [shown, hidden] = [&certificate, &secret].map(|path| path.to_str().unwrap());
    let at = free_address();
    let port = at.port().to_string();
    let tls = ["--port", "0", "--tls-port", &port, "--tls-cert-file", shown, "--tls-key-file", hidden];
    let _redis = Redis::start(at, &[&tls[..], &["--tls-auth-clients", "no"]].concat());
    let installation = Installation::new();
    let key = installation.key("first");
    let mut variables = settings(&format!("rediss://{at}"), 10);
    let serving = installation.serve_with(&[], &variables);
    assert_eq!(serving.get(LIST, &key).unwrap().header(MODE), Some("degraded"), "nobody vouches for it");
    assert_eq!(serving.stop(), Some(0));
    variables.push(("CLARIBI_LIMITS__REDIS_CA_FILE", shown.to_owned()));
    let serving = installation.serve_with(&[], &variables);
    assert_eq!(serving.get(LIST, &key).unwrap().header(MODE), None, "{}", serving.log());
}

fn certify(certificate: &Path, secret: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=redis"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(certificate)
        .arg("-keyout")
        .arg(secret)
        .output()
        .expect("tests/run installs openssl");
    assert!(made.status.success(), "{}", text(&made.stderr));
}

fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// A connection that sends commands as clients do.
struct Client(BufReader<TcpStream>);

impl Client {
    fn to(redis: &Redis) -> Self {
        Self(BufReader::new(TcpStream::connect(redis.address).unwrap()))
    }

    /// The integers of the answer; none where it is text.
    fn ask(&mut self, words: &[String]) -> Vec<i64> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(command.as_bytes()).unwrap();
        let head = self.line();
        let count = head.strip_prefix('*').map_or(0, |count| count.parse().unwrap());
        assert!(!head.starts_with('-'), "{head}");
        (0..count).map(|_| self.line().strip_prefix(':').unwrap().parse().unwrap()).collect()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn the_script_decides_and_tells_as_the_servers_own_windows_do() {
    const TRACES: u64 = 60;
    let redis = Redis::start(free_address(), &[]);
    let mut client = Client::to(&redis);
    // The clock of the test instead of Redis's.
    let script = include_str!("../../src/service/limits/windows.lua");
    let script = script.replace("redis.call('TIME')", "{ARGV[9], ARGV[10]}");
    let keep = "redis.call('PEXPIRE', log, length)";
    assert!(script.contains("ARGV[9]") && script.contains(keep));
    let script = script.replace(keep, "");
    let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
    for trace in 0..TRACES {
        let mut chance = Chance::new(trace);
        let mut own = WindowSet::new();
        let mut now = 1_800_000_000_000_i64;
        for _ in 0..100 {
            now += chance.of(&[0, 1, 2, 7_919, 55_001, minute - 1, minute, minute + 1, hour / 2, hour, hour + 1, day]);
            let class = chance.of(&[Class::General, Class::Generation]);
            let surface = chance.of(&[Surface::Platform, Surface::Other]);
            let mut limit = || Some(chance.of(&[0, 1, 2, 3, 5, 20]));
            let limits =
                Limits { minute: limit(), hour: limit(), day: limit(), generation_hour: limit(), generation_day: None };
            let told = WindowName::ALL.map(|name| limits.get(name).map_or(-1, i64::from));
            let question = [i64::from(class == Class::Generation), i64::from(surface == Surface::Platform), 0];
            let clock = [now / 1_000, now % 1_000 * 1_000];
            let keys = ["g", "n", "m", "a"].map(|log| format!("{{{trace}}}{log}"));
            let words = ["EVAL".to_owned(), script.clone(), "4".to_owned()].into_iter().chain(keys);
            let numbers = told.into_iter().chain(question).chain(clock).map(|number| number.to_string());
            let answer = client.ask(&words.chain(numbers).collect::<Vec<_>>());

            let expected = own.admit(now, class, surface, &limits);
            let refused = match expected.verdict {
                Verdict::Admitted => 0,
                Verdict::Refused { retry_at_ms, .. } => {
                    // Of windows that are full equally long either may be named.
                    let named = usize::try_from(answer[0]).unwrap();
                    assert!(named > 0 && answer[2 + 2 * named] == retry_at_ms, "{answer:?} {expected:?}");
                    answer[0]
                }
            };
            let rooms = WindowName::ALL.map(|name| {
                expected.headroom.get(name).map_or([-1, -1], |room| [i64::from(room.remaining), room.reset_at_ms])
            });
            assert_eq!((answer[0], &answer[3..]), (refused, rooms.concat().as_slice()), "trace {trace}");
        }
    }
}
