//! People: how they come in, who may do what to whom, and that nothing of a person who may no longer come in does.

use claribi::domain::access::{Role, Scope};
use claribi::store::main::users;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::world::{PASSWORD, World, named};

/// Where a credential shows whether it comes in.
const ANY: &str = "/v1/auth/verify";
const LOGIN: &str = "/api/auth/login/";
const ACCEPT: &str = "/api/auth/accept-invitation/";
const RESET: &str = "/api/auth/reset-password/";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// What stands in the fragment of a link.
fn token(link: &Value) -> String {
    let (page, token) = text(&link["url"]).split_once('#').unwrap();
    assert_eq!(page, "http://localhost:8080/password");
    token.to_owned()
}

async fn invite(actor: &Actor, email: &str, role: &str) -> Value {
    actor.post("/v1/users", json!({"email": email, "role": role})).await.is(201)
}

async fn log_in(world: &World, email: &str, password: &str) -> Answer {
    world.anonymous().post(LOGIN, json!({"email": email, "password": password})).await
}

async fn session_of(world: &World, email: &str, password: &str) -> Actor {
    world.bearer(text(&log_in(world, email, password).await.is(200)["access"]))
}

async fn choose(world: &World, path: &str, token: &str, password: &str) -> Answer {
    world.anonymous().post(path, json!({"token": token, "password": password})).await
}

