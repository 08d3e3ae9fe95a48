//! Every error on every face, really provoked: what it looks like is a golden, and the documents show the same.

use std::collections::{BTreeMap, BTreeSet};

use claribi::domain::access::{Permission, Role, Scope};
use claribi::domain::code::Code;
use claribi::http::document;
use claribi::http::face::Face;
use claribi::service::keys::KeyRequest;
use serde_json::{Map, Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::sources::upload;
use crate::world::{World, named};

/// What the documents list and no client can provoke at will.
const NOT_PROVOKED: &[(&str, &str)] = &[
    ("already_rotating", "the tests of the life of keys rotate one twice"),
    ("internal", "a defect or a failing disk; `a_failure_of_the_server_is_told_without_its_cause` makes one"),
    ("query_canceled", "a query that somebody calls off; the tests of running queries do"),
    ("request_in_progress", "two requests of one Idempotency-Key at once; the tests of repeated requests send them"),
    ("range_not_satisfiable", "a finished report's file; the tests of ranges ask past its end"),
    ("setup_required", "an installation without an organization; the tests of the setup make one"),
    ("overloaded", "a full queue; the tests of the queues fill them"),
    ("audit_unavailable", "a log that cannot be written; the tests of full disks make one"),
    ("storage_unavailable", "data that cannot be written; the tests of full disks make them"),
];

/// What `generate` on `/api/v1/` can answer with for a source that this face can neither make nor query: the other faces
/// provoke them.
const BY_OTHER_FACES: &[&str] = &["conflict", "invalid_sql", "query_timeout", "query_too_large"];

/// A face, and how it is asked.
#[derive(Clone, Copy)]
struct Stage {
    face: Face,
    accept: Option<&'static str>,
}

impl Stage {
    fn at(self, path: &str) -> String {
        let (path, query) =
            path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
        format!("{}{path}{}{query}", self.face.base(), self.face.slash())
    }

    fn query(self) -> Option<String> {
        match self.face {
            Face::V1 => Some(self.at("/query")),
            Face::Platform => Some(self.at("/analytics/query")),
            Face::External => None,
        }
    }

    /// Whether sources can be uploaded here.
    fn uploads(self) -> bool {
        self.face != Face::External
    }

    fn by(self, actor: &Actor) -> Actor {
        self.accept.map_or_else(|| actor.clone(), |accept| actor.with("accept", accept))
    }
}

/// Every error that a client can provoke on a face.
async fn provoked(stage: Stage) -> Vec<Answer> {
    let mut answers = requests(stage).await;
    answers.extend(credentials(stage).await);
    answers.extend(rights(stage).await);
    answers.extend(states(stage).await);
    answers.extend(bounds(stage).await);
    answers
}

/// What is wrong with requests.
async fn requests(stage: Stage) -> Vec<Answer> {
    let world = World::with(|plot| plot.http.json_limit = 5_000).await;
    let owner = stage.by(&world.owner().await);
    let dashboards = stage.at("/dashboards");
    let raw = |body: &str| owner.request("POST", &dashboards).header("content-type", "application/json").body(body);
    let mut answers = vec![
        owner.post(&dashboards, json!({})).await,
        raw(r#"{"name":"x""#).send().await,
        owner.post(&dashboards, json!({"name": "x", "nam": "y"})).await,
        owner.get(&stage.at("/dashboards?limit=0&page_size=0")).await,
        owner.get(&stage.at("/dashboards/999")).await,
        owner.request("PUT", &dashboards).send().await,
        owner.post(&dashboards, json!({"name": "x".repeat(6_000)})).await,
        owner.request("POST", &dashboards).header("content-type", "text/plain").body("x").send().await,
        owner.request("GET", &dashboards).host("evil.example").send().await,
        owner.from("203.0.113.9").get(&dashboards).await,
    ];
    let (once, stale) = (owner.with("idempotency-key", "k"), owner.with("if-match", "\"stale\""));
    let made = once.post(&dashboards, json!({"name": "a"})).await.is(201)["id"].to_string();
    answers.push(once.post(&dashboards, json!({"name": "b"})).await);
    answers
        .push(stale.patch(&stage.at(&format!("/dashboards/{}", made.trim_matches('"'))), json!({"name": "c"})).await);
    if stage.face != Face::Platform {
        answers.push(owner.get(&stage.at("/dashboards?cursor=nonsense")).await);
    }
    if let Some(query) = stage.query() {
        answers.push(owner.post(&query, json!({"sql": "SELEC 1"})).await);
        if stage.accept.is_none() {
            let asked = owner.request("POST", &query).header("accept", "text/html");
            answers.push(asked.json(&json!({"sql": "SELECT 1"})).send().await);
        }
    }
    answers
}

/// What is wrong with credentials.
async fn credentials(stage: Stage) -> Vec<Answer> {
    let world = World::new().await;
    let owner = stage.by(&world.owner().await);
    let anonymous = stage.by(&world.anonymous());
    let dashboards = stage.at("/dashboards");
    let caller = world.operator_as(world.owner);
    let revoked = world.owner().await;
    world
        .app
        .revoke_key(&caller, &claribi::domain::id::IdRef::Number(claribi::domain::id::KeyId::new(2)), "key_2", None)
        .await
        .unwrap();
    let soon = claribi::domain::time::Timestamp::from_seconds(world.clock.now().seconds() + 60);
    let expired = world.make_key(world.owner, KeyRequest { expires_at: Some(soon), ..named() }).await;
    world.pass(60);
    let mut answers = vec![
        owner.request("GET", &dashboards).header("x-api-key", "another").send().await,
        anonymous.get(&dashboards).await,
        stage.by(&world.bearer("claribi_sk_live_short")).get(&dashboards).await,
        stage.by(&revoked).get(&dashboards).await,
        stage.by(&expired).get(&dashboards).await,
        owner.get(&stage.at("/dashboards?api_key=x")).await,
        stage.by(&world.bearer("eyJhbGciOiJub25lIn0.e30.")).get(&dashboards).await,
    ];
    if stage.face == Face::Platform {
        let login = json!({"email": "nobody@example.com", "password": "nothing at all"});
        answers.push(anonymous.post("/api/auth/login/", login).await);
    }
    answers
}

/// What role, scope, plan, address and trial take away.
async fn rights(stage: Stage) -> Vec<Answer> {
    let world = World::with(|plot| {
        plot.plan("trial", |plan| plan.api_access = true);
        plot.plan("trial", |plan| plan.ip_allowlist = true);
        plot.plan = "trial";
    })
    .await;
    let dashboards = stage.at("/dashboards");
    let (reader, owner) = (world.key(Scope::ReadOnly).await, world.owner().await);
    let elsewhere = KeyRequest { ip_allowlist: vec!["198.51.100.0/24".to_owned()], ..named() };
    let elsewhere = world.make_key(world.owner, elsewhere).await;
    let mut answers = vec![
        stage.by(&reader).post(&dashboards, json!({"name": "x"})).await,
        stage.by(&elsewhere).get(&dashboards).await,
    ];
    world.pass(15 * 86_400);
    answers.push(stage.by(&owner).post(&dashboards, json!({"name": "x"})).await);
    let key = owner.secret().to_owned();
    let world = world.restarted_with(|plot| plot.plan("trial", |plan| plan.api_access = false)).await;
    answers.push(stage.by(&world.bearer(&key)).get(&dashboards).await);
    answers
}

/// What does not fit the present state.
async fn states(stage: Stage) -> Vec<Answer> {
    let world = World::with(|plot| {
        plot.settings.query.millis = 300;
        plot.settings.query.bytes = 2_000;
    })
    .await;
    let owner = world.owner().await;
    let numbers = (1..=3_000).map(|number| format!("{number}\n")).collect::<String>();
    let source = upload(&owner, "Big", "numbers.csv", format!("n\n{numbers}").as_bytes()).await.is(201);
    let templates = owner.get("/v1/report-templates").await.is(200);
    let report = json!({"template_id": templates["data"][0]["id"], "data_source_ids": [source["id"]]});
    let report = owner.post("/v1/reports", report).await.is(201);
    let owner = stage.by(&owner);
    let mut answers =
        vec![owner.get(&stage.at(&format!("/reports/{}/download", report["id"].as_str().unwrap()))).await];
    if stage.uploads() {
        let sources = stage.at("/data-sources");
        answers.push(owner.upload(&sources, &[Part::Field("name", "Big"), Part::File("a.csv", b"a\n1\n")]).await);
        answers.push(owner.upload(&sources, &[Part::Field("name", "Odd"), Part::File("a.csv", b"a,b\n1,\"2\n")]).await);
    }
    if stage.uploads() {
        // Nobody listens there any more.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone = json!({"name": "Gone", "kind": "url", "connection": {"url": format!("http://{nobody}/a.csv")}});
        answers.push(owner.post(&stage.at("/data-sources"), gone).await);
    }
    if let Some(query) = stage.query() {
        let endless =
            "SELECT sum(a.n * b.n * c.n) FROM big.numbers a CROSS JOIN big.numbers b CROSS JOIN big.numbers c";
        answers.push(owner.post(&query, json!({"sql": endless})).await);
        answers.push(owner.post(&query, json!({"sql": "SELECT n FROM big.numbers"})).await);
    }
    answers
}

/// What limits, credits and deadlines end.
async fn bounds(stage: Stage) -> Vec<Answer> {
    let world = World::with(|plot| {
        plot.plan("enterprise", |plan| (plan.credits_per_month, plan.requests_per_hour) = (1, 3));
        plot.http.body_timeout = std::time::Duration::from_millis(50);
    })
    .await;
    let (maker, owner) = (world.owner().await, stage.by(&world.owner().await));
    let source = upload(&maker, "Sales", "orders.csv", b"amount\n1\n").await.is(201);
    let query = json!({"data_source_id": source["id"], "sql": "SELECT sum(amount) FROM orders"});
    let widget = json!({"type": "kpi", "title": "Revenue", "query": query});
    let dashboard = maker.post("/v1/dashboards", json!({"name": "x", "widgets": [widget]})).await.is(201);
    let refresh = stage.at(&format!("/dashboards/{}/refresh", dashboard["id"].as_str().unwrap()));
    let mut answers = vec![owner.post(&refresh, json!({})).await];
    let unfinished = owner.request("POST", &stage.at("/dashboards")).header("content-type", "application/json");
    answers.push(unfinished.header("content-length", "50").send().await);
    owner.get(&stage.at("/dashboards")).await.is(200);
    answers.push(owner.get(&stage.at("/dashboards")).await);
    answers
}

/// By its code: status, the headers that belong to errors, and the body, without what differs from run to run.
fn golden(answers: &[Answer]) -> BTreeMap<String, Value> {
    let entry = |answer: &Answer| {
        let body: Value = serde_json::from_str(&answer.masked(&[])).unwrap();
        let mut entry = json!({"status": answer.status, "body": body});
        for name in ["allow", "retry-after", "www-authenticate"] {
            if let Some(value) = answer.header(name) {
                entry[name] = value.into();
            }
        }
        (answer.code(), entry)
    };
    let entries: BTreeMap<String, Value> = answers.iter().map(entry).collect();
    let codes: Vec<String> = answers.iter().map(Answer::code).collect();
    assert_eq!(entries.len(), answers.len(), "a code was provoked twice, so that one answer hides another: {codes:?}");
    entries
}

/// The error examples of a face's document, for the codes that its operations list.
fn documented(face: Face) -> BTreeMap<String, Value> {
    let document: Value = serde_json::from_str(&document::of(face).unwrap()).unwrap();
    // A method that a path does not have meets no operation that could list it.
    let mut listed = BTreeSet::from(["method_not_allowed".to_owned()]);
    for described in
        document["paths"].as_object().unwrap().values().flat_map(|methods| methods.as_object().unwrap().values())
    {
        for response in described["responses"].as_object().unwrap().values() {
            let examples = response["content"]["application/json"]["examples"].as_object();
            listed.extend(examples.into_iter().flat_map(Map::keys).cloned());
        }
    }
    let example = |code: String| {
        let value = document["components"]["examples"][&code]["value"].clone();
        (code, value)
    };
    listed.into_iter().filter(|code| Code::parse(code).is_some()).map(example).collect()
}

/// The names and kinds of an error's fields, and what does not depend on the case.
fn outline(body: &Value) -> BTreeMap<String, String> {
    let inner = if body["error"].is_object() { &body["error"] } else { body };
    let kind = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        _ => "other",
    };
    let constant = |name: &str| matches!(name, "error" | "code" | "title" | "status");
    let entries = inner.as_object().unwrap().iter();
    entries
        .map(|(name, value)| (name.clone(), if constant(name) { value.to_string() } else { kind(value).to_owned() }))
        .collect()
}

fn stage_has_queries(face: Face) -> bool {
    Stage { face, accept: None }.query().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_on_every_face_as_its_document_shows_it() {
    let mut all = Map::new();
    for face in Face::ALL {
        let found = golden(&provoked(Stage { face, accept: None }).await);
        let documented = documented(face);
        for (code, entry) in &found {
            let example =
                documented.get(code).unwrap_or_else(|| panic!("{face:?} gave {code}, which no operation lists"));
            assert_eq!(outline(&entry["body"]), outline(example), "{face:?}, {code}");
        }
        let missing: Vec<&String> = documented
            .keys()
            .filter(|code| !found.contains_key(*code) && !NOT_PROVOKED.iter().any(|(name, _)| name == code))
            .filter(|code| stage_has_queries(face) || !BY_OTHER_FACES.contains(&code.as_str()))
            .collect();
        assert!(missing.is_empty(), "{face:?} lists these, and nothing here provokes them: {missing:?}");
        all.insert(face.base().to_owned(), json!(found));
    }
    let problems = golden(
        &provoked(Stage { face: Face::V1, accept: Some("application/problem+json, application/json;q=0.5") }).await,
    );
    all.insert("application/problem+json".to_owned(), json!(problems));
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!("errors", Value::Object(all));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_prefers_problems_is_given_them_on_every_face() {
    let world = World::new().await;
    for face in Face::ALL {
        let path = Stage { face, accept: None }.at("/dashboards");
        let ask = |accept: &'static str| {
            let (actor, path) = (world.anonymous().with("accept", accept), path.clone());
            async move { actor.get(&path).await }
        };
        let problem = ask("application/problem+json").await;
        assert_eq!((problem.status, problem.header("content-type")), (401, Some("application/problem+json")));
        assert!(problem.header("vary").unwrap().contains("accept"));
        let body = problem.json();
        assert_eq!(body["type"], "http://localhost:8080/docs/errors/credentials_missing");
        assert_eq!((&body["status"], &body["code"]), (&json!(401), &json!("credentials_missing")));
        assert_eq!(body["instance"], problem.header("x-request-id").unwrap());
        for accept in ["*/*", "application/json", "application/json, application/problem+json", "text/html"] {
            let plain = ask(accept).await;
            assert_eq!(plain.header("content-type"), Some("application/json"), "{accept}");
            assert!(plain.header("vary").unwrap().contains("accept"), "{accept}");
        }
    }
    let outside = world.anonymous().with("accept", "application/problem+json").get("/nothing").await;
    assert_eq!(outside.json()["type"], "http://localhost:8080/docs/errors/not_found");
    let foreign = world.anonymous().with("accept", "application/problem+json");
    let foreign = foreign.request("GET", "/v1/dashboards").host("evil.example").send().await;
    assert_eq!(foreign.json()["type"], "/docs/errors/misdirected_request", "a foreign host makes no link");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_names_the_permission_and_what_took_it_away() {
    let world = World::new().await;
    let listed = world.key_with(&[Permission::ReportsRead]).await;
    let make = |actor: Actor| async move {
        actor.post("/v1/dashboards", json!({"name": "x"})).await.refuses(403, "permission_missing")
    };
    let refusal = make(world.key(Scope::ReadOnly).await).await;
    assert_eq!((&refusal["permission"], &refusal["refused_by"]), (&json!("dashboards:create"), &json!("scope")));
    assert_eq!(refusal["scope"], "read-only");
    let refusal = make(listed).await;
    assert_eq!((&refusal["refused_by"], &refusal["scope"]), (&json!("scope"), &Value::Null));
    for actor in [world.session(Role::Viewer).await, world.key_of(Role::Viewer, Scope::ReadWrite).await] {
        let refusal = make(actor).await;
        assert_eq!((&refusal["permission"], &refusal["refused_by"]), (&json!("dashboards:create"), &json!("role")));
        assert_eq!(refusal["role"], "viewer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_names_an_error_only_to_whom_has_shown_a_credential() {
    let world = World::new().await;
    let challenge = |answer: Answer| answer.header("www-authenticate").unwrap().to_owned();
    assert_eq!(challenge(world.anonymous().get("/v1/dashboards").await), "Bearer realm=\"claribi\"");
    let wrong = challenge(world.bearer("claribi_sk_live_short").get("/v1/dashboards").await);
    assert!(wrong.starts_with("Bearer realm=\"claribi\", error=\"invalid_token\", error_description=\""), "{wrong}");
    let reader = world.key(Scope::ReadOnly).await;
    let scope = challenge(reader.post("/v1/dashboards", json!({"name": "x"})).await);
    assert_eq!(scope, "Bearer realm=\"claribi\", error=\"insufficient_scope\", scope=\"dashboards:create\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_has_a_page_and_pages_can_be_taken_from_the_public() {
    let world = World::new().await;
    let anonymous = world.anonymous();
    for code in Code::ALL {
        let page = anonymous.get(&format!("/docs/errors/{}", code.as_str())).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{}",
            code.as_str()
        );
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(page.text().contains(code.title()));
    }
    assert_eq!(anonymous.get("/docs/errors/").await.status, 200);
    let unknown = anonymous.get("/docs/errors/no_such_code").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert_eq!(anonymous.get("/docs/errors").await.header("location"), Some("/docs/errors/"));
    assert_eq!(world.calls().len(), 0, "pages are no calls");

    let closed = World::with(|plot| plot.http.public_reference = false).await;
    for path in ["/docs/errors/", "/docs/errors/not_found", "/docs/errors", "/v1/openapi.json"] {
        closed.anonymous().get(path).await.refuses(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_server_is_told_without_its_cause() {
    let world = World::new().await;
    let owner = world.owner().await;
    let source = upload(&owner, "Sales", "orders.csv", b"amount\n1\n").await.is(201);
    let templates = owner.get("/v1/report-templates").await.is(200);
    let report =
        json!({"template_id": templates["data"][0]["id"], "data_source_ids": [source["id"]], "output_format": "json"});
    let made = owner.post("/v1/reports/generate", report).await.is(201);
    std::fs::remove_dir_all(world.data().join("results")).unwrap();
    let path = format!("/v1/reports/{}/download", made["report_id"].as_str().unwrap());
    let answer = owner.get(&path).await;
    let refusal = answer.refuses(500, "internal");
    assert_eq!(refusal.as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "message", "request_id"]);
    assert!(!answer.text().contains("results") && !answer.text().contains("os error"), "{}", answer.text());
}
