//! Conditional requests: what a client has is not sent again, and what has changed is not overwritten.

use claribi::domain::access::Scope;
use claribi::http::document;
use claribi::http::face::Face;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::sales;
use crate::world::World;

async fn with(actor: &Actor, method: &str, path: &str, header: (&str, &str)) -> Answer {
    let request = actor.request(method, path).header(header.0, header.1);
    if method == "PATCH" { request.json(&json!({"name": "Another"})).send().await } else { request.send().await }
}

fn tag(answer: &Answer) -> String {
    let tag = answer.header("etag").unwrap_or_else(|| panic!("no tag: {:?}", answer.headers)).to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() >= 34, "a strong tag: {tag}");
    tag
}

/// One object of each kind, by its path on `/v1/`.
async fn objects(owner: &Actor) -> Vec<String> {
    let source = sales(owner).await;
    let widget = json!({"type": "kpi", "title": "Rows", "query": {"data_source_id": source, "sql": "SELECT count(*) FROM sales"}});
    let dashboard = owner.post("/v1/dashboards", json!({"name": "A", "widgets": [widget]})).await.is(201);
    let templates = owner.get("/v1/report-templates").await.is(200);
    let template = templates["data"].as_array().unwrap().iter().find(|template| template["kind"] == "profile").unwrap();
    let report = json!({"template_id": template["id"], "data_source_ids": [source], "output_format": "json"});
    let made = owner.post("/v1/reports/generate", report).await.is(201);
    let (dashboard_id, widget_id) = (&dashboard["id"], &dashboard["widgets"][0]["id"]);
    [
        format!("/v1/data-sources/{source}"),
        format!("/v1/dashboards/{}", dashboard_id.as_str().unwrap()),
        format!("/v1/dashboards/{}/widgets/{}", dashboard_id.as_str().unwrap(), widget_id.as_str().unwrap()),
        format!("/v1/reports/{}", made["report_id"].as_str().unwrap()),
        format!("/v1/runs/{}", made["run_id"].as_str().unwrap()),
        format!("/v1/runs/{}/download", made["run_id"].as_str().unwrap()),
    ]
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_the_client_has_is_not_sent_again() {
    let world = World::new().await;
    let owner = world.owner().await;
    for path in objects(&owner).await {
        let whole = owner.get(&path).await;
        assert_eq!(whole.status, 200, "{path}");
        let held = tag(&whole);
        assert_eq!(whole.header("cache-control"), Some("private, no-cache"), "{path}");
        for list in [held.clone(), format!("W/{held}"), format!("\"x\", {held}"), "*".to_owned()] {
            let answer = with(&owner, "GET", &path, ("if-none-match", &list)).await;
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{path} {list}");
            assert_eq!(tag(&answer), held, "{path}");
            assert_eq!(answer.header("cache-control"), whole.header("cache-control"), "{path}");
            assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None), "{path}");
            answer.request_id();
            assert!(answer.header("x-ratelimit-remaining").is_some());
            let call = world.last_call();
            assert_eq!((call.status, call.bytes_out), (304, 0), "one row, and nothing was sent");
            assert!(call.counted());
        }
        for list in ["\"x\"", "x", "", "\"x"] {
            let answer = with(&owner, "GET", &path, ("if-none-match", list)).await;
            assert_eq!((answer.status, answer.body == whole.body), (200, true), "{path} {list}");
        }
        assert_eq!(with(&owner, "HEAD", &path, ("if-none-match", &held)).await.status, 304, "{path}");
        assert_eq!(tag(&owner.request("HEAD", &path).send().await), held, "{path}");
        with(&owner, "GET", &path, ("if-match", "\"x\"")).await.refuses(412, "precondition_failed");
        assert_eq!(with(&owner, "GET", &path, ("if-match", &held)).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_changes_with_the_object_its_results_and_its_parts() {
    let world = World::new().await;
    let owner = world.owner().await;
    let path = &objects(&owner).await[1];
    let mut tags = vec![tag(&owner.get(path).await)];
    owner.post(&format!("{path}/refresh"), json!({})).await.is(200);
    tags.push(tag(&owner.get(path).await));
    let changed = owner.patch(path, json!({"name": "B"})).await;
    tags.push(tag(&changed));
    assert_eq!(tag(&owner.get(path).await), tags[2], "a change answers with the tag that the object then has");
    owner.patch(path, json!({"widgets": []})).await.is(200);
    tags.push(tag(&owner.get(path).await));
    let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
    assert_eq!(distinct.len(), 4, "{tags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_depends_on_the_face_and_not_on_the_credential() {
    let world = World::new().await;
    let (owner, reader) = (world.owner().await, world.key(Scope::ReadOnly).await);
    owner.post("/v1/dashboards", json!({"name": "A"})).await.is(201);
    let paths = ["/v1/dashboards/d_1", "/api/v1/dashboards/d_1/", "/api/dashboards/1/"];
    let mut tags = std::collections::BTreeSet::new();
    for path in paths {
        let held = tag(&owner.get(path).await);
        assert_eq!(tag(&reader.get(path).await), held, "{path}");
        tags.insert(held);
    }
    assert_eq!(tags.len(), paths.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_has_changed_is_refused_and_does_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    for path in ["/v1/dashboards/d_1", "/api/v1/dashboards/d_2/", "/api/dashboards/3/"] {
        owner.post("/v1/dashboards", json!({"name": "A"})).await.is(201);
        let old = tag(&owner.get(path).await);
        owner.patch(path, json!({"name": "B"})).await.is(200);
        let now = owner.get(path).await;
        for method in ["PATCH", "DELETE"] {
            for list in [old.clone(), format!("W/{}", tag(&now)), String::new(), "B".to_owned()] {
                with(&owner, method, path, ("if-match", &list)).await.refuses(412, "precondition_failed");
            }
            with(&owner, method, path, ("if-none-match", "*")).await.refuses(412, "precondition_failed");
            assert!(world.last_call().changes.is_empty());
        }
        assert_eq!(owner.get(path).await.body, now.body, "nothing was done");
        let changed = with(&owner, "PATCH", path, ("if-match", &format!("{old}, {}", tag(&now)))).await;
        assert_eq!(changed.is(200)["name"], "Another");
        with(&owner, "PATCH", path, ("if-match", "*")).await.is(200);
        with(&owner, "DELETE", path, ("if-match", &tag(&owner.get(path).await))).await.is(200);
        with(&owner, "DELETE", path, ("if-match", "*")).await.refuses(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_on_one_state_exactly_one_is_made() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.post("/v1/dashboards", json!({"name": "A"})).await.is(201);
    let held = tag(&owner.get("/v1/dashboards/d_1").await);
    let changes = (0..16).map(|number| {
        let request = owner.request("PATCH", "/v1/dashboards/d_1").header("if-match", &held);
        tokio::spawn(request.json(&json!({"name": format!("From {number}")})).send())
    });
    let answers = futures_util::future::join_all(changes.collect::<Vec<_>>()).await;
    let mut statuses: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![412; 15]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_by_what_it_is_and_not_by_how_it_was_used() {
    let world = World::new().await;
    let owner = world.owner().await;
    let made = owner.post("/v1/keys", json!({"name": "A key"})).await;
    assert_eq!((made.header("etag"), made.header("cache-control")), (None, Some("no-store")));
    let (text, path) = (made.is(201)["key"].clone(), format!("/v1/keys/{}", made.json()["id"].as_str().unwrap()));
    let unused = owner.get(&path).await;
    assert_eq!(unused.header("cache-control"), Some("no-store"));
    world.bearer(text.as_str().unwrap()).get("/v1/dashboards").await.is(200);
    let used = with(&owner, "GET", &path, ("if-none-match", &tag(&unused))).await;
    assert_eq!(used.is(200)["usage_count"], 1, "its use is told, whatever the client has");
    let revoke = format!("{path}/revoke");
    let refused = owner.request("POST", &revoke).header("if-match", "\"x\"").json(&json!({})).send().await;
    refused.refuses(412, "precondition_failed");
    let revoked = owner.request("POST", &revoke).header("if-match", &tag(&unused)).json(&json!({})).send().await;
    assert_eq!(revoked.is(200)["status"], "revoked");
    assert_ne!(tag(&revoked).split('.').next(), tag(&unused).split('.').next());
}

#[tokio::test(flavor = "multi_thread")]
async fn private_lists_secrets_and_refusals_are_not_kept() {
    let world = World::new().await;
    let owner = world.owner().await;
    for path in ["/v1/dashboards", "/v1/keys", "/v1/usage", "/v1/auth/verify", "/v1/dashboards/d_99"] {
        let answer = owner.get(path).await;
        assert_eq!((answer.header("cache-control"), answer.header("etag")), (Some("no-store"), None), "{path}");
    }
}

#[test]
fn every_operation_that_changes_or_deletes_an_object_honours_conditions_in_its_document() {
    for face in Face::ALL {
        let document: Value = serde_json::from_str(&document::of(face).unwrap()).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in ["patch", "delete"] {
                let Some(described) = methods.get(method) else { continue };
                assert!(described["responses"].get("412").is_some(), "{method} {path}");
            }
        }
    }
}
