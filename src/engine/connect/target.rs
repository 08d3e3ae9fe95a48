//! What a column of a database becomes, decided by what the database says of it and by every value in it.
//!
//! A database may be wrong about its own columns: SQLite keeps text in columns of numbers, MySQL has days that are
//! none. A value that does not fit widens its column, and the table is read again; none is bent or left out.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

use crate::domain::result::ColumnType;
use crate::engine::detect;

/// The most digits that a number of our tables has.
pub const DIGITS: u8 = 38;
/// Whole numbers beyond this cannot be told from their neighbours as 64-bit floating point.
const EXACT: u64 = 1 << 53;
/// Digits of the largest whole number of 64 bits.
const INTEGER_DIGITS: u8 = 19;

/// 0001-01-01 and 9999-12-31, in days since 1970: days beyond are text, for many readers know none.
pub const FIRST_DAY: i32 = -719_162;
/// As [`FIRST_DAY`].
pub const LAST_DAY: i32 = 2_932_896;
/// The first microsecond of the first day, since 1970.
pub const FIRST_MICROS: i64 = FIRST_DAY as i64 * MICROS_PER_DAY;
/// The last microsecond of the last day, since 1970.
pub const LAST_MICROS: i64 = (LAST_DAY as i64 + 1) * MICROS_PER_DAY - 1;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The type that a column has with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing but nulls so far.
    Nothing,
    /// `true` and `false`.
    Boolean,
    /// Days.
    Date,
    /// Times of day.
    Time,
    /// Instants.
    Timestamp,
    /// Whole numbers of 64 bits.
    Integer,
    /// Exact numbers.
    Decimal {
        /// Digits in all, at most [`DIGITS`].
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Floating point numbers.
    Double,
    /// Anything.
    Text,
}

/// A value as a database gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number without a sign.
    Unsigned(u64),
    /// An exact number: digits with at most one point, and a sign.
    Decimal(&'a str),
    /// A floating point number.
    Double(f64),
    /// Text.
    Text(&'a str),
    /// Bytes that are no text.
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970 in UTC.
    Timestamp(i64),
}

impl Target {
    /// An exact number with so many digits before and behind the point; text where that is more than a number has.
    pub fn decimal(whole: u32, scale: u32) -> Self {
        match (u8::try_from(whole + scale), u8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if precision <= DIGITS => Self::Decimal { precision: precision.max(1), scale },
            _ => Self::Text,
        }
    }

    /// Its name on the wire; a column of nulls is text.
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Date => ColumnType::Date,
            Self::Time => ColumnType::Time,
            Self::Timestamp => ColumnType::Timestamp,
            Self::Integer => ColumnType::Integer,
            Self::Decimal { .. } => ColumnType::Decimal,
            Self::Double => ColumnType::Double,
            Self::Nothing | Self::Text => ColumnType::Text,
        }
    }

    /// Its type in an extract.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Integer => DataType::Int64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
            Self::Double => DataType::Float64,
            Self::Nothing | Self::Text => DataType::Utf8,
        }
    }

    /// The target that an extract's column had.
    pub fn of(kind: &DataType) -> Option<Self> {
        Some(match kind {
            DataType::Boolean => Self::Boolean,
            DataType::Date32 => Self::Date,
            DataType::Time64(_) => Self::Time,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Int64 => Self::Integer,
            DataType::Decimal128(precision, scale) => {
                Self::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
            }
            DataType::Float64 => Self::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            _ => return None,
        })
    }

    /// Whether a value has its place in it, being no other one then.
    pub fn holds(self, cell: &Cell<'_>) -> bool {
        match self {
            _ if matches!(cell, Cell::Null) => true,
            Self::Nothing => false,
            Self::Boolean => cell.boolean().is_some(),
            Self::Date => cell.days().is_some(),
            Self::Time => cell.time().is_some(),
            Self::Timestamp => cell.instant().is_some(),
            Self::Integer => cell.integer().is_some(),
            Self::Decimal { precision, scale } => cell.decimal(precision, scale).is_some(),
            Self::Double => cell.double().is_some(),
            Self::Text => true,
        }
    }

    /// The narrowest that holds what both hold.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (Self::Boolean, Self::Integer) | (Self::Integer, Self::Boolean) => Self::Integer,
            (Self::Boolean | Self::Integer, Self::Double) | (Self::Double, Self::Boolean | Self::Integer) => {
                Self::Double
            }
            (Self::Date, Self::Timestamp) | (Self::Timestamp, Self::Date) => Self::Timestamp,
            (Self::Integer, Self::Decimal { precision, scale })
            | (Self::Decimal { precision, scale }, Self::Integer) => {
                Self::decimal(u32::from((precision - scale).max(INTEGER_DIGITS)), u32::from(scale))
            }
            (Self::Decimal { precision: p, scale: s }, Self::Decimal { precision: q, scale: t }) => {
                Self::decimal(u32::from((p - s).max(q - t)), u32::from(s.max(t)))
            }
            _ => Self::Text,
        }
    }

    /// The target that also holds this value, which this one does not.
    pub fn widened(self, cell: &Cell<'_>) -> Self {
        let wider = match (self, cell) {
            (Self::Date, Cell::Text(text)) if detect::timestamp_or_date(text.as_bytes()).is_some() => Self::Timestamp,
            _ => self.join(cell.narrowest()),
        };
        // A number that its type does not keep exact, for example.
        if wider == self { Self::Text } else { wider }
    }
}

