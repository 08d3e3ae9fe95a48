//! Saved queries: kept under a name, run by it, their results cached.

use std::path::PathBuf;

use claribi::domain::access::{Permission, Role, Scope};
use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::binary::{Installation, text};
use crate::patience::until_so;
use crate::sources::{sales, upload};
use crate::world::World;

const QUERIES: &str = "/v1/queries";

fn by_region(source: &str) -> Value {
    json!({
        "name": "By region", "description": "What each region ordered.",
        "query": {"data_source_id": source, "sql": "SELECT region, count(*) AS n FROM orders WHERE amount >= $1 OR $2 GROUP BY 1 ORDER BY 1"},
        "parameters": [{"name": "least", "default": 0}, {"name": "all", "default": false}],
    })
}

async fn save(actor: &Actor, body: Value) -> String {
    let made = actor.post(QUERIES, body).await.is(201);
    made["id"].as_str().unwrap().to_owned()
}

fn result(id: &str) -> String {
    format!("{QUERIES}/{id}/result")
}

/// The result with these parameters.
async fn with(actor: &Actor, id: &str, parameters: &Value) -> Answer {
    let text: String = parameters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    actor.get(&format!("{}?parameters={text}", result(id))).await
}

fn rows(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"].clone()
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("a tag: {:?}", answer.headers)).to_owned()
}

