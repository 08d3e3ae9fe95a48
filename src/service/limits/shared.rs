//! Windows that several servers share, in Redis or Valkey: one script a request over all of its windows, on that server's
//! clock. Without an answer in time each server goes on by windows of its own, at a share of the limits, and says so:
//! in a header, in the log, in `/metrics` and by an event in the chain. It heals by itself.
//!
//! What is known of the clock there: back it gives no quota and locks nobody out; forwards it is believed. What is
//! admitted during an outage is not told to it afterwards: limits then hold for each server, and not for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use serde_json::json;

use crate::domain::audit::{Entry, Event};
use crate::domain::error::{Error, Result};
use crate::domain::steady::Moment;
use crate::domain::time::Timestamp;
use crate::domain::window::{Admission, Class, Headroom, Limits, Room, Surface, Verdict, WindowName};
use crate::outbound::redis::{Failure, Live, Redis, Script};
use crate::service::app::App;
use crate::service::caller::Identity;

/// The kind of the event that begins an outage.
pub const DEGRADED: &str = "limits_degraded";
/// The kind of the event that ends it.
pub const RESTORED: &str = "limits_restored";
/// The kind of the event that says that the shared windows were emptied.
pub const EMPTIED: &str = "limits_emptied";

/// Differences of the clocks up to this are the way to the other server and back, in milliseconds.
const STEP_MS: i64 = 1_000;

/// What was told is kept for this long: a request that asks for it has just been counted.
const TOLD_FOR: Duration = Duration::from_secs(5);
/// For so many callers.
const TOLD: u64 = 10_000;

/// How windows are shared.
#[derive(Debug, Clone)]
pub struct SharedRules {
    /// Where they are.
    pub redis: Arc<Redis>,
    /// Percent of each limit that a server admits by itself during an outage.
    pub share: u32,
    /// What becomes of generation requests during an outage.
    pub generation: InOutage,
}

/// What becomes of requests during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InOutage {
    /// They are admitted at the share.
    Local,
    /// They are refused with 503.
    Refuse,
}

/// Which windows decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Those that count everywhere.
    Exact,
    /// This server's own, because the shared ones did not answer.
    Degraded,
}

/// How the shared windows do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLoad {
    /// Whether they answer.
    pub is_up: bool,
    /// How often they stopped.
    pub outages: u64,
    /// Requests that were decided without them.
    pub local: u64,
}

/// The shared windows.
pub struct Shared {
    rules: SharedRules,
    script: Script,
    namespace: String,
    /// By how much that server's clock is ahead of ours; kept still, so that what is told stands still.
    ahead_ms: AtomicI64,
    outages: AtomicU64,
    local: AtomicU64,
    /// Whether an outage has been written down and its end has not.
    is_out: Mutex<bool>,
    /// Whether this run has left a mark there.
    has_probed: AtomicBool,
    /// What was told to callers a moment ago.
    told: Cache<i64, Headroom>,
}

impl Shared {
    /// Windows of the installation with this name. Those of others on the same server are others.
    pub(in crate::service) fn new(rules: SharedRules, installation: &str) -> Self {
        Self {
            rules,
            script: Script::new(include_str!("windows.lua")),
            namespace: format!("claribi:{installation}"),
            ahead_ms: AtomicI64::new(0),
            outages: AtomicU64::new(0),
            local: AtomicU64::new(0),
            is_out: Mutex::new(false),
            has_probed: AtomicBool::new(false),
            told: Cache::builder().max_capacity(TOLD).time_to_live(TOLD_FOR).build(),
        }
    }

    /// How they do.
    pub fn load(&self) -> SharedLoad {
        SharedLoad {
            is_up: self.rules.redis.live().is_some(),
            outages: self.outages.load(Ordering::Relaxed),
            local: self.local.load(Ordering::Relaxed),
        }
    }

    /// What was told to a caller a moment ago, while the windows answer.
    pub(super) fn last_known(&self, owner: i64) -> Option<Headroom> {
        self.rules.redis.live().and_then(|_| self.told.get(&owner))
    }

    /// What a server admits by itself of these limits.
    pub(super) fn limits_alone(&self, limits: Limits) -> Limits {
        if self.rules.redis.live().is_some() { limits } else { limits.share(self.rules.share) }
    }

