//! What recognising a key costs, and what guesses and floods tell or slow: figures, not assertions.
//!
//! `cargo bench --bench keys` prints the verification of a cached key (parse, checksum, HMAC, row, address, rights)
//! beside a bare HMAC; how well time tells a guess at a key or an account that exists from one that does not, as the area
//! under the curve (0.5: not at all); and requests with a key beside a flood of logins.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

#[expect(dead_code, reason = "the clients of the tests, of which a few are needed here")]
#[path = "../tests/it/actors.rs"]
mod actors;
#[expect(dead_code, reason = "the answers of the tests, likewise")]
#[path = "../tests/it/answer.rs"]
mod answer;
#[expect(dead_code, reason = "the installation of the tests, likewise")]
#[path = "../tests/it/world.rs"]
mod world;

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use claribi::domain::access::Permission;
use claribi::domain::key_text::{self, KeyText};
use claribi::domain::login::KNOWN_WINDOW;
use serde_json::json;

use actors::Actor;
use world::{Plot, World};

const ROUNDS: u32 = 200_000;
const GUESSES: usize = 2_000;
/// Guesses at accounts that nobody can enter.
const FURTHER: usize = 400;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::with(roomy).await;
        let key = world.owner().await.secret().to_owned();
        verification(&world, &key);
        guesses_at_keys(&world, &key).await;
        guesses_at_accounts(&world).await;
        flood(&world, &key).await;
    });
}

/// Windows that let everything in, and passwords at their real cost.
fn roomy(plot: &mut Plot) {
    plot.plan("enterprise", |plan| {
        plan.requests_per_hour = 100_000_000;
        plan.requests_per_day = 100_000_000;
    });
    let many = u32::MAX;
    plot.settings.logins.failures = many;
    plot.settings.logins.failures_per_account = many;
    plot.settings.logins.failures_per_address = many;
    plot.settings.argon2.memory_kib = 19_456;
    plot.settings.argon2.iterations = 2;
}

fn per_round(mut step: impl FnMut()) -> Duration {
    let mut rounds: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..ROUNDS).for_each(|_| step());
            start.elapsed() / ROUNDS
        })
        .collect();
    rounds.sort_unstable();
    rounds[2]
}

fn verification(world: &World, key: &str) {
    let (app, now, address) = (&world.app, world.app.clock.now(), Some(IpAddr::from([127, 0, 0, 1])));
    let whole = per_round(|| {
        let text = KeyText::parse(black_box(key)).unwrap();
        let identity = app.identify_key(&text, now).unwrap();
        app.admit_identity(&identity, address).unwrap();
        assert!(identity.permissions.holds(black_box(Permission::DashboardsRead)));
    });
    let (text, pepper) = (KeyText::parse(key).unwrap(), key_text::Pepper::new(&[7; 32]));
    let bare = per_round(|| {
        black_box(key_text::mac(black_box(&pepper), &[9; 16], &text));
    });
    let mistyped = format!("{}{}", &key[..51], if key.ends_with('0') { "1" } else { "0" });
    let garbage = per_round(|| assert!(KeyText::parse(black_box(&mistyped)).is_none()));
    println!("verification of a cached key: {whole:?} (aim: 3 µs), a bare HMAC {bare:?}, a mistyped key {garbage:?}");
}

/// A well-formed key with these 24 characters.
fn invented(prefix: &str) -> String {
    let text = format!("{prefix}ThisIsNoSecretOfOurs22");
    let mut sum = crc32fast::hash(text.as_bytes());
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut checksum = [b'0'; 6];
    for place in checksum.iter_mut().rev() {
        *place = digits[(sum % 62) as usize];
        sum /= 62;
    }
    format!("{text}{}", std::str::from_utf8(&checksum).unwrap())
}

async fn guesses_at_keys(world: &World, key: &str) {
    let (known, unknown) = (world.bearer(&invented(&key[..24])), world.bearer(&invented("claribi_sk_live_NobodyHa")));
    let guess = async |actor: &Actor| {
        let start = Instant::now();
        assert_eq!(actor.get("/v1/dashboards").await.status, 401);
        start.elapsed()
    };
    let told = interleaved(GUESSES, async || guess(&known).await, async || guess(&unknown).await).await;
    println!("a wrong secret of a known prefix, and an unknown prefix: {told}");
}