fn kept(world: &World) -> Vec<PathBuf> {
    let cache = world.data().join("cache");
    world.files().into_iter().map(|(path, _)| path).filter(|path| path.starts_with(&cache)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_saved_changed_and_taken_away() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let made = owner.post(QUERIES, by_region(&source)).await.is(201);
    assert_eq!(made["id"], "q_1");
    assert_eq!((&made["query"]["data_source_id"], &made["query"]["table"]), (&json!(source), &json!(null)));
    assert_eq!(made["parameters"][1], json!({"name": "all", "default": false}));
    let one = owner.get("/v1/queries/q_1").await;
    let seen = tag(&one);
    assert_eq!(one.is(200), made);
    let platform = owner.get("/api/queries/1/").await.is(200);
    assert_eq!((&platform["id"], &platform["query"]["data_source_id"]), (&json!(1), &json!(1)));
    assert_eq!(owner.get("/v1/queries?q=REGION").await.is(200)["data"][0]["name"], "By region");
    assert_eq!(owner.get("/api/queries/?q=nothing").await.is(200)["count"], 0);

    world.pass(60);
    let changed = owner.patch("/v1/queries/q_1", json!({"name": "Regions"})).await.is(200);
    assert_eq!((&changed["name"], &changed["query"]), (&json!("Regions"), &made["query"]));
    let stale = owner.with("if-match", &seen);
    stale.patch("/v1/queries/q_1", json!({"name": "x"})).await.refuses(412, "precondition_failed");
    stale.delete("/v1/queries/q_1").await.refuses(412, "precondition_failed");
    // Parameters have no place in a query of parts.
    let parts = json!({"data_source_id": source, "table": "orders", "measures": [{"aggregate": "count"}]});
    let refused = owner.patch("/v1/queries/q_1", json!({"query": parts})).await.refuses(400, "invalid_request");
    assert_eq!(refused["field"], "parameters");
    let changed = owner.patch("/v1/queries/q_1", json!({"query": parts, "parameters": []})).await.is(200);
    assert_eq!(
        (&changed["query"]["sql"], &changed["query"]["measures"][0]["aggregate"]),
        (&json!(null), &json!("count"))
    );
    assert_eq!(rows(&owner.get(&result("q_1")).await), json!([[4]]));
    assert_eq!(owner.delete("/v1/queries/q_1").await.is(200), json!({"id": "q_1", "deleted": true}));
    owner.get(&result("q_1")).await.refuses(404, "not_found");
    assert_eq!(world.last_call().operation.as_deref(), Some("queries_result"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_saved_is_told_by_field() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let parts = |parts: Value| {
        let mut query = json!({"data_source_id": source, "table": "orders"});
        query.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        json!({"name": "x", "query": query})
    };
    let sql = |extra: Value| {
        let mut body = json!({"name": "x", "query": {"sql": "SELECT $1"}});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    for (body, field) in [
        (json!({"name": " ", "query": {"sql": "SELECT 1"}}), "name"),
        (json!({"name": "x", "query": {}}), "query.sql"),
        (json!({"name": "x", "query": {"sql": " "}}), "query.sql"),
        (json!({"name": "x", "query": {"sql": "SELECT 1", "table": "orders"}}), "query.sql"),
        (json!({"name": "x", "query": {"sql": "SELECT 1", "limit": 100_001}}), "query.limit"),
        (
            json!({"name": "x", "query": {"table": "orders", "measures": [{"aggregate": "count"}]}}),
            "query.data_source_id",
        ),
        (parts(json!({"measures": [{"aggregate": "sum", "column": "nothing"}]})), "query.measures[0].column"),
        (parts(json!({"table": "nothing", "measures": [{"aggregate": "count"}]})), "query.table"),
        (sql(json!({"parameters": [{"name": "Month"}]})), "parameters[0].name"),
        (sql(json!({"parameters": [{"name": "a"}, {"name": "a"}]})), "parameters[1].name"),
        (sql(json!({"parameters": [{"name": "a", "default": [1]}]})), "parameters[0].default"),
    ] {
        let refused = owner.post(QUERIES, body.clone()).await.refuses(400, "invalid_request");
        assert_eq!(refused["field"], field, "{body}: {refused}");
    }
    owner
        .post(QUERIES, json!({"name": "x", "query": {"sql": "SELECT 1", "parameters": [1]}}))
        .await
        .refuses(400, "unknown_field");
    let nowhere = json!({"name": "x", "query": {"sql": "SELECT 1", "data_source_id": "ds_99"}});
    owner.post(QUERIES, nowhere).await.refuses(404, "not_found");
    assert_eq!(owner.get(QUERIES).await.is(200)["data"], json!([]), "nothing was saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_set_by_name_and_have_defaults() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let id = save(&owner, by_region(&source)).await;
    let north_and_south = json!([["north", 2], ["south", 1]]);
    assert_eq!(rows(&owner.get(&result(&id)).await), north_and_south);
    assert_eq!(rows(&with(&owner, &id, &json!({"least": 200})).await), json!([["south", 1]]));
    assert_eq!(rows(&with(&owner, &id, &json!({"all": true})).await), json!([["north", 2], ["south", 1], ["west", 1]]));
    for (parameters, word) in [
        (json!({"other": 1}), "least, all"),
        (json!({"least": [1]}), "`least`"),
        (json!([200]), "JSON object"),
        (json!("x"), "JSON object"),
    ] {
        let answer = with(&owner, &id, &parameters).await;
        assert_eq!(answer.refuses(400, "invalid_parameter")["parameter"], "parameters");
        assert!(answer.message().contains(word), "{parameters}: {}", answer.message());
    }
    owner.get(&format!("{}?least=200", result(&id))).await.refuses(400, "invalid_parameter");
    let needs = json!({"name": "x", "query": {"sql": "SELECT $1"}, "parameters": [{"name": "a"}]});
    let id = save(&owner, needs).await;
    owner.get(&result(&id)).await.refuses(400, "invalid_parameter");
    assert_eq!(rows(&with(&owner, &id, &json!({"a": "' OR 1"})).await), json!([["' OR 1"]]));
    // SQL is read when it is run.
    let wrong = save(&owner, json!({"name": "x", "query": {"sql": "SELEKT 1"}})).await;
    owner.get(&result(&wrong)).await.refuses(400, "invalid_sql");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_computed_once_until_its_data_changes() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let id = save(&owner, by_region(&source)).await;
    let first = owner.get(&result(&id)).await;
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    assert_eq!((world.app.effort.queries(), kept(&world).len()), (1, 1));
    let second = owner.get(&result(&id)).await;
    assert_eq!((&second.body, tag(&second)), (&first.body, tag(&first)));
    let held = owner.with("if-none-match", &tag(&first)).get(&result(&id)).await;
    assert_eq!((held.status, held.body.len(), tag(&held)), (304, 0, tag(&first)));
    // Another query that asks the same has the same result, on the other face too.
    let same = save(&owner, by_region(&source)).await;
    assert_eq!(owner.get(&result(&same)).await.body, first.body);
    assert_eq!(owner.get("/api/queries/1/result/").await.body, first.body);
    assert_eq!(world.app.effort.queries(), 1, "all of it was computed once");

    // Each form and each value has a result of its own.
    let csv = owner.with("accept", "text/csv").get(&result(&id)).await;
    assert_eq!((csv.text().as_str(), csv.header("vary")), ("region,n\r\nnorth,2\r\nsouth,1\r\n", Some("accept")));
    assert_ne!(tag(&csv), tag(&first));
    with(&owner, &id, &json!({"least": 200})).await.is(200);
    assert_eq!(world.app.effort.queries(), 3);

    // New data, another source's first.
    upload(&owner, "Other", "other.csv", b"x\n1\n").await.is(201);
    assert_eq!(tag(&owner.get(&result(&id)).await), tag(&first));
    let load = [Part::File("orders.csv", b"day,region,amount,note\n2026-01-01,east,7,\n".as_slice())];
    owner.upload(&format!("/v1/data-sources/{source}/files"), &load).await.is(200);
    let fresh = owner.with("if-none-match", &tag(&first)).get(&result(&id)).await;
    assert_eq!(rows(&fresh), json!([["east", 1]]));
    assert_ne!(tag(&fresh), tag(&first));

    // A restart keeps them; a source takes them along.
    let world = world.restarted().await;
    let owner = world.bearer(owner.secret());
    assert_eq!(owner.get(&result(&id)).await.body, fresh.body);
    assert_eq!(world.app.effort.queries(), 0);
    assert!(!kept(&world).is_empty());
    owner.delete(&format!("/v1/data-sources/{source}")).await.is(200);
    assert!(kept(&world).is_empty());
    owner.get(&result(&id)).await.refuses(404, "not_found");
    let asked = owner.post("/v1/query", json!({"sql": "SELECT 1", "data_source_id": source})).await;
    assert_eq!(asked.message(), owner.get(&result(&id)).await.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_no_results_removes_those_that_were_kept() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let id = save(&owner, by_region(&source)).await;
    let first = owner.get(&result(&id)).await;
    assert_eq!(kept(&world).len(), 1);
    let world = world.restarted_with(|plot| plot.settings.query_cache = 0).await;
    let owner = world.bearer(owner.secret());
    assert!(kept(&world).is_empty());
    assert_eq!(rows(&owner.get(&result(&id)).await), rows(&first));
    assert!(kept(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_a_source_is_of_all_of_them() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let id = save(&owner, json!({"name": "x", "query": {"sql": "SELECT count(*) FROM sales.orders"}})).await;
    let first = owner.get(&result(&id)).await;
    upload(&owner, "Other", "other.csv", b"x\n1\n").await.is(201);
    let second = owner.get(&result(&id)).await;
    assert_eq!(rows(&first), rows(&second));
    assert_ne!(tag(&first), tag(&second), "it might have read the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_the_time_or_chance_is_computed_each_time() {
    let world = World::new().await;
    let owner = world.owner().await;
    for sql in [
        "SELECT now()",
        "SELECT * FROM (VALUES (1)) AS t(x) WHERE x < random() + 2",
        "SELECT (SELECT max(uuid()) FROM (VALUES (1)) AS t(x))",
        "WITH d AS (SELECT current_date AS today) SELECT * FROM d",
    ] {
        let id = save(&owner, json!({"name": "x", "query": {"sql": sql}})).await;
        let before = world.app.effort.queries();
        for _ in 0..2 {
            let answer = owner.with("if-none-match", "*").get(&result(&id)).await;
            assert_eq!((answer.status, answer.header("etag")), (200, None), "{sql}: {}", answer.text());
        }
        assert_eq!(world.app.effort.queries(), before + 2, "{sql}");
    }
    assert!(kept(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_have_it_computed_once() {
    let world = World::new().await;
    let owner = world.owner().await;
    let sql = "SELECT count(DISTINCT a * b) FROM unnest(range(0, 1500)) AS s(a), unnest(range(0, 1500)) AS t(b)";
    let id = save(&owner, json!({"name": "x", "query": {"sql": sql}})).await;
    let asking = (0..20).map(|_| {
        let (owner, path) = (owner.clone(), result(&id));
        tokio::spawn(async move { owner.get(&path).await })
    });
    let asking: Vec<_> = asking.collect();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.unwrap());
    }
    let first = answers[0].is(200);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["rows"] == first["rows"]));
    // Whoever came while it was computed waited along, and whoever came later has it from the cache.
    assert_eq!((world.app.effort.queries(), kept(&world).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_and_those_that_were_cut_are_kept_as_they_are() {
    let world = World::new().await;
    let owner = world.owner().await;
    let sql = "SELECT a, repeat('x', 100) AS b FROM unnest(range(0, 9000)) AS s(a) ORDER BY a";
    let id = save(&owner, json!({"name": "x", "query": {"sql": sql, "limit": 5000}})).await;
    let accepting = |form: &str| owner.with("accept", form);
    for form in
        ["application/json", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]
    {
        let first = accepting(form).get(&result(&id)).await;
        let told = |answer: &Answer| {
            ["x-row-count", "x-truncated", "content-type"].map(|name| answer.header(name).map(str::to_owned))
        };
        assert_eq!(told(&first)[..2], [Some("5000".to_owned()), Some("true".to_owned())], "{form}");
        let second = accepting(form).get(&result(&id)).await;
        assert_eq!((&second.body, told(&second)), (&first.body, told(&first)), "{form}");
    }
    assert_eq!(world.app.effort.queries(), 4);
    let scratch = || {
        let names = std::fs::read_dir(world.data().join("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| ["result-", "query-"].iter().any(|kind| name.to_str().unwrap().starts_with(kind))).count()
    };
    // They go when the last byte was taken.
    until_so("the end of what results were sent from", || scratch() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_takes_the_permission_to_query() {
    let world = World::new().await;
    let viewer = world.key_of(Role::Viewer, Scope::ReadWrite).await;
    viewer.get(QUERIES).await.refuses(403, "permission_missing");
    viewer.post(QUERIES, json!({"name": "x", "query": {"sql": "SELECT 1"}})).await.refuses(403, "permission_missing");
    let asks = world.key_with(&[Permission::AnalyticsQuery]).await;
    let id = save(&asks, json!({"name": "x", "query": {"sql": "SELECT 1"}})).await;
    viewer.get(&result(&id)).await.refuses(403, "permission_missing");
    assert_eq!(rows(&asks.get(&result(&id)).await), json!([[1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_one_organisation_are_not_those_of_another() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    upload(&owner, "Sales", "orders.csv", b"x\n1\n").await.is(201);
    upload(&stranger, "Sales", "orders.csv", b"x\n2\n").await.is(201);
    let query = json!({"name": "x", "query": {"sql": "SELECT * FROM sales.orders"}});
    let (ours, theirs) = (save(&owner, query.clone()).await, save(&stranger, query).await);
    let (our, their) = (owner.get(&result(&ours)).await, stranger.get(&result(&theirs)).await);
    assert_eq!((rows(&our), rows(&their)), (json!([[1]]), json!([[2]])));
    assert_ne!(tag(&our), tag(&their));
    let held = stranger.with("if-none-match", &tag(&our)).get(&result(&theirs)).await;
    assert_eq!(rows(&held), json!([[2]]));
}

#[test]
fn a_saved_query_is_run_from_the_command_line_by_name_and_id() {
    let installation = Installation::new();
    let key = installation.key("maker");
    let serving = installation.serve();
    let saved =
        r#"{"name": "Twice", "query": {"sql": "SELECT $1 * 2 AS n"}, "parameters": [{"name": "of", "default": 4}]}"#;
    let made = serving.post("/v1/queries", &key, saved).unwrap();
    assert_eq!(made.status, 201, "{}", made.body);
    for (arguments, printed) in
        [(&["--saved", "Twice"][..], "n\n8\n"), (&["--saved", "q_1", "--parameter", "of=21"], "n\n42\n")]
    {
        let output = installation.run(&[&["query"], arguments].concat());
        assert_eq!(text(&output.stdout), printed, "{}", text(&output.stderr));
    }
    for (arguments, code) in [
        (&["--saved", "Nothing"][..], 1),
        (&["--saved", "Twice", "--parameter", "off=1"], 2),
        (&["--saved", "Twice", "SELECT 1"], 2),
        (&[], 2),
    ] {
        let output = installation.run(&[&["query"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
    assert_eq!(serving.stop(), Some(0));
}
