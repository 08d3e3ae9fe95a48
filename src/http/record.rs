//! The row that every call leaves in the chain: exactly one, also when the client has gone. Of a flood of calls by nobody
//! known those past a rate are counted instead (`service::audit::floods`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;

use super::edge::Edge;
use super::exchange::Exchange;
use super::metrics::{InFlight, Metrics};
use crate::domain::access::Role;
use crate::domain::audit::kind::{Method, Outcome};
use crate::domain::audit::{Call, Entry, Flood};
use crate::domain::code::Code;
use crate::domain::error::{Error, Result};
use crate::domain::time::monotonic;
use crate::domain::window::{Class, Verdict};
use crate::service::app::App;

/// What a client that left is recorded with: the status that nginx made common for it.
const CLIENT_GONE: u16 = 499;

/// A row that is still to be written. Dropped without being committed, it is written as that of a client that has gone.
pub struct Pending {
    row: Option<Row>,
    _in_flight: InFlight,
}

struct Row {
    app: App,
    metrics: Arc<Metrics>,
    exchange: Arc<Exchange>,
    method: Method,
}

impl Pending {
    /// Begins a call.
    pub fn new(edge: &Edge, exchange: Arc<Exchange>, request: &hyper::Request<Incoming>) -> Self {
        let row = Row {
            app: edge.shared().app.clone(),
            metrics: edge.shared().metrics.clone(),
            exchange,
            method: Method::of(request.method().as_str()),
        };
        Self { row: Some(row), _in_flight: edge.shared().metrics.begun() }
    }

    /// Writes the row and waits for its commit.
    ///
    /// # Errors
    /// `AuditUnavailable` when it cannot be written, and nothing is to be served without a row.
    pub async fn commit(mut self, status: u16, code: Option<Code>, bytes_out: u64) -> Result<()> {
        let Some(row) = self.row.take() else { return Ok(()) };
        let Some(appender) = row.app.store.appender().cloned() else { return Err(Error::AuditUnavailable) };
        let committed = appender.append(row.entry(status, code, outcome(status, code), bytes_out)).committed().await;
        if appender.serves_on() { Ok(()) } else { committed }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(row) = self.row.take() else { return };
        if let Some(appender) = row.app.store.appender().cloned() {
            appender.append_unwatched(row.entry(CLIENT_GONE, None, Outcome::Gone, 0));
        }
    }
}

impl Row {
    /// A call of nobody known that was refused, or that only read, may be one of a flood: no effect goes uncounted.
    fn is_of_a_flood(&self, code: Option<Code>, outcome: Outcome) -> bool {
        let Self { app, exchange, method, .. } = self;
        exchange.actor().is_none()
            && (code.is_some() || outcome == Outcome::Gone || method.is_safe())
            && app.floods.is_one_of(exchange.at.millis(), exchange.address)
    }

    fn entry(self, status: u16, code: Option<Code>, outcome: Outcome, bytes_out: u64) -> Entry {
        let is_of_a_flood = self.is_of_a_flood(code, outcome);
        let Self { exchange, method, metrics, .. } = self;
        let caller = exchange.actor();
        let identity = caller.map(crate::service::caller::Caller::identity);
        let key = identity.and_then(crate::service::caller::Identity::key);
        let latency = monotonic().saturating_sub(exchange.started);
        let operation = exchange.operation.get().map(|operation| operation.id);
        metrics.ended(operation.unwrap_or("none"), outcome, latency);
        if is_of_a_flood {
            let bytes_in = exchange.bytes_in.load(Ordering::Relaxed);
            let call = Flood::of_call(exchange.at.millis(), exchange.address, outcome);
            return Entry::Flood(Flood { bytes_in, bytes_out, ..call });
        }
        let admitted = exchange.admission.get().filter(|admission| admission.verdict == Verdict::Admitted);
        Entry::Call(Box::new(Call {
            at_ms: exchange.at.millis(),
            admitted_at_ms: admitted.map(|admission| admission.at_ms),
            request_id: exchange.request.0.into_bytes(),
            org: identity.map(|identity| identity.holder.org.raw()),
            key_id: key.map(|key| key.id.raw()),
            lineage: key.map(|key| key.lineage),
            key_prefix: exchange.key_prefix.get().copied(),
            session: identity.and_then(crate::service::caller::Identity::session).map(crate::domain::id::Id::raw),
            user: identity.map(|identity| identity.holder.user.raw()),
            role: identity.map(|identity| Role::as_str(identity.holder.role).into()),
            face: exchange.face.number(),
            method,
            operation: operation.map(Into::into),
            object_id: exchange.object.get().copied(),
            status,
            code: code.map(|code| code.as_str().into()),
            outcome,
            class: exchange.operation.get().map_or(Class::General, |operation| operation.class),
            credits: exchange.credits.load(Ordering::Relaxed),
            address: exchange.address,
            latency_us: u32::try_from(latency.as_micros()).unwrap_or(u32::MAX),
            bytes_in: exchange.bytes_in.load(Ordering::Relaxed),
            bytes_out,
            user_agent: exchange.user_agent.clone(),
            replayed: exchange.replayed.load(Ordering::Relaxed),
            changes: caller.map(crate::service::caller::Caller::changes).unwrap_or_default(),
        }))
    }
}

/// What the table of codes says; an answer without a code was not refused.
fn outcome(status: u16, code: Option<Code>) -> Outcome {
    match code {
        Some(code) => code.outcome(),
        None if status < 500 => Outcome::Ok,
        None => Outcome::Server,
    }
}
