//! Sources whose data is elsewhere: fetched through the guard, read again, by schedules too; what fails leaves what was
//! there before, and what opens them is shown to nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claribi::domain::access::{Role, Scope};
use claribi::outbound::guard::Guard;
use claribi::outbound::resolve::Names;
use claribi::service::adopt::Adopt;
use rusqlite::params;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::binary::{Installation, text};
use crate::patience::{until, until_so};
use crate::web::{Page, Site};
use crate::world::{Background, World};

const SOURCES: &str = "/v1/data-sources";
const RATES: &str = "day,rate\n2026-04-01,1.5\n2026-04-02,1.25\n";
const MORE: &str = "day,rate\n2026-04-01,1.5\n2026-04-02,1.25\n2026-04-03,1.75\n";
const SECRET: &str = "Bearer opal-seven-lantern";

/// A body that makes a source of this URL.
pub fn of_url(name: &str, url: &str) -> Value {
    json!({"name": name, "kind": "url", "connection": {"url": url}})
}

/// A source of a file on this site; its id.
pub async fn connected(actor: &Actor, site: &Site) -> String {
    let url = site.put("/rates.csv", Page::File(RATES.to_owned()));
    let source = actor.post(SOURCES, of_url("Rates", &url)).await.is(201);
    source["id"].as_str().unwrap().to_owned()
}

async fn rates(actor: &Actor) -> Value {
    let answer = actor.post("/v1/query", json!({"sql": "SELECT count(*), sum(rate) FROM rates.rates"})).await;
    answer.is(200)["rows"][0].clone()
}

/// A source as soon as it is not being read.
async fn settled(actor: &Actor, id: &str) -> Value {
    let read = async || {
        let source = actor.get(&format!("{SOURCES}/{id}")).await.is(200);
        Some(source).filter(|source| source["last_sync"]["status"] != "running")
    };
    until("the end of a sync", read).await
}

