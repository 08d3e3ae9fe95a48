//! Logging in: who guesses has to wait, who may come in does not, and neither learns which accounts exist.

use claribi::domain::access::Role;
use claribi::service::adopt::Adopt;
use claribi::service::people::HASHING_QUEUE;
use serde_json::json;

use crate::actors::Actor;
use crate::answer::Answer;
use crate::binary::{Installation, OWNER_PASSWORD, text};
use crate::patience::until_so;
use crate::world::{Background, PASSWORD, World};

const OWNER: &str = "owner@example.com";
const HOME: &str = "198.51.100.77";
const PROXY: &str = "192.0.2.7";

/// A client behind the proxy, and its address.
#[derive(Clone)]
struct Client(Actor, String);

async fn login(Client(proxy, address): &Client, email: &str, password: &str) -> Answer {
    let request = proxy.request("POST", "/api/auth/login/").json(&json!({"email": email, "password": password}));
    request.header("x-forwarded-proto", "https").header("x-forwarded-for", address).send().await
}

fn at(world: &World, address: &str) -> Client {
    Client(world.anonymous().from(PROXY), address.to_owned())
}

async fn world() -> World {
    World::with(|plot| plot.http.trusted_proxies = vec![format!("{PROXY}/32").parse().unwrap()]).await
}

