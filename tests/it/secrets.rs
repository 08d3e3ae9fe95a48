//! What is shown once or typed once stands nowhere afterwards: not in a file of the data directory, a log, the audit, an
//! export, the memory of the server, nor in what commands print.

use std::os::unix::fs::FileExt;

use memchr::memmem;
use serde_json::{Value, json};

use crate::binary::{Installation, OWNER_PASSWORD, Serving, text};
use crate::patience::comes_true_here;

const CHOSEN: &str = "seven grey stones 4410";
const AFTERWARDS: &str = "nine dull bells 8273";
const GUESSED: &str = "three lost keys 5590";

/// A call that is answered like this.
fn asked(serving: &Serving, path: &str, by: &str, body: &Value, status: u16) -> Value {
    let answer = serving.post(path, by, &body.to_string()).unwrap();
    assert_eq!(answer.status, status, "{path}: {}", answer.body);
    answer.json()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// What follows the `#` of a link.
fn fragment(link: &Value) -> String {
    word(&link["url"]).split_once('#').unwrap().1.to_owned()
}

/// A session of every operation that shows a secret or takes one. Gives what must be nowhere, by name.
fn session(installation: &Installation, serving: &Serving) -> Vec<(&'static str, String)> {
    let login = |email: &str, password: &str| {
        asked(serving, "/api/auth/login/", "", &json!({"email": email, "password": password}), 200)
    };
    let tokens = login("ada@example.com", OWNER_PASSWORD);
    let access = word(&tokens["access"]);
    let renewed = asked(serving, "/api/auth/token/refresh/", "", &json!({"refresh": tokens["refresh"]}), 200);
    let ask = |path: &str, body: Value, status| asked(serving, path, &access, &body, status);
    let key = ask("/v1/keys", json!({"name": "one", "scope": "read-write"}), 201);
    let rotated = ask(&format!("/v1/keys/{}/rotate", word(&key["id"])), json!({"grace_seconds": 60}), 201);
    let leaked = ask("/api/api-keys/", json!({"name": "leaked"}), 201);
    asked(serving, "/v1/keys/report-leak", "", &json!({"key": leaked["key"]}), 200);
    let invited = ask("/v1/users", json!({"email": "grace@example.com", "role": "administrator"}), 201);
    let invitation = fragment(&invited["invitation"]);
    asked(serving, "/api/auth/accept-invitation/", "", &json!({"token": invitation, "password": CHOSEN}), 200);
    let reset = fragment(&ask(&format!("/v1/users/{}/reset-password", word(&invited["id"])), json!({}), 201));
    asked(serving, "/api/auth/reset-password/", "", &json!({"token": reset, "password": AFTERWARDS}), 200);
    let theirs = word(&login("grace@example.com", AFTERWARDS)["access"]);
    let wrong = json!({"current_password": GUESSED, "new_password": CHOSEN});
    asked(serving, "/v1/users/me/password", &theirs, &wrong, 400);
    asked(serving, "/api/auth/login/", "", &json!({"email": "ada@example.com", "password": GUESSED}), 401);
    asked(serving, "/api/auth/login/", "", &json!({"email": GUESSED, "password": GUESSED}), 401);
    let sandbox = ask("/v1/organization/sandbox", json!({}), 201);
    let entered = ask("/api/auth/sandbox/", json!({}), 200);

    // Used in every place in which a client may put them, and by mistake in some others.
    let (one, two) = (word(&key["key"]), word(&rotated["key"]));
    assert_eq!(serving.get("/v1/dashboards", &one).unwrap().status, 200);
    assert_eq!(serving.get(&format!("/v1/dashboards?api_key={two}"), "").unwrap().status, 401);
    assert_eq!(serving.get(&format!("/v1/dashboards/{two}"), &one).unwrap().status, 404);
    asked(serving, "/v1/dashboards", &one, &json!({"name": "x", two.as_str(): 1}), 400);
    asked(serving, "/v1/auth/verify", &one, &json!({}), 405);
    let agent = format!(
        "GET /v1/dashboards HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {one}\r\nUser-Agent: {two}\r\n\
         Referer: https://x.example/?k={two}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(crate::binary::ask(serving.address, &agent).unwrap().status, 200);
    let org = word(&sandbox["id"]);
    let by_command = installation.run(&["key", "create", "--user", "ada@example.com", "--name", "cli", "--org", &org]);
    assert!(by_command.status.success(), "{}", text(&by_command.stderr));

    let signature = |token: &Value| word(token).rsplit('.').next().unwrap().to_owned();
    // Of a key, what comes after its public characters; of a token, what proves it.
    let secret = |key: &str| key[24..46].to_owned();
    vec![
        ("the owner's password", OWNER_PASSWORD.to_owned()),
        ("a chosen password", CHOSEN.to_owned()),
        ("a password that was set anew", AFTERWARDS.to_owned()),
        ("a guessed password", GUESSED.to_owned()),
        ("a key", secret(&one)),
        ("a rotated key", secret(&two)),
        ("a leaked key", secret(&word(&leaked["key"]))),
        ("a key made by command", secret(text(&by_command.stdout).trim())),
        ("an invitation", invitation[4..].to_owned()),
        ("a reset", reset.split_once('_').unwrap().1.to_owned()),
        ("an access token", signature(&tokens["access"])),
        ("a refresh token", signature(&tokens["refresh"])),
        ("a renewed access token", signature(&renewed["access"])),
        ("a token of the sandbox", signature(&entered["access"])),
    ]
}

/// The secrets that stand in these bytes.
fn found<'s>(bytes: &[u8], secrets: &'s [(&'static str, String)]) -> Vec<&'s str> {
    let holds = |secret: &str| memmem::find(bytes, secret.as_bytes()).is_some();
    secrets.iter().filter(|(_, secret)| holds(secret)).map(|(name, _)| *name).collect()
}

/// Every file below a directory, by name.
fn files(root: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            all.push((path.display().to_string(), bytes));
        }
    }
    all
}

#[test]
fn keys_passwords_and_links_stand_nowhere_once_they_were_shown() {
    let installation = Installation::new();
    let serving = installation.serve_with(&[], &[("CLARIBI_LOG__LEVEL", "trace".to_owned())]);
    let secrets = session(&installation, &serving);
    let mut places = files(&installation.data());
    assert!(places.iter().any(|(name, _)| name.ends_with("claribi.db-wal")), "the write-ahead log is looked at too");
    let login = json!({"email": "ada@example.com", "password": OWNER_PASSWORD});
    let reader = word(&asked(&serving, "/api/auth/login/", "", &login, 200)["access"]);
    for path in ["/v1/keys", "/v1/users", "/v1/sessions", "/v1/auth/verify", "/api/api-keys/", "/api/users/"] {
        let answer = serving.get_as(path, &reader).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        places.push((path.to_owned(), answer.body.into_bytes()));
    }
    for arguments in [
        &["--json", "audit", "list", "--limit", "10000"][..],
        &["audit", "list"],
        &["--json", "key", "list"],
        &["--json", "user", "list"],
    ] {
        let printed = installation.run(arguments);
        assert!(printed.status.success(), "{arguments:?}: {}", text(&printed.stderr));
        places.push((arguments.join(" "), [printed.stdout, printed.stderr].concat()));
    }
    places.push(("the log".to_owned(), serving.log().into_bytes()));
    places.push(("standard output".to_owned(), serving.said().into_bytes()));
    assert_eq!(serving.stop(), Some(0));
    places.extend(files(&installation.data()));
    for (name, bytes) in &places {
        assert_eq!(found(bytes, &secrets), Vec::<&str>::new(), "in {name}");
    }
    // Whoever looks sees what is there: the public part of a key, and a secret that somebody plants.
    let named = installation.run(&["--json", "key", "list"]).stdout;
    assert!(found(&named, &[("a prefix", "claribi_sk_live_".to_owned())]).len() == 1);
    std::fs::write(installation.data().join("planted"), format!("x{}y", secrets[4].1)).unwrap();
    let planted: Vec<_> =
        files(&installation.data()).iter().flat_map(|(_, bytes)| found(bytes, &secrets)).map(str::to_owned).collect();
    assert_eq!(planted, ["a key"]);
}

/// What a process holds in memory that it can write, without the pages that it never touched.
fn memory(process: u32) -> Vec<u8> {
    const PAGE: usize = 4_096;
    const UNTOUCHED: [u8; PAGE] = [0; PAGE];
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut held = Vec::new();
    let mut chunk = vec![0; PAGE << 8];
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (begin, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (mut at, end) = (address(begin), address(end));
        while at < end {
            let length = chunk.len().min(usize::try_from(end - at).unwrap());
            // A range may go away while it is read.
            let read = memory.read_at(&mut chunk[..length], at).unwrap_or(0);
            for page in chunk[..read].chunks(PAGE).filter(|page| **page != UNTOUCHED) {
                held.extend_from_slice(page);
            }
            at += u64::try_from(read.max(PAGE)).unwrap();
        }
    }
    held
}

#[test]
fn the_server_forgets_keys_and_passwords_when_it_has_used_them() {
    let installation = Installation::new();
    let serving = installation.serve();
    let secrets = session(&installation, &serving);
    // A connection's buffers are freed when it has ended, which its client does not see.
    let held = || found(&memory(serving.process()), &secrets);
    assert!(comes_true_here(|| held().is_empty()), "{:?}", held());
    // Whoever looks sees what is there: a request that has not ended.
    let mut open = std::net::TcpStream::connect(serving.address).unwrap();
    let begun = format!("GET /v1/dashboards HTTP/1.1\r\nX-Note: {}\r\n", secrets[4].1);
    std::io::Write::write_all(&mut open, begun.as_bytes()).unwrap();
    assert!(comes_true_here(|| held() == ["a key"]));
}