impl Cell<'_> {
    fn narrowest(&self) -> Target {
        match self {
            Self::Null => Target::Nothing,
            Self::Boolean(_) => Target::Boolean,
            Self::Integer(_) => Target::Integer,
            Self::Unsigned(value) if i64::try_from(*value).is_ok() => Target::Integer,
            Self::Unsigned(_) => Target::Decimal { precision: 20, scale: 0 },
            Self::Decimal(text) => {
                let (whole, fraction) = digits(text);
                Target::decimal(u32::try_from(whole.len()).unwrap_or(99), u32::try_from(fraction.len()).unwrap_or(99))
            }
            Self::Double(_) => Target::Double,
            Self::Text(_) | Self::Bytes(_) => Target::Text,
            Self::Date(_) => Target::Date,
            Self::Time(_) => Target::Time,
            Self::Timestamp(_) => Target::Timestamp,
        }
    }

    /// As `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Integer(0) | Self::Unsigned(0) => Some(false),
            Self::Integer(1) | Self::Unsigned(1) => Some(true),
            Self::Text(text) => detect::boolean(text.as_bytes()),
            _ => None,
        }
    }

    /// As days since 1970-01-01.
    pub fn days(&self) -> Option<i32> {
        match self {
            Self::Date(days) => (FIRST_DAY..=LAST_DAY).contains(days).then_some(*days),
            Self::Text(text) => detect::date(text.as_bytes()),
            _ => None,
        }
    }

    /// As microseconds since midnight.
    pub fn time(&self) -> Option<i64> {
        match self {
            Self::Time(micros) => (0..MICROS_PER_DAY).contains(micros).then_some(*micros),
            Self::Text(text) => time_of(text),
            _ => None,
        }
    }

    /// As microseconds since 1970 in UTC.
    pub fn instant(&self) -> Option<i64> {
        match self {
            Self::Timestamp(micros) => (FIRST_MICROS..=LAST_MICROS).contains(micros).then_some(*micros),
            Self::Date(_) => self.days().map(|days| i64::from(days) * MICROS_PER_DAY),
            Self::Text(text) => detect::timestamp_or_date(text.as_bytes()),
            _ => None,
        }
    }

    /// As a whole number.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Boolean(value) => Some(i64::from(*value)),
            Self::Integer(value) => Some(*value),
            Self::Unsigned(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// As an exact number with that many digits, in units of its last one.
    pub fn decimal(&self, precision: u8, scale: u8) -> Option<i128> {
        let unscaled = match self {
            Self::Decimal(text) => unscaled(text, scale)?,
            Self::Integer(value) => i128::from(*value).checked_mul(10_i128.pow(u32::from(scale)))?,
            Self::Unsigned(value) => i128::from(*value).checked_mul(10_i128.pow(u32::from(scale)))?,
            _ => return None,
        };
        (unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision))).then_some(unscaled)
    }

    /// As a floating point number that is the same number.
    pub fn double(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            #[expect(clippy::cast_precision_loss, reason = "just checked")]
            Self::Integer(value) if value.unsigned_abs() <= EXACT => Some(*value as f64),
            _ => None,
        }
    }
}

