//! What a cell of text can be read as, and which type fits all cells of a column.
//!
//! Types are decided by every row, never by a sample: a type is kept only while each value can be read as it. Codes
//! such as `007` stay text, because a number would lose their zeros. Nothing here allocates.

use chrono::NaiveDate;

use crate::domain::result::ColumnType;

/// Whole numbers beyond this cannot be told from their neighbours as 64-bit floating point.
const EXACT: u64 = 1 << 53;
/// Digits of an exact decimal number.
const DIGITS: usize = 38;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The narrowest type that fits the values seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// Only nulls so far.
    Nothing,
    /// `true` and `false`.
    Boolean,
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers.
    Double,
    /// Days.
    Date,
    /// Times of day; only where asked for, or where a cell of a sheet says so.
    Time,
    /// Instants, and days among them.
    Timestamp,
    /// Exact numbers with so many decimals; only where asked for.
    Decimal(i8),
    /// Anything.
    Text,
}

impl Guess {
    /// The type of a column that was guessed so; a column of nulls is text.
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::Nothing | Self::Text => ColumnType::Text,
            Self::Boolean => ColumnType::Boolean,
            Self::Integer => ColumnType::Integer,
            Self::Double => ColumnType::Double,
            Self::Date => ColumnType::Date,
            Self::Time => ColumnType::Time,
            Self::Timestamp => ColumnType::Timestamp,
            Self::Decimal(_) => ColumnType::Decimal,
        }
    }

    /// The guess that stands for a type that was asked for, and the most decimals that were seen.
    pub fn asked(kind: ColumnType, decimals: usize) -> Self {
        match kind {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Integer => Self::Integer,
            ColumnType::Decimal => Self::Decimal(i8::try_from(decimals.min(DIGITS)).unwrap_or(0)),
            ColumnType::Double => Self::Double,
            ColumnType::Text => Self::Text,
            ColumnType::Date => Self::Date,
            ColumnType::Time => Self::Time,
            ColumnType::Timestamp => Self::Timestamp,
        }
    }
}

/// Watches the values of one column.
#[derive(Debug, Clone)]
pub struct Detector {
    guess: Guess,
    /// A whole number was seen that only [`Guess::Integer`] keeps exact.
    wide: bool,
}

impl Default for Detector {
    fn default() -> Self {
        Self { guess: Guess::Nothing, wide: false }
    }
}

impl Detector {
    /// The type that fits every value so far.
    pub fn guess(&self) -> Guess {
        self.guess
    }

    /// Takes the next value into account.
    pub fn see(&mut self, value: &[u8]) {
        if !is_null(value) {
            self.see_present(value);
        }
    }

    /// Takes a value into account that stands for itself, whatever it says.
    pub fn see_present(&mut self, value: &[u8]) {
        if self.guess == Guess::Text {
            return;
        }
        let kind = self.classify(value);
        self.guess = match (self.guess, kind) {
            (Guess::Nothing, kind) => kind,
            (guess, kind) if guess == kind => guess,
            (Guess::Integer, Guess::Double) | (Guess::Double, Guess::Integer) => Guess::Double,
            (Guess::Date, Guess::Timestamp) | (Guess::Timestamp, Guess::Date) => Guess::Timestamp,
            _ => Guess::Text,
        };
        if self.wide && self.guess == Guess::Double {
            self.guess = Guess::Text;
        }
    }

    fn classify(&mut self, value: &[u8]) -> Guess {
        if let Some(number) = integer(value) {
            self.wide |= number.unsigned_abs() > EXACT;
            return Guess::Integer;
        }
        if double(value).is_some() {
            return Guess::Double;
        }
        if boolean(value).is_some() {
            return Guess::Boolean;
        }
        if date(value).is_some() {
            return Guess::Date;
        }
        if timestamp(value).is_some() { Guess::Timestamp } else { Guess::Text }
    }
}

/// Whether the cell is one of the spellings of a missing value.
pub fn is_null(value: &[u8]) -> bool {
    matches!(value, b"" | b"NA" | b"NULL" | b"N/A" | b"-")
}

/// `true` and `false`, in lower case, upper case or capitalised.
pub fn boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"true" | b"TRUE" | b"True" => Some(true),
        b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

