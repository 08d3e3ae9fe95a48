//! Whatever arrives is answered with a 4xx in the envelope of its face: by every operation with a body, and for heads and
//! paths that lead nowhere.

use claribi::domain::operation::{BodyKind, Needs};
use claribi::http::face::Face;
use serde_json::{Value, json};

use crate::actors::Actor;
use crate::answer::Answer;
use crate::coverage::{Entry, body, entries};
use crate::world::World;

/// A refusal in the shape of the face, with a JSON content type and the request's id.
#[track_caller]
fn refuses(answer: &Answer, face: Face, what: &str) -> String {
    assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    answer.request_id();
    let body = answer.json();
    let has = |names: &[&str], body: &Value| names.iter().all(|name| body[*name].is_string());
    match face {
        Face::V1 => assert!(has(&["code", "message"], &body["error"]), "{what}: {body}"),
        Face::External => assert!(has(&["error", "message", "code"], &body), "{what}: {body}"),
        Face::Platform => {
            assert!(has(&["error", "message", "detail"], &body) && body["code"].is_null(), "{what}: {body}");
        }
    }
    assert!(answer.body.len() < 2_000, "{what}: the answer grows with the request");
    answer.code()
}

/// The path on whichever face it lies.
fn face_of(path: &str) -> Face {
    Face::of_path(path).unwrap_or(Face::V1)
}

