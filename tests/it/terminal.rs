//! The command line on a terminal, which `script` plays, and in a pipe.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::binary::{Installation, text};

/// Runs a line of a shell whose standard streams are a terminal; gives what it shows.
fn on_a_terminal(installation: &Installation, line: &str, typed: &str) -> (Option<i32>, String) {
    let claribi = format!("{} --data-dir {}", env!("CARGO_BIN_EXE_claribi"), installation.data().display());
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line.replace("claribi", &claribi), "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script`, of util-linux, is not there");
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.status.code(), text(&done.stdout))
}

/// Runs a line of a shell whose output is a pipe.
fn in_a_pipe(installation: &Installation, line: &str) -> Output {
    let claribi = format!("{} --data-dir {}", env!("CARGO_BIN_EXE_claribi"), installation.data().display());
    let line = format!("set -o pipefail; {}", line.replace("claribi", &claribi));
    Command::new("bash").args(["-c", &line]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn lists_are_tables_on_a_terminal_and_plain_lines_in_a_pipe() {
    let installation = Installation::new();
    installation.key("deploy");
    let (code, shown) = on_a_terminal(&installation, "claribi key list", "");
    assert_eq!(code, Some(0), "{shown}");
    for word in ["prefix", "last used", "deploy", "ada@example.com", "\u{2500}"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
    let piped = in_a_pipe(&installation, "claribi key list");
    let line = text(&piped.stdout);
    assert_eq!((line.lines().count(), line.matches('\t').count()), (1, 8), "{line}");
    assert!(!line.contains("prefix") && !line.contains('\u{1b}') && !line.contains('\u{2500}'), "{line}");
    assert_eq!(text(&piped.stderr), "", "nothing but what was asked for");
}

#[test]
fn what_cannot_be_undone_is_asked_for_on_a_terminal_alone() {
    let installation = Installation::new();
    installation.key("deploy");
    let status = || text(&installation.run(&["--json", "key", "show", "key_1"]).stdout);
    let (code, shown) = on_a_terminal(&installation, "claribi key revoke key_1", "n\n");
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("Revoke claribi_sk_live_") && shown.contains("nothing was revoked"), "{shown}");
    assert!(status().contains("\"active\""));
    let (code, shown) = on_a_terminal(&installation, "claribi key revoke key_1", "y\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(status().contains("\"revoked\""));
    // With nobody to ask, the command is taken at its word.
    installation.key("second");
    assert!(installation.run(&["key", "revoke", "key_2"]).status.success());
}

#[test]
fn a_reader_that_has_enough_ends_a_command_quietly() {
    let installation = Installation::new();
    let serving = installation.serve();
    for _ in 0..3 {
        serving.get("/v1/dashboards", "x").unwrap();
    }
    for line in
        ["claribi audit list | true", "claribi --json audit list | head -c 1", "claribi openapi --face v1 | head -1"]
    {
        let done = in_a_pipe(&installation, line);
        assert_eq!(text(&done.stderr), "", "{line}");
    }
}

#[test]
fn a_new_key_is_alone_in_a_pipe_and_explained_on_a_terminal() {
    let installation = Installation::new();
    let create = "claribi key create --user ada@example.com --name x --expires 9d";
    let piped = in_a_pipe(&installation, create);
    let key = text(&piped.stdout);
    assert!(key.starts_with("claribi_sk_live_") && key.trim_end().len() == 52 && key.lines().count() == 1, "{key}");
    assert_eq!(text(&piped.stderr), "");
    let (code, shown) = on_a_terminal(&installation, create, "");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Keep it now: it is shown this once.") && shown.contains("permissions"), "{shown}");
}

#[test]
fn a_sync_draws_a_bar_on_a_terminal_alone() {
    let installation = Installation::new();
    let file = installation.data().with_file_name("shop.db");
    another_programs_file(&file);
    let added = installation.run(&["source", "add", file.to_str().unwrap(), "--name", "Shop"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let (code, shown) = on_a_terminal(&installation, "claribi source sync shop", "");
    assert_eq!(code, Some(0), "{shown}");
    // Cleared at the end, and written over all the while.
    let mut drawn = shown.split(['\r', '\n']);
    assert!(drawn.any(|line| line.contains(" %  ") && line.trim_end().contains(" rows")), "{shown}");
    let piped = in_a_pipe(&installation, "claribi source sync shop");
    assert!(!text(&piped.stdout).contains('%') && text(&piped.stderr).is_empty(), "{}", text(&piped.stderr));
}

#[expect(clippy::disallowed_methods, reason = "another program's file")]
fn another_programs_file(path: &Path) {
    let rows = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 20000)";
    let made = format!("CREATE TABLE orders AS {rows} SELECT id, 'a word' AS word FROM n");
    rusqlite::Connection::open(path).unwrap().execute_batch(&made).unwrap();
}
