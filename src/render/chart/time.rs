//! A scale of time: ticks at beginnings of seconds, minutes, hours, days, weeks, months or years, in UTC.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// The instant of a cell of type date or timestamp, as seconds since 1970 in UTC.
pub fn seconds(text: &str) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "chrono's instants are within 2^53 seconds")]
    let whole = |instant: NaiveDateTime| instant.and_utc().timestamp() as f64 + f64::from(instant.nanosecond()) / 1e9;
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(whole(instant.naive_utc()));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(whole(date.and_time(NaiveTime::MIN)));
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
        .map(whole)
}

/// A tick: where, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeTick {
    /// Seconds since 1970.
    pub at: f64,
    /// Its label.
    pub label: String,
}

/// The finest unit that an axis shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finest {
    /// For timestamps.
    Second,
    /// For dates, which have nothing below a day.
    Day,
}

/// The distance of two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Seconds(i64),
    Days(u64),
    Months(u32),
}

/// From fine to coarse, up to a year; further ones are years in steps of 1, 2 and 5.
const STEPS: [Step; 19] = [
    Step::Seconds(1),
    Step::Seconds(5),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(60),
    Step::Seconds(300),
    Step::Seconds(900),
    Step::Seconds(1800),
    Step::Seconds(3600),
    Step::Seconds(3 * 3600),
    Step::Seconds(6 * 3600),
    Step::Seconds(12 * 3600),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
];

impl Step {
    fn seconds(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "steps are small")]
        match self {
            Self::Seconds(count) => count as f64,
            Self::Days(count) => count as f64 * DAY,
            Self::Months(count) => f64::from(count) * 30.44 * DAY,
        }
    }

    /// The finest step that gives `most` ticks at most.
    fn for_span(span: f64, most: f64, finest: Finest) -> Self {
        let fits = |step: &Self| span / step.seconds() <= most;
        let fine_enough = |step: &Step| finest == Finest::Second || step.seconds() >= DAY;
        if let Some(step) = STEPS.into_iter().filter(fine_enough).find(fits) {
            return step;
        }
        let mut decade = 1;
        loop {
            for years in [2, 5, 10] {
                let step = Self::Months(12 * years * decade);
                if fits(&step) || decade >= 1_000_000 {
                    return step;
                }
            }
            decade *= 10;
        }
    }

    /// The last beginning of a step that is not after the instant.
    fn floor(self, instant: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Seconds(count) => {
                let stamp = instant.and_utc().timestamp();
                Some(DateTime::from_timestamp(stamp - stamp.rem_euclid(count), 0)?.naive_utc())
            }
            Self::Days(7) => {
                let back = Days::new(u64::from(instant.weekday().num_days_from_monday()));
                Some(instant.date().checked_sub_days(back)?.and_time(NaiveTime::MIN))
            }
            // The first day of a month is a beginning, so that months look alike.
            Self::Days(count) => {
                let back = u64::from(instant.day0()) % count;
                Some(instant.date().checked_sub_days(Days::new(back))?.and_time(NaiveTime::MIN))
            }
            Self::Months(count) => {
                let count = i32::try_from(count).ok()?;
                let month = instant.year().checked_mul(12)? + i32::try_from(instant.month0()).ok()?;
                let month = month - month.rem_euclid(count);
                let month0 = u32::try_from(month.rem_euclid(12)).ok()?;
                Some(NaiveDate::from_ymd_opt(month.div_euclid(12), month0 + 1, 1)?.and_time(NaiveTime::MIN))
            }
        }
    }

    fn next(self, instant: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Seconds(count) => instant.checked_add_signed(TimeDelta::try_seconds(count)?),
            Self::Days(count) => {
                let next = instant.checked_add_days(Days::new(count))?;
                if count < 7 && next.month() != instant.month() { next.with_day(1) } else { Some(next) }
            }
            Self::Months(count) => instant.checked_add_months(Months::new(count)),
        }
    }

    fn label(self, instant: NaiveDateTime, first: bool) -> String {
        let midnight = instant.time() == NaiveTime::MIN;
        let pattern = match self {
            Self::Seconds(_) if midnight || first => "%-d %b %H:%M",
            Self::Seconds(count) if count < 60 => "%H:%M:%S",
            Self::Seconds(_) => "%H:%M",
            Self::Days(_) if first || (instant.month() == 1 && instant.day() <= 7) => "%-d %b %Y",
            Self::Days(_) => "%-d %b",
            Self::Months(count) if count % 12 == 0 => "%Y",
            Self::Months(_) if first || instant.month() == 1 => "%b %Y",
            Self::Months(_) => "%b",
        };
        instant.format(pattern).to_string()
    }
}