/// Bodies that no operation takes, with the codes that each may be refused with.
fn bodies() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    const JSON: &[&str] = &["invalid_json"];
    const SHAPE: &[&str] = &["invalid_request"];
    vec![
        ("a name twice", br#"{"surprise":1,"surprise":2}"#.to_vec(), JSON),
        ("a name twice, deep", br#"{"surprise":[{"x":{"y":1,"y":1}}]}"#.to_vec(), JSON),
        ("a name twice by an escape", br#"{"surprise":1,"\u0073urprise":2}"#.to_vec(), JSON),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec(), JSON),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec(), JSON),
        ("bytes that are no UTF-8", b"{\"surprise\":\"\xff\"}".to_vec(), JSON),
        ("a number past every limit", br#"{"surprise":1e999}"#.to_vec(), JSON),
        ("an integer of 400 digits", format!(r#"{{"surprise":{}}}"#, "9".repeat(400)).into_bytes(), JSON),
        ("a lone surrogate", br#"{"surprise":"\ud800"}"#.to_vec(), JSON),
        ("a raw control character", b"{\"surprise\":\"a\x01\"}".to_vec(), JSON),
        ("arrays 100,000 deep", "[".repeat(100_000).into_bytes(), JSON),
        ("objects 100,000 deep", r#"{"a":"#.repeat(100_000).into_bytes(), JSON),
        ("what stands behind the value", br#"{} {}"#.to_vec(), JSON),
        ("a NUL behind the value", b"{}\0".to_vec(), JSON),
        ("half an object", b"{".to_vec(), JSON),
        ("a comment", b"{} // nothing".to_vec(), JSON),
        ("an array", b"[]".to_vec(), SHAPE),
        ("null", b"null".to_vec(), SHAPE),
        ("a text", br#""x""#.to_vec(), SHAPE),
        ("a number", b"7".to_vec(), SHAPE),
        (
            "a field of 100,000 characters",
            format!(r#"{{"{}":1}}"#, "x".repeat(100_000)).into_bytes(),
            &["unknown_field"],
        ),
    ]
}

fn request(actor: &Actor, entry: &Entry) -> crate::actors::Request {
    actor.request(&entry.method, &entry.asked())
}

/// Operations that read JSON.
fn with_json() -> Vec<Entry> {
    entries().into_iter().filter(|entry| entry.operation.body == BodyKind::Json).collect()
}

/// Actors for as many requests as the windows of one would not admit.
async fn owner(world: &World) -> Actor {
    world.owner().await
}

async fn generous() -> World {
    World::with(|plot| {
        plot.settings.key_per_minute = 100_000;
        plot.plan("enterprise", |plan| (plan.generation_per_hour, plan.generation_per_day) = (50_000, 50_000));
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_with_a_body_refuses_bodies_that_are_none_of_its() {
    let world = generous().await;
    let owner = owner(&world).await;
    for entry in with_json() {
        for (what, sent, codes) in bodies() {
            let answer = request(&owner, &entry).header("content-type", "application/json").body(sent).send().await;
            let what = format!("{}: {what}", entry.named());
            let code = refuses(&answer, entry.face, &what);
            assert!(codes.contains(&code.as_str()), "{what}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_with_a_body_takes_json_in_utf8_only() {
    let world = generous().await;
    let owner = owner(&world).await;
    for entry in with_json() {
        for media_type in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=latin1",
            "application/json; charset=\"utf-16\"",
            "text/json",
            "application/xml",
            "json",
            "",
        ] {
            let answer = request(&owner, &entry).header("content-type", media_type).body("name=x&a=b").send().await;
            let what = format!("{}: {media_type}", entry.named());
            assert_eq!(refuses(&answer, entry.face, &what), "unsupported_media_type", "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_any_field_brings_a_server_error() {
    let world = generous().await;
    let owner = owner(&world).await;
    let odd = [
        json!("\0"),
        json!("a\u{7}b\u{1b}[2J"),
        json!("x".repeat(200_000)),
        json!("\u{202e}\u{feff}\u{fffd}"),
        json!("' OR 1=1; --"),
        json!("../../etc/passwd"),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(true),
        json!(null),
        json!([]),
        json!({}),
        json!([[[[null]]]]),
    ];
    for entry in with_json() {
        let fields: Vec<String> = body(entry.operation).as_object().unwrap().keys().cloned().collect();
        for field in fields {
            for value in &odd {
                let mut sent = body(entry.operation);
                sent[&field] = value.clone();
                let answer = request(&owner, &entry).json(&sent).send().await;
                let what =
                    format!("{}, {field}: {}", entry.named(), value.to_string().chars().take(40).collect::<String>());
                assert!(answer.status < 500, "{what}: {}", answer.text());
                if answer.status >= 400 {
                    refuses(&answer, entry.face, &what);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_and_an_empty_object_are_the_same() {
    let world = generous().await;
    let session = world.owner_session().await;
    // There is one sandbox: from now on all who ask for another are told the same.
    session.post("/v1/organization/sandbox", json!({})).await.is(201);
    for entry in with_json() {
        // A session: one of the operations takes a key from who uses it.
        let none = request(&session, &entry).send().await;
        let empty = request(&session, &entry).header("content-type", "application/json").body("").send().await;
        let object = request(&session, &entry).header("content-type", "application/json").body("{}").send().await;
        assert_eq!((none.status, empty.status), (object.status, object.status), "{}", entry.named());
        if object.status >= 400 {
            assert_eq!(
                (none.masked(&[]), empty.masked(&[])),
                (object.masked(&[]), object.masked(&[])),
                "{}",
                entry.named()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_targets_are_refused_in_the_shape_of_their_face() {
    let world = World::new().await;
    let owner = owner(&world).await;
    for (target, status) in [
        (r"/v1/dashboards\d_1", 404),
        (r"/api\v1\dashboards", 404),
        ("/v1/dashboards/%00", 404),
        ("/api/v1/dashboards/%2e%2e/", 404),
        ("/api/%2fdashboards/", 404),
        ("/api/dashboards/%c0%af/", 404),
        ("/v1/dashboards/d_1%0d%0aX:1", 404),
        ("/v1/%64ashboards%2f", 404),
        ("/v1/dashboards/%", 404),
        ("/v1/dashboards/%u0041", 404),
        ("http://localhost:8080/v1/nothing", 404),
        ("http://localhost:8080/api/nothing/", 404),
        ("http://evil.example/v1/dashboards", 421),
        ("localhost:8080", 404),
        ("*", 404),
        ("/v1/dashboards?limit", 400),
        ("/v1/dashboards?=", 400),
        ("/v1/dashboards?limit=1&limit=1", 400),
        ("/v1/dashboards?limit[]=1", 400),
        ("/v1/dashboards?limit=%", 400),
        ("/v1/dashboards?limit=1;cursor=2", 400),
        ("/v1/dashboards??limit=1", 400),
        ("/api/dashboards/?page=1e1", 400),
        ("/api/dashboards/?page=%ff", 400),
        ("/api/v1/dashboards/?cursor=%00", 400),
    ] {
        let answer = owner.get(target).await;
        let path = target.strip_prefix("http://localhost:8080").unwrap_or(target);
        let face = face_of(path.split('?').next().unwrap());
        refuses(&answer, face, target);
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    let long = owner.get(&format!("/api/{}", "x".repeat(5_000))).await;
    assert_eq!(refuses(&long, Face::Platform, "a path of 5,000 characters"), "not_found");
    owner.get("http://localhost:8080/v1/dashboards").await.is(200);
    let connect = owner.request("CONNECT", "localhost:8080").send().await;
    assert!((400..500).contains(&connect.status), "{}", connect.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_can_be_read_in_two_ways_are_refused() {
    let world = World::new().await;
    let owner = owner(&world).await;
    for path in ["/v1/dashboards", "/api/v1/dashboards/", "/api/dashboards/"] {
        let post = |name: &'static str, value: &'static str| {
            owner
                .request("POST", path)
                .header("content-type", "application/json")
                .header(name, value)
                .body(r#"{"name":"x"}"#)
        };
        for (name, value, code) in [
            ("content-type", "text/plain", "invalid_request"),
            ("content-type", "application/json", "invalid_request"),
            ("host", "localhost:8080", "invalid_request"),
            ("host", "evil.example", "misdirected_request"),
            ("expect", "a-miracle", "invalid_request"),
        ] {
            let answer = post(name, value).send().await;
            let what = format!("{path}, {name}: {value}");
            assert_eq!(refuses(&answer, face_of(path), &what), code, "{what}");
        }
    }
    assert_eq!(owner.get("/v1/dashboards").await.is(200)["data"], json!([]), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_no_http_get_a_bare_400_and_no_row() {
    let world = World::new().await;
    let owner = owner(&world).await;
    let before = world.calls().len();
    for wire in [
        &b"nonsense\r\n\r\n"[..],
        b"GET /v1/dashboards HTTP/1.1\r\nhost: localhost\r\nbad header: x\r\n\r\n",
        b"GET /v1/dashboards HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n",
        b"POST /v1/dashboards HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/dashboards HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n{}",
        b"POST /v1/dashboards HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n{}",
        b"GET /v1/dash boards HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/dashboards HTTP/9.9\r\nhost: localhost\r\n\r\n",
    ] {
        let answer = owner.send_raw(wire).await;
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{}", String::from_utf8_lossy(wire));
    }
    assert_eq!(world.calls().len(), before, "what is no request is no call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_chunks_does_not_split_a_request_in_two() {
    let world = World::new().await;
    let owner = owner(&world).await;
    let secret = owner.secret();
    let smuggled = format!("GET /v1/keys HTTP/1.1\r\nhost: localhost\r\nx-api-key: {secret}\r\n\r\n");
    let wire = format!(
        "POST /v1/dashboards HTTP/1.1\r\nhost: localhost\r\nx-api-key: {secret}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let answer = owner.send_raw(wire.as_bytes()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        world.calls().iter().all(|call| call.operation.as_deref() != Some("keys_list")),
        "the second was not served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_bodies_where_none_is_read_do_no_harm() {
    let world = generous().await;
    let owner = owner(&world).await;
    for entry in entries().iter().filter(|entry| entry.operation.body == BodyKind::None) {
        let answer = request(&owner, entry).header("content-type", "text/plain").body("x".repeat(1_000)).send().await;
        assert!(answer.status < 500, "{}: {}", entry.named(), answer.text());
        if answer.status >= 400 && entry.operation.needs != Needs::Nothing {
            refuses(&answer, entry.face, &entry.named());
        }
    }
}
