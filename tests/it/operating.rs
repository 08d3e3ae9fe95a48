//! The operator's commands about people and organisations, in the real program, beside a running server.

use std::process::Output;

use serde_json::{Value, json};

use crate::binary::{Installation, Serving, text};

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim_end().to_owned()
}

fn as_json(output: &Output) -> Value {
    serde_json::from_str(&printed(output)).unwrap()
}

/// A link as it is printed in a pipe: alone. Gives its token.
fn token(link: &str) -> String {
    let (page, token) = link.split_once('#').unwrap();
    assert!(page.starts_with("http://127.0.0.1:") && page.ends_with("/password") && !link.contains('\n'), "{link}");
    token.to_owned()
}

fn choose(serving: &Serving, path: &str, token: &str, password: &str) -> u16 {
    serving.post(path, "", &json!({"token": token, "password": password}).to_string()).unwrap().status
}

fn log_in(serving: &Serving, email: &str, password: &str) -> u16 {
    serving.post("/api/auth/login/", "", &json!({"email": email, "password": password}).to_string()).unwrap().status
}

#[test]
fn users_are_invited_changed_and_reset_by_command_while_the_server_runs() {
    let installation = Installation::new();
    let serving = installation.serve();
    let run = |arguments: &[&str]| installation.run(arguments);
    let link = printed(&run(&["user", "create", "--email", "grace@example.com", "--role", "analyst"]));
    assert_eq!(log_in(&serving, "grace@example.com", "a long enough sentence"), 401);
    assert_eq!(choose(&serving, "/api/auth/accept-invitation/", &token(&link), "a long enough sentence"), 200);
    assert_eq!(log_in(&serving, "grace@example.com", "a long enough sentence"), 200);

    let key = printed(&run(&["key", "create", "--user", "grace@example.com", "--name", "x", "--scope", "read-write"]));
    let create = || serving.post("/v1/dashboards", &key, r#"{"name":"x"}"#).unwrap().status;
    assert_eq!(create(), 201);
    printed(&run(&["user", "set-role", "grace@example.com", "viewer"]));
    assert_eq!(create(), 403);
    printed(&run(&["user", "deactivate", "grace@example.com"]));
    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 401);
    let shown = as_json(&run(&["--json", "user", "list", "--status", "deactivated"]));
    assert_eq!((&shown[0]["email"], &shown[0]["role"]), (&json!("grace@example.com"), &json!("viewer")));
    printed(&run(&["user", "reactivate", "u_2"]));
    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);

    let reset = as_json(&run(&["--json", "user", "reset-password", "grace@example.com"]));
    let link = reset["reset"]["url"].as_str().unwrap();
    assert_eq!(choose(&serving, "/api/auth/reset-password/", &token(link), "another long sentence"), 200);
    assert_eq!(log_in(&serving, "grace@example.com", "a long enough sentence"), 401);

    let refused = run(&["user", "deactivate", "ada@example.com"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("last owner"), "{}", text(&refused.stderr));
    let unknown = run(&["user", "deactivate", "nobody@example.com"]);
    assert!(text(&unknown.stderr).contains("claribi user list"), "{}", text(&unknown.stderr));
}

#[test]
fn organizations_are_made_and_given_plans_and_credits_by_command() {
    let installation = Installation::new();
    let key = installation.key("first");
    let serving = installation.serve();
    let run = |arguments: &[&str]| installation.run(arguments);
    let globex = installation.run_with(
        &[
            "--json",
            "org",
            "create",
            "--name",
            "Globex",
            "--email",
            "hank@globex.example",
            "--plan",
            "trial",
            "--password-stdin",
        ],
        "a long enough sentence\n",
    );
    assert_eq!(as_json(&globex)["plan"], "trial");
    assert_eq!(log_in(&serving, "hank@globex.example", "a long enough sentence"), 200);
    assert_eq!(printed(&run(&["org", "list"])).lines().count(), 2);
    assert_eq!(run(&["org", "show"]).status.code(), Some(2), "which one is not said");
    let granted = as_json(&run(&["--json", "org", "grant-credits", "50", "--org", "Globex"]));
    assert_eq!(granted["credits"]["remaining"], 150);
    let raised = as_json(&run(&["--json", "org", "set-plan", "starter", "--org", "Globex"]));
    assert_eq!((&raised["plan"], &raised["credits"]["remaining"]), (&json!("starter"), &json!(550)));

    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);
    printed(&run(&["org", "set-plan", "starter", "--org", "Acme Corp"]));
    let refused = serving.get("/v1/dashboards", &key).unwrap();
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (403, Some("plan_required")));
    let wrong = run(&["org", "set-plan", "platinum", "--org", "Acme Corp"]);
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("enterprise"), "{}", text(&wrong.stderr));
}
