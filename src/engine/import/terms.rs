//! On which terms the cells of a column are read: what stands for a missing value, which type was asked for, and how its
//! dates are written. A type that was asked for is read more generously than one that is guessed: nothing else is meant.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::fault::Fault;
use crate::domain::import::{ColumnOptions, ImportOptions};
use crate::domain::result::ColumnType;
use crate::engine::detect::{self, MICROS_PER_DAY};

/// The most digits of an exact decimal number.
const DIGITS: usize = 38;

/// What stands for a missing value.
#[derive(Debug, Clone, Default)]
pub enum Nulls {
    /// The usual spellings.
    #[default]
    Usual,
    /// These, and the empty cell.
    These(Arc<[Vec<u8>]>),
}

impl Nulls {
    /// Those of the options.
    pub fn of(options: &ImportOptions) -> Self {
        match &options.nulls {
            None => Self::Usual,
            Some(words) => Self::These(words.iter().map(|word| word.clone().into_bytes()).collect()),
        }
    }

    /// Whether the cell is one of them.
    pub fn has(&self, cell: &[u8]) -> bool {
        match self {
            Self::Usual => detect::is_null(cell),
            Self::These(words) => cell.is_empty() || words.iter().any(|word| word == cell),
        }
    }

    /// Whether they were given: then they hold for text that means what it says, too.
    pub fn are_given(&self) -> bool {
        matches!(self, Self::These(_))
    }
}

/// The terms of one column.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// What stands for a missing value.
    pub nulls: Nulls,
    /// The type that was asked for.
    pub asked: Option<ColumnType>,
    format: Option<Arc<str>>,
    /// The type is that of rows which are there already: what would not have been guessed as it is not read as it.
    is_strict: bool,
}

impl Terms {
    /// The terms of columns with these names: all that there are, or those of one sheet among several.
    ///
    /// # Errors
    /// `NoSuchColumn` for options of a column that is nowhere.
    pub fn of(options: &ImportOptions, names: &[String], are_all: bool) -> Result<Vec<Self>, Fault> {
        if are_all && let Some(unknown) = options.columns.keys().find(|name| !names.contains(name)) {
            return Err(Fault::NoSuchColumn { column: unknown.clone() });
        }
        let nulls = Nulls::of(options);
        Ok(names
            .iter()
            .map(|name| {
                let given: Option<&ColumnOptions> = options.columns.get(name);
                Self {
                    nulls: nulls.clone(),
                    asked: given.map(|column| column.kind),
                    format: given.and_then(|column| column.format.as_deref().map(Arc::from)),
                    is_strict: false,
                }
            })
            .collect())
    }

    /// Expects the type that the column's rows have already, unless another was asked for.
    pub fn expect(&mut self, kind: Option<ColumnType>) {
        if self.asked.is_none() && kind.is_some() {
            (self.asked, self.is_strict) = (kind, true);
        }
    }

    fn is_generous(&self) -> bool {
        self.asked.is_some() && !self.is_strict
    }

    /// `true` and `false`; where asked for also `1`, `yes`, `y`, `t` and their opposites, in any case.
    pub fn boolean(&self, cell: &[u8]) -> Option<bool> {
        if !self.is_generous() {
            return detect::boolean(cell);
        }
        let is = |words: &[&str]| words.iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()));
        if is(&["true", "1", "yes", "y", "t"]) {
            return Some(true);
        }
        is(&["false", "0", "no", "n", "f"]).then_some(false)
    }

    /// A whole number; where asked for also with leading zeros and a plus.
    pub fn integer(&self, cell: &[u8]) -> Option<i64> {
        detect::integer(cell).or_else(|| if self.is_generous() { text(cell)?.parse().ok() } else { None })
    }

    /// A number; where asked for also with leading zeros, a plus, and more digits than it keeps.
    pub fn double(&self, cell: &[u8]) -> Option<f64> {
        let generous = || text(cell)?.parse().ok().filter(|number: &f64| number.is_finite());
        detect::double(cell).or_else(|| if self.is_generous() { generous() } else { None })
    }

    /// A day, as days since 1970-01-01.
    pub fn date(&self, cell: &[u8]) -> Option<i32> {
        match &self.format {
            None => detect::date(cell),
            Some(format) => {
                let cell = text(cell)?;
                let day = NaiveDate::parse_from_str(cell, format);
                // A format with a time of day names a day, too.
                let day = day.or_else(|_| NaiveDateTime::parse_from_str(cell, format).map(|at| at.date()));
                Some(day.ok()?.to_epoch_days())
            }
        }
    }

    /// An instant, or a day as its first one, as microseconds since 1970 in UTC.
    pub fn timestamp(&self, cell: &[u8]) -> Option<i64> {
        let Some(format) = &self.format else { return detect::timestamp_or_date(cell) };
        let written = text(cell)?;
        if let Ok(at) = DateTime::parse_from_str(written, format) {
            return Some(at.timestamp_micros());
        }
        if let Ok(at) = NaiveDateTime::parse_from_str(written, format) {
            return Some(at.and_utc().timestamp_micros());
        }
        Some(i64::from(self.date(cell)?) * MICROS_PER_DAY)
    }

    /// A time of day, as microseconds since midnight.
    pub fn time(&self, cell: &[u8]) -> Option<i64> {
        let cell = text(cell)?;
        let read = match &self.format {
            Some(format) => NaiveTime::parse_from_str(cell, format),
            None => {
                NaiveTime::parse_from_str(cell, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(cell, "%H:%M"))
            }
        };
        let time = read.ok()?;
        Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000))
    }
}

