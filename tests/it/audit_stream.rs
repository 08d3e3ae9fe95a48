//! The log as it grows: events for who may read it, and for nobody else, from the moment on at which they may not.

use claribi::domain::access::{Role, Scope};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, DuplexStream};

use crate::actors::{Actor, Request};
use crate::patience::{LONGEST, until};
use crate::world::{Background, World};

const STREAM: &str = "/v1/audit/stream";
const LIST: &str = "/v1/dashboards";

/// An answer that is read while it comes.
pub struct Tail {
    stream: DuplexStream,
    pub text: String,
}

impl Tail {
    pub async fn of(actor: &Actor, request: Request) -> Self {
        let mut tail = Self { stream: actor.open(request).await, text: String::new() };
        tail.until("here is the stream").await;
        tail
    }

    /// Reads until this has come, or the end.
    pub async fn until(&mut self, sought: &str) -> bool {
        let reading = async {
            while !self.text.contains(sought) {
                let mut piece = vec![0; 4_096];
                match self.stream.read(&mut piece).await.unwrap() {
                    0 => return false,
                    count => self.text.push_str(std::str::from_utf8(&piece[..count]).unwrap()),
                }
            }
            true
        };
        match tokio::time::timeout(LONGEST, reading).await {
            Ok(found) => found,
            Err(_) => panic!("`{sought}` does not come: {}", self.text),
        }
    }

    /// Reads to the end, which must come by itself.
    pub async fn end(mut self) -> String {
        assert!(!self.until("nothing that would ever come").await);
        self.text
    }

    /// The entries that have come.
    fn entries(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|line| line.contains("\"seq\"")).map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

async fn quiet() -> World {
    World::with(|plot| plot.background = Background::LeftLying).await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_as_they_are_written_and_a_client_that_comes_back_goes_on_where_it_was() {
    let world = quiet().await;
    let (owner, stranger) = (world.owner().await, world.stranger().await);
    owner.get(LIST).await.is(200);
    let mut tail = Tail::of(&owner, owner.request("GET", &format!("{STREAM}?operation=dashboards_create"))).await;
    assert!(tail.text.contains("content-type: text/event-stream") && tail.text.contains("cache-control: no-store"));
    stranger.post(LIST, json!({"name": "theirs"})).await.is(201);
    let first = owner.post(LIST, json!({"name": "one"})).await;
    assert!(tail.until(&first.request_id()).await);
    let second = owner.post(LIST, json!({"name": "two"})).await;
    assert!(tail.until(&second.request_id()).await);
    let entries = tail.entries();
    assert_eq!(entries.len(), 2, "neither what was before, nor other operations, nor others: {entries:?}");
    assert_eq!(entries[0]["changes"][0]["after"]["name"], "one");
    let last = format!("id: {}", entries[0]["seq"]);
    assert!(tail.text.contains(&last), "{}", tail.text);
    drop(tail);

    let again = owner.request("GET", &format!("{STREAM}?seconds=0&operation=dashboards_create"));
    let again = again.header("last-event-id", &entries[0]["seq"].to_string()).send().await;
    assert!(again.text().contains(&second.request_id()) && !again.text().contains(&first.request_id()));
    assert!(again.text().ends_with("event: end\ndata: {\"reason\":\"complete\"}\n\n"), "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_key_its_owners_role_or_its_session_does() {
    let world = quiet().await;
    let in_charge = world.owner_session().await;
    let key = world.owner().await;
    let demoted = world.key_of(Role::Administrator, Scope::ReadWrite).await;
    let session = world.owner_session().await;
    let opened = |actor: &Actor| {
        let actor = actor.clone();
        async move { Tail::of(&actor, actor.request("GET", STREAM)).await }
    };
    let tails = [opened(&key).await, opened(&demoted).await, opened(&session).await];
    let mine = key.get("/v1/auth/verify").await.is(200)["key"]["id"].as_str().unwrap().to_owned();
    in_charge.delete(&format!("/v1/keys/{mine}")).await.is(200);
    in_charge.patch("/v1/users/u_2", json!({"role": "viewer"})).await.is(200);
    let sessions = in_charge.get("/v1/sessions").await;
    let newest = sessions.is(200)["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    in_charge.delete(&format!("/v1/sessions/{newest}")).await.is(200);
    for (tail, reason) in tails.into_iter().zip(["key_revoked", "permission_missing", "invalid_token"]) {
        let text = tail.end().await;
        assert!(text.contains(&format!("event: end\ndata: {{\"reason\":\"{reason}\"}}")), "{reason}: {text}");
    }
    key.get(STREAM).await.refuses(401, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_leaves_its_row_when_it_begins_and_an_event_when_it_ends() {
    let world = quiet().await;
    let owner = world.owner().await;
    let tail = Tail::of(&owner, owner.request("GET", STREAM)).await;
    let call = world.last_call();
    assert_eq!((call.operation.as_deref(), call.status), (Some("audit_follow"), 200));
    assert!(world.events().iter().all(|event| event.kind != "stream_end"));
    world.stop();
    let text = tail.end().await;
    assert!(text.contains("{\"reason\":\"shutdown\"}"), "{text}");
    let event = ended(&world).await;
    let detail: Value = serde_json::from_str(&event).unwrap();
    let request = format!("req_{}", hex::encode(call.request_id));
    assert_eq!((&detail["request_id"], &detail["reason"]), (&json!(request), &json!("shutdown")));
    assert!(detail["bytes"].as_u64().unwrap() > 0);
}

/// What is written down of the end of a stream, when it is.
async fn ended(world: &World) -> String {
    let said = async || world.events().into_iter().find(|event| event.kind == "stream_end");
    until("the event of a stream that ended", said).await.detail
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_five_streams_at_once_and_another_when_one_is_closed() {
    let world = quiet().await;
    let (owner, other) = (world.owner().await, world.owner().await);
    let mut tails = Vec::new();
    for _ in 0..5 {
        tails.push(Tail::of(&owner, owner.request("GET", STREAM)).await);
    }
    let refused = owner.get(STREAM).await;
    refused.refuses(429, "rate_limited");
    assert_eq!((refused.envelope()["limit"].as_u64(), refused.header("retry-after")), (Some(5), Some("1")));
    owner.get("/v1/audit/export").await.refuses(429, "rate_limited");
    assert_eq!(other.get("/v1/audit/stream?seconds=0").await.status, 200, "another caller has its own");
    tails.pop();
    let again = async || (owner.get("/v1/audit/stream?seconds=0").await.status == 200).then_some(());
    until("the place of the closed one", again).await;
}
