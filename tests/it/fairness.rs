//! What one organisation does in the background, has on its way, or has open takes nothing from the others, and nobody
//! fills the disk.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use claribi::domain::access::Scope;
use claribi::domain::error::Error;
use claribi::domain::id::OrgId;
use claribi::store::main::runs::Turn;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;

use crate::actors::{Actor, BOUNDARY, Part};
use crate::audit_stream::Tail;
use crate::connected::of_url;
use crate::patience::{until, until_so};
use crate::reports::profile_of;
use crate::running::roomy;
use crate::sources::upload;
use crate::web::{Page, Site};
use crate::world::{Background, PASSWORD, World};

const SOURCES: &str = "/v1/data-sources";
const PREVIEW: &str = "/v1/data-sources/preview";
const SMALL: &[u8] = b"a\n1\n";

/// A database server that takes connections and says nothing.
async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    address
}

fn database_at(address: SocketAddr, name: &str) -> Value {
    let connection = json!({
        "host": "127.0.0.1", "port": address.port(), "database": "shop", "user": "reader", "tls": "off",
    });
    json!({"name": name, "kind": "postgres", "connection": connection, "secret": {"password": "x"}})
}

async fn preview(actor: &Actor) -> crate::answer::Answer {
    actor.upload(PREVIEW, &[Part::File("a.csv", SMALL)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_that_keep_one_organisation_waiting_hold_up_no_import_preview_or_report() {
    let world = World::new().await;
    let (owner, stranger, server) = (world.owner().await, world.stranger().await, silent().await);
    for number in 0..4 {
        let (owner, body) = (owner.clone(), database_at(server, &format!("Slow {number}")));
        tokio::spawn(async move { owner.post(SOURCES, body).await });
    }
    let connectors = || world.app.pool.load()[2];
    until_so("two connectors of four", || connectors() == (2, 2)).await;
    for actor in [&stranger, &owner] {
        preview(actor).await.is(200);
        let id = upload(actor, "Quick", "quick.csv", SMALL).await.is(201)["id"].clone();
        let templates = actor.get("/v1/report-templates").await.is(200);
        let profile = templates["data"].as_array().unwrap().iter().find(|it| it["kind"] == "profile").unwrap();
        let wanted = json!({"template_id": profile["id"], "data_source_ids": [id], "output_format": "json"});
        let made = actor.post("/v1/reports/generate", wanted).await.is(201);
        assert_eq!(made["status"], "succeeded");
    }
    assert_eq!(connectors(), (2, 2), "two at a time of one organisation, however many places are free");
}

#[tokio::test(flavor = "multi_thread")]
async fn report_runs_are_taken_in_turns_by_organisation() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    for (actor, runs) in [(&owner, 3), (&stranger, 2)] {
        let request = profile_of(actor, "json").await;
        let report = actor.post("/v1/reports", request).await.is(201);
        for _ in 0..runs {
            actor.post(&format!("/v1/reports/{}/run", report["id"].as_str().unwrap()), json!({})).await.is(202);
        }
    }
    let mut last = OrgId::new(0);
    let mut taken = Vec::new();
    for turn in [Turn::Anyone, Turn::Guest, Turn::Guest, Turn::Anyone] {
        let leased = world.app.lease_run(turn, last).await.unwrap();
        last = leased.as_ref().map_or(last, |leased| leased.org);
        taken.push(leased.map(|leased| (leased.org.raw(), leased.run.id.raw())));
    }
    let (first, second) = (world.org.raw(), world.org.raw() + 1);
    assert_eq!(taken, [Some((first, 1)), Some((second, 4)), None, Some((first, 2))]);
    // With one place and nothing that runs they still take turns.
    let world = world.restarted().await;
    let mut turns = Vec::new();
    for _ in 0..4 {
        let leased = world.app.lease_run(Turn::Anyone, last).await.unwrap().unwrap();
        last = leased.org;
        turns.push(leased.org.raw());
        world.app.execute_run(leased).await.unwrap();
    }
    assert_eq!(turns, [second, first, second, first]);
}

#[tokio::test(flavor = "multi_thread")]
async fn due_syncs_of_one_organisation_leave_room_for_those_of_others() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let (site, owner, stranger) = (Site::open().await, world.owner().await, world.stranger().await);
    let make = async |actor: &Actor, number: usize, cron: &str| {
        let path = format!("/{number}.csv");
        let mut body = of_url(&format!("Source {number}"), &site.put(&path, Page::File("a\n1\n".to_owned())));
        body["schedule"] = json!({"cron": cron});
        let made = actor.post(SOURCES, body).await.is(201);
        site.put(&path, Page::Held("a\n2\n".to_owned()));
        made["id"].as_str().unwrap().to_owned()
    };
    for number in 0..10 {
        make(&owner, number, "*/5 * * * *").await;
    }
    let late = make(&stranger, 10, "6 9 * * *").await;
    world.pass(600);
    let begun = world.app.sync_due().await.unwrap();
    assert_eq!(begun.len(), 5, "four of the first, and the one of the other that was due after all of them");
    assert!(world.app.sync_due().await.unwrap().is_empty());
    let listed = stranger.get(&format!("{SOURCES}/{late}/syncs?status=running")).await.is(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_bound_how_many_sources_there_are_and_how_often_they_are_read() {
    let world = World::with(|plot| plot.settings.sources_of_one = 2).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let url = site.put("/a.csv", Page::File("a\n1\n".to_owned()));
    let mut dense = of_url("Web", &url);
    dense["schedule"] = json!({"cron": "*/2 * * * *"});
    let refusal = owner.post(SOURCES, dense.clone()).await.refuses(400, "invalid_request");
    assert_eq!(refusal["field"], "schedule.cron");
    dense["schedule"]["cron"] = json!("*/5 * * * *");
    let id = owner.post(SOURCES, dense).await.is(201)["id"].as_str().unwrap().to_owned();
    let often = json!({"schedule": {"cron": "0,1 6 * * *"}});
    owner.patch(&format!("{SOURCES}/{id}"), often).await.refuses(400, "invalid_request");
    upload(&owner, "Second", "b.csv", SMALL).await.is(201);
    upload(&owner, "Third", "c.csv", SMALL).await.refuses(409, "conflict");
    let refusal = owner.post(SOURCES, of_url("Third", &url)).await.refuses(409, "conflict");
    assert!(refusal["message"].as_str().unwrap().contains("sources.max_per_organization"), "{refusal}");
    upload(&world.stranger().await, "Third", "c.csv", SMALL).await.is(201);
    owner.delete(&format!("{SOURCES}/{id}")).await.is(200);
    upload(&owner, "Third", "c.csv", SMALL).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_counted_by_user_however_many_keys_they_have() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let key = world.owner().await;
        for _ in 0..5 {
            open.push(Tail::of(&key, key.request("GET", "/v1/audit/stream")).await);
        }
    }
    let refused = world.owner().await.get("/v1/audit/stream?seconds=0").await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.envelope()["limit"], 10);
    let stranger = world.stranger().await;
    assert_eq!(stranger.get("/v1/audit/stream?seconds=0").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_session_too_many_the_oldest_ends() {
    let world = World::with(|plot| plot.settings.sessions_of_one = 2).await;
    let (first, second) = (world.owner_session().await, world.owner_session().await);
    first.get("/v1/users/me").await.is(200);
    let body = json!({"email": "owner@example.com", "password": PASSWORD});
    let login = world.anonymous().post("/api/auth/login/", body).await;
    let third = world.bearer(login.is(200)["access"].as_str().unwrap());
    first.get("/v1/users/me").await.refuses(401, "invalid_token");
    second.get("/v1/users/me").await.is(200);
    assert_eq!(third.get("/v1/sessions").await.is(200)["data"].as_array().unwrap().len(), 2);
    // The login that ended it says so.
    let listed = third.get("/v1/audit?limit=100").await.is(200);
    let row = listed["data"].as_array().unwrap().iter().find(|row| row["request_id"] == login.request_id()).unwrap();
    let changes = row["changes"].as_array().unwrap();
    let ended = changes.iter().find(|change| change["action"] == "session.delete");
    let ended = ended.unwrap_or_else(|| panic!("it does not tell of the session that it ended: {row}"));
    assert_eq!(ended["before"], json!({"user": "u_1", "because": "too_many"}));
    assert_eq!(ended["object"], "ses_1");
}

/// An upload whose file has begun, of which so many bytes have come and the rest never does.
async fn half_sent(actor: &Actor, path: &str, bytes: usize) -> DuplexStream {
    let head = actor.request("POST", path).header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"));
    let mut stream = actor.open(head.header("transfer-encoding", "chunked")).await;
    let mut body = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n")
        .into_bytes();
    body.resize(body.len() + bytes, b'1');
    stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.write_all(b"\r\n").await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_counts_against_the_quota_and_is_given_back() {
    // Asked again and again until it is so, which no limit is to end: neither of requests, nor of the time that an upload
    // may take which goes no further, nor of that of previews on a machine with much to do.
    const LONG: Duration = Duration::from_secs(3_600);
    const QUOTA: u64 = 1_000_000;
    let world = World::with(|plot| {
        plot.settings.source_quota = QUOTA;
        plot.settings.query.millis = 3_600_000;
        plot.http.body_timeout = LONG;
        plot.http.body_minimum_rate = 0;
        roomy(plot);
    })
    .await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let large = vec![b'1'; 1_200_000];
    for path in [SOURCES, PREVIEW] {
        let parts = [Part::Field("name", "Large"), Part::File("a.csv", &large)];
        // Announced, and found out.
        owner.upload(path, &parts).await.refuses(409, "conflict");
        owner.form(path, &parts, BOUNDARY).chunked().send().await.refuses(409, "conflict");
    }
    let slow = half_sent(&owner, PREVIEW, 900_000).await;
    // What is written was counted before; were another one sent meanwhile, either might be the one that is too much.
    let counted = 700_000;
    until_so("most of an upload", || written(&world.data().join("tmp")) > counted).await;
    let half = b"1\n".repeat(150_001);
    assert!(counted + half.len() as u64 > QUOTA);
    let parts = [Part::Field("name", "Half"), Part::File("half.csv", &half)];
    owner.upload(PREVIEW, &parts).await.refuses(409, "conflict");
    stranger.upload(PREVIEW, &parts).await.is(200);
    drop(slow);
    let is_taken = async || (owner.upload(PREVIEW, &parts).await.status == 200).then_some(());
    until("what who leaves gives back", is_taken).await;
}

/// Bytes of all files below a directory, from which some may go meanwhile.
fn written(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let lengths = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(if found.is_dir() { written(&entry.path()) } else { found.len() })
    });
    lengths.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_one_organisation_that_are_under_way_have_their_bound() {
    let world = World::new().await;
    let caller = world.operator_as(world.owner);
    let mut rooms = Vec::new();
    for _ in 0..32 {
        rooms.push(world.app.begin_upload(&caller).await.unwrap());
    }
    assert!(matches!(world.app.begin_preview(&caller).await, Err(Error::TooManyOpen { limit: 32, .. })));
    let refused = preview(&world.owner().await).await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    preview(&world.stranger().await).await.is(200);
    rooms.pop();
    preview(&world.owner().await).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_larger_than_the_quota_when_it_is_here_is_not_kept() {
    let world = World::with(|plot| plot.settings.source_quota = 2_000).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    // Repeated text is small where it comes from, compressed, and the other way about: each column has its own pages.
    let columns: Vec<String> = (0..60).map(|number| format!("c{number}")).collect();
    let wide = format!("{}\n{}\n", columns.join(","), vec!["1"; 60].join(","));
    upload(&owner, "Wide", "wide.csv", wide.as_bytes()).await.refuses(409, "conflict");
    let url = site.put("/wide.csv", Page::File("a\n1\n".to_owned()));
    let id = owner.post(SOURCES, of_url("Wide", &url)).await.is(201)["id"].as_str().unwrap().to_owned();
    site.put("/wide.csv", Page::File(wide.clone()));
    owner.post(&format!("{SOURCES}/{id}/sync"), json!({})).await.refuses(409, "conflict");
    let source = owner.get(&format!("{SOURCES}/{id}")).await.is(200);
    assert_eq!((&source["status"], &source["tables"][0]["rows"]), (&json!("active"), &json!(1)));
    assert_eq!(source["last_sync"]["status"], "failed");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_takes_no_data_and_goes_on_answering() {
    let world = World::with(|plot| plot.settings.free_disk = u64::MAX).await;
    let (site, owner) = (Site::open().await, world.key(Scope::ReadWrite).await);
    let url = site.put("/a.csv", Page::File("a\n1\n".to_owned()));
    for refused in [
        upload(&owner, "Small", "a.csv", SMALL).await,
        preview(&owner).await,
        owner.post(SOURCES, of_url("Web", &url)).await,
    ] {
        refused.refuses(503, "storage_unavailable");
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    owner.post("/v1/query", json!({"sql": "SELECT 1 AS one"})).await.is(200);
    owner.post("/v1/dashboards", json!({"name": "Still"})).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_spill_to_a_disk_that_has_room_and_not_to_one_that_is_nearly_full() {
    let groups = "SELECT a * 7919 % 1000003 AS k, count(*) FROM unnest(range(0, 1000000)) AS s(a) GROUP BY 1";
    let spills = json!({"sql": format!("SELECT count(*) FROM ({groups})")});
    let world = World::with(|plot| plot.settings.query.memory_bytes = 24 << 20).await;
    let answer = world.owner().await.post("/v1/query", spills.clone()).await;
    assert_eq!(answer.is(200)["rows"], json!([[1_000_000]]));
    let world = world.restarted_with(|plot| plot.settings.free_disk = u64::MAX).await;
    let refused = world.owner().await.post("/v1/query", spills).await;
    refused.refuses(422, "query_too_large");
    assert!(refused.message().contains("scratch space"), "{}", refused.text());
}
