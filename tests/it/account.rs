//! What a caller may know of itself: its user, its organisation, its credential.

use claribi::domain::access::{Role, Scope};
use serde_json::json;

use crate::world::World;

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
