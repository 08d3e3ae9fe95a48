//! Cells of Arrow arrays as the few kinds of values that answers know.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, StringViewArray,
    Time64NanosecondArray, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Schema, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::array_value_to_string;

use crate::domain::result::{Cell, Column, ColumnType};

/// Whole numbers up to this are exact wherever JSON is read.
const EXACT: u64 = 1 << 53;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// SQL `NULL`.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number that only its digits tell exactly: a decimal, or a whole number beyond 64 signed bits.
    Digits(String),
    /// A floating point number, perhaps NaN.
    Double(f64),
    /// Anything else as text.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// The cell as it stands in JSON.
    pub fn into_cell(self) -> Cell {
        match self {
            Self::Null => Cell::Null,
            Self::Boolean(value) => Cell::Boolean(value),
            Self::Integer(value) if is_exact(value) => Cell::Integer(value),
            Self::Integer(value) => Cell::Text(value.to_string()),
            Self::Digits(digits) => Cell::Text(digits),
            Self::Double(value) if value.is_finite() => Cell::Double(value),
            Self::Double(_) => Cell::Null,
            Self::Text(text) => Cell::Text(text.into_owned()),
        }
    }
}

/// Whether every reader of JSON keeps the number.
pub fn is_exact(value: i64) -> bool {
    value.unsigned_abs() <= EXACT
}

/// The columns of a result.
pub fn columns(schema: &Schema) -> Vec<Column> {
    let column = |field: &std::sync::Arc<datafusion::arrow::datatypes::Field>| Column {
        name: field.name().clone(),
        kind: column_type(field.data_type()),
    };
    schema.fields().iter().map(column).collect()
}

/// The type on the wire of an Arrow type; what has none of its own is text.
pub fn column_type(kind: &DataType) -> ColumnType {
    match kind {
        DataType::Boolean => ColumnType::Boolean,
        kind if kind.is_integer() => ColumnType::Integer,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Double,
        kind if kind.is_decimal() => ColumnType::Decimal,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        DataType::Dictionary(_, values) => column_type(values),
        _ => ColumnType::Text,
    }
}

/// A column of a batch, cell by cell.
pub enum Cells {
    /// Booleans.
    Boolean(BooleanArray),
    /// Signed whole numbers.
    Integer(Int64Array),
    /// Whole numbers beyond them.
    Unsigned(UInt64Array),
    /// Floating point numbers.
    Double(Float64Array),
    /// Text.
    Text(StringArray),
    /// Text in views.
    View(StringViewArray),
    /// Days.
    Date(Date32Array),
    /// Times of day.
    Time(Time64NanosecondArray),
    /// Instants in whole units, of which a second has so many.
    Timestamp(ArrayRef, TimeUnit),
    /// Decimals.
    Decimal(ArrayRef),
    /// Lists, intervals, bytes and whatever else.
    Other(ArrayRef),
}

impl Cells {
    /// Prepares the array for reading.
    pub fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            kind if kind.is_integer() => {
                Self::Integer(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                Self::Double(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            kind if kind.is_decimal() => Self::Decimal(array.clone()),
            DataType::Utf8 => Self::Text(array.as_string::<i32>().clone()),
            DataType::Utf8View => Self::View(array.as_string_view().clone()),
            DataType::LargeUtf8 => Self::View(cast(array, &DataType::Utf8View)?.as_string_view().clone()),
            DataType::Date32 | DataType::Date64 => {
                Self::Date(cast(array, &DataType::Date32)?.as_primitive::<Date32Type>().clone())
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let times = cast(array, &DataType::Time64(TimeUnit::Nanosecond))?;
                Self::Time(times.as_primitive::<Time64NanosecondType>().clone())
            }
            DataType::Timestamp(unit, _) => Self::Timestamp(array.clone(), *unit),
            DataType::Dictionary(_, values) => Self::new(&cast(array, values)?)?,
            _ => Self::Other(array.clone()),
        })
    }

    /// The cell of that row.
    pub fn get(&self, row: usize) -> Value<'_> {
        if self.is_null(row) {
            return Value::Null;
        }
        match self {
            Self::Boolean(array) => Value::Boolean(array.value(row)),
            Self::Integer(array) => Value::Integer(array.value(row)),
            Self::Unsigned(array) => {
                let value = array.value(row);
                i64::try_from(value).map_or_else(|_| Value::Digits(value.to_string()), Value::Integer)
            }
            Self::Double(array) => Value::Double(array.value(row)),
            Self::Text(array) => Value::Text(Cow::Borrowed(array.value(row))),
            Self::View(array) => Value::Text(Cow::Borrowed(array.value(row))),
            Self::Date(array) => text(date(array.value(row))),
            Self::Time(array) => text(time(array.value(row))),
            Self::Timestamp(array, unit) => text(timestamp(array, *unit, row)),
            Self::Decimal(array) => array_value_to_string(array, row).map_or(Value::Null, Value::Digits),
            Self::Other(array) => text(array_value_to_string(array, row).ok()),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(array) => array.is_null(row),
            Self::Integer(array) => array.is_null(row),
            Self::Unsigned(array) => array.is_null(row),
            Self::Double(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::View(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Timestamp(array, _) | Self::Decimal(array) => array.is_null(row),
            // An array of nulls alone has no bits that say so.
            Self::Other(array) => *array.data_type() == DataType::Null || array.is_null(row),
        }
    }
}

fn text(text: Option<String>) -> Value<'static> {
    text.map_or(Value::Null, |text| Value::Text(Cow::Owned(text)))
}

/// `YYYY-MM-DD`.
fn date(days: i32) -> Option<String> {
    let day = NaiveDate::from_epoch_days(days)?;
    Some(format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()))
}

/// `HH:MM:SS`, with a fraction where there is one.
fn time(nanos: i64) -> Option<String> {
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, u32::try_from(fraction).ok()?);
    Some(text)
}

/// RFC 3339 in UTC, whole seconds unless the instant has a fraction.
fn timestamp(array: &ArrayRef, unit: TimeUnit, row: usize) -> Option<String> {
    let instant = match unit {
        TimeUnit::Second => DateTime::from_timestamp(array.as_primitive::<TimestampSecondType>().value(row), 0),
        TimeUnit::Millisecond => {
            DateTime::from_timestamp_millis(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        TimeUnit::Microsecond => {
            DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        TimeUnit::Nanosecond => {
            Some(DateTime::from_timestamp_nanos(array.as_primitive::<TimestampNanosecondType>().value(row)))
        }
    }?;
    let (year, month, day) = (instant.year(), instant.month(), instant.day());
    let (hour, minute, second) = (instant.hour(), instant.minute(), instant.second());
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    push_fraction(&mut text, instant.nanosecond());
    text.push('Z');
    Some(text)
}

fn push_fraction(text: &mut String, nanos: u32) {
    if nanos == 0 {
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(text, ".{nanos:09}");
    let length = text.trim_end_matches('0').len();
    text.truncate(length);
}
