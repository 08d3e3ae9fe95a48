//! When something recurs: a cron expression on the clock of a time zone.
//!
//! Five fields, minutes first, as cron has them (`0 6 * * 1-5`), or `@hourly`, `@daily`, `@weekly`, `@monthly`,
//! `@yearly`. When clocks go forward, what falls into the hour that is left out comes after it; when they go back, what
//! falls into the hour that comes twice comes once.

use std::str::FromStr;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::error::{Error, Result};
use super::time::Timestamp;

/// The longest expression, in bytes.
const LONGEST: usize = 100;
/// The nearest that times come, since they are whole minutes.
const NEAREST: Duration = Duration::from_secs(60);
/// Hours and minutes are the same on each day that has any: so the rest of a day and one whole one show how near times
/// come, which is so many where none comes a minute after another.
const TIMES_LOOKED_AT: u32 = 2 * 24 * 30;
/// What comes more seldom than within this time is near to nothing.
const LOOKED_AT: Duration = Duration::from_secs(40 * 86_400);
/// The zone by default.
const UTC: &str = "UTC";

/// When something recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    cron: String,
    zone: Tz,
}

impl Schedule {
    /// Reads an expression and the name of a zone, `Europe/Berlin`; without one it is UTC.
    ///
    /// # Errors
    /// What does not read, and what never comes, such as the 30th of February.
    pub fn parse(cron: &str, zone: Option<&str>, now: Timestamp) -> Result<Self> {
        let zone = zone.unwrap_or(UTC);
        let zone = Tz::from_str(zone).map_err(|_| {
            let reason = format!("`{}` is no time zone such as `Europe/Berlin` or `UTC`.", Error::clipped(zone));
            Error::field("schedule.time_zone", reason)
        })?;
        let schedule = Self { cron: cron.trim().to_owned(), zone };
        match schedule.pattern().and_then(|_| schedule.next(now)) {
            Some(_) => Ok(schedule),
            None => Err(Error::field(
                "schedule.cron",
                format!(
                    "`{}` is no time that comes again: write minute, hour, day of the month, month and day of the week, \
                     such as `0 6 * * 1-5`, or `@daily`.",
                    Error::clipped(cron)
                ),
            )),
        }
    }

    /// What was stored, which was checked then.
    pub fn stored(cron: String, zone: &str) -> Option<Self> {
        Some(Self { cron, zone: Tz::from_str(zone).ok()? })
    }

    /// The expression.
    pub fn cron(&self) -> &str {
        &self.cron
    }

    /// The name of the zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first time after an instant.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.next_of(&self.pattern()?, after)
    }

    fn next_of(&self, pattern: &Cron, after: Timestamp) -> Option<Timestamp> {
        let after = DateTime::from_timestamp_millis(after.millis())?.with_timezone(&self.zone);
        let next = pattern.find_next_occurrence(&after, false).ok()?;
        Some(Timestamp::from_millis(next.timestamp_millis()))
    }

    /// Refuses a schedule that comes again within less than `shortest`.
    ///
    /// # Errors
    /// `InvalidField`, with the time that has to lie between.
    pub fn check_interval(&self, shortest: Duration, now: Timestamp) -> Result<()> {
        let Some(pattern) = self.pattern().filter(|_| shortest > NEAREST) else { return Ok(()) };
        let mut before: Option<Timestamp> = None;
        let until = now.plus(LOOKED_AT);
        for _ in 0..=TIMES_LOOKED_AT {
            let next = self.next_of(&pattern, before.unwrap_or(now));
            let Some(next) = next.filter(|next| *next < until) else { break };
            if before.is_some_and(|before| next < before.plus(shortest)) {
                let reason =
                    format!("comes more often than every {} s, which is as often as may be.", shortest.as_secs());
                return Err(Error::field("schedule.cron", reason));
            }
            before = Some(next);
        }
        Ok(())
    }

    fn pattern(&self) -> Option<Cron> {
        if self.cron.len() > LONGEST {
            return None;
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(&self.cron).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(cron, Some(zone), at(from)).unwrap();
        let mut now = at(from);
        let next = std::iter::repeat_with(|| {
            now = schedule.next(now).unwrap();
            now.to_string()
        });
        next.take(count).collect()
    }

    #[test]
    fn a_schedule_follows_the_clocks_of_its_zone() {
        assert_eq!(
            times("0 6 * * 1-5", "UTC", "2026-04-03T06:00:00Z", 2),
            ["2026-04-06T06:00:00Z", "2026-04-07T06:00:00Z"]
        );
        // Summer time begins in Berlin on 29 March 2026: six o'clock is an hour earlier in UTC.
        assert_eq!(
            times("0 6 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 2),
            ["2026-03-28T05:00:00Z", "2026-03-29T04:00:00Z"]
        );
        assert_eq!(times("@hourly", "UTC", "2026-04-03T06:30:00Z", 1), ["2026-04-03T07:00:00Z"]);
    }

    #[test]
    fn an_hour_that_is_left_out_or_comes_twice_is_neither_missed_nor_doubled() {
        let spring = times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert!(spring[0].starts_with("2026-03-29T01:") && spring[1] == "2026-03-30T00:30:00Z", "{spring:?}");
        let autumn = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert!(autumn[0].starts_with("2026-10-25T0") && autumn[1] == "2026-10-26T01:30:00Z", "{autumn:?}");
    }

    #[test]
    fn times_that_lie_too_near_are_refused_wherever_in_a_day_they_are() {
        let now = at("2026-04-06T09:00:00Z");
        let check = |cron: &str, seconds: u64| {
            let schedule = Schedule::parse(cron, None, now).unwrap();
            schedule.check_interval(Duration::from_secs(seconds), now).map_err(|refusal| refusal.to_string())
        };
        for dense in ["* * * * *", "*/4 * * * *", "0,1 3 * * 6", "0,58 0,23 * * *", "0,59 6,7 15 * *"] {
            assert!(check(dense, 300).unwrap_err().contains("every 300 s"), "{dense}");
        }
        for fine in ["*/5 * * * *", "@hourly", "0 6 * * 1-5", "0,30 * * * *", "0 0 29 2 *", "0 0 1 1 *"] {
            assert_eq!(check(fine, 300), Ok(()), "{fine}");
        }
        assert_eq!(check("* * * * *", 60), Ok(()));
        // Of this day nothing is near, until its evening.
        let midnight = at("2026-04-06T00:00:00Z");
        let late = "0,5,10,15,20,25,30,35,40,45,59 0,2,4,6,8,10,12,14,16,18,20,21 * * *";
        let late = Schedule::parse(late, None, midnight).unwrap();
        assert!(late.check_interval(Duration::from_secs(300), midnight).is_err());
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_field() {
        let now = at("2026-04-03T06:00:00Z");
        for cron in
            ["", "x", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "@never", "0 24 * * *", &"1,".repeat(80)]
        {
            let refusal = Schedule::parse(cron, None, now).unwrap_err().to_string();
            assert!(refusal.contains("schedule.cron"), "{cron}: {refusal}");
        }
        let refusal = Schedule::parse("@daily", Some("Mars/Olympus"), now).unwrap_err().to_string();
        assert!(refusal.contains("schedule.time_zone"), "{refusal}");
        assert_eq!(Schedule::parse("@daily", None, now).unwrap().zone(), "UTC");
    }
}
