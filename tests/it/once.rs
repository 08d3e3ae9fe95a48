//! Requests with an Idempotency-Key: what they ask for happens once, however often they come.

use claribi::domain::access::Scope;
use claribi::domain::connection::Mode;
use claribi::domain::id::{IdRef, KeyId, SourceId};
use claribi::domain::operation::{BodyKind, OPERATIONS, Operation, Repeats};
use claribi::jobs::Jobs;
use claribi::store::main::idempotency::{self, Claim, Effect, Outcome};
use claribi::store::main::{keys, sources as stored_sources};
use serde_json::{Value, json};

use crate::actors::{Actor, BOUNDARY, Part, Request};
use crate::answer::Answer;
use crate::connected::connected;
use crate::coverage;
use crate::patience::until;
use crate::sources::sales;
use crate::web::Site;
use crate::world::{Background, World};

const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotent-replayed";
const GENERATE: &str = "/v1/reports/generate";

fn keyed(actor: &Actor, path: &str, body: &Value, key: &str) -> Request {
    actor.request("POST", path).header(KEY, key).json(body)
}

async fn post(actor: &Actor, path: &str, body: &Value, key: &str) -> Answer {
    keyed(actor, path, body, key).send().await
}

async fn upload(actor: &Actor, path: &str, name: &str, file: &[u8], key: &str) -> Answer {
    form(actor, path, name, file, BOUNDARY).header(KEY, key).send().await
}

fn form(actor: &Actor, path: &str, name: &str, file: &[u8], boundary: &str) -> Request {
    actor.form(path, &[Part::Field("name", name), Part::File("a.csv", file)], boundary)
}

/// That the second answer is the first one, given again.
#[track_caller]
fn assert_replayed(first: &Answer, second: &Answer) {
    assert_eq!((second.status, second.text()), (first.status, first.text()));
    assert_eq!((first.header(REPLAYED), second.header(REPLAYED)), (None, Some("true")));
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_ne!(second.request_id(), first.request_id());
}