/// A decimal number as the digits before and after its point: how many there are of each.
pub fn decimal_digits(cell: &[u8]) -> Option<(usize, usize)> {
    let unsigned = cell.strip_prefix(b"-").or(cell.strip_prefix(b"+")).unwrap_or(cell);
    let point = unsigned.iter().position(|byte| *byte == b'.').unwrap_or(unsigned.len());
    let (whole, fraction) = (&unsigned[..point], unsigned.get(point + 1..).unwrap_or_default());
    let are_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
    (are_digits && !(whole.is_empty() && fraction.is_empty())).then_some((whole.len() - zeros, fraction.len()))
}

/// A decimal number in units of the last of `scale` places; `None` when it has more of them, or too many digits.
pub fn decimal(cell: &[u8], scale: i8) -> Option<i128> {
    let (whole, places) = decimal_digits(cell)?;
    let missing = usize::try_from(scale).ok()?.checked_sub(places)?;
    if whole + places + missing > DIGITS {
        return None;
    }
    let digits = cell.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| i128::from(byte - b'0'));
    let units = digits.chain(std::iter::repeat_n(0, missing)).fold(0_i128, |sum, digit| sum * 10 + digit);
    Some(if cell.starts_with(b"-") { -units } else { units })
}

fn text(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: ColumnType, format: Option<&str>) -> Terms {
        Terms { asked: Some(kind), format: format.map(Arc::from), ..Terms::default() }
    }

    #[test]
    fn decimals_keep_every_digit() {
        assert_eq!(decimal(b"-12.5", 2), Some(-1_250));
        assert_eq!(decimal(b"0012", 0), Some(12));
        assert_eq!(decimal(b".5", 1), Some(5));
        assert_eq!(decimal(b"1.005", 2), None);
        assert_eq!(decimal(b"99999999999999999999999999999999999999", 0), Some(10_i128.pow(38) - 1));
        assert_eq!(decimal(b"100000000000000000000000000000000000000", 0), None);
        for none in [b"".as_slice(), b".", b"-", b"1e3", b"1.2.3", b"1 "] {
            assert_eq!(decimal_digits(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_read_generously() {
        assert_eq!(asked(ColumnType::Integer, None).integer(b"007"), Some(7));
        assert_eq!(Terms::default().integer(b"007"), None);
        assert_eq!(asked(ColumnType::Boolean, None).boolean(b"No"), Some(false));
        assert_eq!(Terms::default().boolean(b"No"), None);
        assert_eq!(asked(ColumnType::Double, None).double(b"+01.50"), Some(1.5));
        assert_eq!(asked(ColumnType::Double, None).double(b"1e999"), None);
        assert_eq!(asked(ColumnType::Time, None).time(b"13:45"), Some(49_500_000_000));
    }

    #[test]
    fn formats_of_dates_and_times_are_followed() {
        let day = detect::date(b"2013-01-31");
        assert_eq!(asked(ColumnType::Date, Some("%d.%m.%Y")).date(b"31.01.2013"), day);
        assert_eq!(asked(ColumnType::Date, Some("%d.%m.%Y")).date(b"2013-01-31"), None);
        assert_eq!(asked(ColumnType::Date, Some("%d.%m.%Y %H:%M")).date(b"31.01.2013 10:00"), day);
        let ten = detect::timestamp(b"2013-01-31T10:00:00Z");
        assert_eq!(asked(ColumnType::Timestamp, Some("%m/%d/%Y %H:%M")).timestamp(b"01/31/2013 10:00"), ten);
        assert_eq!(asked(ColumnType::Timestamp, Some("%d.%m.%Y %H:%M %z")).timestamp(b"31.01.2013 11:00 +0100"), ten);
        assert_eq!(asked(ColumnType::Timestamp, Some("%s")).timestamp(b"1359626400"), ten);
        assert_eq!(asked(ColumnType::Time, Some("%I:%M %p")).time(b"01:45 PM"), Some(49_500_000_000));
    }
}
