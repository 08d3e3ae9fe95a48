//! From the configuration to what each part of the program is told: the one place that knows both sides.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use crate::config::{self, Config, GenerationInOutage, LimitsBackend, LogFormat};
use crate::domain::credits::Factors;
use crate::domain::login::LoginLimits;
use crate::domain::plan::{Plan, QueryCaps};
use crate::domain::user::LinkTtl;
use crate::http::cors::Origins;
use crate::http::listener::Limits;
use crate::http::settings::{HttpSettings, MetricsToken, SandboxPage};
use crate::outbound::guard::Guard;
use crate::outbound::redis::{Redis, RedisSettings};
use crate::outbound::resolve::Names;
use crate::service::app::{Argon2Cost, KeyRules, OutboundRules, Settings};
use crate::service::audit::AuditRules;
use crate::service::limits::shared::{InOutage, SharedRules};
use crate::store::{OnFailure, StoreSettings};
use crate::telemetry::Shape;
use crate::worker::pool::PoolSettings;
use crate::worker::protocol::QueryLimits;

/// How long an upload waits for its import before it is answered 202.
const UPLOAD_WAIT: Duration = Duration::from_secs(10);
/// How long each 64 KiB of a file from the web are waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// This program, also when its file was replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// What the use cases are told.
pub fn services(config: &Config) -> Result<Settings, Failure> {
    let plans = config.plans.iter().map(|(name, found)| (name.clone(), Arc::new(plan(name, found))));
    Ok(Settings {
        plans: plans.collect::<BTreeMap<_, _>>(),
        key_per_minute: config.limits.key_per_minute,
        session_per_minute: config.limits.session_per_minute,
        limiter_memory: config.limits.memory.bytes(),
        shared_limits: shared_limits(config)?,
        credits: Factors {
            report: config.credits.report.into(),
            refresh: config.credits.refresh.into(),
            widget: config.credits.widget.into(),
            section: config.credits.section.into(),
            million_rows: config.credits.million_rows.into(),
            pdf: config.credits.format_pdf.into(),
        },
        access_ttl: config.auth.access_ttl.duration(),
        refresh_ttl: config.auth.refresh_ttl.duration(),
        sessions_of_one: config.auth.sessions_per_user,
        logins: LoginLimits {
            window: config.auth.login_window.duration(),
            failures: config.auth.login_failures,
            failures_per_account: config.auth.login_failures_per_account,
            failures_per_address: config.auth.login_failures_per_address,
        },
        link_ttl: LinkTtl {
            invitation: config.auth.invitation_ttl.duration(),
            reset: config.auth.reset_ttl.duration(),
        },
        argon2: Argon2Cost { memory_kib: config.auth.argon2_memory_kib, iterations: config.auth.argon2_iterations },
        query: QueryLimits {
            rows: config.worker.rows.into(),
            bytes: config.worker.result_limit.bytes(),
            memory_bytes: config.worker.query_memory.bytes(),
            spill_bytes: config.worker.spill.bytes(),
            millis: u64::try_from(config.worker.query_timeout.millis()).unwrap_or(u64::MAX),
        },
        max_rows: config.worker.max_rows.into(),
        query_cache: config.worker.query_cache.bytes(),
        sql_limit: config.server.sql_limit.bytes(),
        job_timeout: config.worker.job_timeout.duration(),
        upload_wait: UPLOAD_WAIT,
        generate_wait: config.server.generate_wait.duration(),
        idempotency_ttl: config.server.idempotency_ttl.duration(),
        source_quota: config.sources.quota.bytes(),
        free_disk: config.sources.free_disk.bytes(),
        sources_of_one: config.sources.max_per_organization.into(),
        sync_interval: config.sources.shortest_interval.duration(),
        source_rows: config.sources.max_rows.into(),
        allowed_dirs: config.sources.allowed_dirs.clone(),
        outbound: OutboundRules {
            guard: Arc::new(guard(config)?),
            file_limit: config.outbound.file_limit.bytes(),
            patience: PATIENCE,
        },
        keys: KeyRules {
            default_expiry: config.keys.default_expiry.map(config::Period::duration),
            max_lifetime: config.keys.max_lifetime.map(config::Period::duration),
            max_grace: config.keys.max_grace.duration(),
            max_per_organization: config.keys.max_per_organization.into(),
        },
        audit: AuditRules {
            retention: config.audit.retention.duration(),
            checkpoint_entries: config.audit.checkpoint_entries.into(),
            checkpoint_every: config.audit.checkpoint_every.duration(),
            unauthenticated_per_minute: config.audit.unauthenticated_per_minute,
        },
    })
}

