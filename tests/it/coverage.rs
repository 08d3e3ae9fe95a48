//! What holds for every operation of every face. The list is made from the documents and the table of operations, so a
//! new operation is tested by being there.

mod policy;

use std::collections::BTreeSet;

use claribi::domain::access::{Permission, Permissions, Role, Scope};
use claribi::domain::operation::{BodyKind, Needs, OPERATIONS, Operation};
use claribi::domain::window::Class;
use claribi::http::document;
use claribi::http::face::Face;
use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::world::World;

/// What stands in a path for an object that nobody has.
pub const NOTHING: &str = "999";

/// An operation where one face has it.
#[derive(Clone)]
pub struct Entry {
    pub face: Face,
    pub operation: &'static Operation,
    pub method: String,
    pub path: String,
    /// Whether its answer goes on until it is told for how long.
    pub goes_on: bool,
}

/// Every operation of every face. Variables of paths stand for an object that nobody has.
pub fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for face in Face::ALL {
        let document: Value = serde_json::from_str(&document::of(face).unwrap()).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let id = described["operationId"].as_str().unwrap();
                let operation = Operation::find(id).unwrap_or_else(|| panic!("{id} is in no table"));
                let path = path.split('/').map(|part| if part.starts_with('{') { NOTHING } else { part });
                let path = path.collect::<Vec<_>>().join("/");
                let mut parameters = described["parameters"].as_array().into_iter().flatten();
                let goes_on = parameters.any(|found| found["name"] == "seconds");
                entries.push(Entry { face, operation, method: method.to_uppercase(), path, goes_on });
            }
        }
    }
    entries
}

/// A body that an operation reads as one of its own; the objects in it do not exist.
pub fn body(operation: &Operation) -> Value {
    match operation.id {
        "dashboards_create"
        | "dashboards_update"
        | "data_sources_update"
        | "reports_update"
        | "keys_create"
        | "keys_update" => json!({"name": "x"}),
        "data_sources_preview_connection" => json!({"kind": "url", "connection": {"url": "http://127.0.0.1:9/a.csv"}}),
        "data_sources_table_update" => json!({"description": "x"}),
        "users_create" => json!({"email": "new@example.com", "role": "viewer"}),
        "users_update" | "users_me_update" => json!({"first_name": "x"}),
        "users_me_password" => {
            json!({"current_password": "not this one", "new_password": "a long enough sentence"})
        }
        "users_me_email" => json!({"current_password": "not this one", "email": "other@example.com"}),
        "auth_accept_invitation" | "auth_reset_password" => {
            json!({"token": "nothing", "password": "a long enough sentence"})
        }
        "organization_update" => json!({"name": "x"}),
        "keys_report_leak" => json!({"key": "nothing"}),
        "query_run" | "query_explain" => json!({"sql": "SELECT 1"}),
        "queries_create" | "queries_update" => json!({"name": "x", "query": {"sql": "SELECT 1"}}),
        "reports_create" | "reports_generate" | "reports_generate_estimate" => json!({"template_id": "tpl_999"}),
        "auth_login" => json!({"email": "nobody@example.com", "password": "nothing at all"}),
        "auth_refresh" => json!({"refresh": "nothing"}),
        "setup_complete" => {
            json!({"token": "nothing", "organization": "x", "email": "x@example.com", "password": "nothing at all"})
        }
        _ => json!({}),
    }
}

impl Entry {
    pub async fn call(&self, actor: &Actor) -> Answer {
        let path = self.asked();
        match self.operation.body {
            BodyKind::Json => actor.request(&self.method, &path).json(&body(self.operation)).send().await,
            BodyKind::None => actor.request(&self.method, &path).send().await,
            BodyKind::Upload => actor.upload(&path, &[Part::Field("name", "x"), Part::File("a.csv", b"a\n1\n")]).await,
        }
    }

    /// The path as it is asked for: an answer that went on for ever would not let the next call be made.
    pub fn asked(&self) -> String {
        match (self.goes_on, self.path.contains('?')) {
            (false, _) => self.path.clone(),
            (true, false) => format!("{}?seconds=0", self.path),
            (true, true) => format!("{}&seconds=0", self.path),
        }
    }

    pub fn named(&self) -> String {
        format!("{} {} ({})", self.method, self.path, self.operation.id)
    }
}