async fn fail(from: &Client, email: &str, times: usize) {
    for _ in 0..times {
        login(from, email, "a wrong guess").await.refuses(401, "invalid_login");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_after_five_failures_and_the_right_password_waits_too() {
    let world = world().await;
    let guesser = at(&world, "203.0.113.1");
    fail(&guesser, OWNER, 4).await;
    world.pass(60);
    fail(&guesser, OWNER, 1).await;
    for password in ["a wrong guess", PASSWORD] {
        let refused = login(&guesser, OWNER, password).await;
        let envelope = refused.refuses(429, "rate_limited");
        // The first of the five leaves the quarter of an hour first.
        assert_eq!((refused.header("retry-after"), &envelope["retry_after"]), (Some("840"), &json!(840)));
    }
    world.pass(839);
    login(&guesser, OWNER, PASSWORD).await.refuses(429, "rate_limited");
    world.pass(1);
    login(&guesser, OWNER, PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_never_locked_out_where_a_login_succeeded_before() {
    let world = world().await;
    let home = at(&world, HOME);
    login(&home, OWNER, PASSWORD).await.is(200);
    // Guesses from everywhere, from the owner's neighbours too.
    for last in 1..=10 {
        let guesser = at(&world, &format!("203.0.113.{last}"));
        for _ in 0..5 {
            login(&guesser, OWNER, "a wrong guess").await;
        }
    }
    for other in 0..60 {
        login(&home, &format!("someone-{other}@example.com"), "a wrong guess").await;
    }
    login(&at(&world, "203.0.113.99"), OWNER, PASSWORD).await.refuses(429, "rate_limited");
    login(&home, "a-stranger@example.com", "a wrong guess").await.refuses(429, "rate_limited");
    login(&home, OWNER, PASSWORD).await.is(200);
    // Its own slips make it wait for a minute at most.
    fail(&home, OWNER, 10).await;
    let refused = login(&home, OWNER, PASSWORD).await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("60"));
    world.pass(60);
    login(&home, OWNER, PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_bears_twenty_failures_from_wherever_they_come() {
    let world = world().await;
    for network in 0..4 {
        fail(&at(&world, &format!("2001:db8:0:{network}::1")), OWNER, 5).await;
    }
    login(&at(&world, "2001:db8:0:9::1"), OWNER, PASSWORD).await.refuses(429, "rate_limited");
    login(&at(&world, "2001:db8:0:9::1"), "other@example.com", "a wrong guess").await.refuses(401, "invalid_login");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_an_ipv6_network_and_bears_fifty_failures_in_all() {
    let world = world().await;
    for number in 0..50 {
        let from = at(&world, &format!("2001:db8:1:2::{number:x}"));
        fail(&from, &format!("someone-{number}@example.com"), 1).await;
    }
    login(&at(&world, "2001:db8:1:2:ffff::"), OWNER, PASSWORD).await.refuses(429, "rate_limited");
    login(&at(&world, "2001:db8:1:3::"), OWNER, PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_do_not_exist_are_answered_like_those_that_do() {
    let world = world().await;
    let member = world.session(Role::Viewer).await;
    member.get("/v1/users/me").await.is(200);
    for (number, email) in
        [OWNER, "nobody@example.com", "no address at all", "", "a-viewer@example.com"].iter().enumerate()
    {
        let from = at(&world, &format!("198.51.100.{number}"));
        let mut told = Vec::new();
        for _ in 0..6 {
            let answer = login(&from, email, "a wrong guess").await;
            told.push((answer.status, answer.header("retry-after").map(str::to_owned), answer.masked(&[])));
        }
        let first = login(&at(&world, "198.51.100.200"), "nobody-2@example.com", "a wrong guess").await;
        assert_eq!(told[0].2, first.masked(&[]), "{email}");
        assert_eq!(
            told.iter().map(|(status, ..)| *status).collect::<Vec<_>>(),
            [401, 401, 401, 401, 401, 429],
            "{email}"
        );
        assert_eq!(told[5].1.as_deref(), Some("900"), "{email}");
        world.pass(901);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_at_once_are_counted_like_one_after_the_other() {
    let world = world().await;
    let guesser = at(&world, "203.0.113.1");
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let guesser = guesser.clone();
            tokio::spawn(async move { login(&guesser, OWNER, "a wrong guess").await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 15, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_failure_and_no_address() {
    let world = world().await;
    login(&at(&world, HOME), OWNER, PASSWORD).await.is(200);
    fail(&at(&world, "203.0.113.1"), OWNER, 5).await;
    for number in 0..15 {
        fail(&at(&world, &format!("203.0.113.{}", 100 + number)), OWNER, 1).await;
    }
    let world = world.restarted().await;
    login(&at(&world, "203.0.113.1"), OWNER, PASSWORD).await.refuses(429, "rate_limited");
    login(&at(&world, HOME), OWNER, PASSWORD).await.is(200);
    world.pass(901);
    assert!(world.app.forget_logins().await.unwrap() > 0);
    login(&at(&world, "203.0.113.1"), OWNER, PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_as_an_e_mail_is_written_down_nowhere() {
    let world = world().await;
    let typed = "my pass phrase in the wrong field";
    fail(&at(&world, HOME), typed, 5).await;
    login(&at(&world, HOME), typed, "a wrong guess").await.refuses(429, "rate_limited");
    assert!(!world.is_written_down(typed));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_after_which_others_wait_is_in_the_audit_of_the_organisation() {
    let world = World::with(|plot| {
        plot.http.trusted_proxies = vec![format!("{PROXY}/32").parse().unwrap()];
        plot.background = Background::LeftLying;
    })
    .await;
    let guesser = at(&world, "203.0.113.1");
    fail(&guesser, OWNER, 5).await;
    login(&guesser, OWNER, PASSWORD).await.refuses(429, "rate_limited");
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || app.adopt_changes(Adopt::All)).await.unwrap().unwrap();
    let throttled: Vec<_> =
        world.events().into_iter().filter(|event| event.detail.contains("login.throttle")).collect();
    assert_eq!(throttled.len(), 1);
    assert_eq!((throttled[0].actor.as_str(), throttled[0].org), ("address 203.0.113.1", Some(world.org.raw())));
    assert!(throttled[0].detail.contains("\"u_1\""), "{}", throttled[0].detail);
    let statuses: Vec<u16> = world.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429], "each attempt has its row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_is_bounded_and_requests_with_keys_go_on() {
    let world = world().await;
    let owner = world.owner().await;
    owner.get("/v1/dashboards").await.is(200);
    // Every core is hashing, as far as logins can tell.
    let cores = u32::try_from(world.app.hashing.available_permits()).unwrap();
    let busy = world.app.hashing.clone().acquire_many_owned(cores).await.unwrap();
    let free = world.app.hashing_places.available_permits();
    assert_eq!(free, cores as usize + HASHING_QUEUE);
    let flood: Vec<_> = (0..free)
        .map(|number| {
            let guesser = at(&world, &format!("203.0.113.{number}"));
            tokio::spawn(
                async move { login(&guesser, &format!("someone-{number}@example.com"), "a wrong guess").await },
            )
        })
        .collect();
    until_so("a login in every place", || world.app.hashing_places.available_permits() == 0).await;
    // The places are taken and not one login has ended: keys do not notice, and one login more is told at once.
    for _ in 0..100 {
        owner.get("/v1/dashboards").await.is(200);
    }
    let refused = login(&at(&world, HOME), OWNER, PASSWORD).await;
    refused.refuses(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(flood.iter().all(|waiting| !waiting.is_finished()));
    drop(busy);
    for waiting in flood {
        assert!([401, 503].contains(&waiting.await.unwrap().status));
    }
    assert_eq!(world.app.hashing_places.available_permits(), free, "every place is free again");
    login(&at(&world, HOME), OWNER, PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_never_looked_at_is_no_failure() {
    let world = world().await;
    let places = u32::try_from(world.app.hashing_places.available_permits()).unwrap();
    let taken = world.app.hashing_places.acquire_many(places).await.unwrap();
    for _ in 0..10 {
        login(&at(&world, HOME), OWNER, PASSWORD).await.refuses(503, "overloaded");
    }
    drop(taken);
    login(&at(&world, HOME), OWNER, PASSWORD).await.is(200);
}

#[test]
fn user_unlock_forgives_at_once_beside_a_running_server() {
    let installation = Installation::new();
    let serving = installation.serve();
    let attempt = |password: &str| {
        let body = json!({"email": "ada@example.com", "password": password}).to_string();
        serving.post("/api/auth/login/", "", &body).unwrap().status
    };
    assert_eq!([(); 6].map(|()| attempt("a wrong guess")), [401, 401, 401, 401, 401, 429]);
    let unlocked = installation.run(&["user", "unlock", "ada@example.com", "--json"]);
    assert!(unlocked.status.success(), "{}", text(&unlocked.stderr));
    let told: serde_json::Value = serde_json::from_slice(&unlocked.stdout).unwrap();
    assert_eq!(told, json!({"id": "u_1", "forgotten_failures": 5}));
    assert_eq!(attempt(OWNER_PASSWORD), 200);
    let unknown = installation.run(&["user", "unlock", "nobody@example.com"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("claribi user list"), "{}", text(&unknown.stderr));
}
