//! Compressed answers, and compressed requests.

use std::io::Read;

use serde_json::json;

use crate::actors::Actor;
use crate::answer::Answer;
use crate::sources::upload;
use crate::world::World;

async fn accepting(actor: &Actor, path: &str, accepted: &str) -> Answer {
    actor.request("GET", path).header("accept-encoding", accepted).send().await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    match answer.header("content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap()),
        Some("zstd") => plain = zstd::stream::decode_all(&answer.body[..]).unwrap(),
        other => panic!("not compressed: {other:?}"),
    }
    plain
}

/// An owner with dashboards that fill a page.
async fn owner_of_much(world: &World) -> Actor {
    let owner = world.owner().await;
    for number in 0..20 {
        let description = format!("What the team of number {number} looks at. ").repeat(20);
        owner.post("/v1/dashboards", json!({"name": "A dashboard", "description": description})).await.is(201);
    }
    owner
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_come_in_the_coding_that_the_client_prefers() {
    let world = World::new().await;
    let owner = owner_of_much(&world).await;
    for path in ["/v1/dashboards", "/api/dashboards/", "/api/v1/dashboards/"] {
        let plain = owner.get(path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
        for (accepted, coding) in
            [("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("zstd;q=0.5, gzip;q=0.6", "gzip"), ("*", "gzip")]
        {
            let answer = accepting(&owner, path, accepted).await;
            assert_eq!(answer.header("content-encoding"), Some(coding), "{accepted}");
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
            assert_eq!(decoded(&answer), plain.body, "{accepted}");
            assert!(answer.body.len() * 4 < plain.body.len(), "{accepted}: {} bytes", answer.body.len());
            assert_eq!(answer.number("content-length"), i64::try_from(answer.body.len()).unwrap());
            assert_eq!(world.last_call().bytes_out, answer.body.len() as u64, "the row tells what was sent");
            let head = owner.request("HEAD", path).header("accept-encoding", accepted).send().await;
            assert_eq!(head.header("content-length"), answer.header("content-length"));
            assert_eq!((head.header("content-encoding"), head.body.len()), (Some(coding), 0));
        }
        for accepted in ["", "br", "gzip;q=0", "identity;q=0", "*;q=0", "identity, gzip;q=0.5"] {
            let answer = accepting(&owner, path, accepted).await;
            assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{accepted}");
            assert_eq!(answer.body, plain.body, "{accepted}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_coding_has_its_own_tag_and_a_client_may_hold_any() {
    let world = World::new().await;
    let owner = owner_of_much(&world).await;
    owner.patch("/v1/dashboards/d_1", json!({"description": "More words. ".repeat(160)})).await.is(200);
    let path = "/v1/dashboards/d_1";
    let answers = [owner.get(path).await, accepting(&owner, path, "gzip").await, accepting(&owner, path, "zstd").await];
    let tags = answers.each_ref().map(|answer| answer.header("etag").unwrap());
    let opaque = tags[0].trim_matches('"');
    assert_eq!(tags, [format!("\"{opaque}\""), format!("\"{opaque}-gz\""), format!("\"{opaque}-zst\"")]);
    for held in tags {
        for accepted in ["identity", "gzip", "zstd"] {
            let request = owner.request("GET", path).header("accept-encoding", accepted).header("if-none-match", held);
            let answer = request.send().await;
            assert_eq!((answer.status, answer.header("etag")), (304, Some(held)), "{held} {accepted}");
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
        }
    }
    let change =
        owner.request("PATCH", path).header("if-match", tags[2]).json(&json!({"name": "Changed"})).send().await;
    change.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_answers_and_answers_with_secrets_are_sent_as_they_are() {
    let world = World::new().await;
    let owner = world.owner().await;
    let short = accepting(&owner, "/v1/dashboards", "gzip, zstd").await;
    assert_eq!((short.header("content-encoding"), short.header("vary")), (None, None));
    let allowed: Vec<String> = (0..60).map(|number| format!("203.0.113.{number}")).collect();
    let request = owner.request("POST", "/v1/keys").header("accept-encoding", "gzip, zstd");
    let made = request.json(&json!({"name": "A key", "ip_allowlist": allowed})).send().await;
    assert!(made.is(201)["key"].is_string() && made.body.len() > 1_024);
    assert_eq!(made.header("content-encoding"), None, "lengths would tell of the secret");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let shown = accepting(&owner, &format!("/v1/keys/{id}"), "gzip").await;
    assert_eq!(shown.header("content-encoding"), Some("gzip"), "a key without its text is no secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_queries_are_compressed_and_files_of_reports_are_not() {
    let world = World::new().await;
    let owner = world.owner().await;
    let rows: String = (0..3_000).map(|row| format!("{row},a text that is said again\n")).collect();
    let source = upload(&owner, "Long", "long.csv", format!("row,text\n{rows}").as_bytes()).await.is(201)["id"].clone();
    let sql = "SELECT * FROM long.long";
    for format in ["application/json", "text/csv"] {
        let ask = |accepted: &str| {
            let request = owner.request("POST", "/v1/query").header("accept", format);
            request.header("accept-encoding", accepted).json(&json!({"sql": sql})).send()
        };
        let (plain, packed) = (ask("identity").await, ask("zstd").await);
        assert_eq!((plain.status, packed.header("content-encoding")), (200, Some("zstd")), "{}", plain.text());
        // Two runs differ in the time they took.
        assert!(decoded(&packed).len().abs_diff(plain.body.len()) < 8, "{format}");
    }
    let templates = owner.get("/v1/report-templates").await.is(200);
    let template = templates["data"].as_array().unwrap().iter().find(|template| template["kind"] == "profile").unwrap();
    let report = json!({"template_id": template["id"], "data_source_ids": [source], "output_format": "json"});
    let made = owner.post("/v1/reports/generate", report).await.is(201);
    let file = format!("/v1/runs/{}/download", made["run_id"].as_str().unwrap());
    let answer = accepting(&owner, &file, "gzip, zstd").await;
    assert!(answer.body.len() > 1_024);
    assert_eq!((answer.header("content-encoding"), answer.header("accept-ranges")), (None, Some("bytes")));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_pages_are_compressed_for_who_accepts_it() {
    let world = World::new().await;
    for path in ["/v1/openapi.json", "/api/openapi.json", "/api/v1/openapi.json", "/", "/docs/", "/assets/base.css"] {
        let plain = world.anonymous().get(path).await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{path}");
        let packed = accepting(&world.anonymous(), path, "gzip").await;
        assert_eq!(decoded(&packed), plain.body, "{path}");
        assert_ne!(packed.header("etag"), plain.header("etag"), "{path}");
        let known = world.anonymous().request("GET", path).header("if-none-match", packed.header("etag").unwrap());
        assert_eq!(known.send().await.status, 304, "{path}");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_requests_are_refused_and_told_what_is_taken() {
    let world = World::new().await;
    let owner = world.owner().await;
    for coding in ["gzip", "zstd", "br", "gzip, identity"] {
        let request = owner.request("POST", "/v1/dashboards").header("content-encoding", coding);
        let answer = request.json(&json!({"name": "A"})).send().await;
        answer.refuses(415, "unsupported_media_type");
        assert_eq!(answer.header("accept-encoding"), Some("identity"), "{coding}");
    }
    let request = owner.request("POST", "/v1/dashboards").header("content-encoding", "identity");
    request.json(&json!({"name": "A"})).send().await.is(201);
    assert_eq!(owner.get("/v1/dashboards").await.is(200)["data"].as_array().unwrap().len(), 1);
}