/// The path of the user of this e-mail.
fn path_of(world: &World, email: &str) -> String {
    let found = world.app.store.read_now(|db| Ok(users::find_by_email(db, email)?)).unwrap().unwrap();
    format!("/v1/users/{}", found.id.prefixed())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_user_comes_in_by_the_link_once_and_by_nothing_else() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let wanted = json!({"email": " Grace@Example.com ", "role": "analyst", "first_name": "Grace"});
    let invited = owner.post("/v1/users", wanted).await.is(201);
    assert_eq!((&invited["email"], &invited["status"]), (&json!("grace@example.com"), &json!("invited")));
    assert_eq!(invited["invitation"]["expires_at"], "2026-04-13T09:00:00Z");
    let token = token(&invited["invitation"]);
    assert!(token.starts_with("inv_") && token.len() == 68, "{token}");

    let path = format!("/v1/users/{}", text(&invited["id"]));
    assert_eq!(owner.get(&path).await.is(200).get("invitation"), None, "shown once");
    log_in(&world, "grace@example.com", "").await.refuses(401, "invalid_login");
    choose(&world, RESET, &token, PASSWORD).await.refuses(400, "invalid_request");
    choose(&world, ACCEPT, &token, "password1234").await.refuses(400, "invalid_request");
    assert_eq!(choose(&world, ACCEPT, "inv_0", PASSWORD).await.refuses(400, "invalid_request")["field"], "token");

    let accepted = choose(&world, ACCEPT, &token, PASSWORD).await.is(200);
    assert_eq!((&accepted["status"], &accepted["role"]), (&json!("active"), &json!("analyst")));
    let call = world.last_call();
    assert_eq!((call.user, call.changes.len()), (accepted["id"].as_i64(), 1), "the row names who came in");
    let grace = session_of(&world, "grace@example.com", PASSWORD).await;
    assert_eq!(grace.get("/v1/users/me").await.is(200)["name"], "Grace");
    choose(&world, ACCEPT, &token, PASSWORD).await.refuses(400, "invalid_request");
    for secret in [&token[..], &token[4..], PASSWORD] {
        assert!(!world.is_written_down(secret), "{secret} is in no file");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_time_and_with_the_next_one() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let invited = invite(&owner, "grace@example.com", "viewer").await;
    let path = format!("/v1/users/{}/invitation", text(&invited["id"]));
    let again = owner.post(&path, json!({})).await.is(201);
    choose(&world, ACCEPT, &token(&invited["invitation"]), PASSWORD).await.refuses(400, "invalid_request");
    world.pass(7 * 86_400);
    choose(&world, ACCEPT, &token(&again["invitation"]), PASSWORD).await.refuses(400, "invalid_request");
    let owner = world.owner_session().await;
    let third = owner.post(&path, json!({})).await.is(201);
    choose(&world, ACCEPT, &token(&third["invitation"]), PASSWORD).await.is(200);
    owner.post(&path, json!({})).await.refuses(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_comes_again_is_answered_without_its_link() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let ask = async || {
        let request = owner.request("POST", "/v1/users").header("idempotency-key", "one");
        request.json(&json!({"email": "grace@example.com", "role": "viewer"})).send().await
    };
    let (first, second) = (ask().await.is(201), ask().await.is(201));
    assert_eq!((&second["id"], &second["invitation"]), (&first["id"], &Value::Null));
    assert_eq!(owner.get("/v1/users").await.is(200)["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_lets_choose_another_password_and_ends_all_sessions() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let viewer = world.session(Role::Viewer).await;
    let path = path_of(&world, "a-viewer@example.com");
    let link = owner.post(&format!("{path}/reset-password"), json!({})).await.is(201);
    assert_eq!(link["expires_at"], "2026-04-06T10:00:00Z");
    viewer.get(ANY).await.is(200);
    log_in(&world, "a-viewer@example.com", PASSWORD).await.is(200);

    let token = token(&link);
    assert!(token.starts_with("rst_"));
    choose(&world, ACCEPT, &token, "another long phrase").await.refuses(400, "invalid_request");
    choose(&world, RESET, &token, "another long phrase").await.is(200);
    viewer.get(ANY).await.refuses(401, "invalid_token");
    log_in(&world, "a-viewer@example.com", PASSWORD).await.refuses(401, "invalid_login");
    log_in(&world, "a-viewer@example.com", "another long phrase").await.is(200);
    choose(&world, RESET, &token, PASSWORD).await.refuses(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_invites_raises_or_resets_a_person_above_themselves() {
    let world = World::new().await;
    let administrator = world.session(Role::Administrator).await;
    for role in ["administrator", "analyst", "viewer"] {
        invite(&administrator, &format!("new-{role}@example.com"), role).await;
    }
    world.session(Role::Viewer).await;
    let (viewer, owner) = (path_of(&world, "a-viewer@example.com"), path_of(&world, "owner@example.com"));
    let refused = [
        administrator.post("/v1/users", json!({"email": "x@example.com", "role": "owner"})).await,
        administrator.patch(&viewer, json!({"role": "owner"})).await,
        administrator.patch(&owner, json!({"role": "viewer"})).await,
        administrator.patch(&owner, json!({"first_name": "Nobody"})).await,
        administrator.post(&format!("{owner}/deactivate"), json!({})).await,
        administrator.post(&format!("{owner}/reset-password"), json!({})).await,
        administrator.delete(&owner).await,
    ];
    for answer in refused {
        assert_eq!(answer.refuses(403, "permission_missing")["permission"], "billing:manage", "{}", answer.text());
        assert!(world.calls().iter().all(|call| call.status != 403 || call.changes.is_empty()));
    }
    let key = world.owner().await;
    invite(&key, "by-key@example.com", "analyst").await;
    let refused = key.post("/v1/users", json!({"email": "x@example.com", "role": "administrator"})).await;
    assert_eq!(refused.refuses(403, "permission_missing")["permission"], "keys:manage_all");
    let analyst = world.session(Role::Analyst).await;
    analyst.get("/v1/users").await.refuses(403, "permission_missing");
    analyst.post(&format!("{viewer}/deactivate"), json!({})).await.refuses(403, "permission_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_stays_an_owner_who_may_come_in() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let owner = path_of(&world, "owner@example.com");
    // One who has not come in yet is no other owner.
    let other = invite(&session, "other@example.com", "owner").await;
    for answer in [
        session.patch(&owner, json!({"role": "administrator"})).await,
        session.post(&format!("{owner}/deactivate"), json!({})).await,
        session.delete(&owner).await,
    ] {
        answer.refuses(409, "conflict");
    }
    session.get(ANY).await.is(200);
    choose(&world, ACCEPT, &token(&other["invitation"]), PASSWORD).await.is(200);
    assert_eq!(session.patch(&owner, json!({"role": "viewer"})).await.is(200)["role"], "viewer");
    session.patch(&owner, json!({"role": "owner"})).await.refuses(403, "permission_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_owner_has_lesser_keys_and_sessions_at_once() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let key = world.key_of(Role::Administrator, Scope::ReadWrite).await;
    let session = world.session(Role::Administrator).await;
    let path = path_of(&world, "a-administrator@example.com");
    let create = async |actor: &Actor| actor.post("/v1/dashboards", json!({"name": "x"})).await;
    for (role, status) in [("analyst", 201), ("viewer", 403), ("administrator", 201)] {
        owner.patch(&path, json!({"role": role})).await.is(200);
        for actor in [&key, &session] {
            assert_eq!(create(actor).await.status, status, "{role}");
            assert_eq!(actor.get(ANY).await.is(200)["user"]["role"], role);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deactivated_user_comes_in_and_reactivating_revives_the_keys_alone() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let (key, session) = (world.key_of(Role::Analyst, Scope::ReadWrite).await, world.session(Role::Analyst).await);
    let path = path_of(&world, "a-analyst@example.com");
    for _ in 0..2 {
        let answer = owner.post(&format!("{path}/deactivate"), json!({})).await.is(200);
        assert_eq!(answer["status"], "deactivated");
    }
    key.get(ANY).await.refuses(401, "invalid_key");
    session.get(ANY).await.refuses(401, "invalid_token");
    let login = log_in(&world, "a-analyst@example.com", PASSWORD).await;
    let unknown = log_in(&world, "nobody@example.com", PASSWORD).await;
    login.refuses(401, "invalid_login");
    assert_eq!(login.masked(&[]), unknown.masked(&[]), "nobody learns that there is such a user");
    for _ in 0..2 {
        assert_eq!(owner.post(&format!("{path}/reactivate"), json!({})).await.is(200)["status"], "active");
    }
    key.get(ANY).await.is(200);
    session.get(ANY).await.refuses(401, "invalid_token");
    log_in(&world, "a-analyst@example.com", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_is_gone_with_keys_and_sessions_and_the_address_is_free() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    let (key, session) = (world.key_of(Role::Analyst, Scope::ReadWrite).await, world.session(Role::Analyst).await);
    key.post("/v1/dashboards", json!({"name": "Stays"})).await.is(201);
    let path = path_of(&world, "a-analyst@example.com");
    let id = path.rsplit('/').next().unwrap().to_owned();
    assert_eq!(owner.delete(&path).await.is(200), json!({"id": id, "deleted": true}));
    key.get(ANY).await.refuses(401, "invalid_key");
    session.get(ANY).await.refuses(401, "invalid_token");
    owner.get(&path).await.refuses(404, "not_found");
    owner.delete(&path).await.refuses(404, "not_found");
    assert_eq!(owner.get("/v1/users").await.is(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(owner.get("/api/users/").await.is(200)["count"], 1);
    let keys = owner.get("/v1/keys?status=revoked").await.is(200);
    assert_eq!(keys["data"][0]["created_by"], format!("{id} (removed)"));
    assert_eq!(owner.get("/v1/dashboards").await.is(200)["data"][0]["name"], "Stays");
    let again = invite(&owner, "a-analyst@example.com", "viewer").await;
    assert_ne!(again["id"], id.as_str(), "ids are never given twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_touch_nothing_that_is_bound_to_an_account() {
    let world = World::new().await;
    let key = world.owner().await;
    let sessions = world.owner_session().await.get("/v1/sessions").await.is(200);
    let password = json!({"current_password": PASSWORD, "new_password": "another long phrase"});
    let refused = [
        key.patch("/v1/users/me", json!({"first_name": "x"})).await,
        key.post("/v1/users/me/password", password).await,
        key.post("/v1/users/me/email", json!({"current_password": PASSWORD, "email": "x@example.com"})).await,
        key.get("/v1/sessions").await,
        key.delete(&format!("/v1/sessions/{}", text(&sessions["data"][0]["id"]))).await,
        key.post("/api/auth/sandbox/", json!({})).await,
        // Their owner has permissions that no key holds.
        key.post("/v1/users/u_1/reset-password", json!({})).await,
    ];
    for answer in refused {
        answer.refuses(403, "permission_missing");
    }
    log_in(&world, "owner@example.com", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_changes_with_the_present_one_and_other_sessions_end() {
    let world = World::new().await;
    let (one, other, key) = (world.owner_session().await, world.owner_session().await, world.owner().await);
    let change = async |current: &str, new: &str| {
        one.post("/v1/users/me/password", json!({"current_password": current, "new_password": new})).await
    };
    for current in ["", "not the password", &"x".repeat(1_025)] {
        let refused = change(current, "another long phrase").await;
        assert_eq!(refused.refuses(400, "invalid_request")["field"], "current_password");
    }
    for new in ["short", "password1234", "owner@example.com", &"long ".repeat(300)] {
        assert_eq!(change(PASSWORD, new).await.refuses(400, "invalid_request")["field"], "new_password", "{new}");
    }
    // A link that somebody still has is worth nothing afterwards.
    let link = one.post("/v1/users/u_1/reset-password", json!({})).await.is(201);
    change(PASSWORD, "another long phrase").await.is(200);
    one.get(ANY).await.is(200);
    key.get(ANY).await.is(200);
    other.get(ANY).await.refuses(401, "invalid_token");
    choose(&world, RESET, &token(&link), "a third long phrase").await.refuses(400, "invalid_request");
    log_in(&world, "owner@example.com", PASSWORD).await.refuses(401, "invalid_login");
    log_in(&world, "owner@example.com", "another long phrase").await.is(200);
    assert!(!world.is_written_down("another long phrase"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_e_mail_are_ones_own_to_change() {
    let world = World::new().await;
    let viewer = world.session(Role::Viewer).await;
    let me = viewer.patch("/v1/users/me", json!({"first_name": " Vera ", "last_name": ""})).await.is(200);
    assert_eq!((&me["name"], &me["first_name"], &me["last_name"]), (&json!("Vera"), &json!("Vera"), &json!("")));
    assert_eq!(viewer.get("/api/auth/status/").await.is(200)["user"]["first_name"], "Vera");
    viewer.patch("/v1/users/me", json!({"role": "owner"})).await.refuses(400, "unknown_field");
    viewer.patch("/v1/users/me", json!({})).await.refuses(400, "invalid_request");
    for bad in ["x".repeat(101), "a\u{7}b".to_owned()] {
        viewer.patch("/v1/users/me", json!({"first_name": bad})).await.refuses(400, "invalid_request");
    }
    let change = async |password: &str, email: &str| {
        viewer.post("/api/users/me/email/", json!({"current_password": password, "email": email})).await
    };
    change("not the password", "vera@example.com").await.refuses(400, "invalid_request");
    change(PASSWORD, "no address").await.refuses(400, "invalid_request");
    change(PASSWORD, "owner@example.com").await.refuses(409, "conflict");
    assert_eq!(change(PASSWORD, "Vera@example.com").await.is(200)["email"], "vera@example.com");
    assert_eq!(viewer.get(ANY).await.is(200)["user"]["email"], "vera@example.com");
    log_in(&world, "a-viewer@example.com", PASSWORD).await.refuses(401, "invalid_login");
    log_in(&world, "vera@example.com", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_by_their_user_and_by_who_manages_that_user() {
    let world = World::new().await;
    let (viewer, other) = (world.session(Role::Viewer).await, world.session(Role::Viewer).await);
    let listed = viewer.get("/v1/sessions").await.is(200)["data"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((&listed[0]["current"], &listed[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(listed[0]["expires_at"], "2026-04-13T09:00:00Z");
    let second = format!("/v1/sessions/{}", text(&listed[1]["id"]));
    viewer.delete(&second).await.is(200);
    other.get(ANY).await.refuses(401, "invalid_token");
    viewer.delete(&second).await.refuses(404, "not_found");

    let (owner, administrator) = (world.owner_session().await, world.session(Role::Administrator).await);
    let of_owner = owner.get("/v1/sessions").await.is(200)["data"][0]["id"].clone();
    let of_owner = format!("/v1/sessions/{}", text(&of_owner));
    viewer.delete(&of_owner).await.refuses(404, "not_found");
    viewer.get("/v1/sessions?user=owner@example.com").await.refuses(403, "permission_missing");
    assert_eq!(
        administrator.delete(&of_owner).await.refuses(403, "permission_missing")["permission"],
        "billing:manage"
    );
    administrator.get("/v1/sessions?user=owner@example.com").await.refuses(403, "permission_missing");
    let of_viewer = administrator.get("/api/sessions/?user=a-viewer@example.com").await.is(200);
    assert_eq!((&of_viewer["count"], &of_viewer["results"][0]["current"]), (&json!(1), &json!(false)));
    administrator.delete(&format!("/api/sessions/{}/", of_viewer["results"][0]["id"])).await.is(200);
    viewer.get(ANY).await.refuses(401, "invalid_token");

    world.stranger().await;
    let stranger = session_of(&world, "stranger@example.com", PASSWORD).await;
    stranger.delete(&of_owner).await.refuses(404, "not_found");
    assert_eq!(stranger.get("/v1/sessions?user=owner@example.com").await.is(200)["data"], json!([]));
    owner.delete(&of_owner).await.is(200);
    owner.get(ANY).await.refuses(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_listed_by_role_status_and_a_part_of_name_or_e_mail() {
    let world = World::new().await;
    let owner = world.owner().await;
    for role in [Role::Analyst, Role::Viewer] {
        world.session(role).await;
    }
    invite(&owner, "zoe@example.com", "viewer").await;
    world.stranger().await;
    let emails = async |query: &str| {
        let page = owner.get(&format!("/v1/users{query}")).await.is(200);
        page["data"].as_array().unwrap().iter().map(|user| text(&user["email"]).to_owned()).collect::<Vec<_>>()
    };
    let everyone = ["owner@example.com", "a-analyst@example.com", "a-viewer@example.com", "zoe@example.com"];
    assert_eq!(emails("").await, everyone);
    assert_eq!(emails("?role=viewer").await, everyone[2..]);
    assert_eq!(emails("?status=invited").await, everyone[3..]);
    assert_eq!(emails("?q=ZOE").await, everyone[3..]);
    assert_eq!(emails("?q=ada%20ex&sort=-created_at&limit=2").await, ["a-viewer@example.com", "a-analyst@example.com"]);
    assert_eq!(emails("?sort=-name").await[0], "zoe@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_changed_only_as_the_client_has_seen_them() {
    let world = World::new().await;
    let owner = world.owner().await;
    invite(&owner, "zoe@example.com", "viewer").await;
    let path = path_of(&world, "zoe@example.com");
    let tag = owner.get(&path).await.header("etag").unwrap().to_owned();
    let change = async |tag: &str, name: &str| {
        let request = owner.request("PATCH", &path).header("if-match", tag);
        request.json(&json!({"first_name": name})).send().await
    };
    change(&tag, "Zoe").await.is(200);
    change(&tag, "Zoë").await.refuses(412, "precondition_failed");
    let deleted = owner.request("DELETE", &path).header("if-match", &tag).send().await;
    deleted.refuses(412, "precondition_failed");
    assert_eq!(owner.get(&path).await.is(200)["first_name"], "Zoe");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_person_is_recorded_once_and_bad_input_changes_nobody() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    for body in [
        json!({"email": "zoe@example.com"}),
        json!({"email": "zoe@example.com", "role": "boss"}),
        json!({"email": "", "role": "viewer"}),
        json!({"email": "zoe", "role": "viewer"}),
        json!({"email": format!("{}@example.com", "x".repeat(10_000)), "role": "viewer"}),
        json!({"email": "zoe@example.com", "role": "viewer", "first_name": "x".repeat(10_000)}),
        json!({"email": "zoe@example.com", "role": "viewer", "last_name": "a\nb"}),
    ] {
        let answer = owner.post("/v1/users", body.clone()).await;
        assert!(answer.status == 400 && world.last_call().changes.is_empty(), "{body}: {}", answer.text());
    }
    invite(&owner, "zoe@example.com", "viewer").await;
    owner.post("/v1/users", json!({"email": "ZOE@example.com", "role": "viewer"})).await.refuses(409, "conflict");
    let path = path_of(&world, "zoe@example.com");
    for (method, path) in [
        ("POST", format!("{path}/invitation")),
        ("PATCH", path.clone()),
        ("POST", "/v1/users/u_1/reset-password".to_owned()),
        ("DELETE", path.clone()),
    ] {
        let body = if method == "PATCH" { json!({"role": "analyst"}) } else { json!({}) };
        let answer = match method {
            "DELETE" => owner.delete(&path).await,
            method => owner.request(method, &path).json(&body).send().await,
        };
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        assert_eq!(world.last_call().changes.len(), 1, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_user_who_was_only_invited_is_refused() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    invite(&owner, "zoe@example.com", "viewer").await;
    let zoe = world.app.store.read_now(|db| Ok(users::find_by_email(db, "zoe@example.com")?)).unwrap().unwrap();
    world.make_key(zoe.id, named()).await.get(ANY).await.refuses(401, "invalid_key");
}
