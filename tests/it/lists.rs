//! What narrows lists and what orders them, on every face.

use claribi::domain::access::{Role, Scope};
use claribi::domain::connection::Mode;
use claribi::domain::time::Timestamp;
use claribi::http::document;
use claribi::http::face::Face;
use claribi::store::main::sources::{self, NewSource};
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::sources::sales;
use crate::world::{Background, World, named};
use claribi::service::keys::KeyRequest;

/// Makes a dashboard a minute after the one before.
async fn dashboards(world: &World, owner: &Actor, names: &[&str]) {
    for name in names {
        owner.post("/v1/dashboards", json!({"name": name})).await.is(201);
        world.pass(60);
    }
}

/// The values of a field of a list's entries.
async fn listed(actor: &Actor, path: &str, field: &str) -> Vec<String> {
    let page = actor.get(path).await.is(200);
    let entries = page["data"].as_array().or_else(|| page["results"].as_array()).unwrap();
    let text = |entry: &Value| entry[field].as_str().map_or_else(|| entry[field].to_string(), str::to_owned);
    entries.iter().map(text).collect()
}

async fn names(actor: &Actor, path: &str) -> Vec<String> {
    listed(actor, path, "name").await
}

/// The lists of a face by their paths, with their parameters.
fn lists(face: Face) -> Vec<(String, Vec<Value>)> {
    let document: Value = serde_json::from_str(&document::of(face).unwrap()).unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let parameters = methods["get"]["parameters"].as_array()?;
        let is_list =
            parameters.iter().any(|parameter| parameter["name"] == "limit" || parameter["name"] == "page_size");
        let path = path.split('/').map(|part| if part.starts_with('{') { "999" } else { part });
        is_list.then(|| (path.collect::<Vec<_>>().join("/"), parameters.clone()))
    };
    document["paths"].as_object().unwrap().iter().filter_map(of_path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_takes_what_its_document_says_and_refuses_other_values_by_name() {
    let world = World::with(|plot| plot.settings.access_ttl = plot.settings.refresh_ttl).await;
    // Sessions are listed to sessions alone.
    let owner = world.owner_session().await;
    for face in Face::ALL {
        let lists = lists(face);
        assert!(lists.len() >= 3, "{face:?} has lists");
        for (path, parameters) in lists {
            let named = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
            // Logs come in the order in which they were written, and have filters of forms of their own, with tests of theirs.
            let is_log = ["/audit", "/usage/"].iter().any(|log| path.contains(log));
            let common = ["limit", "page", "page_size", "cursor", "created_after", "created_before"];
            assert!(
                is_log || (named("sort") && named("created_after") && named("created_before")),
                "{path}: {parameters:?}"
            );
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
                assert!(parameter["description"].as_str().is_some_and(|text| text.len() > 10), "{path} {name}");
                if is_log && !common.contains(&name) {
                    continue;
                }
                let with = |value: &str| format!("{path}?{name}={value}");
                // The platform face takes a hundred requests a minute.
                world.pass(60);
                let values = schema["enum"].as_array().into_iter().flatten().map(|value| value.as_str().unwrap());
                let values: Vec<&str> = values.collect();
                let right = match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
                    _ if !values.is_empty() => values.clone(),
                    ("integer", _) => vec!["1", "7"],
                    (_, Some("date-time")) => vec!["2026-04-06T09:00:00Z", "2026-04-06T09:00:00.25%2B02:00"],
                    _ if name == "cursor" => vec![],
                    _ => vec!["anything", "%25", "999"],
                };
                for value in right {
                    let answer = owner.get(&with(value)).await;
                    assert!(matches!(answer.status, 200 | 404), "{}: {}", with(value), answer.text());
                }
                let wrong: &[&str] = match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
                    _ if !values.is_empty() => &["nonsense", "", "CREATED_AT", "--name"],
                    ("integer", _) => &["nonsense", "", "0", "-1", "1.5", "99999999999"],
                    (_, Some("date-time")) => &["nonsense", "", "2026-04-06", "2026-02-30T00:00:00Z", "1775466000"],
                    _ => &[],
                };
                for value in wrong {
                    let answer = owner.get(&with(value)).await;
                    assert_eq!(answer.refuses(400, "invalid_parameter")["parameter"], name, "{}", with(value));
                    let said = answer.message();
                    assert!(values.iter().all(|value| said.contains(value)), "{}: {said}", with(value));
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_sorted_by_creation_change_and_name_in_both_directions() {
    let world = World::new().await;
    let owner = world.owner().await;
    dashboards(&world, &owner, &["beta", "Alpha", "gamma", "alpha", "Beta"]).await;
    owner.patch("/v1/dashboards/d_1", json!({"description": "changed"})).await.is(200);
    for base in ["/v1/dashboards", "/api/v1/dashboards/", "/api/dashboards/"] {
        let sorted = async |sort: &str| names(&owner, &format!("{base}?sort={sort}")).await;
        let made = ["beta", "Alpha", "gamma", "alpha", "Beta"];
        assert_eq!(names(&owner, base).await, made);
        assert_eq!(sorted("created_at").await, made);
        assert_eq!(sorted("-created_at").await, ["Beta", "alpha", "gamma", "Alpha", "beta"]);
        assert_eq!(sorted("updated_at").await, ["Alpha", "gamma", "alpha", "Beta", "beta"]);
        assert_eq!(sorted("-updated_at").await, ["beta", "Beta", "alpha", "gamma", "Alpha"]);
        assert_eq!(sorted("name").await, ["Alpha", "alpha", "beta", "Beta", "gamma"]);
        assert_eq!(sorted("-name").await, ["gamma", "Beta", "beta", "alpha", "Alpha"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_time_that_adjoin_share_no_entry_and_miss_none() {
    let world = World::new().await;
    let owner = world.owner().await;
    dashboards(&world, &owner, &["nine", "one past", "two past"]).await;
    owner.patch("/v1/dashboards/d_1", json!({"name": "nine, changed"})).await.is(200);
    for base in ["/v1/dashboards", "/api/v1/dashboards/", "/api/dashboards/"] {
        let narrowed = async |query: &str| listed(&owner, &format!("{base}?{query}"), "name").await;
        assert_eq!(narrowed("created_after=2026-04-06T09:01:00Z").await, ["one past", "two past"]);
        assert_eq!(narrowed("created_after=2026-04-06T09:01:00.001Z").await, ["two past"]);
        assert_eq!(narrowed("created_before=2026-04-06T09:01:00Z").await, ["nine, changed"]);
        assert_eq!(narrowed("created_before=2026-04-06T11:01:00%2B02:00").await, ["nine, changed"]);
        let between = "created_after=2026-04-06T09:01:00Z&created_before=2026-04-06T09:02:00Z";
        assert_eq!(narrowed(between).await, ["one past"]);
        assert_eq!(narrowed("updated_after=2026-04-06T09:03:00Z").await, ["nine, changed"]);
        assert_eq!(narrowed("updated_after=2026-04-06T09:02:00Z").await, ["nine, changed", "two past"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_parts_of_names_in_any_case_and_takes_every_character_as_itself() {
    let world = World::new().await;
    let owner = world.owner().await;
    let all = ["100% of plan", "under_score", "Größe ÄÖÜ", "back\\slash", "Q2 Revenue", "it's [quoted] \"twice\""];
    dashboards(&world, &owner, &all).await;
    for (sought, found) in [
        ("%25", &["100% of plan"][..]),
        ("_", &["under_score"]),
        ("\\", &["back\\slash"]),
        ("GR%C3%96SSE", &[]),
        ("gr%C3%B6%C3%9Fe+%C3%A4%C3%B6%C3%BC", &["Größe ÄÖÜ"]),
        ("q2+rev", &["Q2 Revenue"]),
        ("'", &["it's [quoted] \"twice\""]),
        ("[Quoted]", &["it's [quoted] \"twice\""]),
        ("q2%25revenue", &[]),
        ("no+such", &[]),
        ("", &all),
    ] {
        assert_eq!(names(&owner, &format!("/v1/dashboards?q={sought}")).await, found, "{sought}");
    }
    let long = "x".repeat(201);
    assert_eq!(
        owner.get(&format!("/v1/dashboards?q={long}")).await.refuses(400, "invalid_parameter")["parameter"],
        "q"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_by_number_counts_what_is_left_and_its_links_keep_order_and_filter() {
    let world = World::new().await;
    let owner = world.owner().await;
    dashboards(&world, &owner, &["a 1", "b 1", "a 2", "b 2", "a 3", "100%"]).await;
    let mut path = "/api/dashboards/?q=a+&sort=-name&page_size=2&p%61ge=1".to_owned();
    let mut seen = Vec::new();
    for page in 1.. {
        let answer = owner.get(&path).await.is(200);
        assert_eq!(answer["count"], 3);
        assert_eq!(answer["previous"].is_null(), page == 1);
        seen.extend(answer["results"].as_array().unwrap().iter().map(|entry| entry["name"].clone()));
        let Some(next) = answer["next"].as_str() else { break };
        path = next.strip_prefix("http://localhost:8080").unwrap().to_owned();
        assert!(path.contains("q=a+") && path.contains("sort=-name") && path.contains("page_size=2"), "{path}");
    }
    assert_eq!(seen, ["a 3", "a 2", "a 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_status_environment_and_owner() {
    let world = World::new().await;
    let owner = world.owner().await;
    let make = async |name: &str, expires: Option<&str>| {
        let expires_at = expires.and_then(Timestamp::parse);
        let request = KeyRequest { name: name.to_owned(), expires_at, ..named() };
        world.make_key(world.owner, request).await
    };
    make("soon over", Some("2026-04-06T09:00:30Z")).await;
    make("later over", Some("2026-04-06T10:00:00Z")).await;
    make("revoked", Some("2026-04-06T09:00:30Z")).await;
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    owner.post("/v1/keys/key_4/revoke", json!({})).await.is(200);
    world.pass(30);
    // A key sees its owner's keys, a session of the owner everybody's.
    let session = world.owner_session().await;
    for base in ["/v1/keys", "/api/api-keys/"] {
        let of = async |actor: &Actor, query: &str| names(actor, &format!("{base}?{query}")).await;
        assert_eq!(of(&owner, "status=active").await, ["a key", "later over"]);
        assert_eq!(of(&owner, "status=expired").await, ["soon over"]);
        assert_eq!(of(&owner, "status=revoked").await, ["revoked"]);
        assert_eq!(of(&owner, "environment=test").await, Vec::<String>::new());
        assert_eq!(of(&owner, "environment=live&q=OVER&sort=name").await, ["later over", "soon over"]);
        assert_eq!(of(&session, "").await.len(), 5);
        assert_eq!(of(&session, "user=a-analyst%40example.com").await, ["a key"]);
        assert_eq!(of(&session, "user=A-Analyst%40Example.com").await, ["a key"]);
        assert_eq!(of(&session, "user=u_2").await, ["a key"]);
        assert_eq!(of(&session, "user=u_3").await, Vec::<String>::new());
        assert_eq!(of(&session, "user=nobody").await, Vec::<String>::new());
        assert_eq!(of(&analyst, "user=u_1").await, Vec::<String>::new(), "other people's keys stay unseen");
    }
    assert_eq!(names(&session, "/api/api-keys/?user=2").await, ["a key"]);
    assert_eq!(names(&session, "/v1/keys?user=2").await, Vec::<String>::new(), "no spelling of an id there");
    assert_eq!(session.get("/api/api-keys/?status=active").await.is(200)["count"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_found_by_status_kind_and_mode_and_the_external_face_shows_active_ones() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let (org, uuid, now) = (world.org, uuid::Uuid::from_u128(5), world.clock.now());
    world
        .app
        .store
        .write(move |tx| {
            let new = NewSource { uuid, name: "On its way", slug: "on_its_way", mode: Mode::Live, connection: None };
            sources::create(tx, org, &new, "boot", now)
        })
        .await
        .unwrap();
    for base in ["/v1/data-sources", "/api/data-sources/"] {
        assert_eq!(names(&owner, base).await, ["Sales", "On its way"]);
        assert_eq!(names(&owner, &format!("{base}?status=active")).await, ["Sales"]);
        assert_eq!(names(&owner, &format!("{base}?status=syncing")).await, ["On its way"]);
        assert_eq!(names(&owner, &format!("{base}?status=error")).await, Vec::<String>::new());
        assert_eq!(names(&owner, &format!("{base}?kind=file&sort=name")).await, ["On its way", "Sales"]);
        assert_eq!(names(&owner, &format!("{base}?mode=live")).await, ["On its way"]);
        assert_eq!(names(&owner, &format!("{base}?mode=extract")).await, ["Sales"]);
        owner.get(&format!("{base}?mode=both")).await.refuses(400, "invalid_parameter");
    }
    assert_eq!(names(&owner, "/api/v1/data-sources/?kind=file").await, ["Sales"]);
    owner.get("/api/v1/data-sources/?mode=live").await.refuses(400, "invalid_parameter");
    owner.get("/api/v1/data-sources/?status=syncing").await.refuses(400, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_found_by_template_dashboard_and_the_status_of_their_newest_run() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    let source = sales(&owner).await;
    owner.post("/v1/dashboards", json!({"name": "Shown", "widgets": []})).await.is(201);
    let profile = json!({"name": "Profile", "template_id": "tpl_1", "data_source_ids": [source]});
    owner.post("/v1/reports", profile).await.is(201);
    let printed = json!({"name": "Printed", "template_id": "tpl_2", "dashboard_id": "d_1"});
    owner.post("/v1/reports", printed).await.is(201);
    owner.post("/v1/reports/r_2/run", json!({})).await.is(202);
    let template = owner.get("/api/v1/reports/").await.is(200)["data"][0]["template_id"].as_str().unwrap().to_owned();
    let none = Vec::<String>::new();
    for base in ["/v1/reports", "/api/v1/reports/"] {
        let of = async |query: &str| names(&owner, &format!("{base}?{query}")).await;
        assert_eq!(of("template_id=tpl_1").await, ["Profile"]);
        assert_eq!(of(&format!("template_id={template}")).await, ["Profile"]);
        assert_eq!(of("template_id=tpl_2&sort=-name").await, ["Printed"]);
        assert_eq!(of("template_id=tpl_9").await, none);
        assert_eq!(of("template_id=d_1").await, none);
        assert_eq!(of("template_id=1").await, none);
        assert_eq!(of("dashboard_id=d_1").await, ["Printed"]);
        assert_eq!(of("status=queued").await, ["Printed"]);
        assert_eq!(of("status=succeeded").await, none);
    }
    owner.post("/v1/reports/r_2/run", json!({"format": "json"})).await.is(202);
    for base in ["/v1/reports/r_2/runs", "/api/reports/2/runs/"] {
        let of = async |query: &str| listed(&owner, &format!("{base}?{query}"), "format").await;
        assert_eq!(of("sort=-created_at").await, ["json", "pdf"]);
        assert_eq!(of("format=json").await, ["json"]);
        assert_eq!(of("status=queued").await, ["pdf", "json"]);
        assert_eq!(of("status=failed").await, none);
        assert_eq!(of("created_before=2026-04-06T09:00:00Z").await, none);
    }
    assert_eq!(listed(&owner, "/v1/report-templates?kind=dashboard", "id").await, ["tpl_2"]);
    assert_eq!(listed(&owner, "/v1/report-templates?sort=name", "id").await, ["tpl_2", "tpl_1"]);
    owner.get("/v1/report-templates?sort=updated_at").await.refuses(400, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_leads_on_in_its_own_list_order_and_filter_alone() {
    let world = World::new().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    dashboards(&world, &owner, &["a 1", "a 2", "a 3"]).await;
    dashboards(&world, &stranger, &["a 1", "a 2", "a 3"]).await;
    let base = "/v1/dashboards?limit=1&sort=name&q=a&created_after=2026-04-06T09:00:00Z";
    let cursor = owner.get(base).await.is(200)["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(names(&owner, &format!("{base}&cursor={cursor}")).await, ["a 2"]);
    let same = "q=%61&created_after=2026-04-06T11:00:00%2B02:00&sort=name";
    assert_eq!(names(&owner, &format!("/api/v1/dashboards/?{same}&cursor={cursor}")).await, ["a 2", "a 3"]);
    for other in [
        "q=a&created_after=2026-04-06T09:00:00Z",
        "q=a&created_after=2026-04-06T09:00:00Z&sort=-name",
        "q=a&created_after=2026-04-06T09:00:00Z&sort=updated_at",
        "q=A&created_after=2026-04-06T09:00:00Z&sort=name",
        "q=a&created_after=2026-04-06T09:00:01Z&sort=name",
        "q=a&created_before=2026-04-06T09:00:00Z&sort=name",
        "q=a&sort=name",
        "created_after=2026-04-06T09:00:00Z&sort=name",
    ] {
        owner.get(&format!("/v1/dashboards?{other}&cursor={cursor}")).await.refuses(400, "invalid_cursor");
    }
    let own = "q=a&created_after=2026-04-06T09:00:00Z&sort=name";
    stranger.get(&format!("/v1/dashboards?{own}&cursor={cursor}")).await.refuses(400, "invalid_cursor");
    for list in ["/v1/reports", "/v1/keys", "/v1/data-sources", "/v1/report-templates"] {
        owner.get(&format!("{list}?{own}&cursor={cursor}")).await.refuses(400, "invalid_cursor");
    }
}
