//! The tree: who may import whom, and what every file of it keeps to.

use std::path::{Path, PathBuf};

/// A file of `src`, by its path below it.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines that are code, with their numbers; what comments and documentation say does not count.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The top-level modules of ours that the file names: `crate::store::…`, `use crate::{store, …}`.
    fn names(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            for (at, _) in line.match_indices("crate::") {
                // `poem_crate::` and the like are not ours.
                if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let rest = &line[at + "crate::".len()..];
                let path = |text: &str| text.trim().split("::").take(2).collect::<Vec<_>>().join("::");
                match rest.strip_prefix('{') {
                    Some(group) => {
                        let group = group.split('}').next().unwrap();
                        found.extend(group.split(',').map(|text| (number, path(text))));
                    }
                    None => {
                        let end =
                            rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
                        found.push((number, path(&rest[..end])));
                    }
                }
            }
        }
        found
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    /// What of it is compiled for tests alone, where it is a file of the program's.
    fn tests(&self) -> &str {
        match self.text.find("#[cfg(test)]\nmod tests {") {
            _ if self.is_test() || self.path.contains("/tests/") => &self.text,
            Some(at) => &self.text[at..],
            None => "",
        }
    }

    /// Which layer the file is of: a folder, or a file beside `main.rs`.
    fn layer(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        match first {
            "worker" if self.path.contains("child") || self.path.contains("sandbox") => "worker/child",
            _ => first.trim_end_matches(".rs"),
        }
    }
}

/// The program's files.
fn sources() -> Vec<Source> {
    let found = below("src");
    assert!(found.len() > 100, "the tree was not found");
    found
}

/// The files of the integration tests, those in directories too.
fn integration_tests() -> Vec<Source> {
    let found = below("tests/it");
    assert!(found.iter().any(|source| source.path == "databases/live/ends.rs"), "directories are looked into");
    found
}

/// The files of code below a directory, by their paths there.
fn below(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut open = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push(Source { text: std::fs::read_to_string(&path).unwrap(), path: relative });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// What each layer may import, itself left out; `None` stands for everything.
fn allowed(layer: &str) -> Option<&'static [&'static str]> {
    Some(match layer {
        "domain" | "datadir" | "memory" | "testing" => &[],
        "keyring" | "config" | "telemetry" => &["domain"],
        "store" | "outbound" => &["domain"],
        "render" => &["domain"],
        "engine" => &["domain", "worker::protocol"],
        "worker" => &["domain"],
        "worker/child" => &["domain", "engine", "render", "worker"],
        "service" => &["domain", "store", "worker::protocol", "worker::pool", "outbound", "datadir", "keyring"],
        "jobs" => &["domain", "service", "store", "worker::protocol", "worker::pool", "outbound", "datadir", "keyring"],
        "http" => &["domain", "service"],
        "cli" | "main" | "lib" => return None,
        other => panic!("`{other}` is in no layer: say in this test, and in ARCHITECTURE.md, what it may import"),
    })
}