async fn guesses_at_accounts(world: &World) {
    let owner = world.owner_session().await;
    for email in ["invited@example.com", "deactivated@example.com"] {
        owner.post("/v1/users", json!({"email": email, "role": "viewer"})).await.is(201);
    }
    world.session(claribi::domain::access::Role::Viewer).await;
    owner.post("/v1/users/u_4/deactivate", json!({})).await.is(200);
    let anyone = world.anonymous();
    let guess = async |email: &str| {
        // Whoever came in from here before may fail only so often in a while: let it pass.
        world.pass(KNOWN_WINDOW.as_secs());
        let start = Instant::now();
        let login = json!({"email": email, "password": "a wrong guess"});
        assert_eq!(anyone.post("/api/auth/login/", login).await.status, 401);
        start.elapsed()
    };
    for (what, email, times) in [
        ("an account", "owner@example.com", GUESSES),
        ("an invited one", "invited@example.com", FURTHER),
        ("a deactivated one", "a-viewer@example.com", FURTHER),
    ] {
        let unknown = async || guess("nobody@example.com").await;
        let told = interleaved(times, async || guess(email).await, unknown).await;
        println!("a wrong password for {what}, and for none: {told}");
    }
}

/// Requests with a cached key while 64 clients log in without end.
async fn flood(world: &World, key: &str) {
    let reader = world.bearer(key);
    let quiet = latencies(&reader).await;
    let logins: Vec<_> = (0..64)
        .map(|number| {
            let (anyone, email) = (world.anonymous(), format!("someone-{number}@example.com"));
            tokio::spawn(async move {
                loop {
                    anyone.post("/api/auth/login/", json!({"email": email, "password": "a wrong guess"})).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = world.app.effort.hashes();
    let start = Instant::now();
    let flooded = latencies(&reader).await;
    let rate = (world.app.effort.hashes() - before) as f64 / start.elapsed().as_secs_f64();
    logins.iter().for_each(tokio::task::JoinHandle::abort);
    println!("requests with a key: p50 {:?}, p99 {:?}", quiet.0, quiet.1);
    println!("beside a flood of logins ({rate:.0} hashes/s): p50 {:?}, p99 {:?}", flooded.0, flooded.1);
}

async fn latencies(reader: &Actor) -> (Duration, Duration) {
    let mut seen = Vec::new();
    for _ in 0..2_000 {
        let start = Instant::now();
        assert_eq!(reader.get("/v1/dashboards").await.status, 200);
        seen.push(start.elapsed());
    }
    seen.sort_unstable();
    (seen[seen.len() / 2], seen[seen.len() * 99 / 100])
}

/// Two kinds of calls in turns, which of them comes first changing.
async fn interleaved(times: usize, one: impl AsyncFn() -> Duration, other: impl AsyncFn() -> Duration) -> String {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for turn in 0..times {
        if turn % 2 == 0 {
            ones.push(one().await);
            others.push(other().await);
        } else {
            others.push(other().await);
            ones.push(one().await);
        }
    }
    let area = area_under_the_curve(&ones, &others);
    ones.sort_unstable();
    others.sort_unstable();
    let median = |all: &[Duration]| all[all.len() / 2];
    format!("AUC {area:.3} of 2 × {times} (aim: 0.45 to 0.55), medians {:?} and {:?}", median(&ones), median(&others))
}

/// The chance that one of these took longer than one of those; ties are halves.
fn area_under_the_curve(ones: &[Duration], others: &[Duration]) -> f64 {
    let mut others = others.to_vec();
    others.sort_unstable();
    let less: usize = ones
        .iter()
        .map(|one| others.partition_point(|other| other < one) + others.partition_point(|other| other <= one))
        .sum();
    less as f64 / 2.0 / (ones.len() * others.len()) as f64
}
