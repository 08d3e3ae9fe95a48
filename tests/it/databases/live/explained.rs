//! A live source's database tells how it would answer a query, and does not answer it.

use serde_json::{Value, json};

use super::super::{SOURCES, open_world};
use super::{Shops, told};

const EXPLAIN: &str = "/v1/query/explain";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_tells_how_it_would_answer_in_its_own_words() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_explained");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let slug = source["slug"].as_str().unwrap();
        let ask = async |sql: &str, parameters: Value| {
            let body = json!({"sql": sql, "parameters": parameters, "data_source_id": source["id"]});
            owner.post(EXPLAIN, body).await
        };
        // Without end if it ran, and with a parameter in each database's own spelling.
        let (place, step) = match slug {
            "lite" => ("?", "SCAN "),
            "pg" => ("$1", " on orders o"),
            _ => ("?", "table: o"),
        };
        let sql = format!("SELECT o.id, c.name FROM orders o, customers c WHERE o.amount > {place} ORDER BY 1; ");
        let answer = ask(&sql, json!([1])).await;
        assert!(!answer.text().contains(directory.path().to_str().unwrap()), "{}", answer.text());
        let explained = answer.is(200);
        let lines = explained["plan"].as_array().unwrap();
        assert!(lines.iter().any(|line| line.as_str().unwrap().contains(step)), "{slug}: {explained}");
        assert_eq!((&explained["sql"], &explained["parameters"]), (&json!(sql), &json!([1])));
        assert_eq!((&explained["tables"], &explained["plan_truncated"]), (&json!([]), &json!(false)));
        let names: Vec<&Value> =
            explained["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
        assert_eq!(names, ["id", "name"]);

        for sql in [
            "EXPLAIN SELECT 1",
            "ANALYZE SELECT 1",
            "DELETE FROM orders",
            "SELECT 1; DELETE FROM orders",
            "SELECT 1) q; DELETE FROM orders; --",
            "(ANALYZE) SELECT 1",
            "SELECT nothing FROM orders",
        ] {
            ask(sql, json!([])).await.refuses(400, "invalid_sql");
        }
        ask("SELECT 1", json!([[2]])).await.is(200);
        ask(&sql, json!([])).await.refuses(400, "invalid_sql");
        assert_eq!(told(&owner, &source, "SELECT count(*) FROM orders").await, json!([[3]]), "nothing was changed");
        let parts = json!({"data_source_id": source["id"], "table": "orders", "measures": [{"aggregate": "count"}]});
        owner.post(EXPLAIN, parts).await.refuses(400, "invalid_request");
    }
    let text = format!("SELECT * FROM {}.orders", "lite");
    let refusal = owner.post(EXPLAIN, json!({"sql": text})).await;
    assert!(refusal.message().contains("`lite` is live"), "{}", refusal.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_take_for_ever_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_unending");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let sql = match source["slug"].as_str().unwrap() {
            "lite" => "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT max(n) FROM s",
            "pg" => "SELECT pg_sleep(3600)::text, id FROM orders",
            _ => "SELECT SLEEP(3600), id FROM orders",
        };
        let explained = owner.post(EXPLAIN, json!({"sql": sql, "data_source_id": source["id"]})).await.is(200);
        assert!(!explained["plan"].as_array().unwrap().is_empty(), "{explained}");
    }
}
