//! Clients that users generate from the documents: they type-check, and they work against a running server.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::tools::{directory, run, succeed, tool};

/// Faces by the names of their clients.
const FACES: [(&str, &str); 3] = [("v1", "v1"), ("api", "api"), ("api-v1", "api_v1")];

/// Writes a face's document, as `claribi openapi` prints it.
fn document(face: &str, into: &Path) {
    let printed = run(Command::new(env!("CARGO_BIN_EXE_claribi")).args(["openapi", "--face", face]));
    std::fs::write(into, printed.stdout).unwrap();
}

/// What a client's program printed: the dashboard's widgets, the refresh, the report, the file, and an error.
fn holds(printed: &[u8]) -> Value {
    let printed: Value = serde_json::from_slice(printed).unwrap();
    assert_eq!(printed["titles"][0], "Revenue");
    assert!(printed["credits"].as_u64().is_some_and(|credits| credits > 0), "{printed}");
    let rest = json!({"status": "succeeded", "start": "%PDF-", "missing": "not_found"});
    for (name, value) in rest.as_object().unwrap() {
        assert_eq!(&printed[name], value, "{name}");
    }
    printed
}

#[test]
fn a_generated_typescript_client_type_checks_and_works() {
    let place = tempfile::tempdir().unwrap();
    // Where Node and the compiler look for packages.
    std::os::unix::fs::symlink(directory().join("node_modules"), place.path().join("node_modules")).unwrap();
    for (face, name) in FACES {
        let (document_file, types) =
            (place.path().join(format!("{name}.json")), place.path().join(format!("{name}.d.ts")));
        document(face, &document_file);
        succeed(tool("node_modules/.bin/openapi-typescript").arg(document_file).arg("--output").arg(types));
    }
    std::fs::write(place.path().join("package.json"), r#"{"type": "module"}"#).unwrap();
    std::fs::write(place.path().join("client.ts"), include_str!("clients/client.ts")).unwrap();
    let files = ["client.ts", "v1.d.ts", "api.d.ts", "api_v1.d.ts"];
    succeed(
        tool("node_modules/.bin/tsc")
            .current_dir(place.path())
            .args(["--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"])
            .args(["--lib", "es2022,dom"])
            .args(files),
    );

    let sandbox = Sandbox::start();
    let mut node = Command::new("node");
    node.arg("client.js").current_dir(place.path());
    node.env("CLARIBI_URL", sandbox.text("url")).env("CLARIBI_KEY", sandbox.text("key"));
    holds(&succeed(&mut node).stdout);
}

#[test]
fn a_generated_python_client_type_checks_and_works() {
    let place = tempfile::tempdir().unwrap();
    // The generator formats with the ruff beside it.
    let beside = directory().join("python/bin");
    let elsewhere = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(beside).chain(std::env::split_paths(&elsewhere))).unwrap();
    for (face, name) in FACES {
        let document_file = place.path().join(format!("{name}.json"));
        document(face, &document_file);
        let package = place.path().join(format!("claribi_{name}"));
        let mut generator = tool("python/bin/openapi-python-client");
        generator.args(["generate", "--meta", "none", "--fail-on-warning", "--path"]).arg(document_file);
        succeed(generator.arg("--output-path").arg(package).env("PATH", &path));
    }
    std::fs::write(place.path().join("client.py"), include_str!("clients/client.py")).unwrap();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/mypy.ini");
    for target in [&["client.py"][..], &["-p", "claribi_v1", "-p", "claribi_api", "-p", "claribi_api_v1"]] {
        let mut mypy = tool("python/bin/mypy");
        succeed(mypy.arg("--config-file").arg(&settings).args(target).current_dir(place.path()));
    }

    let sandbox = Sandbox::start();
    let mut python = tool("python/bin/python");
    python.arg("client.py").current_dir(place.path());
    python.env("CLARIBI_URL", sandbox.text("url")).env("CLARIBI_KEY", sandbox.text("key"));
    let printed = holds(&succeed(&mut python).stdout);
    assert!(printed["title"].is_string(), "{printed}");
}
