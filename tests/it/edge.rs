//! The edge: whatever arrives is answered in its face's shape, with a request id, and leaves a row.

use serde_json::json;

use crate::answer::Answer;
use crate::world::World;

/// Paths that nobody has, each with what makes it odd.
const NOWHERE: &[&str] = &[
    "/apix",
    "/foo",
    "/v1",
    "/v1/",
    "/v2/dashboards",
    "/V1/dashboards",
    "/v1/nothing",
    "/v1/%ff",
    "/v1/%00",
    "/v1/dashboards/%ff",
    "/v1/dashboards/a%2fb",
    "/v1/dashboards/a%2Fb",
    "/v1/dashboards/a%5cb",
    "/v1%2fdashboards",
    "//",
    "//v1/dashboards",
    "/v1//dashboards",
    "/v1/dashboards//",
    "/v1/../v1/dashboards",
    "/v1/./dashboards",
    "/v1/dashboards/..",
    "/v1/dashboards/%2e%2e",
    "/v1/dashboards;x=1",
    "/v1/dashboards/d_1;x",
    "/v1/dashboards/d_1/widgets",
    "/v1/dashboards/d_1/nothing",
    "/api",
    "/api/nothing/",
    "/api/%ff",
    "/api//dashboards/",
    "/api/v1/nothing/",
    "/api/v1/%ff",
    "/api/v1",
    "/api/v2/dashboards/",
];

