//! Queries of live sources hold nobody up: they lock nothing, and they end on their server when they end here.

use serde_json::json;

use super::servers::mariadb;
use super::{SHOP, SOURCES, ask, live};
use crate::patience::until_so_here;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_locks_is_not_sent() {
    let world = World::new().await;
    let owner = world.owner().await;
    let database = mariadb().database("held_locks", SHOP);
    let source = owner.post(SOURCES, live(mariadb().source("Held", &database))).await.is(201);
    let locking = [
        "SELECT * FROM orders FOR UPDATE",
        "SELECT * FROM (SELECT * FROM orders LOCK/**/IN SHARE MODE) AS q",
        "SELECT GET_LOCK('a', 1)",
        "SELECT `release_all_locks`()",
    ];
    for sql in locking {
        let refusal = ask(&owner, &source, sql).await.refuses(400, "invalid_sql");
        assert!(refusal["message"].as_str().unwrap().contains("is not sent"), "{sql}: {refusal}");
        let mut body = mariadb().source("Copied", &database);
        body["connection"]["queries"] = json!({"q": sql});
        let refusal = owner.post(SOURCES, body).await.refuses(422, "source_unavailable");
        assert!(refusal["message"].as_str().unwrap().contains("is not sent"), "{sql}: {refusal}");
    }
    let found = ask(&owner, &source, "SELECT 'FOR UPDATE' AS a, id FROM orders WHERE id = 1 -- LOCK IN SHARE MODE")
        .await
        .is(200);
    assert_eq!(found["rows"], json!([["FOR UPDATE", 1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_called_off_ends_on_its_server_too() {
    let world = World::with(|plot| plot.settings.query.millis = 600_000).await;
    let owner = world.owner().await;
    let database = mariadb().database("held_endless", SHOP);
    let source = owner.post(SOURCES, live(mariadb().source("Held", &database))).await.is(201);
    let query = json!({"sql": "SELECT SLEEP(599) AS held", "data_source_id": source["id"]});
    // Whoever looks has the words in its own query, and does not begin with them.
    let counted = "SELECT COUNT(*) FROM information_schema.processlist WHERE INFO LIKE 'SELECT SLEEP(599)%'";
    let until = |count: &str| {
        until_so_here(&format!("{count} on the server"), || {
            mariadb().run(None, counted).split_whitespace().last() == Some(count)
        });
    };
    let asking = owner.clone();
    let waiting = tokio::spawn(async move { asking.post("/v1/query", query).await });
    until("1");
    let running = owner.get("/v1/query/running").await.is(200);
    let id = running["queries"][0]["id"].as_str().unwrap();
    owner.post(&format!("/v1/query/running/{id}/cancel"), json!({})).await.is(200);
    waiting.await.unwrap().refuses(422, "query_canceled");
    until("0");
}
