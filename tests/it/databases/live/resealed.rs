//! A new key for secrets while a server opens one of them with each query.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use serde_json::json;

use super::super::claribi;
use super::super::servers::{PASSWORD, READER, postgres};
use crate::binary::{Installation, Serving};

/// Asks one query after the other until it is told to stop, and hands on how each was answered.
fn keep_asking(serving: &Serving, key: &str, is_over: &AtomicBool, answers: Sender<Result<(), String>>) {
    let query = json!({"sql": "SELECT 7 AS n", "data_source_id": "ds_1"}).to_string();
    while !is_over.load(Ordering::Relaxed) {
        let answer = serving.post("/v1/query", key, &query).expect("an answer");
        let is_right = answer.status == 200 && answer.json()["rows"] == json!([[7]]);
        answers.send(if is_right { Ok(()) } else { Err(answer.body) }).unwrap();
    }
}

#[test]
fn secrets_are_sealed_anew_beside_a_server_that_uses_them_and_no_query_fails() {
    let installation = Installation::new();
    let database = postgres().database("live_resealed", "CREATE TABLE t (n int)");
    let allow = [("CLARIBI_OUTBOUND__ALLOW", "127.0.0.1".to_owned())];
    let url = format!("postgresql://{READER}@127.0.0.1:{}/{database}", postgres().port);
    let add = ["source", "add", &url, "--name", "Shop", "--live", "--tls", "off", "--password-stdin"];
    let (code, _, complained) = claribi(&installation, &add, &allow, &format!("{PASSWORD}\n"));
    assert_eq!(code, 0, "{complained}");
    let sealing = || std::fs::read_to_string(installation.data().join("secrets/sealing")).unwrap();
    let (key, first) = (installation.key("asker"), sealing());
    let serving = installation.serve_with(&[], &allow);
    let is_over = AtomicBool::new(false);
    // Asserted once the asker is told that it is over: it would go on beside a test that failed.
    let (rotations, answered) = std::thread::scope(|scope| {
        let (sender, answers) = channel();
        let asker = || keep_asking(&serving, &key, &is_over, sender);
        scope.spawn(asker);
        // What was under way when a key was drawn is over after two more answers.
        let await_some = || -> Result<(), String> { answers.iter().take(3).collect() };
        let mut answered = await_some();
        let mut rotations = Vec::new();
        for _ in 0..5 {
            rotations.push(claribi(&installation, &["secrets", "rotate"], &allow, ""));
            answered = answered.and_then(|()| await_some());
        }
        is_over.store(true, Ordering::Relaxed);
        (rotations, answered.and_then(|()| answers.iter().collect()))
    });
    assert_eq!(answered, Ok(()));
    for (code, said, complained) in rotations {
        assert!(code == 0 && said.contains("1 secrets"), "{said}{complained}");
    }
    assert!(sealing().starts_with("6 ") && sealing().lines().count() == 1 && !sealing().contains(first[2..].trim()));
    assert!(!serving.log().contains(PASSWORD));
}
