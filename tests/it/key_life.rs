//! How a key changes while it lives: its terms, into another key, and its end together with others.

use claribi::domain::access::{Permission, Role, Scope};
use claribi::domain::key_text::{Environment, KeyText};
use claribi::service::adopt::Adopt;
use claribi::service::keys::KeyRequest;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::world::{World, named};

const LIST: &str = "/v1/dashboards";
const KEYS: &str = "/v1/keys";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A new key of the actor's: its id and a client with it.
async fn made(world: &World, by: &Actor, body: Value) -> (String, Actor) {
    let key = by.post(KEYS, body).await.is(201);
    (text(&key["id"]).to_owned(), world.bearer(text(&key["key"])))
}

async fn rotate(by: &Actor, id: &str, body: Value) -> Answer {
    by.post(&format!("{KEYS}/{id}/rotate"), body).await
}

async fn shown(by: &Actor, id: &str) -> Value {
    by.get(&format!("{KEYS}/{id}")).await.is(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_beside_its_successor_until_the_grace_is_over() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let body = json!({"name": "export", "permissions": ["dashboards:read"], "ip_allowlist": ["127.0.0.0/8"]});
    let (id, old) = made(&world, &session, body).await;
    let rotated = rotate(&session, &id, json!({})).await.is(201);
    let (successor, new) = (text(&rotated["id"]).to_owned(), world.bearer(text(&rotated["key"])));
    assert_eq!((&rotated["name"], &rotated["ip_allowlist"]), (&json!("export"), &json!(["127.0.0.0/8"])));
    assert_eq!((&rotated["permissions"], &rotated["scope"]), (&json!(["dashboards:read"]), &Value::Null));
    let grace = "2026-04-07T09:00:00Z";
    let relation = |successor: Value, predecessor: Value| json!({"successor_id": successor, "predecessor_id": predecessor, "grace_until": grace});
    assert_eq!((&rotated["status"], &rotated["rotation"]), (&json!("active"), &relation(Value::Null, json!(id))));
    let before = shown(&session, &id).await;
    assert_eq!(
        (&before["status"], &before["rotation"]),
        (&json!("rotating"), &relation(json!(successor), Value::Null))
    );
    let listed = session.get("/v1/keys?status=rotating").await.is(200);
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["id"]), (1, &json!(id)));

    world.pass(86_399);
    old.get(LIST).await.is(200);
    world.pass(1);
    old.get(LIST).await.refuses(401, "key_expired");
    new.get(LIST).await.is(200);
    let session = world.owner_session().await;
    assert_eq!(shown(&session, &id).await["status"], "expired");
    let expired = session.get("/v1/keys?status=expired").await.is(200);
    assert_eq!(expired["data"][0]["id"], json!(id));
    rotate(&session, &id, json!({})).await.refuses(409, "conflict");
    assert!(!world.is_written_down(&new.secret()[24..46]), "the new text is in no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grace_of_nothing_ends_the_older_key_at_once() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, old) = made(&world, &session, json!({"name": "leaked"})).await;
    old.get(LIST).await.is(200);
    let rotated = rotate(&session, &id, json!({"grace_seconds": 0})).await.is(201);
    old.get(LIST).await.refuses(401, "key_expired");
    let new = world.bearer(text(&rotated["key"]));
    new.get(LIST).await.is(200);
    // Its grace is over, so the new one can be rotated at once.
    rotate(&session, text(&rotated["id"]), json!({})).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_rotated_twice_at_a_time() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, old) = made(&world, &session, json!({"name": "x"})).await;
    let rotated = rotate(&session, &id, json!({"grace_seconds": 3_600})).await.is(201);
    let successor = text(&rotated["id"]).to_owned();
    rotate(&session, &id, json!({})).await.refuses(409, "already_rotating");
    rotate(&session, &successor, json!({})).await.refuses(409, "already_rotating");
    session.post(&format!("{KEYS}/{id}/revoke"), json!({})).await.is(200);
    old.get(LIST).await.refuses(401, "key_revoked");
    rotate(&session, &id, json!({})).await.refuses(409, "conflict");
    rotate(&session, &successor, json!({})).await.is(201);
    rotate(&session, "key_999", json!({})).await.refuses(404, "not_found");
    let long = rotate(&session, "key_3", json!({"grace_seconds": 86_401})).await.refuses(400, "invalid_request");
    assert_eq!(long["field"], "grace_seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_rotations_at_once_make_one_successor() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, _) = made(&world, &session, json!({"name": "x"})).await;
    let attempts = (0..64).map(|_| {
        let (session, id) = (session.clone(), id.clone());
        tokio::spawn(async move { rotate(&session, &id, json!({})).await })
    });
    let mut statuses = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        statuses.push(attempt.await.unwrap().status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 63, "{statuses:?}");
    assert_eq!(session.get(KEYS).await.is(200)["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_never_outlives_the_older_key_and_the_new_one_lives_as_long_as_it_was_made_for() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, old) = made(&world, &session, json!({"name": "x", "expires_at": "2026-04-06T10:00:00Z"})).await;
    world.pass(1_800);
    let rotated = rotate(&session, &id, json!({})).await.is(201);
    assert_eq!(rotated["rotation"]["grace_until"], "2026-04-06T10:00:00Z");
    assert_eq!(rotated["expires_at"], "2026-04-06T10:30:00Z");
    world.pass(1_800);
    old.get(LIST).await.refuses(401, "key_expired");
    world.bearer(text(&rotated["key"])).get(LIST).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_resets_neither_limits_nor_usage() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 5)).await;
    let session = world.owner_session().await;
    let (id, old) = made(&world, &session, json!({"name": "x"})).await;
    for _ in 0..3 {
        old.get(LIST).await.is(200);
    }
    let rotated = rotate(&session, &id, json!({})).await.is(201);
    assert_eq!(rotated["usage_count"], 3);
    let new = world.bearer(text(&rotated["key"]));
    new.get(LIST).await.is(200);
    old.get(LIST).await.is(200);
    new.get(LIST).await.refuses(429, "rate_limited");
    for key in [&id, text(&rotated["id"])] {
        assert_eq!(shown(&session, key).await["usage_count"], 6);
        let activity = session.get(&format!("{KEYS}/{key}/activity")).await.is(200);
        assert_eq!(activity["requests_24h"], 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_tells_of_the_last_use_and_of_rolling_windows() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, client) = made(&world, &session, json!({"name": "x"})).await;
    let path = format!("/api/api-keys/{}/activity/", u64::from_str_radix(&id[4..], 16).unwrap());
    let nothing = session.get(&path).await.is(200);
    assert_eq!((&nothing["last_used"], &nothing["latest_endpoint"]), (&Value::Null, &Value::Null));
    client.get(LIST).await.is(200);
    let counts = async || {
        let told = world.owner_session().await.get(&path).await.is(200);
        ["requests_24h", "requests_7d", "requests_30d"].map(|name| told[name].as_u64().unwrap())
    };
    assert_eq!(counts().await, [1, 1, 1]);
    world.pass(86_400 - 60);
    client.get("/v1/usage").await.is(200);
    assert_eq!(counts().await, [2, 2, 2]);
    world.pass(120);
    assert_eq!(counts().await, [1, 2, 2]);
    world.pass(6 * 86_400);
    assert_eq!(counts().await, [0, 2, 2], "minutes are kept for two days: past that the whole hour counts");
    world.pass(3_600 - 120);
    assert_eq!(counts().await, [0, 2, 2]);
    world.pass(60);
    assert_eq!(counts().await, [0, 1, 2]);
    let told = world.owner_session().await.get(&path).await.is(200);
    assert_eq!((&told["latest_endpoint"], &told["last_used"]["endpoint"]), (&json!("usage_get"), &json!("usage_get")));
    assert_eq!(
        (&told["last_used"]["at"], &told["last_used"]["address"]),
        (&json!("2026-04-07T08:59:00Z"), &json!("127.0.0.1"))
    );
    world.pass(24 * 86_400);
    assert_eq!(counts().await, [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_renamed_narrowed_and_bound_and_its_client_feels_it_at_once() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, client) = made(&world, &session, json!({"name": "x", "scope": "read-write"})).await;
    client.post(LIST, json!({"name": "x"})).await.is(201);
    let path = format!("{KEYS}/{id}");
    let patch = async |body: Value| session.patch(&path, body).await;
    let named = patch(json!({"name": "  weekly report ", "reminder_days": 30})).await.is(200);
    assert_eq!((&named["name"], &named["reminder_days"]), (&json!("weekly report"), &json!(30)));
    assert_eq!(named["next_reminder_at"], "2026-05-06T09:00:00Z");
    assert_eq!(client.get("/v1/auth/verify").await.is(200)["key"]["name"], "weekly report");
    world.pass(30 * 86_400);
    let session = world.owner_session().await;
    assert_eq!(shown(&session, &id).await["next_reminder_at"], "2026-06-05T09:00:00Z");
    let patch = async |body: Value| session.patch(&path, body).await;

    assert_eq!(
        patch(json!({"scope": "read-only", "reminder_days": null})).await.is(200)["next_reminder_at"],
        Value::Null
    );
    client.post(LIST, json!({"name": "x"})).await.refuses(403, "permission_missing");
    for wider in [json!({"scope": "read-write"}), json!({"permissions": ["dashboards:read", "dashboards:create"]})] {
        patch(wider).await.refuses(400, "invalid_request");
    }
    assert_eq!(patch(json!({"permissions": ["usage:read"]})).await.is(200)["permissions"], json!(["usage:read"]));
    client.get(LIST).await.refuses(403, "permission_missing");
    patch(json!({"scope": "read-only"})).await.refuses(400, "invalid_request");
    patch(json!({"ip_allowlist": ["198.51.100.0/24"]})).await.is(200);
    client.get("/v1/usage").await.refuses(403, "address_not_allowed");
    patch(json!({"ip_allowlist": [], "expires_at": "2026-05-06T09:01:00Z"})).await.is(200);
    client.get("/v1/usage").await.is(200);
    assert_eq!(patch(json!({"expires_at": null})).await.is(200)["expires_at"], Value::Null);
    world.pass(60);
    client.get("/v1/usage").await.is(200);
    patch(json!({})).await.refuses(400, "invalid_request");
    session.delete(&path).await.is(200);
    patch(json!({"name": "y"})).await.refuses(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_under_the_conditions_of_the_request() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, _) = made(&world, &session, json!({"name": "x"})).await;
    let path = format!("{KEYS}/{id}");
    let seen = session.get(&path).await.header("etag").unwrap().to_owned();
    session.patch(&path, json!({"name": "y"})).await.is(200);
    for (method, path, body) in [
        ("PATCH", path.clone(), json!({"name": "z"})),
        ("POST", format!("{path}/rotate"), json!({})),
        ("POST", format!("{path}/revoke"), json!({})),
    ] {
        let late = session.request(method, &path).header("if-match", &seen).json(&body).send().await;
        late.refuses(412, "precondition_failed");
    }
    assert_eq!(shown(&session, &id).await["name"], "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_out_nothing_that_is_wider_than_itself() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let body = json!({"name": "bound", "scope": "read-write", "ip_allowlist": ["127.0.0.0/8"],
        "limits": {"per_hour": 50}});
    let (id, bound) = made(&world, &session, body).await;
    let (free, _) = made(&world, &session, json!({"name": "free"})).await;
    let inherited = bound.post(KEYS, json!({"name": "child"})).await.is(201);
    assert_eq!((&inherited["ip_allowlist"], &inherited["limits"]["per_hour"]), (&json!(["127.0.0.0/8"]), &json!(50)));
    bound.post(KEYS, json!({"name": "x", "ip_allowlist": ["127.0.0.1"]})).await.is(201);
    bound.post(KEYS, json!({"name": "x", "ip_allowlist": ["0.0.0.0/0"]})).await.refuses(400, "invalid_request");
    bound.post(KEYS, json!({"name": "x", "limits": {"per_hour": 60}})).await.refuses(403, "permission_missing");
    rotate(&bound, &free, json!({})).await.refuses(400, "invalid_request");
    for body in [json!({"ip_allowlist": []}), json!({"ip_allowlist": ["127.0.0.0/8", "10.0.0.1"]})] {
        bound.patch(&format!("{KEYS}/{id}"), body).await.refuses(400, "invalid_request");
    }
    rotate(&bound, &id, json!({})).await.is(201);
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    rotate(&analyst, &free, json!({})).await.refuses(404, "not_found");
    analyst.patch(&format!("{KEYS}/{free}"), json!({"name": "mine"})).await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_limits_hold_below_the_plans_and_never_above() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let limits = json!({"per_minute": 2, "per_hour": 3, "per_day": 4});
    let (id, client) = made(&world, &session, json!({"name": "x", "limits": limits})).await;
    assert_eq!(shown(&session, &id).await["limits"]["per_hour"], 3);
    assert_eq!(client.get(LIST).await.header("x-ratelimit-limit"), Some("3"));
    client.get("/api/dashboards/").await.is(200);
    client.get(LIST).await.is(200);
    client.get(LIST).await.refuses(429, "rate_limited");
    world.pass(3_600);
    client.get(LIST).await.is(200);
    let refused = client.get(LIST).await;
    refused.refuses(429, "rate_limited");
    assert!(refused.text().contains("4 requests per day"), "{}", refused.text());

    let session = world.owner_session().await;
    for (field, value) in [("per_hour", 5_001), ("per_hour", 0), ("generation_per_day", 2_001), ("per_minute", 101)] {
        let mut wrong = json!({"name": "x", "limits": {}});
        wrong["limits"][field] = json!(value);
        let refusal = session.post(KEYS, wrong).await.refuses(400, "invalid_request");
        assert_eq!(refusal["field"], format!("limits.{field}"));
    }
    let analyst = world.session(Role::Analyst).await;
    for (field, limits) in [
        ("limits.per_day", json!({"per_hour": 9, "per_day": 8})),
        ("limits.generation_per_day", json!({"generation_per_hour": 2, "generation_per_day": 1})),
    ] {
        let refusal = session.post(KEYS, json!({"name": "x", "limits": limits})).await;
        refusal.refuses(400, "invalid_request");
        assert!(refusal.message().contains(field), "{}", refusal.message());
    }
    for limits in [json!({"per_hour": -1}), json!({"per_hour": 1.5}), json!({"per_day": 4_294_967_296_i64}), json!(7)] {
        session.post(KEYS, json!({"name": "x", "limits": limits})).await.refuses(400, "invalid_request");
    }
    let refusal = analyst.post(KEYS, json!({"name": "x", "limits": {"per_hour": 1}})).await;
    assert_eq!(refusal.refuses(403, "permission_missing")["permission"], "keys:manage_all");
    let modest = World::with(|plot| plot.plan = "professional").await;
    let session = modest.owner_session().await;
    let refusal =
        session.post(KEYS, json!({"name": "x", "limits": {"per_hour": 1}})).await.refuses(403, "plan_required");
    assert!(refusal["message"].as_str().unwrap().contains("`enterprise`"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_own_keys_are_revoked_at_once_the_calling_one_too_and_sessions_go_on() {
    let world = World::new().await;
    let (owner, other) = (world.owner().await, world.key(Scope::ReadOnly).await);
    let analyst = world.key_of(Role::Analyst, Scope::ReadWrite).await;
    let session = world.owner_session().await;
    other.post("/v1/keys/revoke-all", json!({})).await.refuses(403, "permission_missing");
    owner.post("/v1/keys/revoke-all", json!({"everyone": true})).await.refuses(403, "permission_missing");
    let revoked = owner.post("/v1/keys/revoke-all", json!({"reason": "lost laptop"})).await.is(200);
    assert_eq!(revoked, json!({"revoked": 2}));
    for key in [&owner, &other] {
        key.get(LIST).await.refuses(401, "key_revoked");
    }
    analyst.get(LIST).await.is(200);
    session.get(LIST).await.is(200);
    assert_eq!(world.calls().iter().filter(|call| !call.changes.is_empty()).count(), 1, "one call changed something");

    world
        .session(Role::Analyst)
        .await
        .post("/v1/keys/revoke-all", json!({"everyone": true}))
        .await
        .refuses(403, "permission_missing");
    let administrator = world.session(Role::Administrator).await;
    let revoked = administrator.post("/api/api-keys/revoke-all/", json!({"everyone": true})).await.is(200);
    assert_eq!(revoked, json!({"revoked": 1}));
    analyst.get(LIST).await.refuses(401, "key_revoked");
    assert_eq!(administrator.post("/v1/keys/revoke-all", json!({})).await.is(200), json!({"revoked": 0}));
    let rows = session.get("/v1/keys?status=revoked").await.is(200);
    assert_eq!(rows["data"].as_array().unwrap().len(), 3, "revoked keys stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_bound_how_long_keys_live_and_how_many_there_are() {
    let world = World::with(|plot| {
        plot.settings.keys.max_lifetime = Some(std::time::Duration::from_secs(30 * 86_400));
        plot.settings.keys.max_grace = std::time::Duration::from_secs(600);
        plot.settings.keys.max_per_organization = 3;
    })
    .await;
    let session = world.owner_session().await;
    let (id, _) = made(&world, &session, json!({"name": "x"})).await;
    assert_eq!(shown(&session, &id).await["expires_at"], "2026-05-06T09:00:00Z");
    let path = format!("{KEYS}/{id}");
    for late in ["2026-05-06T09:00:01Z", "9999-12-31T23:59:59Z"] {
        let refusal =
            session.post(KEYS, json!({"name": "x", "expires_at": late})).await.refuses(400, "invalid_request");
        assert_eq!(refusal["field"], "expires_at");
        session.patch(&path, json!({"expires_at": late})).await.refuses(400, "invalid_request");
    }
    rotate(&session, &id, json!({"grace_seconds": 601})).await.refuses(400, "invalid_request");
    let rotated = rotate(&session, &id, json!({})).await.is(201);
    assert_eq!(rotated["rotation"]["grace_until"], "2026-04-06T09:10:00Z");
    made(&world, &session, json!({"name": "third"})).await;
    session.post(KEYS, json!({"name": "fourth"})).await.refuses(409, "conflict");
    world.pass(600);
    made(&world, &session, json!({"name": "fourth, now that a grace is over"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_request_is_refused_by_the_field() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let (id, _) = made(&world, &session, json!({"name": "x"})).await;
    let long = "x".repeat(10_000);
    let wrong = [
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!(long)),
        ("name", json!("a\u{0}b")),
        ("name", json!("a\nb")),
        ("expires_at", json!("2026-04-06T08:59:59Z")),
        ("expires_at", json!("2026-04-06T09:00:00Z")),
        ("expires_at", json!("tomorrow")),
        ("ip_allowlist[0]", json!(["203.0.113.5/24"])),
        ("ip_allowlist[0]", json!(["fe80::1%eth0"])),
        ("ip_allowlist[1]", json!(["203.0.113.0/24", "somewhere"])),
        ("ip_allowlist[0]", json!(["203.0.113.0/33"])),
        ("ip_allowlist[0]", json!([""])),
        ("permissions[0]", json!(["dashboards:fly"])),
        ("permissions[0]", json!(["billing:manage"])),
        ("permissions", json!([])),
        ("reminder_days", json!(45)),
        ("reminder_days", json!(0)),
    ];
    for (field, value) in wrong {
        let name = field.split('[').next().unwrap();
        let mut body = json!({"name": "x"});
        body[name] = value.clone();
        let refusal = session.post(KEYS, body).await.refuses(400, "invalid_request");
        assert_eq!(refusal["field"], field, "{value}");
        let mut patch = json!({});
        patch[name] = value.clone();
        let refusal = session.patch(&format!("{KEYS}/{id}"), patch).await.refuses(400, "invalid_request");
        assert_eq!(refusal["field"], field, "{value}");
    }
    let unknown = session.post(KEYS, json!({"name": "x", "permissions": ["dashboards:fly"]})).await;
    for permission in [Permission::DashboardsRead, Permission::ReportsGenerate] {
        assert!(unknown.text().contains(permission.as_str()), "the valid ones are listed: {}", unknown.text());
    }
    let both = json!({"name": "x", "scope": "read-only", "permissions": ["dashboards:read"]});
    session.post(KEYS, both.clone()).await.refuses(400, "invalid_request");
    session.patch(&format!("{KEYS}/{id}"), both).await.refuses(400, "invalid_request");
    for grace in [json!(-1), json!(1.5), json!("an hour")] {
        rotate(&session, &id, json!({"grace_seconds": grace})).await.refuses(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_write_key_makes_and_rotates_the_keys_of_its_owner() {
    let world = World::new().await;
    let key = world.make_key(world.owner, KeyRequest { scope: Some(Scope::ReadWrite), ..named() }).await;
    let child = key.post(KEYS, json!({"name": "child", "scope": "read-write"})).await.is(201);
    let child = world.bearer(text(&child["key"]));
    child.get("/v1/usage").await.is(200);
    let rotated = rotate(&key, "key_2", json!({"grace_seconds": 0})).await.is(201);
    child.get("/v1/usage").await.refuses(401, "key_expired");
    assert_eq!(rotated["scope"], "read-write");
    assert_eq!(rotated["created_by"], "owner@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_is_revoked_by_whoever_presents_it_and_the_answer_tells_nothing() {
    let world = World::new().await;
    let (session, anonymous) = (world.owner_session().await, world.anonymous());
    let (id, client) = made(&world, &session, json!({"name": "leaked"})).await;
    client.get(LIST).await.is(200);
    let report = async |key: &str| anonymous.post("/v1/keys/report-leak", json!({"key": key})).await;
    // The public characters alone do not do it: they are no secret.
    let other = world.owner().await;
    let secret = client.secret().to_owned();
    for wrong in ["", "x", &secret[..24], &secret[..51], &format!("{}{}", &secret[..24], &other.secret()[24..])] {
        assert_eq!(report(wrong).await.is(200), json!({"received": true}));
    }
    client.get(LIST).await.is(200);
    let known = report(&format!(" {secret}\n")).await;
    let nobodys = KeyText::mint(Environment::Live, &mut |bytes| bytes.fill(7));
    let (again, unknown) = (report(&secret).await, report(nobodys.expose()).await);
    client.get(LIST).await.refuses(401, "key_revoked");
    other.get(LIST).await.is(200);
    for answer in [&known, &again, &unknown] {
        assert_eq!(answer.is(200), json!({"received": true}));
        let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(answer), names(&known));
        assert!(!answer.text().contains("claribi_sk_"));
    }
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || app.adopt_changes(Adopt::All)).await.unwrap().unwrap();
    let told: Vec<_> = world.events().into_iter().filter(|event| event.detail.contains("key.revoke")).collect();
    assert_eq!((told.len(), told[0].actor.as_str()), (1, "address 127.0.0.1"));
    assert!(told[0].detail.contains(&id), "{}", told[0].detail);
    assert!(!world.is_written_down(&secret[24..46]), "the text is in no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_leaks_are_limited_by_address() {
    let world = World::new().await;
    let report = async |actor: &Actor| actor.post("/api/api-keys/report-leak/", json!({"key": "x"})).await;
    for _ in 0..60 {
        report(&world.anonymous()).await.is(200);
    }
    let refused = report(&world.owner().await).await;
    refused.refuses(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("3600"));
    world.pass(3_600);
    report(&world.anonymous()).await.is(200);
}
