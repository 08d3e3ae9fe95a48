//! New files for sources that are there: swapped in whole, or not at all.

use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::binary::{Installation, text};
use crate::patience::until_so;
use crate::running;
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";
const FILES: &str = "/v1/data-sources/ds_1/files";

/// A shop with two tables.
async fn shop(owner: &Actor) -> Value {
    let parts = [
        Part::Field("name", "Shop"),
        Part::File("orders.csv", b"id,amount\n1,10\n2,20\n"),
        Part::File("people.csv", b"id,name\n1,Ada\n"),
    ];
    owner.upload(SOURCES, &parts).await.is(201)
}

async fn send(owner: &Actor, mode: &str, file: &str, bytes: &[u8]) -> Answer {
    owner.upload(FILES, &[Part::Field("mode", mode), Part::File(file, bytes)]).await
}

async fn rows(owner: &Actor, sql: &str) -> Value {
    owner.post("/v1/query", json!({"sql": sql})).await.is(200)["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_replace_the_tables_of_their_names_and_others_stay() {
    let world = World::new().await;
    let owner = world.owner().await;
    shop(&owner).await;
    world.pass(60);
    let parts =
        [Part::File("Orders.csv.gz", b"id,amount,day\n7,1.5,2026-01-31\n"), Part::File("stock.json", b"{\"n\": 1}")];
    let source = owner.upload(FILES, &parts).await.is(200);
    let tables = source["tables"].as_array().unwrap().iter();
    let tables: Vec<(&str, u64)> =
        tables.map(|table| (table["name"].as_str().unwrap(), table["rows"].as_u64().unwrap())).collect();
    assert_eq!(tables, [("orders", 1), ("people", 1), ("stock", 1)]);
    assert_eq!(world.last_call().changes.len(), 1);
    assert_eq!(rows(&owner, "SELECT * FROM shop.orders").await, json!([[7, 1.5, "2026-01-31"]]));
    assert_eq!(rows(&owner, "SELECT name FROM shop.people").await, json!([["Ada"]]));
    assert_eq!(owner.get("/v1/data-sources/ds_1").await.is(200), source);
    assert_eq!(world.extracts(), 5, "whoever reads the old one may end");
    world.pass(601);
    world.app.collect_garbage().unwrap();
    assert_eq!(world.extracts(), 3);
    assert_eq!(rows(&owner, "SELECT count(*) FROM shop.people").await, json!([[1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_added_to_the_table_of_their_file() {
    let world = World::new().await;
    let owner = world.owner().await;
    shop(&owner).await;
    let source = send(&owner, "append", "orders.csv", b"amount,id\n30,3\n").await.is(200);
    assert_eq!((&source["tables"][0]["rows"], &source["tables"][1]["rows"]), (&json!(3), &json!(1)));
    assert_eq!(rows(&owner, "SELECT sum(amount), max(id) FROM shop.orders").await, json!([[60, 3]]));
    let added = owner.upload(
        "/api/data-sources/1/files/",
        &[Part::Field("mode", "append"), Part::File("orders.json", b"{\"id\": 4}")],
    );
    assert_eq!(
        added.await.is(200)["tables"][0]["columns"][1],
        json!({"name": "amount", "type": "integer", "nullable": true})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_the_data_as_it_was() {
    let world = World::new().await;
    let owner = world.owner().await;
    let before = shop(&owner).await;
    for (mode, file, bytes, said) in [
        ("replace", "orders.csv", b"id,amount\n1\n".as_slice(), "1 field in line 2"),
        ("append", "orders.csv", b"id,amount\n3,many\n", "`many` in line 2 of column `amount`"),
        ("append", "orders.csv", b"id,price\n3,1\n", "the column `price`"),
        ("append", "order.csv", b"id,amount\n3,1\n", "the table `order`"),
        ("append", "orders.json", b"{\"id\": 3, \"amount\": 0.5}", "`0.5` in line 1"),
    ] {
        let refusal = send(&owner, mode, file, bytes).await.refuses(422, "invalid_file");
        assert!(refusal["message"].as_str().unwrap().contains(said), "{refusal}");
    }
    let odd = send(&owner, "add", "orders.csv", b"id\n1\n").await.refuses(400, "invalid_request");
    assert_eq!(odd["field"], "mode");
    owner
        .upload(SOURCES, &[Part::Field("name", "x"), Part::Field("mode", "append"), Part::File("a.csv", b"a\n1\n")])
        .await
        .refuses(400, "unknown_field");
    owner.upload("/v1/data-sources/ds_9/files", &[Part::File("a.csv", b"a\n1\n")]).await.refuses(404, "not_found");
    let mut after = owner.get("/v1/data-sources/ds_1").await.is(200);
    assert_eq!(after["last_sync"]["status"], "failed", "which is all that is told of it");
    after["last_sync"] = before["last_sync"].clone();
    assert_eq!(after, before);
    // The workers of queries keep a place of their own, so this is asked before them.
    assert_eq!(std::fs::read_dir(world.app.data.tmp()).unwrap().count(), 0);
    assert_eq!(rows(&owner, "SELECT sum(amount) FROM shop.orders").await, json!([[30]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_as_the_sources_first_ones_were() {
    let world = World::new().await;
    let owner = world.owner().await;
    let options = r#"{"separator": ";", "skip_lines": 1, "columns": {"id": {"type": "text"}}}"#;
    let till =
        [Part::Field("name", "Shop"), Part::Field("options", options), Part::File("till.csv", b"x\nid;n\n1;2\n")];
    owner.upload(SOURCES, &till).await.is(201);
    send(&owner, "append", "till.csv", b"x\nid;n\n002;3\n").await.is(200);
    send(&owner, "replace", "till.csv", b"y\nid;n\n003;4\n").await.is(200);
    assert_eq!(rows(&owner, "SELECT * FROM shop.till").await, json!([["003", 4]]));
    let detected = [Part::Field("options", "{}"), Part::File("till.csv", b"id,n\n4,5\n")];
    owner.upload(FILES, &detected).await.is(200);
    assert_eq!(rows(&owner, "SELECT * FROM shop.till").await, json!([[4, 5]]));
    send(&owner, "replace", "till.csv", b"id,n\n5,6\n").await.is(200);
    assert_eq!(rows(&owner, "SELECT * FROM shop.till").await, json!([[5, 6]]), "what was said last is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_comes_first_and_none_is_lost_in_silence() {
    let world = World::new().await;
    let owner = world.owner().await;
    shop(&owner).await;
    let (one, other) = tokio::join!(
        send(&owner, "append", "orders.csv", b"id,amount\n3,100\n"),
        send(&owner, "append", "orders.csv", b"id,amount\n4,1000\n")
    );
    let mut expected = 30;
    for (answer, amount) in [(one, 100), (other, 1_000)] {
        match answer.status {
            200 => expected += amount,
            _ => drop(answer.refuses(409, "conflict")),
        }
    }
    assert!(expected > 30);
    assert_eq!(rows(&owner, "SELECT sum(amount) FROM shop.orders").await, json!([[expected]]));
}

#[test]
fn the_command_line_loads_files_into_sources() {
    let installation = Installation::new();
    let file = installation.data().with_file_name("orders.csv");
    let path = file.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = installation.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    std::fs::write(&file, "id;n\n1;1\n").unwrap();
    run(&["source", "add", path, "--name", "Shop", "--type", "n=decimal"]);
    run(&["source", "load", "shop", path, "--append"]);
    assert_eq!(run(&["query", "SELECT sum(n) FROM shop.orders", "--format", "csv"]).lines().nth(1), Some("2"));
    run(&["source", "load", "shop", path]);
    assert_eq!(run(&["query", "SELECT sum(n) FROM shop.orders", "--format", "csv"]).lines().nth(1), Some("1"));
    let gone = installation.run(&["source", "load", "nothing", path]);
    assert_eq!(gone.status.code(), Some(1), "{}", text(&gone.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_stays_until_the_jobs_of_before_have_ended() {
    let world = World::new().await;
    let owner = world.owner().await;
    let parts = [Part::Field("name", "Shop"), Part::File("orders.csv", b"id\n1\n")];
    owner.upload(SOURCES, &parts).await.is(201);
    let reader = owner.open(owner.request("POST", "/v1/query").json(&running::endless())).await;
    running::until_at_work(&world, 1).await;
    owner.upload(FILES, &[Part::File("orders.csv", b"id\n1\n2\n")]).await.is(200);
    assert_eq!(rows(&owner, "SELECT count(*) FROM shop.orders").await, json!([[2]]));
    for _ in 0..2 {
        world.pass(6_000);
        world.app.collect_garbage().unwrap();
        assert_eq!(world.extracts(), 2, "a query that began before may read it");
    }
    drop(reader);
    until_so("the end of the query", || world.app.pool.asked().1.is_none()).await;
    world.app.collect_garbage().unwrap();
    assert_eq!(world.extracts(), 1);
    assert_eq!(rows(&owner, "SELECT count(*) FROM shop.orders").await, json!([[2]]));
}