#[test]
fn nobody_imports_a_layer_that_is_not_theirs() {
    let mut broken = Vec::new();
    for source in sources() {
        let layer = source.layer();
        let Some(allowed) = allowed(layer) else { continue };
        let own = layer.split('/').next().unwrap();
        for (number, name) in source.names() {
            let top = name.split("::").next().unwrap();
            // What tests share is there for tests alone.
            if top != own && top != "testing" && !allowed.contains(&top) && !allowed.contains(&name.as_str()) {
                broken.push(format!("{}:{number} imports {name}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_server_never_calls_the_child() {
    let mut callers = Vec::new();
    for source in sources() {
        let calls = source
            .names()
            .iter()
            .any(|(_, name)| matches!(name.as_str(), "worker::child" | "worker::sandbox" | "engine" | "render"));
        if calls && !matches!(source.layer(), "worker/child" | "engine" | "render") {
            callers.push(source.path);
        }
    }
    assert!(callers.iter().all(|path| path.starts_with("cli/")), "{callers:?}");
}

/// Crates that one part of the house keeps to itself.
const KEPT: &[(&str, &[&str])] = &[
    ("redis", &["outbound/"]),
    ("reqwest", &["outbound/"]),
    ("hickory_resolver", &["outbound/"]),
    ("tokio_postgres", &["engine/connect/postgres"]),
    ("mysql_async", &["engine/connect/mysql"]),
    ("rustls_native_certs", &["outbound/"]),
    ("croner", &["domain/schedule.rs"]),
    ("chrono_tz", &["domain/schedule.rs"]),
    ("chacha20poly1305", &["keyring"]),
    ("poem", &["http/"]),
    ("poem_openapi", &["http/"]),
    ("hyper", &["http/"]),
    ("rusqlite", &["store/", "engine/connect/sqlite"]),
    ("r2d2", &["store/"]),
    ("rusqlite_migration", &["store/"]),
    ("datafusion", &["engine/"]),
    ("arrow", &["engine/"]),
    ("parquet", &["engine/"]),
    ("krilla", &["render/"]),
    ("resvg", &["render/"]),
    ("clap", &["cli/", "main.rs"]),
    ("figment", &["config"]),
    ("landlock", &["worker/"]),
    ("seccompiler", &["worker/"]),
    ("libc", &["worker/sandbox/"]),
    ("moka", &["service/"]),
    ("argon2", &["service/"]),
    ("jsonwebtoken", &["service/"]),
];

#[test]
fn each_library_is_named_in_its_own_part_only() {
    let mut broken = Vec::new();
    for source in sources() {
        for (library, homes) in KEPT {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            for (number, line) in source.code() {
                let named = line
                    .match_indices(&format!("{library}::"))
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
                if named {
                    broken.push(format!("{}:{number} names {library}", source.path));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.is_test() && !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "these begin without `//!`: {silent:?}");
}

#[test]
fn no_file_goes_past_five_hundred_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.text.lines().count() > 500)
        .map(|source| format!("{} has {} lines", source.path, source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The functions of an `impl` in a file: name, and the lines of the body.
fn methods(source: &Source) -> Vec<(&str, usize)> {
    let mut lines = source.text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let declared =
            line.strip_prefix("    ").and_then(|line| line.split("fn ").nth(1).filter(|_| !line.starts_with(' ')));
        let Some(name) = declared.and_then(|rest| rest.split(['(', '<']).next()) else { continue };
        // The head of a method ends with a brace, on its own line or on a later one.
        if !line.ends_with('{') {
            lines.by_ref().find(|line| line.ends_with('{'));
        }
        found.push((name, lines.by_ref().take_while(|line| *line != "    }").count()));
    }
    found
}

#[test]
fn handlers_are_eight_lines_at_most() {
    let (mut handlers, mut long) = (0, Vec::new());
    for source in sources().iter().filter(|source| is_face(&source.path)) {
        for (name, lines) in methods(source) {
            handlers += 1;
            if lines > 8 {
                long.push(format!("{}: `{name}` has {lines} lines", source.path));
            }
        }
    }
    assert!(handlers > 60, "only {handlers} handlers were found");
    assert!(long.is_empty(), "logic belongs to the services: {}", long.join("\n"));
}

fn is_face(path: &str) -> bool {
    ["http/api/", "http/api_v1/", "http/v1/"].iter().any(|face| path.starts_with(face)) && !path.ends_with("mod.rs")
}

#[test]
fn wire_types_convert_and_do_nothing_else() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("http/wire/") && !source.is_test()) {
        for (number, line) in source.code() {
            if ["async ", ".await", "App", "tokio::", "std::fs"].iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn nothing_is_left_undone_or_silenced() {
    // Put together here, so that this file does not find itself.
    let banned = ["dbg", "todo", "unimplemented"].map(|name| format!("{name}!("));
    let attributes = ["allow(", "ignore"].map(|name| format!("[{name}"));
    let mut found = Vec::new();
    for source in sources().into_iter().chain(integration_tests()) {
        for (number, line) in source.code() {
            if banned.iter().any(|word| line.contains(word)) || attributes.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_are_resolved_in_one_place_only() {
    let mut found = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            if line.contains("ToSocketAddrs") || line.contains("lookup_host") || line.contains("to_socket_addrs") {
                found.push(format!("{}:{number}", source.path));
            }
        }
    }
    let elsewhere: Vec<_> = found.iter().filter(|place| !place.starts_with("http/listener.rs")).collect();
    assert!(elsewhere.is_empty(), "the static binary asks no resolver of the C library: {elsewhere:?}");
}

#[test]
fn nothing_passes_time_by_sleeping_in_a_test() {
    // Put together here, so that this file does not find itself.
    let waits = [concat!("::", "sleep("), concat!("park_", "timeout(")];
    let (unit, integration) = (sources(), integration_tests());
    let unit = unit.iter().map(|source| (source.path.as_str(), source.tests()));
    let all = unit.chain(integration.iter().map(|source| (source.path.as_str(), source.text.as_str())));
    let counted = all.map(|(path, text)| (path, waits.iter().map(|wait| text.matches(wait).count()).sum()));
    let waiting: Vec<(&str, usize)> = counted.filter(|(_, count)| *count > 0).collect();
    assert_eq!(
        waiting,
        [
            // Not to spin while a file is exchanged over and over.
            ("databases/exchanged.rs", 2),
            // As long as the server says that a client is to wait.
            ("duplicates.rs", 1),
            // The pace of whoever takes access away.
            ("hammer.rs", 1),
            // When a server is killed, which is to be at any moment.
            ("kill_drill.rs", 2),
            // Between two looks at what comes by itself.
            ("patience.rs", 2),
            // What a slow server takes.
            ("way.rs", 1),
            // A command's own: it waits them before it returns.
            ("world.rs", 1),
        ]
    );
}