#[test]
fn the_table_and_the_documents_have_the_same_operations() {
    let entries = entries();
    let documented: BTreeSet<&str> = entries.iter().map(|entry| entry.operation.id).collect();
    let known: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
    assert_eq!(documented, known);
    assert_eq!(known.len(), OPERATIONS.len(), "an id stands in the table twice");
    for face in Face::ALL {
        let ids: Vec<_> = entries.iter().filter(|entry| entry.face == face).map(|entry| entry.operation.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{face:?} has an operation twice");
        assert!(!ids.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_every_operation_that_needs_one_is_refused_and_audited() {
    let world = World::new().await;
    let anonymous = world.anonymous();
    for (index, entry) in entries().iter().enumerate() {
        let answer = entry.call(&anonymous).await;
        if entry.operation.needs == Needs::Nothing {
            assert!(answer.status < 400 || answer.code() != "credentials_missing", "{}", entry.named());
        } else {
            assert_eq!((answer.status, answer.code().as_str()), (401, "credentials_missing"), "{}", entry.named());
        }
        let calls = world.calls();
        let call = &calls[index];
        assert_eq!(calls.len(), index + 1, "{}: one row", entry.named());
        assert_eq!(call.operation.as_deref(), Some(entry.operation.id), "{}", entry.named());
        assert_eq!((call.status, call.face), (answer.status, entry.face.number()), "{}", entry.named());
        assert_eq!(call.class, entry.operation.class, "{}", entry.named());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_permission_every_operation_is_refused_naming_it() {
    let world = World::new().await;
    for entry in entries() {
        let Needs::Permission(needed) = entry.operation.needs else { continue };
        let others: Vec<Permission> = Permission::ALL
            .iter()
            .copied()
            .filter(|permission| *permission != needed)
            .filter(|permission| !matches!(permission, Permission::BillingManage | Permission::KeysManageAll))
            .collect();
        let actor = world.key_with(&others).await;
        let answer = entry.call(&actor).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "permission_missing"), "{}", entry.named());
        assert_eq!(answer.envelope()["permission"], needed.as_str(), "{}", entry.named());
        let call = world.last_call();
        assert_eq!((call.operation.as_deref(), call.status), (Some(entry.operation.id), 403), "{}", entry.named());
        assert!(call.counted() && call.changes.is_empty(), "{}", entry.named());
    }
    let dashboards = world.owner().await.get("/v1/dashboards").await.is(200);
    assert_eq!(dashboards["data"], json!([]), "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_permission_alone_no_operation_is_refused_for_want_of_one() {
    let world = World::new().await;
    for entry in entries() {
        let Needs::Permission(needed) = entry.operation.needs else { continue };
        let mut held = vec![needed];
        if entry.operation.id == "users_create" {
            // Whoever invites a viewer has what a viewer gets.
            held.extend(Role::Viewer.permissions().iter());
        }
        // What no key may have is for owners in a session.
        let in_session = Permissions::NEVER_IN_A_KEY.holds(needed);
        let actor = if in_session { world.owner_session().await } else { world.key_with(&held).await };
        let answer = entry.call(&actor).await;
        assert_ne!(answer.status, 403, "{}: {}", entry.named(), answer.text());
        assert!(answer.status < 500, "{}: {}", entry.named(), answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn managing_keys_takes_a_session_or_the_read_write_preset() {
    let world = World::new().await;
    let all: Vec<Permission> = Permission::ALL
        .iter()
        .copied()
        .filter(|permission| !matches!(permission, Permission::BillingManage | Permission::KeysManageAll))
        .collect();
    let session = world.owner_session().await;
    for entry in entries().iter().filter(|entry| entry.operation.needs == Needs::KeyManagement) {
        // One of the operations revokes every key: each has keys of its own.
        for actor in [world.key(Scope::ReadOnly).await, world.key_with(&all).await] {
            entry.call(&actor).await.refuses(403, "permission_missing");
        }
        for actor in [&world.owner().await, &session] {
            let answer = entry.call(actor).await;
            let done = if entry.operation.id == "keys_revoke_all" { 200 } else { 201 };
            assert!([done, 404].contains(&answer.status), "{}: {}", entry.named(), answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_with_a_body_refuses_fields_that_it_does_not_know() {
    let world = World::with(|plot| plot.settings.key_per_minute = 10_000).await;
    let owner = world.owner().await;
    for entry in entries().iter().filter(|entry| entry.operation.body == BodyKind::Json) {
        let mut sent = body(entry.operation);
        sent["surprise"] = json!(1);
        let answer = owner.request(&entry.method, &entry.path).json(&sent).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "unknown_field"), "{}", entry.named());
        let answer =
            owner.request(&entry.method, &entry.path).header("content-type", "application/json").body("{").send();
        answer.await.refuses(400, "invalid_json");
        let answer = owner.request(&entry.method, &entry.path).header("content-type", "text/plain").body("{}").send();
        answer.await.refuses(415, "unsupported_media_type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_keeps_cannot_be_set_by_a_body() {
    const KEPT: [&str; 14] = [
        "id",
        "uuid",
        "org_id",
        "organization_id",
        "owner_id",
        "user_id",
        "plan",
        "credits",
        "is_admin",
        "key_hash",
        "prefix",
        "environment",
        "created_at",
        "updated_at",
    ];
    let world = World::with(|plot| plot.settings.key_per_minute = 10_000).await;
    let owner = world.owner().await;
    for entry in entries().iter().filter(|entry| entry.operation.body == BodyKind::Json) {
        for kept in KEPT {
            let mut sent = body(entry.operation);
            sent[kept] = json!(1);
            let answer = owner.request(&entry.method, &entry.path).json(&sent).send().await;
            assert_eq!(answer.refuses(400, "unknown_field")["field"], kept, "{}", entry.named());
        }
    }
    assert!(world.calls().iter().all(|call| call.changes.is_empty()), "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shape_of_a_path_is_a_way_round_a_permission() {
    let world = World::with(|plot| plot.settings.key_per_minute = 10_000).await;
    let actor = world.key_of(Role::Viewer, Scope::ReadWrite).await;
    for entry in entries() {
        let Needs::Permission(needed) = entry.operation.needs else { continue };
        if Role::Viewer.permissions().holds(needed) {
            continue;
        }
        let path = &entry.path;
        let (parent, last) = path.trim_end_matches('/').rsplit_once('/').unwrap();
        let encoded: String = last.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let shapes = [
            format!("/{path}"),
            format!("{parent}//{last}"),
            format!("{parent}/./{last}"),
            format!("{path}/.."),
            format!("{path}/../{last}"),
            format!("{parent}/%2e/{last}"),
            format!("{parent}%2f{last}"),
            format!("{parent}/{encoded}"),
            format!("{parent}\\{last}"),
            format!("{path};x=1"),
            format!("{path}%00"),
            format!("{path}%20"),
            path.to_uppercase(),
            format!("{}/", path.trim_end_matches('/')),
            path.trim_end_matches('/').to_owned(),
        ];
        for shape in shapes {
            let answer = Entry { path: shape.clone(), goes_on: false, ..entry.clone() }.call(&actor).await;
            let told = (answer.status, answer.code());
            let refused = [
                (403, "permission_missing"),
                (404, "not_found"),
                (405, "method_not_allowed"),
                (400, "invalid_request"),
            ];
            assert!(
                refused.iter().any(|(status, code)| told == (*status, (*code).to_owned())),
                "{} as {shape}: {told:?}",
                entry.named()
            );
        }
    }
    assert!(world.calls().iter().all(|call| call.changes.is_empty()), "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_parameters_that_it_does_not_know() {
    let world = World::new().await;
    let owner = world.owner().await;
    for entry in entries() {
        let path = format!("{}?surprise=1", entry.path);
        let answer = Entry { path, ..entry }.call(&owner).await;
        answer.refuses(400, "invalid_parameter");
        assert_eq!(answer.envelope()["parameter"], "surprise");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_that_an_operation_gave_is_in_its_document() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.generation_per_hour = 2)).await;
    for entry in entries() {
        for actor in [&world.owner().await, &world.anonymous()] {
            let answer = entry.call(actor).await;
            let document: Value = serde_json::from_str(&document::of(entry.face).unwrap()).unwrap();
            let described = document["paths"].as_object().unwrap().values().find_map(|methods| {
                let found = methods.get(entry.method.to_lowercase())?;
                (found["operationId"] == entry.operation.id).then(|| found["responses"].clone())
            });
            let described = described.unwrap();
            assert!(!described[answer.status.to_string()].is_null(), "{} gave {}", entry.named(), answer.status);
        }
    }
}

/// Callers who may do different things.
async fn callers(world: &World) -> [Actor; 6] {
    [
        world.owner().await,
        world.key(Scope::ReadOnly).await,
        world.key_of(Role::Analyst, Scope::ReadWrite).await,
        world.key_of(Role::Viewer, Scope::ReadWrite).await,
        world.key_with(&[Permission::ReportsRead, Permission::DashboardsRefresh]).await,
        world.session(Role::Viewer).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_foretells_of_every_call_whether_it_is_refused() {
    let world = World::with(|plot| plot.settings.key_per_minute = 10_000).await;
    let (mut actors, mut are_spent) = (callers(&world).await, false);
    for entry in entries() {
        for index in 0..actors.len() {
            if are_spent {
                actors = callers(&world).await;
            }
            are_spent = entry.operation.id == "keys_revoke_all";
            let actor = &actors[index];
            let asked = format!("/v1/auth/verify?explain={}%20{}", entry.method, entry.path);
            let told = actor.get(&asked).await.is(200);
            let refusal = told["refused_by"].as_str();
            assert_eq!(told["allowed"], refusal.is_none(), "{}", entry.named());
            assert!(refusal.is_none_or(|by| ["scope", "role"].contains(&by)), "{}: {told}", entry.named());
            if let Needs::Permission(permission) = entry.operation.needs {
                assert_eq!(told["needs"], permission.as_str());
            }
            let answer = entry.call(actor).await;
            assert_eq!(answer.status == 403, refusal.is_some(), "{}: {told} {}", entry.named(), answer.text());
        }
    }
}

#[test]
fn report_runs_and_refreshes_are_what_generates() {
    let generating: Vec<_> = OPERATIONS.iter().filter(|operation| operation.class == Class::Generation).collect();
    let ids: BTreeSet<&str> = generating.iter().map(|operation| operation.id).collect();
    assert_eq!(ids, BTreeSet::from(["dashboards_refresh", "reports_generate", "reports_run"]));
}
