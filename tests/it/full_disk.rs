//! A disk without room, as the real program meets it: files may not grow past a size, and then they may again.

use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::binary::{Answer, Installation, Serving, ask, text};
use crate::patience::comes_true_here;

const LIST: &str = "/v1/dashboards";
const KIB: u64 = 1 << 10;

impl Serving {
    /// Lets its files grow to so many bytes each, or as they like.
    fn let_files_grow(&self, to: Option<u64>) {
        let process = Pid::from_raw(self.process().cast_signed());
        prlimit(process, Resource::Fsize, Rlimit { current: to, maximum: None }).unwrap();
    }

    fn upload(&self, key: &str, name: &str, rows: &str) -> Option<Answer> {
        let part =
            |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n");
        let body = format!("{}{}--b--\r\n", part("name", name), part("\"file\"; filename=\"sales.csv\"", rows));
        let head =
            format!("POST /v1/data-sources HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nConnection: close");
        let kind = "Content-Type: multipart/form-data; boundary=b";
        ask(self.address, &format!("{head}\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// Asks until the answer is 200, as whoever waits for the operator does.
    fn until_served(&self, key: &str) -> Value {
        let mut served = None;
        let is_served = comes_true_here(|| {
            let answer = self.get(LIST, key).unwrap();
            if answer.status == 200 {
                served = Some(answer.json());
            } else {
                refuses(&answer, "audit_unavailable");
            }
            served.is_some()
        });
        assert!(is_served, "it does not heal: {}", self.log());
        served.unwrap()
    }
}

fn refuses(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (503, Some(code)), "{}", answer.body);
    assert_eq!(answer.header("retry-after"), Some("5"));
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

fn largest(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { largest(&path) } else { length(&path) }).max().unwrap_or(0)
}

#[test]
fn calls_that_the_log_has_no_room_for_are_refused_and_do_nothing_until_there_is_room() {
    let installation = Installation::new();
    let key = installation.key("in need");
    let serving = installation.serve();
    assert_eq!(serving.get(LIST, &key).unwrap().status, 200);
    serving.let_files_grow(Some(length(&installation.data().join("audit.db-wal")) + 64 * KIB));
    let first = (0..1_000).map(|_| serving.get(LIST, &key).unwrap()).find(|answer| answer.status != 200);
    refuses(&first.expect("the log has an end"), "audit_unavailable");
    refuses(&serving.post(LIST, &key, r#"{"name": "not made"}"#).unwrap(), "audit_unavailable");
    assert_eq!(serving.get("/readyz", "").unwrap().status, 503);
    assert_eq!(serving.get("/livez", "").unwrap().status, 200, "it lives, and nobody has to restart it");

    serving.let_files_grow(None);
    assert_eq!(serving.until_served(&key)["data"], json!([]), "what was refused was not done");
    assert_eq!(serving.get("/readyz", "").unwrap().status, 200);
    let listed = installation.run(&["--json", "audit", "list", "--limit", "1000"]);
    assert!(text(&listed.stdout).contains(r#""gap""#), "the log says that it has one: {}", text(&listed.stdout));
    assert_eq!(serving.stop(), Some(0));
    let verified = installation.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
}

#[test]
fn what_there_is_no_room_for_is_refused_whole_and_reading_goes_on() {
    let installation = Installation::new();
    let key = installation.key("in need");
    let serving = installation.serve();
    let rows = format!("day,amount\n{}", "2026-01-31,5\n".repeat(100_000));
    let source = serving.upload(&key, "Sales", "day,amount\n2026-01-31,5\n").unwrap().json()["id"].clone();
    let sql = format!("SELECT sum(amount) FROM sales -- {}", "x".repeat(5_000));
    let widget = json!({"title": "Sum", "type": "kpi", "query": {"data_source_id": source, "sql": sql}});
    let large = json!({"name": "Large", "widgets": vec![widget; 100]}).to_string();
    serving.let_files_grow(Some(largest(&installation.data()) + 256 * KIB));
    refuses(&serving.post(LIST, &key, &large).unwrap(), "storage_unavailable");
    refuses(&serving.upload(&key, "More", &rows).unwrap(), "storage_unavailable");
    for (path, kept) in [(LIST, 0), ("/v1/data-sources", 1)] {
        let listed = serving.get(path, &key).unwrap();
        assert_eq!((listed.status, listed.json()["data"].as_array().unwrap().len()), (200, kept), "{}", listed.body);
    }

    serving.let_files_grow(None);
    assert_eq!(serving.post(LIST, &key, &large).unwrap().status, 201);
    assert_eq!(serving.upload(&key, "More", &rows).unwrap().status, 201);
    assert_eq!(serving.stop(), Some(0));
    let verified = installation.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
}