/// The ticks between two instants in seconds, at most `most` or so; none below `finest`.
pub fn ticks(low: f64, high: f64, most: f64, finest: Finest) -> Vec<TimeTick> {
    let step = Step::for_span(high - low, most.max(2.0), finest);
    let Some(mut instant) = instant(low).and_then(|start| step.floor(start)) else { return Vec::new() };
    let mut found: Vec<TimeTick> = Vec::new();
    // The span holds `most` steps, short months and restarted days a few more.
    for _ in 0..200 {
        #[expect(clippy::cast_precision_loss, reason = "chrono's instants are within 2^53 seconds")]
        let at = instant.and_utc().timestamp() as f64;
        if at > high {
            break;
        }
        if at >= low {
            // Day 31 just before day 1 would collide with it.
            if let Step::Days(2) = step
                && instant.day() == 1
                && found.last().is_some_and(|last| at - last.at < 2.0 * DAY)
            {
                found.pop();
            }
            found.push(TimeTick { at, label: step.label(instant, found.is_empty()) });
        }
        let Some(next) = step.next(instant) else { break };
        instant = next;
    }
    found
}

/// How categories that are dates are written: months when every one begins a month, years likewise, else days.
pub fn category_labels(instants: &[f64], finest: Finest) -> Vec<String> {
    let dates: Vec<Option<NaiveDateTime>> = instants.iter().map(|seconds| instant(*seconds)).collect();
    let all = |is: fn(&NaiveDateTime) -> bool| dates.len() > 1 && dates.iter().flatten().all(is);
    let at_midnight = finest == Finest::Day || all(|date| date.time() == NaiveTime::MIN);
    let pattern = if at_midnight && all(|date| date.ordinal() == 1) {
        "%Y"
    } else if at_midnight && all(|date| date.day() == 1) {
        "%b %Y"
    } else if at_midnight {
        "%-d %b %Y"
    } else {
        "%-d %b %H:%M"
    };
    dates.iter().map(|date| date.map_or_else(String::new, |date| date.format(pattern).to_string())).collect()
}

fn instant(seconds: f64) -> Option<NaiveDateTime> {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates and chrono refuses what is out of range")]
    let whole = seconds.floor() as i64;
    Some(DateTime::from_timestamp(whole, 0)?.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: &str, high: &str, most: f64) -> Vec<String> {
        let (low, high) = (seconds(low).unwrap(), seconds(high).unwrap());
        ticks(low, high, most, Finest::Second).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn a_year_has_ticks_at_months_and_says_its_year_once() {
        assert_eq!(labels("2013-01-01", "2013-12-31", 6.0), ["Jan 2013", "Apr", "Jul", "Oct"]);
    }

    #[test]
    fn decades_weeks_and_hours_have_ticks_of_their_own() {
        assert_eq!(labels("1980-06-01", "2020-01-01", 6.0), ["1990", "2000", "2010", "2020"]);
        assert_eq!(labels("2013-01-01", "2013-01-22", 5.0), ["7 Jan 2013", "14 Jan", "21 Jan"]);
        assert_eq!(
            labels("2013-01-01T00:00:00Z", "2013-01-01T12:00:00Z", 5.0),
            ["1 Jan 00:00", "03:00", "06:00", "09:00", "12:00"]
        );
    }

    #[test]
    fn absurd_spans_end() {
        let (low, high) = (seconds("-200000-01-01").unwrap_or(-6e12), 8e12);
        assert!(ticks(low, high, 6.0, Finest::Day).len() < 20);
        assert!(ticks(-1e300, 1e300, 6.0, Finest::Day).is_empty());
    }

    #[test]
    fn categories_are_written_as_coarsely_as_they_are() {
        let at = |text| seconds(text).unwrap();
        assert_eq!(category_labels(&[at("2013-01-01"), at("2013-02-01")], Finest::Day), ["Jan 2013", "Feb 2013"]);
        assert_eq!(category_labels(&[at("2013-01-01"), at("2014-01-01")], Finest::Day), ["2013", "2014"]);
        assert_eq!(category_labels(&[at("2013-01-01")], Finest::Day), ["1 Jan 2013"]);
        assert_eq!(category_labels(&[at("2013-01-01T05:15:00Z")], Finest::Second), ["1 Jan 05:15"]);
    }
}
