//! Sixty-four clients hammer the real program on connections that they keep, while keys are revoked and rotated and their
//! owners demoted, deactivated and removed, by the API and by commands. No request that began after the return of a
//! change succeeds. How near behind the return requests began is counted too: a test that looks late sees nothing.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use claribi::domain::time::monotonic;
use serde_json::{Value, json};

use crate::binary::{Installation, OWNER_PASSWORD, Serving, text};
use crate::line;

const CLIENTS: usize = 64;
const PASSWORD: &str = "a long enough sentence";
/// What every credential may ask for as long as it is whole: it takes `users:read`.
const PATH: &str = "/v1/users?limit=1";

/// A connection that is kept.
struct Line(line::Line);

impl Line {
    fn to(address: SocketAddr) -> Self {
        Self(line::Line::to(address).unwrap())
    }

    /// Sends a request and reads the whole answer. Gives the instant before the first byte left.
    fn ask(&mut self, method: &str, path: &str, credential: &str, body: Option<&Value>) -> (Duration, u16, String) {
        let request = line::request(method, path, credential, "", body);
        let began = monotonic();
        let answer = self.0.ask(&request).expect("the server hung up");
        (began, answer.status, answer.body)
    }
}

/// What becomes of a credential.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    RevokedByApi,
    RotatedByApi,
    RevokedByCommand,
    RotatedByCommand,
    /// It goes with its owner, by their number.
    Owner(usize),
    /// Rotated with a grace: it goes on, and whoever judges has to see that.
    InGrace,
}

struct Credential {
    text: String,
    /// The id of a key; none of a session.
    id: String,
    fate: Fate,
    /// When its change had returned.
    ended: OnceLock<Duration>,
}

/// What is done to the owners, in this order.
const OWNERS: [(&str, &str); 6] = [
    ("ann@example.com", "PATCH"),
    ("bob@example.com", "set-role"),
    ("cy@example.com", "deactivate by API"),
    ("di@example.com", "deactivate"),
    ("ed@example.com", "DELETE"),
    ("flo@example.com", "DELETE"),
];

struct Field {
    credentials: Vec<Credential>,
    /// Which credentials change one after another, and how far each of these rows is.
    rows: Vec<(Vec<usize>, AtomicUsize)>,
    over: AtomicBool,
}

/// How many keys of each fate.
struct Numbers {
    by_api: usize,
    by_command: usize,
    of_each_owner: usize,
}

fn log_in(address: SocketAddr, email: &str, password: &str) -> String {
    let login = json!({"email": email, "password": password});
    let (_, status, body) = Line::to(address).ask("POST", "/api/auth/login/", "", Some(&login));
    assert_eq!(status, 200, "{body}");
    let tokens: Value = serde_json::from_str(&body).unwrap();
    tokens["access"].as_str().unwrap().to_owned()
}

