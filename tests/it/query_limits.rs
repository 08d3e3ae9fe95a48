//! What a plan gives the queries of its organisations: less than others have, wherever a query is asked.

use claribi::domain::plan::QueryCaps;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::sources::{sales, upload};
use crate::world::World;

const FACES: [&str; 2] = ["/v1/query", "/api/analytics/query/"];
/// Without end, for whom it matters.
const LONG: &str = "SELECT sum(a.n * b.n * c.n) FROM big.numbers a CROSS JOIN big.numbers b CROSS JOIN big.numbers c";

/// A world whose plan says this, in which any other may use plenty.
async fn under(caps: QueryCaps) -> World {
    World::with(|plot| plot.plan("enterprise", |plan| plan.query = caps)).await
}

/// The source `big` with the table `numbers`.
async fn numbers(owner: &Actor, count: u32) -> Value {
    let numbers = (1..=count).map(|number| format!("{number}\n")).collect::<String>();
    upload(owner, "Big", "numbers.csv", format!("n\n{numbers}").as_bytes()).await.is(201)["id"].clone()
}

/// The message of a saved query's result, which is refused.
async fn saved_refusal(owner: &Actor, sql: &str, code: &str) -> String {
    let saved = owner.post("/v1/queries", json!({"name": "Saved", "query": {"sql": sql}})).await.is(201);
    let result = owner.get(&format!("/v1/queries/{}/result", saved["id"].as_str().unwrap())).await;
    result.refuses(422, code)["message"].as_str().unwrap().to_owned()
}

/// The error of a dashboard's only widget after a refresh.
async fn widget_error(owner: &Actor, source: &Value, sql: &str) -> Value {
    let widget = json!({"type": "kpi", "title": "It", "query": {"data_source_id": source, "sql": sql}});
    let made = owner.post("/v1/dashboards", json!({"name": "Board", "widgets": [widget]})).await.is(201);
    let path = format!("/v1/dashboards/{}", made["id"].as_str().unwrap());
    owner.post(&format!("{path}/refresh"), json!({})).await.is(200);
    owner.get(&path).await.is(200)["widgets"][0]["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_the_rows_that_requests_get_and_ask_for() {
    let world = under(QueryCaps { rows: Some(3), ..QueryCaps::default() }).await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let parts = json!({
        "data_source_id": source, "table": "orders", "measures": [{"aggregate": "count"}], "dimensions": ["day"],
    });
    for face in FACES {
        for asked in [json!({"sql": "SELECT * FROM sales.orders"}), parts.clone()] {
            let all = owner.post(face, asked.clone()).await.is(200);
            assert_eq!((&all["row_count"], &all["truncated"]), (&json!(3), &json!(true)), "{asked}");
            let mut more = asked;
            more["limit"] = json!(4);
            let refusal = owner.post(face, more.clone()).await;
            assert!(refusal.message().contains("1 to 3 under the plan `enterprise`"), "{}", refusal.text());
            refusal.refuses(400, "invalid_request");
            more["limit"] = json!(2);
            assert_eq!(owner.post(face, more).await.is(200)["row_count"], 2);
        }
    }
    let saved = |limit: u64| json!({"name": "All", "query": {"sql": "SELECT * FROM sales.orders", "limit": limit}});
    owner.post("/v1/queries", saved(4)).await.refuses(400, "invalid_request");
    owner.post("/v1/queries", saved(3)).await.is(201);
    assert_eq!(owner.get("/v1/queries/q_1/result").await.is(200)["row_count"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_query_that_asks_for_more_than_its_plan_now_gives_is_told_so() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let saved = json!({"name": "All", "query": {"sql": "SELECT * FROM sales.orders", "limit": 4}});
    owner.post("/v1/queries", saved).await.is(201);
    assert_eq!(owner.get("/v1/queries/q_1/result").await.is(200)["row_count"], 4);
    let caps = QueryCaps { rows: Some(3), ..QueryCaps::default() };
    let world = world.restarted_with(|plot| plot.plan("enterprise", |plan| plan.query = caps)).await;
    let owner = world.bearer(owner.secret());
    let refusal = owner.get("/v1/queries/q_1/result").await;
    assert!(refusal.message().contains("under the plan `enterprise`"), "{}", refusal.text());
    refusal.refuses(400, "invalid_request");
    owner.patch("/v1/queries/q_1", json!({"query": {"sql": "SELECT * FROM sales.orders"}})).await.is(200);
    assert_eq!(owner.get("/v1/queries/q_1/result").await.is(200)["row_count"], 3, "kept results are of their limits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_the_time_of_queries_and_others_have_theirs() {
    let world = under(QueryCaps { millis: Some(300), ..QueryCaps::default() }).await;
    let owner = world.owner().await;
    let source = numbers(&owner, 3_000).await;
    let words = "The plan `enterprise` gives a query 300 ms.";
    for face in FACES {
        let refusal = owner.post(face, json!({"sql": LONG})).await;
        assert!(refusal.message().ends_with(words), "{}", refusal.text());
        refusal.refuses(422, "query_timeout");
    }
    assert!(saved_refusal(&owner, LONG, "query_timeout").await.ends_with(words));
    let error = widget_error(&owner, &source, LONG).await;
    assert!(error["code"] == "query_timeout" && error["message"].as_str().unwrap().ends_with(words), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_memory_and_results_and_another_plan_has_its_own() {
    let caps = QueryCaps { memory_bytes: Some(4 << 20), result_bytes: Some(2_000), ..QueryCaps::default() };
    let world = under(caps).await;
    let owner = world.owner().await;
    let source = numbers(&owner, 3_000).await;
    let words = "The plan `enterprise` gives a query 4194304 bytes of memory and 2000 bytes of result.";
    let large = "SELECT n FROM big.numbers";
    let hungry = "SELECT length(string_agg(a.n || '-' || b.n, ',')) FROM big.numbers a CROSS JOIN \
                  (SELECT n FROM big.numbers WHERE n <= 1000) b";
    for sql in [large, hungry] {
        for face in FACES {
            let refusal = owner.post(face, json!({"sql": sql})).await;
            assert!(refusal.message().ends_with(words), "{sql}: {}", refusal.text());
            refusal.refuses(422, "query_too_large");
        }
        assert!(saved_refusal(&owner, sql, "query_too_large").await.ends_with(words), "{sql}");
    }
    let error = widget_error(&owner, &source, hungry).await;
    assert!(error["code"] == "query_too_large" && error["message"].as_str().unwrap().ends_with(words), "{error}");
    assert_eq!(
        owner.post("/v1/query", json!({"sql": "SELECT count(*) FROM big.numbers"})).await.is(200)["rows"],
        json!([[3_000]])
    );

    // Another organisation of the same server is on another plan.
    let other = world.stranger_on("professional").await;
    numbers(&other, 3_000).await;
    assert_eq!(other.post("/v1/query", json!({"sql": large})).await.is(200)["row_count"], 3_000);
    assert_eq!(other.post("/v1/query", json!({"sql": hungry})).await.is(200)["row_count"], 1);
}