/// A whole number of 64 bits without sign `+` and without leading zeros.
pub fn integer(value: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(value);
    if !is_canonical(digits) || digits.len() > 19 {
        return None;
    }
    let magnitude = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A finite number, or `NaN`, `Inf`, `-Inf`, `inf`, `-inf`; never a whole number that a double cannot keep.
pub fn double(value: &[u8]) -> Option<f64> {
    match value {
        b"NaN" => return Some(f64::NAN),
        b"Inf" | b"inf" => return Some(f64::INFINITY),
        b"-Inf" | b"-inf" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let (_, unsigned) = split_sign(value);
    let whole = leading_digits(unsigned);
    let mut rest = &unsigned[whole..];
    let mut digits = whole;
    let mut plain = true;
    if let [b'.', fraction @ ..] = rest {
        let count = leading_digits(fraction);
        digits += count;
        rest = &fraction[count..];
        plain = false;
    }
    if digits == 0 || (whole > 1 && unsigned[0] == b'0') {
        return None;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
        if exponent.is_empty() || leading_digits(exponent) != exponent.len() {
            return None;
        }
        rest = &[];
        plain = false;
    }
    if !rest.is_empty() {
        return None;
    }
    if plain && (digits > 19 || integer(unsigned).is_none_or(|number| number.unsigned_abs() > EXACT)) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `YYYY-MM-DD`, `YYYY/MM/DD` or `DD.MM.YYYY`, as days since 1970-01-01. With slashes the year has to come first: of
/// `01/02/2026` nobody can tell the month.
pub fn date(value: &[u8]) -> Option<i32> {
    let (year, month, day) = match *value {
        [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1]
        | [y0, y1, y2, y3, b'/', m0, m1, b'/', d0, d1]
        | [d0, d1, b'.', m0, m1, b'.', y0, y1, y2, y3] => {
            (pair(y0, y1)? * 100 + pair(y2, y3)?, pair(m0, m1)?, pair(d0, d1)?)
        }
        _ => return None,
    };
    Some(NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.to_epoch_days())
}

/// A [date], then `T` or a space and `HH:MM:SS`, a fraction of up to nine digits, and `Z` or an offset, or `HH:MM` and perhaps
/// `Z`, as microseconds since 1970 in UTC. Without an offset the time is taken as UTC; digits past the sixth are dropped.
pub fn timestamp(value: &[u8]) -> Option<i64> {
    let (day, clock) = value.split_at_checked(10)?;
    let &[b'T' | b't' | b' ', h0, h1, b':', m0, m1, ref rest @ ..] = clock else { return None };
    let (hour, minute) = (pair(h0, h1)?, pair(m0, m1)?);
    let (second, rest) = match *rest {
        [b':', s0, s1, ref rest @ ..] => (pair(s0, s1)?, rest),
        [] | [b'Z' | b'z'] => (0, rest),
        // What follows may be another time: `10:00-11:00` is no time of the far west.
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    let mut zone = rest;
    if let [b'.', fraction @ ..] = rest {
        let count = leading_digits(fraction);
        if count == 0 || count > 9 {
            return None;
        }
        for digit in fraction[..count].iter().copied().chain(std::iter::repeat(b'0')).take(6) {
            micros = micros * 10 + i64::from(digit - b'0');
        }
        zone = &fraction[count..];
    }
    let seconds = i64::from(hour * 3_600 + minute * 60 + second) - offset_seconds(zone)?;
    Some(i64::from(date(day)?) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + micros)
}

/// A timestamp, or a day as its first instant: what a column holds that mixes both.
pub fn timestamp_or_date(value: &[u8]) -> Option<i64> {
    timestamp(value).or_else(|| date(value).map(|days| i64::from(days) * MICROS_PER_DAY))
}

/// Seconds east of UTC.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, h0, h1, b':', m0, m1] | [sign, h0, h1, m0, m1] => (sign, pair(h0, h1)?, pair(m0, m1)?),
        [sign, h0, h1] => (sign, pair(h0, h1)?, 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours * 3_600 + minutes * 60);
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn split_sign(value: &[u8]) -> (bool, &[u8]) {
    value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest))
}

/// Digits alone, at least one, without needless zeros in front.
fn is_canonical(digits: &[u8]) -> bool {
    match digits {
        [] => false,
        [b'0', _, ..] => false,
        _ => digits.iter().all(u8::is_ascii_digit),
    }
}

fn leading_digits(value: &[u8]) -> usize {
    value.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn pair(tens: u8, ones: u8) -> Option<u32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(values: &[&str]) -> Guess {
        let mut detector = Detector::default();
        for value in values {
            detector.see(value.as_bytes());
        }
        detector.guess()
    }

    #[test]
    fn the_narrowest_type_that_fits_every_value_is_chosen() {
        assert_eq!(guess(&["1", "-2", "0"]), Guess::Integer);
        assert_eq!(guess(&["1", "2.5"]), Guess::Double);
        assert_eq!(guess(&["1e-3", ".5", "5.", "NaN"]), Guess::Double);
        assert_eq!(guess(&["true", "FALSE"]), Guess::Boolean);
        assert_eq!(guess(&["2013-01-31", "2012-02-29"]), Guess::Date);
        assert_eq!(guess(&["2013-01-31T10:00:00Z", "2013-01-31 10:00:00.5"]), Guess::Timestamp);
        assert_eq!(guess(&["2013-01-31", "2013-01-31T10:00:00+01:00"]), Guess::Timestamp);
        assert_eq!(guess(&["31.01.2013", "28.02.2013"]), Guess::Date);
        assert_eq!(guess(&["2013/01/31"]), Guess::Date);
        assert_eq!(guess(&["31.01.2013 10:00", "2013-01-31T10:00Z"]), Guess::Timestamp);
        assert_eq!(guess(&["1", "true"]), Guess::Text);
        for none in [
            "2013-02-29",
            "29.02.2013",
            "01/31/2013",
            "31/01/2013",
            "1.2.2013",
            "2013-01-31 10",
            "31.01.2026 10:00-11:00",
            "10.20.30.40",
        ] {
            assert_eq!(guess(&[none]), Guess::Text, "{none}");
        }
        assert_eq!(guess(&["1", "2", "x"]), Guess::Text);
    }

    #[test]
    fn null_spellings_never_decide_a_type() {
        assert_eq!(guess(&["", "NA", "NULL", "N/A", "-"]), Guess::Nothing);
        assert_eq!(guess(&["", "NA", "1", "-"]), Guess::Integer);
        assert_eq!(guess(&["na"]), Guess::Text);
        assert_eq!(Guess::Nothing.column_type(), ColumnType::Text);
    }

    #[test]
    fn codes_keep_their_zeros_and_long_numbers_their_digits() {
        assert_eq!(guess(&["1", "007"]), Guess::Text);
        assert_eq!(guess(&["0.5", "00.5"]), Guess::Text);
        assert_eq!(guess(&["9223372036854775807", "-9223372036854775808"]), Guess::Integer);
        assert_eq!(guess(&["9223372036854775808"]), Guess::Text);
        assert_eq!(guess(&["9007199254740993", "1.5"]), Guess::Text);
        assert_eq!(guess(&["1.5", "9007199254740993"]), Guess::Text);
        assert_eq!(guess(&["+1"]), Guess::Text);
        assert_eq!(guess(&["1e999"]), Guess::Text);
    }

    #[test]
    fn timestamps_become_utc() {
        let ten = timestamp(b"2013-01-01T10:00:00Z");
        assert_eq!(ten, Some(1_357_034_400_000_000));
        assert_eq!(timestamp(b"2013-01-01 05:00:00-05:00"), ten);
        assert_eq!(timestamp(b"2013-01-01T11:30:00+0130"), ten);
        assert_eq!(timestamp(b"2013-01-01T10:00:00.123456789Z"), ten.map(|micros| micros + 123_456));
        assert_eq!(timestamp(b"2013-01-01T10:00"), ten);
        assert_eq!(timestamp(b"01.01.2013 11:30:00+01:30"), ten);
        assert_eq!(timestamp(b"2013-01-01 10:00-11:00"), None);
        assert_eq!(timestamp(b"2013-01-01T10:00.5"), None);
        assert_eq!(timestamp(b"2013-01-01T24:00:00Z"), None);
        assert_eq!(timestamp(b"2013-01-01T10:00:00x"), None);
        assert_eq!(date(b"1969-12-31"), Some(-1));
        assert_eq!(date(b"31.12.1969"), Some(-1));
    }
}
