//! What is known of one request while it is served: made by the edge, seen by extractors.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::conditional::Asked;
use super::face::Face;
use super::once::Sum;
use super::operations::Routes;
use super::range::AskedRange;
use super::refusal::Shape;
use crate::domain::error::{Error, Result};
use crate::domain::id::RequestId;
use crate::domain::operation::{BodyKind, Operation};
use crate::domain::session::Arrival;
use crate::domain::time::Timestamp;
use crate::domain::window::Admission;
use crate::service::caller::Caller;
use crate::service::once::Once;

/// One request.
pub struct Exchange {
    /// Its id.
    pub request: RequestId,
    /// When its head arrived.
    pub at: Timestamp,
    /// The same on the monotonic clock.
    pub started: Duration,
    /// The client's address, past trusted proxies.
    pub address: IpAddr,
    /// Whether `address` is the client's own, and not that of a proxy which tells no other that can be read.
    pub is_known: bool,
    /// What the client says it is, as it may be kept.
    pub user_agent: Option<String>,
    /// Where the client is.
    pub face: Face,
    /// The routers of all faces, for questions about other calls.
    pub routes: Arc<[Routes; 3]>,
    /// How it wants to be told of errors.
    pub shape: Shape,
    /// Scheme and host, for absolute links.
    pub origin: OnceLock<String>,
    /// What it asks for.
    pub operation: OnceLock<&'static Operation>,
    /// The path's variables, in order.
    pub captures: OnceLock<Vec<(&'static str, String)>>,
    /// Who asks.
    pub caller: OnceLock<Caller>,
    /// Its Idempotency-Key, where it has one that matters.
    pub once: OnceLock<Arc<Once>>,
    /// Whether it was answered like an earlier request.
    pub replayed: AtomicBool,
    /// Who came in by this call, where it needs no caller: a login.
    pub arrived: OnceLock<Caller>,
    /// The public characters of the key that was presented.
    pub key_prefix: OnceLock<[u8; 8]>,
    /// What the windows said.
    pub admission: OnceLock<Admission>,
    /// Whether windows were asked that do not count everywhere, for want of those that do.
    pub is_degraded: AtomicBool,
    /// Path and query, for links to other pages.
    pub path: String,
    /// Bytes of the body that were read.
    pub bytes_in: AtomicU64,
    /// Credits that it cost.
    pub credits: AtomicI64,
    /// The object in the path, once it is known.
    pub object: OnceLock<i64>,
    /// What bounds its body.
    pub body: BodyRules,
    /// The conditions under which it is to be answered or done.
    pub asked: Asked,
    /// The part of a file that it asks for.
    pub range: AskedRange,
}

/// What bounds a request's body.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyRules {
    /// Bytes of a JSON body.
    pub json_limit: u64,
    /// Bytes of an upload.
    pub upload_limit: u64,
    /// The longest pause.
    pub pause: Duration,
    /// Bytes a second below which it is given up, once a pause's length has passed.
    pub rate: u64,
}

impl Exchange {
    /// One that begins at `at`, of which nothing else is known yet.
    pub fn begun(face: Face, routes: Arc<[Routes; 3]>, request: RequestId, at: Timestamp) -> Self {
        Self {
            request,
            at,
            started: Duration::ZERO,
            address: Ipv4Addr::UNSPECIFIED.into(),
            is_known: true,
            user_agent: None,
            face,
            shape: Shape::Face(face),
            routes,
            origin: OnceLock::new(),
            operation: OnceLock::new(),
            captures: OnceLock::new(),
            caller: OnceLock::new(),
            once: OnceLock::new(),
            replayed: AtomicBool::new(false),
            arrived: OnceLock::new(),
            key_prefix: OnceLock::new(),
            admission: OnceLock::new(),
            is_degraded: AtomicBool::new(false),
            path: String::new(),
            bytes_in: AtomicU64::new(0),
            credits: AtomicI64::new(0),
            object: OnceLock::new(),
            body: BodyRules::default(),
            asked: Asked::default(),
            range: AskedRange::default(),
        }
    }

    /// Keeps what the windows said, and hands their verdict on.
    ///
    /// # Errors
    /// That of the verdict.
    pub fn admit(&self, (admission, verdict): (Option<Admission>, Result<()>)) -> Result<()> {
        if let Some(admission) = admission {
            let _ = self.admission.set(admission);
        }
        verdict
    }

    /// The caller of an operation that needs one.
    ///
    /// # Errors
    /// `CredentialsMissing`, which the edge has answered before: an operation that asks for a caller has one.
    pub fn caller(&self) -> Result<&Caller> {
        self.caller.get().ok_or(Error::CredentialsMissing)
    }

    /// What is kept of a request that begins a session.
    pub fn arrival(&self) -> Arrival {
        Arrival { request: self.request, address: self.address, user_agent: self.user_agent.clone() }
    }

    /// Whoever the call's row names: its caller, or who came in by it.
    pub fn actor(&self) -> Option<&Caller> {
        self.caller.get().or_else(|| self.arrived.get())
    }

    /// A variable of the path.
    pub fn capture(&self, name: &str) -> &str {
        let captures = self.captures.get().map_or(&[][..], Vec::as_slice);
        captures.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }

    /// The path as it was sent, without query and without a slash at its end.
    pub fn plain_path(&self) -> &str {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        path.strip_suffix('/').unwrap_or(path)
    }

    /// Tells what the request asks for, where that matters.
    ///
    /// # Errors
    /// `IdempotencyMismatch` when an earlier one with its Idempotency-Key asked for something else.
    pub fn identify(&self, sum: Option<Sum>) -> Result<()> {
        let identified = self.once.get().zip(sum).map(|(once, sum)| once.identify(sum.finish()));
        identified.unwrap_or(Ok(()))
    }

    /// The largest body that the operation takes, in bytes.
    pub fn body_limit(&self) -> u64 {
        match self.operation.get().map(|operation| operation.body) {
            Some(BodyKind::Upload) => self.body.upload_limit,
            Some(BodyKind::Json | BodyKind::None) | None => self.body.json_limit,
        }
    }

    /// Notes what the call cost.
    pub fn charge(&self, credits: i64) {
        self.credits.store(credits, Ordering::Relaxed);
    }
}
