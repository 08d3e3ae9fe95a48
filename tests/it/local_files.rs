//! Files of the server's machine that are read by their paths: below the operator's directories, again with each sync, and
//! never what others put in their place.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::binary::{Installation, text};
use crate::connected::of_url;
use crate::databases::open_world;
use crate::web::{Page, Site};
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";
const PREVIEW: &str = "/v1/data-sources/preview-connection";
const ORDERS: &str = "id;day\n1;31.01.2026\n2;01.02.2026\n";

fn by_path(name: &str, path: &std::path::Path) -> Value {
    json!({"name": name, "kind": "file", "connection": {"path": path}})
}

async fn counted(actor: &Actor) -> Value {
    let sql = "SELECT count(*), max(day) FROM orders.orders";
    actor.post("/v1/query", json!({"sql": sql})).await.is(200)["rows"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_below_an_open_directory_is_read_again_with_each_sync() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("orders.csv");
    std::fs::write(&path, ORDERS).unwrap();
    let mut body = by_path("Orders", &path);
    let seen = owner.post(PREVIEW, body.clone()).await.is(200);
    assert_eq!(seen["files"][0]["tables"][0]["columns"][1]["type"], "date");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    body["schedule"] = json!({"cron": "@daily"});
    let source = owner.post(SOURCES, body).await.is(201);
    let whole = path.canonicalize().unwrap();
    assert_eq!((&source["kind"], &source["status"]), (&json!("file"), &json!("active")));
    assert_eq!(source["connection"], json!({"path": whole, "file": "orders.csv"}));
    assert_eq!(counted(&owner).await, json!([2, "2026-02-01"]));
    let same = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(same["unchanged"], true);
    std::fs::write(&path, format!("{ORDERS}3;02.02.2026\n")).unwrap();
    let newer = owner.post("/api/data-sources/1/sync/", json!({})).await.is(200);
    assert_eq!((&newer["unchanged"], &newer["rows"]), (&json!(false), &json!(3)));
    assert_eq!(counted(&owner).await, json!([3, "2026-02-02"]));
    std::fs::write(&path, ORDERS).unwrap();
    world.pass(2 * 86_400);
    for sync in world.app.sync_due().await.unwrap() {
        sync.await.unwrap().unwrap();
    }
    assert_eq!(counted(&owner).await, json!([2, "2026-02-01"]), "its schedule brought it");

    // It is no place for uploads, and can be pointed to another file, or read otherwise.
    let refused = owner.upload("/v1/data-sources/ds_1/files", &[Part::File("orders.csv", b"id\n1\n")]).await;
    refused.refuses(409, "conflict");
    let other = directory.path().join("orders 2.csv");
    std::fs::write(&other, "id;day\n9;05.05.2026\n").unwrap();
    let connection = json!({"path": other, "file": "orders.csv"});
    owner.patch("/v1/data-sources/ds_1", json!({"connection": connection})).await.is(200);
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(counted(&owner).await, json!([1, "2026-05-05"]));
    let options = json!({"columns": {"day": {"type": "text"}}});
    owner.patch("/v1/data-sources/ds_1", json!({"options": options})).await.is(200);
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(counted(&owner).await, json!([1, "05.05.2026"]));
    let secret = json!({"secret": {"headers": {"A": "b"}}});
    owner.patch("/v1/data-sources/ds_1", secret).await.refuses(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_read_than_the_file_that_was_named() {
    let (open, closed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = open_world(open.path()).await;
    let owner = world.owner().await;
    let (path, secret) = (open.path().join("orders.csv"), closed.path().join("secret.csv"));
    std::fs::write(&path, ORDERS).unwrap();
    std::fs::write(&secret, "word\nopal\n").unwrap();
    let (link, pipe) = (open.path().join("link.csv"), open.path().join("pipe.csv"));
    symlink(&secret, &link).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let up = open.path().join("../secret.csv");
    for path in [
        &secret,
        &link,
        &pipe,
        &up,
        &open.path().to_owned(),
        &open.path().join("none.csv"),
        &"/proc/self/environ".into(),
    ] {
        for place in [SOURCES, PREVIEW] {
            let refused = owner.post(place, by_path("Other", path)).await;
            refused.refuses(400, "invalid_request");
            assert!(!refused.text().contains("opal"), "{}", refused.text());
        }
    }
    owner.post(SOURCES, json!({"name": "x", "kind": "file", "connection": {}})).await.refuses(400, "invalid_request");

    // What comes to lie there later is another file, and a link none.
    owner.post(SOURCES, by_path("Orders", &path)).await.is(201);
    std::fs::remove_file(&path).unwrap();
    let refused = owner.post("/v1/data-sources/ds_1/sync", json!({})).await;
    refused.refuses(422, "source_unavailable");
    symlink(&secret, &path).unwrap();
    let refused = owner.post("/v1/data-sources/ds_1/sync", json!({})).await;
    refused.refuses(422, "source_unavailable");
    assert!(refused.message().contains("link"), "{}", refused.text());
    assert_eq!(counted(&owner).await, json!([2, "2026-02-01"]));

    // Nor what is the installation's own, under whatever name.
    let open = world.data().parent().unwrap().to_owned();
    let world = World::with(|plot| plot.settings.allowed_dirs = vec!["/".into()]).await;
    let owner = world.owner().await;
    let own = tempfile::tempdir_in(open).unwrap();
    let (named, database) = (own.path().join("own.csv"), world.data().join("claribi.db"));
    std::fs::hard_link(&database, &named).unwrap();
    for path in [&named, &database] {
        let refused = owner.post(SOURCES, by_path("Own", path)).await.refuses(400, "invalid_request");
        assert!(refused["message"].as_str().unwrap().contains("installation itself"), "{refused}");
    }
}

/// A name that a table cannot be named by has to be given another; what was kept stays readable whatever it leads to.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long_are_refused_wherever_they_come_from() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let (short, long) =
        (directory.path().join("orders.csv"), directory.path().join(format!("{}.csv", "o".repeat(220))));
    std::fs::write(&short, ORDERS).unwrap();
    std::fs::write(&long, ORDERS).unwrap();
    let link = directory.path().join("link.csv");
    symlink(&long, &link).unwrap();
    let refused = owner.post(SOURCES, by_path("Long", &long)).await.refuses(400, "invalid_request");
    assert!(refused["message"].as_str().unwrap().contains("connection.file"), "{refused}");
    owner.post(SOURCES, by_path("Orders", &short)).await.is(201);
    let long = json!({"connection": {"path": long}});
    owner.patch("/v1/data-sources/ds_1", long).await.refuses(400, "invalid_request");
    let change = json!({"connection": {"path": link, "file": "orders.csv"}, "schedule": {"cron": "@daily"}});
    owner.patch("/v1/data-sources/ds_1", change).await.is(200);
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(counted(&owner).await, json!([2, "2026-02-01"]));
    assert_eq!(owner.get(SOURCES).await.is(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_takes_the_room_of_its_organisation() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::with(|plot| {
        plot.settings.allowed_dirs = vec![directory.path().to_owned()];
        plot.settings.source_quota = 64 << 10;
    })
    .await;
    let (owner, site) = (world.owner().await, Site::open().await);
    let large = format!("id\n{}", "1\n".repeat(64 << 10));
    let path = directory.path().join("large.csv");
    std::fs::write(&path, &large).unwrap();
    let url = site.put("/large.csv", Page::File(large));
    for body in [by_path("Large", &path), of_url("Large", &url)] {
        owner.post(PREVIEW, body).await.refuses(409, "conflict");
    }
    std::fs::write(&path, "id\n1\n").unwrap();
    owner.post(PREVIEW, by_path("Small", &path)).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_open_directories_no_path_is_read() {
    let world = World::new().await;
    let owner = world.owner().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = owner.post(SOURCES, by_path("Orders", file.path())).await;
    refused.refuses(400, "invalid_request");
    assert!(refused.message().contains("allowed_dirs"), "{}", refused.text());
}

#[test]
fn the_command_line_follows_a_file() {
    let installation = Installation::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.csv");
    std::fs::write(&path, ORDERS).unwrap();
    let file = path.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = installation.run(arguments);
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, complained) =
        run(&["source", "add", file, "--name", "Orders", "--by-path", "--schedule", "@hourly", "--type", "id=text"]);
    assert!(code == 0 && said.contains("orders.orders\t2\tid text, day date"), "{said}{complained}");
    let (_, said, complained) = run(&["source", "sync", "orders"]);
    assert!(said.contains("has not changed"), "{said}{complained}");
    std::fs::write(&path, "id;day\n1;31.01.2026\n").unwrap();
    let (_, said, complained) = run(&["source", "sync", "orders"]);
    assert!(said.contains("1 rows"), "{said}{complained}");
    for (arguments, code, words) in [
        (&["source", "add", file, file, "--name", "x", "--by-path"][..], 2, "one file"),
        (&["source", "add", "https://example.com/a.csv", "--name", "x", "--by-path"], 2, "one file"),
        (&["source", "add", file, "--name", "x", "--schedule", "@daily"], 2, "--by-path"),
        (&["source", "add", "/nowhere.csv", "--name", "x", "--by-path"], 1, "/nowhere.csv"),
    ] {
        let (found, _, complained) = run(arguments);
        assert!(found == code && complained.contains(words), "{arguments:?}: {found} {complained}");
    }
}
