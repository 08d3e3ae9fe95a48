//! Queries end when nobody waits for them or somebody calls them off, and leave their place at once.

use claribi::domain::access::{Permission, Role, Scope};
use claribi::domain::audit::Outcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::actors::Actor;
use crate::patience::{self, until_so};
use crate::world::World;

const RUNNING: &str = "/v1/query/running";

/// A query that never ends.
pub fn endless() -> Value {
    json!({"sql": "SELECT count(*) FROM unnest(range(0, 1000000)) AS s(a), unnest(range(0, 1000000)) AS t(b) WHERE a * b % 7 = 1"})
}

/// The running queries, once there are as many.
pub async fn until(actor: &Actor, count: usize) -> Vec<Value> {
    let listed = async || {
        let running = actor.get(RUNNING).await.is(200);
        Some(running["queries"].as_array().unwrap().clone()).filter(|queries| queries.len() == count)
    };
    patience::until(&format!("{count} running queries"), listed).await
}

/// Waits until so many jobs of the query lane run.
pub async fn until_at_work(world: &World, count: usize) {
    until_so(&format!("{count} queries at work"), || world.app.pool.load()[0].0 == count).await;
}

/// Plans that let tests ask as often as they have to.
pub fn roomy(plot: &mut crate::world::Plot) {
    plot.plan("enterprise", |plan| {
        plan.requests_per_hour = 1_000_000;
        plan.requests_per_day = 1_000_000;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_its_query_and_the_log_says_so() {
    let world = World::with(roomy).await;
    let owner = world.owner().await;
    owner.post("/v1/query", json!({"sql": "SELECT 1"})).await.is(200);
    let request = owner.request("POST", "/v1/query").json(&endless());
    let mut client = owner.open(request).await;
    until(&owner, 1).await;
    until_at_work(&world, 1).await;
    client.shutdown().await.unwrap();
    drop(client);
    until(&owner, 0).await;
    until_at_work(&world, 0).await;
    // One who left another way: by a saved query's result.
    let saved = owner.post("/v1/queries", json!({"name": "x", "query": endless()})).await.is(201);
    let path = format!("/v1/queries/{}/result", saved["id"].as_str().unwrap());
    let client = owner.open(owner.request("GET", &path)).await;
    assert_eq!(until(&owner, 1).await[0]["query_id"], saved["id"]);
    drop(client);
    until(&owner, 0).await;
    until_at_work(&world, 0).await;
    let gone = |operation: &str| {
        let mut calls = world.calls().into_iter();
        calls.any(|call| {
            call.operation.as_deref() == Some(operation) && call.outcome == Outcome::Gone && call.status == 499
        })
    };
    // The row of one who left is not waited for by anybody.
    until_so("the rows of those who left", || gone("query_run") && gone("queries_result")).await;
    assert_eq!(owner.post("/v1/query", json!({"sql": "SELECT 1"})).await.is(200)["rows"], json!([[1]]));
}

/// A client that closes its side cannot be told from one that has gone before something is sent to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_side_is_answered_but_for_its_queries_which_are_called_off() {
    let world = World::with(roomy).await;
    let owner = world.owner().await;
    let answered = async |method: &str, path: &str, body: Option<Value>| {
        let request = owner.request(method, path);
        let request = body.map_or(request.clone(), |body| request.json(&body));
        let mut client = owner.open(request).await;
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        String::from_utf8(received).unwrap()
    };
    let listed = answered("GET", "/v1/dashboards", None).await;
    assert!(listed.starts_with("HTTP/1.1 200 "), "{listed}");
    let made = answered("POST", "/v1/dashboards", Some(json!({"name": "Made"}))).await;
    assert!(made.starts_with("HTTP/1.1 201 "), "{made}");
    let called_off = answered("POST", "/v1/query", Some(endless())).await;
    assert_eq!(called_off, "");
    until(&owner, 0).await;
    until_at_work(&world, 0).await;
    let asked = || world.calls().into_iter().find(|call| call.operation.as_deref() == Some("query_run"));
    until_so("the row of the one that counts as gone", || asked().is_some()).await;
    let asked = asked().unwrap();
    assert_eq!((asked.outcome, asked.status), (Outcome::Gone, 499));
    assert!(asked.org.is_some() && asked.key_prefix.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_called_off_by_its_id_and_its_place_is_free() {
    let world = World::with(roomy).await;
    let owner = world.owner().await;
    let asking = owner.clone();
    let waiting = tokio::spawn(async move { asking.post("/v1/query", endless()).await });
    let query = until(&owner, 1).await.remove(0);
    assert_eq!((&query["sql"], &query["user_id"]), (&endless()["sql"], &json!("u_1")));
    assert!(query["key_prefix"].as_str().unwrap().starts_with("claribi_sk_live_"));
    until_at_work(&world, 1).await;
    let id = query["id"].as_str().unwrap();
    let canceled = owner.post(&format!("{RUNNING}/{id}/cancel"), json!({})).await.is(200);
    assert_eq!(canceled, json!({"id": id, "canceled": true}));
    let answer = waiting.await.unwrap();
    answer.refuses(422, "query_canceled");
    assert_eq!(answer.header("x-request-id"), Some(id));
    until_at_work(&world, 0).await;
    owner.post(&format!("/api/analytics/query/running/{id}/cancel/"), json!({})).await.refuses(404, "not_found");
    owner.post("/v1/query", json!({"sql": "SELECT 1"})).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_queries_of_others_are_their_own() {
    let world = World::with(roomy).await;
    let owner = world.owner().await;
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    let asking = owner.clone();
    let waiting = tokio::spawn(async move { asking.post("/v1/query", endless()).await });
    let query = until(&analyst, 1).await.remove(0);
    assert_eq!(query["sql"], Value::Null);
    let cancel = format!("{RUNNING}/{}/cancel", query["id"].as_str().unwrap());
    let refused = analyst.post(&cancel, json!({})).await.refuses(403, "permission_missing");
    assert_eq!(refused["permission"], "organization:manage");
    world.key_with(&[Permission::AnalyticsQuery]).await.post(&cancel, json!({})).await.is(200);
    waiting.await.unwrap().refuses(422, "query_canceled");
    let asking = analyst.clone();
    let waiting = tokio::spawn(async move { asking.post("/v1/query", endless()).await });
    let query = until(&owner, 1).await.remove(0);
    owner.post(&format!("{RUNNING}/{}/cancel", query["id"].as_str().unwrap()), json!({})).await.is(200);
    waiting.await.unwrap().refuses(422, "query_canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_endless_queries_of_one_organisation_keep_no_other_waiting() {
    let world = World::with(roomy).await;
    let (owner, other) = (world.owner().await, world.stranger().await);
    let mut hogs = Vec::new();
    for _ in 0..50 {
        hogs.push(owner.open(owner.request("POST", "/v1/query").json(&endless())).await);
    }
    until(&owner, 50).await;
    for _ in 0..3 {
        let answer = other.post("/v1/query", json!({"sql": "SELECT 1"})).await.is(200);
        assert_eq!(answer["rows"], json!([[1]]));
    }
    let [(running, waiting), ..] = world.app.pool.load();
    assert_eq!((running, waiting), (2, 48), "the places are still those of the first");
    drop(hogs);
    until(&owner, 0).await;
    until_at_work(&world, 0).await;
}
