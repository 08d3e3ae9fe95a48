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

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_share_the_last_value_of_a_cursor_or_have_none_are_neither_lost_nor_doubled() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("ties.db");
    let file = sqlite(&path);
    let begin = "CREATE TABLE log (id int, at timestamp NULL, what varchar(20));
                 INSERT INTO log VALUES (1, '2026-04-01 10:00:00', 'a'), (2, '2026-04-02 10:00:00', 'b'), (3, NULL, 'c');
                 CREATE TABLE words (id int, word varchar(20));
                 INSERT INTO words VALUES (1, 'a'), (2, 'b');
                 CREATE TABLE parts (id int, part float);
                 INSERT INTO parts VALUES (1, 0.7), (2, 1.1)";
    file.execute_batch(begin).unwrap();
    let (pg, maria) = (postgres(), mariadb());
    pg.database("ties", begin);
    maria.database("ties", begin);
    let run = |kind: &str, sql: &str| match kind {
        "lite" => file.execute_batch(sql).unwrap(),
        "pg" => drop(pg.run(Some("ties"), sql)),
        _ => drop(maria.run(Some("ties"), sql)),
    };
    for mut body in [of_file("lite", &path), pg.source("pg", "ties"), maria.source("maria", "ties")] {
        let kind = body["name"].as_str().unwrap().to_owned();
        body["connection"]["cursor"] = json!({"log": "at", "words": "word", "parts": "part"});
        let source = owner.post(SOURCES, body).await.is(201);
        let sync = async || {
            let asked = format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap());
            owner.post(&asked, json!({})).await.is(200);
            rows(&owner, &format!("SELECT id, what FROM {kind}.log ORDER BY id")).await
        };
        // That a change of the first row is not seen tells that no row was read that had not to be.
        run(&kind, "UPDATE log SET what = 'changed' WHERE id = 1");
        run(&kind, "INSERT INTO log VALUES (4, '2026-04-02 10:00:00', 'd'), (5, NULL, 'e')");
        assert_eq!(sync().await, json!([[1, "a"], [2, "b"], [3, "c"], [4, "d"], [5, "e"]]), "{kind}");
        run(&kind, "UPDATE log SET at = '2026-04-03 10:00:00' WHERE id = 3");
        run(&kind, "INSERT INTO words VALUES (3, 'b'), (4, 'B'); INSERT INTO parts VALUES (3, 1.1)");
        for _ in 0..2 {
            assert_eq!(sync().await, json!([[1, "a"], [2, "b"], [3, "c"], [4, "d"], [5, "e"]]), "{kind}");
            let words =
                format!("SELECT count(*) = count(DISTINCT id), count(*) FILTER (WHERE id < 4) FROM {kind}.words");
            assert_eq!(rows(&owner, &words).await, json!([[true, 3]]), "{kind}");
            let parts = format!("SELECT count(*), max(part) FROM {kind}.parts");
            assert_eq!(rows(&owner, &parts).await, json!([[3, 1.1]]), "{kind}");
        }
        // What was the last is there no more: nothing of before is trusted.
        run(&kind, "DELETE FROM log WHERE id = 3");
        assert_eq!(sync().await, json!([[1, "changed"], [2, "b"], [4, "d"], [5, "e"]]), "{kind}");
    }

    // A day that is none is null here, and is not null there: once there are such values all is read each time.
    run("maria", "SET sql_mode = ''; INSERT INTO log VALUES (6, '0000-00-00 00:00:00', 'f')");
    let sources = owner.get(SOURCES).await.is(200)["data"].clone();
    let source = sources.as_array().unwrap().iter().find(|source| source["slug"] == "maria").unwrap();
    let sync = format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap());
    for (what, seen) in [("b", "changed"), ("again", "again")] {
        run("maria", &format!("UPDATE log SET what = '{what}' WHERE id = 1"));
        owner.post(&sync, json!({})).await.is(200);
        let found = rows(&owner, "SELECT id, what, at IS NULL FROM maria.log WHERE id IN (1, 6) ORDER BY id").await;
        assert_eq!(found, json!([[1, seen, false], [6, "f", true]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_several_kinds_or_spellings_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("odd.db");
    let file = sqlite(&path);
    file.execute_batch(
        "CREATE TABLE kinds (id int, n); INSERT INTO kinds VALUES (1, 10), (2, 'n/a');
         CREATE TABLE days (id int, at datetime); INSERT INTO days VALUES (1, '2026-04-01'), (2, '2026-04-01 00:00:00')",
    )
    .unwrap();
    let mut body = of_file("odd", &path);
    body["connection"]["cursor"] = json!({"kinds": "n", "days": "at"});
    let source = owner.post(SOURCES, body).await.is(201);
    file.execute_batch("INSERT INTO kinds VALUES (3, 11); INSERT INTO days VALUES (3, '2026-04-01 00:00:00')").unwrap();
    for _ in 0..2 {
        owner.post(&format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap()), json!({})).await.is(200);
        for table in ["kinds", "days"] {
            let found = rows(&owner, &format!("SELECT id FROM odd.{table} ORDER BY id")).await;
            assert_eq!(found, json!([[1], [2], [3]]), "{table}");
        }
    }
}
