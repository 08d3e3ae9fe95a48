//! Metrics in the OpenMetrics text format: calls as they end, and what the rest of the house counts, read at a scrape.
//!
//! Labels are names of ours alone, so that no client can make a new series: no paths, no keys, no organisations. Where
//! metrics are shown is the operator's choice: on a listener of their own, or to who has the token.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::edge::Edge;
use super::face::Face;
use super::listener::{Answered, Counters, Peer, Serve};
use super::pages;
use crate::domain::audit::kind::Outcome;
use crate::domain::error::{Error, Result};
use crate::service::app::App;
use crate::service::limits::LimiterLoad;
use crate::service::limits::shared::SharedLoad;

/// The media type of the format.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The upper ends of the classes of latency, in seconds: from a cached read to a report that is waited for.
const LATENCIES: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];

type Label = (&'static str, &'static str);

/// Everything that is measured. Made once and shared.
pub struct Metrics {
    registry: Registry,
    calls: Family<[Label; 2], Counter>,
    latency: Family<[Label; 1], Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    connections: Arc<OnceLock<Arc<Counters>>>,
}

impl Metrics {
    pub(super) fn new(app: App) -> Arc<Self> {
        let calls = Family::default();
        let latency: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(|| Histogram::new(LATENCIES));
        let in_flight = Gauge::default();
        let connections = Arc::new(OnceLock::new());
        let mut registry = Registry::with_prefix("claribi");
        registry.register("build", "The running program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("requests", "Calls that ended, by operation and outcome", calls.clone());
        registry.register_with_unit(
            "request_duration",
            "From the head of a call to its answer, without the commit of its audit row",
            Unit::Seconds,
            latency.clone(),
        );
        registry.register("requests_in_flight", "Calls that have begun and not ended", in_flight.clone());
        registry.register_collector(Box::new(House { app, connections: connections.clone() }));
        Arc::new(Self { registry, calls, latency, in_flight, connections })
    }

    /// Tells where connections are counted.
    pub(super) fn count_connections(&self, counters: Arc<Counters>) {
        let _ = self.connections.set(counters);
    }

    /// A call has begun; it is in flight until the value is dropped.
    pub(super) fn begun(self: &Arc<Self>) -> InFlight {
        self.in_flight.inc();
        InFlight(Arc::clone(self))
    }

    /// A call has ended.
    pub(super) fn ended(&self, operation: &'static str, outcome: Outcome, latency: Duration) {
        self.calls.get_or_create(&[("operation", operation), ("outcome", outcome.as_str())]).inc();
        self.latency.get_or_create(&[("operation", operation)]).observe(latency.as_secs_f64());
    }

    /// All of it, as text.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(32 << 10);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Answers a scrape.
    ///
    /// # Errors
    /// `MethodNotAllowed` for all but reading.
    pub(super) fn answer(&self, method: &Method) -> Result<Response> {
        if let Some(answer) = pages::other_method(method) {
            return answer;
        }
        let text = self.text().map_err(Error::internal)?;
        Ok(pages::with_headers(Response::builder().content_type(MEDIA_TYPE).body(text)))
    }
}

/// A call in flight.
pub struct InFlight(Arc<Metrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// Refuses who has not the token, where there is one.
pub(super) fn refused(edge: &Edge, headers: &HeaderMap) -> Option<Response> {
    let token = edge.shared().settings.metrics_token.as_ref()?;
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if sent.is_some_and(|(_, sent)| token.is(sent.trim())) {
        return None;
    }
    let mut response =
        (StatusCode::UNAUTHORIZED, "Send the metrics token as `Authorization: Bearer`.\n").into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"claribi metrics\""));
    Some(pages::with_headers(response))
}

/// A listener that shows metrics and health, and nothing else.
pub struct Scraped(Edge);

impl Scraped {
    /// The metrics of a server.
    pub fn new(edge: Edge) -> Self {
        Self(edge)
    }
}

impl Serve for Scraped {
    type Body = http_body_util::combinators::BoxBody<bytes::Bytes, std::io::Error>;

    async fn serve(&self, request: hyper::Request<Incoming>, _peer: Peer) -> Answered<Self::Body> {
        let (method, path) = (request.method(), request.uri().path());
        let answer = match pages::health(&self.0, method, path) {
            Some(answer) => answer,
            None if path == "/metrics" => match refused(&self.0, request.headers()) {
                Some(refusal) => Ok(refusal),
                None => self.0.shared().metrics.answer(method),
            },
            None => Err(Error::NoSuchPath),
        };
        let mut response = answer.unwrap_or_else(|error| self.0.no_call(Face::V1, request.headers(), None, &error));
        if method == Method::HEAD {
            super::edge::drop_body(&mut response);
        }
        Ok(response.into())
    }
}

