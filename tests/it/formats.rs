//! What files of other kinds than separated values become, through the real workers.

use std::io::Write;

use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::{sales, upload};
use crate::workbooks::{ods, xlsx};
use crate::world::World;

const QUESTION: &str = "SELECT region, sum(amount) AS total, count(*) AS n FROM orders GROUP BY region ORDER BY region";

async fn result_as(owner: &Actor, form: &str) -> Vec<u8> {
    let request = owner.request("POST", "/v1/query").header("accept", form);
    let answer = request.json(&json!({"sql": "SELECT * FROM sales.orders"})).send().await;
    assert_eq!(answer.status, 200, "{form}");
    answer.body
}

async fn asked(owner: &Actor, source: &Value) -> Value {
    let body = json!({"sql": QUESTION, "data_source_id": source["id"]});
    owner.post("/v1/query", body).await.is(200)["rows"].clone()
}

/// What is read out in one form and brought in again answers as before.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_data_answers_alike_in_every_form() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let expected = json!([["north", 150.75, 2], ["south", 200.0, 1], ["west", null, 1]]);
    let table = owner.post("/v1/query", json!({"sql": "SELECT * FROM sales.orders"})).await.is(200);
    let names: Vec<&str> =
        table["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    let objects = table["rows"].as_array().unwrap().iter().map(|row| {
        let fields = names.iter().zip(row.as_array().unwrap()).map(|(name, cell)| ((*name).to_owned(), cell.clone()));
        Value::Object(fields.collect())
    });
    let objects: Vec<Value> = objects.collect();
    let lines = objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let arrow = result_as(&owner, "application/vnd.apache.arrow.stream").await;
    let parquet = result_as(&owner, "application/vnd.apache.parquet").await;
    let plain = result_as(&owner, "text/csv").await;
    let tabs = String::from_utf8(plain.clone()).unwrap().replace(',', "\t").into_bytes();
    let cell = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    let cells = |row: &Value| {
        row.as_array().unwrap().iter().map(|found| if found.is_null() { String::new() } else { cell(found) }).collect()
    };
    let header = names.iter().map(|name| (*name).to_owned()).collect();
    let sheet: Vec<Vec<String>> =
        std::iter::once(header).chain(table["rows"].as_array().unwrap().iter().map(cells)).collect();
    let forms: [(&str, &str, Vec<u8>); 9] = [
        ("Commas", "orders.csv", plain),
        ("Tabs", "orders.tsv", tabs),
        ("Excel", "orders.xlsx", xlsx(&[("orders", sheet.clone())])),
        ("OpenDocument", "orders.ods", ods(&[("orders", sheet)])),
        ("Arrow", "orders.arrows", arrow),
        ("Parquet", "orders.parquet", parquet),
        ("Lines", "orders.ndjson", lines.into_bytes()),
        ("List", "orders.json", serde_json::to_vec_pretty(&objects).unwrap()),
        // What it is called says nothing.
        ("Misnamed", "orders.csv", serde_json::to_vec(&objects).unwrap()),
    ];
    for (name, file, bytes) in forms {
        let packed = [("", bytes.clone()), (".gz", gzip(&bytes)), (".zst", zstd::encode_all(&bytes[..], 1).unwrap())];
        for (ending, bytes) in packed {
            let source = upload(&owner, &format!("{name}{ending}"), &format!("{file}{ending}"), &bytes).await.is(201);
            assert_eq!(asked(&owner, &source).await, expected, "{name}{ending}");
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that are not what they were make no worker hang and never blame the server: a reader that trusts what a file
/// says of itself may ask for all memory, which its worker does not have.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_taken_or_refused_and_leave_the_server_whole() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    for form in ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"] {
        let whole = result_as(&owner, form).await;
        let step = whole.len() / 12;
        let damages = (0..12).map(|place| place * step + step / 2);
        let damaged = damages.map(|position| {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x5a;
            bytes
        });
        // What a file says of itself stands at the end of Parquet and at the beginning of Arrow.
        let (first, last) = (0..whole.len().min(600), whole.len().saturating_sub(600)..whole.len());
        let told = first.chain(last).step_by(23).map(|position| {
            let mut bytes = whole.clone();
            bytes[position] = !bytes[position];
            bytes
        });
        for (number, bytes) in damaged.chain(told).chain([whole[..whole.len() / 2].to_vec()]).enumerate() {
            let answer: Answer = upload(&owner, &format!("{number} of {form}"), "orders.dat", &bytes).await;
            assert!([201, 202, 422].contains(&answer.status), "{form} {number}: {} {}", answer.status, answer.text());
        }
    }
    owner.post("/v1/query", json!({"sql": "SELECT count(*) FROM sales.orders"})).await.is(200);
}
