//! Exact sliding windows: whether a request still fits, and what is left afterwards.
//!
//! An accepted request at `t` occupies a window of length `w` during the half-open interval `[t, t + w)`. Hence no
//! half-open interval of that length ever holds more than `limit` accepted requests, a request exactly `w` after
//! another no longer meets it, and none is refused that would have fitted. A refused request leaves no trace.
//!
//! Deliberately not here: the clock, locking, which limits a caller has, and where the history of a restart is read.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How many accepted instants a log keeps at least, even where no limit asks for them: a limit that is set or raised
/// later then counts what came before it. 512 KiB, more than the largest limit that ships.
const KEPT: usize = 1 << 17;

/// Capacity that a log may hold on to while it is empty.
const IDLE_CAPACITY: usize = 64;

/// The windows, in the order in which they are listed on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowName {
    /// 60 seconds, requests on the platform face alone.
    Minute,
    /// 60 minutes, all requests.
    Hour,
    /// 24 hours, all requests.
    Day,
    /// 60 minutes, requests that generate.
    GenerationHour,
    /// 24 hours, requests that generate.
    GenerationDay,
}

impl WindowName {
    /// Every window.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::GenerationHour, Self::GenerationDay];

    /// The name in the `RateLimit` fields and in errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::GenerationHour => "generation-hour",
            Self::GenerationDay => "generation-day",
        }
    }

    /// The length in milliseconds.
    pub const fn length_ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour | Self::GenerationHour => HOUR_MS,
            Self::Day | Self::GenerationDay => DAY_MS,
        }
    }

    /// Whether a request of this class on this surface has to fit the window, and takes room in it.
    pub const fn concerns(self, class: Class, surface: Surface) -> bool {
        match self {
            Self::Minute => matches!(surface, Surface::Platform),
            Self::Hour | Self::Day => true,
            Self::GenerationHour | Self::GenerationDay => matches!(class, Class::Generation),
        }
    }
}

/// What a request does, as far as limits care. A generation request counts as a general one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Everything else.
    General,
    /// Report runs and dashboard refreshes.
    Generation,
}

/// Where a request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// The face at `/api/`, which alone has the minute window.
    Platform,
    /// Any other face.
    Other,
}

/// The limits of one caller; `None` does not limit. A limit of zero admits nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests on the platform face in a minute.
    pub minute: Option<u32>,
    /// Requests in an hour.
    pub hour: Option<u32>,
    /// Requests in a day.
    pub day: Option<u32>,
    /// Generation requests in an hour.
    pub generation_hour: Option<u32>,
    /// Generation requests in a day.
    pub generation_day: Option<u32>,
}

impl Limits {
    /// The lower of two limits in each window.
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        let lower = |name: WindowName| [self.get(name), other.get(name)].into_iter().flatten().min();
        Self {
            minute: lower(WindowName::Minute),
            hour: lower(WindowName::Hour),
            day: lower(WindowName::Day),
            generation_hour: lower(WindowName::GenerationHour),
            generation_day: lower(WindowName::GenerationDay),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limit of one window.
    pub const fn get(&self, name: WindowName) -> Option<u32> {
        match name {
            WindowName::Minute => self.minute,
            WindowName::Hour => self.hour,
            WindowName::Day => self.day,
            WindowName::GenerationHour => self.generation_hour,
            WindowName::GenerationDay => self.generation_day,
        }
    }
}

/// What one window has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The limit that was asked about.
    pub limit: u32,
    /// How many requests still fit.
    pub remaining: u32,
    /// The instant at which `remaining` next rises, in milliseconds. It follows from accepted requests and not from
    /// the instant of the question, so it stands still between them. An unused window, which cannot rise, says now;
    /// a limit of zero, which never rises, says one length from now.
    pub reset_at_ms: i64,
}

/// What every limited window has left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headroom([Option<Room>; 5]);

impl Headroom {
    /// One window; `None` when it is not limited.
    pub const fn get(&self, name: WindowName) -> Option<Room> {
        self.0[name as usize]
    }

    /// Of the windows that a request has to fit and that are full, the one that stays full longest.
    pub fn full(&self, class: Class, surface: Surface) -> Option<(WindowName, Room)> {
        let full = self.iter().filter(|(name, room)| room.remaining == 0 && name.concerns(class, surface));
        full.max_by_key(|(_, room)| room.reset_at_ms)
    }

    /// The limited windows in the order of [`WindowName::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (WindowName, Room)> + '_ {
        WindowName::ALL.into_iter().zip(self.0).filter_map(|(name, room)| Some((name, room?)))
    }
}

