//! What ends queries of live sources besides their last row: bounds, their time, and clients that leave.

use claribi::domain::plan::QueryCaps;
use serde_json::{Value, json};

use super::super::servers::{Brand, Server, mariadb, postgres};
use super::super::{SHOP, SOURCES, ask, live, of_file, sqlite};
use super::{Shops, told};
use crate::patience::until_so_here;
use crate::world::World;

/// What SQLite counts without end with.
const COUNTED: &str = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s)";

/// Rows without end in each kind of database: what stands before `SELECT`, and what after it.
fn endless(source: &Value) -> [&'static str; 2] {
    match source["slug"].as_str().unwrap() {
        "lite" => [COUNTED, "n FROM s"],
        "pg" => ["", "generate_series(1, 2000000000) AS n"],
        _ => ["", "seq AS n FROM seq_1_to_2000000000"],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_live_sources_are_bounded_in_rows_and_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::with(|plot| {
        plot.settings.allowed_dirs = vec![directory.path().to_owned()];
        // What ends by the time fails these.
        plot.settings.query.millis = 600_000;
        plot.settings.query.memory_bytes = 4 << 20;
    });
    let world = world.await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_bounds");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let [with, from] = endless(&source);
        let many = format!("{with} SELECT {from}");
        let wide = format!("{with} SELECT 'a text of some length' AS t, {from}");
        for sql in [many.clone(), format!("{many} LIMIT 90000")] {
            let query = json!({"sql": sql, "data_source_id": source["id"], "limit": 3});
            let answer = owner.post("/v1/query", query).await.is(200);
            assert_eq!((&answer["rows"], &answer["truncated"]), (&json!([[1], [2], [3]]), &json!(true)), "{sql}");
        }
        let few = ask(&owner, &source, &format!("{many} LIMIT 3")).await.is(200);
        assert_eq!((&few["row_count"], &few["truncated"]), (&json!(3), &json!(false)));
        let query = json!({"sql": wide, "data_source_id": source["id"], "limit": 100_000});
        owner.post("/v1/query", query).await.refuses(422, "query_too_large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_queries_of_live_sources() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    sqlite(&path).execute_batch(SHOP).unwrap();
    let many = format!("{COUNTED} SELECT n FROM s");
    let endless = format!("{COUNTED} SELECT max(n) FROM s");
    let narrow = QueryCaps { millis: Some(500), rows: Some(2), ..QueryCaps::default() };
    let small = QueryCaps { memory_bytes: Some(1 << 20), result_bytes: Some(1_000), ..QueryCaps::default() };
    for (caps, sql, status, code) in [
        (narrow, &endless, 422, "query_timeout"),
        (small, &many, 422, "query_too_large"),
        (small, &format!("{many} LIMIT 1000"), 422, "query_too_large"),
    ] {
        let world = World::with(|plot| {
            plot.settings.allowed_dirs = vec![directory.path().to_owned()];
            plot.settings.query.rows = 100_000;
            plot.plan("enterprise", |plan| plan.query = caps);
        });
        let world = world.await;
        let owner = world.owner().await;
        let source = owner.post(SOURCES, live(of_file("Shop", &path))).await.is(201);
        let refusal = ask(&owner, &source, sql).await;
        assert!(refusal.message().contains("The plan `enterprise` gives a query "), "{}", refusal.text());
        refusal.refuses(status, code);
        if caps.rows.is_some() {
            let cut = ask(&owner, &source, "SELECT * FROM orders").await.is(200);
            assert_eq!((&cut["row_count"], &cut["truncated"]), (&json!(2), &json!(true)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_live_sources_are_stopped_when_their_time_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::with(|plot| {
        plot.settings.allowed_dirs = vec![directory.path().to_owned()];
        plot.settings.query.millis = 1_500;
    });
    let world = world.await;
    let owner = world.owner().await;
    let shops = Shops::open(directory.path(), "live_time");
    for body in &shops.bodies {
        let source = owner.post(SOURCES, body.clone()).await.is(201);
        let slow = match source["slug"].as_str().unwrap() {
            "lite" => format!("{COUNTED} SELECT max(n) FROM s"),
            "pg" => "SELECT pg_sleep(600)::text".to_owned(),
            _ => "SELECT SLEEP(600) AS n".to_owned(),
        };
        ask(&owner, &source, &slow).await.refuses(422, "query_timeout");
    }
}

/// A query that takes this many seconds.
fn asleep(server: &Server, seconds: u32) -> String {
    match server.brand {
        Brand::Postgres => format!("SELECT pg_sleep({seconds})::text AS n"),
        Brand::Mariadb => format!("SELECT SLEEP({seconds}) AS n"),
    }
}

/// Waits until as many such queries run in a database.
async fn until_asleep(server: &'static Server, database: &str, count: &'static str) {
    let running = match server.brand {
        Brand::Postgres => {
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'")
        }
        Brand::Mariadb => format!(
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = '{database}' AND STATE = 'User sleep'"
        ),
    };
    let asked = move || until_so_here("as many queries", || server.run(None, &running).trim() == count);
    tokio::task::spawn_blocking(asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_its_query_in_the_database() {
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let database = server.database("live_left", "CREATE TABLE t (n int)");
        let source = owner.post(SOURCES, live(server.source(server.kind(), &database))).await.is(201);
        let query = json!({"sql": asleep(server, 3_600), "data_source_id": source["id"]});
        let client = owner.open(owner.request("POST", "/v1/query").json(&query)).await;
        until_asleep(server, "live_left", "1").await;
        drop(client);
        until_asleep(server, "live_left", "0").await;
        assert_eq!(told(&owner, &source, "SELECT count(*) FROM t").await, json!([[0]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_deleted_answers_who_asked_before_and_nobody_after() {
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let database = server.database("live_deleted", "CREATE TABLE t (n int)");
        let source = owner.post(SOURCES, live(server.source(server.kind(), &database))).await.is(201);
        let (asking, query) = (owner.clone(), json!({"sql": asleep(server, 5), "data_source_id": source["id"]}));
        let waiting = tokio::spawn(async move { asking.post("/v1/query", query).await });
        until_asleep(server, "live_deleted", "1").await;
        owner.delete(&format!("{SOURCES}/{}", source["id"].as_str().unwrap())).await.is(200);
        assert_eq!(waiting.await.unwrap().is(200)["row_count"], 1);
        ask(&owner, &source, "SELECT 1").await.refuses(404, "not_found");
    }
}