/// The history of a source's syncs.
pub async fn syncs(actor: &Actor, id: &str) -> Vec<Value> {
    let listed = actor.get(&format!("{SOURCES}/{id}/syncs")).await.is(200);
    listed["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_the_web_is_a_source_and_is_read_again_when_it_has_changed() {
    let (world, site) = (World::new().await, Site::open().await);
    let owner = world.owner().await;
    let url = site.put("/data/Daily%20Rates.csv", Page::File(RATES.to_owned()));
    let wanted = json!({"name": "Rates", "kind": "url", "connection": {"url": url, "file": "rates.csv"}});
    let source = owner.post(SOURCES, wanted).await.is(201);
    assert_eq!(
        (&source["kind"], &source["mode"], &source["status"]),
        (&json!("url"), &json!("extract"), &json!("active"))
    );
    assert_eq!(source["connection"], json!({"url": url, "file": "rates.csv"}));
    assert_eq!((&source["has_secret"], &source["schedule"]), (&json!(false), &Value::Null));
    assert_eq!((&source["last_sync"]["status"], &source["last_sync"]["rows"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(source["tables"][0]["name"], "rates");
    assert_eq!(rates(&owner).await, json!([2, 2.75]));

    world.pass(60);
    let same = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!((&same["status"], &same["unchanged"], &same["rows"]), (&json!("succeeded"), &json!(true), &json!(2)));
    assert!(site.heads()[1].contains("if-none-match: "), "{}", site.heads()[1]);
    let looked = owner.get("/v1/data-sources/ds_1").await.is(200);
    assert_eq!(
        (&looked["last_synced_at"], &looked["updated_at"]),
        (&json!("2026-04-06T09:01:00Z"), &source["updated_at"])
    );

    site.put("/data/Daily%20Rates.csv", Page::File(MORE.to_owned()));
    let newer = owner.post("/api/data-sources/1/sync/", json!({})).await.is(200);
    assert_eq!((&newer["id"], &newer["data_source_id"], &newer["unchanged"]), (&json!(3), &json!(1), &json!(false)));
    assert_eq!(rates(&owner).await, json!([3, 4.5]));
    let history = syncs(&owner, "ds_1").await;
    let told: Vec<_> = history.iter().map(|sync| (sync["trigger"].clone(), sync["rows"].clone())).collect();
    assert_eq!(told, [(json!("create"), json!(2)), (json!("api"), json!(2)), (json!("api"), json!(3))]);
    assert_eq!(owner.get("/v1/data-sources?kind=url").await.is(200)["data"].as_array().unwrap().len(), 1);
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    analyst.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    analyst.patch("/v1/data-sources/ds_1", json!({"schedule": null})).await.refuses(403, "permission_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_leaves_the_data_of_before() {
    let (world, site) = (World::new().await, Site::open().await);
    let owner = world.owner().await;
    connected(&owner, &site).await;
    for (page, code, words) in [
        (Page::Raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()), "source_unavailable", "500"),
        (Page::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{MORE}")), "source_unavailable", "complete"),
        (Page::Raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPAR1PAR1".to_owned()), "invalid_file", ""),
        (Page::Raw("nonsense".to_owned()), "source_unavailable", "HTTP"),
    ] {
        site.put("/rates.csv", page);
        let refusal = owner.post("/v1/data-sources/ds_1/sync", json!({})).await;
        refusal.refuses(422, code);
        assert!(refusal.message().contains(words), "{}", refusal.message());
        let source = owner.get("/v1/data-sources/ds_1").await.is(200);
        assert_eq!((&source["status"], &source["error"]), (&json!("active"), &Value::Null));
        assert_eq!(
            (&source["last_sync"]["status"], &source["last_sync"]["reason"]),
            (&json!("failed"), &json!(refusal.message()))
        );
        assert_eq!(rates(&owner).await, json!([2, 2.75]));
    }
    let failed = owner.get("/v1/data-sources/ds_1/syncs?status=failed&sort=-created_at").await.is(200);
    assert_eq!(failed["data"].as_array().unwrap().len(), 4);
    assert_eq!(failed["data"][1]["error"]["code"], "invalid_file");
    site.put("/rates.csv", Page::File(MORE.to_owned()));
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(rates(&owner).await, json!([3, 4.5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_source_whose_file_cannot_be_had() {
    let world = World::with(|plot| plot.settings.job_timeout = Duration::from_millis(800)).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    site.put("/page", Page::Raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx".to_owned()));
    site.put("/large", Page::Raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\na".to_owned()));
    site.put("/endless", Page::Endless);
    site.put("/silent", Page::Silent);
    site.put("/around", Page::Redirect("/around".to_owned()));
    site.put("/file", Page::Redirect("file:///etc/passwd".to_owned()));
    site.put("/broken", Page::Raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPAR1PAR1".to_owned()));
    for (path, code, words) in [
        ("/missing", "source_unavailable", "404"),
        ("/page", "source_unavailable", "web page"),
        ("/large", "source_unavailable", "limit"),
        ("/endless", "source_unavailable", "limit"),
        ("/silent", "source_unavailable", "time"),
        ("/around", "source_unavailable", "redirects"),
        ("/file", "source_unavailable", "redirects"),
        ("/broken", "invalid_file", ""),
    ] {
        let refusal = owner.post(SOURCES, of_url("Rates", &site.url(path))).await;
        refusal.refuses(422, code);
        assert!(refusal.message().contains(words), "{path}: {}", refusal.message());
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusal = owner.post(SOURCES, of_url("Rates", &format!("http://{nobody}/a.csv"))).await;
    assert!(refusal.refuses(422, "source_unavailable")["message"].as_str().unwrap().contains("refuses"));
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    let data = &world.app.data;
    let left = world.files().into_iter().map(|(path, _)| path);
    let left: Vec<_> = left.filter(|path| path.starts_with(data.sources()) || path.starts_with(data.tmp())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_inward_by_a_url_a_redirect_or_a_name_that_changes() {
    let (open, inside) = (Site::open().await, Site::open().await);
    inside.put("/rates.csv", Page::File(RATES.to_owned()));
    open.put("/rates.csv", Page::File(RATES.to_owned()));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let names = move |_: &str| match count.fetch_add(1, Ordering::Relaxed) {
        0 => vec!["127.0.0.1".parse().unwrap()],
        _ => vec!["169.254.169.254".parse().unwrap()],
    };
    let allow = vec![open.address.to_string().parse().unwrap()];
    let guard = Arc::new(Guard::new(allow, Names::Given(Arc::new(names))));
    let world = World::with(|plot| plot.settings.outbound.guard = guard).await;
    let owner = world.owner().await;

    for url in [
        "file:///etc/passwd",
        "http://10.0.0.1/a.csv",
        "http://[::1]/a.csv",
        "http://0x7f.1/",
        &inside.url("/rates.csv"),
    ] {
        let refusal = owner.post(SOURCES, of_url("Rates", url)).await.refuses(400, "invalid_request");
        assert!(refusal["message"].as_str().unwrap().contains("connection.url"), "{refusal}");
    }
    for inward in
        [inside.url("/rates.csv"), "http://169.254.169.254/latest".to_owned(), "http://localhost:1/".to_owned()]
    {
        let url = open.put("/away.csv", Page::Redirect(inward));
        let refusal = owner.post(SOURCES, of_url("Rates", &url)).await.refuses(422, "source_unavailable");
        assert!(refusal["message"].as_str().unwrap().contains("redirects"), "{refusal}");
    }
    assert!(inside.heads().is_empty() && asked.load(Ordering::Relaxed) == 0);

    let url = format!("http://rebind.example:{}/rates.csv", open.address.port());
    let id = owner.post(SOURCES, of_url("Rates", &url)).await.is(201)["id"].clone();
    assert_eq!(asked.load(Ordering::Relaxed), 1, "what was looked at is what was connected to");
    let sync = format!("{SOURCES}/{}/sync", id.as_str().unwrap());
    let refusal = owner.post(&sync, json!({})).await.refuses(422, "source_unavailable");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("public Internet") && !message.contains("169.254"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_a_source_goes_to_its_own_origin_and_nowhere_else() {
    let (world, site, other) = (World::new().await, Site::open().await, Site::open().await);
    let owner = world.owner().await;
    let url = site.put("/rates.csv", Page::File(RATES.to_owned()));
    let secret = json!({"headers": {"Authorization": SECRET}});
    let wanted = json!({"name": "Rates", "kind": "url", "connection": {"url": url}, "secret": secret});
    let made = owner.post(SOURCES, wanted).await;
    assert_eq!(made.is(201)["has_secret"], true);
    let sent = format!("authorization: {}", SECRET.to_lowercase());
    assert!(site.heads()[0].contains(&sent));
    let away = other.put("/rates.csv", Page::File(MORE.to_owned()));
    site.put("/rates.csv", Page::Redirect(away.clone()));
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert!(site.heads()[1].contains(&sent) && !other.heads()[0].contains("authorization"));
    assert_eq!(rates(&owner).await, json!([3, 4.5]));
    // What told the version there is said there again, and not here.
    let again = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(again["unchanged"], true);
    assert!(other.heads()[1].contains("if-none-match") && !other.heads()[1].contains("authorization"));
    assert!(!site.heads()[2].contains("if-none-match"), "{}", site.heads()[2]);

    // Whoever may change the source cannot have the secret sent to themselves.
    let moved = json!({"connection": {"url": away}});
    let refusal = owner.patch("/v1/data-sources/ds_1", moved.clone()).await.refuses(400, "invalid_request");
    assert!(refusal["message"].as_str().unwrap().contains("secret"), "{refusal}");
    let again = json!({"connection": {"url": site.put("/other.csv", Page::File(RATES.to_owned()))}});
    owner.patch("/v1/data-sources/ds_1", again).await.is(200);
    let mut moved = moved;
    moved["secret"] = Value::Null;
    let changed = owner.patch("/v1/data-sources/ds_1", moved).await.is(200);
    assert_eq!((&changed["has_secret"], &changed["connection"]["url"]), (&json!(false), &json!(away)));
    owner.patch("/v1/data-sources/ds_1", json!({"secret": secret})).await.is(200);

    let told = [made.text(), owner.get("/v1/audit").await.text(), owner.get("/v1/data-sources/ds_1").await.text()];
    assert!(told.iter().all(|text| !text.contains("opal-seven")), "{told:?}");
    assert!(!world.is_written_down("opal-seven"), "neither databases nor logs have it in the clear");
    for odd in [json!({"headers": {"Host": "x"}}), json!({"headers": {"A": "b\nc"}}), json!({"headers": {"A": 1}})] {
        owner.patch("/v1/data-sources/ds_1", json!({"secret": odd})).await.refuses(400, "invalid_request");
    }
    owner.patch("/v1/data-sources/ds_1", json!({"secret": {"password": "x"}})).await.refuses(400, "invalid_request");
}

/// What a URL asks with is often what opens it.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_is_fetched_whole_and_shown_masked() {
    let (world, site) = (World::new().await, Site::open().await);
    let owner = world.owner().await;
    let reader = world.key(Scope::ReadOnly).await;
    site.put("/rates.csv", Page::File(RATES.to_owned()));
    let place = site.put("/more.csv", Page::File(MORE.to_owned())).replace("/more.csv", "");
    let signed = |file: &str, value: &str| format!("{place}/{file}.csv?day=1&X-Amz-Signature={value}");
    let shown = |file: &str| json!(format!("{place}/{file}.csv?day=***&X-Amz-Signature=***"));
    let asked = |number: usize| site.heads()[number].lines().next().unwrap().to_owned();
    let secret = json!({"headers": {"Authorization": SECRET}});
    let mut wanted = of_url("Rates", &signed("rates", "opal-seven"));
    wanted["secret"] = secret;
    let made = owner.post(SOURCES, wanted).await;
    let source = made.is(201);
    assert_eq!((&source["connection"]["url"], &source["has_secret"]), (&shown("rates"), &json!(true)));
    assert!(asked(0).contains("/rates.csv?day=1&x-amz-signature=opal-seven"), "{}", asked(0));

    // As it is shown it may be sent back, alone or with another path of the same server.
    let at = format!("{SOURCES}/ds_1");
    let changed = owner.patch(&at, json!({"connection": {"url": shown("more"), "file": "rates.csv"}})).await.is(200);
    assert_eq!(changed["connection"]["url"], shown("more"));
    owner.post(&format!("{at}/sync"), json!({})).await.is(200);
    assert!(asked(1).contains("/more.csv?day=1&x-amz-signature=opal-seven"), "{}", asked(1));
    assert_eq!(rates(&owner).await, json!([3, 4.5]));
    let sent = format!("authorization: {}", SECRET.to_lowercase());
    assert!(site.heads()[1].contains(&sent), "headers stay beside it");
    owner.patch(&at, json!({"secret": null})).await.is(200);
    owner.patch(&at, json!({"connection": {"url": signed("rates", "opal-eight")}})).await.is(200);
    owner.post(&format!("{at}/sync"), json!({})).await.is(200);
    assert!(asked(2).contains("signature=opal-eight") && !site.heads()[2].contains(&sent), "{}", asked(2));
    for unknown in [signed("rates", "***"), format!("{place}/rates.csv?***"), "https://b.example/x?day=***".to_owned()]
    {
        owner.patch(&at, json!({"connection": {"url": unknown}})).await.refuses(400, "invalid_request");
    }

    let shown_again = owner.post(SOURCES, of_url("Again", &signed("rates", "***"))).await;
    let refusal = shown_again.refuses(400, "invalid_request");
    assert!(refusal["message"].as_str().unwrap().contains("masked"), "{refusal}");

    let gone = of_url("Gone", &format!("{place}/none.csv?token=opal-nine"));
    let refusal = owner.post(SOURCES, gone).await;
    assert_eq!(refusal.status, 422);
    let told = [
        made.text(),
        refusal.text(),
        owner.get("/v1/audit?limit=100").await.text(),
        reader.get(&at).await.text(),
        reader.get(&format!("{at}/syncs")).await.text(),
    ];
    assert!(told.iter().all(|text| !text.contains("opal-")), "{told:?}");
    assert!(!world.is_written_down("opal-"), "neither databases nor logs have it in the clear");
    let plain = json!({"connection": {"url": format!("{place}/rates.csv")}});
    assert_eq!(owner.patch(&at, plain).await.is(200)["has_secret"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_opens_in_its_own_row_alone_and_outlives_a_new_key() {
    let (world, site) = (World::new().await, Site::open().await);
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    let url = site.put("/rates.csv", Page::File(RATES.to_owned()));
    let secret = json!({"headers": {"Authorization": SECRET}});
    let wanted = json!({"name": "Rates", "kind": "url", "connection": {"url": url}, "secret": secret});
    owner.post(SOURCES, wanted).await.is(201);
    stranger.post(SOURCES, of_url("Rates", &url)).await.is(201);
    let sealing = world.data().join("secrets/sealing");
    let before = std::fs::read_to_string(&sealing).unwrap();

    let rotation = world.beside().rotate_sealing("tests").await.unwrap();
    world.seen().await;
    assert_eq!((rotation.sealed, rotation.left), (1, 0));
    let after = std::fs::read_to_string(&sealing).unwrap();
    assert!(after.starts_with("2 ") && after.lines().count() == 1 && !after.contains(before[2..].trim()));
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert!(site.heads()[2].contains("opal-seven"), "the server goes on with the new key");

    // Somebody who can write the database moves the secret to a row of their own.
    let moved = "UPDATE sources SET secret = (SELECT secret FROM sources WHERE id = ?1) WHERE id = ?2";
    world.change_file(moved, params![1, 2]).await;
    let refusal = stranger.post("/v1/data-sources/ds_2/sync", json!({})).await.refuses(422, "source_unavailable");
    assert!(refusal["message"].as_str().unwrap().contains("send it again"), "{refusal}");
    assert_eq!(site.heads().len(), 3, "nothing was sent");
    let rotation = world.app.rotate_sealing("tests").await.unwrap();
    assert_eq!((rotation.sealed, rotation.left), (1, 1), "what does not open stays, and stops nothing");
    stranger.patch("/v1/data-sources/ds_2", json!({"secret": null})).await.is(200);
    stranger.post("/v1/data-sources/ds_2/sync", json!({})).await.is(200);
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || app.adopt_changes(Adopt::All)).await.unwrap().unwrap();
    assert!(world.events().iter().any(|event| format!("{event:?}").contains("secrets.rotate")), "it is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_read_by_its_schedule_and_tried_again_when_that_fails() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    connected(&owner, &site).await;
    // The clock stands at nine in the morning; in New York it is five.
    let schedule = json!({"schedule": {"cron": "0 6 * * *", "time_zone": "America/New_York"}});
    let source = owner.patch("/v1/data-sources/ds_1", schedule).await.is(200);
    let next = json!({"cron": "0 6 * * *", "time_zone": "America/New_York", "next_sync_at": "2026-04-06T10:00:00Z", "paused": null});
    assert_eq!(source["schedule"], next);
    let due = async || {
        for running in world.app.sync_due().await.unwrap() {
            let _ = running.await.unwrap();
        }
        owner.get("/v1/data-sources/ds_1").await.is(200)["schedule"]["next_sync_at"].clone()
    };
    world.pass(3_599);
    assert_eq!(due().await, "2026-04-06T10:00:00Z");
    assert_eq!(syncs(&owner, "ds_1").await.len(), 1, "not before its time");
    world.pass(1);
    assert_eq!(due().await, "2026-04-07T10:00:00Z");
    // Ten days without a server: what was missed comes once.
    site.put("/rates.csv", Page::File(MORE.to_owned()));
    world.pass(10 * 86_400);
    assert_eq!(due().await, "2026-04-17T10:00:00Z");
    assert_eq!(due().await, "2026-04-17T10:00:00Z");
    let history = syncs(&owner, "ds_1").await;
    let told: Vec<_> =
        history.iter().map(|sync| (sync["trigger"].as_str().unwrap(), sync["unchanged"] == true)).collect();
    assert_eq!(told, [("create", false), ("schedule", true), ("schedule", false)]);
    assert_eq!(rates(&owner).await, json!([3, 4.5]));

    site.put("/rates.csv", Page::Raw("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned()));
    world.pass(86_400);
    assert_eq!(due().await, "2026-04-17T10:01:00Z", "a minute later");
    world.pass(60);
    assert_eq!(due().await, "2026-04-17T10:05:00Z", "then four");
    site.put("/rates.csv", Page::File(RATES.to_owned()));
    world.pass(240);
    assert_eq!(due().await, "2026-04-18T10:00:00Z");
    let history = syncs(&owner, "ds_1").await;
    let attempts: Vec<_> = history[3..].iter().map(|sync| (sync["attempt"].clone(), sync["status"].clone())).collect();
    let expected = [(1, "failed"), (2, "failed"), (3, "succeeded")];
    assert_eq!(attempts, expected.map(|(attempt, status)| (json!(attempt), json!(status))));
    assert_eq!(rates(&owner).await, json!([2, 2.75]));

    let ended = owner.patch("/v1/data-sources/ds_1", json!({"schedule": null})).await.is(200);
    assert_eq!(ended["schedule"], Value::Null);
    world.pass(10 * 86_400);
    assert!(world.app.sync_due().await.unwrap().is_empty());
    for odd in [json!({"cron": "never"}), json!({"cron": "@daily", "time_zone": "Moon"}), json!({"cron": "0 0 30 2 *"})]
    {
        owner.patch("/v1/data-sources/ds_1", json!({"schedule": odd})).await.refuses(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sync_of_a_source_goes_on_at_a_time_and_the_second_request_joins_it() {
    let world = World::with(|plot| plot.settings.upload_wait = Duration::ZERO).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let url = site.put("/rates.csv", Page::Held(RATES.to_owned()));
    let source = owner.post(SOURCES, of_url("Rates", &url)).await.is(202);
    assert_eq!((&source["status"], &source["last_sync"]["status"]), (&json!("syncing"), &json!("running")));
    let joined = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(202);
    assert_eq!(
        (&joined["id"], &joined["trigger"], &joined["rows"]),
        (&json!("sync_1"), &json!("create"), &Value::Null)
    );
    owner.delete("/v1/data-sources/ds_1").await.refuses(409, "conflict");
    site.go_on();
    assert_eq!(settled(&owner, "ds_1").await["status"], "active");

    let began = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(202);
    let joined = owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(202);
    assert_eq!((&began["id"], &joined["id"]), (&json!("sync_2"), &json!("sync_2")));
    let source = owner.get("/v1/data-sources/ds_1").await.is(200);
    assert_eq!(source["status"], "active", "it can be queried all the while");
    assert_eq!(rates(&owner).await, json!([2, 2.75]));
    until_so("the second request to the site", || site.heads().len() == 2).await;
    let running = owner.get("/v1/data-sources/ds_1/syncs?status=running").await.is(200);
    let progress = &running["data"][0]["progress"];
    assert!(progress["percent"].is_u64() && progress["rows"].is_u64(), "{running}");
    site.put("/rates.csv", Page::Held(MORE.to_owned()));
    site.go_on();
    assert_eq!(settled(&owner, "ds_1").await["last_sync"]["status"], "succeeded");
    assert_eq!(site.heads().len(), 2);

    // One whose file never comes is told as an error, whether or not somebody still waits for it.
    let url = site.put("/gone.csv", Page::Raw("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n".to_owned()));
    let answer = owner.post(SOURCES, of_url("Gone", &url)).await;
    if answer.status != 202 {
        answer.refuses(422, "source_unavailable");
        assert!(answer.message().contains("410"), "{}", answer.text());
    } else {
        let source = settled(&owner, "ds_2").await;
        assert_eq!((&source["status"], &source["last_sync"]["status"]), (&json!("error"), &json!("failed")));
        assert!(source["error"].as_str().unwrap().contains("410"), "{source}");
    }
}

/// Two URLs that differ in what is sealed alone are two places.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_brings_nothing_from_where_the_source_was_before() {
    let world = World::with(|plot| plot.settings.upload_wait = Duration::ZERO).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let of_day = |day: u8| format!("{}?day={day}", site.url("/rates.csv"));
    site.put("/rates.csv", Page::File(RATES.to_owned()));
    owner.post(SOURCES, of_url("Rates", &of_day(1))).await.is(202);
    settled(&owner, "ds_1").await;

    site.put("/rates.csv", Page::Held(MORE.to_owned()));
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(202);
    until_so("the request of the sync", || site.heads().len() == 2).await;
    let moved = owner.patch("/v1/data-sources/ds_1", json!({"connection": {"url": of_day(2)}})).await.is(200);
    assert!(moved["connection"]["url"].as_str().unwrap().ends_with("?day=***"), "{moved}");
    site.go_on();
    let source = settled(&owner, "ds_1").await;
    assert_eq!(source["last_sync"]["status"], "failed", "{source}");
    assert_eq!(rates(&owner).await, json!([2, 2.75]), "what was there before stays");

    site.put("/rates.csv", Page::File(MORE.to_owned()));
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(202);
    assert_eq!(settled(&owner, "ds_1").await["last_sync"]["status"], "succeeded");
    let head = site.heads()[2].clone();
    assert!(head.contains("day=2") && !head.contains("if-none-match"), "{head}");
    assert_eq!(rates(&owner).await, json!([3, 4.5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_a_stop_cut_off_is_told_as_failed_and_made_up_for() {
    let world = World::with(|plot| {
        plot.settings.upload_wait = Duration::ZERO;
        plot.background = Background::LeftLying;
    })
    .await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let url = site.put("/rates.csv", Page::Held(RATES.to_owned()));
    site.go_on();
    owner.post(SOURCES, of_url("Rates", &url)).await.is(202);
    settled(&owner, "ds_1").await;
    owner.patch("/v1/data-sources/ds_1", json!({"schedule": {"cron": "@monthly"}})).await.is(200);
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(202);
    let world = world.restarted().await;
    let owner = world.owner().await;
    let source = owner.get("/v1/data-sources/ds_1").await.is(200);
    assert_eq!((&source["status"], &source["last_sync"]["status"]), (&json!("active"), &json!("failed")));
    assert!(source["last_sync"]["reason"].as_str().unwrap().contains("stopped"), "{source}");
    site.put("/rates.csv", Page::File(MORE.to_owned()));
    for running in world.app.sync_due().await.unwrap() {
        running.await.unwrap().unwrap();
    }
    assert_eq!(rates(&owner).await, json!([3, 4.5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_source_elsewhere_is_refused_and_files_are_nowhere_else() {
    let (world, site) = (World::new().await, Site::open().await);
    let owner = world.owner().await;
    let url = site.put("/rates.csv", Page::File(RATES.to_owned()));
    let server = json!({"name": "x", "kind": "oracle", "connection": {"url": "https://example.com/a"}});
    let refusal = owner.post(SOURCES, server).await.refuses(400, "invalid_request");
    assert!(refusal["message"].as_str().unwrap().contains("postgres"), "names the kinds there are: {refusal}");
    for (body, code) in [
        (json!({"name": "x", "kind": "postgres", "connection": {"url": url}}), "unknown_field"),
        (json!({"name": "x", "kind": "mysql", "connection": {"host": "192.0.2.1"}}), "invalid_request"),
        (json!({"name": "x", "kind": "url"}), "invalid_request"),
        (json!({"name": "x", "kind": "url", "connection": {}}), "invalid_request"),
        (json!({"name": " ", "kind": "url", "connection": {"url": url}}), "invalid_request"),
        (json!({"name": "x", "kind": "url", "connection": {"url": url, "path": "/"}}), "unknown_field"),
        (
            json!({"name": "x", "kind": "url", "connection": {"url": "https://a:b@example.com/x.csv"}}),
            "invalid_request",
        ),
        (json!({"name": "x", "kind": "url", "connection": {"url": url}, "schedule": {"cron": "x"}}), "invalid_request"),
        (json!({"name": "x", "kind": "url", "connection": {"url": url}, "mode": "live"}), "invalid_request"),
    ] {
        owner.post(SOURCES, body.clone()).await.refuses(400, code);
    }
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    crate::sources::sales(&owner).await;
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.refuses(409, "conflict");
    for change in
        [json!({"connection": {"url": url}}), json!({"secret": null}), json!({"schedule": {"cron": "@daily"}})]
    {
        owner.patch("/v1/data-sources/ds_1", change).await.refuses(400, "invalid_request");
    }
    let history = syncs(&owner, "ds_1").await;
    assert_eq!(
        (&history[0]["trigger"], &history[0]["rows"]),
        (&json!("create"), &json!(4)),
        "uploads have a history too"
    );
    let long = json!({"name": "x".repeat(2 << 20), "kind": "url", "connection": {"url": url}});
    owner.post(SOURCES, long).await.refuses(413, "too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_adds_a_url_reads_it_again_and_renews_the_key_of_secrets() {
    let site = Site::open().await;
    let url = site.put("/rates.csv", Page::File(RATES.to_owned()));
    let installation = Installation::new();
    let allow = [("CLARIBI_OUTBOUND__ALLOW", site.address.to_string())];
    let run = |arguments: &[&str], input: &str| {
        let output = installation.run_with_variables(arguments, &allow, input);
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let secret = json!({"headers": {"Authorization": SECRET}}).to_string();
    let schedule = ["--schedule", "@daily", "--time-zone", "Europe/Berlin", "--secret-stdin"];
    let (code, said, complained) = run(&[&["source", "add", &url, "--name", "Rates"], &schedule[..]].concat(), &secret);
    assert!(code == 0 && said.contains("rates.rates\t2\t"), "{said}{complained}");
    assert!(site.heads()[0].contains("opal-seven"));
    let (_, said, complained) = run(&["source", "sync", "rates"], "");
    assert!(said.contains("has not changed"), "{said}{complained}");
    assert!(run(&["secrets", "rotate"], "").1.contains("1 secrets"));
    site.put("/rates.csv", Page::File(MORE.to_owned()));
    let (_, said, complained) = run(&["source", "sync", "rates", "--json"], "");
    let synced: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{complained}"));
    assert_eq!((&synced["trigger"], &synced["rows"]), (&json!("cli"), &json!(3)));
    assert!(site.heads()[2].contains("opal-seven"), "the secret is still the same");
    for (arguments, code, words) in [
        (&["source", "sync", "nothing"][..], 1, "nothing"),
        (&["source", "add", &url, &url, "--name", "x"], 2, "one URL"),
        (&["source", "add", "http://10.0.0.1/a.csv", "--name", "x"], 2, "outbound.allow"),
        (&["source", "add", &site.url("/none.csv"), "--name", "x"], 1, "404"),
        (&["source", "add", &url, "--name", "x", "--secret-stdin"], 2, "JSON"),
    ] {
        let (found, _, complained) = run(arguments, "");
        assert!(found == code && complained.contains(words), "{arguments:?}: {found} {complained}");
    }
}