async fn count(actor: &Actor, path: &str) -> usize {
    actor.get(path).await.is(200)["data"].as_array().unwrap().len()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Credits that are used, and that are reserved.
async fn credits(actor: &Actor) -> (i64, i64) {
    let credits = actor.get("/v1/usage").await.is(200)["credits"].clone();
    (credits["used"].as_i64().unwrap(), credits["reserved"].as_i64().unwrap())
}

async fn template(actor: &Actor, kind: &str) -> String {
    let templates = actor.get("/v1/report-templates").await.is(200);
    let found = templates["data"].as_array().unwrap().iter().find(|template| template["kind"] == kind);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

async fn profile_of(actor: &Actor, source: &str) -> Value {
    json!({"template_id": template(actor, "profile").await, "data_source_ids": [source], "output_format": "json"})
}

/// A body with which the operation succeeds.
async fn body(owner: &Actor, operation: &Operation, number: usize) -> Value {
    match operation.id {
        "dashboards_create" | "keys_create" => json!({"name": "Once"}),
        "queries_create" => json!({"name": format!("Once {number}"), "query": {"sql": "SELECT 1"}}),
        "users_create" => json!({"email": format!("once-{number}@example.com"), "role": "viewer"}),
        "reports_create" | "reports_generate" => profile_of(owner, "ds_1").await,
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_takes_a_key_answers_the_second_request_like_the_first_on_every_face() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    owner.post("/v1/dashboards", json!({"name": "First"})).await.is(201);
    owner.post("/v1/reports", profile_of(&owner, &source).await).await.is(201);
    let site = Site::open().await;
    assert_eq!(connected(&owner, &site).await, "ds_2");
    let first = |listed: Value| listed["data"][0]["id"].as_str().unwrap().to_owned();
    let dashboard = first(owner.get("/api/v1/dashboards").await.is(200));
    let report = first(owner.get("/api/v1/reports").await.is(200));

    let mut tested = std::collections::BTreeSet::new();
    let entries = coverage::entries();
    for (number, entry) in entries.iter().filter(|entry| entry.operation.repeats == Repeats::Once).enumerate() {
        let operation = entry.operation;
        let object = match operation.id {
            // A key that was rotated is not rotated again.
            "keys_rotate" => text_of(&owner.post("/v1/keys", json!({"name": "Once"})).await.is(201)["id"]),
            "data_sources_files" => source.clone(),
            // A source of files is nowhere else.
            "data_sources_sync" => "ds_2".to_owned(),
            id if id.starts_with("report") => report.clone(),
            _ => dashboard.clone(),
        };
        let (path, key) = (entry.path.replace("999", &object), format!("key-{number}"));
        let name = format!("{} {path}", operation.id);
        let mut answers = Vec::new();
        for _ in 0..2 {
            answers.push(match operation.body {
                BodyKind::Upload => upload(&owner, &path, &format!("Once {number}"), b"a\n1\n", &key).await,
                BodyKind::Json | BodyKind::None => {
                    post(&owner, &path, &body(&owner, operation, number).await, &key).await
                }
            });
        }
        assert!((200..300).contains(&answers[0].status), "{name}: {}", answers[0].text());
        assert_eq!(answers[1].header(REPLAYED), Some("true"), "{name}: {}", answers[1].text());
        let call = world.last_call();
        assert!(call.replayed && call.counted() && call.changes.is_empty() && call.credits == 0, "{name}");
        // A secret is not given again: a key's own test is below, that of an invitation with users.
        if !operation.shows_secret() {
            assert_replayed(&answers[0], &answers[1]);
        }
        tested.insert(operation.id);
    }
    let taking = OPERATIONS.iter().filter(|operation| operation.repeats == Repeats::Once);
    assert!(
        taking.map(|operation| operation.id).eq(OPERATIONS.iter().map(|one| one.id).filter(|id| tested.contains(id)))
    );
    assert!(tested.contains("reports_generate") && tested.contains("data_sources_create"));
    assert_eq!(
        world.calls().iter().filter(|call| call.replayed).count(),
        entries.iter().filter(|entry| entry.operation.repeats == Repeats::Once).count()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_1_to_255_visible_characters_and_stands_once() {
    let world = World::new().await;
    let owner = world.owner().await;
    for bad in ["", "two words", "t\u{e9}l\u{e9}", &"x".repeat(256)] {
        let refused =
            post(&owner, "/v1/dashboards", &json!({"name": "x"}), bad).await.refuses(400, "invalid_parameter");
        assert_eq!(refused["parameter"], "Idempotency-Key", "{bad:?}");
    }
    let twice = keyed(&owner, "/v1/dashboards", &json!({"name": "x"}), "one").header(KEY, "one");
    twice.send().await.refuses(400, "invalid_parameter");
    assert_eq!(count(&owner, "/v1/dashboards").await, 0);
    post(&owner, "/v1/dashboards", &json!({"name": "x"}), &"~".repeat(255)).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_operations_do_not_look_at_the_header() {
    let world = World::new().await;
    let owner = world.owner().await;
    for _ in 0..2 {
        let read = owner.request("GET", "/v1/dashboards").header(KEY, "not a key").send().await;
        assert_eq!((read.status, read.header(REPLAYED)), (200, None));
        let query = post(&owner, "/v1/query", &json!({"sql": "SELECT 1 AS one"}), "same").await;
        assert_eq!((query.status, query.header(REPLAYED)), (200, None));
    }
    assert!(world.calls().iter().all(|call| !call.replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_key_is_a_mismatch_and_does_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    post(&owner, "/v1/dashboards", &json!({"name": "First"}), "k").await.is(201);
    let other = post(&owner, "/v1/dashboards", &json!({"name": "Second"}), "k").await;
    other.refuses(422, "idempotency_mismatch");
    assert_eq!(count(&owner, "/v1/dashboards").await, 1);

    let path = "/v1/data-sources";
    let made = upload(&owner, path, "One", b"a\n1\n", "k").await;
    made.is(201);
    for (name, file) in [("One", &b"a\n2\n"[..]), ("Two", b"a\n1\n")] {
        upload(&owner, path, name, file, "k").await.refuses(422, "idempotency_mismatch");
    }
    // A client draws a new boundary each time; what it sends is the same.
    let again = form(&owner, path, "One", b"a\n1\n", "another-boundary").header(KEY, "k").send().await;
    assert_replayed(&made, &again);
    assert_eq!(count(&owner, path).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_by_its_caller_and_its_path() {
    let world = World::new().await;
    let (owner, second) = (world.owner().await, world.owner().await);
    let body = json!({"name": "Mine"});
    let made = post(&owner, "/v1/dashboards", &body, "k").await;
    made.is(201);
    // Another key of the same owner, another face, a session: other requests.
    for other in [
        post(&second, "/v1/dashboards", &body, "k").await,
        post(&owner, "/api/dashboards/", &body, "k").await,
        post(&world.stranger().await, "/v1/dashboards", &body, "k").await,
    ] {
        assert_eq!((other.status, other.header(REPLAYED)), (201, None));
    }
    let (session, later) = (world.owner_session().await, world.owner_session().await);
    let by_session = post(&session, "/v1/dashboards", &body, "k").await;
    by_session.is(201);
    // The same person who logged in again, and the same path with a slash at its end: the same request.
    assert_replayed(&by_session, &post(&later, "/v1/dashboards", &body, "k").await);
    assert_replayed(&made, &post(&owner, "/v1/dashboards/", &body, "k").await);
    assert_eq!(count(&owner, "/v1/dashboards").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_first_is_served_the_second_is_told_to_wait() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    let mut request = profile_of(&owner, &sales(&owner).await).await;
    let first = tokio::spawn(keyed(&owner, GENERATE, &request, "k").send());
    until("the first's report", async || (count(&owner, "/v1/reports").await > 0).then_some(())).await;
    let waiting = post(&owner, GENERATE, &request, "k").await;
    waiting.refuses(409, "request_in_progress");
    assert_eq!(waiting.header("retry-after"), Some("1"));
    let right = std::mem::replace(&mut request["output_format"], json!("csv"));
    post(&owner, GENERATE, &request, "k").await.refuses(422, "idempotency_mismatch");
    request["output_format"] = right;

    let jobs = Jobs::start(&world.app, 1);
    let first = first.await.unwrap();
    assert_eq!(first.is(201)["status"], "succeeded");
    assert_replayed(&first, &post(&owner, GENERATE, &request, "k").await);
    assert_eq!(count(&owner, "/v1/reports").await, 1);
    assert_eq!(credits(&owner).await, (first.json()["credits_consumed"].as_i64().unwrap(), 0));
    jobs.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_at_the_same_moment_have_one_effect() {
    let world = World::new().await;
    let owner = world.owner().await;
    let all = (0..16).map(|_| tokio::spawn(keyed(&owner, "/v1/dashboards", &json!({"name": "One"}), "k").send()));
    let mut ids = std::collections::BTreeSet::new();
    for answer in futures_util::future::join_all(all).await {
        let answer = answer.unwrap();
        match answer.status {
            201 => drop(ids.insert(answer.json()["id"].as_str().unwrap().to_owned())),
            _ => drop(answer.refuses(409, "request_in_progress")),
        }
    }
    assert_eq!((ids.len(), count(&owner, "/v1/dashboards").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_frees_the_key() {
    let world = World::new().await;
    let owner = world.owner().await;
    let sql = json!({"data_source_id": "ds_1", "sql": "SELECT region, amount FROM orders"});
    let body = json!({"name": "Later", "widgets": [{"type": "table", "title": "Orders", "query": sql}]});
    post(&owner, "/v1/dashboards", &body, "k").await.refuses(404, "not_found");
    sales(&owner).await;
    let made = post(&owner, "/v1/dashboards", &body, "k").await;
    assert_eq!((made.status, made.header(REPLAYED)), (201, None));

    for _ in 0..2 {
        upload(&owner, "/v1/data-sources", "Broken", b"", "k").await.refuses(422, "invalid_file");
    }
    upload(&owner, "/v1/data-sources", "Broken", b"a\n1\n", "k").await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_frees_the_key_and_costs_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let dashboard = owner.post("/v1/dashboards", json!({"name": "Empty"})).await.is(201)["id"].clone();
    let request = json!({
        "template_id": template(&owner, "dashboard").await, "dashboard_id": dashboard, "output_format": "csv",
    });
    for _ in 0..2 {
        post(&owner, GENERATE, &request, "k").await.refuses(409, "conflict");
    }
    assert_eq!(credits(&owner).await, (0, 0));
    let sql = json!({"data_source_id": "ds_1", "sql": "SELECT region, amount FROM orders"});
    let widgets = json!({"widgets": [{"type": "table", "title": "Orders", "query": sql}]});
    let path = format!("/v1/dashboards/{}", dashboard.as_str().unwrap());
    owner.patch(&path, widgets).await.is(200);
    owner.post(&format!("{path}/refresh"), json!({})).await.is(200);
    let made = post(&owner, GENERATE, &request, "k").await;
    assert_eq!(made.is(201)["status"], "succeeded");
    assert_replayed(&made, &post(&owner, GENERATE, &request, "k").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_key_is_not_kept_and_null_the_second_time() {
    let world = World::new().await;
    let owner = world.owner().await;
    let request = json!({"name": "Secret"});
    let made = post(&owner, "/v1/keys", &request, "k").await;
    let mut expected = made.is(201);
    let text = expected["key"].take().as_str().unwrap().to_owned();
    let again = post(&owner, "/v1/keys", &request, "k").await;
    assert_eq!((again.is(201), again.header(REPLAYED)), (expected, Some("true")));
    assert!(again.text().contains(r#""key":null"#), "{}", again.text());
    assert!(!world.is_written_down(&text));
    assert_eq!(count(&owner, "/v1/keys").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_for_24_hours_and_then_removed() {
    let world = World::new().await;
    let owner = world.owner().await;
    let body = json!({"name": "Daily"});
    let made = post(&owner, "/v1/dashboards", &body, "k").await;
    made.is(201);
    world.pass(86_399);
    assert_replayed(&made, &post(&owner, "/v1/dashboards", &body, "k").await);
    assert_eq!(world.app.forget_answers().await.unwrap(), 0);
    world.pass(1);
    let second = post(&owner, "/v1/dashboards", &body, "k").await;
    assert_eq!((second.status, second.header(REPLAYED)), (201, None));
    assert_replayed(&second, &post(&owner, "/v1/dashboards", &body, "k").await);
    world.pass(86_400);
    assert_eq!(world.app.forget_answers().await.unwrap(), 1);
    assert_eq!(count(&owner, "/v1/dashboards").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_again_after_a_restart_and_only_to_those_who_may_still_have_it() {
    let world = World::with(|plot| {
        plot.plan = "trial";
        plot.plan("trial", |plan| plan.api_access = true);
        plot.settings.idempotency_ttl = std::time::Duration::from_secs(30 * 86_400);
    });
    let world = world.await;
    let owner = world.owner().await;
    let body = json!({"name": "Kept"});
    let made = post(&owner, "/v1/dashboards", &body, "k").await;
    made.is(201);
    let secret = owner.secret().to_owned();
    let world = world.restarted().await;
    let owner = world.bearer(&secret);
    assert_replayed(&made, &post(&owner, "/v1/dashboards", &body, "k").await);
    world.pass(15 * 86_400);
    post(&owner, "/v1/dashboards", &body, "k").await.refuses(403, "trial_ended");
}

/// What a server leaves that ends while it reads an upload is written here as it would be there.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_crash_cut_off_goes_on_with_its_source() {
    let (world, path) = (World::new().await, "/v1/data-sources");
    let owner = world.key(Scope::ReadWrite).await;
    let made = upload(&owner, path, "Cut", b"a\n1\n", "k").await.is(201);
    let (org, now, uuid) = (world.org, world.clock.now(), world.app.entropy.uuid(world.clock.now()));
    let id = world.app.store.write(move |tx| {
        let key = keys::find(tx, org, &IdRef::Number(KeyId::new(1)), keys::Whose::Everyones)?.unwrap();
        let claim = Claim { org, owner: key.id.raw(), path: path.to_owned(), key: "k".to_owned() };
        let mut earlier = idempotency::find(tx, &claim, claribi::domain::time::Timestamp::from_millis(0))?.unwrap();
        stored_sources::delete(tx, org, SourceId::new(1))?;
        let id = {
            let new =
                stored_sources::NewSource { uuid, name: "Cut", slug: "cut", mode: Mode::Extract, connection: None };
            stored_sources::create(tx, org, &new, "an earlier start", now)?
        };
        earlier.outcome = Outcome::Begun(Effect::Source(id));
        idempotency::put(tx, &claim, &earlier, now)?;
        Ok(id)
    });
    let id = id.await.unwrap();
    world.app.recover().await.unwrap();
    let cut = format!("{path}/{}", id.prefixed());
    assert_eq!(owner.get(&cut).await.is(200)["status"], "error");

    upload(&owner, path, "Cut", b"a\n2\n", "k").await.refuses(422, "idempotency_mismatch");
    let resumed = upload(&owner, path, "Cut", b"a\n1\n", "k").await;
    let source = resumed.is(201);
    assert_eq!((&source["id"], &source["status"]), (&json!(id.prefixed()), &json!("active")));
    assert_eq!(source["tables"], made["tables"]);
    assert_replayed(&resumed, &upload(&owner, path, "Cut", b"a\n1\n", "k").await);
    assert_eq!(count(&owner, path).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_given_again_as_what_its_effect_is_by_then() {
    let (world, path) = (World::new().await, "/v1/data-sources");
    let owner = world.key(Scope::ReadWrite).await;
    let names: Vec<String> = (0..2_000).map(|number| format!("column {number} {}", "x".repeat(40))).collect();
    let file = format!("{}\n", names.join(","));
    let made = upload(&owner, path, "Wide", file.as_bytes(), "k").await;
    assert!(made.text().len() > 64 << 10);
    owner.patch(&format!("{path}/ds_1"), json!({"name": "Wider"})).await.is(200);
    let again = upload(&owner, path, "Wide", file.as_bytes(), "k").await.is(201);
    assert_eq!((&again["id"], &again["name"]), (&made.is(201)["id"], &json!("Wider")));
    assert_eq!(count(&owner, path).await, 1);
}
