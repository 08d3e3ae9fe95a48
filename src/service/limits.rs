//! The windows of every caller, in memory, rebuilt from the chain when a caller is first seen.
//!
//! They are counted in steady time ([`crate::domain::steady`]); what is told of them is told by the wall clock.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use self::callers::Callers;
use self::shared::Shared;
use super::app::App;
use super::caller::Identity;
use crate::domain::audit::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::steady::{Moment, Reading, Steady};
use crate::domain::window::{Admission, Class, Headroom, KEPT, Limits, Surface, Verdict, WindowName, WindowSet};
use crate::store::audit::{admissions, entries};

pub mod callers;
pub mod shared;

/// The longest window, in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// The number beside the chain that says by how many milliseconds steady time is ahead of the wall clock.
const AHEAD: &str = "limits_ahead";
/// Links at the end of the chain among which the newest admitted call is looked for at the start.
const NEWEST: u32 = 1_000;

/// The windows of all callers.
pub struct Limiter {
    steady: OnceLock<Steady>,
    /// Held by whoever writes down a step of the wall clock.
    steps: Mutex<()>,
    callers: Callers,
    shared: Option<Shared>,
}

impl Limiter {
    /// Windows that try to stay within so many bytes, and those that are shared with other servers.
    pub(super) fn new(memory: u64, shared: Option<Shared>) -> Self {
        Self { steady: OnceLock::new(), steps: Mutex::new(()), callers: Callers::new(memory), shared }
    }

    /// What the windows take.
    pub fn load(&self) -> LimiterLoad {
        self.callers.load()
    }
}

/// What the windows take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimiterLoad {
    /// Callers with windows in memory.
    pub callers: u64,
    /// Those of them whose day is counted by minutes, for want of memory.
    pub coarse: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The face number that the platform face has in the chain.
pub const PLATFORM_FACE: u8 = 1;

impl Identity {
    /// The refusal by a full window, which has room again after so many milliseconds.
    pub(super) fn rate_limited(&self, window: WindowName, wait_ms: i64) -> Error {
        rate_limited(&self.limits, window, wait_ms)
    }
}

fn rate_limited(limits: &Limits, window: WindowName, wait_ms: i64) -> Error {
    let limit = limits.get(window).unwrap_or(0);
    Error::RateLimited { window, limit, retry_after: u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1) }
}

impl App {
    /// Counts a request in all its windows, or refuses it and counts nothing. The admission's instant is steady, for
    /// the chain; what is left is told by the wall clock.
    ///
    /// # Errors
    /// `RateLimited` with the window that stays full longest; the headroom then is of that moment too.
    pub fn admit(&self, identity: &Identity, class: Class, surface: Surface) -> (Option<Admission>, Result<()>) {
        self.admit_by(&identity.limits, identity, class, surface)
    }

    fn admit_by(
        &self,
        limits: &Limits,
        identity: &Identity,
        class: Class,
        surface: Surface,
    ) -> (Option<Admission>, Result<()>) {
        let Some(owner) = identity.window_owner() else { return (None, Ok(())) };
        let moment = self.moment();
        let admit = |windows: &mut WindowSet| windows.admit(moment.at_ms, class, surface, limits);
        let mut admission = match self.limiter.callers.with(owner, || self.rebuild(owner, identity, moment), admit) {
            Ok(admission) => admission,
            Err(error) => return (None, Err(error)),
        };
        let verdict = match &mut admission.verdict {
            Verdict::Admitted => Ok(()),
            Verdict::Refused { window, retry_at_ms } => {
                let refusal = rate_limited(limits, *window, *retry_at_ms - moment.at_ms);
                *retry_at_ms = moment.wall_ms(*retry_at_ms);
                Err(refusal)
            }
        };
        admission.headroom = told(admission.headroom, moment);
        (Some(admission), verdict)
    }

