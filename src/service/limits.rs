//! The windows of every caller, in memory, rebuilt from the chain when a caller is first seen (DESIGN, decision 7).

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;

use super::app::App;
use super::caller::Identity;
use crate::domain::error::{Error, Result};
use crate::domain::time::Timestamp;
use crate::domain::window::{Admission, Class, Headroom, Surface, Verdict, WindowName, WindowSet};
use crate::store::audit::entries;

/// The longest window, in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Idle windows leave memory after this: longer than the longest of them, so nothing is forgotten.
const IDLE: Duration = Duration::from_secs(25 * 3_600);

/// The windows of all callers.
pub struct Limiter(Cache<i64, Arc<Mutex<WindowSet>>>);

impl Limiter {
    pub(super) fn new() -> Self {
        // No bound of size: an entry that is evicted while it counts would be a way round the limit.
        Self(Cache::builder().time_to_idle(IDLE).build())
    }

    /// How many callers have windows in memory.
    pub fn len(&self) -> u64 {
        // Its counts follow only when the cache next tidies itself.
        self.0.run_pending_tasks();
        self.0.entry_count()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The face number that the platform face has in the chain.
pub const PLATFORM_FACE: u8 = 1;

impl Identity {
    /// The refusal by a full window, which has room again at `retry_at_ms`.
    pub(super) fn rate_limited(&self, window: WindowName, retry_at_ms: i64, now: Timestamp) -> Error {
        let millis = u64::try_from(retry_at_ms - now.millis()).unwrap_or(0);
        let limit = self.limits.get(window).unwrap_or(0);
        Error::RateLimited { window, limit, retry_after: millis.div_ceil(1000).max(1) }
    }
}

impl App {
    /// Counts a request in all its windows, or refuses it and counts nothing.
    ///
    /// # Errors
    /// `RateLimited` with the window that stays full longest; the headroom then is of that moment too.
    pub fn admit(
        &self,
        identity: &Identity,
        now: Timestamp,
        class: Class,
        surface: Surface,
    ) -> (Option<Admission>, Result<()>) {
        let Some(owner) = identity.window_owner() else { return (None, Ok(())) };
        let windows = match self.windows(owner, identity, now) {
            Ok(windows) => windows,
            Err(error) => return (None, Err(error)),
        };
        let admission = windows.lock().admit(now.millis(), class, surface, &identity.limits);
        let verdict = match admission.verdict {
            Verdict::Admitted => Ok(()),
            Verdict::Refused { window, retry_at_ms } => Err(identity.rate_limited(window, retry_at_ms, now)),
        };
        (Some(admission), verdict)
    }

    /// What is left in the windows; consumes nothing.
    pub fn headroom(&self, identity: &Identity, now: Timestamp) -> Result<Option<Headroom>> {
        let Some(owner) = identity.window_owner() else { return Ok(None) };
        let windows = self.windows(owner, identity, now)?;
        let headroom = windows.lock().peek(now.millis(), &identity.limits);
        Ok(Some(headroom))
    }

    fn windows(&self, owner: i64, identity: &Identity, now: Timestamp) -> Result<Arc<Mutex<WindowSet>>> {
        if let Some(windows) = self.limiter.0.get(&owner) {
            return Ok(windows);
        }
        // Once per caller and run of the server: others that ask for the same wait here.
        self.limiter
            .0
            .try_get_with(owner, || self.rebuild(owner, identity, now))
            .map_err(|error: Arc<Error>| Error::internal(error.to_string()))
    }

    fn rebuild(&self, owner: i64, identity: &Identity, now: Timestamp) -> Result<Arc<Mutex<WindowSet>>> {
        let limits = &identity.limits;
        let most = [limits.minute, limits.hour, limits.day].into_iter().flatten().max().unwrap_or(0);
        let since = Timestamp::from_millis(now.millis() - DAY_MS);
        let history = self.store.read_audit_now(|db| Ok(entries::admitted(db, owner, since, most as usize)?))?;
        // A clock that went back shifts the history as a whole: spacing is kept, no quota appears.
        let ahead = history.last().map_or(0, |newest| (newest.at_ms - now.millis()).max(0));
        let mut windows = WindowSet::new();
        for request in history {
            let surface = if request.face == PLATFORM_FACE { Surface::Platform } else { Surface::Other };
            windows.replay(request.at_ms - ahead, request.class, surface);
        }
        Ok(Arc::new(Mutex::new(windows)))
    }
}