fn has_the_envelope_of(path: &str, answer: &Answer) {
    let body = answer.json();
    let face = if path.starts_with("/api/v1/") || path == "/api/v1" {
        assert_eq!((&body["error"], &body["code"]), (&json!("Not found"), &json!("not_found")), "{path}");
        2
    } else if path.starts_with("/api/") || path == "/api" {
        assert_eq!(body["error"], "not_found", "{path}");
        assert!(body["message"].is_string() && body["detail"].is_string(), "{path}");
        1
    } else {
        assert_eq!(body["error"]["code"], "not_found", "{path}");
        assert!(body["error"]["message"].is_string(), "{path}");
        3
    };
    assert!((1..=3).contains(&face));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_are_not_found_in_the_envelope_of_their_face_and_audited() {
    let world = World::new().await;
    let owner = world.owner().await;
    for (index, path) in NOWHERE.iter().enumerate() {
        for actor in [&world.anonymous(), &owner] {
            let answer = actor.get(path).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text());
            answer.refuses(404, "not_found");
            has_the_envelope_of(path, &answer);
            let call = world.last_call();
            assert_eq!(
                (call.status, call.operation.as_deref(), call.code.as_deref()),
                (404, None, Some("not_found")),
                "{path}"
            );
            assert_eq!(format!("req_{}", hex::encode(call.request_id)), answer.request_id());
        }
        assert_eq!(world.calls().len(), 2 * (index + 1), "{path}: one row a call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_on_an_existing_path_is_told_which_there_are() {
    let world = World::new().await;
    for (method, path, allow) in [
        ("PUT", "/v1/dashboards", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/v1/dashboards/d_1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", "/v1/dashboards/d_1/refresh", "OPTIONS, POST"),
        ("HEAD", "/v1/dashboards/d_1/refresh", "OPTIONS, POST"),
        ("BREW", "/v1/dashboards", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/api/dashboards/", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/api/v1/dashboards/", "GET, HEAD, OPTIONS, POST"),
    ] {
        let answer = world.anonymous().request(method, path).send().await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        if method != "HEAD" {
            answer.refuses(405, "method_not_allowed");
        }
        assert_eq!(world.last_call().status, 405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_lists_the_methods_of_a_path_and_needs_no_credential() {
    let world = World::new().await;
    let answer = world.anonymous().request("OPTIONS", "/v1/dashboards").send().await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET, HEAD, OPTIONS, POST")));
    answer.request_id();
    world.anonymous().request("OPTIONS", "/v1/nothing").send().await.refuses(404, "not_found");
    assert_eq!(world.calls().iter().map(|call| call.status).collect::<Vec<_>>(), [204, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_length_of_get_and_no_body() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.post("/v1/dashboards", json!({"name": "A name"})).await.is(201);
    for (actor, path) in [
        (&owner, "/v1/dashboards"),
        (&owner, "/v1/dashboards/d_1"),
        (&owner, "/v1/dashboards/d_99"),
        (&world.anonymous(), "/v1/dashboards"),
        (&world.anonymous(), "/v1/openapi.json"),
    ] {
        let (get, head) = (actor.get(path).await, actor.request("HEAD", path).send().await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.number("content-length"), i64::try_from(get.body.len()).unwrap(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_a_path_are_one() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.post("/v1/dashboards/", json!({"name": "A name"})).await.is(201);
    for path in ["/v1/dashboards", "/v1/dashboards/d_1", "/api/dashboards", "/api/dashboards/1", "/api/v1/dashboards"] {
        let (without, with) = (owner.get(path).await.is(200), owner.get(&format!("{path}/")).await.is(200));
        assert_eq!(without, with, "{path}");
    }
    assert_eq!(owner.get("/v1/dashboards/?limit=1").await.is(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_must_be_json_and_say_so() {
    let world = World::new().await;
    let owner = world.owner().await;
    let post = |media_type: &'static str, body: &'static [u8]| {
        let request = owner.request("POST", "/v1/dashboards").body(body);
        if media_type.is_empty() { request } else { request.header("content-type", media_type) }
    };
    for media_type in
        ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "jsonx"]
    {
        post(media_type, br#"{"name":"x"}"#).send().await.refuses(415, "unsupported_media_type");
    }
    for body in
        [&b"{"[..], b"nonsense", b"{\"name\":\"x\",}", b"{\"name\":\"\xff\"}", b"{\"name\":\"x\"}{}", b"{\"name\":NaN}"]
    {
        post("application/json", body).send().await.refuses(400, "invalid_json");
    }
    post("application/json", br#"{"name":"x","name":"y"}"#).send().await.refuses(400, "invalid_json");
    let refusal = post("application/json", br#"{"name":"x","nam":1}"#).send().await.refuses(400, "unknown_field");
    assert_eq!(refusal["field"], "nam");
    for body in
        [&b"[]"[..], b"null", b"7", b"{}", b"", br#"{"name":5}"#, br#"{"name":null}"#, br#"{"name":"x","widgets":{}}"#]
    {
        post("application/json", body).send().await.refuses(400, "invalid_request");
    }
    let refusal = post("application/json", br#"{"name":"x","widgets":[{"type":"kpi"}]}"#).send().await;
    assert_eq!(refusal.refuses(400, "invalid_request")["field"], "widgets[0].title");
    post("application/json; charset=UTF-8", br#"{"name":"x"}"#).send().await.is(201);
    assert_eq!(owner.get("/v1/dashboards").await.is(200)["data"].as_array().unwrap().len(), 1, "refusals make nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_have_one_to_two_hundred_characters_and_no_controls() {
    let world = World::new().await;
    let owner = world.owner().await;
    let create = |name: String| {
        let owner = &owner;
        async move { owner.post("/v1/dashboards", json!({"name": name})).await }
    };
    for name in [
        String::new(),
        "   ".to_owned(),
        "x".repeat(201),
        "ä".repeat(201),
        "line\nbreak".to_owned(),
        "nul\0".to_owned(),
    ] {
        assert_eq!(create(name).await.refuses(400, "invalid_request")["field"], "name");
    }
    create("ä".repeat(200)).await.is(201);
    assert_eq!(create("  trimmed ".to_owned()).await.is(201)["name"], "trimmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit_are_refused_whether_their_length_is_told_or_not() {
    let world = World::with(|plot| plot.http.json_limit = 50_000).await;
    let owner = world.owner().await;
    let large = json!({"name": "x", "description": "d".repeat(60_000)});
    let request = owner.request("POST", "/v1/dashboards").json(&large);
    request.clone().send().await.refuses(413, "too_large");
    request.chunked().send().await.refuses(413, "too_large");
    let small = json!({"name": "x", "description": "d"});
    owner.request("POST", "/v1/dashboards").json(&small).chunked().send().await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_id_answers_as_an_unknown_one() {
    let world = World::new().await;
    let owner = world.owner().await;
    owner.post("/v1/dashboards", json!({"name": "x"})).await.is(201);
    let unknown = owner.get("/v1/dashboards/d_999").await;
    unknown.refuses(404, "not_found");
    for id in [
        "1",
        "01",
        "D_1",
        "d_01",
        "d_",
        "d_1g",
        "r_1",
        "zzz",
        "-1",
        "d_-1",
        "d_ffffffffffffffffff",
        "%20",
        "d_1%20",
        "null",
    ] {
        let answer = owner.get(&format!("/v1/dashboards/{id}")).await;
        answer.refuses(404, "not_found");
        let spelled = id.replace("%20", " ");
        assert_eq!(answer.masked(&[&format!("ID {spelled} was")]), unknown.masked(&["ID d_999 was"]), "{id}");
    }
    for path in
        ["/api/dashboards/0/", "/api/dashboards/01/", "/api/dashboards/99999999999999999999/", "/api/dashboards/1.0/"]
    {
        owner.get(path).await.refuses(404, "not_found");
    }
    owner.get("/api/v1/dashboards/1/").await.refuses(404, "not_found");
    owner.get("/api/dashboards/d_1/").await.is(200);
    owner.get("/api/v1/dashboards/d_1/").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn query_parameters_are_known_single_and_readable() {
    let world = World::new().await;
    let owner = world.owner().await;
    for (query, parameter) in [
        ("nope=1", "nope"),
        ("limit=5&limit=5", "limit"),
        ("limit=5&page=1", "page"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=99999999999", "limit"),
        ("LIMIT=5", "LIMIT"),
    ] {
        let refusal = owner.get(&format!("/v1/dashboards?{query}")).await.refuses(400, "invalid_parameter");
        assert_eq!(refusal["parameter"], parameter, "{query}");
    }
    for query in ["limit=%zz", "limit=%f", "limit=%ff"] {
        owner.get(&format!("/v1/dashboards?{query}")).await.refuses(400, "invalid_parameter");
    }
    owner.get("/v1/dashboards/d_1?limit=5").await.refuses(400, "invalid_parameter");
    for query in ["", "limit=100", "li%6dit=5", "&limit=5&"] {
        owner.get(&format!("/v1/dashboards?{query}")).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_may_not_be_stored_or_sniffed() {
    let world = World::new().await;
    for answer in [world.owner().await.get("/v1/dashboards").await, world.anonymous().get("/v1/dashboards").await] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("cache-control").unwrap().contains("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json").or(answer.header("content-type")));
    }
    let refusal = world.anonymous().get("/v1/dashboards").await;
    assert!(refusal.header("www-authenticate").unwrap().starts_with("Bearer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_its_own_id_whatever_the_client_says() {
    let world = World::new().await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let request = world.anonymous().request("GET", "/v1/dashboards").header("x-request-id", "req_mine");
        ids.insert(request.send().await.request_id());
    }
    assert_eq!(ids.len(), 20);
}
