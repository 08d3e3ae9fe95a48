//! Live sources: queries go to the database itself, which stays as it was.

mod ends;
mod explained;
mod resealed;

use std::path::Path;

use serde_json::{Value, json};

use super::servers::{Brand, PASSWORD, READER, Server, mariadb, postgres};
use super::{SHOP, SOURCES, SPILL, ask, live, of_file, open_world, sqlite};
use crate::actors::Actor;
use crate::answer::Answer;
use crate::world::World;

/// The rows of a query that a source answers.
async fn told(actor: &Actor, source: &Value, sql: &str) -> Value {
    ask(actor, source, sql).await.is(200)["rows"].clone()
}

/// A shop in each kind of database: what makes the source, and what runs statements there.
struct Shops {
    bodies: [Value; 3],
    path: std::path::PathBuf,
    database: &'static str,
}

impl Shops {
    fn open(directory: &Path, database: &'static str) -> Self {
        let path = directory.join("shop.db");
        sqlite(&path).execute_batch(SHOP).unwrap();
        let (pg, maria) = (postgres(), mariadb());
        pg.database(database, SHOP);
        maria.database(database, SHOP);
        let bodies = [of_file("lite", &path), pg.source("pg", database), maria.source("maria", database)].map(live);
        Self { bodies, path, database }
    }

    fn server(name: &str) -> Option<&'static Server> {
        match name {
            "pg" => Some(postgres()),
            "maria" => Some(mariadb()),
            _ => None,
        }
    }

    /// Runs statements in the database of that source.
    fn run(&self, source: &Value, sql: &str) {
        match Self::server(source["slug"].as_str().unwrap()) {
            Some(server) => drop(server.run(Some(self.database), sql)),
            None => sqlite(&self.path).execute_batch(sql).unwrap(),
        }
    }
}

