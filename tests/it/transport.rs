//! HTTPS everywhere but on loopback and behind a proxy that is trusted; hosts that are ours.

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::refusals::forged;
use crate::world::World;

const PROXY: &str = "192.0.2.7";

async fn behind_a_proxy() -> World {
    World::with(|plot| plot.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()]).await
}

async fn ask(actor: &Actor, headers: &[(&str, &str)]) -> Answer {
    let request = actor.request("GET", "/v1/dashboards");
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_from_elsewhere_is_refused_naming_both_ways_out() {
    let world = World::new().await;
    let owner = world.owner().await;
    for address in ["203.0.113.9", "10.0.0.1", "2001:db8::1", "::ffff:203.0.113.9"] {
        for forged in [&[][..], &[("x-forwarded-proto", "https"), ("x-forwarded-for", "127.0.0.1")]] {
            let answer = ask(&owner.from(address), forged).await;
            answer.refuses(403, "https_required");
            assert!(answer.message().contains("trusted_proxies") && answer.message().contains("loopback"));
            assert_eq!(world.last_call().key_prefix, None, "nothing of the request is believed");
        }
    }
    for path in ["/v1/nothing", "/api/dashboards/", "/api/v1/dashboards/", "/", "/docs/"] {
        owner.from("203.0.113.9").get(path).await.refuses(403, "https_required");
    }
    for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        ask(&owner.from(address), &[]).await.is(200);
    }
}

/// What the events of keys that were sent in the clear say: organisation, address, prefix and key.
fn keys_in_clear(world: &World) -> Vec<(Option<i64>, String, String, Value)> {
    let events = world.events().into_iter().filter(|event| event.kind == "key_sent_in_clear");
    let told = events.map(|event| {
        let detail: Value = serde_json::from_str(&event.detail).unwrap();
        assert!(detail["request_id"].as_str().unwrap().starts_with("req_"));
        (event.org, event.actor, detail["object"].as_str().unwrap().to_owned(), detail["key"].clone())
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_sent_in_the_clear_is_audited_by_its_prefix() {
    let world = World::new().await;
    let owner = world.owner().await;
    let prefix = owner.secret()[..24].to_owned();
    let org = Some(world.org.raw());
    let far = owner.from("203.0.113.9");
    let url = format!("/v1/dashboards?key={}", owner.secret());
    let anonymous = world.anonymous().from("203.0.113.9");
    let refused = [
        far.get("/v1/dashboards").await,
        far.by_the_other_header().get("/nothing").await,
        far.get("/v1/openapi.json").await,
        far.request("POST", "/api/dashboards/").json(&json!({"name": "x"})).send().await,
        anonymous.get(&url).await,
        anonymous.request("GET", "/").header("cookie", &format!("key={}", owner.secret())).send().await,
    ];
    for (index, answer) in refused.iter().enumerate() {
        answer.refuses(403, "https_required");
        assert_eq!(answer.header("location"), None, "no redirect: the next request would show the key again");
        assert!(!answer.text().contains(&prefix));
        let told = keys_in_clear(&world);
        assert_eq!(told[index], (org, "203.0.113.9".to_owned(), prefix.clone(), json!("key_1")), "{index}");
    }
    assert_eq!(keys_in_clear(&world).len(), refused.len(), "one event each");
    assert_eq!(world.calls().len(), refused.len(), "and one row each");
    assert!(world.calls().iter().all(|call| call.org.is_none() && !call.counted()), "none is anybody's call");
    assert!(!world.is_written_down(&owner.secret()[24..]), "its secret is written nowhere");

    // In private there is nothing to tell, and what carries no key shows none.
    owner.get("/v1/dashboards").await.is(200);
    owner.request("GET", "/v1/dashboards").host("evil.example").send().await.refuses(421, "misdirected_request");
    anonymous.get("/v1/dashboards").await.refuses(403, "https_required");
    world.bearer(&owner.secret()[..51]).from("203.0.113.9").get("/v1/dashboards").await.refuses(403, "https_required");
    assert_eq!(keys_in_clear(&world).len(), refused.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_key_in_the_clear_learns_nothing_of_it() {
    let world = World::with(|plot| plot.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()]).await;
    let (known, revoked) = (world.owner().await, world.owner().await);
    known.post("/v1/keys/key_2/revoke", json!({})).await.is(200);
    let unknown = World::with(|plot| plot.seed = 2).await.owner().await.secret().to_owned();
    // The public part of one and the rest of the other, with a checksum that fits: known by its prefix alone.
    let forged = forged(known.secret(), &unknown);
    let mut answers = Vec::new();
    for secret in [known.secret(), revoked.secret(), &unknown, &forged] {
        let proxy = world.bearer(secret).from("192.0.2.7");
        let answer = ask(&proxy, &[("x-forwarded-proto", "http"), ("x-forwarded-for", "198.51.100.4")]).await;
        answer.refuses(403, "https_required");
        let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
        answers.push((names, answer.masked(&[])));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let told = keys_in_clear(&world);
    let whose: Vec<_> = told.iter().map(|(org, _, _, key)| (org.is_some(), key.clone())).collect();
    let (nobody, ours) = ((false, Value::Null), |key: &str| (true, json!(key)));
    assert_eq!(whose, [ours("key_1"), ours("key_2"), nobody.clone(), nobody]);
    assert!(told.iter().all(|(_, address, ..)| address == "198.51.100.4"), "the client's, past the proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_over_any_transport() {
    let world = World::new().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(world.anonymous().from("203.0.113.9").get(path).await.status, 200, "{path}");
    }
    assert_eq!(world.calls().len(), 0, "health is no call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_that_says_https_is_served_for_its_client() {
    let world = behind_a_proxy().await;
    let proxy = world.owner().await.from(PROXY);
    let headers = [("x-forwarded-proto", "https"), ("x-forwarded-for", "198.51.100.4")];
    ask(&proxy, &headers).await.is(200);
    assert_eq!(world.last_call().address.to_string(), "198.51.100.4");

    ask(&proxy, &[("x-forwarded-for", "198.51.100.4")]).await.refuses(403, "https_required");
    ask(&proxy, &[("x-forwarded-proto", "http")]).await.refuses(403, "https_required");
    ask(&proxy, &[("x-forwarded-proto", "https, http")]).await.refuses(403, "https_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_addresses_are_believed_from_their_end_only() {
    let world = behind_a_proxy().await;
    let proxy = world.owner().await.from(PROXY);
    let forged = [("x-forwarded-proto", "https"), ("x-forwarded-for", "127.0.0.1, 198.51.100.4")];
    ask(&proxy, &forged).await.is(200);
    assert_eq!(world.last_call().address.to_string(), "198.51.100.4");
    ask(&world.owner().await, &[("x-forwarded-for", "198.51.100.4")]).await.is(200);
    assert_eq!(world.last_call().address.to_string(), "127.0.0.1", "loopback is no listed proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_on_loopback_is_misdirected() {
    let world = World::with(|plot| {
        plot.http.hosts = vec!["bi.internal".to_owned()];
        plot.http.public_url = Some("https://bi.example.com".to_owned());
    })
    .await;
    let owner = world.owner().await;
    let named = |host: &'static str| owner.request("GET", "/v1/dashboards").host(host);
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", "xn--localhost"] {
        named(host).send().await.refuses(421, "misdirected_request");
    }
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:9", "[::1]:8080", "bi.internal", "bi.example.com:443"] {
        named(host).send().await.is(200);
    }
    let page = world.anonymous().request("GET", "/").host("evil.example").send().await;
    page.refuses(421, "misdirected_request");
}
