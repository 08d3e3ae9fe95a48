//! Words of one organisation that nothing another receives may have in it: no body, no header, no file, no error.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Objects, OnObject};
use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::coverage::entries;
use crate::world::World;

/// Part of everything that the owner writes, and of nothing else.
const CANARY: &str = "canaryquartz";

/// Everything that can be told of an answer, in lower case: PDFs as what a reader sees of them.
fn told(answer: &Answer) -> String {
    let mut told = format!("{:?}\n{}", answer.headers, answer.text());
    if answer.body.starts_with(b"%PDF-") {
        told.push_str(&words(&answer.body));
    }
    told.to_lowercase()
}

fn words(pdf: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pdf).unwrap();
    let mut command = Command::new("pdftotext");
    let output = command.arg(file.path()).arg("-").stderr(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("pdftotext: {error}; tests/run installs it"));
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A source, a dashboard with results, a widget that fails, reports with files, and a key, all with the canary in them.
async fn plant(owner: &Actor) -> Vec<String> {
    let file = format!("{CANARY}_column,amount\n{CANARY}_value,1\n{CANARY}_other,2\n");
    let parts = [Part::Field("name", CANARY), Part::File("canaryquartz_table.csv", file.as_bytes())];
    let source = owner.upload("/v1/data-sources", &parts).await.is(201);
    let (table, source) = (source["tables"][0]["name"].as_str().unwrap().to_owned(), source["id"].clone());
    assert_eq!(table, "canaryquartz_table");
    let widget = |kind: &str, sql: String| json!({"type": kind, "title": CANARY, "query": {"data_source_id": source, "sql": sql}});
    let widgets = [
        widget("table", format!("SELECT {CANARY}_column FROM {table}")),
        widget("kpi", format!("SELECT {CANARY}_nothing FROM {table}")),
    ];
    let dashboard = json!({"name": CANARY, "description": CANARY, "widgets": widgets});
    let dashboard = owner.post("/v1/dashboards", dashboard).await.is(201)["id"].clone();
    owner.post(&format!("/v1/dashboards/{}/refresh", dashboard.as_str().unwrap()), json!({})).await.is(200);
    owner.post("/v1/keys", json!({"name": CANARY})).await.is(201);
    owner.request("GET", "/v1/dashboards").header("user-agent", CANARY).send().await.is(200);
    let mut files = Vec::new();
    for format in ["pdf", "csv", "json"] {
        let report = reports(owner, format, &source).await;
        let file = owner.get(&format!("/v1/reports/{report}/download")).await;
        assert!(told(&file).contains(CANARY), "the canary sings for its owner, in {format} too");
        files.push(report);
    }
    files
}

/// A report of the source's profile.
async fn reports(actor: &Actor, format: &str, source: &Value) -> String {
    let template = actor.get("/v1/report-templates?kind=profile").await.is(200)["data"][0]["id"].clone();
    let wanted =
        json!({"template_id": template, "data_source_ids": [source], "output_format": format, "name": "Report"});
    actor.post("/v1/reports/generate", wanted).await.is(201)["report_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_one_organisation_receives_has_a_word_of_another_in_it() {
    let world = World::with(|plot| plot.settings.key_per_minute = 10_000).await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let theirs = plant(&owner).await;
    let objects = Objects::make(&owner, &stranger).await;
    let mut secrets = vec![CANARY.to_owned(), "owner@example.com".to_owned(), owner.secret()[..24].to_lowercase()];
    for collection in ["dashboards", "data-sources", "reports"] {
        let listed = owner.get(&format!("/api/v1/{collection}/")).await.is(200);
        secrets.extend(listed["data"].as_array().unwrap().iter().map(|found| found["id"].as_str().unwrap().to_owned()));
    }
    let mut received = Vec::new();
    for report in &theirs {
        received.push(stranger.get(&format!("/v1/reports/{report}/download")).await);
    }
    // Every operation on nothing, then every operation on what is the other's, by the ids that all faces take.
    // What takes the stranger's own key away comes at the end.
    for entry in entries().into_iter().filter(|entry| entry.operation.id != "keys_revoke_all") {
        received.push(entry.call(&stranger).await);
    }
    for operation in OnObject::all() {
        let ids: Vec<&str> = operation.collections.iter().map(|name| objects.of(name).there[2].as_str()).collect();
        received.push(operation.ask(&stranger, &ids).await);
    }
    // What searches, suggests and lists beyond what it was asked for.
    for sql in [
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns",
        "SHOW TABLES",
        "SELECT * FROM canaryquart.canaryquart_table",
        "SELECT canaryquart_column FROM orders",
        "SELECT * FROM read_csv('canaryquart')",
        "SELECT * FROM sales.orders",
    ] {
        received.push(stranger.post("/v1/query", json!({"sql": sql})).await);
        received.push(stranger.post("/v1/query/explain", json!({"sql": sql})).await);
    }
    for path in ["/v1/dashboards", "/v1/data-sources", "/v1/reports", "/v1/keys"] {
        received.push(stranger.get(&format!("{path}?q=canary")).await);
        received.push(stranger.get(&format!("{path}?q=&sort=-name&limit=100")).await);
    }
    // What it makes itself, in every format.
    let source = json!(objects.source);
    for format in ["pdf", "csv", "json"] {
        let report = reports(&stranger, format, &source).await;
        let file = stranger.get(&format!("/v1/reports/{report}/download")).await;
        assert!(file.status == 200 && told(&file).contains("region"), "{format}");
        received.push(file);
    }
    received.push(stranger.post("/v1/keys/revoke-all", json!({})).await);
    assert!(received.len() > 150, "{}", received.len());
    for answer in &received {
        let told = told(answer);
        for secret in &secrets {
            assert!(!told.contains(secret.as_str()), "{secret} in {told}");
        }
    }
}
