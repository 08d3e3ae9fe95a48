//! The log by the API: pages of it by every filter, single entries with what they changed, and all of it as a file.

use std::collections::BTreeSet;

use claribi::domain::access::{Role, Scope};
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::world::{Background, World};

const LOG: &str = "/v1/audit";

/// A world that writes nothing to its log by itself.
async fn quiet() -> World {
    World::with(|plot| plot.background = Background::LeftLying).await
}

/// What a list gives over all of its pages.
async fn all(actor: &Actor, query: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = actor.get(&format!("{LOG}?{query}{cursor}")).await.is(200);
        entries.extend(page["data"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
}

fn numbers(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found_by_each_filter_and_in_both_orders() {
    let world = quiet().await;
    let (owner, analyst) = (world.owner().await, world.key_of(Role::Analyst, Scope::ReadWrite).await);
    let session = world.owner_session().await;
    let stranger = world.stranger().await;
    owner.post("/v1/dashboards", json!({"name": "x"})).await.is(201);
    analyst.from("127.0.0.9").get("/v1/dashboards/d_9").await.refuses(404, "not_found");
    let asked = session.get("/api/dashboards/").await;
    asked.is(200);
    stranger.get("/v1/dashboards").await.is(200);
    world.pass(60);
    analyst.get(LOG).await.refuses(403, "permission_missing");

    let everything = all(&owner, "limit=2").await;
    let seen = numbers(&everything);
    assert!(seen.is_sorted(), "oldest first: {seen:?}");
    assert!(everything.iter().all(|entry| entry["organization_id"] == "org_1"), "of no other organisation");
    let analyst_key = everything[1]["key_id"].as_str().unwrap().to_owned();
    let prefix = &analyst.secret()[16..24];
    for (filter, expected) in [
        (format!("key={analyst_key}"), vec![1, 3]),
        (format!("key_prefix={prefix}"), vec![1, 3]),
        ("user=owner@example.com&status=201".to_owned(), vec![0]),
        ("user=u_1&created_before=2026-04-06T09:01:00Z".to_owned(), vec![0, 2]),
        ("operation=dashboards_get".to_owned(), vec![1]),
        ("outcome=refused".to_owned(), vec![3]),
        ("outcome=client".to_owned(), vec![1]),
        ("status=404".to_owned(), vec![1]),
        ("status=2xx&created_before=2026-04-06T09:01:00Z".to_owned(), vec![0, 2]),
        ("address=127.0.0.9".to_owned(), vec![1]),
        (format!("request_id={}", asked.request_id()), vec![2]),
        ("created_after=2026-04-06T09:01:00Z&status=403".to_owned(), vec![3]),
        ("key=key_fffff".to_owned(), vec![]),
        ("user=nobody@example.com".to_owned(), vec![]),
        ("request_id=req_1".to_owned(), vec![]),
    ] {
        let expected: Vec<i64> = expected.into_iter().map(|index: usize| seen[index]).collect();
        assert_eq!(numbers(&all(&owner, &format!("limit=1&{filter}")).await), expected, "{filter}");
        let mut newest_first = numbers(&all(&owner, &format!("sort=-created_at&limit=1&{filter}")).await);
        newest_first.reverse();
        assert_eq!(newest_first, expected, "{filter}");
    }
    let page = owner.get("/api/audit-log/?page_size=2&outcome=ok&user=1&page=2").await.is(200);
    assert_eq!((page["results"].as_array().unwrap().len(), page["previous"].is_string()), (2, true));
    assert!(page["count"].as_u64().unwrap() > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_mean_nothing_are_refused_by_their_names() {
    let world = quiet().await;
    let owner = world.owner().await;
    for (query, parameter) in [
        ("colour=red", "colour"),
        ("status=4x", "status"),
        ("status=999", "status"),
        ("outcome=fine", "outcome"),
        ("operation=everything", "operation"),
        ("address=example.com", "address"),
        ("key_prefix=short", "key_prefix"),
        ("created_after=yesterday", "created_after"),
        ("limit=101", "limit"),
    ] {
        for path in [LOG, "/v1/audit/export", "/v1/audit/stream"] {
            let refused = owner.get(&format!("{path}?{query}")).await;
            refused.refuses(400, "invalid_parameter");
            assert_eq!(refused.envelope()["parameter"], parameter, "{path}?{query}");
        }
    }
    let refused = owner.get("/v1/audit/stream?seconds=86401").await;
    refused.refuses(400, "invalid_parameter");
    owner.request("GET", "/v1/audit/stream").header("last-event-id", "x").send().await.refuses(400, "invalid_request");
    let next = owner.get("/v1/audit?limit=1").await.is(200)["next_cursor"].as_str().unwrap().to_owned();
    owner.get(&format!("/v1/audit?limit=1&status=200&cursor={next}")).await.refuses(400, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_tells_everything_of_its_call_and_what_it_changed() {
    let world = quiet().await;
    let owner = world.owner().await;
    owner.post("/v1/dashboards", json!({"name": "x"})).await.is(201);
    let patched = owner.patch("/v1/dashboards/d_1", json!({"name": "y"})).await;
    patched.is(200);
    let found = &all(&owner, &format!("request_id={}", patched.request_id())).await[0];
    let entry = owner.get(&format!("{LOG}/{}", found["id"].as_str().unwrap())).await.is(200);
    assert_eq!(&entry, found);
    for (name, value) in [
        ("type", json!("call")),
        ("auth", json!("key")),
        ("face", json!("v1")),
        ("method", json!("PATCH")),
        ("operation", json!("dashboards_update")),
        ("path", json!("/v1/dashboards/{id}")),
        ("object_id", json!("d_1")),
        ("status", json!(200)),
        ("class", json!("general")),
        ("counted", json!(true)),
        ("role", json!("owner")),
        ("address", json!("127.0.0.1")),
        ("replayed", json!(false)),
    ] {
        assert_eq!(entry[name], value, "{name}");
    }
    let change = &entry["changes"][0];
    assert_eq!((&change["action"], &change["object"]), (&json!("dashboard.update"), &json!("d_1")));
    assert_ne!(change["before"], change["after"]);
    assert!(change["after"].to_string().contains("\"y\""), "{change}");
    let stranger = world.stranger().await;
    stranger.get(&format!("{LOG}/{}", entry["id"].as_str().unwrap())).await.refuses(404, "not_found");
    owner.get("/v1/audit/log_fffff").await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_entry_of_the_organisation_once_as_lines_or_as_a_table() {
    let world = quiet().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    for _ in 0..30 {
        owner.get("/v1/dashboards").await.is(200);
        stranger.get("/v1/dashboards").await.is(200);
    }
    owner.request("GET", "/v1/dashboards").header("user-agent", "=1+1").send().await.is(200);
    let listed = all(&owner, "limit=100&operation=dashboards_list").await;
    let answer = owner.get("/v1/audit/export?operation=dashboards_list").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines), (31, &listed));

    let answer = owner.get("/api/audit-log/export/?format=csv&operation=dashboards_list").await;
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    let mut table = csv::Reader::from_reader(answer.body.as_slice());
    let headings: BTreeSet<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(headings, listed[0].as_object().unwrap().keys().cloned().collect());
    let place = table.headers().unwrap().iter().position(|name| name == "user_agent").unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[30][place]), (31, "'=1+1"));
}