/// So many keys of whoever this session is, made on eight connections.
fn make_keys(address: SocketAddr, session: &str, count: usize) -> Vec<(String, String)> {
    let make = |index: usize| {
        let mut line = Line::to(address);
        let mut made = Vec::new();
        for number in (index..count).step_by(8) {
            let new = json!({"name": format!("key {number}"), "scope": "read-write"});
            let (_, status, body) = line.ask("POST", "/v1/keys", session, Some(&new));
            assert_eq!(status, 201, "{body}");
            let key: Value = serde_json::from_str(&body).unwrap();
            made.push((key["id"].as_str().unwrap().to_owned(), key["key"].as_str().unwrap().to_owned()));
        }
        made
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|index| scope.spawn(move || make(index))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

impl Field {
    fn prepare(address: SocketAddr, owner: &str, numbers: &Numbers) -> Self {
        let mut credentials = Vec::new();
        let mut add = |(id, text): (String, String), fate| {
            credentials.push(Credential { text, id, fate, ended: OnceLock::new() });
        };
        for (fate, count) in [
            (Fate::RevokedByApi, numbers.by_api),
            (Fate::RotatedByApi, numbers.by_api),
            (Fate::RevokedByCommand, numbers.by_command),
            (Fate::RotatedByCommand, numbers.by_command),
            (Fate::InGrace, 8),
        ] {
            make_keys(address, owner, count).into_iter().for_each(|key| add(key, fate));
        }
        for (number, (email, _)) in OWNERS.iter().enumerate() {
            let session = log_in(address, email, PASSWORD);
            make_keys(address, &session, numbers.of_each_owner)
                .into_iter()
                .for_each(|key| add(key, Fate::Owner(number)));
            add((String::new(), session), Fate::Owner(number));
        }
        let of = |fate: &dyn Fn(Fate) -> bool| {
            let found: Vec<usize> = (0..credentials.len()).filter(|index| fate(credentials[*index].fate)).collect();
            (found, AtomicUsize::new(0))
        };
        let rows = vec![
            of(&|fate| fate == Fate::RevokedByApi),
            of(&|fate| fate == Fate::RotatedByApi),
            of(&|fate| matches!(fate, Fate::RevokedByCommand | Fate::RotatedByCommand)),
            of(&|fate| matches!(fate, Fate::Owner(_))),
            of(&|fate| fate == Fate::InGrace),
        ];
        Self { credentials, rows, over: AtomicBool::new(false) }
    }

    /// One client: most of what it asks with is about to change or has just been changed.
    fn hammer(&self, address: SocketAddr, seed: u64) -> Vec<(usize, Duration, u16)> {
        let mut line = Line::to(address);
        let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: usize| {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            usize::try_from(chance >> 33).unwrap() % below
        };
        let mut seen = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let (row, done) = &self.rows[[0, 0, 1, 1, 2, 2, 2, 3, 3, 4][next(10)]];
            let place = match done.load(Ordering::Acquire) {
                // The owners' credentials change many at a time.
                _ if row.len() < 16 || self.credentials[row[0]].fate == Fate::Owner(0) => next(row.len()),
                done => (done + next(12)).saturating_sub(4).min(row.len() - 1),
            };
            let (began, status, _) = line.ask("GET", PATH, &self.credentials[row[place]].text, None);
            seen.push((row[place], began, status));
        }
        seen
    }

    /// Changes a row's credentials one after another by a function that gives the instant at which it had returned.
    fn change(&self, row: usize, mut change: impl FnMut(&Credential) -> Duration) {
        let (row, done) = &self.rows[row];
        for index in row {
            let credential = &self.credentials[*index];
            credential.ended.set(change(credential)).unwrap();
            done.fetch_add(1, Ordering::Release);
        }
    }
}

/// A change by the API: an answer of 200, and when it was here.
fn by_api(line: &mut Line, session: &str, method: &str, path: &str, body: Option<&Value>) -> Duration {
    let (_, status, answer) = line.ask(method, path, session, body);
    let returned = monotonic();
    assert!(matches!(status, 200 | 201), "{method} {path}: {status} {answer}");
    returned
}

/// A change by a command, and when it had ended.
fn by_command(installation: &Installation, arguments: &[&str]) -> Duration {
    let done = installation.run(arguments);
    let returned = monotonic();
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    returned
}

fn change_owner(installation: &Installation, address: SocketAddr, session: &str, number: usize) -> Duration {
    let (email, change) = OWNERS[number];
    let path = format!("/v1/users/u_{:x}", number + 2);
    let mut line = Line::to(address);
    match change {
        "PATCH" => by_api(&mut line, session, "PATCH", &path, Some(&json!({"role": "viewer"}))),
        "set-role" => by_command(installation, &["user", "set-role", email, "viewer"]),
        "deactivate by API" => by_api(&mut line, session, "POST", &format!("{path}/deactivate"), Some(&json!({}))),
        "deactivate" => by_command(installation, &["user", "deactivate", email]),
        _ => by_api(&mut line, session, "DELETE", &path, None),
    }
}

/// Lets everything happen at once; gives what the clients saw.
fn run(installation: &Installation, address: SocketAddr, session: &str, field: &Field) -> Vec<(usize, Duration, u16)> {
    let rotate = |credential: &Credential, line: &mut Line, grace: u32| {
        let path = format!("/v1/keys/{}/rotate", credential.id);
        by_api(line, session, "POST", &path, Some(&json!({"grace_seconds": grace})))
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|seed| scope.spawn(move || field.hammer(address, seed as u64 + 1))).collect();
        let mut changers = vec![
            scope.spawn(|| {
                let mut line = Line::to(address);
                field.change(0, |credential| {
                    let path = format!("/v1/keys/{}/revoke", credential.id);
                    by_api(&mut line, session, "POST", &path, Some(&json!({"reason": "the hammer"})))
                });
            }),
            scope.spawn(|| {
                let mut line = Line::to(address);
                field.change(4, |credential| rotate(credential, &mut line, 3_600));
                field.change(1, |credential| rotate(credential, &mut line, 0));
            }),
            scope.spawn(|| {
                field.change(2, |credential| match credential.fate {
                    Fate::RevokedByCommand => by_command(installation, &["key", "revoke", &credential.id, "--yes"]),
                    _ => by_command(installation, &["key", "rotate", &credential.id, "--grace", "0", "--yes"]),
                });
            }),
        ];
        changers.push(scope.spawn(|| {
            for number in 0..OWNERS.len() {
                let returned = change_owner(installation, address, session, number);
                let theirs = field.credentials.iter().filter(|credential| credential.fate == Fate::Owner(number));
                theirs.for_each(|credential| credential.ended.set(returned).unwrap());
                // The next one when the commands are as much further.
                let share = field.rows[2].0.len() / OWNERS.len() * (number + 1);
                while field.rows[2].1.load(Ordering::Relaxed) < share {
                    std::thread::park_timeout(Duration::from_millis(2));
                }
            }
        }));
        changers.into_iter().for_each(|changer| changer.join().unwrap());
        field.over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// The requests that began after the return of their credential's change and succeeded all the same.
fn too_late<'s>(
    field: &'s Field,
    seen: &'s [(usize, Duration, u16)],
    fate: impl Fn(Fate) -> bool + 's,
) -> impl Iterator<Item = &'s (usize, Duration, u16)> {
    seen.iter().filter(move |(index, began, status)| {
        let credential = &field.credentials[*index];
        fate(credential.fate) && *status == 200 && credential.ended.get().is_some_and(|ended| began > ended)
    })
}

