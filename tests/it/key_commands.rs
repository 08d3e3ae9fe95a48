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

#[test]
fn a_key_is_edited_and_limited_by_command_and_lists_are_narrowed() {
    let installation = Installation::new();
    let key = installation.key("deploy");
    let serving = installation.serve();
    let limit = || {
        let answer = serving.get("/v1/dashboards", &key).unwrap();
        (answer.status, answer.header("x-ratelimit-limit").map(str::to_owned))
    };
    assert_eq!(limit(), (200, Some("5000".to_owned())));
    let edited = installation.run(&["--json", "key", "edit", "key_1", "--per-hour", "7", "--name", "nightly"]);
    let edited: Value = serde_json::from_str(&out(&edited)).unwrap();
    assert_eq!((&edited["name"], &edited["limits"]), (&"nightly".into(), &serde_json::json!({"per_hour": 7})));
    assert_eq!(limit(), (200, Some("7".to_owned())), "from the moment that the command has returned");
    out(&installation.run(&["key", "edit", "key_1", "--per-day", "9", "--ip", "192.0.2.0/24", "--expires", "3d"]));
    assert_eq!(told(&serving, &key), (403, Some("address_not_allowed".to_owned())));
    let edited =
        out(&installation.run(&["--json", "key", "edit", "key_1", "--no-ip", "--no-limits", "--per-day", "8"]));
    assert_eq!(serde_json::from_str::<Value>(&edited).unwrap()["limits"], serde_json::json!({"per_day": 8}));
    assert_eq!(limit(), (200, Some("5000".to_owned())));
    for (arguments, says) in [
        (&["key", "edit", "key_1"][..], "nothing is to be changed"),
        (&["key", "edit", "key_1", "--per-hour", "6000"], "1 to 5000"),
        (&["key", "edit", "key_1", "--scope", "read-write", "--permission", "usage:read"], "cannot be used with"),
        (&["key", "edit", "key_9", "--name", "x"], "claribi key list"),
        (&["key", "list", "--status", "lazy"], "stale"),
    ] {
        let refused = installation.run(arguments);
        let told = String::from_utf8_lossy(&refused.stderr).to_lowercase();
        assert!(!refused.status.success() && told.contains(says), "{arguments:?}: {told}");
    }
    out(&installation.run(&["key", "create", "--user", "ada@example.com", "--name", "slow", "--per-minute", "5"]));
    let listed = |arguments: &[&str]| {
        let all = out(&installation.run(&[&["--json", "key", "list"], arguments].concat()));
        let all: Value = serde_json::from_str(&all).unwrap();
        all.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--status", "expiring"]), ["key_1"]);
    assert_eq!(listed(&["--name", "SLOW", "--user", "ada@example.com"]), ["key_2"]);
    assert!(listed(&["--status", "stale"]).is_empty());
}

#[test]
fn keys_of_a_sandbox_organization_are_made_by_command() {
    let installation = Installation::new();
    let key = installation.key("deploy");
    let serving = installation.serve();
    assert_eq!(serving.post("/v1/organization/sandbox", &key, "{}").unwrap().status, 201);
    let made =
        |org: &str| installation.run(&["key", "create", "--user", "ada@example.com", "--name", "x", "--org", org]);
    let test = out(&made("org_2"));
    assert!(test.starts_with("claribi_sk_test_"), "{test}");
    let verified = serving.get("/v1/auth/verify", test.trim()).unwrap().json();
    assert_eq!(
        (&verified["organization"]["id"], &verified["user"]["email"]),
        (&"org_2".into(), &"ada@example.com".into())
    );
    let alone = installation.run_with(
        &[
            "--json",
            "org",
            "create",
            "--name",
            "Tries",
            "--email",
            "b@example.com",
            "--kind",
            "sandbox",
            "--password-stdin",
        ],
        "a long enough sentence\n",
    );
    assert_eq!(serde_json::from_str::<Value>(&out(&alone)).unwrap()["kind"], "sandbox");
    let refused = made("Tries");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no member"), "{:?}", refused.stderr);
    let theirs = installation.run(&["key", "create", "--user", "b@example.com", "--name", "x"]);
    assert!(out(&theirs).starts_with("claribi_sk_test_"));
    let revoked = installation.run(&["key", "revoke-all", "--user", "ada@example.com", "--org", "org_2", "--yes"]);
    assert_eq!(out(&revoked).trim(), "1", "the sandbox's alone");
    assert_eq!(told(&serving, &key).0, 200);
}
