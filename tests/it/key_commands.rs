//! `claribi key` beside a server: what it does holds when it has returned.

use std::process::Output;

use serde_json::Value;

use crate::binary::{Installation, Serving};

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(serving: &Serving, key: &str) -> (u16, Option<String>) {
    let answer = serving.get("/v1/dashboards", key).unwrap();
    (answer.status, answer.json()["error"]["code"].as_str().map(str::to_owned))
}

#[test]
fn a_key_rotated_by_command_gives_way_to_the_printed_one_at_once() {
    let installation = Installation::new();
    let old = installation.key("deploy");
    let serving = installation.serve();
    assert_eq!(told(&serving, &old).0, 200);
    let rotated = installation.run(&["key", "rotate", &old[..24], "--grace", "0", "--yes"]);
    let new = out(&rotated).trim().to_owned();
    assert!(new.starts_with("claribi_sk_live_") && new.len() == 52 && new != old, "the key alone: {new}");
    assert_eq!(told(&serving, &old), (401, Some("key_expired".to_owned())));
    assert_eq!(told(&serving, &new).0, 200);
    let shown: Value = serde_json::from_str(&out(&installation.run(&["--json", "key", "show", &new[..24]]))).unwrap();
    assert_eq!((&shown["rotation"]["predecessor_id"], &shown["name"]), (&"key_1".into(), &"deploy".into()));
    let again = installation.run(&["key", "rotate", "key_1", "--yes"]);
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stdout));
    let long = installation.run(&["key", "rotate", "key_2", "--grace", "25h", "--yes"]);
    assert_eq!(long.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&long.stderr).contains("--grace"), "{}", String::from_utf8_lossy(&long.stderr));
    // What the server had not brought to the file is counted again by whoever comes next.
    drop(serving);
    let activity: Value =
        serde_json::from_str(&out(&installation.run(&["--json", "key", "activity", "key_2"]))).unwrap();
    assert_eq!((&activity["requests_24h"], &activity["latest_endpoint"]), (&2.into(), &"dashboards_list".into()));
}

#[test]
fn all_keys_of_a_user_are_revoked_by_one_command() {
    let installation = Installation::new();
    let keys = [installation.key("one"), installation.key("two")];
    let serving = installation.serve();
    assert!(keys.iter().all(|key| told(&serving, key).0 == 200));
    assert_eq!(installation.run(&["key", "revoke-all", "--yes"]).status.code(), Some(2), "it says whose");
    let revoked = out(&installation.run(&["key", "revoke-all", "--user", "ada@example.com", "--yes"]));
    assert_eq!(revoked.trim(), "2");
    for key in &keys {
        assert_eq!(told(&serving, key), (401, Some("key_revoked".to_owned())));
    }
    let none = out(&installation.run(&["--json", "key", "revoke-all", "--everyone", "--yes"]));
    assert_eq!(serde_json::from_str::<Value>(&none).unwrap()["revoked"], 0);
    assert_eq!(out(&installation.run(&["key", "list"])).lines().count(), 2, "revoked keys stay");
}