    /// What is left in the windows; consumes nothing. Of shared windows, what they said when they last counted.
    pub fn headroom(&self, identity: &Identity) -> Result<Option<Headroom>> {
        let Some(owner) = identity.window_owner() else { return Ok(None) };
        let mut limits = identity.limits;
        if let Some(shared) = &self.limiter.shared {
            match shared.last_known(owner) {
                Some(headroom) => return Ok(Some(headroom)),
                None => limits = shared.limits_alone(limits),
            }
        }
        let moment = self.moment();
        let peek = |windows: &mut WindowSet| windows.peek(moment.at_ms, &limits);
        let headroom = self.limiter.callers.with(owner, || self.rebuild(owner, identity, moment), peek)?;
        Ok(Some(told(headroom, moment)))
    }

    /// Keeps the windows within their memory. Cheap where there is nothing to do.
    pub fn fit_windows(&self) {
        self.limiter.callers.fit(self.moment().at_ms);
    }

    /// Forgets the windows of callers in which nothing counts any more.
    pub fn forget_windows(&self) -> usize {
        self.limiter.callers.forget(self.moment().at_ms)
    }

    /// The present moment in steady time.
    pub(super) fn moment(&self) -> Moment {
        let read = || (self.clock.now(), self.clock.monotonic());
        let steady = self.limiter.steady.get_or_init(|| self.begin_steady(read()));
        let moment = steady.now(read);
        if moment.has_stepped {
            tracing::warn!(ahead_ms = moment.ahead_ms, "the wall clock has stepped; limits go by the monotonic clock");
            // Of two steps in a row the later one is kept, whoever saw it.
            let _order = self.limiter.steps.lock();
            self.keep_ahead(steady.ahead_ms());
        }
        moment
    }

    /// Goes on with the steady time of earlier runs.
    fn begin_steady(&self, now: Reading) -> Steady {
        let found = self.store.read_audit_now(|db| {
            let ahead = entries::mark(db, AHEAD)?;
            let newest = entries::newest(db, None, NEWEST)?.iter().find_map(|link| match link.entry() {
                Some(Entry::Call(call)) => call.admitted_at_ms,
                _ => None,
            });
            Ok((ahead, newest))
        });
        let (ahead_ms, newest) = found.unwrap_or_else(|error| {
            tracing::error!(?error, "the steady time of earlier runs could not be read; limits go by the wall clock");
            (0, None)
        });
        let by_wall = now.0.millis().saturating_add(ahead_ms);
        let origin_ms = newest.map_or(by_wall, |newest| newest.max(by_wall));
        if origin_ms != by_wall {
            self.keep_ahead(origin_ms.saturating_sub(now.0.millis()));
        }
        Steady::begin(origin_ms, now)
    }

    fn keep_ahead(&self, ahead_ms: i64) {
        if let Some(appender) = self.store.appender() {
            appender.set_mark(AHEAD, ahead_ms);
        }
    }

    fn rebuild(&self, owner: i64, identity: &Identity, moment: Moment) -> Result<WindowSet> {
        let limits = &identity.limits;
        let most = [limits.minute, limits.hour, limits.day].into_iter().flatten().max().unwrap_or(0);
        // As many as a limit that is raised later would have counted.
        let most = (most as usize).max(KEPT);
        let since_ms = moment.at_ms.saturating_sub(DAY_MS);
        let history = self.store.read_figures_now(|usage| Ok(admissions::admitted(usage, owner, since_ms, most)?))?;
        // Should it lie ahead after all, it is shifted as a whole: spacing is kept, no quota appears.
        let ahead = history.last().map_or(0, |newest| newest.at_ms.saturating_sub(moment.at_ms).max(0));
        let mut windows = WindowSet::new();
        for request in history {
            let surface = if request.face == PLATFORM_FACE { Surface::Platform } else { Surface::Other };
            windows.replay(request.at_ms - ahead, request.class, surface);
        }
        Ok(windows)
    }
}

/// By the wall clock.
fn told(headroom: Headroom, moment: Moment) -> Headroom {
    if moment.ahead_ms == 0 { headroom } else { headroom.later_by(-moment.ahead_ms) }
}

/// The windows of one caller; none before they are rebuilt.
type Slot = Arc<Mutex<Option<WindowSet>>>;
