//! What happens when there is too much to write down, and when nothing can be.

use claribi::domain::audit::{Entry, Flood};
use claribi::domain::error::Error;
use claribi::service::adopt::Adopt;
use claribi::service::app::App;
use claribi::service::audit::{Counted, Extent};
use claribi::store::OnFailure;
use rusqlite::Connection;
use serde_json::json;

use crate::patience::until_so;
use crate::world::{Background, World};

const LIST: &str = "/v1/dashboards";

/// Somebody with a program of their own.
fn intruder(world: &World) -> Connection {
    #[expect(clippy::disallowed_methods, reason = "the test is somebody else's program")]
    Connection::open(world.data().join("audit.db")).unwrap()
}

async fn blocking<T: Send + 'static>(world: &World, work: impl FnOnce(&App) -> T + Send + 'static) -> T {
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || work(&app)).await.unwrap()
}

fn floods(world: &World) -> Vec<Flood> {
    let floods = world.chain().into_iter().filter_map(|entry| match entry {
        Entry::Flood(flood) => Some(flood),
        Entry::Call(_) | Entry::Event(_) => None,
    });
    floods.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_each_minute_has_its_rows_and_a_count_and_sums_take_both() {
    let world = World::with(|plot| {
        plot.background = Background::LeftLying;
        plot.settings.audit.unauthenticated_per_minute = 5;
    })
    .await;
    let (owner, stranger) = (world.owner().await, world.anonymous());
    for _ in 0..12 {
        stranger.get(LIST).await.refuses(401, "credentials_missing");
        owner.get(LIST).await.is(200);
    }
    for _ in 0..3 {
        stranger.get("/v1/nothing").await.refuses(404, "not_found");
        stranger.from("127.0.0.7").get(LIST).await.refuses(401, "credentials_missing");
    }
    world.pass(60);
    stranger.get(LIST).await.refuses(401, "credentials_missing");
    for _ in 0..2 {
        blocking(&world, |app| app.write_floods(Counted::Before)).await.unwrap();
    }

    assert_eq!(world.calls().len(), 12 + 5 + 3 + 1, "callers that are known leave a row each, whatever comes beside");
    let counted = floods(&world);
    assert_eq!(counted.len(), 1);
    assert_eq!((counted[0].calls(), counted[0].outcomes), (10, [0, 7, 0, 3, 0, 0]));
    assert_eq!(counted[0].address.to_string(), "127.0.0.1");

    let world = world.restarted().await;
    let sum =
        "SELECT sum(ok + refused + limited + client + server + gone) FROM rollups WHERE span = 60 AND key_id >= 0";
    let sum: i64 = intruder(&world).query_row(sum, [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 12 + 12 + 6 + 1);
    assert_eq!(world.app.verify_audit(Extent::default(), |_| ()).unwrap().finding, None);
}

/// Lets every entry fail that is written, as a full disk does.
fn fill_disk(world: &World) {
    let full = "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(FAIL, 'the disk is full'); END";
    intruder(world).execute_batch(full).unwrap();
}

fn make_room(world: &World) {
    intruder(world).execute_batch("DROP TRIGGER full").unwrap();
}

fn gaps(world: &World) -> Vec<serde_json::Value> {
    let gaps = world.events().into_iter().filter(|event| event.kind == "gap");
    gaps.map(|event| serde_json::from_str(&event.detail).unwrap()).collect()
}

/// Waits for what the writer does by itself.
async fn healed(world: &World) {
    let is_healthy = || world.app.store.appender().unwrap().is_healthy() && !gaps(world).is_empty();
    until_so("a log that is written again", is_healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_calls_before_they_do_anything_and_the_log_heals_by_itself() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    owner.get(LIST).await.is(200);
    fill_disk(&world);
    let first = owner.get(LIST).await;
    first.refuses(503, "audit_unavailable");
    assert!(first.header("retry-after").is_some());
    let refused = owner.post(LIST, json!({"name": "not made"})).await;
    refused.refuses(503, "audit_unavailable");
    make_room(&world);
    healed(&world).await;
    let found = owner.get(LIST).await.is(200);
    assert_eq!(found["data"], json!([]), "what was refused was not done");
    assert_eq!(
        gaps(&world),
        [json!({
            "entries": 1, "first_ms": world.clock_ms(), "last_ms": world.clock_ms(),
        })],
        "one answer was made and could not be given"
    );
    assert_eq!(world.app.verify_audit(Extent::default(), |_| ()).unwrap().finding, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_told_to_serves_on_and_says_what_is_missing() {
    let world = World::with(|plot| {
        plot.background = Background::LeftLying;
        plot.audit_failure = OnFailure::Degrade;
    })
    .await;
    let owner = world.owner().await;
    owner.get(LIST).await.is(200);
    fill_disk(&world);
    for name in ["a", "b", "c"] {
        owner.post(LIST, json!({"name": name})).await.is(201);
    }
    assert!(!world.app.store.appender().unwrap().is_healthy());
    let adopted = blocking(&world, |app| app.adopt_changes(Adopt::All)).await;
    assert!(adopted.is_err(), "what the log should adopt later is not taken for adopted");
    make_room(&world);
    healed(&world).await;
    assert_eq!(gaps(&world)[0]["entries"], 3, "the rows of three calls; changes are tried again");
    assert_eq!(owner.get(LIST).await.is(200)["data"].as_array().unwrap().len(), 3);
    let adopted = blocking(&world, |app| app.adopt_changes(Adopt::All)).await.unwrap();
    assert!(adopted >= 3, "what was changed is known to the log after all: {adopted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_the_log_after_its_end_is_refused_and_waits_for_nobody() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    owner.get(LIST).await.is(200);
    world.app.store.close();
    let signed = blocking(&world, App::checkpoint).await;
    assert!(matches!(signed, Err(Error::AuditUnavailable)), "{signed:?}");
    let entered = blocking(&world, |app| app.write_floods(Counted::All)).await;
    assert!(matches!(entered, Err(Error::AuditUnavailable)), "{entered:?}");
    assert_eq!(owner.get(LIST).await.status, 503);
}
