//! Guesses cost the same whatever they meet, and garbage costs nothing: counted, not timed. What it looks like on a clock
//! is printed by `cargo bench --bench keys`.

use claribi::domain::access::{Role, Scope};
use claribi::service::people::HASHING_QUEUE;
use serde_json::json;

use crate::actors::Actor;
use crate::patience::until_so;
use crate::world::{Background, PASSWORD, World};

const LOGIN: &str = "/api/auth/login/";

/// One in which nothing is read but for requests.
async fn quiet_world() -> World {
    World::with(|plot| plot.background = Background::LeftLying).await
}

/// What a step cost: MACs, hashes of passwords, and reads of `claribi.db`.
async fn cost(world: &World, step: impl AsyncFnOnce()) -> [u64; 3] {
    let effort = &world.app.effort;
    let now = || [effort.macs(), effort.hashes(), world.app.store.load().reads];
    let before = now();
    step().await;
    let after = now();
    std::array::from_fn(|place| after[place] - before[place])
}

/// A well-formed key that nobody has, with these 24 printed characters.
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

async fn told(world: &World, key: &str) -> u16 {
    world.bearer(key).get("/v1/dashboards").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guess_at_a_key_that_exists_costs_what_a_guess_at_one_that_does_not_costs() {
    let world = quiet_world().await;
    let key = world.owner().await.secret().to_owned();
    assert_eq!(told(&world, &key).await, 200);
    let [known, unknown] = [invented(&key[..24]), invented("claribi_sk_live_NobodyHa")];
    for _ in 0..5 {
        for guess in [&known, &unknown] {
            let spent = cost(&world, async || assert_eq!(told(&world, guess).await, 401)).await;
            assert_eq!(spent, [1, 0, 1], "one MAC and one read: {}", &guess[..24]);
        }
    }
    let spent = cost(&world, async || assert_eq!(told(&world, &key).await, 200)).await;
    assert_eq!(spent[..2], [1, 0], "and so does the right one, without a hash");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_costs_neither_a_hash_nor_a_read() {
    let world = quiet_world().await;
    let key = world.owner().await.secret().to_owned();
    // The first call of all finds out that there is an organisation.
    assert_eq!(told(&world, &key).await, 200);
    let mistyped = format!("{}{}", &key[..51], if key.ends_with('0') { "1" } else { "0" });
    let shorter = &key[..51];
    let other = key.replace("_live_", "_prod_");
    let long = "x".repeat(8_000);
    for garbage in [mistyped.as_str(), shorter, &other, &long, "claribi_sk_live_", "e30.e30.e30", "-"] {
        let spent = cost(&world, async || assert_eq!(told(&world, garbage).await, 401)).await;
        assert_eq!(spent, [0, 0, 0], "{garbage:.60}");
        let by_header = cost(&world, async || {
            let actor = world.actor(crate::actors::Credential::ApiKey(garbage.to_owned()));
            assert_eq!(actor.get("/v1/dashboards").await.status, 401);
        });
        assert_eq!(by_header.await, [0, 0, 0], "{garbage:.60}");
    }
}

async fn log_in(actor: &Actor, email: &str, password: &str) -> u16 {
    actor.post(LOGIN, json!({"email": email, "password": password})).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_costs_one_hash_whoever_it_is_for() {
    let world = quiet_world().await;
    let owner = world.owner_session().await;
    world.key_of(Role::Viewer, Scope::ReadOnly).await;
    world.key_of(Role::Analyst, Scope::ReadOnly).await;
    owner.post("/v1/users", json!({"email": "invited@example.com", "role": "viewer"})).await.is(201);
    owner.post("/v1/users/u_2/deactivate", json!({})).await.is(200);
    owner.delete("/v1/users/u_3").await.is(200);
    let anyone = world.anonymous();
    let mut spent = Vec::new();
    for (email, password, status) in [
        ("nobody@example.com", "a wrong guess", 401),
        ("owner@example.com", "a wrong guess", 401),
        ("invited@example.com", "a wrong guess", 401),
        ("a-viewer@example.com", "a wrong guess", 401),
        ("a-viewer@example.com", PASSWORD, 401),
        ("a-analyst@example.com", PASSWORD, 401),
        ("no address at all", "a wrong guess", 401),
        ("owner@example.com", PASSWORD, 200),
    ] {
        let cost = cost(&world, async || assert_eq!(log_in(&anyone, email, password).await, status, "{email}")).await;
        assert_eq!(cost[..2], [0, 1], "one hash for {email}");
        if status == 401 && email.contains('@') {
            spent.push(cost[2]);
        }
    }
    assert!(spent.iter().all(|reads| *reads == spent[0]), "as many reads for whoever it is: {spent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_leave_one_core_to_requests_though_clients_leave() {
    let cores = std::thread::available_parallelism().unwrap().get().saturating_sub(1).max(1);
    // Long enough that all of them meet.
    let world = World::with(|plot| plot.settings.argon2.memory_kib = 8_192).await;
    let logins = |world: &World, from: usize, to: usize| -> Vec<_> {
        let send = |number: usize| {
            let (anyone, email) = (world.anonymous(), format!("someone-{number}@example.com"));
            tokio::spawn(async move { log_in(&anyone, &email, "a wrong guess").await })
        };
        (from..to).map(send).collect()
    };
    let leaving = logins(&world, 0, 12);
    until_so("two hashes", || world.app.effort.hashes() >= 2).await;
    leaving.iter().for_each(tokio::task::JoinHandle::abort);
    let mut statuses = Vec::new();
    for login in logins(&world, 12, 12 + HASHING_QUEUE) {
        statuses.push(login.await.unwrap());
    }
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429 | 503)), "{statuses:?}");
    let most = usize::try_from(world.app.effort.most_hashing()).unwrap();
    assert!((1..=cores).contains(&most), "{most} at once, where {cores} may be");
}
