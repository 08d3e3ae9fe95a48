//! Values as text: for columns that no narrower type holds.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, NaiveTime};
use datafusion::arrow::array::StringBuilder;

use super::target::Cell;

/// Appends the value as people write it: bytes in hexadecimal behind `\x`, days and times as ISO 8601 has them.
pub fn write(builder: &mut StringBuilder, cell: &Cell<'_>) {
    // Writing to memory does not fail.
    let _ = match cell {
        Cell::Null => return builder.append_null(),
        Cell::Text(text) | Cell::Decimal(text) => builder.write_str(text),
        Cell::Boolean(value) => write!(builder, "{value}"),
        Cell::Integer(value) => write!(builder, "{value}"),
        Cell::Unsigned(value) => write!(builder, "{value}"),
        Cell::Double(value) => write!(builder, "{value:?}"),
        Cell::Bytes(bytes) => write!(builder, "\\x{}", hex::encode(bytes)),
        Cell::Date(days) => write_date(builder, *days),
        Cell::Time(micros) => write_time(builder, *micros),
        Cell::Timestamp(micros) => write_instant(builder, *micros),
    };
    builder.append_value("");
}

fn write_date(out: &mut impl Write, days: i32) -> std::fmt::Result {
    match NaiveDate::from_epoch_days(days) {
        Some(date) => write!(out, "{date}"),
        None => write!(out, "day {days}"),
    }
}

fn write_time(out: &mut impl Write, micros: i64) -> std::fmt::Result {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (seconds, nanos) = (u32::try_from(seconds).unwrap_or(u32::MAX), u32::try_from(rest * 1_000).unwrap_or(0));
    match NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos) {
        Some(time) => write!(out, "{time}"),
        // PostgreSQL has the end of the day as a time of it.
        None => write!(out, "24:00:00"),
    }
}

fn write_instant(out: &mut impl Write, micros: i64) -> std::fmt::Result {
    match DateTime::from_timestamp_micros(micros) {
        Some(instant) => write!(out, "{}", instant.naive_utc()),
        None => write!(out, "{micros} µs since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        let mut builder = StringBuilder::new();
        let cells = [
            Cell::Boolean(true),
            Cell::Double(1.0),
            Cell::Bytes(&[0, 255]),
            Cell::Date(15_706),
            Cell::Time(49_500_250_000),
            Cell::Time(86_400_000_000),
            Cell::Timestamp(1_357_034_400_000_000),
        ];
        cells.iter().for_each(|cell| write(&mut builder, cell));
        let written = builder.finish();
        let written: Vec<&str> = written.iter().flatten().collect();
        let expected = ["true", "1.0", "\\x00ff", "2013-01-01", "13:45:00.250", "24:00:00", "2013-01-01 10:00:00"];
        assert_eq!(written, expected);
    }
}