    async fn ask(&self, live: &Live, owner: &str, limits: &Limits, question: [bool; 3]) -> Result<Reply, Failure> {
        let limits = WindowName::ALL.map(|name| limits.get(name).map_or(-1, i64::from));
        let arguments: Vec<i64> = limits.into_iter().chain(question.map(i64::from)).collect();
        let answer = self.rules.redis.run(live, &self.script, &keys(&self.namespace, owner), &arguments).await?;
        Reply::read(&answer).ok_or_else(Failure::nonsense)
    }

    /// By our wall clock.
    fn told(&self, reply: &Reply, limits: &Limits, now: Timestamp) -> Headroom {
        let (found, kept) = (reply.clock_ms - now.millis(), self.ahead_ms.load(Ordering::Relaxed));
        let ahead_ms = if (found - kept).abs() <= STEP_MS { kept } else { found };
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        reply.headroom(limits).later_by(-ahead_ms)
    }
}

/// What the script answers.
struct Reply {
    refused_by: Option<WindowName>,
    clock_ms: i64,
    newest_ms: i64,
    rooms: [(i64, i64); 5],
}

impl Reply {
    fn read(answer: &[i64]) -> Option<Self> {
        let (&[refused, clock_ms, newest_ms], rest) = answer.split_first_chunk::<3>()?;
        let mut rooms = [(-1, -1); 5];
        for (room, pair) in rooms.iter_mut().zip(rest.chunks_exact(2)) {
            *room = (pair[0], pair[1]);
        }
        let refused_by = match usize::try_from(refused).ok()?.checked_sub(1) {
            Some(number) => Some(*WindowName::ALL.get(number)?),
            None => None,
        };
        (rest.len() == 10).then_some(Self { refused_by, clock_ms, newest_ms, rooms })
    }

    fn headroom(&self, limits: &Limits) -> Headroom {
        Headroom::of(WindowName::ALL.map(|name| {
            let (remaining, reset_at_ms) = self.rooms[name as usize];
            Some(Room { limit: limits.get(name)?, remaining: u32::try_from(remaining).ok()?, reset_at_ms })
        }))
    }
}

impl App {
    /// The shared windows, where the settings have them.
    pub fn shared_windows(&self) -> Option<&Shared> {
        self.limiter.shared.as_ref()
    }

    /// [`App::admit`] by shared windows, or by this server's own while those do not answer.
    ///
    /// # Errors
    /// `RateLimited`; `Overloaded` for generation requests that the settings refuse in an outage.
    pub async fn admit_shared(
        &self,
        shared: &Shared,
        identity: &Identity,
        now: Timestamp,
        class: Class,
        surface: Surface,
    ) -> (Option<Admission>, Result<()>, Mode) {
        let Some(owner) = identity.window_owner() else { return (None, Ok(()), Mode::Exact) };
        let limits = &identity.limits;
        if let Some(live) = shared.rules.redis.live() {
            let question = [class == Class::Generation, surface == Surface::Platform, false];
            match shared.ask(&live, &owner.to_string(), limits, question).await {
                Ok(reply) => {
                    let (admission, verdict) = self.shared_verdict(shared, &reply, identity, now, class, surface);
                    return (Some(admission), verdict, Mode::Exact);
                }
                Err(failure) => self.lost_shared_windows(shared, &live, &failure, now),
            }
        }
        shared.local.fetch_add(1, Ordering::Relaxed);
        if class == Class::Generation && shared.rules.generation == InOutage::Refuse {
            return (None, Err(Error::Overloaded), Mode::Degraded);
        }
        let share = limits.share(shared.rules.share);
        let (admission, verdict) = self.admit_by(&share, identity, class, surface);
        (admission, verdict, Mode::Degraded)
    }

    fn shared_verdict(
        &self,
        shared: &Shared,
        reply: &Reply,
        identity: &Identity,
        now: Timestamp,
        class: Class,
        surface: Surface,
    ) -> (Admission, Result<()>) {
        let moment = self.moment();
        let headroom = shared.told(reply, &identity.limits, now);
        if let Some(owner) = identity.window_owner() {
            shared.told.insert(owner, headroom);
        }
        if let Some(window) = reply.refused_by {
            let retry_at_ms = headroom.get(window).map_or(now.millis(), |room| room.reset_at_ms);
            let wait_ms = reply.rooms[window as usize].1 - reply.clock_ms;
            let verdict = Verdict::Refused { window, retry_at_ms };
            let admission = Admission { verdict, at_ms: moment.at_ms, headroom };
            return (admission, Err(identity.rate_limited(window, wait_ms)));
        }
        self.note_own(identity, moment, class, surface);
        (Admission { verdict: Verdict::Admitted, at_ms: moment.at_ms, headroom }, Ok(()))
    }

