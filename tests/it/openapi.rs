//! The OpenAPI documents as their readers have them: they change only when somebody means it, are valid, are served in two
//! formats, and their samples run.

mod changes;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use claribi::http::document;
use claribi::http::face::Face;
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::world::World;

/// Set, the documents of now become the accepted ones.
const ACCEPT: &str = "CLARIBI_ACCEPT_OPENAPI";

fn golden(face: Face) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/openapi-{}.json", face.name()))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_document_changes_only_when_somebody_means_it() {
    let mut undeclared = Vec::new();
    for face in Face::ALL {
        let (path, now) = (golden(face), document::of(face).unwrap() + "\n");
        if std::env::var_os(ACCEPT).is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let accepted = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        if accepted == now {
            continue;
        }
        let changes = changes::between(&parsed(&accepted), &parsed(&now));
        let lines = |title: &str, lines: &std::collections::BTreeSet<String>| {
            lines.iter().map(|line| format!("  {title}: {line}\n")).collect::<String>()
        };
        let told = lines("breaking", &changes.breaking) + &lines("additive", &changes.additive);
        let told = if told.is_empty() { "  other words, examples or order\n".to_owned() } else { told };
        undeclared.push(format!("{} changed:\n{told}", path.display()));
    }
    assert!(
        undeclared.is_empty(),
        "{}If that is meant, accept it with `{ACCEPT}=1 cargo test --test it openapi::a_document`, and say it in \
         CHANGELOG.md under the face.",
        undeclared.concat()
    );
}

/// Whether a face may go on: against the document of the last release, and what the changelog says since.
fn declared(face: Face, released: Option<&Value>, accepted: &Value, unreleased: &str) -> Result<(), String> {
    if released == Some(accepted) {
        return Ok(());
    }
    let base = format!("`{}/`", face.base());
    if !unreleased.contains(&base) {
        return Err(format!("The document of {base} changed, and CHANGELOG.md says nothing of it under [Unreleased]."));
    }
    // A face only grows from the first release of the document on.
    let broken = released.map(|released| changes::between(released, accepted).breaking).unwrap_or_default();
    match broken.first() {
        Some(first) => Err(format!("The document of {base} breaks who uses the last release: {first}.")),
        None => Ok(()),
    }
}

#[test]
fn what_changed_since_the_last_release_is_in_the_changelog_and_breaks_nobody() {
    let changelog = include_str!("../../CHANGELOG.md");
    let (_, rest) = changelog.split_once("## [Unreleased]").unwrap();
    let unreleased = rest.split("\n## ").next().unwrap();
    for face in Face::ALL {
        // Releasing copies the accepted documents there; before the first release there are none.
        let released = golden(face).with_file_name("released").join(golden(face).file_name().unwrap());
        let released = std::fs::read_to_string(released).ok().map(|text| parsed(&text));
        let accepted = parsed(&std::fs::read_to_string(golden(face)).unwrap());
        declared(face, released.as_ref(), &accepted, unreleased).unwrap();
    }
}

#[test]
fn a_change_that_the_changelog_does_not_name_or_that_breaks_is_refused() {
    let (old, new) = (serde_json::json!({"paths": {"/v1/a": {"get": {}}}}), serde_json::json!({"paths": {}}));
    assert!(declared(Face::V1, None, &new, "- `/v1/` is new.").is_ok());
    assert!(declared(Face::V1, None, &new, "- `/api/v1/` is new.").unwrap_err().contains("says nothing"));
    assert!(declared(Face::V1, Some(&old), &old, "").is_ok());
    assert!(declared(Face::V1, Some(&new), &old, "- `/v1/` grew.").is_ok());
    assert!(declared(Face::V1, Some(&old), &new, "- `/v1/` shrank.").unwrap_err().contains("GET /v1/a is gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_served_as_json_and_yaml_to_everybody_and_read_again_only_when_they_changed() {
    let world = World::new().await;
    let anonymous = world.anonymous();
    for face in Face::ALL {
        for (format, media_type) in [("json", "application/json"), ("yaml", "application/yaml")] {
            let path = format!("{}/openapi.{format}", face.base());
            let answer = anonymous.get(&path).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)), "{path}");
            assert!(answer.text().contains("http://localhost:8080"), "{path} names the server");
            let etag = answer.header("etag").unwrap().to_owned();
            let again = anonymous.request("GET", &path).header("if-none-match", &etag).send().await;
            assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(etag.as_str())), "{path}");
            let head = anonymous.request("HEAD", &path).send().await;
            assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(etag.as_str())), "{path}");
            let other = anonymous.request("GET", &path).host("127.0.0.1:9").send().await;
            assert_ne!(other.header("etag"), Some(etag.as_str()), "{path} names another server");
            assert_eq!(anonymous.request("POST", &path).send().await.status, 405, "{path}");
        }
    }
    assert!(world.calls().is_empty(), "documents are no calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_is_not_public_is_nowhere() {
    let world = World::with(|plot| plot.http.public_reference = false).await;
    for path in ["/docs/", "/docs/redoc", "/v1/openapi.json", "/v1/openapi.yaml", "/api/openapi.yaml"] {
        assert_eq!(world.anonymous().get(path).await.status, 404, "{path}");
    }
}

