//! Exact sliding windows: whether a request still fits, and what is left afterwards.
//!
//! An accepted request at `t` occupies a window of length `w` during the half-open interval `[t, t + w)`. Hence no
//! half-open interval of that length ever holds more than `limit` accepted requests, a request exactly `w` after
//! another no longer meets it, and none is refused that would have fitted. A refused request leaves no trace.
//!
//! Instants are those of [`crate::domain::steady`], which no step of the wall clock moves. Where memory is short a set
//! is made coarse: its day windows then hold on to requests for up to a minute longer, and admit none too many.
//!
//! Deliberately not here: the clock, locking, which limits a caller has, and where the history of a restart is read.

use serde::{Deserialize, Serialize};

use log::InstantLog;

mod log;
#[cfg(test)]
mod tests;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How many accepted instants are kept at least, even where no limit asks for them: a limit that is set or raised
/// later then counts what came before it. 512 KiB, more than the largest limit that ships.
pub const KEPT: usize = 1 << 17;

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

    /// So many percent of each, and at least one where anything is admitted.
    #[must_use]
    pub fn share(self, percent: u32) -> Self {
        let part = |limit: u32| {
            let part = u64::from(limit) * u64::from(percent) / 100;
            u32::try_from(part).unwrap_or(u32::MAX).max(limit.min(1))
        };
        Self {
            minute: self.minute.map(part),
            hour: self.hour.map(part),
            day: self.day.map(part),
            generation_hour: self.generation_hour.map(part),
            generation_day: self.generation_day.map(part),
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
    /// What each window has left, in the order of [`WindowName::ALL`].
    pub const fn of(rooms: [Option<Room>; 5]) -> Self {
        Self(rooms)
    }

    /// One window; `None` when it is not limited.
    pub const fn get(&self, name: WindowName) -> Option<Room> {
        self.0[name as usize]
    }

    /// Of the windows that a request has to fit and that are full, the one that stays full longest.
    pub fn full(&self, class: Class, surface: Surface) -> Option<(WindowName, Room)> {
        let full = self.iter().filter(|(name, room)| room.remaining == 0 && name.concerns(class, surface));
        full.max_by_key(|(_, room)| room.reset_at_ms)
    }

    /// The same with every reset this much later; negative spans make it earlier.
    #[must_use]
    pub fn later_by(self, millis: i64) -> Self {
        let later = |room: Room| Room { reset_at_ms: room.reset_at_ms.saturating_add(millis), ..room };
        Self(self.0.map(|room| room.map(later)))
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
/// Four bytes a request, for as long as the longest window, unless it is made coarse. Limits are given with each question, so changing them
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
    precision: Precision,
}

/// How much memory a set may take for what has left its hour windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes a request.
    #[default]
    Exact,
    /// Eight bytes a minute, for the day at most 11 KiB: all requests of a minute leave with the last of them.
    Coarse,
}

impl WindowSet {
    /// A caller that has made no request yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How precisely the day is counted.
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// Changes that. Made coarse, what is older than an hour at this instant is folded at once, so nobody may ask about
    /// earlier ones any more; made exact, what was folded stays so until it is a day old.
    pub fn set_precision(&mut self, precision: Precision, now_ms: i64) {
        self.precision = precision;
        if precision == Precision::Coarse {
            let horizon_ms = self.not_before_newest(now_ms).saturating_sub(HOUR_MS);
            self.general.fold(horizon_ms, usize::MAX);
            self.generation.fold(horizon_ms, usize::MAX);
        }
    }

    /// Bytes of memory that it takes, its own included.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.general.bytes() + self.generation.bytes() + self.minute.bytes()
    }

    /// Whether nothing in it counts any more.
    pub fn is_over(&self, now_ms: i64) -> bool {
        self.newest_ms.is_none_or(|newest_ms| newest_ms <= now_ms.saturating_sub(DAY_MS))
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
        if self.precision == Precision::Coarse {
            // Two for one that came: what has aged is folded sooner than it gathers.
            let horizon_ms = at_ms.saturating_sub(HOUR_MS);
            self.general.fold(horizon_ms, 2);
            self.generation.fold(horizon_ms, 2);
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