/// Whether the request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It fitted every window and now counts in them.
    Admitted,
    /// It did not fit and counts nowhere.
    Refused {
        /// Of the windows that were full, the one that stays full longest.
        window: WindowName,
        /// The first millisecond at which the same request would fit, if nothing else is admitted before.
        retry_at_ms: i64,
    },
}

/// The answer of [`WindowSet::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Admitted or refused.
    pub verdict: Verdict,
    /// The instant the request counts at: `now`, or the newest accepted instant when the clock went back. This is
    /// what the history stores and [`WindowSet::replay`] takes.
    pub at_ms: i64,
    /// What is left, this request included.
    pub headroom: Headroom,
}

/// The accepted requests of one key lineage or one session.
///
/// Four bytes a request, for as long as the longest window. Limits are given with each question, so changing them
/// loses no count.
#[derive(Debug, Default)]
pub struct WindowSet {
    general: InstantLog,
    generation: InstantLog,
    minute: InstantLog,
    /// The newest accepted instant of all logs.
    newest_ms: Option<i64>,
    /// Where each window began when it was last admitted to: the place of its first request in its log, counted from
    /// the log's first ever. Only a place to start looking, so that a window which moved a little is found at once.
    starts: [u64; 5],
}

impl WindowSet {
    /// A caller that has made no request yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the request in all the windows that concern it, or in none of them.
    pub fn admit(&mut self, now_ms: i64, class: Class, surface: Surface, limits: &Limits) -> Admission {
        let at_ms = self.not_before_newest(now_ms);
        let mut headroom = self.peek(at_ms, limits);
        if let Some((window, room)) = headroom.full(class, surface) {
            let verdict = Verdict::Refused { window, retry_at_ms: room.reset_at_ms };
            return Admission { verdict, at_ms, headroom };
        }

        self.commit(at_ms, class, surface, |name| limits.get(name).unwrap_or(0));
        for name in WindowName::ALL {
            let Some(room) = &mut headroom.0[name as usize] else { continue };
            if !name.concerns(class, surface) {
                continue;
            }
            // The oldest request of a window decides its reset, so only the first one moves it.
            if room.remaining == room.limit {
                room.reset_at_ms = at_ms.saturating_add(name.length_ms());
            }
            room.remaining -= 1;
            let used = room.limit - room.remaining;
            self.starts[name as usize] = self.log(name).pushed.saturating_sub(u64::from(used));
        }
        Admission { verdict: Verdict::Admitted, at_ms, headroom }
    }

    /// What is left; consumes nothing.
    pub fn peek(&self, now_ms: i64, limits: &Limits) -> Headroom {
        let now_ms = self.not_before_newest(now_ms);
        Headroom(WindowName::ALL.map(|name| {
            let start = self.starts[name as usize];
            Some(self.log(name).room(now_ms, name.length_ms(), limits.get(name)?, start))
        }))
    }

    /// Counts a request of the history without asking. Instants must ascend; one that does not counts at the newest.
    pub fn replay(&mut self, at_ms: i64, class: Class, surface: Surface) {
        let at_ms = self.not_before_newest(at_ms);
        self.commit(at_ms, class, surface, |_| u32::MAX);
    }

    fn commit(&mut self, at_ms: i64, class: Class, surface: Surface, limit: impl Fn(WindowName) -> u32) {
        self.general.push(at_ms, DAY_MS, limit(WindowName::Hour).max(limit(WindowName::Day)));
        if class == Class::Generation {
            let limit = limit(WindowName::GenerationHour).max(limit(WindowName::GenerationDay));
            self.generation.push(at_ms, DAY_MS, limit);
        }
        if surface == Surface::Platform {
            self.minute.push(at_ms, MINUTE_MS, limit(WindowName::Minute));
        }
        self.newest_ms = Some(at_ms);
    }

    fn log(&self, name: WindowName) -> &InstantLog {
        match name {
            WindowName::Minute => &self.minute,
            WindowName::Hour | WindowName::Day => &self.general,
            WindowName::GenerationHour | WindowName::GenerationDay => &self.generation,
        }
    }

    fn not_before_newest(&self, now_ms: i64) -> i64 {
        self.newest_ms.map_or(now_ms, |newest_ms| newest_ms.max(now_ms))
    }
}

/// Accepted instants in ascending order, as milliseconds after a base that moves when they no longer fit 32 bits.
#[derive(Debug, Default)]
struct InstantLog {
    base_ms: i64,
    offsets: VecDeque<u32>,
    /// How many instants were ever appended.
    pushed: u64,
}

