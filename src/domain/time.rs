//! Instants and the clock. Rules take `now`; only the composition root picks the clock.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339 in UTC with whole seconds and `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This much earlier.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Option<Self> {
        chrono::DateTime::parse_from_rfc3339(text).ok().map(|instant| Self(instant.timestamp_millis()))
    }

    /// Year, month and day in UTC.
    pub fn date(self) -> (i64, u8, u8) {
        civil(self.seconds().div_euclid(86_400))
    }

    /// The first instant of this instant's calendar month in UTC.
    pub fn month_start(self) -> Self {
        let (year, month, _) = self.date();
        Self::from_seconds(days_from_civil(year, month) * 86_400)
    }

    /// The first instant of the calendar month after this instant's.
    pub fn next_month_start(self) -> Self {
        let (year, month, _) = self.date();
        let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        Self::from_seconds(days_from_civil(year, month) * 86_400)
    }

    /// Hands over the spelling of RFC 3339. Answers are full of it, and `write!` costs several times as much.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a digit fits a byte")]
    fn spelled<T>(self, take: impl FnOnce(&str) -> T) -> T {
        let (year, month, day) = self.date();
        let second = self.seconds().rem_euclid(86_400);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        if !(0..10_000).contains(&year) {
            return take(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"));
        }
        let mut text = *b"0000-00-00T00:00:00Z";
        let parts = [year / 100, year % 100, month.into(), day.into(), hour, minute, second];
        for (place, part) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(parts) {
            text[place] += (part / 10) as u8;
            text[place + 1] += (part % 10) as u8;
        }
        take(str::from_utf8(&text).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    /// What is before the epoch becomes the epoch.
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH + at.since(Timestamp(0))
    }
}

/// The civil date of a day count since the epoch (Howard Hinnant, "chrono-compatible low-level date algorithms").
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "months and days fit a byte by construction"
)]
fn civil(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
    let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u8;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day count of the first of a month.
fn days_from_civil(year: i64, month: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spelled(|text| out.write_str(text))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spelled(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is no RFC 3339 instant such as 2026-04-06T09:14:22Z"))
        })
    }
}

/// Where the present comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// A test's.
    Fixed(FixedClock),
}

impl Clock {
    /// The wall clock's instant.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Fixed(clock) => clock.now(),
        }
    }

    /// Time since some fixed point, never going back: for durations, not for dates.
    pub fn monotonic(&self) -> Duration {
        match self {
            Self::System => monotonic(),
            Self::Fixed(clock) => clock.0.lock().passed,
        }
    }
}

/// The machine's monotonic clock, counted from its first reading in this process.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// A clock that stands until it is moved. For tests.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<Mutex<Fixed>>);

#[derive(Debug)]
struct Fixed {
    wall: Timestamp,
    passed: Duration,
}

impl FixedClock {
    /// Stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Fixed { wall: start, passed: Duration::ZERO })))
    }

    /// The instant it stands at.
    pub fn now(&self) -> Timestamp {
        self.0.lock().wall
    }

    /// Moves it on.
    pub fn advance(&self, span: Duration) {
        let mut fixed = self.0.lock();
        fixed.wall = fixed.wall.plus(span);
        fixed.passed += span;
    }

    /// Sets the wall clock forwards or back by so many milliseconds, without any time passing.
    pub fn step(&self, millis: i64) {
        let mut fixed = self.0.lock();
        fixed.wall = Timestamp(fixed.wall.millis().saturating_add(millis));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_whole_seconds_with_z_and_read_back() {
        for text in ["1970-01-01T00:00:00Z", "2026-04-06T09:14:22Z", "2000-02-29T23:59:59Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::parse("2026-04-06T11:14:22+02:00").unwrap().to_string(), "2026-04-06T09:14:22Z");
    }

    #[test]
    fn months_start_on_their_first_in_utc() {
        let instant = Timestamp::parse("2024-12-31T23:59:59Z").unwrap();
        assert_eq!(instant.month_start().to_string(), "2024-12-01T00:00:00Z");
        assert_eq!(instant.next_month_start().to_string(), "2025-01-01T00:00:00Z");
    }
}
