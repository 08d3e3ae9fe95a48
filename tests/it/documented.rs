//! The requests that claribi's published pages show, sent as they stand there: by curl, by Python with `requests`, by
//! Node.
//!
//! The samples beside this file are the pages' own text. They are repaired where the page lost its markup or meant the
//! reader to fill something in; each repair is listed with its sample, and one that no longer fits fails. What a page
//! shows of an answer is compared field by field: names, types, kinds of text, and values where they are determined.

mod pages;
mod replay;
mod shown;

use serde_json::json;

use self::pages::{ENDPOINTS, NOT_YET, PROGRAMS, SAMPLES};
use self::replay::Replay;
use self::shown::{compare, is_like};

#[test]
fn every_curl_line_of_the_pages_works_as_it_stands() {
    let replay = Replay::new(&[]);
    for sample in SAMPLES {
        let answer = replay.shell(sample.text, sample.repairs);
        assert_eq!(answer.status, sample.status, "{}: {}", sample.name, answer.body);
        if !sample.shows.is_empty() {
            let shown = serde_json::from_str(&replay.fill(sample.shows)).unwrap();
            compare(&shown, &answer.json(), sample.name);
        }
        for header in ["x-request-id"].iter().chain(sample.headers) {
            assert!(answer.header(header).is_some(), "{} has no {header}", sample.name);
        }
    }
}

#[test]
fn the_programs_of_the_pages_print_what_they_say() {
    let replay = Replay::new(&[]);
    for program in PROGRAMS {
        let printed = replay.program(program.name, program.text, program.repairs);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), program.prints.len(), "{}: {printed}", program.name);
        for (line, shown) in lines.iter().zip(program.prints) {
            assert!(is_like(shown, line), "{} prints `{line}`, not `{shown}`", program.name);
        }
    }
}

#[test]
fn every_endpoint_that_the_guide_lists_is_there() {
    let replay = Replay::new(&[]);
    let listed = include_str!("documented/001-endpoints.txt").lines();
    let mut last_id = String::new();
    let mut answered = 0;
    for (line, endpoint) in listed.zip(ENDPOINTS) {
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!((method, path), (endpoint.method, endpoint.path));
        if path == "/api/v1/data-sources/{id}/" {
            last_id = replay.fact("source uuid").to_owned();
        }
        let path = path.replace("{id}", &last_id);
        let body = endpoint.body.map(|body| format!("-d '{}' ", replay.fill(body))).unwrap_or_default();
        let script = format!(
            "curl -X {method} -H 'Authorization: Bearer {{key}}' -H 'Content-Type: application/json' {body}'{{url}}{path}'"
        );
        let answer = replay.shell(&replay.fill(&script), &[]);
        assert_eq!(answer.status, endpoint.status, "{line}: {}", answer.body);
        if let Some(id) =
            ["report_id", "id"].iter().find_map(|name| answer.try_json()?[*name].as_str().map(str::to_owned))
            && method == "POST"
        {
            last_id = id;
        }
        answered += 1;
    }
    assert_eq!(answered, 15);
}