#[test]
fn no_request_succeeds_that_began_after_its_credential_was_taken_away() {
    #[expect(clippy::disallowed_methods, reason = "how long the test is, is no setting of the program")]
    let factor = std::env::var("CLARIBI_TEST_HAMMER_FACTOR").map_or(1, |text| text.parse().unwrap());
    let numbers = Numbers { by_api: 320 * factor, by_command: 16 * factor, of_each_owner: 56 * factor };
    let installation = Installation::new();
    let owner = installation.key("the owner's");
    for (email, _) in OWNERS {
        let create = ["user", "create", "--email", email, "--role", "administrator", "--password-stdin"];
        assert!(installation.run_with(&create, PASSWORD).status.success());
    }
    let serving = installation.serve();
    let (address, session) = (serving.address, log_in(serving.address, "ada@example.com", OWNER_PASSWORD));
    assert_eq!(serving.get(PATH, &owner).unwrap().status, 200);
    let field = Field::prepare(address, &session, &numbers);
    let began = monotonic();
    let seen = run(&installation, address, &session, &field);
    let took = monotonic().saturating_sub(began);

    let changed = |fate| fate != Fate::InGrace;
    let late: Vec<_> = too_late(&field, &seen, changed).collect();
    for (index, began, _) in &late {
        let credential = &field.credentials[*index];
        let ended = credential.ended.get().unwrap();
        println!("{:?} came in {:?} after its end", credential.fate, began.saturating_sub(*ended));
    }
    assert!(late.is_empty(), "{} of {} requests came in too late", late.len(), seen.len());

    // Whoever judges sees what goes on: keys in their grace.
    assert!(too_late(&field, &seen, |fate| !changed(fate)).count() > 0, "no key was used in its grace");
    assert!(seen.iter().all(|(_, _, status)| matches!(status, 200 | 401 | 403)), "nothing else is answered");
    let ended = |index: &usize| field.credentials[*index].ended.get().copied().unwrap();
    let came_in = seen.iter().filter(|(_, _, status)| *status == 200).count();
    let mut gaps: Vec<Duration> = seen
        .iter()
        .filter(|(index, began, _)| *began > ended(index))
        .map(|(index, began, _)| *began - ended(index))
        .collect();
    gaps.sort_unstable();
    let near = gaps.partition_point(|gap| *gap < Duration::from_millis(20));
    println!(
        "{} credentials changed in {took:?}; {} requests, {came_in} came in, {} began after the end, {near} of these \
         within 20 ms, the nearest {:?} after it",
        field.credentials.len() - 8,
        seen.len(),
        gaps.len(),
        gaps.first()
    );
    assert!(came_in > 500 && near > 100, "the clients were not there when it happened");
    each_is_refused_as_it_ended(&serving, &field);
}

/// In the end each credential is refused for the reason that it has.
fn each_is_refused_as_it_ended(serving: &Serving, field: &Field) {
    let mut line = Line::to(serving.address);
    for credential in &field.credentials {
        let (_, status, body) = line.ask("GET", PATH, &credential.text, None);
        let told = serde_json::from_str::<Value>(&body).unwrap()["error"]["code"].as_str().unwrap_or("").to_owned();
        let is_session = credential.id.is_empty();
        let expected = match credential.fate {
            Fate::InGrace => (200, ""),
            Fate::RevokedByApi | Fate::RevokedByCommand => (401, "key_revoked"),
            Fate::RotatedByApi | Fate::RotatedByCommand => (401, "key_expired"),
            Fate::Owner(0 | 1) => (403, "permission_missing"),
            Fate::Owner(_) if is_session => (401, "invalid_token"),
            Fate::Owner(_) => (401, "invalid_key"),
        };
        assert_eq!((status, told.as_str()), expected, "{:?}", credential.fate);
    }
}