/// The digits before and behind the point, without a sign and without zeros in front.
fn digits(text: &str) -> (&str, &str) {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    (whole.trim_start_matches('0'), fraction)
}

/// The number in units of its last digit at this scale; zeros behind it may go, other digits not.
fn unscaled(text: &str, scale: u8) -> Option<i128> {
    let (whole, fraction) = digits(text);
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::from(scale).checked_sub(fraction.len())?;
    if whole.len() + usize::from(scale) > usize::from(DIGITS) {
        return None;
    }
    let mut number: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing)) {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i128::from(digit - b'0');
    }
    Some(if text.starts_with('-') { -number } else { number })
}

/// The number that people wrote, not the one nearest to it that has 24 bits.
pub fn read_short(value: f32) -> f64 {
    if value.is_finite() { value.to_string().parse().unwrap_or(f64::from(value)) } else { f64::from(value) }
}

/// `HH:MM`, `HH:MM:SS` and a fraction, as microseconds since midnight.
fn time_of(text: &str) -> Option<i64> {
    // The reader of instants knows times: this is one on the first day that it counts from.
    let micros = detect::timestamp(format!("1970-01-01T{text}").as_bytes())?;
    (text.is_ascii() && !text.contains(['Z', 'z', '+', '-'])).then_some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_contradicts_its_column_widens_it_to_what_holds_both() {
        let decimal = |precision, scale| Target::Decimal { precision, scale };
        for (target, cell, wider) in [
            (Target::Boolean, Cell::Integer(2), Target::Integer),
            (Target::Integer, Cell::Double(0.5), Target::Double),
            (Target::Integer, Cell::Text("n/a"), Target::Text),
            (Target::Integer, Cell::Unsigned(u64::MAX), decimal(20, 0)),
            (Target::Double, Cell::Integer(i64::MAX), Target::Text),
            (Target::Date, Cell::Text("2013-01-01 10:00:00"), Target::Timestamp),
            (Target::Date, Cell::Text("soon"), Target::Text),
            (Target::Time, Cell::Text("838:59:59"), Target::Text),
            (Target::Nothing, Cell::Decimal("-012.50"), decimal(4, 2)),
            (decimal(4, 2), Cell::Decimal("1.125"), decimal(5, 3)),
            (decimal(38, 10), Cell::Decimal("1.12345678901"), Target::Text),
            (decimal(4, 2), Cell::Text("NaN"), Target::Text),
        ] {
            assert_eq!(target.widened(&cell), wider, "{target:?} and {cell:?}");
        }
    }

    #[test]
    fn exact_numbers_stay_exact_or_do_not_fit() {
        let largest = "99999999999999999999999999999999999999";
        for (text, precision, scale, number) in [
            ("12.5", 4, 2, Some(1_250)),
            ("-0.01", 4, 2, Some(-1)),
            (".5", 4, 2, Some(50)),
            ("1.250", 3, 2, Some(125)),
            ("1.125", 4, 2, None),
            ("100.00", 4, 2, None),
            (largest, 38, 0, largest.parse().ok()),
            ("1e3", 10, 2, None),
        ] {
            assert_eq!(Cell::Decimal(text).decimal(precision, scale), number, "{text}");
        }
        assert_eq!(Cell::Integer(-7).decimal(20, 2), Some(-700));
        assert_eq!(Cell::Unsigned(u64::MAX).decimal(20, 0), Some(i128::from(u64::MAX)));
    }

    #[test]
    fn times_of_day_are_read_as_they_are_written() {
        assert_eq!(Cell::Text("13:45").time(), Some(49_500_000_000));
        assert_eq!(Cell::Text("13:45:00.25").time(), Some(49_500_250_000));
        for text in ["24:00:00", "-01:00:00", "13:45:00Z", "13:45:00+02:00", "noon"] {
            assert_eq!(Cell::Text(text).time(), None, "{text}");
        }
    }

    #[test]
    fn short_floating_point_numbers_are_read_as_they_are_written() {
        assert_eq!(read_short(0.1), 0.1);
        assert!(read_short(f32::NAN).is_nan());
    }
}
