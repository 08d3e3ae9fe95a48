//! Cross-origin requests of pages in browsers.

use claribi::http::cors::Origins;

use crate::actors::Actor;
use crate::answer::Answer;
use crate::world::World;

const PAGE: &str = "https://app.example.com";

async fn world() -> World {
    World::with(|plot| plot.http.origins = Origins::new([PAGE, "http://localhost:5173"].into_iter())).await
}

async fn from(actor: &Actor, method: &str, path: &str, origin: &str) -> Answer {
    actor.request(method, path).header("origin", origin).send().await
}

async fn preflight(actor: &Actor, path: &str, origin: &str) -> Answer {
    let request = actor.request("OPTIONS", path).header("origin", origin);
    request.header("access-control-request-method", "POST").send().await
}

fn words(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("access-control-")).collect()
}

fn varies(answer: &Answer) -> bool {
    answer.headers.iter().any(|(name, value)| name == "vary" && value == "origin")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configured_origins_nothing_is_said_to_pages() {
    let world = World::new().await;
    let owner = world.owner().await;
    for answer in [from(&owner, "GET", "/v1/dashboards", PAGE).await, preflight(&owner, "/v1/dashboards", PAGE).await] {
        assert!(answer.status < 300);
        assert!(words(&answer).is_empty() && !varies(&answer), "{:?}", answer.headers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_listed_origin_reads_answers_and_refusals() {
    let world = world().await;
    let (owner, anonymous) = (world.owner().await, world.anonymous());
    for origin in [PAGE, "http://localhost:5173"] {
        for (answer, status) in [
            (from(&owner, "GET", "/v1/dashboards", origin).await, 200),
            (from(&owner, "GET", "/v1/dashboards/d_9", origin).await, 404),
            (from(&anonymous, "GET", "/v1/dashboards", origin).await, 401),
            (from(&owner, "PUT", "/v1/dashboards", origin).await, 405),
            (from(&anonymous, "GET", "/v1/openapi.json", origin).await, 200),
            (from(&anonymous, "GET", "/livez", origin).await, 200),
        ] {
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some(origin)));
            let exposed = answer.header("access-control-expose-headers").unwrap();
            for name in ["x-request-id", "x-ratelimit-remaining", "ratelimit", "etag", "retry-after"] {
                assert!(exposed.split(", ").any(|found| found == name), "{name} in {exposed}");
            }
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert!(varies(&answer));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_needs_no_credential_tells_the_methods_and_leaves_a_row() {
    let world = world().await;
    let answer = preflight(&world.anonymous(), "/v1/dashboards", PAGE).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS, POST"));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for name in ["authorization", "x-api-key", "content-type", "idempotency-key", "if-match", "if-none-match"] {
        assert!(allowed.split(", ").any(|found| found == name), "{name} in {allowed}");
    }
    assert!(answer.header("access-control-max-age").is_some() && varies(&answer));
    assert_eq!(world.calls().len(), 1);
    let nowhere = preflight(&world.anonymous(), "/v1/nothing", PAGE).await;
    assert_eq!((nowhere.status, nowhere.header("access-control-allow-methods")), (404, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_are_told_nothing() {
    let world = world().await;
    let owner = world.owner().await;
    for origin in
        ["https://app.example.com.evil.example", "http://app.example.com", "https://app.example.com:8443", "null"]
    {
        for answer in
            [from(&owner, "GET", "/v1/dashboards", origin).await, preflight(&owner, "/v1/dashboards", origin).await]
        {
            assert!(words(&answer).is_empty(), "{origin}: {:?}", answer.headers);
            assert!(varies(&answer), "a cache must not give it to the listed page");
        }
    }
}
