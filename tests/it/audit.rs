//! The chain: every call one row, committed when its answer is there; every change known to it.

use claribi::domain::access::Scope;
use claribi::domain::audit::{Call, Method, Outcome};
use claribi::domain::id::{IdRef, KeyId};
use claribi::domain::window::Class;
use claribi::service::adopt::Adopt;
use claribi::service::once::Plain;
use claribi::store::main::changes;
use serde_json::json;

use crate::patience::until;
use crate::world::{Background, World, named};

const LIST: &str = "/v1/dashboards";

#[tokio::test(flavor = "multi_thread")]
async fn every_call_leaves_exactly_one_row_that_is_there_with_the_answer() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 4)).await;
    let owner = world.owner().await;
    let (anonymous, unknown) = (world.anonymous(), world.bearer("claribi_sk_live_nobody"));
    let mut expected = 0;
    for (answer, status, outcome, operation, code) in [
        (owner.get(LIST).await, 200, Outcome::Ok, Some("dashboards_list"), None),
        (owner.post(LIST, json!({"name": "x"})).await, 201, Outcome::Ok, Some("dashboards_create"), None),
        (owner.post(LIST, json!({})).await, 400, Outcome::Client, Some("dashboards_create"), Some("invalid_request")),
        (owner.get("/v1/dashboards/d_9").await, 404, Outcome::Client, Some("dashboards_get"), Some("not_found")),
        (owner.get(LIST).await, 429, Outcome::Limited, Some("dashboards_list"), Some("rate_limited")),
        (anonymous.get(LIST).await, 401, Outcome::Refused, Some("dashboards_list"), Some("credentials_missing")),
        (unknown.get(LIST).await, 401, Outcome::Refused, Some("dashboards_list"), Some("invalid_key")),
        (anonymous.get("/v1/nothing").await, 404, Outcome::Client, None, Some("not_found")),
        (owner.request("PUT", LIST).send().await, 405, Outcome::Client, None, Some("method_not_allowed")),
        (owner.from("203.0.113.9").get(LIST).await, 403, Outcome::Refused, None, Some("https_required")),
    ] {
        let calls = world.calls();
        let call = &calls[expected];
        expected += 1;
        assert_eq!((answer.status, call.status, call.outcome), (status, status, outcome), "{code:?}");
        assert_eq!((call.operation.as_deref(), call.code.as_deref()), (operation, code));
        assert_eq!(format!("req_{}", hex::encode(call.request_id)), answer.request_id());
    }
    assert_eq!(world.calls().len(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_is_committed_before_the_answer_leaves() {
    let world = World::new().await;
    let owner = world.owner().await;
    for count in 1..=25 {
        owner.get(LIST).await.is(200);
        assert_eq!(world.calls().len(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_tells_who_called_what_and_what_became_of_it() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request =
        owner.request("POST", "/api/dashboards/").header("user-agent", "curl/8.9").json(&json!({"name": "x"}));
    let answer = request.send().await;
    answer.is(201);
    let Call { org, key_id, lineage, key_prefix, session, user, role, face, method, operation, class, .. } =
        world.last_call();
    assert_eq!(
        (org, key_id, lineage, session, user),
        (Some(world.org.raw()), Some(1), Some(1), None, Some(world.owner.raw()))
    );
    assert_eq!(key_prefix.unwrap(), owner.secret().as_bytes()[16..24]);
    assert_eq!((role.as_deref(), face, method, class), (Some("owner"), 1, Method::Post, Class::General));
    assert_eq!(operation.as_deref(), Some("dashboards_create"));
    let call = world.last_call();
    assert_eq!((call.user_agent.as_deref(), call.bytes_in), (Some("curl/8.9"), 12));
    assert_eq!(call.bytes_out, answer.body.len() as u64);
    assert_eq!(call.address.to_string(), "127.0.0.1");

    owner.get("/v1/dashboards/d_1").await.is(200);
    assert_eq!(world.last_call().object_id, Some(1));
    world.owner_session().await.get(LIST).await.is(200);
    let call = world.last_call();
    assert!(call.session.is_some() && call.key_id.is_none() && call.key_prefix.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_recorded_by_its_prefix_and_as_nobody() {
    let world = World::new().await;
    let owner = world.owner().await;
    let caller = world.operator_as(world.owner);
    world.app.revoke_key(&caller, &IdRef::Number(KeyId::new(1)), "key_1", None).await.unwrap();
    owner.get(LIST).await.refuses(401, "key_revoked");
    let call = world.last_call();
    assert_eq!(call.key_prefix.unwrap(), owner.secret().as_bytes()[16..24]);
    assert_eq!((call.org, call.user), (None, None), "a refused key proves nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutations_digest_is_in_the_row_of_its_call() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    adopted(&world).await;
    let start = last_change(&world);
    owner.post(LIST, json!({"name": "x"})).await.is(201);
    owner.patch("/v1/dashboards/d_1", json!({"name": "y"})).await.is(200);
    owner.get("/v1/dashboards/d_1").await.is(200);
    owner.patch("/v1/dashboards/d_1", json!({"name": ""})).await.refuses(400, "invalid_request");
    owner.delete("/v1/dashboards/d_1").await.is(200);
    let changes = world.app.store.read_now(|db| Ok(changes::after(db, start, 100)?)).unwrap();
    let actions: Vec<_> = changes.iter().map(|change| (change.action.as_str(), change.object.as_str())).collect();
    assert_eq!(actions, [("dashboard.create", "d_1"), ("dashboard.update", "d_1"), ("dashboard.delete", "d_1")]);
    let digests: Vec<_> = world.calls().into_iter().map(|call| call.changes).collect();
    let of = |index: usize| vec![changes[index].digest];
    assert_eq!(digests, [of(0), of(1), vec![], vec![], of(2)]);
}

/// Adopts what no call covers, on a thread that may block.
async fn adopted(world: &World) -> usize {
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || app.adopt_changes(Adopt::All)).await.unwrap().unwrap()
}

fn last_change(world: &World) -> i64 {
    let changes = world.app.store.read_now(|db| Ok(changes::after(db, 0, 10_000)?)).unwrap();
    changes.last().map_or(0, |change| change.id)
}

/// Changes that are equal in all that their makers can say, within one millisecond.
async fn change_alike(world: &World, times: usize) -> Vec<changes::Change> {
    let start = last_change(world);
    for _ in 0..times {
        let caller = world.operator_as(world.owner);
        world.app.store.write(move |tx| caller.record(tx, "dashboard.delete", "d_1", None, None)).await.unwrap();
    }
    world.app.store.read_now(|db| Ok(changes::after(db, start, 100)?)).unwrap()
}

fn adopted_digests(world: &World) -> Vec<[u8; 32]> {
    world.events().into_iter().filter_map(|event| event.digest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_changes_of_one_millisecond_are_each_in_the_log_also_when_many_look_for_them_at_once() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    adopted(&world).await;
    let before = adopted_digests(&world);
    let made = change_alike(&world, 20).await;
    assert!(made.windows(2).all(|pair| pair[0].at == pair[1].at));
    let found = futures_util::future::join_all((0..4).map(|_| adopted(&world))).await;
    assert_eq!(found.iter().sum::<usize>(), 20);
    let digests: Vec<_> = made.iter().map(|change| change.digest).collect();
    assert_eq!(adopted_digests(&world), [before, digests].concat());
    assert!(world.app.store.appender().unwrap().is_healthy());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_an_earlier_version_gave_one_digest_are_adopted_as_one() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    adopted(&world).await;
    let made = change_alike(&world, 3).await;
    let update = "UPDATE changes SET digest = ?1 WHERE id > ?2";
    world.change_file(update, rusqlite::params![made[0].digest, made[0].id]).await;
    assert_eq!([adopted(&world).await, adopted(&world).await], [1, 0]);
    assert!(world.app.store.appender().unwrap().is_healthy());
    assert_eq!(adopted_digests(&world).last(), Some(&made[0].digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_its_row_and_its_effect_is_whole() {
    let world = World::new().await;
    let owner = world.owner().await;
    for round in 1..=20 {
        let create = owner.request("POST", LIST).header("content-type", "application/json");
        let body = json!({"name": format!("round {round}")}).to_string();
        // Every other client leaves in the middle of its body.
        let sent = if round % 2 == 0 { body.len() } else { body.len() - 5 };
        owner.send_and_leave(create, &body.as_bytes()[..sent], body.len()).await;
        rows(&world, round).await;
    }
    let calls = world.calls();
    assert!(calls.iter().all(|call| call.operation.as_deref() == Some("dashboards_create")));
    let made: Vec<_> = calls.iter().filter(|call| call.status == 201).collect();
    assert!(made.iter().all(|call| call.changes.len() == 1), "effect and record are whole");
    assert!(calls.iter().all(|call| call.status == 201 || (call.status == 400 && call.changes.is_empty())));
    let there = owner.get("/v1/dashboards?limit=100").await.is(200)["data"].as_array().unwrap().len();
    assert_eq!((made.len(), there), (10, 10), "what had come whole is done, the rest is not");
    assert_eq!(world.calls().len(), 21);
}

/// Waits until the chain has so many calls: a request whose client has gone runs on by itself.
async fn rows(world: &World, count: usize) -> Vec<Call> {
    let calls = async || Some(world.calls()).filter(|calls| calls.len() >= count);
    until(&format!("{count} rows"), calls).await
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_made_beside_the_server_are_adopted_once() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let command = world.beside();
    assert!(command.store.appender().is_none(), "only the holder of the lock appends");
    adopted(&world).await;
    let before = world.events().len();
    let caller = command.operator_as(world.owner, "ada").unwrap();
    command.create_key(&caller, named(), Plain).await.unwrap();
    world.seen().await;
    assert_eq!(adopted(&world).await, 1);
    assert_eq!(adopted(&world).await, 0);
    let events = world.events();
    let event = &events[before];
    assert_eq!((events.len(), event.kind.as_ref(), event.actor.as_str()), (before + 1, "change", "operator ada"));
    assert!(event.detail.contains("key.create") && event.digest.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_goes_on_after_a_restart() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    owner.get(LIST).await.is(200);
    let secret = owner.secret().to_owned();
    let world = world.restarted().await;
    let owner = world.bearer(&secret);
    owner.post(LIST, json!({"name": "x"})).await.is(201);
    assert_eq!(adopted(&world).await, 2, "the founding and the key; the call covers the dashboard");
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_says_holds_no_body_no_query_and_no_key() {
    let world = World::new().await;
    let owner = world.key(Scope::ReadWrite).await;
    owner.post(LIST, json!({"name": "word-in-a-body"})).await.is(201);
    owner.get("/v1/dashboards?cursor=word-in-a-query").await.refuses(400, "invalid_cursor");
    owner.get("/v1/dashboards/word-in-a-path").await.refuses(404, "not_found");
    world.app.store.close();
    let audit = std::fs::read(world.data().join("audit.db")).unwrap();
    for word in ["word-in-a-body", "word-in-a-query", "word-in-a-path", owner.secret()] {
        assert!(!audit.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
}
