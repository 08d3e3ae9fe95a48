//! An installation that the samples are sent to, and the programs that send them.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::pages::Repair;
use crate::sandbox::Sandbox;
use crate::tools::{run, said, succeed, tool};

/// A sandbox with the facts that the samples leave to their reader.
pub struct Replay {
    pub sandbox: Sandbox,
    facts: BTreeMap<&'static str, String>,
    /// Of curl's settings and of the programs' files.
    directory: tempfile::TempDir,
}

/// What curl was answered.
pub struct Answer {
    pub status: u16,
    pub body: String,
    head: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        self.try_json().unwrap_or_else(|| panic!("no JSON: {}", self.body))
    }

    pub fn try_json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Replay {
    /// A sandbox with these variables for settings.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::with(settings);
        let directory = tempfile::tempdir().unwrap();
        let first_id = |path: &str| {
            let listed = sandbox.get(path);
            listed["data"][0]["id"].as_str().unwrap().to_owned()
        };
        let login = sandbox.ask("POST", "/api/auth/login/", "", Some(&sandbox.said()["owner"].to_string())).json();
        let report = serde_json::json!({
            "name": "Weekly", "template_id": sandbox.text("report_template_id"),
            "data_source_ids": [sandbox.text("data_source_id")],
        });
        let report = sandbox.ask("POST", "/v1/reports", sandbox.text("key"), Some(&report.to_string())).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let facts = BTreeMap::from([
            ("url", sandbox.text("url").to_owned()),
            ("key", sandbox.text("key").to_owned()),
            ("email", text(&sandbox.said()["owner"]["email"])),
            ("password", text(&sandbox.said()["owner"]["password"])),
            ("template", sandbox.text("report_template_id").to_owned()),
            ("dashboard", sandbox.text("dashboard_id").to_owned()),
            ("dashboard uuid", first_id("/api/v1/dashboards/")),
            ("source uuid", first_id("/api/v1/data-sources/")),
            ("report", text(&report["id"])),
            ("access", text(&login["access"])),
            ("refresh", text(&login["refresh"])),
        ]);
        // curl reads its settings from here: the samples' own lines stay as they are.
        let head = directory.path().join("head");
        let settings = format!("silent\nshow-error\ndump-header = \"{}\"\n", head.display());
        std::fs::write(directory.path().join(".curlrc"), settings).unwrap();
        Self { sandbox, facts, directory }
    }

    pub fn fact(&self, name: &str) -> &str {
        &self.facts[name]
    }

    /// Puts the facts where a text names them.
    pub fn fill(&self, text: &str) -> String {
        let put = |text: String, (name, value): (&&str, &String)| text.replace(&format!("{{{name}}}"), value);
        self.facts.iter().fold(text.to_owned(), put)
    }

    fn repaired(&self, text: &str, repairs: &[Repair]) -> String {
        repairs.iter().fold(text.to_owned(), |text, (lost, meant, why)| {
            assert!(text.contains(lost), "`{lost}` ({why}) is not in the sample");
            text.replace(lost, &self.fill(meant))
        })
    }

    /// Runs lines of a shell, whose last curl's answer counts.
    pub fn shell(&self, text: &str, repairs: &[Repair]) -> Answer {
        let script = self.repaired(text, repairs);
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script]).env("CURL_HOME", self.directory.path()).env("CLARIBI_KEY", self.fact("key"));
        let output = run(&mut shell);
        assert!(output.status.success(), "{script}\n{}", said(&output));
        let head = std::fs::read_to_string(self.directory.path().join("head")).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: String::from_utf8_lossy(&output.stdout).into_owned() }
    }

    /// Runs a program, and gives what it printed.
    pub fn program(&self, name: &str, text: &str, repairs: &[Repair]) -> String {
        let file = self.directory.path().join(name);
        std::fs::write(&file, self.repaired(text, repairs)).unwrap();
        let mut command = match name.rsplit('.').next() {
            Some("py") => tool("python/bin/python"),
            _ => Command::new("node"),
        };
        String::from_utf8(succeed(command.arg(file)).stdout).unwrap()
    }
}
