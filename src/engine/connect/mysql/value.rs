//! Values of MySQL in its binary format.

use chrono::NaiveDate;
use mysql_async::consts::ColumnType;
use mysql_async::{Column, Params, Value};
use serde_json::Value as Json;

use super::BINARY;
use crate::engine::connect::counted;
use crate::engine::connect::fault::Fault;
use crate::engine::connect::notes::Note;
use crate::engine::connect::rows::Rows;
use crate::engine::connect::target::{Cell, read_short};

/// The values that a statement takes, which are the first of these.
pub fn bound(values: &[Json], wanted: usize) -> Result<Params, Fault> {
    let values = counted(values, wanted)?.iter().map(|value| match value {
        Json::Bool(value) => Value::Int(i64::from(*value)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::UInt(whole),
            (None, None) => Value::Double(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Bytes(text.clone().into_bytes()),
        Json::Null | Json::Array(_) | Json::Object(_) => Value::NULL,
    });
    let values: Vec<Value> = values.collect();
    Ok(if values.is_empty() { Params::Empty } else { Params::Positional(values) })
}

/// A value as words of the server's; none of what it leaves open.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(value) => Some(value.to_string()),
        Value::UInt(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Double(value) => Some(value.to_string()),
        Value::NULL | Value::Date(..) | Value::Time(..) => None,
    }
}

/// Puts a value into its column.
pub fn put(intake: &mut dyn Rows, index: usize, column: &Column, value: Option<&Value>) {
    match value {
        None | Some(Value::NULL) => intake.cell(index, Cell::Null),
        Some(Value::Int(value)) => intake.cell(index, Cell::Integer(*value)),
        Some(Value::UInt(value)) => intake.cell(index, Cell::Unsigned(*value)),
        Some(Value::Float(value)) => intake.cell(index, Cell::Double(read_short(*value))),
        Some(Value::Double(value)) => intake.cell(index, Cell::Double(*value)),
        Some(Value::Bytes(bytes)) => put_bytes(intake, index, column, bytes),
        Some(Value::Date(year, month, day, hour, minute, second, micros)) => {
            let Some(days) = days(*year, *month, *day) else {
                return intake.changed(index, Note::ZeroDate, Cell::Null);
            };
            match column.column_type() {
                ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => intake.cell(index, Cell::Date(days)),
                _ => {
                    let clock = clock(u32::from(*hour), *minute, *second, *micros);
                    intake.cell(index, Cell::Timestamp(i64::from(days) * 86_400_000_000 + clock));
                }
            }
        }
        Some(Value::Time(is_negative, days, hours, minutes, seconds, micros)) => {
            let hours = days.saturating_mul(24).saturating_add(u32::from(*hours));
            if *is_negative || hours > 23 {
                intake.cell(index, Cell::Text(&duration(*is_negative, hours, *minutes, *seconds, *micros)));
            } else {
                intake.cell(index, Cell::Time(clock(hours, *minutes, *seconds, *micros)));
            }
        }
    }
}

fn put_bytes(intake: &mut dyn Rows, index: usize, column: &Column, bytes: &[u8]) {
    match column.column_type() {
        ColumnType::MYSQL_TYPE_BIT => intake.cell(index, bits(bytes)),
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => match std::str::from_utf8(bytes) {
            Ok(digits) => intake.cell(index, Cell::Decimal(digits)),
            Err(_) => intake.cell(index, Cell::Bytes(bytes)),
        },
        ColumnType::MYSQL_TYPE_GEOMETRY => intake.cell(index, Cell::Bytes(bytes)),
        ColumnType::MYSQL_TYPE_JSON => intake.text(index, bytes),
        _ if column.character_set() == BINARY => intake.cell(index, Cell::Bytes(bytes)),
        _ => intake.text(index, bytes),
    }
}

/// Up to 64 bits as a number, the first byte being the highest.
fn bits(bytes: &[u8]) -> Cell<'static> {
    Cell::Unsigned(bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Days since 1970; `None` of days that the calendar has not, as zero dates are.
fn days(year: u16, month: u8, day: u8) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))?;
    (year > 0).then(|| date.to_epoch_days())
}

fn clock(hours: u32, minutes: u8, seconds: u8, micros: u32) -> i64 {
    let seconds = i64::from(hours) * 3_600 + i64::from(minutes) * 60 + i64::from(seconds);
    seconds * 1_000_000 + i64::from(micros)
}

/// A time that is none of a day, as the server writes it.
fn duration(is_negative: bool, hours: u32, minutes: u8, seconds: u8, micros: u32) -> String {
    let sign = if is_negative { "-" } else { "" };
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    /// Keeps what is text.
    struct Texts(Vec<String>);

    impl Rows for Texts {
        fn cell(&mut self, _: usize, cell: Cell<'_>) {
            if let Cell::Text(text) = cell {
                self.0.push(text.to_owned());
            }
        }

        fn changed(&mut self, index: usize, _: Note, cell: Cell<'_>) {
            self.cell(index, cell);
        }

        fn end_row(&mut self) -> Result<ControlFlow<()>, Fault> {
            Ok(ControlFlow::Continue(()))
        }
    }

    #[test]
    fn a_time_of_more_days_than_there_are_is_read_all_the_same() {
        let (column, mut texts) = (Column::new(ColumnType::MYSQL_TYPE_TIME), Texts(Vec::new()));
        put(&mut texts, 0, &column, Some(&Value::Time(true, u32::MAX, 255, 255, 255, u32::MAX)));
        assert_eq!(texts.0, ["-4294967295:255:255.4294967295"]);
    }

    #[test]
    fn bits_are_numbers_and_zero_days_are_none() {
        assert_eq!(bits(&[1, 0]), Cell::Unsigned(256));
        assert_eq!(bits(&[255; 8]), Cell::Unsigned(u64::MAX));
        assert_eq!(days(1970, 1, 2), Some(1));
        assert_eq!((days(0, 0, 0), days(2020, 0, 0), days(2020, 2, 30)), (None, None, None));
    }

    #[test]
    fn times_beyond_a_day_are_written_as_the_server_does() {
        assert_eq!(duration(true, 838, 59, 59, 0), "-838:59:59");
        assert_eq!(duration(false, 24, 0, 1, 500), "24:00:01.000500");
    }
}