    /// In its own windows too, so that an outage finds what this server has admitted.
    fn note_own(&self, identity: &Identity, moment: Moment, class: Class, surface: Surface) {
        let Some(owner) = identity.window_owner() else { return };
        let rebuild = || self.rebuild(owner, identity, moment);
        let noted = self.limiter.callers.with(owner, rebuild, |own| own.replay(moment.at_ms, class, surface));
        if let Err(error) = noted {
            tracing::error!(?error, "the windows for an outage could not be kept");
        }
    }

    /// Looks after the shared windows: connects, and finds out whether they still answer, take what is written, and
    /// have what was written before.
    pub async fn mend_shared_windows(&self) {
        let Some(shared) = self.shared_windows() else { return };
        let now = self.clock.now();
        let (live, is_new) = match shared.rules.redis.live() {
            Some(live) => (live, false),
            None => match shared.rules.redis.connect().await {
                Ok(live) => (live, true),
                Err(failure) => return self.note_outage(shared, &failure, now),
            },
        };
        match shared.ask(&live, "probe", &Limits::default(), [false; 3]).await {
            Ok(reply) => {
                if is_new {
                    shared.rules.redis.keep(live);
                    self.note_restored(shared, now);
                }
                if shared.has_probed.swap(true, Ordering::Relaxed) && reply.newest_ms == 0 {
                    tracing::warn!("Redis was emptied: limits count from nothing again");
                    self.note_limits(EMPTIED, "", now);
                }
            }
            Err(failure) if is_new => self.note_outage(shared, &failure, now),
            Err(failure) => self.lost_shared_windows(shared, &live, &failure, now),
        }
    }

    fn lost_shared_windows(&self, shared: &Shared, live: &Live, failure: &Failure, now: Timestamp) {
        if shared.rules.redis.give_up(live) {
            self.note_outage(shared, failure, now);
        }
    }

    fn note_outage(&self, shared: &Shared, failure: &Failure, now: Timestamp) {
        if std::mem::replace(&mut *shared.is_out.lock(), true) {
            return;
        }
        shared.outages.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%failure, share = shared.rules.share, "Redis does not keep limits: this server goes by its own");
        self.note_limits(DEGRADED, &failure.to_string(), now);
    }

    fn note_restored(&self, shared: &Shared, now: Timestamp) {
        if std::mem::replace(&mut *shared.is_out.lock(), false) {
            tracing::info!("Redis keeps limits again");
            self.note_limits(RESTORED, "", now);
        }
    }

    fn note_limits(&self, kind: &'static str, reason: &str, now: Timestamp) {
        let Some(appender) = self.store.appender() else { return };
        appender.append_unwatched(Entry::Event(Event {
            at_ms: now.millis(),
            org: None,
            kind: kind.into(),
            actor: "server".to_owned(),
            detail: json!({"reason": reason}).to_string(),
            digest: None,
        }));
    }
}

/// The keys of one caller, in one slot of a cluster: what stands in braces decides where a key lies.
fn keys(namespace: &str, owner: &str) -> [String; 4] {
    ["general", "generation", "minute", "ahead"].map(|log| format!("{{{namespace}:{owner}}}:{log}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_one_lineage_lie_together_and_those_of_others_elsewhere() {
        // As Redis Cluster has it: from the first `{` to the first `}` after it.
        let tag = |key: &String| key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0.to_owned();
        let tags = |owner: &str| {
            let keys = keys("claribi:installation", owner);
            assert!((1..keys.len()).all(|at| !keys[..at].contains(&keys[at])), "{keys:?}");
            let tags = keys.each_ref().map(tag);
            assert!(tags.iter().all(|found| !found.is_empty() && *found == tags[0]), "{keys:?}");
            tags[0].clone()
        };
        let all = ["7", "-7", "77", "probe"].map(tags);
        assert!((1..all.len()).all(|at| !all[..at].contains(&all[at])), "{all:?}");
    }
}
