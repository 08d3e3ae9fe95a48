//! HTTPS everywhere but on loopback and behind a proxy that is trusted; hosts that are ours.

use crate::actors::Actor;
use crate::answer::Answer;
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
