//! What keys have left, as it changes: for who may know it, until they may not.

use claribi::domain::access::Permission;
use serde_json::{Value, json};

use crate::audit_stream::Tail;
use crate::world::World;

const STREAM: &str = "/v1/usage/headroom/stream";
const LIST: &str = "/v1/dashboards";

/// The headroom of the hour that events told, by key.
fn told(text: &str) -> Vec<(String, i64)> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|line| line.contains("key_id"));
    let read = |line: &str| {
        let key: Value = serde_json::from_str(line).unwrap();
        let remaining = key["limits"]["general"]["hour"]["remaining"].as_i64().unwrap();
        (key["key_id"].as_str().unwrap().to_owned(), remaining)
    };
    data.map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn headroom_is_told_when_it_changes_and_the_stream_ends_with_its_key() {
    let world = World::new().await;
    let session = world.owner_session().await;
    let key = world.key_with(&[Permission::UsageRead, Permission::DashboardsRead]).await;
    let other = world.owner().await;
    let mut tail = Tail::of(&key, key.request("GET", STREAM)).await;
    assert!(tail.until("\"remaining\":4999").await, "with this call: {}", tail.text);
    key.get(LIST).await.is(200);
    other.get(LIST).await.is(200);
    assert!(tail.until("\"remaining\":4998").await);
    assert_eq!(told(&tail.text), [("key_1".to_owned(), 4_999), ("key_1".to_owned(), 4_998)], "itself alone");
    session.delete("/v1/keys/key_1").await.is(200);
    let text = tail.end().await;
    assert!(text.contains("event: end\ndata: {\"reason\":\"key_revoked\"}"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_of_the_keys_that_it_may_know_and_for_no_second_once() {
    let world = World::new().await;
    let (session, stranger) = (world.owner_session().await, world.stranger().await);
    let (first, second) = (world.owner().await, world.owner().await);
    first.get(LIST).await.is(200);
    let once = session.get(&format!("{STREAM}?seconds=0")).await;
    assert_eq!(once.status, 200);
    // The stranger's key was made before these two.
    assert_eq!(told(&once.text()), [("key_3".to_owned(), 5_000), ("key_2".to_owned(), 4_999)]);
    assert!(once.text().ends_with("event: end\ndata: {\"reason\":\"complete\"}\n\n"), "{}", once.text());
    let one = session.get("/api/usage/headroom/stream/?seconds=0&key=2").await;
    assert!(one.text().contains("\"key_id\":2,") && one.text().contains("\"minute\""), "{}", one.text());
    session.get(&format!("{STREAM}?key=key_1")).await.refuses(404, "not_found");
    session.get(&format!("{STREAM}?seconds=86401")).await.refuses(400, "invalid_parameter");
    second.post("/v1/keys/key_2/revoke", json!({})).await.is(200);
    let left = session.get(&format!("{STREAM}?seconds=0")).await;
    assert_eq!(told(&left.text()), [("key_3".to_owned(), 4_999)], "of those that work");
    assert_eq!(told(&stranger.get(&format!("{STREAM}?seconds=0")).await.text()).len(), 1);
}
