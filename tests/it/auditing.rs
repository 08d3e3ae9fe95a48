//! `claribi audit` as the operator runs it, beside a server and without one: whether the log is what was written, and
//! entries as lists, lines and tables.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::binary::{Installation, Serving, text};
use crate::patience::until_so_here;

/// An installation with some calls of each kind in its log, which nobody writes to any more, and a key.
fn used() -> (Installation, String) {
    let installation = Installation::new();
    let key = installation.key("used");
    let serving = installation.serve();
    call(&serving, &key);
    assert_eq!(serving.stop(), Some(0));
    (installation, key)
}

/// One of each kind; gives their request ids.
fn call(serving: &Serving, key: &str) -> Vec<String> {
    let created = serving.post("/v1/dashboards", key, r#"{"name":"=Sales"}"#).unwrap();
    let listed = serving.get("/v1/dashboards", key).unwrap();
    let missing = serving.get("/api/dashboards/99/", key).unwrap();
    let strange = serving.get("/v1/usage", "claribi_sk_live_nobody").unwrap();
    let answers = [created, listed, missing, strange];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [201, 200, 404, 401]);
    answers.iter().map(|answer| answer.header("x-request-id").unwrap().to_owned()).collect()
}

/// What it prints as JSON; it must have been done.
fn done(installation: &Installation, arguments: &[&str]) -> Value {
    let output = installation.run(&[&["--json", "audit"], arguments].concat());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What it says when it ends with this code.
fn refused(installation: &Installation, code: i32, arguments: &[&str]) -> (String, String) {
    let output = installation.run(&[&["audit"], arguments].concat());
    let said = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said:?}");
    assert!(code == 2 || said.1.lines().count() == 1, "one sentence: {said:?}");
    said
}

/// Somebody with a program of their own.
fn intruder(installation: &Installation) -> Connection {
    #[expect(clippy::disallowed_methods, reason = "the test is somebody else's program")]
    Connection::open(installation.data().join("audit.db")).unwrap()
}

/// Does something to the file, looks, and puts the file back.
fn with_damage(installation: &Installation, damage: &str, look: impl FnOnce()) {
    let intruder = intruder(installation);
    intruder.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM main.entries").unwrap();
    intruder.execute_batch("CREATE TEMP TABLE signed AS SELECT * FROM main.checkpoints").unwrap();
    intruder.execute_batch(damage).unwrap();
    look();
    let undo = "DELETE FROM main.entries; INSERT INTO main.entries SELECT * FROM kept;
        DELETE FROM main.checkpoints; INSERT INTO main.checkpoints SELECT * FROM signed";
    intruder.execute_batch(undo).unwrap();
}

#[test]
fn verify_finds_an_untouched_log_right_without_a_server_beside_one_and_after_its_death() {
    let (installation, key) = used();
    let found = done(&installation, &["verify"]);
    let last = found["last"].as_i64().unwrap();
    assert_eq!(
        (&found["ok"], &found["first"], &found["entries"], &found["bad_entry"], &found["problem"]),
        (&json!(true), &json!(1), &json!(last), &Value::Null, &Value::Null)
    );
    assert!(last >= 6 && found["checkpoints"].as_i64().unwrap() >= 1, "{found}");
    assert_eq!(done(&installation, &["verify"]), found, "looking writes nothing");
    let lines = text(&installation.run(&["audit", "verify"]).stdout);
    let facts: Vec<&str> = lines.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(facts, ["entries", "first", "last", "hash", "checkpoints", "signed at", "checkpoint"]);
    // What is signed is what `audit.head` has, and can be kept elsewhere.
    let head = std::fs::read_to_string(installation.data().join("audit.head")).unwrap();
    assert_eq!(found["checkpoint"], head.trim());

    let serving = installation.serve();
    call(&serving, &key);
    let beside = done(&installation, &["verify"]);
    assert_eq!((&beside["ok"], beside["last"].as_i64() >= Some(last + 4)), (&json!(true), true), "{beside}");
    serving.kill();
    let (killed, next) = (done(&installation, &["verify"]), (last + 1).to_string());
    assert_eq!((&killed["ok"], &killed["last"]), (&json!(true), &beside["last"]));
    let newer = done(&installation, &["verify", "--from", &next]);
    assert_eq!((&newer["ok"], &newer["first"], &newer["last"]), (&json!(true), &json!(last + 1), &killed["last"]));
    let older = done(&installation, &["verify", "--from", "2", "--to", "4"]);
    assert_eq!((&older["first"], &older["last"], &older["entries"]), (&json!(2), &json!(4), &json!(3)));
}