#[test]
fn answers_have_the_forms_that_the_pages_show() {
    let replay = Replay::new(&[]);
    let get = |path: &str| replay.shell(&replay.fill(&format!("curl -H 'X-API-Key: {{key}}' '{{url}}{path}'")), &[]);

    // The start page's dashboard; it lost its first line.
    let shown = json!({
        "id": "d_7f3a", "name": "Q2 Revenue", "updated_at": "2026-04-06T09:14:22Z",
        "widgets": [{"id": "w_1", "type": "kpi", "value": 680_420, "target": 1_000_000}],
    });
    let found = get(&format!("/v1/dashboards/{}", replay.fact("dashboard"))).json();
    let mut first = found.clone();
    first["widgets"].as_array_mut().unwrap().truncate(1);
    compare(&shown, &first, "dashboard");
    let (shown, found) = (&shown["widgets"][0], &found["widgets"]);
    for name in ["id", "type", "value", "target"] {
        assert_eq!(shown[name], found[0][name], "{name}");
    }
    let chart = found.as_array().unwrap().iter().find(|widget| widget["type"] == "line_chart").unwrap();
    assert!(chart["series"].as_array().is_some_and(|series| !series.is_empty()), "{chart}");

    // The platform's object, and its list of 24.
    let made = "curl -X POST -H 'X-API-Key: {key}' -H 'Content-Type: application/json' -d '{\"name\":\"One more\"}' '{url}/api/dashboards/'";
    let there = get("/api/dashboards/").json()["count"].as_u64().unwrap();
    for _ in there..24 {
        assert_eq!(replay.shell(&replay.fill(made), &[]).status, 201);
    }
    let object = json!({
        "id": 42, "name": "Revenue Dashboard", "created_at": "2025-06-15T10:30:00Z", "updated_at": "2025-06-20T14:22:00Z",
    });
    compare(&object, &get("/api/dashboards/1/").json(), "object");
    let list = get("/api/dashboards/").json();
    let shown = json!({
        "count": 24, "next": "https://claribi.com/api/dashboards/?page=2", "previous": null,
        "results": [{"id": 1, "name": "Revenue Dashboard"}],
    });
    compare(&shown, &list, "list");
    assert_eq!(list["count"], 24);
    assert_eq!(list["next"], format!("{}/api/dashboards/?page=2", replay.fact("url")));
    assert_eq!(list["results"].as_array().unwrap().len(), 20);

    // The errors of the three faces.
    let missing = get("/api/dashboards/999/");
    assert_eq!(missing.status, 404);
    let shown = json!({
        "error": "not_found", "message": "The requested resource does not exist.",
        "detail": "No dashboard with ID 999 was found.",
    });
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(&missing.json()[name], value);
    }
    let envelope = json!({"error": {"code": "...", "message": "...", "request_id": "req_..."}});
    compare(&envelope, &get("/v1/dashboards/d_999").json(), "envelope");
}

#[test]
fn too_few_credits_are_said_in_the_pages_own_words() {
    let replay = Replay::new(&[("CLARIBI_PLANS__ENTERPRISE__CREDITS_PER_MONTH", "40")]);
    let generate = "curl -X POST -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
                    -d '{\"template_id\":\"{template}\",\"data_source_ids\":[\"{source uuid}\"],\"output_format\":\"json\"}' \
                    '{url}/api/v1/reports/generate/'";
    let refused =
        (0..40).map(|_| replay.shell(&replay.fill(generate), &[])).find(|answer| answer.status != 201).unwrap();
    assert_eq!(refused.status, 402, "{}", refused.body);
    let found = refused.json();
    let shown = json!({
        "error": "Insufficient credits", "message": "Need ~25 credits, have 10", "credits_remaining": 10, "estimated_cost": 25,
    });
    compare(&shown, &found, "402");
    assert_eq!(found["error"], shown["error"]);
    let words = format!("Need ~{} credits, have {}", found["estimated_cost"], found["credits_remaining"]);
    assert_eq!(found["message"], words);
}

#[test]
fn the_hundred_and_first_request_of_a_minute_is_told_when_to_come_back() {
    let replay = Replay::new(&[]);
    let sandbox = &replay.sandbox;
    let key = sandbox.key_of("viewer", "read-only");
    for number in 1..=100 {
        assert_eq!(sandbox.ask("GET", "/api/data-sources/", &key, None).status, 200, "request {number}");
    }
    let refused = replay.shell(&replay.fill(&format!("curl -H 'X-API-Key: {key}' '{{url}}/api/data-sources/'")), &[]);
    assert_eq!(refused.status, 429);
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

/// Grows shorter with the product: what answers must leave the list.
#[test]
fn only_what_is_listed_is_missing() {
    let replay = Replay::new(&[]);
    for (method, path, reason) in NOT_YET {
        let answer = replay.sandbox.ask(method, path, replay.fact("key"), None);
        let code = answer.json()["error"]["code"].clone();
        let missing =
            matches!((answer.status, code.as_str()), (404, Some("not_found")) | (405, Some("method_not_allowed")));
        assert!(missing, "{method} {path} ({reason}) answers {}: take it off the list", answer.status);
    }
}

#[test]
fn everything_else_that_the_pages_name_answers() {
    let replay = Replay::new(&[]);
    for path in
        ["/v1/dashboards", "/v1/reports", "/v1/data-sources", "/v1/usage", "/v1/keys", "/v1/openapi.json", "/docs/"]
    {
        let status = replay.sandbox.ask("GET", path, replay.fact("key"), None).status;
        assert_eq!(status, 200, "{path}");
    }
}
