//! Uploads become sources with typed tables; what cannot be read leaves nothing.

use claribi::domain::access::{Role, Scope};
use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";

/// Orders of one year, as the tests of queries and dashboards want them.
pub const ORDERS: &str = "day,region,amount,note\n2026-01-05,north,100.5,first\n2026-01-06,south,200,\n\
    2026-02-07,north,50.25,\"with, comma\"\n2026-03-08,west,NA,last\n";

/// Uploads one file as a source of this name.
pub async fn upload(actor: &Actor, name: &str, file: &str, bytes: &[u8]) -> Answer {
    actor.upload(SOURCES, &[Part::Field("name", name), Part::File(file, bytes)]).await
}

/// A source with the orders, `sales.orders`, and its id.
pub async fn sales(actor: &Actor) -> String {
    let source = upload(actor, "Sales", "orders.csv", ORDERS.as_bytes()).await.is(201);
    source["id"].as_str().unwrap().to_owned()
}

fn types(source: &Value) -> Vec<(String, String)> {
    let columns = source["tables"][0]["columns"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    columns.iter().map(|column| (text(&column["name"]), text(&column["type"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_a_source_with_typed_columns() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = upload(&owner, "Sales 2026", "2026 Orders.csv", ORDERS.as_bytes()).await.is(201);
    assert_eq!(
        (&source["name"], &source["slug"], &source["status"]),
        (&json!("Sales 2026"), &json!("sales_2026"), &json!("active"))
    );
    assert_eq!((&source["kind"], &source["mode"], &source["error"]), (&json!("file"), &json!("extract"), &Value::Null));
    let table = &source["tables"][0];
    assert_eq!((&table["name"], &table["rows"]), (&json!("t_2026_orders"), &json!(4)));
    assert_eq!(types(&source), pairs(&[("day", "date"), ("region", "text"), ("amount", "double"), ("note", "text")]));
    let nullable: Vec<_> =
        table["columns"].as_array().unwrap().iter().map(|column| column["nullable"].clone()).collect();
    assert_eq!(nullable, [json!(false), json!(false), json!(true), json!(true)]);

    let id = source["id"].as_str().unwrap();
    assert_eq!(owner.get(&format!("{SOURCES}/{id}")).await.is(200), source);
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([source]));
    assert_eq!(owner.get("/api/data-sources/").await.is(200)["results"][0]["id"], 1);
    assert_eq!(owner.get("/api/v1/data-sources/").await.is(200)["data"][0]["name"], "Sales 2026");
    assert_eq!(world.last_call().operation.as_deref(), Some("data_sources_list"));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_several_tables() {
    let world = World::new().await;
    let owner = world.owner().await;
    let parts = [
        Part::File("orders.csv", b"id,amount\n1,2\n"),
        Part::Field("name", "Shop"),
        Part::File("people.tsv", b"id\tname\n1\tAda\n2\tBob\n"),
    ];
    let source = owner.upload(SOURCES, &parts).await.is(201);
    let tables: Vec<_> = source["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| (table["name"].clone(), table["rows"].clone()))
        .collect();
    assert_eq!(tables, [(json!("orders"), json!(1)), (json!("people"), json!(2))]);
    let clash = [Part::Field("name", "Clash"), Part::File("a.csv", b"x\n1\n"), Part::File("A.csv", b"x\n1\n")];
    let refusal = owner.upload(SOURCES, &clash).await.refuses(422, "invalid_file");
    assert!(refusal["message"].as_str().unwrap().contains("A.csv"), "names the file: {refusal}");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_are_recognised() {
    let world = World::new().await;
    let owner = world.owner().await;
    let utf16: Vec<u8> =
        [0xFEFF].into_iter().chain("city,n\nKöln,1\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [
        ("latin1", b"city,n\nK\xf6ln,1\n".to_vec()),
        ("utf8", "city,n\nKöln,1\n".as_bytes().to_vec()),
        ("bom", [b"\xef\xbb\xbf", "city,n\nKöln,1\n".as_bytes()].concat()),
        ("utf16", utf16),
    ] {
        let source = upload(&owner, name, "cities.csv", &bytes).await.is(201);
        assert_eq!(types(&source), pairs(&[("city", "text"), ("n", "integer")]), "{name}");
        let sql = format!("SELECT city, n FROM {name}.cities");
        assert_eq!(owner.post("/v1/query", json!({"sql": sql})).await.is(200)["rows"], json!([["Köln", 1]]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_leaves_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    let binary: Vec<u8> = (0..4_000_u32).map(|index| u8::try_from((index * 7919) % 251).unwrap()).collect();
    let mut ragged = b"a,b,c\n".to_vec();
    for _ in 0..20 {
        ragged.extend_from_slice(b"1,2,3\n");
    }
    ragged.extend_from_slice(b"1,2,3,4,5\n");
    for (name, file, bytes) in [
        ("empty", "empty.csv", Vec::new()),
        ("blank", "blank.csv", b"\n\n\n".to_vec()),
        ("binary", "binary.csv", binary),
        ("picture", "picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("ragged", "ragged.csv", ragged),
    ] {
        let answer = upload(&owner, name, file, &bytes).await;
        answer.refuses(422, "invalid_file");
        let message = answer.message();
        assert!(!message.contains(world.data().to_str().unwrap()) && !message.contains("/tmp"), "{message}");
    }
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    let left: Vec<_> = world
        .files()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| {
            path.starts_with(world.app.data.sources())
                || path.starts_with(world.app.data.uploads())
                || path.starts_with(world.app.data.tmp())
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
    sales(&owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_must_be_a_form_with_a_name_and_a_file() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.upload(SOURCES, &[Part::Field("name", "x")]).await.refuses(400, "invalid_request");
    owner.upload(SOURCES, &[Part::File("a.csv", b"a\n1\n")]).await.refuses(400, "invalid_request");
    owner.upload(SOURCES, &[]).await.refuses(400, "invalid_request");
    let unknown = [Part::Field("name", "x"), Part::Field("color", "red"), Part::File("a.csv", b"a\n1\n")];
    owner.upload(SOURCES, &unknown).await.refuses(400, "unknown_field");
    owner.post(SOURCES, json!({"name": "x"})).await.refuses(400, "invalid_request");
    let other = owner.request("POST", SOURCES).header("content-type", "text/csv").body("a\n1\n");
    other.send().await.refuses(415, "unsupported_media_type");
    let cut = owner.request("POST", SOURCES).header("content-type", "multipart/form-data; boundary=b");
    cut.body("--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx")
        .send()
        .await
        .refuses(400, "invalid_request");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_files_are_no_paths() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = upload(&owner, "x", "../../../../tmp/escaped.csv", b"a\n1\n").await.is(201);
    let table = source["tables"][0]["name"].as_str().unwrap();
    assert!(table.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{table}");
    assert!(world.files().iter().all(|(path, _)| !path.to_str().unwrap().contains("escaped.csv")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_over_the_limit_is_refused_and_leaves_nothing() {
    let world = World::with(|plot| plot.http.upload_limit = 100_000).await;
    let owner = world.owner().await;
    let large = format!("a\n{}", "1\n".repeat(100_000));
    upload(&owner, "x", "a.csv", large.as_bytes()).await.refuses(413, "too_large");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    assert_eq!(std::fs::read_dir(world.app.data.tmp()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn analysts_read_sources_and_do_not_make_them() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    let refusal = upload(&analyst, "x", "a.csv", b"a\n1\n").await.refuses(403, "permission_missing");
    assert_eq!(refusal["permission"], "data_sources:create");
    assert_eq!(analyst.get(SOURCES).await.is(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_be_larger_than_a_json_body() {
    let world = World::new().await;
    let owner = world.owner().await;
    let line = format!("7,{}\n", "x".repeat(200));
    let mut bytes = b"number,text\n".to_vec();
    (0..12_000).for_each(|_| bytes.extend_from_slice(line.as_bytes()));
    assert!(bytes.len() > 2 << 20);
    let source = upload(&owner, "Large", "large.csv", &bytes).await.is(201);
    assert_eq!(source["tables"][0]["rows"], 12_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_renamed_and_keeps_its_name_in_sql() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let renamed = owner.patch("/v1/data-sources/ds_1", json!({"name": "Orders of the year"})).await.is(200);
    assert_eq!((&renamed["name"], &renamed["slug"]), (&json!("Orders of the year"), &json!("sales")));
    assert_eq!(world.last_call().changes.len(), 1);
    assert_eq!(owner.patch("/api/data-sources/1/", json!({"name": "Orders"})).await.is(200)["name"], "Orders");
    let count = owner.post("/api/analytics/query/", json!({"sql": "SELECT count(*) FROM sales.orders"})).await;
    assert_eq!(count.is(200)["rows"], json!([[4]]));
    for nothing in [json!({}), json!({"name": " "}), json!({"name": null})] {
        owner.patch("/v1/data-sources/ds_1", nothing).await.refuses(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_in_use_is_not_deleted_and_the_refusal_names_who_uses_it() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    let query = json!({"data_source_id": source, "sql": "SELECT sum(amount) FROM orders"});
    let widgets = json!([{"type": "kpi", "title": "Revenue", "query": query}]);
    owner.post("/v1/dashboards", json!({"name": "Board", "widgets": widgets})).await.is(201);
    let template = owner.get("/v1/report-templates").await.is(200)["data"][0]["id"].clone();
    let report = json!({"template_id": template, "data_source_ids": [source], "name": "Profile"});
    owner.post("/v1/reports", report).await.is(201);
    let refusal = owner.delete("/v1/data-sources/ds_1").await.refuses(409, "conflict");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("dashboard d_1 (Board)") && message.contains("report r_1 (Profile)"), "{message}");
    owner.get("/v1/data-sources/ds_1").await.is(200);
    owner.delete("/v1/dashboards/d_1").await.is(200);
    owner.delete("/v1/data-sources/ds_1").await.refuses(409, "conflict");
    owner.delete("/v1/reports/r_1").await.is(200);
    let deleted = owner.delete("/v1/data-sources/ds_1").await.is(200);
    assert_eq!(deleted, json!({"id": "ds_1", "deleted": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_source_is_gone_for_queries_and_its_extract_is_collected_later() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    assert_eq!(world.extracts(), 1);
    world.pass(86_400);
    assert_eq!(owner.delete("/api/data-sources/1/").await.is(200), json!({"id": 1, "deleted": true}));
    owner.get("/v1/data-sources/ds_1").await.refuses(404, "not_found");
    owner.delete("/v1/data-sources/ds_1").await.refuses(404, "not_found");
    owner.post("/v1/query", json!({"sql": "SELECT 1 FROM sales.orders"})).await.refuses(400, "invalid_sql");
    world.app.collect_garbage().unwrap();
    assert_eq!(world.extracts(), 1, "whoever reads it may end");
    world.pass(601);
    world.app.collect_garbage().unwrap();
    assert_eq!(world.extracts(), 0);
    assert_eq!(sales(&owner).await, "ds_2", "its name in SQL is free again, its id is not");
}
