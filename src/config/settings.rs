//! The settings, one structure a section. `config.example.toml` explains each of them and holds its default; a test
//! keeps the two alike.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quantity::{Destination, Listen, Network, Period, PublicUrl, RedisUrl, Size, WebOrigin};

/// The longest that failed logins may count for.
const MONTH: Duration = Duration::from_secs(30 * 86_400);
/// What the longest windows of limits are counted over, and as much again.
const WINDOWS: i64 = 2 * 86_400_000;

/// The longest that a request may wait for Redis.
const SECOND: Duration = Duration::from_secs(1);

/// All settings.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Config {
    pub server: Server,
    pub log: Log,
    pub metrics: Metrics,
    pub auth: Auth,
    pub keys: Keys,
    /// By name. The four that ship are always there.
    pub plans: BTreeMap<String, Plan>,
    pub limits: Limits,
    pub credits: Credits,
    pub audit: Audit,
    pub worker: Worker,
    pub sources: Sources,
    pub outbound: Outbound,
    pub portal: Portal,
}

/// Listening, deadlines and caps.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Server {
    pub listen: Listen,
    pub public_url: Option<PublicUrl>,
    pub hosts: Vec<String>,
    pub trusted_proxies: Vec<Network>,
    pub cors_origins: Vec<WebOrigin>,
    pub max_connections: u32,
    pub max_connections_per_address: u32,
    pub header_timeout: Period,
    pub body_timeout: Period,
    pub body_minimum_rate: Size,
    pub write_stall_timeout: Period,
    pub json_limit: Size,
    pub sql_limit: Size,
    pub upload_limit: Size,
    pub generate_wait: Period,
    pub idempotency_ttl: Period,
    pub shutdown_grace: Period,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Who may read metrics, and where.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Metrics {
    pub listen: Option<Listen>,
    pub token_file: Option<PathBuf>,
}

/// Sessions and passwords.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Auth {
    pub access_ttl: Period,
    pub refresh_ttl: Period,
    pub sessions_per_user: u32,
    pub login_window: Period,
    pub login_failures: u32,
    pub login_failures_per_account: u32,
    pub login_failures_per_address: u32,
    pub invitation_ttl: Period,
    pub reset_ttl: Period,
    pub argon2_memory_kib: u32,
    pub argon2_iterations: u32,
}

/// The life of keys.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Keys {
    pub default_expiry: Option<Period>,
    pub max_lifetime: Option<Period>,
    pub max_grace: Period,
    pub max_per_organization: u32,
}

/// What an organisation on a plan may do and use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Plan {
    pub api_access: bool,
    pub requests_per_hour: u32,
    pub requests_per_day: u32,
    pub generation_per_hour: u32,
    pub generation_per_day: u32,
    pub credits_per_month: u32,
    pub ip_allowlist: bool,
    pub own_limits: bool,
    pub sandbox_organization: bool,
    pub trial_days: Option<u32>,
    pub query_timeout: Option<Period>,
    pub query_memory: Option<Size>,
    pub query_rows: Option<u32>,
    pub query_result: Option<Size>,
}

/// Limits that do not depend on the plan.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Limits {
    pub key_per_minute: u32,
    pub session_per_minute: u32,
    pub memory: Size,
    pub backend: LimitsBackend,
    pub redis_url: Option<RedisUrl>,
    pub redis_password_file: Option<PathBuf>,
    pub redis_ca_file: Option<PathBuf>,
    pub redis_timeout: Period,
    pub outage_share: u32,
    pub generation_in_outage: GenerationInOutage,
}

/// Where windows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitsBackend {
    /// In the server.
    Memory,
    /// In Redis or Valkey.
    Redis,
}

/// What becomes of generation requests while Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GenerationInOutage {
    /// The share of the limits is admitted.
    Local,
    /// They are refused.
    Refuse,
}

/// The factors of the cost function, in whole credits.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Credits {
    pub report: u32,
    pub section: u32,
    pub refresh: u32,
    pub widget: u32,
    pub million_rows: u32,
    pub format_pdf: u32,
}

/// What becomes of requests while the audit log cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// They are refused.
    Refuse,
    /// They are served.
    Degrade,
}

/// How the audit log is written.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Audit {
    pub fsync: bool,
    pub retention: Period,
    pub checkpoint_entries: u32,
    pub checkpoint_every: Period,
    pub unauthenticated_per_minute: u32,
    pub on_failure: OnFailure,
}

/// Worker processes and what a job may use.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Worker {
    /// 0 stands for the number of cores.
    pub queries: u32,
    /// 0 stands for half the number of cores.
    pub background: u32,
    pub connectors: u32,
    pub query_timeout: Period,
    pub job_timeout: Period,
    pub idle_timeout: Period,
    pub memory: Size,
    pub query_memory: Size,
    pub spill: Size,
    pub result_limit: Size,
    pub query_cache: Size,
    pub rows: u32,
    pub max_rows: u32,
}

/// Data sources.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Sources {
    pub quota: Size,
    pub free_disk: Size,
    pub max_per_organization: u32,
    pub shortest_interval: Period,
    pub allowed_dirs: Vec<PathBuf>,
    pub max_rows: u32,
}

/// What data sources may be connected to.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Outbound {
    pub allow: Vec<Destination>,
    pub file_limit: Size,
    pub ca_file: Option<PathBuf>,
}

/// The pages.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each setting is explained where it is set: in config.example.toml")]
pub struct Portal {
    pub public_reference: bool,
}