#[test]
fn verify_names_what_is_wrong_first_and_ends_with_1() {
    let (installation, _) = used();
    let last = done(&installation, &["verify"])["last"].as_i64().unwrap();
    let reordered = "UPDATE entries SET seq = -1 WHERE seq = 3; UPDATE entries SET seq = 3 WHERE seq = 4;
        UPDATE entries SET seq = 4 WHERE seq = -1";
    let cut = format!("DELETE FROM entries WHERE seq > {}", last - 2);
    let forged = format!("UPDATE checkpoints SET at = at + 1 WHERE seq = {last}");
    let follows = "does not follow the one before: one of the two was changed or exchanged";
    let missing = "is missing";
    let was_cut = "is missing, and a checkpoint says that the log went on: its end was cut off";
    for (damage, entry, problem) in [
        ("UPDATE entries SET entry = CAST(entry || x'00' AS BLOB) WHERE seq = 3", 3, follows),
        ("UPDATE entries SET hash = zeroblob(32) WHERE seq = 3", 3, follows),
        ("UPDATE entries SET status = 201 WHERE status = 404", last - 1, "is not what stands beside it for searching"),
        ("DELETE FROM entries WHERE seq = 3", 3, missing),
        ("DELETE FROM entries WHERE seq <= 3", 1, missing),
        (reordered, 3, follows),
        (&cut, last - 1, was_cut),
        ("DELETE FROM entries", 1, was_cut),
        (&forged, last, "has a checkpoint that this installation did not sign"),
    ] {
        with_damage(&installation, damage, || {
            let output = installation.run(&["--json", "audit", "verify"]);
            assert_eq!(output.status.code(), Some(1), "{damage}");
            let said = text(&output.stderr);
            assert!(said.contains(&format!("entry {entry} {problem}; look at who could write")), "{damage}: {said}");
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(
                (&found["ok"], &found["bad_entry"], &found["problem"]),
                (&json!(false), &json!(entry), &json!(problem)),
                "{damage}"
            );
        });
    }
    assert_eq!(done(&installation, &["verify"])["ok"], true, "everything was put back");
    // Only what was asked for is looked at.
    with_damage(&installation, "UPDATE entries SET entry = x'00' WHERE seq = 3", || {
        assert_eq!(done(&installation, &["verify", "--to", "2"])["last"], 2);
        assert_eq!(done(&installation, &["verify", "--from", "4"])["last"], last);
        refused(&installation, 1, &["verify", "--from", "2", "--to", "3"]);
        // A server goes on above it, and says the same.
        let serving = installation.serve();
        let (facts, said) = refused(&installation, 1, &["verify"]);
        assert!(facts.contains("last\t2\n") && said.contains("entry 3 does not follow"), "{facts}{said}");
        drop(serving);
    });
}

