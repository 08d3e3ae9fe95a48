//! What a caller may know of itself: its user, its organisation, its credential.

use claribi::domain::access::{Role, Scope};
use claribi::service::keys::KeyRequest;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::world::{PASSWORD, World, named};

#[tokio::test(flavor = "multi_thread")]
async fn everyone_reads_their_own_user_on_both_faces() {
    let world = World::new().await;
    for role in Role::ALL {
        let (key, session) = (world.key_of(role, Scope::ReadOnly).await, world.session(role).await);
        for actor in [&key, &session] {
            let me = actor.get("/v1/users/me").await.is(200);
            assert_eq!(me["role"], role.as_str());
            assert_eq!(me["email"], format!("a-{}@example.com", role.as_str()));
            assert_eq!(
                (&me["name"], &me["first_name"], &me["last_name"]),
                (&json!("Ada Example"), &json!("Ada"), &json!("Example"))
            );
            assert_eq!((&me["created_at"], &me["updated_at"]), (&json!(crate::world::BEGINNING), &me["created_at"]));
            let integer = i64::from_str_radix(me["id"].as_str().unwrap().strip_prefix("u_").unwrap(), 16).unwrap();
            assert_eq!(actor.get("/api/users/me/").await.is(200)["id"], integer);
        }
    }
    world.anonymous().get("/v1/users/me").await.refuses(401, "credentials_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_reads_name_plan_and_credits_of_their_organisation() {
    let world = World::new().await;
    let viewer = world.key_of(Role::Viewer, Scope::ReadOnly).await;
    let ours = viewer.get("/v1/organization").await.is(200);
    assert_eq!(
        (&ours["id"], &ours["name"], &ours["plan"], &ours["environment"]),
        (&json!("org_1"), &json!("Example"), &json!("enterprise"), &json!("live"))
    );
    let usage = world.owner().await.get("/v1/usage").await.is(200);
    assert_eq!(ours["credits"], usage["credits"]);
    let platform = viewer.get("/api/organization/").await.is(200);
    assert_eq!((&platform["id"], &platform["credits"]), (&json!(1), &ours["credits"]));
    assert_eq!(world.stranger().await.get("/v1/organization").await.is(200)["name"], "Others");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_the_same_on_every_face_but_for_the_minute() {
    let world = World::new().await;
    let owner = world.owner().await;
    let platform = owner.get("/api/usage/").await.is(200);
    assert_eq!(platform["limits"]["minute"]["limit"], 100);
    let [external, v1] = [owner.get("/api/v1/usage/").await.is(200), owner.get("/v1/usage").await.is(200)];
    for usage in [&external, &v1] {
        assert_eq!(usage["limits"].get("minute"), None);
        assert_eq!(usage["credits"], platform["credits"]);
    }
    assert_eq!(v1["limits"]["general"]["hour"]["remaining"], 5_000 - 3, "one count on all faces together");
}

/// What `explain` says of a call: allowed, refused by, needs.
async fn explained(actor: &Actor, call: &str) -> Value {
    let told = actor.get(&format!("/v1/auth/verify?explain={}", call.replace(' ', "%20"))).await.is(200);
    json!([told["allowed"], told["refused_by"], told["needs"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_the_same_on_every_face_in_its_own_spelling() {
    let world = World::new().await;
    let owner = world.owner().await;
    let v1 = owner.get("/v1/auth/verify").await.is(200);
    assert_eq!(
        (&v1["key"]["id"], &v1["user"]["id"], &v1["organization"]["id"]),
        (&json!("key_1"), &json!("u_1"), &json!("org_1"))
    );
    assert_eq!(v1["key"]["scope"], "read-write");
    assert_eq!(v1.get("allowed"), None, "nothing was asked");
    let platform = owner.get("/api/auth/verify/").await.is(200);
    assert_eq!((&platform["key"]["id"], &platform["user"]["id"]), (&json!(1), &json!(1)));
    let external = owner.get("/api/v1/auth/verify/").await.is(200);
    assert_eq!(external["key"]["id"].as_str().unwrap().len(), 36);
    for other in [&platform, &external] {
        assert_eq!(other["permissions"], v1["permissions"]);
        assert_eq!(other["key"]["prefix"], v1["key"]["prefix"]);
    }
    let session = world.owner_session().await.get("/v1/auth/verify").await.is(200);
    assert_eq!((&session["key"], &session["user"]["role"]), (&Value::Null, &json!("owner")));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_scope_or_role_as_what_refuses() {
    let world = World::new().await;
    let (owner, reader) = (world.owner().await, world.key(Scope::ReadOnly).await);
    let viewer = world.key_of(Role::Viewer, Scope::ReadWrite).await;
    let session = world.owner_session().await;
    for (actor, call, expected) in [
        (&owner, "POST /v1/reports/generate", json!([true, null, "reports:generate"])),
        (&reader, "POST /v1/reports/generate", json!([false, "scope", "reports:generate"])),
        (&viewer, "POST /v1/reports/generate", json!([false, "role", "reports:generate"])),
        (&viewer, "GET /v1/dashboards", json!([true, null, "dashboards:read"])),
        (&reader, "POST /v1/keys", json!([false, "scope", "read-write"])),
        (&session, "POST /v1/keys", json!([true, null, "read-write"])),
        (&viewer, "GET /v1/users/me", json!([true, null, null])),
        (&viewer, "POST /api/auth/login/", json!([true, null, null])),
    ] {
        assert_eq!(explained(actor, call).await, expected, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_takes_a_call_on_any_face_in_any_spelling_and_looks_up_no_object() {
    let world = World::new().await;
    let reader = world.key(Scope::ReadOnly).await;
    for call in [
        "DELETE /v1/dashboards/d_99",
        "delete /v1/dashboards/nothing/",
        "DELETE /api/v1/dashboards/x",
        "DELETE /api/dashboards/99/?page=2",
        "DELETE  /api/dashboards/99?explain=GET",
    ] {
        assert_eq!(explained(&reader, call).await, json!([false, "scope", "dashboards:delete"]), "{call}");
    }
    assert_eq!(explained(&reader, "HEAD /v1/dashboards").await, json!([true, null, "dashboards:read"]));
    for call in [
        "",
        "GET",
        "/v1/dashboards",
        "GET /v1/nothing",
        "GET /nothing",
        "GET v1/dashboards",
        "PUT /v1/dashboards",
        "OPTIONS /v1/dashboards",
        "GET /v1//dashboards",
        "GET /docs/",
        "G%C3%A4T /v1/dashboards",
        "GET /v1/goals",
    ] {
        for face in ["/v1/auth/verify", "/api/auth/verify/", "/api/v1/auth/verify/"] {
            let answer = reader.get(&format!("{face}?explain={}", call.replace(' ', "+"))).await;
            assert_eq!(answer.refuses(400, "invalid_parameter")["parameter"], "explain", "{call}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_the_plan_as_what_refuses() {
    let trial = World::with(|plot| plot.plan = "trial").await;
    let session = trial.owner_session().await;
    assert_eq!(explained(&session, "POST /v1/dashboards").await, json!([true, null, "dashboards:create"]));
    assert_eq!(explained(&session, "POST /v1/keys").await, json!([false, "plan", "read-write"]));
    session.post("/v1/keys", json!({"name": "x"})).await.refuses(403, "plan_required");
    assert_eq!(explained(&session, "DELETE /v1/keys/key_1").await, json!([true, null, "read-write"]));
    trial.pass(15 * 86_400);
    let session = trial.owner_session().await;
    assert_eq!(explained(&session, "POST /v1/dashboards").await, json!([false, "plan", "dashboards:create"]));
    let ended = session.post("/v1/dashboards", json!({"name": "x"})).await.refuses(403, "trial_ended");
    assert_eq!((&ended["plan"], &ended["needed_plan"]), (&json!("trial"), &json!("starter")), "a plan that goes on");
    assert_eq!(explained(&session, "GET /v1/dashboards").await, json!([true, null, "dashboards:read"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_the_address_as_what_refuses() {
    let world = World::new().await;
    let ip_allowlist = vec!["127.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
    let bound = world.make_key(world.owner, KeyRequest { ip_allowlist, scope: Some(Scope::ReadOnly), ..named() }).await;
    let (free, session) = (world.owner().await, world.owner_session().await);
    for (actor, call, address, refused_by) in [
        (&bound, "GET /v1/dashboards", "127.9.9.9", Value::Null),
        (&bound, "GET /v1/dashboards", "::ffff:127.9.9.9", Value::Null),
        (&bound, "GET /v1/dashboards", "2001:db8:1::9", Value::Null),
        (&bound, "GET /v1/dashboards", "203.0.113.9", json!("address")),
        (&bound, "POST /v1/dashboards", "203.0.113.9", json!("address")),
        (&bound, "POST /v1/dashboards", "127.0.0.1", json!("scope")),
        (&bound, "POST /api/auth/login/", "203.0.113.9", Value::Null),
        (&free, "GET /v1/dashboards", "203.0.113.9", Value::Null),
        (&session, "GET /v1/dashboards", "203.0.113.9", Value::Null),
    ] {
        for face in ["/v1/auth/verify", "/api/auth/verify/", "/api/v1/auth/verify/"] {
            let path = format!("{face}?explain={}&address={address}", call.replace(' ', "+"));
            let told = actor.get(&path).await.is(200);
            assert_eq!((&told["allowed"], &told["refused_by"]), (&json!(refused_by.is_null()), &refused_by), "{path}");
        }
    }
    for query in ["address=203.0.113.9", "explain=GET+/v1/dashboards&address=here", "explain=GET+/v1/usage&address="] {
        let answer = free.get(&format!("/v1/auth/verify?{query}")).await;
        assert_eq!(answer.refuses(400, "invalid_parameter")["parameter"], "address", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_the_limit_as_what_refuses_and_takes_no_room_in_it() {
    let world = World::with(|plot| {
        plot.settings.key_per_minute = 2;
        plot.plan("enterprise", |plan| plan.generation_per_hour = 1);
    })
    .await;
    let owner = world.owner().await;
    owner.post("/v1/dashboards", json!({"name": "Board"})).await.is(201);
    let (refresh, platform) = ("POST /v1/dashboards/d_1/refresh", "GET /api/dashboards/");
    for _ in 0..3 {
        assert_eq!(explained(&owner, refresh).await, json!([true, null, "dashboards:refresh"]));
        assert_eq!(explained(&owner, platform).await, json!([true, null, "dashboards:read"]));
    }
    owner.post("/v1/dashboards/d_1/refresh", json!({})).await.is(200);
    assert_eq!(explained(&owner, refresh).await, json!([false, "limit", "dashboards:refresh"]));
    owner.post("/v1/dashboards/d_1/refresh", json!({})).await.refuses(429, "rate_limited");
    for _ in 0..2 {
        owner.get("/api/dashboards/").await.is(200);
    }
    assert_eq!(explained(&owner, platform).await, json!([false, "limit", "dashboards:read"]));
    assert_eq!(explained(&owner, "GET /v1/dashboards").await, json!([true, null, "dashboards:read"]));
    world.pass(60);
    assert_eq!(explained(&owner, platform).await, json!([true, null, "dashboards:read"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_consumes_nothing_beyond_itself() {
    let world = World::new().await;
    let owner = world.owner().await;
    let before = owner.get("/v1/auth/verify").await.is(200)["limits"].clone();
    let told = owner.get("/v1/auth/verify?explain=POST%20/v1/reports/generate").await;
    let after = &told.is(200)["limits"];
    let rest = |limits: &Value, class: &str| limits[class]["hour"]["remaining"].as_i64().unwrap();
    assert_eq!(rest(after, "general"), rest(&before, "general") - 1);
    assert_eq!(told.number("x-ratelimit-remaining"), rest(after, "general"));
    assert_eq!(rest(after, "generation"), rest(&before, "generation"));
    assert_eq!(world.calls().len(), 2);
    assert_eq!(world.last_call().operation.as_deref(), Some("auth_verify"));
    assert_eq!(owner.get("/v1/usage").await.is(200)["credits"]["reserved"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_present_password_counts_like_a_failed_login() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let password = |current: &str| json!({"current_password": current, "new_password": "another long sentence 8"});
    let mail = |current: &str| json!({"current_password": current, "email": "ada@example.com"});
    for _ in 0..5 {
        session.post("/v1/users/me/password", password("a wrong guess")).await.refuses(400, "invalid_request");
    }
    // What was right is none.
    session.post("/v1/users/me/password", password(PASSWORD)).await.is(200);
    for _ in 0..5 {
        session.post("/api/users/me/email/", mail(PASSWORD)).await.refuses(400, "invalid_request");
    }
    for (path, body) in [
        ("/v1/users/me/password", password("another long sentence 8")),
        ("/api/users/me/email/", mail("another long sentence 8")),
    ] {
        let refused = session.post(path, body).await;
        refused.refuses(429, "rate_limited");
        assert_eq!(refused.header("retry-after"), Some("60"));
    }
    let login = json!({"email": "owner@example.com", "password": "another long sentence 8"});
    world.anonymous().post("/api/auth/login/", login).await.refuses(429, "rate_limited");
    world.pass(60);
    session.post("/api/users/me/email/", mail("another long sentence 8")).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_tells_from_where_and_with_what_it_was_begun_and_when_it_was_last_used() {
    let world = World::new().await;
    let login = json!({"email": "owner@example.com", "password": PASSWORD});
    let agent = format!("curl/8.14.1 {}", "x".repeat(500));
    let begun = world.anonymous().request("POST", "/api/auth/login/").json(&login).header("user-agent", &agent);
    let tokens = begun.send().await.is(200);
    let text = tokens["access"].as_str().unwrap();
    let told = world.bearer(text).get("/v1/sessions").await.is(200)["data"][0].clone();
    assert_eq!((&told["address"], &told["last_used"]["endpoint"]), (&json!("127.0.0.1"), &json!("auth_login")));
    let kept = told["user_agent"].as_str().unwrap();
    assert!(kept.starts_with("curl/8.14.1 xxx") && kept.len() == 256, "no longer than what the audit keeps: {kept}");
    world.pass(7);
    let used = json!({"at": "2026-04-06T09:00:00Z", "endpoint": "sessions_list", "address": "127.0.0.1"});
    assert_eq!(world.bearer(text).get("/v1/sessions").await.is(200)["data"][0]["last_used"], used);
    let world = world.restarted().await;
    let after = world.bearer(text).get("/api/sessions/").await.is(200)["results"][0].clone();
    assert_eq!(after["last_used"]["at"], "2026-04-06T09:00:07Z", "a restart forgets nothing");
    // The sandbox's session is another one, begun by a request of its own.
    world.bearer(text).post("/v1/organization/sandbox", json!({})).await.is(201);
    let entered = world.bearer(text).request("POST", "/api/auth/sandbox/").json(&json!({})).header("user-agent", "b");
    entered.send().await.is(200);
    let both = world.bearer(text).get("/v1/sessions").await.is(200);
    assert_eq!(both["data"][1]["user_agent"], "b");
    assert_eq!(both["data"][1]["last_used"], Value::Null);
}
