//! Organisations: name, plan, credits, and a sandbox with the same people and nothing else in common.

use claribi::domain::access::Role;
use claribi::domain::org::OrgKind;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::sources::sales;
use crate::world::{Background, World};

/// A session that acts in the sandbox of the organisation.
async fn entered(world: &World, session: &Actor) -> Actor {
    let tokens = session.post("/api/auth/sandbox/", json!({})).await.is(200);
    world.bearer(tokens["access"].as_str().unwrap())
}

async fn key_of(world: &World, session: &Actor) -> Actor {
    let key = session.post("/v1/keys", json!({"name": "trying out", "scope": "read-write"})).await.is(201);
    assert_eq!(key["environment"], "test");
    let text = key["key"].as_str().unwrap();
    assert!(text.starts_with("claribi_sk_test_"), "{text}");
    world.bearer(text)
}

fn names(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_the_organization_renames_it() {
    let world = World::new().await;
    let owner = world.owner().await;
    let seen = owner.get("/v1/organization").await;
    let tag = seen.header("etag").unwrap().to_owned();
    let renamed = owner.patch("/v1/organization", json!({"name": " Acme Corp "})).await.is(200);
    assert_eq!(renamed["name"], "Acme Corp");
    let late = owner.request("PATCH", "/api/organization/").header("if-match", &tag).json(&json!({"name": "Late"}));
    late.send().await.refuses(412, "precondition_failed");
    for bad in ["", " ", "a\u{0}b", &"x".repeat(201)] {
        owner.patch("/v1/organization", json!({"name": bad})).await.refuses(400, "invalid_request");
    }
    let analyst = world.session(Role::Analyst).await;
    analyst.patch("/v1/organization", json!({"name": "Mine"})).await.refuses(403, "permission_missing");
    assert_eq!(analyst.get("/v1/organization").await.is(200)["name"], "Acme Corp");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_opens_one_sandbox_as_its_plan_allows() {
    let world = World::new().await;
    let (owner, analyst) = (world.owner().await, world.session(Role::Analyst).await);
    analyst.post("/api/auth/sandbox/", json!({})).await.refuses(409, "conflict");
    analyst.post("/v1/organization/sandbox", json!({})).await.refuses(403, "permission_missing");
    let sandbox = owner.post("/v1/organization/sandbox", json!({})).await.is(201);
    assert_eq!(
        (&sandbox["name"], &sandbox["environment"], &sandbox["plan"], &sandbox["credits"]["remaining"]),
        (&json!("Sandbox"), &json!("test"), &json!("enterprise"), &json!(10_000))
    );
    assert_eq!(owner.get("/v1/organization").await.is(200)["sandbox_id"], sandbox["id"]);
    owner.post("/api/organization/sandbox/", json!({"name": "Another"})).await.refuses(409, "conflict");

    let small = World::with(|plot| plot.plan = "professional").await;
    let refused = small.owner().await.post("/v1/organization/sandbox", json!({})).await;
    refused.refuses(403, "plan_required");
    assert!(refused.message().contains("enterprise"), "{}", refused.text());
    let own = World::with(|plot| plot.kind = OrgKind::Sandbox).await;
    own.owner().await.post("/v1/organization/sandbox", json!({})).await.refuses(409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_members_of_the_sandbox_with_their_role_of_now() {
    let world = World::new().await;
    let owner = world.owner_session().await;
    owner.post("/v1/organization/sandbox", json!({"name": "Trying out"})).await.is(201);
    let analyst = entered(&world, &world.session(Role::Analyst).await).await;
    let verified = analyst.get("/v1/auth/verify").await.is(200);
    assert_eq!(
        (&verified["organization"]["name"], &verified["user"]["role"]),
        (&json!("Trying out"), &json!("analyst"))
    );
    let key = key_of(&world, &analyst).await;
    key.post("/v1/dashboards", json!({"name": "Only here"})).await.is(201);
    let path = format!("/v1/users/{}", verified["user"]["id"].as_str().unwrap());
    owner.patch(&path, json!({"role": "viewer"})).await.is(200);
    for actor in [&analyst, &key] {
        actor.get("/v1/dashboards").await.is(200);
        actor.post("/v1/dashboards", json!({"name": "No more"})).await.refuses(403, "permission_missing");
    }
    owner.post(&format!("{path}/deactivate"), json!({})).await.is(200);
    analyst.get("/v1/dashboards").await.refuses(401, "invalid_token");
    key.get("/v1/dashboards").await.refuses(401, "invalid_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_shares_people_with_its_organization_and_nothing_else() {
    let world = World::new().await;
    let session = world.owner_session().await;
    session.post("/v1/organization/sandbox", json!({})).await.is(201);
    let inside = entered(&world, &session).await;
    let (live, test) = (world.owner().await, key_of(&world, &inside).await);
    live.post("/v1/dashboards", json!({"name": "Live"})).await.is(201);
    test.post("/v1/dashboards", json!({"name": "Test"})).await.is(201);
    assert_eq!(names(&live.get("/v1/dashboards").await.is(200)), ["Live"]);
    assert_eq!(names(&test.get("/v1/dashboards").await.is(200)), ["Test"]);
    test.get("/v1/dashboards/d_1").await.refuses(404, "not_found");
    assert_eq!(names(&live.get("/v1/keys").await.is(200)), ["a key"]);
    assert_eq!(names(&test.get("/v1/keys").await.is(200)), ["trying out"]);

    // A report there is made in the name of a member, with the sandbox's data and for its credits.
    let source = sales(&test).await;
    let template = test.get("/v1/report-templates").await.is(200)["data"][0]["id"].clone();
    let wanted = json!({"template_id": template, "data_source_ids": [source], "output_format": "json"});
    assert_eq!(test.post("/v1/reports/generate", wanted).await.is(201)["status"], "succeeded");
    let used = async |actor: &Actor| actor.get("/v1/usage").await.is(200)["credits"]["used"].as_i64().unwrap();
    assert!(used(&test).await > 0);
    assert_eq!(used(&live).await, 0);

    let people = async |actor: &Actor| names_of(&actor.get("/v1/users").await.is(200));
    assert_eq!(people(&test).await, people(&live).await);
    for answer in [
        test.post("/v1/users", json!({"email": "x@example.com", "role": "viewer"})).await,
        inside.patch("/v1/users/u_1", json!({"first_name": "x"})).await,
        inside.post("/v1/users/u_1/reset-password", json!({})).await,
        inside.patch("/v1/users/me", json!({"first_name": "x"})).await,
        inside.post("/api/auth/sandbox/", json!({})).await,
    ] {
        answer.refuses(409, "conflict");
    }
    // Both sessions are the user's own, wherever they act.
    assert_eq!(inside.get("/v1/sessions").await.is(200)["data"].as_array().unwrap().len(), 2);
    world.stranger().await.post("/v1/organization/sandbox", json!({})).await.is(201);
}

fn names_of(page: &Value) -> Vec<String> {
    names(page).into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_a_sandbox_closes_it_and_the_months_credits_follow_the_plan() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let session = world.owner_session().await;
    session.post("/v1/organization/sandbox", json!({})).await.is(201);
    let inside = entered(&world, &session).await;
    let key = key_of(&world, &inside).await;
    let operator = || world.app.operator_of(world.org, "tests").unwrap();
    world.app.set_plan(&operator(), "professional").await.unwrap();
    for actor in [&inside, &key] {
        actor.get("/v1/dashboards").await.refuses(403, "plan_required");
    }
    let ours = session.get("/v1/organization").await.is(200);
    assert_eq!((&ours["plan"], &ours["credits"]["limit"]), (&json!("professional"), &json!(2_000)));
    assert!(world.app.set_plan(&operator(), "no such plan").await.is_err());

    world.app.set_plan(&operator(), "enterprise").await.unwrap();
    key.get("/v1/dashboards").await.is(200);
    world.app.grant_credits(&operator(), 500).await.unwrap();
    assert!(world.app.grant_credits(&operator(), 0).await.is_err());
    assert_eq!(session.get("/v1/organization").await.is(200)["credits"]["remaining"], 10_500);
    assert_eq!(inside.get("/v1/organization").await.is(200)["credits"]["remaining"], 10_000);
}
