//! Queries are told of without being run: their text, their result's columns, what they would read, and their plan; and
//! nothing of what lies below.

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::binary::{Installation, text};
use crate::sources::{sales, upload};
use crate::world::World;

const EXPLAIN: &str = "/v1/query/explain";
const REFUSED: &str = include_str!("hostile/refused.sql");
const BOUNDED: &str = include_str!("hostile/bounded.sql");

fn statements(corpus: &str) -> impl Iterator<Item = &str> {
    corpus.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

async fn explain(actor: &Actor, sql: &str) -> Answer {
    actor.post(EXPLAIN, json!({"sql": sql})).await
}

fn plan(explanation: &Value) -> String {
    let lines = explanation["plan"].as_array().unwrap_or_else(|| panic!("a plan in {explanation}"));
    lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// What no answer may show: where things lie, what they are called there, and what they are made of.
fn shows_nothing(world: &World, sql: &str, answer: &Answer) {
    let told = answer.text();
    let data = world.data();
    let mut inside: Vec<String> =
        [".parquet", "/root", "file:", "DataFusion", "datafusion", "ParquetExec", "extract."].map(str::to_owned).into();
    inside.push(data.to_str().unwrap().to_owned());
    // Directories of organisations, sources and extracts are called by their uuids.
    for (path, _) in world.files() {
        let parts = path.strip_prefix(data).unwrap().iter().map(|part| part.to_str().unwrap().to_owned());
        inside.extend(parts.filter(|part| part.len() == 36));
    }
    for inside in inside {
        assert!(sql.contains(&inside) || !told.contains(&inside), "{sql} shows {inside}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_told_with_what_it_would_read_and_how() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let sql = "SELECT o.region, sum(o.amount) AS total FROM sales.orders o WHERE o.region <> $1 GROUP BY 1 ORDER BY 2";
    let request = json!({"sql": sql, "parameters": ["west"], "limit": 7});
    let answer = owner.post(EXPLAIN, request.clone()).await;
    shows_nothing(&world, sql, &answer);
    let told = answer.is(200);
    assert_eq!((&told["sql"], &told["parameters"]), (&json!(sql), &json!(["west"])));
    assert_eq!(told["columns"], json!([{"name": "region", "type": "text"}, {"name": "total", "type": "double"}]));
    let catalogue = owner.get("/v1/data-sources/ds_1/tables/orders").await.is(200);
    let read = json!([{
        "data_source_id": "ds_1", "source": "sales", "table": "orders", "columns": ["region", "amount"], "rows": 4,
        "bytes": catalogue["bytes"],
    }]);
    assert_eq!((&told["tables"], &told["plan_truncated"]), (&read, &json!(false)));
    let plan = plan(&told);
    let lines: Vec<&str> = plan.lines().collect();
    assert!(lines[0].starts_with("Sort: ") && lines[0].contains("fetch=7"), "{plan}");
    assert!(plan.contains("Filter: sales.orders.region != ") && plan.contains("west"), "{plan}");
    assert!(lines.last().unwrap().trim().starts_with("TableScan: sales.orders projection=[region, amount]"), "{plan}");
    assert!(lines.windows(2).all(|pair| pair[0].trim_start() != pair[0] || pair[1].starts_with("  ")), "{plan}");

    // The other face spells ids in its own way; a source that is named needs no slug, and each table is told once.
    let twice = json!({
        "sql": "SELECT count(*) FROM orders a JOIN orders b ON a.region = b.region WHERE b.day > DATE '2026-01-01'",
        "data_source_id": 1,
    });
    let told = owner.post("/api/analytics/query/explain/", twice).await.is(200);
    assert_eq!(told["columns"], json!([{"name": "count(*)", "type": "integer"}]));
    let read = &told["tables"];
    assert_eq!((read.as_array().unwrap().len(), &read[0]["data_source_id"]), (1, &json!(1)));
    let mut columns: Vec<&str> =
        read[0]["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    columns.sort_unstable();
    assert_eq!(columns, ["day", "region"]);
    let counted = explain(&owner, "SELECT count(*) FROM sales.orders").await.is(200);
    assert_eq!(counted["tables"][0]["columns"], json!([]));
    // What goes by the name of a table within the query is none.
    let recursive = "WITH RECURSIVE orders AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM orders) SELECT n FROM orders";
    let told = owner.post(EXPLAIN, json!({"sql": recursive, "data_source_id": "ds_1"})).await.is(200);
    assert_eq!(told["tables"], json!([]), "{told}");
    let nothing = explain(&owner, "SELECT 1 + 1 AS two").await.is(200);
    assert_eq!((&nothing["tables"], &nothing["columns"][0]["type"]), (&json!([]), &json!("integer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_query_are_told_as_the_sql_that_they_become() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let parts = json!({
        "data_source_id": source, "table": "orders", "dimensions": ["region"],
        "measures": [{"column": "amount", "aggregate": "sum"}],
        "filters": [{"column": "region", "operator": "eq", "value": "north"}],
    });
    let told = owner.post(EXPLAIN, parts.clone()).await.is(200);
    let written = json!({"sql": told["sql"], "parameters": told["parameters"]});
    assert_eq!(told["parameters"], json!(["north"]));
    let ran = owner.post("/v1/query", parts).await.is(200);
    assert_eq!(told["columns"], ran["columns"]);
    assert_eq!(owner.post("/v1/query", written).await.is(200)["rows"], ran["rows"], "it is what runs");
    assert_eq!(ran["rows"], json!([["north", 150.75]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_never_end_is_told_and_what_cannot_be_planned_in_time_is_stopped() {
    let world = World::with(|plot| plot.settings.query.millis = 300).await;
    let owner = world.owner().await;
    let numbers = (1..=3_000).map(|number| format!("{number}\n")).collect::<String>();
    upload(&owner, "Big", "numbers.csv", format!("n\n{numbers}").as_bytes()).await.is(201);
    upload(&owner, "Sales", "numbers.csv", format!("n\n{numbers}").as_bytes()).await.is(201);
    let long = "SELECT sum(a.n * b.n * c.n) FROM big.numbers a CROSS JOIN big.numbers b CROSS JOIN big.numbers c";
    owner.post("/v1/query", json!({"sql": long})).await.refuses(422, "query_timeout");
    assert_eq!(plan(&explain(&owner, long).await.is(200)).matches("TableScan: big.numbers").count(), 3);
    let doubled =
        (1..=30).map(|n| format!(", a{n} AS (SELECT x.n FROM a{m} x, a{m} y)", m = n - 1)).collect::<String>();
    let doubled = format!("WITH a0 AS (SELECT 1 AS n){doubled} SELECT * FROM a30");
    for sql in statements(BOUNDED).map(str::to_owned).chain([doubled]) {
        let answer = explain(&owner, &sql).await;
        shows_nothing(&world, &sql, &answer);
        assert!([200, 400, 422].contains(&answer.status), "{sql}: {}", answer.text());
        explain(&owner, "SELECT 1").await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_too_long_is_cut_and_says_so() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let many = ["SELECT * FROM a"; 12].join(" UNION ALL ");
    let sql = format!("WITH a AS (SELECT region || '{}' AS it FROM sales.orders) {many}", "x".repeat(60_000));
    let told = explain(&owner, &sql).await.is(200);
    assert_eq!(told["plan_truncated"], true);
    assert!((200_000..300_000).contains(&plan(&told).len()), "{}", plan(&told).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renamed_or_hidden_is_told_by_no_other_name() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let words = json!({"name": "bookings", "columns": [
        {"column": "amount", "name": "Revenue"}, {"column": "note", "hidden": true}, {"column": "region", "name": "place"},
    ]});
    owner.patch("/v1/data-sources/ds_1/tables/orders", words).await.is(200);
    for sql in [
        "SELECT * FROM sales.bookings",
        "SELECT place, sum(b.Revenue) AS r FROM sales.bookings b WHERE b.Revenue > 1 AND place LIKE 'n%' GROUP BY 1",
        "SELECT count(*) FROM sales.bookings WHERE Revenue IN (SELECT max(Revenue) FROM sales.bookings)",
        "SELECT x.place, y.Revenue FROM sales.bookings x JOIN sales.bookings y USING (place) ORDER BY 2 LIMIT 3",
    ] {
        let answer = explain(&owner, sql).await;
        shows_nothing(&world, sql, &answer);
        let told = answer.text();
        for hidden in ["orders", "amount", "note", "region", "extract"] {
            assert!(!told.contains(hidden), "{sql} shows {hidden}: {told}");
        }
        let told = answer.is(200);
        assert_eq!((&told["tables"][0]["table"], &told["tables"][0]["rows"]), (&json!("bookings"), &json!(4)));
        let ran = owner.post("/v1/query", json!({"sql": sql})).await.is(200);
        assert_eq!(told["columns"], ran["columns"], "{sql}");
    }
    for sql in ["SELECT amount FROM sales.bookings", "SELECT note FROM sales.bookings", "SELECT 1 FROM sales.orders"] {
        explain(&owner, sql).await.refuses(400, "invalid_sql");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_tables_are_not_there_and_not_told_of() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let source = sales(&owner).await;
    upload(&stranger, "Canary", "canaryquart.csv", b"canarycolumn\n7\n").await.is(201);
    for (sql, answer) in [
        ("SELECT * FROM canary.canaryquart", explain(&owner, "SELECT * FROM canary.canaryquart").await),
        ("SELECT * FROM sales.orders", explain(&stranger, "SELECT * FROM sales.orders").await),
    ] {
        shows_nothing(&world, sql, &answer);
        answer.refuses(400, "invalid_sql");
    }
    let named = json!({"sql": "SELECT * FROM orders", "data_source_id": source});
    stranger.post(EXPLAIN, named).await.refuses(404, "not_found");
    let told = explain(&owner, "SELECT * FROM sales.orders").await;
    assert!(!told.text().contains("canary"), "{}", told.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_query_may_be_is_not_explained_either() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    // Of what fails on values nobody knows before it runs.
    let (never, at_times) = REFUSED.split_once("# What fails on").unwrap();
    let mut taken = Vec::new();
    for sql in statements(at_times) {
        let answer = explain(&owner, sql).await;
        shows_nothing(&world, sql, &answer);
        assert!([200, 400].contains(&answer.status), "{sql}: {}", answer.text());
    }
    for sql in statements(never) {
        let answer = explain(&owner, sql).await;
        shows_nothing(&world, sql, &answer);
        if answer.status != 400 || !["invalid_sql", "invalid_request"].contains(&answer.code().as_str()) {
            taken.push(format!("{} {sql}: {}", answer.status, answer.text()));
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    for sql in ["EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT * FROM sales.orders", "explain verbose select 1"] {
        for path in ["/v1/query", EXPLAIN] {
            let refusal = owner.post(path, json!({"sql": sql})).await;
            assert!(refusal.message().contains("POST /v1/query/explain"), "{}", refusal.text());
            refusal.refuses(400, "invalid_sql");
        }
    }
}

#[test]
fn the_command_line_tells_of_a_query() {
    let installation = Installation::new();
    let sql = "SELECT 40 + 2 AS it FROM (VALUES (1), (2)) AS t(n) WHERE n > 1";
    let told = text(&installation.run(&["query", "--explain", sql]).stdout);
    assert!(told.starts_with("Projection: ") && told.contains("\n  "), "{told}");
    let told = installation.run(&["query", "--json", "--explain", sql]);
    let told: Value = serde_json::from_str(&text(&told.stdout)).unwrap();
    assert_eq!((&told["sql"], &told["columns"][0]["name"]), (&json!(sql), &json!("it")));
}