#[test]
fn a_checkpoint_that_was_kept_elsewhere_tells_of_a_log_that_was_cut_with_all_that_was_signed() {
    let (installation, _) = used();
    let last = done(&installation, &["verify"])["last"].as_i64().unwrap();
    let (head, kept) = (installation.data().join("audit.head"), installation.data().with_file_name("kept"));
    std::fs::rename(&head, &kept).unwrap();
    let kept = kept.to_str().unwrap();
    assert_eq!(done(&installation, &["verify", "--checkpoint", kept])["ok"], true);
    let cut = format!("DELETE FROM entries WHERE seq > {}; DELETE FROM checkpoints", last - 2);
    with_damage(&installation, &cut, || {
        assert_eq!(done(&installation, &["verify"])["last"], last - 2, "nobody can tell from what is left");
        let (_, said) = refused(&installation, 1, &["verify", "--checkpoint", kept]);
        assert!(said.contains(&format!("entry {} is missing, and a checkpoint", last - 1)), "{said}");
    });
    std::fs::write(&head, "something else").unwrap();
    let (_, said) = refused(&installation, 1, &["verify"]);
    assert!(said.contains("the file audit.head, which is no checkpoint"), "{said}");
    let (_, said) = refused(&installation, 1, &["verify", "--checkpoint", head.to_str().unwrap()]);
    assert!(said.contains("name a copy of `audit.head`"), "{said}");
    refused(&installation, 1, &["verify", "--checkpoint", "/nowhere"]);
    let keys = text(&installation.run(&["audit", "verify", "--public-key"]).stdout);
    assert!(keys.starts_with("-----BEGIN PUBLIC KEY-----\n") && keys.lines().count() == 3, "{keys}");
    assert_eq!(done(&installation, &["verify", "--public-key"])["public_keys"], json!([keys]));
}

#[test]
fn what_verify_cannot_look_at_it_says_and_does_not_call_it_somebodys_work() {
    let (installation, _) = used();
    let last = done(&installation, &["verify"])["last"].as_i64().unwrap();
    let beyond = (last + 2).to_string();
    for (arguments, words) in [
        (&["--from", "0"][..], "--from"),
        (&["--to=-1"], "--to"),
        (&["--from", "x"], "--from"),
        (&["--from", "5", "--to", "4"], "--from 5 is after --to 4"),
        (&["--from", &beyond], &format!("the log ends with entry {last}")),
        (&["--public-key", "--from", "1"], "cannot be used with"),
    ] {
        let (_, said) = refused(&installation, 2, &[&["verify"], arguments].concat());
        assert!(said.contains(words) && !said.contains("who could write"), "{arguments:?}: {said}");
    }
    // Unless something was signed there.
    with_damage(&installation, "DELETE FROM entries WHERE seq > 2", || {
        let (_, said) = refused(&installation, 1, &["verify", "--from", "5"]);
        assert!(said.contains("entry 3 is missing, and a checkpoint says"), "{said}");
    });
    let nowhere = Installation::nowhere();
    let (_, said) = refused(&nowhere, 1, &["verify"]);
    assert!(said.contains("claribi init"), "{said}");
    // A file that is no database, or half of one.
    let audit = installation.data().join("audit.db");
    let whole = std::fs::read(&audit).unwrap();
    for broken in
        [&whole[..whole.len() / 2], b"not a database, but long enough to be taken for one".repeat(99).as_slice()]
    {
        std::fs::write(&audit, broken).unwrap();
        let (_, said) = refused(&installation, 1, &["verify"]);
        assert!(said.contains("audit.db") && said.contains("backup"), "{said}");
    }
    std::fs::remove_file(&audit).unwrap();
    let (_, said) = refused(&installation, 1, &["verify"]);
    assert!(said.contains("audit.db") && !audit.exists(), "{said}");
}