fn name(value: &Value) -> Value {
    value["name"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_a_live_source_are_answered_by_its_database_as_it_is_now() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_now");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        assert_eq!((&source["mode"], &source["status"]), (&json!("live"), &json!("active")));
        let tables = source["tables"].as_array().unwrap();
        let mut names: Vec<_> = tables.iter().map(|table| table["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["customers", "orders"]);
        assert!(tables.iter().all(|table| table["rows"].is_null() && table["bytes"] == 0), "{source}");
        let orders = tables.iter().find(|table| table["name"] == "orders").unwrap();
        let columns = orders["columns"].as_array().unwrap();
        assert_eq!(columns.iter().map(name).collect::<Vec<_>>(), ["id", "amount", "day"]);

        let names = "SELECT id, name FROM customers ORDER BY id DESC;";
        assert_eq!(told(&owner, &source, names).await, json!([[2, null], [1, "Zoë"]]));
        shops.run(&source, "INSERT INTO customers VALUES (3, 'Ada'); CREATE TABLE refunds (id integer)");
        assert_eq!(told(&owner, &source, "SELECT count(*) FROM customers").await, json!([[3]]));

        let id = source["id"].as_str().unwrap();
        let sync = owner.post(&format!("{SOURCES}/{id}/sync"), json!({})).await.is(200);
        assert_eq!((&sync["status"], &sync["rows"]), (&json!("succeeded"), &json!(0)));
        let tables = owner.get(&format!("{SOURCES}/{id}/tables")).await.is(200);
        let refunds = tables["tables"].as_array().unwrap().iter().find(|table| table["name"] == "refunds").unwrap();
        assert!(refunds["rows"].is_null());

        for (media, begins) in [("text/csv", &b"id,name\r\n"[..]), ("application/vnd.apache.parquet", b"PAR1")] {
            let query = json!({"sql": names, "data_source_id": id});
            let answer = owner.with("accept", media).post("/v1/query", query).await;
            assert!(answer.status == 200 && answer.body.starts_with(begins), "{media}: {}", answer.text());
        }
    }
    assert!(!world.is_written_down("opal lanterns"));
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_numbers_stay_exact_and_a_querys_order_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_exact");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let found = told(&owner, &source, "SELECT amount, id FROM orders ORDER BY id DESC").await;
        // SQLite has no exact numbers.
        let [first, second] = match source["slug"].as_str().unwrap() {
            "lite" => [json!(12.5), json!(7.25)],
            _ => [json!("12.50"), json!("7.25")],
        };
        assert_eq!(found, json!([[null, 3], [second, 2], [first, 1]]), "{}", source["slug"]);
    }
    let source = owner.post(SOURCES, live(postgres().source("pg more", "live_exact"))).await.is(201);
    let mixed = "SELECT n FROM (VALUES (1.5::numeric), (120), (NULL), (0.125)) AS t(n)";
    assert_eq!(told(&owner, &source, mixed).await, json!([["1.500"], ["120.000"], [null], ["0.125"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_of_a_live_source_writes_or_leaves_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_guarded");
    // The reader may write, so that nothing but the transaction holds it back.
    let grant = format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {READER}; CREATE SEQUENCE s; GRANT ALL ON SEQUENCE s TO {READER}"
    );
    postgres().run(Some("live_guarded"), &grant);
    mariadb().run(Some("live_guarded"), SPILL);
    mariadb().run(None, &format!("GRANT ALL ON live_guarded.* TO {READER}@'%'; GRANT FILE ON *.* TO {READER}@'%'"));
    let leak = directory.path().join("leak");
    let outfile = format!("SELECT 1 INTO OUTFILE '{}'", leak.display());
    let escaped = format!("SELECT 1) AS q INTO OUTFILE '{}' -- ", leak.display());
    let commented = format!("SELECT 1) AS q INTO OUTFILE '{}' /*", leak.display());
    let tries: [&[&str]; 3] = [
        &["PRAGMA query_only = 0", "ATTACH 'other.db' AS other", "SELECT writefile('x', 'y')"],
        &[
            "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
            "SELECT nextval('s')",
            "COPY orders TO '/tmp/x'",
        ],
        &[
            &outfile,
            &escaped,
            &commented,
            "SET autocommit = 1",
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE customers",
            "SELECT spill() AS spilt",
        ],
    ];
    let shared = [
        "DELETE FROM orders",
        "DELETE FROM orders RETURNING id",
        "SELECT 1; DROP TABLE orders",
        "SELECT 1) AS q; DROP TABLE orders; -- ",
        "COMMIT",
        "DROP TABLE orders",
        "SELEC 1",
        "SELECT nothing FROM orders",
    ];
    for (body, own) in shops.bodies.iter().zip(tries) {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        for sql in shared.iter().chain(own) {
            let refusal = ask(&owner, &source, sql).await;
            assert!(refusal.message().contains("refuses the query"), "{}: {sql}: {}", source["slug"], refusal.text());
            refusal.refuses(400, "invalid_sql");
        }
        assert_eq!(told(&owner, &source, "SELECT count(*) FROM orders").await, json!([[3]]));
    }
    assert!(!leak.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_knows_how_long_a_query_may_take_and_that_it_only_reads() {
    const MILLIS: f64 = 40_000.0;
    let world = World::with(|plot| plot.settings.query.millis = 40_000).await;
    let owner = world.owner().await;
    for (server, sql, only_reads) in [
        (
            postgres(),
            "SELECT setting::float8 AS it, current_setting('transaction_read_only') AS only_reads FROM pg_settings \
             WHERE name = 'statement_timeout'",
            json!("on"),
        ),
        // That it only reads is asked of MariaDB by trying to write.
        (mariadb(), "SELECT CAST(@@max_statement_time * 1000 AS DOUBLE) AS it, 1 AS only_reads", json!(1)),
    ] {
        let database = server.database("live_limits", SHOP);
        let source = owner.post(SOURCES, live(server.source(server.kind(), &database))).await.is(201);
        let said = told(&owner, &source, sql).await[0].clone();
        let millis = said[0].as_f64().unwrap();
        // What is left of its time, and a little for the answer that it is over; MariaDB has whole seconds.
        let most = MILLIS + if server.brand == Brand::Mariadb { 1_000.0 } else { 100.0 };
        assert!(millis > 0.0 && millis <= most, "{}: {said}", server.kind());
        assert_eq!(said[1], only_reads);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_parameters_are_bound_by_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_values");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let marks: &[[&str; 2]] = match source["slug"].as_str().unwrap() {
            "lite" => &[["?", "?"], ["$1", "$2"], ["?1", "?2"]],
            "pg" => &[["$1", "$2"]],
            _ => &[["?", "?"]],
        };
        let send = async |sql: &str, parameters: Value| {
            owner.post("/v1/query", json!({"sql": sql, "data_source_id": source["id"], "parameters": parameters})).await
        };
        for [first, second] in marks {
            let sql = format!("SELECT id FROM customers WHERE id > {first} AND name = {second}");
            assert_eq!(send(&sql, json!([0, "Zoë"])).await.is(200)["rows"], json!([[1]]), "{sql}");
            assert_eq!(send(&sql, json!([0, "' OR 1 = 1 -- "])).await.is(200)["rows"], json!([]), "{sql}");
            assert_eq!(send(&sql, json!([0, null])).await.is(200)["rows"], json!([]), "{sql}");
            let refusal = send(&sql, json!([0])).await;
            assert!(refusal.message().contains("takes 2 parameters, and 1"), "{}", refusal.text());
            refusal.refuses(400, "invalid_sql");
            send(&sql, json!([0, ["x"]])).await.refuses(400, "invalid_sql");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_source_that_lets_nobody_in_or_is_gone_says_so() {
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let database = server.database("live_doors", SHOP);
        let wrong = |mut body: Value| {
            body["secret"]["password"] = json!("wrong-word-7");
            body
        };
        let refusal = owner.post(SOURCES, live(wrong(server.source("Doors", &database)))).await;
        refusal.refuses(422, "source_unavailable");
        let source = owner.post(SOURCES, live(server.source("Doors", &database))).await.is(201);
        let path = format!("{SOURCES}/{}", source["id"].as_str().unwrap());
        owner.patch(&path, json!({"secret": {"password": "wrong-word-7"}})).await.is(200);
        let refusal = ask(&owner, &source, "SELECT 1").await;
        assert!(refusal.message().contains("does not let us in"), "{}", refusal.text());
        assert!(!refusal.text().contains("wrong-word"));
        refusal.refuses(422, "source_unavailable");
        // A failed look at its tables leaves it as it was.
        owner.post(&format!("{path}/sync"), json!({})).await.refuses(422, "source_unavailable");
        assert_eq!(owner.get(&path).await.is(200)["status"], "active");
        owner.patch(&path, json!({"secret": {"password": PASSWORD}})).await.is(200);
        assert_eq!(told(&owner, &source, "SELECT count(*) FROM orders").await, json!([[3]]));
        owner.delete(&path).await.is(200);
        ask(&owner, &source, "SELECT 1").await.refuses(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_tells_which_values_are_not_as_the_database_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_notes");
    let strange = [
        "SELECT CAST(x'ff41' AS TEXT) AS it, 1 AS id UNION ALL SELECT 'a', 2",
        "SELECT 'infinity'::timestamp AS it, 1 AS id UNION ALL SELECT '2026-01-01', 2",
        "SELECT it, 1 AS id FROM days",
    ];
    shops.run(&json!({"slug": "maria"}), "CREATE TABLE days (it DATE); INSERT IGNORE INTO days VALUES ('2026-02-31')");
    let told = ["not Unicode", "infinite", "no day"];
    for ((body, sql), words) in shops.bodies.iter().zip(strange).zip(told) {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let answer = ask(&owner, &source, sql).await.is(200);
        let notes = answer["notes"].as_array().unwrap_or_else(|| panic!("notes of {sql}: {answer}"));
        let note = notes[0].as_str().unwrap();
        assert!(notes.len() == 1 && note.starts_with("`it`: 1 ") && note.contains(words), "{answer}");
        let plain = ask(&owner, &source, "SELECT 1 AS id").await.is(200);
        assert!(plain.get("notes").is_none(), "{plain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_data_that_is_here_is_refused_of_a_live_source() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("shop.db");
    sqlite(&path).execute_batch(SHOP).unwrap();
    let source = owner.post(SOURCES, live(of_file("Shop", &path))).await.is(201);
    let at = format!("{SOURCES}/{}", source["id"].as_str().unwrap());
    let says = |answer: Answer, status: u16, code: &str, words: &str| {
        assert!(answer.message().contains(words), "{words}: {}", answer.text());
        answer.refuses(status, code);
    };
    let parts = json!({"data_source_id": source["id"], "table": "orders", "measures": [{"aggregate": "count"}]});
    says(owner.post("/v1/query", parts.clone()).await, 400, "invalid_request", "its own SQL");
    says(owner.post("/v1/queries", json!({"name": "x", "query": parts})).await, 400, "invalid_request", "its own SQL");
    for sql in ["SELECT * FROM shop.orders", "SELECT * FROM \"shop\".orders"] {
        says(owner.post("/v1/query", json!({"sql": sql})).await, 400, "invalid_sql", "`shop` is live");
        let saved = owner.post("/v1/queries", json!({"name": "x", "query": {"sql": sql}})).await.is(201);
        let result = owner.get(&format!("/v1/queries/{}/result", saved["id"].as_str().unwrap())).await;
        says(result, 400, "invalid_sql", "`shop` is live");
    }
    let query = json!({"data_source_id": source["id"], "sql": "SELECT count(*) FROM orders"});
    let widget = json!({"type": "kpi", "title": "Orders", "query": query});
    let dashboard = owner.post("/v1/dashboards", json!({"name": "Shop", "widgets": [widget]})).await;
    says(dashboard, 400, "invalid_request", "live");
    let profile = owner.get(&format!("{at}/tables/orders/profile")).await;
    assert!(profile.message().contains("is live"), "{}", profile.text());
    assert_eq!(profile.code(), "not_ready");
    let template = owner.get("/v1/report-templates?kind=profile").await.is(200)["data"][0]["id"].clone();
    let report = json!({"template_id": template, "data_source_ids": [source["id"]], "output_format": "pdf"});
    says(owner.post("/v1/reports/generate", report).await, 400, "invalid_request", "is live");

    let table = format!("{at}/tables/orders");
    for change in
        [json!({"name": "bills"}), json!({"hidden": true}), json!({"columns": [{"column": "id", "hidden": true}]})]
    {
        says(owner.patch(&table, change).await, 400, "invalid_request", "live");
    }
    owner.patch(&table, json!({"description": "What was sold."})).await.is(200);
    assert_eq!(owner.patch(&at, json!({"mode": "extract"})).await.status, 400, "a mode stays");

    for (field, value) in [("queries", json!({"x": "SELECT 1"})), ("cursor", json!({"orders": "id"}))] {
        let mut body = live(of_file("Other", &path));
        body["connection"][field] = value.clone();
        says(owner.post(SOURCES, body).await, 400, "invalid_request", field);
        let connection = json!({"path": path, field: value});
        says(owner.patch(&at, json!({"connection": connection})).await, 400, "invalid_request", field);
    }
    let web = json!({"name": "Web", "kind": "url", "mode": "live", "connection": {"url": "https://example.com/a.csv"}});
    says(owner.post(SOURCES, web).await, 400, "invalid_request", "mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_saved_queries_over_live_sources_are_never_kept() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("shop.db");
    sqlite(&path).execute_batch(SHOP).unwrap();
    let source = owner.post(SOURCES, live(of_file("Shop", &path))).await.is(201);
    let query = json!({"sql": "SELECT count(*) AS n FROM orders", "data_source_id": source["id"]});
    let saved = owner.post("/v1/queries", json!({"name": "Orders", "query": query})).await.is(201);
    let result = format!("/v1/queries/{}/result", saved["id"].as_str().unwrap());
    for count in [3, 4] {
        let answer = owner.get(&result).await;
        assert_eq!((&answer.is(200)["rows"], answer.header("etag")), (&json!([[count]]), None));
        sqlite(&path).execute_batch("INSERT INTO orders (amount) VALUES (1)").unwrap();
    }
}
