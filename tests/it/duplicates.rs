//! Duplicates of one request against the real program, killed and started again in their midst.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::binary::{Answer, Installation, ask, text};
use crate::patience::until_so_here;

const CLIENTS: usize = 64;
/// How long each waits for its answer.
const PATIENCE: Duration = Duration::from_secs(180);

/// Sends the request until it is answered, as a client with patience does.
fn until_answered(server: &Mutex<SocketAddr>, key: &str, body: &str) -> Answer {
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let address = *server.lock().unwrap();
        let request = format!(
            "POST /v1/reports/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             Idempotency-Key: the-same\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let pause = match ask(address, &request) {
            Some(answer) if answer.status < 300 => return answer,
            Some(answer) => {
                assert!(matches!(answer.status, 409 | 503), "{} {}", answer.status, answer.body);
                assert!(answer.status == 503 || answer.body.contains("request_in_progress"), "{}", answer.body);
                Duration::from_secs(answer.header("retry-after").unwrap().parse().unwrap())
            }
            // There is no server at the moment, or it ended before it had answered.
            None => Duration::from_millis(100),
        };
        std::thread::park_timeout(pause);
        waited += pause;
    }
    panic!("never answered");
}

#[test]
fn sixty_four_duplicates_over_a_killed_server_make_one_report_and_one_charge() {
    let installation = Installation::new();
    let key = installation.key("duplicates");
    // Enough of it that the server dies over its profile.
    let file = installation.data().with_file_name("rows.csv");
    let line = |cell: &dyn Fn(usize) -> String| (0..20).map(cell).collect::<Vec<_>>().join(",");
    let rows = (0..30_000).map(|row| line(&|column| format!("{}x", row * (column + 7) * 7_919 % 100_003)));
    let text_of = std::iter::once(line(&|column| format!("c{column}"))).chain(rows).collect::<Vec<_>>().join("\n");
    std::fs::write(&file, text_of).unwrap();
    let added = installation.run(&["source", "add", file.to_str().unwrap(), "--name", "Rows"]);
    assert!(added.status.success(), "{}", text(&added.stderr));

    // Every try counts in the generation windows, whatever it is answered.
    let many = ["HOUR", "DAY"].map(|span| (format!("CLARIBI_PLANS__ENTERPRISE__GENERATION_PER_{span}"), "100000"));
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), (*value).to_owned())).collect();
    let serving = installation.serve_with(&[], &many);
    let templates = serving.get("/v1/report-templates", &key).unwrap().json();
    let profile = templates["data"].as_array().unwrap().iter().find(|template| template["kind"] == "profile").unwrap();
    let body = json!({"template_id": profile["id"], "data_source_ids": ["ds_1"], "output_format": "json"}).to_string();

    let (server, answered) = (Mutex::new(serving.address), AtomicUsize::new(0));
    let (serving, answers) = std::thread::scope(|scope| {
        let client = || {
            let answer = until_answered(&server, &key, &body);
            answered.fetch_add(1, Ordering::Relaxed);
            answer
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let is_begun = || serving.get("/v1/runs/run_1", &key).is_some_and(|run| run.json()["status"] == "running");
        until_so_here("a run that was begun", is_begun);
        serving.kill();
        assert_eq!(answered.load(Ordering::Relaxed), 0, "the server died too late to tell anything");
        let serving = installation.serve_with(&[], &many);
        *server.lock().unwrap() = serving.address;
        let answers: Vec<Answer> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (serving, answers)
    });

    let first = answers[0].json();
    assert_eq!((answers[0].status, &first["status"]), (201, &json!("succeeded")));
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == Some("true")).count();
    assert_eq!(replayed, CLIENTS - 1);
    let reports = serving.get("/v1/reports", &key).unwrap().json();
    assert_eq!(reports["data"].as_array().unwrap().len(), 1);
    let credits = &serving.get("/v1/usage", &key).unwrap().json()["credits"];
    assert_eq!((&credits["used"], &credits["reserved"]), (&first["credits_consumed"], &json!(0)));
    assert!(first["credits_consumed"].as_i64() > Some(0));
    assert_eq!(serving.stop(), Some(0));
}
