//! The life of a key: made, shown once, used within its bounds, ended at once.

use std::time::Duration;

use claribi::domain::access::{Permission, Role, Scope};
use claribi::domain::id::{IdRef, KeyId};
use claribi::domain::org::OrgKind;
use claribi::domain::time::Timestamp;
use claribi::service::keys::KeyRequest;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::world::{World, named};

const LIST: &str = "/v1/dashboards";

async fn created(actor: &Actor, body: Value) -> Value {
    actor.post("/v1/keys", body).await.is(201)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_key_works_and_is_shown_once() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let key = created(&session, json!({"name": "export", "scope": "read-write"})).await;
    let secret = text(&key["key"]).to_owned();
    assert_eq!(secret.len(), 16 + 36);
    assert_eq!(text(&key["prefix"]), &secret[..24]);
    assert_eq!((text(&key["environment"]), text(&key["status"])), ("live", "active"));
    world.bearer(&secret).get(LIST).await.is(200);

    let id = text(&key["id"]).to_owned();
    let elsewhere = [
        session.get("/v1/keys").await,
        session.get(&format!("/v1/keys/{id}")).await,
        session.get("/api/api-keys/").await,
        session.post(&format!("/v1/keys/{id}/revoke"), json!({"reason": "done"})).await,
        session.delete(&format!("/v1/keys/{id}")).await,
    ];
    for answer in elsewhere {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains(&secret[..30]), "nothing behind the prefix is");
    }
    assert!(!world.is_written_down(&secret), "the text is in no file");
    assert!(!world.is_written_down(&secret[24..46]), "nor is its secret part");
    assert!(!world.is_written_down(&hex::encode(&secret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_read_only_unless_it_says_otherwise() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let key = created(&session, json!({"name": "reader"})).await;
    assert_eq!(text(&key["scope"]), "read-only");
    let reader = world.bearer(text(&key["key"]));
    reader.get(LIST).await.is(200);
    let refusal = reader.post(LIST, json!({"name": "x"})).await.refuses(403, "permission_missing");
    assert_eq!(refusal["permission"], "dashboards:create");
    let both = json!({"name": "x", "scope": "read-only", "permissions": ["dashboards:read"]});
    session.post("/v1/keys", both).await.refuses(400, "invalid_request");
    for permissions in [json!([]), json!(["dashboards:fly"]), json!(["billing:manage"]), json!(["keys:manage_all"])] {
        let body = json!({"name": "x", "permissions": permissions});
        session.post("/v1/keys", body).await.refuses(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_list_of_permissions_has_these_and_no_others() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let key = created(&session, json!({"name": "x", "permissions": ["dashboards:create", "usage:read"]})).await;
    let maker = world.bearer(text(&key["key"]));
    maker.post(LIST, json!({"name": "x"})).await.is(201);
    let refusal = maker.get(LIST).await.refuses(403, "permission_missing");
    assert_eq!(refusal["permission"], "dashboards:read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let key = created(&session, json!({"name": "x"})).await;
    let (id, client) = (text(&key["id"]).to_owned(), world.bearer(text(&key["key"])));
    client.get(LIST).await.is(200);
    let revoked = session.post(&format!("/v1/keys/{id}/revoke"), json!({})).await.is(200);
    assert_eq!(revoked["status"], "revoked");
    client.get(LIST).await.refuses(401, "key_revoked");
    assert_eq!(session.delete(&format!("/v1/keys/{id}")).await.status, 200, "the same the second time");
    client.get(LIST).await.refuses(401, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_revoke_itself_and_is_refused_next() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.post("/v1/keys/key_1/revoke", json!({})).await.is(200);
    owner.get(LIST).await.refuses(401, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_by_another_process_is_refused_when_its_command_returns() {
    let world = World::new().await;
    let owner = world.owner().await;
    let command = world.beside();
    for round in 2..12 {
        let victim = world.owner().await;
        victim.get(LIST).await.is(200);
        let caller = command.operator_as(world.owner, "ada").unwrap();
        command.revoke_key(&caller, &IdRef::Number(KeyId::new(round)), "key", None).await.unwrap();
        world.seen().await;
        victim.get(LIST).await.refuses(401, "key_revoked");
        owner.get(LIST).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_at_its_instant_and_not_before() {
    let world = World::new().await;
    let expires_at = Some(Timestamp::from_seconds(world.clock.now().seconds() + 60));
    let key = world.make_key(world.owner, KeyRequest { expires_at, ..named() }).await;
    world.clock.advance(Duration::from_millis(59_999));
    key.get(LIST).await.is(200);
    world.clock.advance(Duration::from_millis(1));
    key.get(LIST).await.refuses(401, "key_expired");
    let past = json!({"name": "x", "expires_at": "2026-04-06T09:00:59Z"});
    let refusal = world.owner_session().await.post("/v1/keys", past).await.refuses(400, "invalid_request");
    assert_eq!(refusal["field"], "expires_at");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_never_wider_than_their_maker() {
    let world = World::new().await;
    for scope in ["read-only", "read-write"] {
        let reader = world.key(Scope::ReadOnly).await;
        reader.post("/v1/keys", json!({"name": "x", "scope": scope})).await.refuses(403, "permission_missing");
    }
    let listed = world.key_with(&[Permission::DashboardsRead]).await;
    listed
        .post("/v1/keys", json!({"name": "x", "permissions": ["dashboards:read"]}))
        .await
        .refuses(403, "permission_missing");

    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    let wide = json!({"name": "x", "permissions": ["users:manage"]});
    analyst.post("/v1/keys", wide).await.refuses(400, "invalid_request");
    let made = analyst.post("/v1/keys", json!({"name": "x", "scope": "read-write"})).await.is(201);
    let made = world.bearer(text(&made["key"]));
    made.post(LIST, json!({"name": "x"})).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewers_read_write_key_only_reads() {
    let world = World::new().await;
    let viewer = world.key_of(Role::Viewer, Scope::ReadWrite).await;
    viewer.get(LIST).await.is(200);
    for (method, path, permission) in [
        ("POST", LIST, "dashboards:create"),
        ("PATCH", "/v1/dashboards/d_1", "dashboards:update"),
        ("DELETE", "/v1/dashboards/d_1", "dashboards:delete"),
        ("POST", "/v1/dashboards/d_1/refresh", "dashboards:refresh"),
    ] {
        let body = if path.ends_with("refresh") { json!({}) } else { json!({"name": "x"}) };
        let refusal = viewer.request(method, path).json(&body).send().await.refuses(403, "permission_missing");
        assert_eq!(refusal["permission"], permission, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_sees_their_own_keys_and_administrators_all() {
    let world = World::new().await;
    world.owner().await;
    world.key_of(Role::Viewer, Scope::ReadOnly).await;
    let count = |answer: crate::answer::Answer| answer.is(200)["data"].as_array().unwrap().len();
    assert_eq!(count(world.session(Role::Viewer).await.get("/v1/keys").await), 1);
    assert_eq!(count(world.session(Role::Administrator).await.get("/v1/keys").await), 2);
    let viewer = world.session(Role::Viewer).await;
    viewer.get("/v1/keys/key_1").await.refuses(404, "not_found");
    viewer.post("/v1/keys/key_1/revoke", json!({})).await.refuses(404, "not_found");
    assert_eq!(world.owner().await.get("/v1/keys/key_1").await.is(200)["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_sandbox_are_test_keys_and_of_others_live_keys() {
    for (kind, prefix, environment) in
        [(OrgKind::Live, "claribi_sk_live_", "live"), (OrgKind::Sandbox, "claribi_sk_test_", "test")]
    {
        let world = World::with(|plot| plot.kind = kind).await;
        let key = created(&world.owner_session().await, json!({"name": "x"})).await;
        assert!(text(&key["key"]).starts_with(prefix) && text(&key["environment"]) == environment);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_tells_how_a_key_was_used() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let key = created(&session, json!({"name": "x"})).await;
    let client = world.bearer(text(&key["key"]));
    assert_eq!((&key["last_used"], &key["usage_count"]), (&Value::Null, &json!(0)));
    client.get(LIST).await.is(200);
    world.pass(5);
    client.get("/v1/dashboards/d_9").await.refuses(404, "not_found");
    let shown = session.get(&format!("/v1/keys/{}", text(&key["id"]))).await.is(200);
    assert_eq!(shown["usage_count"], 2);
    assert_eq!(shown["last_used"]["at"], "2026-04-06T09:00:05Z");
    assert_eq!(shown["last_used"]["address"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_warns_of_its_age_past_ninety_days() {
    let world = World::new().await;
    let owner = world.owner().await;
    let warned =
        |answer: crate::answer::Answer| (answer.is(200)["age_days"].clone(), answer.json()["age_warning"].clone());
    world.pass(90 * 86_400);
    assert_eq!(warned(owner.get("/v1/keys/key_1").await), (json!(90), json!(false)));
    world.pass(86_400);
    assert_eq!(warned(owner.get("/v1/keys/key_1").await), (json!(91), json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_by_what_is_to_be_looked_at() {
    let world = World::new().await;
    let until = |day: &str| Some(claribi::domain::time::Timestamp::parse(day).unwrap());
    let with_name = |name: &str, expires_at| KeyRequest { name: name.to_owned(), expires_at, ..KeyRequest::default() };
    // The world begins on April 6, and is asked on July 20.
    world.make_key(world.owner, with_name("rests", None)).await;
    let used = world.make_key(world.owner, with_name("used", until("2026-08-03T09:00:00Z"))).await;
    world.make_key(world.owner, with_name("over", until("2026-07-19T09:00:00Z"))).await;
    world.pass(15 * 86_400 + 1);
    used.get("/v1/dashboards").await.is(200);
    world.pass(90 * 86_400 - 1);
    world.make_key(world.owner, with_name("young", until("2026-08-03T09:00:01Z"))).await;
    let session = world.owner_session().await;
    for (status, expected) in [
        ("expiring", vec!["used"]),
        ("stale", vec!["rests"]),
        ("old", vec!["rests", "used"]),
        ("active", vec!["rests", "used", "young"]),
        ("expired", vec!["over"]),
    ] {
        let page = session.get(&format!("/v1/keys?status={status}")).await.is(200);
        let keys = page["data"].as_array().unwrap();
        assert_eq!(keys.iter().map(|key| text(&key["name"])).collect::<Vec<_>>(), expected, "{status}");
        for key in keys {
            let stands = key["status"] == status || key["flags"].as_array().unwrap().contains(&status.into());
            assert!(stands, "the list shows what it was narrowed by: {key}");
        }
        let counted = session.get(&format!("/api/api-keys/?status={status}&page_size=1")).await.is(200);
        assert_eq!(counted["count"], expected.len(), "{status}");
    }
    // A second later it has rested for as long as a stale one, also when its use stands in the file.
    let world = world.restarted().await;
    world.pass(1);
    let page = world.owner_session().await.get("/v1/keys?status=stale").await.is(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    let wrong = world.owner_session().await.get("/v1/keys?status=ancient").await.refuses(400, "invalid_parameter");
    assert!(text(&wrong["message"]).contains("active, rotating, expiring, expired, revoked, stale, old"), "{wrong}");
}
