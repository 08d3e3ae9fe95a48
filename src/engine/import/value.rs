//! What a cell of a sheet holds: a value with a type of its own, which text files do not have.

use std::borrow::Cow;

use chrono::{Days, NaiveDate};

use crate::engine::detect::{Detector, Guess, MICROS_PER_DAY};

/// Whole numbers beyond this cannot be told from their neighbours as 64-bit floating point.
const EXACT: f64 = 9_007_199_254_740_992.0;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'v> {
    /// Nothing, or an error such as `#N/A`.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number: sheets know no others than these.
    Number(f64),
    /// A day, as days since 1970-01-01.
    Date(i32),
    /// A time of day, as microseconds since midnight.
    Time(i64),
    /// An instant, as microseconds since 1970.
    Timestamp(i64),
    /// Text.
    Text(Cow<'v, str>),
}

impl Value<'_> {
    /// Whether the number is a whole one that is exact.
    pub fn is_whole(number: f64) -> bool {
        number.fract() == 0.0 && number.abs() <= EXACT
    }

    /// The first instant of a day.
    pub fn midnight(days: i32) -> i64 {
        i64::from(days) * MICROS_PER_DAY
    }

    /// The value as text, as a file of separated values would have it.
    pub fn written(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            // Zero has no sign for people.
            Self::Number(number) if *number == 0.0 => Cow::Borrowed("0"),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Date(days) => Cow::Owned(day(i64::from(*days))),
            Self::Time(micros) => Cow::Owned(clock(*micros)),
            Self::Timestamp(micros) => {
                let (days, rest) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
                Cow::Owned(format!("{} {}", day(days), clock(rest)))
            }
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

fn day(days: i64) -> String {
    let first = NaiveDate::default();
    let at = Days::new(days.unsigned_abs());
    let day = if days < 0 { first.checked_sub_days(at) } else { first.checked_add_days(at) };
    day.map_or_else(|| days.to_string(), |day| day.to_string())
}

/// Hours may be more than a day has: that is how lengths of time are written.
pub fn clock(micros: i64) -> String {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { whole } else { format!("{whole}.{}", format!("{fraction:06}").trim_end_matches('0')) }
}

/// What the values of one column are.
#[derive(Debug, Default)]
pub struct Values {
    texts: Detector,
    has_text: bool,
    has_number: bool,
    has_fraction: bool,
    has_boolean: bool,
    has_date: bool,
    has_time: bool,
    has_timestamp: bool,
}

impl Values {
    /// Takes a value into account; text that stands for a missing one must not come here.
    pub fn see(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => {}
            Value::Boolean(_) => self.has_boolean = true,
            Value::Number(number) => {
                self.has_number = true;
                self.has_fraction |= !Value::is_whole(*number);
            }
            Value::Date(_) => self.has_date = true,
            Value::Time(_) => self.has_time = true,
            Value::Timestamp(_) => self.has_timestamp = true,
            Value::Text(text) => {
                self.has_text = true;
                self.texts.see(text.as_bytes());
            }
        }
    }

    /// The narrowest type that fits them all. Text stays text, though it looks like a number: who writes `007` means it.
    /// Only text that is a day or an instant is one, throughout its column.
    pub fn guess(&self) -> Guess {
        let texts = match (self.has_text, self.texts.guess()) {
            (false, _) => None,
            (true, guess @ (Guess::Date | Guess::Timestamp)) => Some(guess),
            (true, _) => return Guess::Text,
        };
        let days = self.has_date || texts == Some(Guess::Date);
        let instants = self.has_timestamp || texts == Some(Guess::Timestamp);
        match (self.has_number, self.has_boolean, self.has_time, days || instants) {
            (false, false, false, false) => Guess::Nothing,
            (true, false, false, false) if self.has_fraction => Guess::Double,
            (true, false, false, false) => Guess::Integer,
            (false, true, false, false) => Guess::Boolean,
            (false, false, true, false) => Guess::Time,
            (false, false, false, true) if instants => Guess::Timestamp,
            (false, false, false, true) => Guess::Date,
            _ => Guess::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_files_of_text_have_them() {
        for (value, text) in [
            (Value::Number(1.0), "1"),
            (Value::Number(-0.0), "0"),
            (Value::Number(0.1), "0.1"),
            (Value::Boolean(true), "true"),
            (Value::Date(-1), "1969-12-31"),
            (Value::Timestamp(MICROS_PER_DAY + 1_500_000), "1970-01-02 00:00:01.5"),
            (Value::Time(49_500_000_000), "13:45:00"),
        ] {
            assert_eq!(value.written(), text);
        }
        assert_eq!(clock(26 * 3_600 * MICROS_PER_SECOND), "26:00:00");
    }

    #[test]
    fn the_narrowest_type_that_fits_every_cell_is_chosen() {
        let guess = |values: &[Value<'_>]| {
            let mut seen = Values::default();
            values.iter().for_each(|value| seen.see(value));
            seen.guess()
        };
        let text = |text: &'static str| Value::Text(text.into());
        assert_eq!(guess(&[]), Guess::Nothing);
        assert_eq!(guess(&[Value::Number(1.0), Value::Null]), Guess::Integer);
        assert_eq!(guess(&[Value::Number(1.0), Value::Number(1.5)]), Guess::Double);
        assert_eq!(guess(&[Value::Number(1e300)]), Guess::Double);
        assert_eq!(guess(&[Value::Date(1), text("2013-01-01")]), Guess::Date);
        assert_eq!(guess(&[Value::Date(1), Value::Timestamp(1)]), Guess::Timestamp);
        assert_eq!(guess(&[Value::Date(1), Value::Number(1.0)]), Guess::Text);
        assert_eq!(guess(&[text("1"), text("2")]), Guess::Text);
        assert_eq!(guess(&[Value::Number(1.0), text("x")]), Guess::Text);
        assert_eq!(guess(&[Value::Time(1)]), Guess::Time);
        assert_eq!(guess(&[Value::Boolean(true), Value::Number(1.0)]), Guess::Text);
    }
}