impl Config {
    /// The first setting whose value has the right type but cannot work, and why.
    pub(super) fn flaw(&self) -> Option<(String, &'static str)> {
        let (server, auth, keys, worker) = (&self.server, &self.auth, &self.keys, &self.worker);
        let limits = &self.limits;
        let (audit, sources) = (&self.audit, &self.sources);
        let expiry_fits = keys.default_expiry.is_none_or(|span| keys.max_lifetime.is_none_or(|most| span <= most));
        let rules = [
            (server.max_connections > 0, "server.max_connections", "it must be above 0"),
            (server.max_connections_per_address > 0, "server.max_connections_per_address", "it must be above 0"),
            (server.json_limit.bytes() > 0, "server.json_limit", "it must be above 0"),
            (auth.sessions_per_user > 0, "auth.sessions_per_user", "it must be above 0"),
            (auth.login_failures > 0, "auth.login_failures", "it must be above 0"),
            (auth.login_failures_per_account > 0, "auth.login_failures_per_account", "it must be above 0"),
            (auth.login_failures_per_address > 0, "auth.login_failures_per_address", "it must be above 0"),
            (auth.login_window.duration() <= MONTH, "auth.login_window", "it must not be longer than 30d"),
            (limits.key_per_minute > 0, "limits.key_per_minute", "it must be above 0"),
            (limits.session_per_minute > 0, "limits.session_per_minute", "it must be above 0"),
            (limits.memory.bytes() > 0, "limits.memory", "it must be above 0"),
            (
                limits.backend == LimitsBackend::Memory || limits.redis_url.is_some(),
                "limits.redis_url",
                "the backend `redis` needs it",
            ),
            ((1..=100).contains(&limits.outage_share), "limits.outage_share", "it must be 1 to 100 percent"),
            (limits.redis_timeout.duration() <= SECOND, "limits.redis_timeout", "it must not be longer than 1s"),
            (auth.argon2_memory_kib >= 8, "auth.argon2_memory_kib", "argon2 needs at least 8"),
            (auth.argon2_iterations > 0, "auth.argon2_iterations", "it must be above 0"),
            (auth.access_ttl <= auth.refresh_ttl, "auth.access_ttl", "it must not be longer than `auth.refresh_ttl`"),
            (expiry_fits, "keys.default_expiry", "it must not be longer than `keys.max_lifetime`"),
            (
                audit.retention.millis() >= WINDOWS,
                "audit.retention",
                "limits are counted from the log: it must be 48h or more",
            ),
            (audit.checkpoint_entries > 0, "audit.checkpoint_entries", "it must be above 0"),
            (worker.query_memory <= worker.memory, "worker.query_memory", "it must not be more than `worker.memory`"),
            (worker.rows > 0, "worker.rows", "it must be above 0"),
            (worker.connectors > 0, "worker.connectors", "it must be above 0"),
            (sources.max_per_organization > 0, "sources.max_per_organization", "it must be above 0"),
            (sources.max_rows > 0, "sources.max_rows", "it must be above 0"),
            (
                sources.allowed_dirs.iter().all(|directory| directory.is_absolute()),
                "sources.allowed_dirs",
                "each of them must go from the root",
            ),
            (worker.rows <= worker.max_rows, "worker.rows", "it must not be more than `worker.max_rows`"),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds);
        let plans = self.plans.iter().filter_map(|(name, plan)| {
            let (setting, reason) = plan.flaw().or_else(|| plan.query_flaw(worker))?;
            Some((format!("plans.{name}.{setting}"), reason))
        });
        broken.map(|(_, setting, reason)| (setting.to_owned(), reason)).into_iter().chain(plans).next()
    }
}

impl Plan {
    fn flaw(&self) -> Option<(&'static str, &'static str)> {
        const ABOVE_0: &str = "it must be above 0; `api_access = false` is what lets no key in";
        let days = "it must not be less than what the plan admits in an hour";
        let rules = [
            (self.requests_per_hour > 0, "requests_per_hour", ABOVE_0),
            (self.requests_per_day > 0, "requests_per_day", ABOVE_0),
            (self.generation_per_hour > 0, "generation_per_hour", ABOVE_0),
            (self.generation_per_day > 0, "generation_per_day", ABOVE_0),
            (self.requests_per_day >= self.requests_per_hour, "requests_per_day", days),
            (self.generation_per_day >= self.generation_per_hour, "generation_per_day", days),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map(|(_, setting, reason)| (setting, reason))
    }

    /// A plan narrows what the workers give a query, and cannot widen it.
    fn query_flaw(&self, worker: &Worker) -> Option<(&'static str, &'static str)> {
        const ABOVE_0: &str = "it must be above 0";
        let rules = [
            (
                self.query_timeout.is_none_or(|time| time <= worker.query_timeout),
                "query_timeout",
                "it must not be longer than `worker.query_timeout`, which holds for every plan",
            ),
            (self.query_memory.is_none_or(|size| size.bytes() > 0), "query_memory", ABOVE_0),
            (
                self.query_memory.is_none_or(|size| size <= worker.query_memory),
                "query_memory",
                "it must not be more than `worker.query_memory`, which holds for every plan",
            ),
            (self.query_rows.is_none_or(|rows| rows > 0), "query_rows", ABOVE_0),
            (
                self.query_rows.is_none_or(|rows| rows <= worker.max_rows),
                "query_rows",
                "it must not be more than `worker.max_rows`, which holds for every plan",
            ),
            (self.query_result.is_none_or(|size| size.bytes() > 0), "query_result", ABOVE_0),
            (
                self.query_result.is_none_or(|size| size <= worker.result_limit),
                "query_result",
                "it must not be more than `worker.result_limit`, which holds for every plan",
            ),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map(|(_, setting, reason)| (setting, reason))
    }
}