/// Who may be connected to, and whose certificates are believed.
fn guard(config: &Config) -> Result<Guard, Failure> {
    let allow = config.outbound.allow.iter().map(|listed| listed.0.clone()).collect();
    let guard = Guard::new(allow, Names::System);
    let Some(path) = &config.outbound.ca_file else { return Ok(guard) };
    let unusable = |error: String| {
        Failure::failed(format!("the file {} of the setting `outbound.ca_file` {error}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    guard.trusting(&pem).map_err(|error| unusable(format!("has no certificates that can be used: {error}")))
}

/// How windows are shared, and where.
fn shared_limits(config: &Config) -> Result<Option<SharedRules>, Failure> {
    let limits = &config.limits;
    let (LimitsBackend::Redis, Some(url)) = (limits.backend, &limits.redis_url) else { return Ok(None) };
    let read = |path: &PathBuf, setting: &str| {
        std::fs::read(path).map_err(|error| {
            Failure::failed(format!("the file {} of the setting `{setting}` cannot be read: {error}", path.display()))
        })
    };
    let password = limits.redis_password_file.as_ref().map(|path| read(path, "limits.redis_password_file"));
    let password = password.transpose()?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned().into());
    let authorities = limits.redis_ca_file.as_ref().map(|path| read(path, "limits.redis_ca_file")).transpose()?;
    let redis = Redis::new(RedisSettings {
        url: url.as_str().to_owned(),
        password,
        authorities,
        deadline: limits.redis_timeout.duration(),
    });
    let redis =
        redis.map_err(|error| Failure::failed(format!("the Redis of `limits.redis_url` cannot be used: {error}")));
    let generation = match limits.generation_in_outage {
        GenerationInOutage::Local => InOutage::Local,
        GenerationInOutage::Refuse => InOutage::Refuse,
    };
    Ok(Some(SharedRules { redis: Arc::new(redis?), share: limits.outage_share, generation }))
}

fn plan(name: &str, plan: &config::Plan) -> Plan {
    Plan {
        name: name.to_owned(),
        api_access: plan.api_access,
        requests_per_hour: plan.requests_per_hour,
        requests_per_day: plan.requests_per_day,
        generation_per_hour: plan.generation_per_hour,
        generation_per_day: plan.generation_per_day,
        credits_per_month: plan.credits_per_month.into(),
        ip_allowlist: plan.ip_allowlist,
        own_limits: plan.own_limits,
        sandbox_organization: plan.sandbox_organization,
        trial_days: plan.trial_days,
        query: QueryCaps {
            millis: plan.query_timeout.map(|time| u64::try_from(time.millis()).unwrap_or(u64::MAX)),
            memory_bytes: plan.query_memory.map(config::Size::bytes),
            rows: plan.query_rows.map(u64::from),
            result_bytes: plan.query_result.map(config::Size::bytes),
        },
        goes_on: None,
    }
}

/// What the HTTP side is told.
pub fn http(config: &Config, sandbox: Option<SandboxPage>) -> Result<HttpSettings, Failure> {
    let server = &config.server;
    let proxies: Vec<_> = server.trusted_proxies.iter().map(|network| network.0).collect();
    Ok(HttpSettings {
        limits: Limits {
            connections: server.max_connections as usize,
            connections_per_address: server.max_connections_per_address as usize,
            proxies: proxies.clone(),
            header_timeout: server.header_timeout.duration(),
            write_stall: server.write_stall_timeout.duration(),
            shutdown_grace: server.shutdown_grace.duration(),
            ..Limits::default()
        },
        public_url: server.public_url.as_ref().map(|url| url.as_str().to_owned()),
        hosts: server.hosts.clone(),
        trusted_proxies: proxies,
        origins: Origins::new(server.cors_origins.iter().map(config::WebOrigin::as_str)),
        json_limit: server.json_limit.bytes(),
        upload_limit: server.upload_limit.bytes(),
        body_timeout: server.body_timeout.duration(),
        body_minimum_rate: server.body_minimum_rate.bytes(),
        public_reference: config.portal.public_reference,
        metrics_token: config.metrics.token_file.as_deref().map(metrics_token).transpose()?,
        sandbox,
    })
}

fn metrics_token(path: &Path) -> Result<MetricsToken, Failure> {
    let refused = |reason: String| {
        Failure::failed(format!(
            "the file {} of the setting `metrics.token_file` cannot be used: {reason}",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    MetricsToken::new(&text).map_err(refused)
}

/// What the pool of workers is told.
pub fn pool(config: &Config, scratch: PathBuf) -> PoolSettings {
    let worker = &config.worker;
    PoolSettings {
        program: PROGRAM.into(),
        scratch,
        queries: queries(config),
        background: background(config),
        connectors: worker.connectors as usize,
        idle: worker.idle_timeout.duration(),
        memory_bytes: worker.memory.bytes(),
        // An extract may be as long as the upload that it is made of.
        file_bytes: worker.spill.bytes().max(config.server.upload_limit.bytes()),
    }
}

fn queries(config: &Config) -> usize {
    match config.worker.queries as usize {
        0 => cores(),
        count => count,
    }
}

/// Imports and reports that run at once.
pub fn background(config: &Config) -> usize {
    match config.worker.background as usize {
        0 => cores().div_ceil(2),
        count => count,
    }
}

/// How the databases are kept.
pub fn store(config: &Config) -> StoreSettings {
    let readers = u32::try_from(cores() * 2).unwrap_or(4).clamp(4, 32);
    let audit_failure = match config.audit.on_failure {
        config::OnFailure::Refuse => OnFailure::Refuse,
        config::OnFailure::Degrade => OnFailure::Degrade,
    };
    StoreSettings { audit_fsync: config.audit.fsync, audit_failure, readers }
}

/// How lines of the log look.
pub fn log_shape(format: LogFormat, terminal: bool) -> Shape {
    match (format, terminal) {
        (LogFormat::Json, _) | (LogFormat::Auto, false) => Shape::Json,
        (LogFormat::Text | LogFormat::Auto, true) => Shape::Colours,
        (LogFormat::Text, false) => Shape::Plain,
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get)
}