/// What the other parts of the house count by themselves.
struct House {
    app: App,
    connections: Arc<OnceLock<Arc<Counters>>>,
}

impl fmt::Debug for House {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("House")
    }
}

impl Collector for House {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut page = Page(encoder);
        if let Some(counters) = self.connections.get() {
            page.connections(counters)?;
        }
        let load = self.app.load();
        page.gauge("writer_queue", "Transactions that wait for the writer of claribi.db", load.store.waiting as f64)?;
        page.counter("writer_transactions", "Transactions on claribi.db", load.store.transactions)?;
        if let Some(appender) = load.store.appender {
            page.counter("audit_entries", "Entries written to the audit chain", appender.entries)?;
            page.counter(
                "audit_commits",
                "Commits of the audit chain: entries by commits is the batch",
                appender.commits,
            )?;
            page.gauge("audit_queue", "Entries that wait for the next commit", appender.waiting as f64)?;
            let help = "How long the oldest entry that is not committed has waited";
            page.gauge_in("audit_lag", help, Unit::Seconds, appender.lag.as_secs_f64())?;
        }
        let files = [("file", "claribi.db"), ("file", "audit.db")];
        let sizes = load.store.wal_bytes.map(|bytes| bytes as f64);
        page.gauges("wal", "Size of the write-ahead logs", Some(Unit::Bytes), &files.map(|file| [file]), &sizes)?;
        let states = [
            [("lane", "query"), ("state", "running")],
            [("lane", "query"), ("state", "waiting")],
            [("lane", "background"), ("state", "running")],
            [("lane", "background"), ("state", "waiting")],
            [("lane", "connectors"), ("state", "running")],
            [("lane", "connectors"), ("state", "waiting")],
        ];
        let jobs = load.lanes.map(|(running, waiting)| [running as f64, waiting as f64]).concat();
        page.gauges("worker_jobs", "Jobs of workers, by lane", None, &states, &jobs)?;
        page.counter("workers_started", "Worker processes started", load.workers_started)?;
        page.counter("workers_killed", "Worker processes that died or had to be killed", load.workers_killed)?;
        page.limiter(&load.limiter)?;
        if let Some(shared) = &load.shared {
            page.shared_limits(shared)?;
        }
        page.counter("access_looks", "Looks for commits of other processes", load.looks)?;
        page.counter("access_commits_seen", "Looks that found a commit", load.commits_seen)
    }
}

/// Writes single numbers.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn connections(&mut self, counters: &Counters) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.counter("connections", "Connections accepted, refused ones included", read(&counters.accepted))?;
        self.gauge("connections_open", "Connections open now", read(&counters.open) as f64)?;
        self.counter("connections_refused", "Connections over the share of their address", read(&counters.refused))?;
        self.counter("connections_malformed", "Connections that were not HTTP/1.1", read(&counters.malformed))?;
        self.counter("connections_timed_out", "Connections without a request head in time", read(&counters.timed_out))?;
        self.counter("connections_stalled", "Connections whose client stopped reading", read(&counters.stalled))?;
        self.counter("accept_errors", "Times the system handed out no connection", read(&counters.accept_errors))
    }

    fn shared_limits(&mut self, load: &SharedLoad) -> fmt::Result {
        self.gauge("limits_redis_up", "Whether Redis keeps the limits", f64::from(u8::from(load.is_up)))?;
        self.counter("limits_redis_outages", "Times that Redis stopped keeping the limits", load.outages)?;
        self.counter("limits_local", "Requests that this server limited by itself for want of Redis", load.local)
    }

    fn limiter(&mut self, load: &LimiterLoad) -> fmt::Result {
        self.gauge("limiter_callers", "Callers whose windows are in memory", load.callers as f64)?;
        let help = "Callers whose day is counted by minutes, because `limits.memory` is used up";
        self.gauge("limiter_callers_coarse", help, load.coarse as f64)?;
        self.gauge_in("limiter_memory", "Memory that the windows take", Unit::Bytes, load.bytes as f64)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, counter.metric_type())?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, help, None, gauge.metric_type())?)
    }

    fn gauge_in(&mut self, name: &str, help: &str, unit: Unit, value: f64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, help, Some(&unit), gauge.metric_type())?)
    }

    /// One gauge with a value for each of several sets of labels.
    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        labels: &[[Label; N]],
        values: &[f64],
    ) -> fmt::Result {
        let kind = ConstGauge::new(0.0).metric_type();
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in labels.iter().zip(values) {
            ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}
