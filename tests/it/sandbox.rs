//! The sandbox as an evaluator meets it: the real program, real data, numbers that others computed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::binary::{Answer, ask, free_address};
use crate::known::{TOLERANCE, campaigns, flights, orders};

/// A sandbox that is served, ended with the value.
pub struct Sandbox {
    child: Child,
    directory: tempfile::TempDir,
    said: Value,
}

impl Sandbox {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these variables for settings.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_claribi"))
            .envs(settings.iter().copied())
            .args(["--json", "sandbox", "--listen", &free_address().to_string()])
            .arg("--data-dir")
            .arg(directory.path().join("sandbox"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, directory, said }
    }

    /// A new key of one of its users, made by command.
    pub fn key_of(&self, role: &str, scope: &str) -> String {
        let user = format!("{role}@sandbox.example");
        let made = Command::new(env!("CARGO_BIN_EXE_claribi"))
            .arg("--data-dir")
            .arg(self.directory.path().join("sandbox"))
            .args(["key", "create", "--user", &user, "--name", "made for a test", "--scope", scope])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// Where its data directory is, and where a program may leave something.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The line that it printed.
    pub fn said(&self) -> &Value {
        &self.said
    }

    pub fn text(&self, name: &str) -> &str {
        self.said[name].as_str().unwrap()
    }

    pub fn ask(&self, method: &str, path: &str, key: &str, body: Option<&str>) -> Answer {
        let host = self.text("url").strip_prefix("http://").unwrap();
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nConnection: close\r\n{kind}\r\n{body}"
        );
        ask(host.parse().unwrap(), &request).unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, self.text("read_only_key"), None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The numbers of a dashboard's results, wherever they stand.
fn numbers(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Number(number) => into.extend(number.as_f64()),
        Value::String(text) => into.extend(text.parse::<f64>().ok()),
        Value::Array(values) => values.iter().for_each(|value| numbers(value, into)),
        Value::Object(fields) => fields.values().for_each(|value| numbers(value, into)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether each of these numbers is among a dashboard's results.
fn shows(dashboard: &Value, known: &[f64]) {
    let mut found = Vec::new();
    for widget in dashboard["widgets"].as_array().unwrap() {
        for part in ["value", "series", "rows"] {
            numbers(&widget[part], &mut found);
        }
    }
    for number in known {
        let there = found.iter().any(|other| (other - number).abs() <= TOLERANCE * number.abs());
        assert!(there, "{number} is not on {}", dashboard["name"]);
    }
}

fn near(found: f64, known: f64) {
    assert!((found - known).abs() <= TOLERANCE * known.abs(), "{found} instead of {known}");
}

#[test]
fn the_sandbox_answers_with_numbers_that_others_computed_too() {
    let sandbox = Sandbox::start();
    let mut names: Vec<&str> = sandbox.said.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let promised = ["dashboard_id", "data_source_id", "key", "owner", "read_only_key", "report_template_id", "url"];
    assert_eq!(names, promised);
    assert_eq!(sandbox.said["owner"].as_object().unwrap().len(), 2);
    assert!(sandbox.text("key").starts_with("claribi_sk_test_"));

    let revenue = sandbox.get(&format!("/v1/dashboards/{}", sandbox.text("dashboard_id")));
    shows(
        &revenue,
        &[
            orders::REVENUE as f64,
            orders::GROWTH,
            orders::ORDERS as f64,
            orders::AVERAGE_ORDER_VALUE,
            orders::REVENUE_OF_FIRST_WEEK as f64,
            orders::REVENUE_OF_LAST_WEEK_A_YEAR_BEFORE as f64,
            orders::REVENUE_IN_EUROPE as f64,
            orders::REVENUE_IN_EUROPE_BEFORE as f64,
            orders::REVENUE_OF_TOP_PRODUCT as f64,
            orders::UNITS_OF_TOP_PRODUCT as f64,
            orders::EUROPE_REACHED,
        ],
    );
    assert_eq!(revenue["name"], "Q2 Revenue");
    assert_eq!(revenue["widgets"][0]["value"], 680_420);
    assert_eq!(revenue["widgets"][0]["target"], 1_000_000);
    assert_eq!(orders::REVENUE, 680_420);

    let listed = sandbox.get("/v1/dashboards");
    let dashboards = listed["data"].as_array().unwrap();
    let id = |name: &str| {
        let found = dashboards.iter().find(|dashboard| dashboard["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["id"].as_str().unwrap().to_owned()
    };
    for dashboard in dashboards {
        let whole = sandbox.get(&format!("/v1/dashboards/{}", dashboard["id"].as_str().unwrap()));
        for widget in whole["widgets"].as_array().unwrap() {
            assert!(widget["error"].is_null(), "{widget}");
        }
    }
    let punctual = sandbox.get(&format!("/v1/dashboards/{}", id("On-time performance")));
    shows(
        &punctual,
        &[
            flights::FLIGHTS as f64,
            flights::NEVER_DEPARTED as f64,
            flights::MEAN_DEPARTURE_DELAY,
            flights::SHARE_ON_TIME,
            flights::MEAN_DEPARTURE_DELAY_ON_NEW_YEAR,
            flights::MEAN_DEPARTURE_DELAY_OF_FRONTIER,
            flights::MEAN_ARRIVAL_DELAY_OF_US_AIRWAYS,
            flights::MEAN_DEPARTURE_DELAY_FROM_NEWARK_AT_SEVEN_PM,
            flights::MEAN_DEPARTURE_DELAY_WHEN_DRY,
            flights::ARRIVALS_AT_COLUMBIA as f64,
            flights::MEAN_ARRIVAL_DELAY_AT_COLUMBIA,
        ],
    );
    let funnel = sandbox.get(&format!("/v1/dashboards/{}", id("Marketing Funnel")));
    shows(
        &funnel,
        &[
            campaigns::SPEND as f64,
            campaigns::LEADS as f64,
            campaigns::OPPORTUNITIES as f64,
            campaigns::NEW_CUSTOMERS as f64,
            campaigns::COST_PER_CUSTOMER,
            campaigns::SEARCH_LEADS_IN_JUNE as f64,
            campaigns::COST_PER_CUSTOMER_BY_EMAIL,
        ],
    );
    assert_eq!(flights::FLIGHTS, 336_776);

    let query = |sql: &str| {
        let body = serde_json::json!({"sql": sql}).to_string();
        let answer = sandbox.ask("POST", "/v1/query", sandbox.text("read_only_key"), Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["rows"][0][0].as_f64().unwrap()
    };
    near(query("SELECT count(DISTINCT carrier) FROM nyc_flights.flights"), flights::CARRIERS as f64);
    near(query("SELECT count(*) FROM nyc_flights.flights WHERE dep_time IS NULL"), 8_255.0);
    near(query("SELECT avg(dep_delay) FROM nyc_flights.flights"), 12.639_070_257_304_708);

    // A reader's key makes nothing; the owner's makes a report of the flights.
    let wanted = serde_json::json!({
        "template_id": sandbox.text("report_template_id"), "data_source_ids": [sandbox.text("data_source_id")],
        "output_format": "json",
    });
    let refused = sandbox.ask("POST", "/v1/reports/generate", sandbox.text("read_only_key"), Some(&wanted.to_string()));
    assert_eq!((refused.status, refused.json()["error"]["permission"].as_str()), (403, Some("reports:generate")));
}

#[test]
fn the_page_and_the_reference_load_in_a_browser_without_a_refusal() {
    let sandbox = Sandbox::start();
    for (path, seen) in [("/", "680,420"), ("/docs/", "List dashboards"), ("/docs/redoc", "CLARIBI_KEY")] {
        let profile = tempfile::tempdir().unwrap();
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=20000"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("{}{path}", sandbox.text("url")))
            .output()
            .expect("chromium, which tests/run installs");
        let (page, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(page.contains(seen), "{path} does not show {seen}: {page}");
        assert!(!log.contains("Content Security Policy"), "{path}: {log}");
    }
}