impl InstantLog {
    /// What a window of `length_ms` that ends now has left; `start` is where it once began.
    fn room(&self, now_ms: i64, length_ms: i64, limit: u32, start: u64) -> Room {
        let used = self.used(now_ms, length_ms, start);
        let remaining = limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        // With more in the window than a lowered limit allows, room appears only when the limit-th newest leaves.
        let deciding = used.min(usize::try_from(limit).unwrap_or(usize::MAX));
        let reset_at_ms = match self.nth_newest(deciding) {
            Some(instant_ms) => instant_ms.saturating_add(length_ms),
            None if limit == 0 => now_ms.saturating_add(length_ms),
            None => now_ms,
        };
        Room { limit, remaining, reset_at_ms }
    }

    /// How many instants are younger than `length_ms`.
    fn used(&self, now_ms: i64, length_ms: i64, start: u64) -> usize {
        let horizon_ms = now_ms.saturating_sub(length_ms);
        if self.nth_newest(1).is_none_or(|newest_ms| newest_ms <= horizon_ms) {
            return 0;
        }
        let dropped = self.pushed - self.offsets.len() as u64;
        let start = usize::try_from(start.saturating_sub(dropped)).unwrap_or(usize::MAX);
        self.offsets.len() - self.expired(horizon_ms, start)
    }

    /// How many instants lie at or before the horizon: strides that double from `start`, then halving.
    fn expired(&self, horizon_ms: i64, start: usize) -> usize {
        let is_expired =
            |index: usize| self.offsets.get(index).is_some_and(|&offset| self.instant(offset) <= horizon_ms);
        let start = start.min(self.offsets.len());
        // What is before `low` has expired, what is at `high` has not.
        let (mut low, mut high, mut stride) = (0, start, 1);
        if start == 0 || is_expired(start - 1) {
            (low, high) = (start, start);
            while is_expired(high) {
                low = high + 1;
                high = low + stride;
                stride *= 2;
            }
            high = high.min(self.offsets.len());
        }
        while low < high {
            let middle = low.midpoint(high);
            if is_expired(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The `nth` newest instant, the newest being the first; there is no zeroth.
    fn nth_newest(&self, nth: usize) -> Option<i64> {
        if nth == 0 {
            return None;
        }
        let index = self.offsets.len().checked_sub(nth)?;
        self.offsets.get(index).map(|&offset| self.instant(offset))
    }

    fn instant(&self, offset: u32) -> i64 {
        self.base_ms.saturating_add(i64::from(offset))
    }

    /// Appends an instant that is not before the newest. What is older than `length_ms` goes, as does what exceeds
    /// both `limit` and [`KEPT`]; two at a time, so that no request pays for a whole day.
    fn push(&mut self, at_ms: i64, length_ms: i64, limit: u32) {
        let horizon_ms = at_ms.saturating_sub(length_ms);
        if self.nth_newest(1).is_none_or(|newest_ms| newest_ms <= horizon_ms) {
            self.offsets.clear();
            self.offsets.shrink_to(IDLE_CAPACITY);
            self.base_ms = at_ms;
        }
        let kept = usize::try_from(limit).unwrap_or(usize::MAX).max(KEPT);
        for _ in 0..2 {
            let Some(&oldest) = self.offsets.front() else { break };
            if self.instant(oldest) > horizon_ms && self.offsets.len() < kept {
                break;
            }
            self.offsets.pop_front();
        }
        let roomy = self.offsets.len().max(IDLE_CAPACITY).saturating_mul(2);
        if self.offsets.capacity() > roomy.saturating_mul(2) {
            self.offsets.shrink_to(roomy);
        }
        let offset = match u32::try_from(at_ms.saturating_sub(self.base_ms)) {
            Ok(offset) => offset,
            Err(_) => self.rebase(at_ms, horizon_ms),
        };
        self.offsets.push_back(offset);
        self.pushed += 1;
    }

    /// Moves the base to the oldest instant that still counts and gives the offset of `at_ms` from it. Happens once
    /// in 49 days of steady use; the windows are shorter than that, so what is kept always fits.
    fn rebase(&mut self, at_ms: i64, horizon_ms: i64) -> u32 {
        let expired = self.expired(horizon_ms, 0);
        self.offsets.drain(..expired);
        let shift = self.offsets.front().copied().unwrap_or(0);
        self.base_ms = if self.offsets.is_empty() { at_ms } else { self.instant(shift) };
        for offset in &mut self.offsets {
            *offset -= shift;
        }
        u32::try_from(at_ms.saturating_sub(self.base_ms)).unwrap_or(u32::MAX)
    }
}