#[test]
fn export_writes_every_entry_once_oldest_first_as_lines_or_as_a_table() {
    let (installation, key) = used();
    let serving = installation.serve();
    let requests = call(&serving, &key);
    let last = done(&installation, &["verify"])["last"].as_i64().unwrap();
    let exported = |arguments: &[&str]| {
        let output = installation.run(&[&["audit", "export"], arguments].concat());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
        text(&output.stdout)
    };
    let lines = exported(&[]);
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<i64> = entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "beside a server too");
    let known: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["request_id"].as_str()).collect();
    assert!(requests.iter().all(|id| known.contains(id.as_str())));

    let table = exported(&["--format", "csv", "--operation", "dashboards_create"]);
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let headings: BTreeSet<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(headings, entries[0].as_object().unwrap().keys().cloned().collect());
    assert_eq!(table.records().map(Result::unwrap).count(), 2);
    for (filter, count) in [
        (&["--status", "404"][..], 2),
        (&["--outcome", "refused"], 2),
        (&["--request-id", &requests[0]], 1),
        (&["--key", &key[..24], "--status", "2xx"], 4),
        (&["--user", "ada@example.com", "--operation", "dashboards_list"], 2),
        (&["--address", "192.0.2.1"], 0),
        (&["--before", "2020-01-01T00:00:00Z"], 0),
        (&["--org", "org_1", "--address", "127.0.0.1"], 6),
    ] {
        assert_eq!(exported(filter).lines().count(), count, "{filter:?}");
    }
    let file = installation.data().with_file_name("log.ndjson");
    assert_eq!(exported(&["-o", file.to_str().unwrap(), "--status", "201"]), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), exported(&["--status", "201"]));
    drop(serving);
    assert_eq!(exported(&["--status", "201"]).lines().count(), 2, "without a server too");

    refused(&installation, 1, &["export", "-o", "/nowhere/log.ndjson"]);
    refused(&installation, 1, &["export", "--user", "nobody@example.com"]);
    for wrong in [
        ["--format", "xml"],
        ["--status", "4x"],
        ["--operation", "everything"],
        ["--outcome", "fine"],
        ["--address", "example.com"],
        ["--request-id", "req_1"],
        ["--after", "yesterday"],
        ["--key", "key"],
    ] {
        let (_, said) = refused(&installation, 2, &["export", wrong[0], wrong[1]]);
        assert!(said.contains(wrong[1]), "{said}");
    }
}

#[test]
fn list_shows_the_newest_first_and_show_tells_one_entry_with_what_it_changed() {
    let (installation, key) = used();
    let serving = installation.serve();
    let requests = call(&serving, &key);
    let listed = done(&installation, &["list", "--limit", "3"]);
    let listed = listed.as_array().unwrap();
    let ids: Vec<&str> = listed.iter().map(|entry| entry["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&requests[3], &requests[2], &requests[1]]);
    let lines = text(&installation.run(&["audit", "list", "--operation", "dashboards_create"]).stdout);
    let cells: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(cells.len(), 2, "{lines}");
    assert_eq!(
        (cells[0].len(), cells[0][4], cells[0][6], cells[0][8]),
        (9, "dashboards_create", "201 ok", &*requests[0])
    );
    assert!(cells[0][3].contains(&key[16..24]), "{lines}");

    let shown = done(&installation, &["show", &requests[0]]);
    assert_eq!(done(&installation, &["show", cells[0][0]]), shown, "by its number too");
    assert_eq!((&shown["status"], &shown["changes"][0]["action"]), (&json!(201), &json!("dashboard.create")));
    let facts = text(&installation.run(&["audit", "show", &requests[0]]).stdout);
    assert!(facts.contains("operation\tdashboards_create") && facts.contains("dashboard.create"), "{facts}");
    for missing in ["0", "-1", "99999", "9223372036854775807", "9223372036854775808", "req_1", "d_1", ""] {
        let (_, said) = refused(&installation, 1, &["show", "--", missing]);
        assert!(said.contains(&format!("there is no entry `{missing}` in the log")), "{said}");
    }
    refused(&installation, 2, &["list", "--limit", "0"]);
    refused(&installation, 2, &["list", "--limit", "many"]);
    refused(&installation, 1, &["list", "--org", "org_9"]);
}

#[test]
fn follow_prints_what_is_written_from_then_on() {
    let (installation, key) = used();
    let serving = installation.serve();
    let mut follow = installation
        .command(&["--json", "audit", "follow", "--key", &key[..24]])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    // It says nothing when it has begun: it is asked for until it has heard one.
    let heard = std::thread::spawn(move || lines.next().unwrap().unwrap());
    let mut requests = Vec::new();
    until_so_here("an entry to follow", || {
        requests.extend(call(&serving, &key));
        heard.is_finished()
    });
    let entry: Value = serde_json::from_str(&heard.join().unwrap()).unwrap();
    assert!(requests.iter().any(|id| entry["request_id"] == id.as_str()), "{entry}");
    follow.kill().unwrap();
    follow.wait().unwrap();
}
