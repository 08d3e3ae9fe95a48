//! What the pages show, as data: each sample with its repairs and with what is shown of its answer.

/// A text of a sample, what stands in its place, and why. `{name}` is a fact of the installation that answers.
pub type Repair = (&'static str, &'static str, &'static str);

/// Lines for a shell.
pub struct Sample {
    pub name: &'static str,
    pub text: &'static str,
    pub repairs: &'static [Repair],
    pub status: u16,
    /// What the page shows of the answer; nothing where it shows nothing.
    pub shows: &'static str,
    /// Headers that the page promises, beside the request's id.
    pub headers: &'static [&'static str],
}

/// A program, and the lines that it is to print.
pub struct Program {
    pub name: &'static str,
    pub text: &'static str,
    pub repairs: &'static [Repair],
    pub prints: &'static [&'static str],
}

/// A line of the guide's list, in its order, with what the test has to add.
pub struct Endpoint {
    pub method: &'static str,
    pub path: &'static str,
    pub body: Option<&'static str>,
    pub status: u16,
}

const HOST: Repair = ("https://claribi.com", "{url}", "the host, and http on loopback");
const API_HOST: Repair = ("https://api.claribi.com", "{url}", "the host, and http on loopback");
const KEY: Repair = ("claribi_your_api_key", "{key}", "the reader's key");
const LIVE_KEY: Repair = ("claribi_sk_live_your_key_here", "{key}", "the reader's key");
const EMAIL: Repair = ("you@example.com", "{email}", "the reader's login");
const PASSWORD: Repair = ("your-password", "{password}", "the reader's login");
const TEMPLATE: Repair = ("your-template-uuid", "{template}", "an id that the reader fills in");
const SOURCE: Repair = ("source-uuid-1", "{source uuid}", "an id that the reader fills in");
const LINE_BREAK: Repair = (" \\ -H", " -H", "the break of the line behind the backslash is lost");
const LAST_LINE_BREAK: Repair = (" \\ -d", " -d", "the break of the line behind the backslash is lost");
const ESCAPED: Repair = ("\\${", "${", "a backslash that belongs to the page's own template");

const LIMITS: &[&str] = &["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

const TOKENS: &str =
    r#"{"access": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...", "refresh": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9..."}"#;
const STATUS: &str = r#"{
    "user": {"id": 1, "email": "you@example.com", "first_name": "Jane", "last_name": "Smith", "role": "administrator"},
    "organization": {"id": 1, "name": "Acme Corp", "plan": "professional", "ai_credits_remaining": 1347}
}"#;