/// The samples that are run, in an order in which each finds what it needs: a report is run before its file is fetched.
const RUN: [(Face, &str); 13] = [
    (Face::V1, "auth_verify"),
    (Face::V1, "dashboards_list"),
    (Face::V1, "dashboards_get"),
    (Face::V1, "dashboards_widget"),
    (Face::V1, "dashboards_refresh"),
    (Face::V1, "dashboards_create"),
    (Face::V1, "query_run"),
    (Face::External, "reports_generate"),
    (Face::V1, "runs_get"),
    (Face::V1, "runs_download"),
    (Face::External, "dashboards_get"),
    (Face::External, "dashboards_update"),
    (Face::Platform, "data_sources_get"),
];

#[test]
fn samples_run_as_they_are_in_curl_python_and_node() {
    let sandbox = Sandbox::start();
    let directory = tempfile::tempdir().unwrap();
    // The samples are for people, who see a refusal; here it must end the program.
    std::fs::write(directory.path().join(".curlrc"), "fail-with-body\nsilent\nshow-error\n").unwrap();
    std::fs::write(directory.path().join("airlines.csv"), "carrier,name\nUA,United Air Lines Inc.\n").unwrap();
    let mut ran = 0;
    let uploads = Face::ALL.map(|face| (face, "data_sources_create"));
    for (face, id) in RUN.into_iter().chain(uploads) {
        let path = format!("{}/openapi.json", face.base());
        let document = sandbox.get(&path);
        let operations =
            document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let Some(operation) = operations.into_iter().find(|operation| operation["operationId"] == id) else {
            assert_eq!((face, id), (Face::External, "data_sources_create"), "the external face takes no uploads");
            continue;
        };
        for sample in operation["x-codeSamples"].as_array().unwrap() {
            let (label, source) = (sample["label"].as_str().unwrap(), sample["source"].as_str().unwrap());
            let output = run(label, source, directory.path(), sandbox.text("key"));
            let told = format!(
                "{id} in {label}:\n{source}\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(output.status.success(), "{told}");
            if source.contains("report.pdf") {
                let file = directory.path().join("report.pdf");
                assert!(std::fs::read(&file).unwrap().starts_with(b"%PDF-"), "{told}");
                std::fs::remove_file(file).unwrap();
            } else {
                assert!(output.stdout.trim_ascii().starts_with(b"{"), "{told}");
            }
            forget_uploads(&sandbox);
            ran += 1;
        }
    }
    assert_eq!(ran, 3 * (RUN.len() + 2));
}

/// Deletes what a sample uploaded, so that the next one finds its name free.
fn forget_uploads(sandbox: &Sandbox) {
    for source in sandbox.get("/v1/data-sources")["data"].as_array().unwrap() {
        if source["name"] == "Airlines" {
            let path = format!("/v1/data-sources/{}", source["id"].as_str().unwrap());
            assert_eq!(sandbox.ask("DELETE", &path, sandbox.text("key"), None).status, 200);
        }
    }
}

/// Runs a sample as a reader who pasted it.
fn run(label: &str, source: &str, directory: &Path, key: &str) -> Output {
    let (program, file) = match label {
        "curl" => (PathBuf::from("sh"), "sample.sh"),
        "Python" => (python(), "sample.py"),
        "JavaScript" => (PathBuf::from("node"), "sample.mjs"),
        other => panic!("nobody runs {other}"),
    };
    std::fs::write(directory.join(file), source).unwrap();
    let mut command = Command::new(&program);
    command.arg(file).current_dir(directory).env("CLARIBI_KEY", key).env("CURL_HOME", directory);
    command.output().unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", program.display()))
}

/// A Python that has `requests`: the environment that tests/run made, or else the machine's.
fn python() -> PathBuf {
    let tools = std::env::var_os("CLARIBI_TEST_TOOLS").map(|tools| Path::new(&tools).join("python/bin/python"));
    tools.filter(|python| python.exists()).unwrap_or_else(|| "python3".into())
}
