//! Syncs by a column that only grows read what is new and keep the rest.

use serde_json::{Value, json};

use super::servers::{mariadb, postgres};
use super::{SOURCES, of_file, open_world, rows, sqlite};

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_by_a_cursor_adds_what_is_new_and_starts_anew_where_columns_change() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("log.db");
    let file = sqlite(&path);
    let begin = "CREATE TABLE log (id bigint PRIMARY KEY, at timestamp NULL, what varchar(20));
                 INSERT INTO log VALUES (1, '2026-04-01 10:00:00', 'one'), (2, '2026-04-02 10:00:00', 'two')";
    file.execute_batch(begin).unwrap();
    let (pg, maria) = (postgres(), mariadb());
    pg.database("growing", begin);
    maria.database("growing", begin);
    let run = |kind: &str, sql: &str| match kind {
        "lite" => file.execute_batch(sql).unwrap(),
        "pg" => drop(pg.run(Some("growing"), sql)),
        _ => drop(maria.run(Some("growing"), sql)),
    };
    let bodies = [of_file("lite", &path), pg.source("pg", "growing"), maria.source("maria", "growing")];
    for (mut body, column) in bodies.into_iter().zip(["id", "at", "id"]) {
        let kind = body["name"].as_str().unwrap().to_owned();
        body["connection"]["cursor"] = json!({"log": column});
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let sync = format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap());
        let all = format!("SELECT id, what FROM {kind}.log ORDER BY id");
        let look = async |expected: Value| assert_eq!(rows(&owner, &all).await, expected, "{kind}");

        // What was read is not read again: a change of it is not seen.
        run(&kind, "UPDATE log SET what = 'changed' WHERE id = 1");
        run(&kind, "INSERT INTO log VALUES (3, '2026-04-03 10:00:00', 'three')");
        let told = owner.post(&sync, json!({})).await.is(200);
        assert_eq!(told["rows"], 3);
        look(json!([[1, "one"], [2, "two"], [3, "three"]])).await;
        owner.post(&sync, json!({})).await.is(200);
        look(json!([[1, "one"], [2, "two"], [3, "three"]])).await;

        // A new column is one that the rows of before have too.
        run(&kind, "ALTER TABLE log ADD COLUMN who varchar(20)");
        owner.post(&sync, json!({})).await.is(200);
        look(json!([[1, "changed"], [2, "two"], [3, "three"]])).await;

        // So is everything when the source is told of another place, or its secret anew.
        run(&kind, "UPDATE log SET what = 'again' WHERE id = 2");
        let id = source["id"].as_str().unwrap();
        owner.patch(&format!("{SOURCES}/{id}"), json!({"connection": source["connection"]})).await.is(200);
        owner.post(&sync, json!({})).await.is(200);
        look(json!([[1, "changed"], [2, "again"], [3, "three"]])).await;

        body["connection"]["cursor"] = json!({"log": "nothing"});
        body["name"] = json!("other");
        let refusal = owner.post(SOURCES, body).await.refuses(422, "source_unavailable");
        assert!(refusal["message"].as_str().unwrap().contains("no column `nothing`"), "{refusal}");
    }
}