pub const SAMPLES: &[Sample] = &[
    Sample {
        name: "000-dashboards",
        text: include_str!("000-dashboards.sh"),
        repairs: &[HOST, ("claribi_abc123...", "{key}", "the reader's key")],
        status: 200,
        shows: "",
        headers: LIMITS,
    },
    Sample {
        name: "001-verify",
        text: include_str!("001-verify.sh"),
        repairs: &[HOST, KEY],
        status: 200,
        // Told in words: key info, permissions, and organization details.
        shows: r#"{"key": {"name": "..."}, "permissions": ["reports:read"], "organization": {"name": "..."}}"#,
        headers: LIMITS,
    },
    Sample {
        name: "001-list",
        text: include_str!("001-list.sh"),
        repairs: &[HOST, KEY],
        status: 200,
        shows: "",
        headers: LIMITS,
    },
    Sample {
        name: "001-generate",
        text: include_str!("001-generate.sh"),
        repairs: &[
            HOST,
            KEY,
            (r#""template_id":"uuid""#, r#""template_id":"{template}""#, "an id that the reader fills in"),
            (r#"["uuid"]"#, r#"["{source uuid}"]"#, "an id that the reader fills in"),
        ],
        status: 201,
        // The fields that the page's Python sample reads.
        shows: r#"{"report_id": "uuid", "credits_consumed": 25}"#,
        headers: LIMITS,
    },
    Sample {
        name: "002-data-sources",
        text: include_str!("002-data-sources.sh"),
        repairs: &[HOST, LIVE_KEY],
        status: 200,
        shows: "",
        headers: LIMITS,
    },
    Sample {
        name: "003-dashboards",
        text: include_str!("003-dashboards.sh"),
        repairs: &[API_HOST, LINE_BREAK],
        status: 200,
        shows: r#"{"data": [{"id": "d_7f3a", "name": "Q2 Revenue"}], "next_cursor": null}"#,
        headers: LIMITS,
    },
    Sample {
        name: "003-run",
        text: include_str!("003-run.sh"),
        repairs: &[API_HOST, LINE_BREAK, LAST_LINE_BREAK, ("r_42", "{report}", "an id that the reader fills in")],
        status: 202,
        shows: r#"{"run_id": "run_9c2e", "status": "queued", "estimated_ready_at": "2026-04-06T09:15:30Z"}"#,
        headers: LIMITS,
    },
    Sample {
        name: "004-login",
        text: include_str!("004-login.sh"),
        repairs: &[HOST, EMAIL, PASSWORD],
        status: 200,
        shows: TOKENS,
        headers: &[],
    },
    Sample {
        name: "004-status-by-token",
        text: include_str!("004-status-by-token.sh"),
        repairs: &[HOST, ("eyJ0eXAi...", "{access}", "the token of the login")],
        status: 200,
        shows: STATUS,
        headers: LIMITS,
    },
    Sample {
        name: "004-refresh",
        text: include_str!("004-refresh.sh"),
        repairs: &[HOST, ("eyJ0eXAi...", "{refresh}", "the token of the login")],
        status: 200,
        shows: r#"{"access": "eyJ0eXAi..."}"#,
        headers: &[],
    },
    Sample {
        name: "004-data-sources",
        text: include_str!("004-data-sources.sh"),
        repairs: &[HOST, LIVE_KEY],
        status: 200,
        shows: r#"{"count": 24, "next": null, "previous": null, "results": [{"id": 1, "name": "Revenue"}]}"#,
        headers: LIMITS,
    },
    Sample {
        name: "004-first-request",
        text: include_str!("004-first-request.sh"),
        repairs: &[HOST, EMAIL, PASSWORD],
        status: 200,
        shows: STATUS,
        headers: LIMITS,
    },
    Sample {
        name: "004-status-by-key",
        text: include_str!("004-status-by-key.sh"),
        repairs: &[HOST, LIVE_KEY],
        status: 200,
        shows: STATUS,
        headers: LIMITS,
    },
];

pub const PROGRAMS: &[Program] = &[
    Program {
        name: "001-python.py",
        text: include_str!("001-python.py"),
        repairs: &[
            HOST,
            KEY,
            ("\nCheck usage\n", "\n# Check usage\n", "a comment that was taken for a heading"),
            ("\nGenerate a report\n", "\n# Generate a report\n", "a comment that was taken for a heading"),
            TEMPLATE,
            SOURCE,
        ],
        prints: &["Credits remaining: 1347", "Report ID: 2f1c", "Credits used: 25"],
    },
    Program {
        name: "001-javascript.mjs",
        text: include_str!("001-javascript.mjs"),
        repairs: &[
            HOST,
            KEY,
            ESCAPED,
            ("// Refresh a dashboard\n", "const dashboardId = '{dashboard uuid}';\n", "an id that the reader fills in"),
        ],
        prints: &["Credits: 1347", "Credits used: 25"],
    },
];

const fn line(method: &'static str, path: &'static str, body: Option<&'static str>, status: u16) -> Endpoint {
    Endpoint { method, path, body, status }
}

pub const ENDPOINTS: &[Endpoint] = &[
    line("GET", "/api/v1/auth/verify/", None, 200),
    line("GET", "/api/v1/usage/", None, 200),
    line("GET", "/api/v1/reports/", None, 200),
    line(
        "POST",
        "/api/v1/reports/generate/",
        Some(r#"{"template_id":"{template}","data_source_ids":["{source uuid}"],"output_format":"csv"}"#),
        201,
    ),
    line("GET", "/api/v1/reports/{id}/", None, 200),
    line("GET", "/api/v1/reports/{id}/download/", None, 200),
    line("DELETE", "/api/v1/reports/{id}/", None, 200),
    line("GET", "/api/v1/dashboards/", None, 200),
    line("POST", "/api/v1/dashboards/", Some(r#"{"name":"Revenue Dashboard"}"#), 201),
    line("GET", "/api/v1/dashboards/{id}/", None, 200),
    line("PATCH", "/api/v1/dashboards/{id}/", Some(r#"{"name":"Marketing Funnel"}"#), 200),
    // With the content type of JSON and no body, as the JavaScript sample sends it.
    line("POST", "/api/v1/dashboards/{id}/refresh/", None, 200),
    line("DELETE", "/api/v1/dashboards/{id}/", None, 200),
    line("GET", "/api/v1/data-sources/", None, 200),
    line("GET", "/api/v1/data-sources/{id}/", None, 200),
];

/// What the pages tell of without showing a request, and what does not answer yet.
pub const NOT_YET: &[(&str, &str, &str)] = &[
    ("GET", "/v1/goals", "goals and milestones are not there yet"),
    ("GET", "/v1/webhooks", "the page itself has them on the roadmap"),
    ("GET", "/v1/alerts", "usage alerts are not there yet"),
    ("GET", "/portal/", "the developer portal"),
];
