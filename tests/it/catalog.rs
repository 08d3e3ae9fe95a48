//! Tables and columns are described, renamed and hidden; what they hold is told; all of it outlives new data.

use claribi::domain::access::{Permission, Role, Scope};
use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::sources::sales;
use crate::world::World;

const TABLE: &str = "/v1/data-sources/ds_1/tables/orders";

async fn query(actor: &Actor, sql: &str) -> Value {
    actor.post("/v1/query", json!({"sql": sql})).await.is(200)
}

fn names(table: &Value) -> Vec<&str> {
    table["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_told_with_columns_rows_bytes_and_when_their_data_came() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    world.pass(60);
    let files = [Part::Field("mode", "replace"), Part::File("People.csv", b"name\nAda\n")];
    owner.upload("/v1/data-sources/ds_1/files", &files).await.is(200);
    let told = owner.get("/v1/data-sources/ds_1/tables").await.is(200);
    assert_eq!((&told["data_source_id"], &told["slug"]), (&json!("ds_1"), &json!("sales")));
    let [orders, people] = told["tables"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(
        (&orders["name"], &orders["rows"], &orders["file"]),
        (&json!("orders"), &json!(4), &json!("orders.csv"))
    );
    assert_eq!((&people["name"], &people["file"]), (&json!("people"), &json!("People.csv")));
    assert!(orders["bytes"].as_u64().unwrap() > 100 && orders["present"] == true && orders["hidden"] == false);
    let came = |table: &Value| table["loaded_at"].as_str().unwrap().to_owned();
    assert!(came(orders) < came(people), "the one that stayed is as old as it was: {told}");
    assert_eq!(told["last_synced_at"], people["loaded_at"]);
    assert_eq!(names(orders), ["day", "region", "amount", "note"]);
    assert_eq!((&orders["columns"][2]["type"], &orders["columns"][2]["nullable"]), (&json!("double"), &json!(true)));
    assert_eq!(owner.get(TABLE).await.is(200), *orders);
    assert_eq!(owner.get("/api/data-sources/1/tables/orders/").await.is(200), *orders);
    owner.get("/v1/data-sources/ds_1/tables/nothing").await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renamed_goes_by_its_new_name_alone() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let words = json!({
        "name": "bookings", "description": "What was sold.",
        "columns": [{"column": "amount", "name": "Revenue", "description": "In euros."}],
    });
    let told = owner.patch(TABLE, words).await.is(200);
    assert_eq!((&told["name"], &told["source_name"]), (&json!("bookings"), &json!("orders")));
    assert_eq!(told["columns"][2]["description"], "In euros.");
    assert_eq!(world.last_call().changes.len(), 1);
    let sum = query(&owner, "SELECT sum(b.Revenue) AS r FROM sales.bookings b WHERE b.region = 'north'").await;
    assert_eq!(sum["rows"], json!([[150.75]]));
    let all = query(&owner, "SELECT * FROM sales.bookings ORDER BY day LIMIT 1").await;
    assert_eq!(all["columns"][2], json!({"name": "Revenue", "type": "double"}));
    for gone in ["SELECT 1 FROM sales.orders", "SELECT amount FROM sales.bookings"] {
        let refusal = owner.post("/v1/query", json!({"sql": gone})).await.refuses(400, "invalid_sql");
        let message = refusal["message"].as_str().unwrap();
        assert!(!message.contains("extract"), "nothing is told of what lies below: {message}");
    }
    let parts = json!({
        "data_source_id": source, "table": "bookings",
        "measures": [{"column": "Revenue", "aggregate": "sum"}], "dimensions": ["region"],
    });
    assert_eq!(owner.post("/v1/query", parts).await.is(200)["rows"][0], json!(["south", 200.0]));
    let shown = &owner.get("/v1/data-sources/ds_1").await.is(200)["tables"][0];
    assert_eq!((&shown["name"], names(shown)), (&json!("bookings"), vec!["day", "region", "Revenue", "note"]));
    owner.get(TABLE).await.is(200);
    let profiled = owner.get(&format!("{TABLE}/profile")).await.is(200);
    assert_eq!(names(&profiled), ["day", "region", "Revenue", "note"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_not_there_for_queries_profiles_and_reports() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    owner.get(&format!("{TABLE}/profile")).await.is(200);
    owner.patch(TABLE, json!({"columns": [{"column": "note", "hidden": true}]})).await.is(200);
    let all = query(&owner, "SELECT * FROM sales.orders LIMIT 1").await;
    assert_eq!(all["columns"].as_array().unwrap().len(), 3);
    for sql in ["SELECT note FROM sales.orders", "SELECT 1 FROM sales.orders o WHERE o.note IS NULL"] {
        let answer = owner.post("/v1/query", json!({"sql": sql})).await;
        answer.refuses(400, "invalid_sql");
    }
    let profiled = owner.get(&format!("{TABLE}/profile")).await.is(200);
    assert!(!profiled.to_string().contains("with, comma"), "{profiled}");
    let template = owner.get("/v1/report-templates?kind=profile").await.is(200)["data"][0]["id"].clone();
    let report = json!({"template_id": template, "data_source_ids": [source], "output_format": "json"});
    let report = owner.post("/v1/reports/generate", report).await.is(201)["report_id"].clone();
    let file = owner.get(&format!("/v1/reports/{}/download", report.as_str().unwrap())).await;
    assert!(file.text().contains("region") && !file.text().contains("with, comma"));
    owner.patch(TABLE, json!({"hidden": true})).await.is(200);
    owner.post("/v1/query", json!({"sql": "SELECT 1 FROM sales.orders"})).await.refuses(400, "invalid_sql");
    assert_eq!(owner.get("/v1/data-sources/ds_1").await.is(200)["tables"], json!([]));
    assert_eq!(owner.get(&format!("{TABLE}/profile")).await.is(200)["columns"], json!([]));
    assert_eq!(owner.get(TABLE).await.is(200)["hidden"], true, "who may read data sources sees that it is hidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_outlive_new_data_and_wait_for_what_has_vanished() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    owner
        .patch(TABLE, json!({"columns": [{"column": "amount", "name": "revenue", "description": "In euros."}]}))
        .await
        .is(200);
    let send = async |mode: &str, bytes: &[u8]| {
        let files = [Part::Field("mode", mode), Part::File("orders.csv", bytes)];
        owner.upload("/v1/data-sources/ds_1/files", &files).await.is(200)
    };
    send("replace", b"day,amount\n2027-01-01,7\n").await;
    send("append", b"day,amount\n2027-01-02,5\n").await;
    assert_eq!(query(&owner, "SELECT sum(revenue) FROM sales.orders").await["rows"], json!([[12]]));
    send("replace", b"day,revenue\n2027-01-01,1\n").await;
    assert_eq!(query(&owner, "SELECT revenue FROM sales.orders").await["rows"], json!([[1]]), "there is no other");
    let told = owner.get(TABLE).await.is(200);
    let gone = told["columns"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&gone["source_name"], &gone["present"], &gone["type"]),
        (&json!("amount"), &json!(false), &Value::Null)
    );
    assert_eq!(gone["description"], "In euros.");
    send("replace", b"day,revenue,amount\n2027-01-01,1,2\n").await;
    let both = query(&owner, "SELECT revenue, revenue_2 FROM sales.orders").await;
    assert_eq!(both["rows"], json!([[2, 1]]), "the name is whose it was given to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused_and_nothing_is_half_done() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let before = owner.get(TABLE).await.is(200);
    let both = json!({"description": "x", "columns": [{"column": "day", "hidden": true}, {"column": "note", "name": "AMOUNT"}]});
    owner.patch(TABLE, both).await.refuses(409, "conflict");
    for wrong in [
        json!({}),
        json!({"columns": []}),
        json!({"columns": [{"column": "day"}]}),
        json!({"name": "Not A Name"}),
        json!({"name": ""}),
        json!({"description": "x".repeat(1_001)}),
        json!({"columns": [{"column": "nothing", "hidden": true}]}),
        json!({"columns": [{"column": "day", "name": "a\u{0}b"}]}),
    ] {
        owner.patch(TABLE, wrong).await.refuses(400, "invalid_request");
    }
    owner.patch(TABLE, json!({"columns": [{"column": "day", "color": 1}]})).await.refuses(400, "unknown_field");
    assert_eq!(owner.get(TABLE).await.is(200), before);
    let tag = owner.get(TABLE).await.header("etag").unwrap().to_owned();
    owner.patch(TABLE, json!({"description": "First."})).await.is(200);
    let late = owner.request("PATCH", TABLE).header("if-match", &tag).json(&json!({"description": "Second."}));
    late.send().await.refuses(412, "precondition_failed");
    assert_eq!(owner.get(TABLE).await.is(200)["description"], "First.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_tells_what_columns_hold_and_is_computed_once() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let path = format!("{TABLE}/profile");
    let told = owner.get(&path).await.is(200);
    assert_eq!((&told["name"], &told["rows"]), (&json!("orders"), &json!(4)));
    let column = |name: &str| {
        let mut columns = told["columns"].as_array().unwrap().iter();
        columns.find(|column| column["name"] == name).unwrap().clone()
    };
    let amount = column("amount");
    assert_eq!(
        (&amount["nulls"], &amount["distinct"], &amount["distinct_is_estimate"]),
        (&json!(1), &json!(3), &json!(false))
    );
    assert_eq!((&amount["min"], &amount["max"]), (&json!(50.25), &json!(200.0)));
    assert!((amount["mean"].as_f64().unwrap() - 350.75 / 3.0).abs() < 1e-9, "{amount}");
    let counted = |column: &Value| -> u64 {
        column["histogram"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(counted(&amount), 3);
    let day = column("day");
    assert_eq!((&day["min"], &day["max"], counted(&day)), (&json!("2026-01-05"), &json!("2026-03-08"), 4));
    assert_eq!(day["histogram"][0]["from"], "2026-01-05");
    assert_eq!(column("region")["top"][0], json!({"value": "north", "count": 2}));
    assert_eq!(told["trend"]["column"], "day");
    let kept =
        || world.files().into_iter().filter(|(path, _)| path.to_str().unwrap().ends_with(".profile.json")).count();
    assert_eq!(kept(), 1);
    assert_eq!(owner.get(&path).await.is(200), told);
    owner.patch(TABLE, json!({"columns": [{"column": "amount", "name": "revenue"}]})).await.is(200);
    assert_eq!(owner.get(&path).await.is(200)["columns"][2]["name"], "revenue");
    assert_eq!(kept(), 1, "another name is no other data");
    let files =
        [Part::Field("mode", "append"), Part::File("orders.csv", b"day,region,amount,note\n2026-03-09,east,1,\n")];
    owner.upload("/v1/data-sources/ds_1/files", &files).await.is(200);
    assert_eq!(owner.get(&path).await.is(200)["rows"], 5, "new data is looked at anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_doubles_is_of_those_that_lie_on_a_line() {
    let world = World::new().await;
    let owner = world.owner().await;
    let files = [Part::Field("name", "Sales"), Part::File("orders.csv", b"x\n0.5\nNaN\n1.5\ninf\n-inf\n2.5\n")];
    let source = owner.upload("/v1/data-sources", &files).await.is(201);
    assert_eq!(source["tables"][0]["columns"][0]["type"], "double");
    let column = owner.get(&format!("{TABLE}/profile")).await.is(200)["columns"][0].clone();
    assert_eq!((&column["min"], &column["max"], &column["mean"]), (&json!(0.5), &json!(2.5), &json!(1.5)));
    let counts = column["histogram"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap());
    assert_eq!((counts.sum::<u64>(), &column["nulls"], &column["distinct"]), (3, &json!(0), &json!(6)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_query_is_told_no_values() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let viewer = world.key_of(Role::Viewer, Scope::ReadOnly).await;
    viewer.get(TABLE).await.is(200);
    viewer.get(&format!("{TABLE}/profile")).await.refuses(403, "permission_missing");
    let analyst = world.key_with(&[Permission::AnalyticsQuery]).await;
    analyst.get(&format!("{TABLE}/profile")).await.is(200);
    analyst.patch(TABLE, json!({"hidden": true})).await.refuses(403, "permission_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_bounded_and_the_log_has_what_changed_of_them() {
    let world = World::new().await;
    let owner = world.owner().await;
    let names: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
    let file = format!("{}\n", names.join(","));
    owner.upload("/v1/data-sources", &[Part::Field("name", "Sales"), Part::File("orders.csv", file.as_bytes())]).await;
    let all = |length: usize| {
        let of = |name: &String| json!({"column": name, "description": "x".repeat(length)});
        json!({"columns": names.iter().map(of).collect::<Vec<_>>()})
    };
    let refusal = owner.patch(TABLE, all(1_000)).await.refuses(409, "conflict");
    assert!(refusal["message"].as_str().unwrap().contains("262144"), "{refusal}");
    owner.patch(TABLE, all(500)).await.is(200);
    owner.patch(TABLE, json!({"columns": [{"column": "c7", "description": "Seven."}]})).await.is(200);

    let log = owner.get("/v1/audit?limit=10").await;
    assert!(log.text().len() < 100_000, "{}", log.text().len());
    let entries = log.is(200)["data"].as_array().unwrap().clone();
    let told: Vec<&Value> = entries
        .iter()
        .flat_map(|entry| entry["changes"].as_array().into_iter().flatten())
        .filter(|change| change["action"] == "data_source.describe")
        .collect();
    let [many, one] = told.as_slice() else { panic!("{told:?}") };
    let words = json!([{"table": "orders", "column": "c7", "name": null, "description": "Seven.", "hidden": false}]);
    assert_eq!(one["after"]["words"], words);
    assert_eq!(one["before"]["words"].as_array().unwrap().len(), 1);
    assert!(many["after"]["words"].as_str().unwrap().contains("SHA-256"), "{many}");
}
