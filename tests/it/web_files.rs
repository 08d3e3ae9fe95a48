//! Files on the web: looked at before they are kept, read as their options say, and how far they are while they come.

use std::time::Duration;

use claribi::domain::access::{Role, Scope};
use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::binary::{Installation, text};
use crate::connected::of_url;
use crate::patience::until;
use crate::web::{Page, Site};
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";
const PREVIEW: &str = "/v1/data-sources/preview-connection";
/// Separated by what may be decimal signs, with names that look like numbers and dates as Germans write them.
const TILL: &str = "id;day;price\n7;31.01.2026;1,50\n8;01.02.2026;?\n";

/// How it is to be read.
fn as_it_is() -> Value {
    json!({
        "separator": ";", "nulls": ["?"],
        "columns": {"id": {"type": "text"}, "day": {"type": "date", "format": "%d.%m.%Y"}},
    })
}

fn till(site: &Site) -> Value {
    let mut body = of_url("Till", &site.put("/till.csv", Page::File(TILL.to_owned())));
    body["options"] = as_it_is();
    body
}

async fn types(actor: &Actor) -> Value {
    let source = actor.get("/v1/data-sources/ds_1").await.is(200);
    let columns = source["tables"][0]["columns"].as_array().unwrap().clone();
    columns.iter().map(|column| column["type"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_the_web_is_looked_at_before_it_is_kept() {
    let (world, site) = (World::new().await, Site::open().await);
    let owner = world.owner().await;
    let mut body = till(&site);
    body["secret"] = json!({"headers": {"Authorization": "Bearer opal"}});
    body["schedule"] = json!({"cron": "@daily"});
    let seen = owner.post(PREVIEW, body.clone()).await.is(200);
    let file = &seen["files"][0];
    assert_eq!((&file["file"], &file["separator"]), (&json!("till.csv"), &json!(";")));
    let column = json!({"name": "day", "type": "date", "nulls": 0, "samples": ["2026-01-31", "2026-02-01"]});
    assert_eq!(file["tables"][0]["columns"][1], column);
    assert!(site.heads()[0].contains("authorization: bearer opal"), "{}", site.heads()[0]);
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    body["options"] = Value::Null;
    let detected = owner.post("/api/data-sources/preview-connection/", body.clone()).await.is(200);
    assert_eq!(detected["files"][0]["tables"][0]["columns"][0]["type"], "integer");
    assert!(world.calls().iter().all(|call| call.changes.is_empty()));

    let told = |at: &str, value: Value| {
        let mut body = body.clone();
        body[at] = value;
        body
    };
    let gone = told("connection", json!({"url": site.url("/none.csv")}));
    owner.post(PREVIEW, gone).await.refuses(422, "source_unavailable");
    let inward = told("connection", json!({"url": "http://10.0.0.1/a.csv"}));
    owner.post(PREVIEW, inward).await.refuses(400, "invalid_request");
    let masked = told("connection", json!({"url": format!("{}?key=***", site.url("/till.csv"))}));
    owner.post(PREVIEW, masked).await.refuses(400, "invalid_request");
    owner.post(PREVIEW, told("kind", json!("postgres"))).await.refuses(400, "invalid_request");
    let empty = site.put("/empty.csv", Page::File(String::new()));
    owner.post(PREVIEW, told("connection", json!({"url": empty}))).await.refuses(422, "invalid_file");
    owner.post(PREVIEW, told("file", json!("x"))).await.refuses(400, "unknown_field");
    owner.post(PREVIEW, told("options", json!({"separator": "ab"}))).await.refuses(400, "invalid_request");
    let reader = world.key_of(Role::Viewer, Scope::ReadOnly).await;
    assert_eq!(reader.post(PREVIEW, body.clone()).await.status, 403);
    assert_eq!(site.heads().len(), 4, "who may not has nothing fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_the_web_is_read_as_its_options_say_also_when_it_has_not_changed() {
    let (world, site) = (World::new().await, Site::open().await);
    let owner = world.owner().await;
    let source = owner.post(SOURCES, till(&site)).await.is(201);
    assert_eq!(source["options"], as_it_is());
    assert_eq!(types(&owner).await, json!(["text", "date", "text"]));
    let nulls = "SELECT id, day FROM till.till WHERE price IS NULL";
    let rows = owner.post("/v1/query", json!({"sql": nulls})).await.is(200)["rows"].clone();
    assert_eq!(rows, json!([["8", "2026-02-01"]]));

    // The same bytes are read anew, as they are to be read now.
    let options = json!({"separator": ";", "columns": {"day": {"type": "date", "format": "%d.%m.%Y"}}});
    let changed = owner.patch("/v1/data-sources/ds_1", json!({"options": options})).await.is(200);
    assert_eq!((&changed["options"], &changed["tables"]), (&options, &source["tables"]), "its data stays until then");
    let synced = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(synced["unchanged"], false);
    assert_eq!(types(&owner).await, json!(["integer", "date", "text"]));
    let again = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(again["unchanged"], true);
    let bare = owner.patch("/v1/data-sources/ds_1", json!({"options": null})).await.is(200);
    assert!(bare["options"].as_object().is_none_or(serde_json::Map::is_empty), "{bare}");
    let change = world.calls().iter().flat_map(|call| call.changes.clone()).count();
    assert!(change >= 3, "{change}");

    // Options that do not fit leave the data of before.
    let wrong = json!({"options": {"columns": {"price": {"type": "date"}}}});
    owner.patch("/v1/data-sources/ds_1", wrong).await.is(200);
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.refuses(422, "invalid_file");
    assert_eq!(types(&owner).await, json!(["integer", "date", "text"]));

    for odd in [json!({"quote": "ab"}), json!({"files": {"other.csv": {}}}), json!({"rows": 1})] {
        assert_eq!(owner.patch("/v1/data-sources/ds_1", json!({"options": odd})).await.status, 400, "{odd}");
        let mut body = till(&site);
        body["options"] = odd.clone();
        assert_eq!(owner.post(SOURCES, body).await.status, 400, "{odd}");
    }
    let database = json!({
        "name": "x", "kind": "postgres", "options": as_it_is(),
        "connection": {"host": "127.0.0.1", "database": "x", "user": "x", "tls": "off"},
    });
    let refused = owner.post(SOURCES, database).await;
    refused.refuses(400, "invalid_request");
    assert!(refused.message().contains("database"), "{}", refused.text());
    let uploaded = owner.upload(SOURCES, &[Part::Field("name", "Files"), Part::File("a.csv", b"a\n1\n")]);
    let uploaded = uploaded.await.is(201);
    let at = format!("{SOURCES}/{}", uploaded["id"].as_str().unwrap());
    let refused = owner.patch(&at, json!({"options": {}})).await;
    refused.refuses(400, "invalid_request");
    assert!(refused.message().contains("along with the files"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_by_options_of_before_is_not_kept() {
    let world = World::with(|plot| plot.settings.upload_wait = Duration::ZERO).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let url = site.put("/till.csv", Page::Held(TILL.to_owned()));
    owner.post(SOURCES, of_url("Till", &url)).await.is(202);
    until("the request of the sync", async || (!site.heads().is_empty()).then_some(())).await;
    owner.patch("/v1/data-sources/ds_1", json!({"options": as_it_is()})).await.is(200);
    site.go_on();
    let source = until("the end of the sync", async || {
        let source = owner.get("/v1/data-sources/ds_1").await.is(200);
        Some(source).filter(|source| source["last_sync"]["status"] != "running")
    });
    assert_eq!(source.await["last_sync"]["status"], "failed");
}

/// Of a file of 256 KiB whose second half waits, half is here: a quarter of what there is to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_says_how_much_of_the_file_is_here() {
    let world = World::with(|plot| plot.settings.upload_wait = Duration::ZERO).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let rows = "2026-04-01,1.5\n".repeat(17_476);
    let url = site.put("/rates.csv", Page::Halved(format!("day,rate\n{rows}")));
    owner.post(SOURCES, of_url("Rates", &url)).await.is(202);
    let progress = async || {
        let source = owner.get("/v1/data-sources/ds_1/syncs").await.is(200);
        source["data"][0]["progress"]["percent"].as_u64().filter(|percent| *percent > 0)
    };
    let percent = until("the first half", progress).await;
    assert!((12..=25).contains(&percent), "{percent}");
    site.go_on();
    let ended = until("the end of the sync", async || {
        let sync = owner.get("/v1/data-sources/ds_1/syncs").await.is(200)["data"][0].clone();
        Some(sync).filter(|sync| sync["status"] != "running")
    });
    let ended = ended.await;
    assert_eq!((&ended["status"], &ended["rows"]), (&json!("succeeded"), &json!(17_476)));
    assert!(ended["progress"].is_null(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_take_the_flags_of_files_for_urls() {
    let site = Site::open().await;
    let url = site.put("/till.csv", Page::File(TILL.to_owned()));
    let installation = Installation::new();
    let allow = [("CLARIBI_OUTBOUND__ALLOW", site.address.to_string())];
    let run = |arguments: &[&str]| {
        let output = installation.run_with_variables(arguments, &allow, "");
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let flags = ["--separator", ";", "--null", "?", "--type", "id=text", "--type", "day=date:%d.%m.%Y"];
    let (code, said, complained) = run(&[&["source", "preview", &url], &flags[..]].concat());
    assert!(code == 0 && said.contains("till\tday\tdate\t0\t2026-01-31"), "{said}{complained}");
    let (code, said, complained) = run(&[&["source", "add", &url, "--name", "Till"], &flags[..]].concat());
    assert!(code == 0 && said.contains("id text, day date"), "{said}{complained}");
    for (arguments, words) in [
        (&["source", "preview", &url, &url][..], "one URL"),
        (&["source", "preview", &url, "a.csv"], "two commands"),
        (&["source", "preview", "a.csv", "--secret-stdin"], "for a URL"),
        (&["source", "preview", "http://10.0.0.1/a.csv"], "outbound.allow"),
        (&["source", "add", "postgres://ann@127.0.0.1/x", "--name", "x", "--separator", ";"], "database"),
    ] {
        let (code, _, complained) = run(arguments);
        assert!(code == 2 && complained.contains(words), "{arguments:?}: {code} {complained}");
    }
}
