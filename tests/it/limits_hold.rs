//! What limits hold against: clocks that step, restarts, other limits, and memory that is short.

use crate::actors::Actor;
use crate::binary::{Installation, Serving};
use crate::world::{Background, Plot, World};

const LIST: &str = "/v1/dashboards";
const HOUR: i64 = 3_600_000;
const TEN_YEARS: i64 = 3_653 * 24 * HOUR;

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
async fn a_step_of_the_wall_clock_gives_no_quota_and_locks_nobody_out() {
    for step in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS] {
        let world = World::with(hourly(3)).await;
        let key = world.owner().await;
        served(&key, LIST, 2).await;
        world.pass(600);
        world.clock.step(step);
        let last = key.get(LIST).await;
        last.is(200);
        assert_eq!(last.number("x-ratelimit-remaining"), 0, "stepped by {step}: nothing is forgotten");
        let reset = world.clock.now().seconds() + 3_000;
        assert_eq!(last.number("x-ratelimit-reset"), reset, "stepped by {step}: told by the clock as it is now");
        let refused = key.get(LIST).await;
        refused.refuses(429, "rate_limited");
        assert_eq!((refused.number("retry-after"), refused.number("x-ratelimit-reset")), (3_000, reset));

        // And back again.
        world.clock.step(-step);
        let refused = key.get(LIST).await;
        refused.refuses(429, "rate_limited");
        assert_eq!(refused.number("retry-after"), 3_000);
        world.pass(3_000);
        served(&key, LIST, 2).await;
        key.get(LIST).await.refuses(429, "rate_limited");
        world.pass(600);
        key.get(LIST).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_the_wall_clock_gives_no_quota_over_a_restart_either() {
    for step in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS] {
        let world = World::with(hourly(4)).await;
        let (key, other) = (world.owner().await, world.owner().await);
        let (text, others) = (key.secret().to_owned(), other.secret().to_owned());
        served(&key, LIST, 2).await;
        served(&other, LIST, 4).await;
        world.pass(60);
        world.clock.step(step);
        key.get(LIST).await.is(200);
        let world = world.restarted().await;
        let (key, other) = (world.bearer(&text), world.bearer(&others));
        other.get(LIST).await.refuses(429, "rate_limited");
        assert_eq!(key.get(LIST).await.number("x-ratelimit-remaining"), 0, "stepped by {step}");
        // Back while the server runs, and once more a restart.
        world.clock.step(-step);
        world.pass(60);
        let refused = key.get(LIST).await;
        refused.refuses(429, "rate_limited");
        assert_eq!(refused.number("retry-after"), 3_480);
        let world = world.restarted().await;
        let (key, other) = (world.bearer(&text), world.bearer(&others));
        key.get(LIST).await.refuses(429, "rate_limited");
        world.pass(3_480);
        served(&key, LIST, 2).await;
        key.get(LIST).await.refuses(429, "rate_limited");
        served(&other, LIST, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_went_back_while_nothing_ran_makes_nobody_wait_longer() {
    for step in [-HOUR, -TEN_YEARS] {
        let world = World::with(hourly(2)).await;
        let text = world.owner().await.secret().to_owned();
        served(&world.bearer(&text), LIST, 2).await;
        world.pass(600);
        world.anonymous().get(LIST).await.refuses(401, "credentials_missing");
        world.clock.step(step);
        let world = world.restarted().await;
        let key = world.bearer(&text);
        let refused = key.get(LIST).await;
        refused.refuses(429, "rate_limited");
        assert_eq!(refused.number("retry-after"), 3_600, "the time without a request that counts is not known");
        world.pass(3_600);
        served(&key, LIST, 2).await;
    }
}

/// A moment later: one instant has one change of a kind.
async fn set_plan(world: &World, plan: &str) {
    world.pass(1);
    world.app.set_plan(&world.operator_as(world.owner), plan).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_limits_hold_at_once_and_reset_no_count() {
    let world = World::with(|plot| {
        plot.plan("enterprise", |plan| plan.requests_per_hour = 10);
        plot.plan("professional", |plan| plan.requests_per_hour = 3);
    })
    .await;
    let key = world.owner().await;
    served(&key, LIST, 5).await;
    set_plan(&world, "professional").await;
    let refused = key.get(LIST).await;
    refused.refuses(429, "rate_limited");
    assert_eq!((refused.number("x-ratelimit-limit"), refused.number("x-ratelimit-remaining")), (3, 0));
    set_plan(&world, "enterprise").await;
    assert_eq!(key.get(LIST).await.number("x-ratelimit-remaining"), 4);

    // A limit that is raised after a restart counts what was admitted before it.
    let text = key.secret().to_owned();
    set_plan(&world, "professional").await;
    let world = world.restarted().await;
    let key = world.bearer(&text);
    key.get(LIST).await.refuses(429, "rate_limited");
    set_plan(&world, "enterprise").await;
    assert_eq!(key.get(LIST).await.number("x-ratelimit-remaining"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_what_is_left_consumes_one_request_and_no_more() {
    let world = World::with(hourly(10)).await;
    let key = world.owner().await;
    for (path, remaining) in [("/v1/usage", 9), ("/v1/auth/verify", 8), ("/api/v1/usage/", 7), ("/v1/usage", 6)] {
        let answer = key.get(path).await;
        let body = answer.is(200);
        assert_eq!(answer.number("x-ratelimit-remaining"), remaining, "{path}");
        assert_eq!(body["limits"]["general"]["hour"]["remaining"], remaining, "{path}");
        assert_eq!(body["limits"]["general"]["hour"]["reset"], answer.number("x-ratelimit-reset"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_memory_the_day_is_counted_by_minutes_and_nobody_gains_a_request() {
    let world = World::with(|plot| {
        plot.settings.limiter_memory = 1;
        // The test alone says when there is too little of it.
        plot.background = Background::LeftLying;
        plot.plan("enterprise", |plan| plan.requests_per_day = 4);
    })
    .await;
    let key = world.owner().await;
    served(&key, LIST, 2).await;
    world.pass(30);
    served(&key, LIST, 2).await;
    world.pass(7_200);
    world.app.fit_windows();
    assert_eq!(world.app.load().limiter.coarse, 1);
    let refused = key.get(LIST).await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.number("retry-after"), 24 * 3_600 - 7_200, "until the minute's last, not its first");
    world.pass(24 * 3_600 - 7_200);
    served(&key, LIST, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_leave_memory_when_nothing_in_them_counts() {
    let world = World::with(hourly(5)).await;
    let key = world.owner().await;
    served(&key, LIST, 5).await;
    world.pass(24 * 3_600 - 1);
    assert_eq!((world.app.forget_windows(), world.app.load().limiter.callers), (0, 1));
    world.pass(1);
    assert_eq!((world.app.forget_windows(), world.app.load().limiter.callers), (1, 0));
    assert_eq!(key.get(LIST).await.number("x-ratelimit-remaining"), 4);
}

#[test]
fn killed_and_started_again_a_server_admits_the_limit_and_not_one_more() {
    const LIMIT: usize = 60;
    let installation = Installation::new();
    let key = installation.key("both lives");
    let variables = [("CLARIBI_PLANS__ENTERPRISE__REQUESTS_PER_HOUR", LIMIT.to_string())];
    let ask = |serving: &Serving, each: usize| -> usize {
        let asking = || (0..each).filter(|_| serving.get(LIST, &key).unwrap().status == 200).count();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(asking)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    };
    let first = installation.serve_with(&[], &variables);
    let before = ask(&first, 7);
    assert_eq!(before, 28);
    first.kill();
    let second = installation.serve_with(&[], &variables);
    assert_eq!(before + ask(&second, 20), LIMIT);
    assert_eq!(second.get(LIST, &key).unwrap().status, 429);
}
