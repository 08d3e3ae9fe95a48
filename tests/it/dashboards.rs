//! Dashboards: made, changed, refreshed, paid for.

use claribi::domain::access::Permission;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::sources::sales;
use crate::world::World;

const DASHBOARDS: &str = "/v1/dashboards";

fn kpi(source: &str) -> Value {
    let query = json!({"data_source_id": source, "sql": "SELECT sum(amount) FROM orders"});
    json!({"type": "kpi", "title": "Revenue", "target": 1000.0, "query": query})
}

fn chart(source: &str) -> Value {
    let sql = "SELECT region, sum(amount) AS total FROM orders GROUP BY region ORDER BY region";
    json!({"type": "bar_chart", "title": "By region", "query": {"data_source_id": source, "sql": sql}})
}

fn table(source: &str) -> Value {
    let sql = "SELECT day, region FROM orders ORDER BY day LIMIT 2";
    json!({"type": "table", "title": "First", "query": {"data_source_id": source, "sql": sql}})
}

fn broken(source: &str) -> Value {
    json!({"type": "kpi", "title": "Broken", "query": {"data_source_id": source, "sql": "SELECT nothing FROM orders"}})
}

async fn create(owner: &Actor, widgets: Vec<Value>) -> Value {
    owner.post(DASHBOARDS, json!({"name": "Sales", "description": "All of it", "widgets": widgets})).await.is(201)
}

