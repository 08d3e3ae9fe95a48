//! Exact windows: what is admitted, what is told of it, and what survives.

use std::time::Duration;

use claribi::domain::access::Permission;
use serde_json::json;

use crate::actors::Actor;
use crate::world::{Plot, World};

const LIST: &str = "/v1/dashboards";

fn hourly(limit: u32) -> impl FnOnce(&mut Plot) {
    move |plot| plot.plan("enterprise", |plan| plan.requests_per_hour = limit)
}

/// Asks as often as given and wants every answer.
async fn served(actor: &Actor, path: &str, times: usize) {
    for _ in 0..times {
        actor.get(path).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hour_admits_its_limit_and_not_one_more() {
    let world = World::with(hourly(5)).await;
    let key = world.owner().await;
    let start = world.clock.now().seconds();
    for remaining in (0..5).rev() {
        let answer = key.get(LIST).await;
        answer.is(200);
        assert_eq!(answer.number("x-ratelimit-limit"), 5);
        assert_eq!(answer.number("x-ratelimit-remaining"), remaining);
        assert_eq!(answer.number("x-ratelimit-reset"), start + 3_600, "when the rest next rises");
        world.pass(10);
    }
    let refused = key.get(LIST).await;
    let facts = refused.refuses(429, "rate_limited");
    assert_eq!(refused.number("retry-after"), 3_550);
    assert_eq!(facts["retry_after"], 3_550);
    assert_eq!((refused.number("x-ratelimit-limit"), refused.number("x-ratelimit-remaining")), (5, 0));
    assert!(refused.message().contains("hour"), "the window is named: {}", refused.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_fits_again_exactly_when_the_oldest_is_a_window_old() {
    let world = World::with(hourly(3)).await;
    let key = world.owner().await;
    key.get(LIST).await.is(200);
    world.pass(1_000);
    served(&key, LIST, 2).await;
    world.clock.advance(Duration::from_millis(2_599_999));
    key.get(LIST).await.refuses(429, "rate_limited");
    world.clock.advance(Duration::from_millis(1));
    key.get(LIST).await.is(200);
    key.get(LIST).await.refuses(429, "rate_limited");
    world.pass(1_000);
    served(&key, LIST, 2).await;
    key.get(LIST).await.refuses(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_as_long_as_retry_after_says_is_enough() {
    let world = World::with(hourly(2)).await;
    let key = world.owner().await;
    world.clock.advance(Duration::from_millis(123));
    key.get(LIST).await.is(200);
    world.clock.advance(Duration::from_millis(777));
    key.get(LIST).await.is(200);
    let refused = key.get(LIST).await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.number("retry-after"), 3_600, "rounded up: 3599 s would be too early");
    world.pass(3_599);
    key.get(LIST).await.refuses(429, "rate_limited");
    world.pass(1);
    key.get(LIST).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_consumes_nothing() {
    let world = World::with(hourly(2)).await;
    let key = world.owner().await;
    served(&key, LIST, 2).await;
    for _ in 0..10 {
        world.pass(300);
        key.get(LIST).await.refuses(429, "rate_limited");
    }
    world.pass(600);
    served(&key, LIST, 2).await;
    assert_eq!(world.calls().iter().filter(|call| call.counted()).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_the_windows_counts_whatever_comes_after() {
    let world = World::with(hourly(4)).await;
    let poor = world.key_with(&[Permission::DashboardsCreate]).await;
    poor.get(LIST).await.refuses(403, "permission_missing");
    poor.post(LIST, json!({"nam": 1})).await.refuses(400, "unknown_field");
    poor.get("/v1/dashboards?nope=1").await.refuses(400, "invalid_parameter");
    poor.get("/v1/nothing").await.refuses(404, "not_found");
    poor.request("PUT", LIST).send().await.refuses(405, "method_not_allowed");
    let last = poor.post(LIST, json!({"name": "x"})).await;
    last.is(201);
    assert_eq!(last.number("x-ratelimit-remaining"), 0, "unknown paths and methods do not count");
    poor.post(LIST, json!({"name": "x"})).await.refuses(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_face_has_a_minute_window_besides() {
    let world = World::with(|plot| plot.settings.key_per_minute = 3).await;
    let key = world.owner().await;
    served(&key, LIST, 5).await;
    for remaining in (0..3).rev() {
        let answer = key.get("/api/dashboards/").await;
        answer.is(200);
        assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (3, remaining));
    }
    let refused = key.get("/api/dashboards/").await;
    refused.refuses(429, "rate_limited");
    assert!(refused.number("retry-after") == 60 && refused.message().contains("minute"));
    let elsewhere = key.get("/api/v1/dashboards/").await;
    elsewhere.is(200);
    assert_eq!(elsewhere.number("x-ratelimit-remaining"), 5_000 - 9, "the hour is one for all faces");
    world.pass(60);
    key.get("/api/dashboards/").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn generation_counts_in_both_classes_and_is_told_by_its_own_window() {
    let world = World::with(|plot| {
        plot.plan("enterprise", |plan| (plan.requests_per_hour, plan.generation_per_hour) = (5, 2));
    })
    .await;
    let key = world.owner().await;
    for remaining in [1, 0] {
        let answer = key.post("/v1/dashboards/d_9/refresh", json!({})).await;
        answer.refuses(404, "not_found");
        assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (2, remaining));
    }
    let refused = key.post("/v1/dashboards/d_9/refresh", json!({})).await;
    refused.refuses(429, "rate_limited");
    assert!(refused.message().contains("generation"), "{}", refused.message());
    let answer = key.get(LIST).await;
    answer.is(200);
    assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (5, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_windows_are_told_by_the_ietf_fields() {
    let world = World::new().await;
    let answer = world.owner().await.get(LIST).await;
    let (policy, state) = (answer.header("ratelimit-policy").unwrap(), answer.header("ratelimit").unwrap());
    for (window, limit, length) in [
        ("minute", 100, 60),
        ("hour", 5_000, 3_600),
        ("day", 100_000, 86_400),
        ("generation-hour", 500, 3_600),
        ("generation-day", 2_000, 86_400),
    ] {
        assert!(policy.contains(&format!("\"{window}\";q={limit};w={length}")), "{policy}");
        assert!(state.contains(&format!("\"{window}\";r=")), "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_holds_across_its_hours() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_day = 4)).await;
    let key = world.owner().await;
    for _ in 0..4 {
        key.get(LIST).await.is(200);
        world.pass(3 * 3_600);
    }
    let refused = key.get(LIST).await;
    refused.refuses(429, "rate_limited");
    assert!(refused.number("retry-after") == 12 * 3_600 && refused.message().contains("day"));
    world.pass(12 * 3_600);
    key.get(LIST).await.is(200);
    key.get(LIST).await.refuses(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_survive_a_restart() {
    let world = World::with(|plot| {
        plot.plan("enterprise", |plan| (plan.requests_per_hour, plan.generation_per_hour) = (6, 2));
        plot.settings.key_per_minute = 2;
    })
    .await;
    let (key, other) = (world.owner().await, world.owner().await);
    key.get("/api/dashboards/").await.is(200);
    key.post("/v1/dashboards/d_9/refresh", json!({})).await.refuses(404, "not_found");
    key.get("/v1/nothing").await.refuses(404, "not_found");
    world.pass(30);
    key.get(LIST).await.is(200);

    let (key, other) = (key.secret().to_owned(), other.secret().to_owned());
    let world = world.restarted().await;
    let key = world.bearer(&key);
    let answer = key.get("/api/dashboards/").await;
    assert_eq!(answer.number("x-ratelimit-remaining"), 0, "the minute");
    key.get("/api/dashboards/").await.refuses(429, "rate_limited");
    let answer = key.post("/v1/dashboards/d_9/refresh", json!({})).await;
    assert_eq!(answer.number("x-ratelimit-remaining"), 0, "the generation hour");
    let answer = key.get(LIST).await;
    assert_eq!(answer.number("x-ratelimit-remaining"), 0, "the hour");
    assert_eq!(answer.number("x-ratelimit-reset"), world.clock.now().seconds() + 3_570);
    key.get(LIST).await.refuses(429, "rate_limited");
    assert_eq!(
        world.bearer(&other).get(LIST).await.number("x-ratelimit-remaining"),
        5,
        "the other key has used nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_one_key_never_touch_anothers() {
    let world = World::with(hourly(2)).await;
    let (one, two) = (world.owner().await, world.owner().await);
    served(&one, LIST, 2).await;
    one.get(LIST).await.refuses(429, "rate_limited");
    served(&two, LIST, 2).await;
    served(&world.owner_session().await, LIST, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_never_get_past_the_limit() {
    let world = World::with(hourly(20)).await;
    let key = world.owner().await;
    let asking: Vec<_> = (0..60)
        .map(|_| {
            let key = key.clone();
            tokio::spawn(async move { key.get(LIST).await.status })
        })
        .collect();
    let mut served = 0;
    for status in asking {
        match status.await.unwrap() {
            200 => served += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(served, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_the_minute_window_alone() {
    let world = World::with(|plot| {
        plot.settings.session_per_minute = 3;
        plot.plan("enterprise", |plan| plan.requests_per_hour = 1);
    })
    .await;
    let session = world.owner_session().await;
    served(&session, LIST, 5).await;
    served(&session, "/api/dashboards/", 3).await;
    let refused = session.get("/api/dashboards/").await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.number("retry-after"), 60);
    assert!(!refused.header("ratelimit-policy").unwrap().contains("hour"));
    world.pass(60);
    session.get("/api/dashboards/").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_is_told_of_no_limits() {
    let world = World::new().await;
    for answer in [
        world.anonymous().get(LIST).await,
        world.bearer("x").get(LIST).await,
        world.owner().await.get("/v1/nothing").await,
    ] {
        assert_eq!((answer.header("x-ratelimit-limit"), answer.header("ratelimit")), (None, None));
    }
}
