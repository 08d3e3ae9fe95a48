//! Read-only SQL over the caller's own sources, bounded, in JSON or CSV.

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::{sales, upload};
use crate::world::World;

const QUERY: &str = "/v1/query";

async fn ask(actor: &Actor, sql: &str) -> Answer {
    actor.post(QUERY, json!({"sql": sql})).await
}

async fn rows(actor: &Actor, sql: &str) -> Value {
    ask(actor, sql).await.is(200)["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_answers_with_typed_columns_and_rows() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let sql = "SELECT region, sum(amount) AS total, count(*) AS n FROM sales.orders GROUP BY region ORDER BY region";
    let answer = ask(&owner, sql).await.is(200);
    let columns = json!([{"name": "region", "type": "text"}, {"name": "total", "type": "double"}, {"name": "n", "type": "integer"}]);
    assert_eq!(answer["columns"], columns);
    assert_eq!(answer["rows"], json!([["north", 150.75, 2], ["south", 200.0, 1], ["west", null, 1]]));
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(3), &json!(false)));
    assert!(answer["elapsed_ms"].is_u64());

    let unqualified = json!({"sql": "SELECT count(*) FROM orders", "data_source_id": source});
    assert_eq!(owner.post(QUERY, unqualified).await.is(200)["rows"], json!([[4]]));
    let qualified = json!({"sql": "SELECT count(*) FROM sales.orders", "data_source_id": source});
    assert_eq!(owner.post(QUERY, qualified).await.is(200)["rows"], json!([[4]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_can_be_joined() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    upload(&owner, "Regions", "names.csv", b"region,name\nnorth,Nord\nsouth,Sued\n").await.is(201);
    let sql =
        "SELECT n.name, count(*) FROM sales.orders o JOIN regions.names n ON o.region = n.region GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(&owner, sql).await, json!([["Nord", 2], ["Sued", 1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_and_never_text() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let body =
        |value: Value| json!({"sql": "SELECT count(*) FROM sales.orders WHERE region = $1", "parameters": [value]});
    assert_eq!(owner.post(QUERY, body(json!("north"))).await.is(200)["rows"], json!([[2]]));
    assert_eq!(owner.post(QUERY, body(json!("' OR '1'='1"))).await.is(200)["rows"], json!([[0]]));
    let wide = "SELECT CAST($1 AS DECIMAL(20, 0)) - CAST($2 AS DECIMAL(20, 0))";
    let wide = json!({"sql": wide, "parameters": [u64::MAX, u64::MAX - 1]});
    assert_eq!(owner.post(QUERY, wide).await.is(200)["rows"], json!([["1"]]));
    let missing = json!({"sql": "SELECT $1", "parameters": []});
    assert!([400].contains(&owner.post(QUERY, missing).await.status));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_over_its_limit_is_cut_and_says_so() {
    let world = World::with(|plot| plot.settings.max_rows = 1_000).await;
    let owner = world.owner().await;
    let sql = "SELECT * FROM (VALUES (1),(2),(3),(4),(5)) AS t(value)";
    let limited = |limit: u64| owner.post(QUERY, json!({"sql": sql, "limit": limit}));
    let cut = limited(3).await.is(200);
    assert_eq!(
        (&cut["rows"], &cut["row_count"], &cut["truncated"]),
        (&json!([[1], [2], [3]]), &json!(3), &json!(true))
    );
    assert_eq!(limited(1_000).await.is(200)["truncated"], false);
    // Every form says so, whether its bytes can or not.
    for form in
        ["application/json", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]
    {
        for (limit, count, truncated) in
            [(3, "3", "true"), (5, "5", if sql.contains("series") { "true" } else { "false" })]
        {
            let request =
                owner.request("POST", QUERY).header("accept", form).json(&json!({"sql": sql, "limit": limit}));
            let answer = request.send().await;
            let told = (answer.header("x-row-count"), answer.header("x-truncated"));
            assert_eq!(told, (Some(count), Some(truncated)), "{form}");
        }
    }
    for limit in [json!(0), json!(1_001), json!(-1), json!("3"), json!(1.5)] {
        owner.post(QUERY, json!({"sql": sql, "limit": limit})).await.refuses(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_integers_and_decimals_are_text_and_nan_is_null() {
    let world = World::new().await;
    let owner = world.owner().await;
    let sql = "SELECT 9007199254740991 AS a, 9007199254740993 AS b, CAST(1.10 AS DECIMAL(10,2)) AS c, \
               CAST('NaN' AS DOUBLE) AS d, DATE '2026-04-06' AS e, true AS f, NULL AS g";
    let row = rows(&owner, sql).await;
    assert_eq!(row, json!([[9_007_199_254_740_991_i64, "9007199254740993", "1.10", null, "2026-04-06", true, null]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_is_given_to_who_accepts_it_and_nothing_else_is_offered() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let accepting = |accept: &'static str| {
        let request = owner.request("POST", QUERY).header("accept", accept);
        request.json(&json!({"sql": "SELECT day, note FROM sales.orders ORDER BY day"}))
    };
    for accept in ["text/csv", "application/json;q=0.5, text/csv", "text/*"] {
        let answer = accepting(accept).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/csv"), "{accept}");
        let lines: Vec<String> = answer.text().lines().map(str::to_owned).collect();
        assert_eq!((lines[0].as_str(), lines[3].as_str(), lines.len()), ("day,note", "2026-02-07,\"with, comma\"", 5));
    }
    let columns = [
        ("application/vnd.apache.arrow.stream", &b"\xff\xff\xff\xff"[..]),
        ("application/vnd.apache.parquet", b"PAR1"),
    ];
    for (form, magic) in columns {
        let answer = accepting(form).send().await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(form)));
        assert!(answer.body.starts_with(magic), "{form}");
    }
    for accept in ["*/*", "application/json", "text/csv;q=0.5, application/json", "text/csv;q=0, */*"] {
        accepting(accept).send().await.is(200);
    }
    for accept in ["application/pdf", "text/html", "*/*;q=0"] {
        accepting(accept).send().await.refuses(406, "not_acceptable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_one_query_is_refused() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    for sql in [
        "",
        "   ",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "DROP TABLE sales.orders",
        "DELETE FROM sales.orders",
        "UPDATE sales.orders SET amount = 0",
        "INSERT INTO sales.orders VALUES ('2026-01-01', 'x', 1, '')",
        "CREATE TABLE t AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "COPY sales.orders TO '/tmp/out.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SHOW ALL",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "PREPARE p AS SELECT 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM information_schema.tables",
        "SELEKT 1",
        "SELECT * FROM",
        "SELECT nothing FROM sales.orders",
        "SELECT * FROM sales.nothing",
        "SELECT nothing(1)",
    ] {
        let answer = ask(&owner, sql).await;
        assert_eq!(answer.status, 400, "{sql}: {}", answer.text());
        let code = answer.code();
        assert!(code == "invalid_sql" || (sql.trim().is_empty() && code == "invalid_request"), "{sql}: {code}");
    }
    assert_eq!(rows(&owner, "SELECT count(*) FROM sales.orders").await, json!([[4]]), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_query_is_told_where_and_never_a_path() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let refusal = ask(&owner, "SELECT region\nFROM sales.orders\nWHERE nothing = 1").await.refuses(400, "invalid_sql");
    assert_eq!((&refusal["line"], &refusal["column"]), (&json!(3), &json!(7)), "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("nothing"));
    let refusal = ask(&owner, "SELECT 1 +\n  FROM").await.refuses(400, "invalid_sql");
    assert!(refusal["line"].is_u64(), "{refusal}");
    for sql in [
        "SELECT CAST(region AS INTEGER) FROM sales.orders",
        "SELECT * FROM sales.orders WHERE amount / 0 = region",
        "SELECT 1 / 0",
        "SELECT to_timestamp(region) FROM sales.orders",
        "SELECT CAST('x' AS DATE)",
        "SELECT * FROM sales.orders o JOIN sales.orders p ON o.x = p.x",
    ] {
        let answer = ask(&owner, sql).await;
        assert!(answer.status == 400 || answer.status == 200, "{sql}: {}", answer.text());
        for leak in [world.data().to_str().unwrap(), ".parquet", "/tmp", "/root", "src/", "DataFusion", "Arrow"] {
            assert!(!answer.text().contains(leak), "{sql} leaks {leak}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_look_outside_are_not_there() {
    let world = World::new().await;
    let owner = world.owner().await;
    for sql in ["SELECT version()", "SELECT read_csv('/etc/passwd')", "SELECT pg_sleep(1)", "SELECT now()"] {
        let answer = ask(&owner, sql).await;
        assert_eq!(answer.status, if sql.contains("now") { 200 } else { 400 }, "{sql}: {}", answer.text());
        assert!(!answer.text().contains("DataFusion"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_past_its_time_is_stopped_and_the_next_one_served() {
    let world = World::with(|plot| plot.settings.query.millis = 300).await;
    let owner = world.owner().await;
    let series = (1..=3_000).map(|number| format!("{number}\n")).collect::<String>();
    upload(&owner, "Big", "numbers.csv", format!("n\n{series}").as_bytes()).await.is(201);
    let sql = "SELECT sum(a.n * b.n * c.n) FROM big.numbers a CROSS JOIN big.numbers b CROSS JOIN big.numbers c";
    ask(&owner, sql).await.refuses(422, "query_timeout");
    assert_eq!(rows(&owner, "SELECT 1").await, json!([[1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_over_its_limit_is_refused() {
    let world = World::new().await;
    let owner = world.owner().await;
    let sql = format!("SELECT '{}'", "x".repeat(100_000));
    let answer = ask(&owner, &sql).await;
    assert!([400, 413].contains(&answer.status), "{}", answer.text());
    let refusal = owner.post(QUERY, json!({"sql": "SELECT 1", "data_source_id": "ds_99"})).await;
    refusal.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_tables_do_not_exist() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let source = sales(&owner).await;
    ask(&stranger, "SELECT * FROM sales.orders").await.refuses(400, "invalid_sql");
    let named = json!({"sql": "SELECT * FROM orders", "data_source_id": source});
    stranger.post(QUERY, named).await.refuses(404, "not_found");
    upload(&stranger, "Sales", "orders.csv", b"x\n7\n").await.is(201);
    assert_eq!(rows(&stranger, "SELECT * FROM sales.orders").await, json!([[7]]));
    assert_eq!(rows(&owner, "SELECT count(*) FROM sales.orders").await, json!([[4]]));
}
