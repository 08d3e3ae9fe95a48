//! Requests that nobody thought of: schemathesis reads the three documents and holds the server to them, with keys of
//! every role. No failure of the server, no status and no body that the documents do not have, no refusal of what they
//! allow and no acceptance of what they forbid.

use std::path::Path;

use crate::sandbox::Sandbox;
use crate::tools::{said, tool};

const DOCUMENTS: [&str; 3] = ["/v1", "/api", "/api/v1"];
const ROLES: [&str; 4] = ["owner", "administrator", "analyst", "viewer"];

/// What a fuzzer would otherwise run into after a minute.
const SETTINGS: &[(&str, &str)] = &[
    ("CLARIBI_PLANS__ENTERPRISE__REQUESTS_PER_HOUR", "100000000"),
    ("CLARIBI_PLANS__ENTERPRISE__REQUESTS_PER_DAY", "100000000"),
    ("CLARIBI_PLANS__ENTERPRISE__GENERATION_PER_HOUR", "100000000"),
    ("CLARIBI_PLANS__ENTERPRISE__GENERATION_PER_DAY", "100000000"),
    ("CLARIBI_PLANS__ENTERPRISE__CREDITS_PER_MONTH", "100000000"),
    ("CLARIBI_LIMITS__KEY_PER_MINUTE", "100000000"),
    ("CLARIBI_LIMITS__SESSION_PER_MINUTE", "100000000"),
];

/// One run of the fuzzer.
struct Run<'r> {
    document: &'r str,
    /// Who asks, for the report of a failure.
    caller: String,
    credential: &'r str,
    phases: &'r str,
    seconds: u32,
    further: &'r [&'r str],
}

impl Run<'_> {
    /// What it found, if anything.
    fn findings(&self, sandbox: &Sandbox) -> Option<String> {
        // On a machine that is busy its start alone may take the whole budget: then it gets a larger one.
        let tried = [1, 6].into_iter().map(|patience| self.tried(sandbox, patience));
        let (_, findings) = tried.into_iter().find(|(tested, _)| *tested).expect("schemathesis tested nothing");
        findings
    }

    /// Whether anything was tested, and what was found.
    fn tried(&self, sandbox: &Sandbox, patience: u32) -> (bool, Option<String>) {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/schemathesis.toml");
        // A run of CI repeats; a longer one looks elsewhere each time.
        let seed = if factor() == 1 { "1" } else { &std::process::id().to_string() };
        let output = tool("python/bin/schemathesis")
            .arg("--config-file")
            .arg(config)
            .args(["--no-color", "run", &format!("{}{}/openapi.json", sandbox.text("url"), self.document)])
            .args(["--header", &format!("Authorization: Bearer {}", self.credential)])
            .args(["--seed", seed, "--phases", self.phases])
            .args(["--max-time", &(self.seconds * factor() * patience).to_string()])
            .args(self.further)
            .args(if factor() == 1 { &["--exclude-checks", "positive_data_acceptance"][..] } else { &[] })
            // It leaves notes where it runs.
            .current_dir(sandbox.directory())
            .output()
            .unwrap();
        let text = said(&output);
        let tested = text.lines().any(|line| line.contains(" generated, "));
        let found = (!output.status.success())
            .then(|| format!("{} with the {}, {}:\n{text}", self.document, self.caller, self.phases));
        (tested, found)
    }
}

/// How many times longer than in CI.
fn factor() -> u32 {
    std::env::var_os("CLARIBI_TEST_FUZZ_FACTOR").map_or(1, |text| text.to_str().unwrap().parse().unwrap())
}

/// At least 3 minutes in all.
///
/// How far the fuzzer gets in its time depends on the machine. Refusals of what a schema allows are the one finding that
/// is as often a rule that no schema can express: those are looked at in the longer runs, which somebody reads.
#[test]
fn no_request_gets_an_answer_that_the_documents_do_not_have() {
    let sandbox = Sandbox::with(SETTINGS);
    // A key could end itself or its owner, and all that comes after it would be a 401: sessions try that, below.
    let spared = [
        "--exclude-operation-id-regex",
        "^(keys_(revoke|delete|rotate|revoke_all)|users_(update|delete|deactivate|reset_password))$",
    ];
    let mut findings = Vec::new();
    for document in DOCUMENTS {
        for role in ROLES {
            let (full, reading) = (sandbox.key_of(role, "read-write"), sandbox.key_of(role, "read-only"));
            let run = |scope, credential, phases, seconds| {
                let caller = format!("{role}'s {scope} key");
                Run { document, caller, credential, phases, seconds, further: &spared }.findings(&sandbox)
            };
            findings.extend(run("read-write", full.as_str(), "examples,coverage", 8));
            findings.extend(run("read-write", full.as_str(), "fuzzing,stateful", 8));
            findings.extend(run("read-only", reading.as_str(), "coverage,fuzzing", 4));
        }
    }
    // The fuzzer has used up its logins there, and what it does here leaves nobody whom a key could belong to.
    let sandbox = Sandbox::with(SETTINGS);
    let sessions = [(); 4].map(|()| session(&sandbox));
    let subjects = ["^keys_", "^(users|sessions|organization)_"];
    let runs = subjects.into_iter().flat_map(|subject| ["/v1", "/api"].map(|document| (subject, document)));
    for ((subject, document), credential) in runs.zip(&sessions) {
        let (caller, phases) = ("owner's session".to_owned(), "coverage,fuzzing,stateful");
        let further = ["--include-operation-id-regex", subject];
        let run = Run { document, caller, credential, phases, seconds: 6, further: &further };
        findings.extend(run.findings(&sandbox));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n\n"));
}

fn session(sandbox: &Sandbox) -> String {
    let owner = sandbox.said()["owner"].to_string();
    let answer = sandbox.ask("POST", "/api/auth/login/", "", Some(&owner));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access"].as_str().unwrap().to_owned()
}