async fn remaining(owner: &Actor) -> i64 {
    owner.get("/v1/usage").await.is(200)["credits"]["remaining"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let owner = world.owner().await;
    let made = owner.post(DASHBOARDS, json!({"name": "One", "widgets": []})).await.is(201);
    assert_eq!((&made["id"], &made["refreshed_at"], &made["widgets"]), (&json!("d_1"), &Value::Null, &json!([])));
    assert_eq!(
        (&made["created_at"], &made["updated_at"]),
        (&json!("2026-04-06T09:00:00Z"), &json!("2026-04-06T09:00:00Z"))
    );
    assert_eq!(owner.get("/v1/dashboards/d_1").await.is(200), made);
    world.pass(60);
    let changed = owner.patch("/v1/dashboards/d_1", json!({"description": "Why"})).await.is(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("One"), &json!("Why")));
    assert_eq!(changed["updated_at"], "2026-04-06T09:01:00Z");
    for nothing in [json!({}), json!({"name": null})] {
        owner.patch("/v1/dashboards/d_1", nothing).await.refuses(400, "invalid_request");
    }
    assert_eq!(owner.delete("/v1/dashboards/d_1").await.is(200), json!({"id": "d_1", "deleted": true}));
    owner.get("/v1/dashboards/d_1").await.refuses(404, "not_found");
    owner.delete("/v1/dashboards/d_1").await.refuses(404, "not_found");
    assert_eq!(owner.post(DASHBOARDS, json!({"name": "Two"})).await.is(201)["id"], "d_2", "ids are never used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_face_spells_the_ids_in_its_own_way() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.post(DASHBOARDS, json!({"name": "One"})).await.is(201);
    assert_eq!(owner.get("/api/dashboards/1/").await.is(200)["id"], 1);
    let external = owner.get("/api/v1/dashboards/d_1/").await.is(200)["id"].as_str().unwrap().to_owned();
    assert_eq!(external.len(), 36);
    for path in [
        format!("/v1/dashboards/{external}"),
        format!("/api/dashboards/{external}/"),
        format!("/api/v1/dashboards/{external}/"),
    ] {
        assert_eq!(owner.get(&path).await.is(200)["name"], "One", "{path}");
    }
    let external = owner.patch(&format!("/api/v1/dashboards/{external}/"), json!({"widgets": []})).await;
    external.refuses(400, "unknown_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_computes_every_widget_and_costs_credits() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let made = create(&owner, vec![kpi(&source), chart(&source), table(&source)]).await;
    assert_eq!((&made["widgets"][0]["value"], made["widgets"][0]["target"].as_f64()), (&Value::Null, Some(1000.0)));
    let before = remaining(&owner).await;
    world.pass(60);
    let refresh = owner.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    let cost = refresh["credits_consumed"].as_i64().unwrap();
    assert_eq!(
        refresh,
        json!({"dashboard_id": "d_1", "refreshed_at": "2026-04-06T09:01:00Z", "credits_consumed": cost, "widgets_failed": 0})
    );
    assert!(cost >= 4, "one, one for each widget, and what was read: {cost}");
    assert_eq!(remaining(&owner).await, before - cost);
    let call = world.calls().into_iter().find(|call| call.operation.as_deref() == Some("dashboards_refresh")).unwrap();
    assert_eq!((call.credits, call.changes.len()), (cost, 1));

    let shown = owner.get("/v1/dashboards/d_1").await.is(200);
    assert_eq!((&shown["refreshed_at"], &shown["updated_at"]), (&json!("2026-04-06T09:01:00Z"), &made["updated_at"]));
    let widgets = &shown["widgets"];
    assert_eq!((&widgets[0]["value"], &widgets[0]["error"]), (&json!(350.75), &Value::Null));
    assert_eq!(
        widgets[1]["series"],
        json!([{"name": "total", "points": [["north", 150.75], ["south", 200.0], ["west", null]]}])
    );
    assert_eq!(widgets[2]["rows"], json!([["2026-01-05", "north"], ["2026-01-06", "south"]]));
    let one = owner.get(&format!("/v1/dashboards/d_1/widgets/{}", widgets[0]["id"].as_str().unwrap())).await.is(200);
    assert_eq!(one, widgets[0]);
    owner.get("/v1/dashboards/d_1/widgets/w_99").await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_keeps_its_last_digit_wherever_it_passes() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let number = json!(-124.76833333333333);
    let sql = "SELECT CAST('-124.76833333333333' AS DOUBLE) AS x";
    let widget = |kind: &str| json!({"type": kind, "title": "X", "query": {"data_source_id": source, "sql": sql}});
    create(&owner, vec![widget("kpi"), widget("table")]).await;
    owner.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    let shown = owner.get("/v1/dashboards/d_1").await.is(200);
    assert_eq!((&shown["widgets"][0]["value"], &shown["widgets"][1]["rows"]), (&number, &json!([[number]])));
    let asked = json!({"sql": "SELECT $1 AS x", "parameters": [number]});
    assert_eq!(owner.post("/v1/query", asked).await.is(200)["rows"], json!([[number]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_widget_keeps_its_last_value_beside_its_error() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let made = create(&owner, vec![kpi(&source), broken(&source)]).await;
    let refresh = owner.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    assert_eq!(refresh["widgets_failed"], 1);
    let shown = owner.get("/v1/dashboards/d_1").await.is(200);
    assert_eq!(shown["widgets"][0]["value"], 350.75);
    assert_eq!(shown["widgets"][1]["value"], Value::Null);
    assert_eq!(shown["widgets"][1]["error"]["code"], "invalid_sql");
    assert!(shown["widgets"][1]["error"]["message"].as_str().unwrap().contains("nothing"));

    let mut spoiled = broken(&source);
    (spoiled["id"], spoiled["title"]) = (made["widgets"][0]["id"].clone(), json!("Revenue"));
    owner.patch("/v1/dashboards/d_1", json!({"widgets": [spoiled]})).await.is(200);
    owner.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    let widget = owner.get("/v1/dashboards/d_1").await.is(200)["widgets"][0].clone();
    assert_eq!(widget["error"]["code"], "invalid_sql");
}

#[tokio::test(flavor = "multi_thread")]
async fn widgets_are_replaced_as_a_list_and_known_ids_are_kept() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let made = create(&owner, vec![kpi(&source), chart(&source)]).await;
    let id = |index: usize| made["widgets"][index]["id"].clone();
    owner.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    let mut kept = kpi(&source);
    (kept["id"], kept["title"]) = (id(0), json!("Renamed"));
    let changed = owner.patch("/v1/dashboards/d_1", json!({"widgets": [table(&source), kept]})).await.is(200);
    let widgets = changed["widgets"].as_array().unwrap();
    assert_eq!(widgets.len(), 2);
    assert_eq!(
        (&widgets[1]["id"], &widgets[1]["title"], &widgets[1]["value"]),
        (&id(0), &json!("Renamed"), &json!(350.75))
    );
    assert!(widgets[0]["id"] != id(0) && widgets[0]["id"] != id(1), "a new one has a new id");
    owner.get(&format!("/v1/dashboards/d_1/widgets/{}", id(1).as_str().unwrap())).await.refuses(404, "not_found");

    let mut stranger = kpi(&source);
    stranger["id"] = json!("w_999");
    let answer = owner.patch("/v1/dashboards/d_1", json!({"widgets": [stranger]})).await;
    assert!([400, 404].contains(&answer.status), "{}", answer.text());
    let mut twice = kpi(&source);
    twice["id"] = id(0);
    let answer = owner.patch("/v1/dashboards/d_1", json!({"widgets": [twice.clone(), twice]})).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(
        owner.get("/v1/dashboards/d_1").await.is(200)["widgets"].as_array().unwrap().len(),
        2,
        "refusals change nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn widgets_are_checked_before_they_are_stored() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let with = |change: Value| {
        let mut widget = kpi(&source);
        for (name, value) in change.as_object().unwrap() {
            widget[name] = value.clone();
        }
        json!({"name": "x", "widgets": [widget]})
    };
    for (change, status, field) in [
        (json!({"type": "pie"}), 400, "widgets[0].type"),
        (json!({"title": ""}), 400, "widgets[0].title"),
        (json!({"title": "x".repeat(201)}), 400, "widgets[0].title"),
        (json!({"query": {"data_source_id": source, "sql": ""}}), 400, "widgets[0].query.sql"),
        (json!({"query": {"sql": "SELECT 1"}}), 400, "widgets[0].query.data_source_id"),
        (json!({"target": "much"}), 400, "widgets[0].target"),
    ] {
        let answer = owner.post(DASHBOARDS, with(change)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.envelope()["field"], field, "{}", answer.text());
    }
    owner
        .post(DASHBOARDS, with(json!({"query": {"data_source_id": "ds_99", "sql": "SELECT 1"}})))
        .await
        .refuses(404, "not_found");
    let many = vec![kpi(&source); 101];
    owner.post(DASHBOARDS, json!({"name": "x", "widgets": many})).await.refuses(400, "invalid_request");
    assert_eq!(owner.get(DASHBOARDS).await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_credits_are_told_with_both_figures_and_cost_nothing() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.credits_per_month = 3)).await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    create(&owner, vec![kpi(&source), chart(&source)]).await;
    for path in ["/v1/dashboards/d_1/refresh", "/api/dashboards/1/refresh/", "/api/v1/dashboards/d_1/refresh/"] {
        let refusal = owner.post(path, json!({})).await.refuses(402, "insufficient_credits");
        assert_eq!(refusal["credits_remaining"], 3, "{path}");
        assert!(refusal["estimated_cost"].as_i64().unwrap() > 3, "{path}");
    }
    assert_eq!(remaining(&owner).await, 3);
    assert_eq!(owner.get("/v1/dashboards/d_1").await.is(200)["refreshed_at"], Value::Null);
    world.pass(26 * 86_400);
    let usage = owner.get("/v1/usage").await.is(200);
    assert_eq!(usage["credits"]["resets_at"], "2026-06-01T00:00:00Z", "another month");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_refreshes_never_overspend() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.credits_per_month = 7)).await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    create(&owner, vec![kpi(&source)]).await;
    let refreshing: Vec<_> = (0..6)
        .map(|_| {
            let owner = owner.clone();
            tokio::spawn(async move { owner.post("/v1/dashboards/d_1/refresh", json!({})).await })
        })
        .collect();
    let mut spent = 0;
    for answer in refreshing {
        let answer = answer.await.unwrap();
        match answer.status {
            200 => spent += answer.json()["credits_consumed"].as_i64().unwrap(),
            _ => drop(answer.refuses(402, "insufficient_credits")),
        }
    }
    assert_eq!((spent, remaining(&owner).await), (6, 1));
    let usage = owner.get("/v1/usage").await.is(200);
    assert_eq!((&usage["credits"]["used"], &usage["credits"]["reserved"]), (&json!(6), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_widget_is_no_way_round_the_permission_to_query() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let made = create(&owner, vec![kpi(&source)]).await;
    // Everything that dashboards take, and nothing that runs a query of one's own.
    let designer = world
        .key_with(&[
            Permission::DashboardsRead,
            Permission::DashboardsCreate,
            Permission::DashboardsUpdate,
            Permission::DashboardsRefresh,
        ])
        .await;
    let secret = json!({"name": "x", "widgets": [table(&source)]});
    let mut changed = made["widgets"][0].clone();
    changed = json!({"id": changed["id"], "type": "kpi", "title": "Revenue", "query": table(&source)["query"]});
    let refused = [
        designer.post(DASHBOARDS, secret.clone()).await,
        designer.post("/api/dashboards/", secret.clone()).await,
        designer.post("/api/v1/dashboards/", secret.clone()).await,
        designer.patch("/v1/dashboards/d_1", json!({"widgets": [table(&source)]})).await,
        designer.patch("/v1/dashboards/d_1", json!({"widgets": [changed]})).await,
        designer.patch("/api/dashboards/1/", json!({"widgets": [table(&source)]})).await,
        designer.post("/v1/query", json!({"sql": "SELECT 1"})).await,
    ];
    for answer in &refused {
        assert_eq!(answer.refuses(403, "permission_missing")["permission"], "analytics:query");
    }
    assert_eq!(owner.get("/v1/dashboards/d_1").await.is(200), made, "nothing was done");
    assert_eq!(owner.get(DASHBOARDS).await.is(200)["data"].as_array().unwrap().len(), 1);

    // What shows no query of the caller's own needs no more than it did.
    designer.post(DASHBOARDS, json!({"name": "Empty", "widgets": []})).await.is(201);
    designer.patch("/v1/dashboards/d_1", json!({"name": "Renamed"})).await.is(200);
    let refreshed = designer.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    assert_eq!(refreshed["widgets_failed"], 0, "it runs what somebody saved who may query");
    designer.patch("/v1/dashboards/d_1", json!({"widgets": []})).await.is(200);
}
