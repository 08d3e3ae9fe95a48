//! XLSX, read by calamine cell by cell: it would otherwise lay out every cell between the first and the last.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;

use calamine::{DataRef, ExcelDateTime, Reader, SheetType};

use super::super::fault::Fault;
use super::super::value::{Value, clock};
use super::{Hear, SheetRow, Wanted, Workbook, place_value, text_value};
use crate::engine::detect::{self, MICROS_PER_DAY};

/// Days from the day that sheets count from to 1970-01-01.
const EPOCH: f64 = 25_569.0;
/// Days that sheets begin later which count from 1904.
const SINCE_1904: f64 = 1_462.0;
/// The first day that is counted right: sheets know a 29 February 1900.
const MARCH_1900: f64 = 61.0;
/// The day after the last one, 9999-12-31.
const END: f64 = 2_958_466.0;
const MILLIS_PER_DAY: f64 = 86_400_000.0;

/// A workbook.
pub struct Xlsx(calamine::Xlsx<BufReader<File>>);

impl Xlsx {
    /// Opens one whose archive was checked.
    pub fn open(file: File) -> Result<Self, Fault> {
        Ok(Self(calamine::Xlsx::new(BufReader::new(file)).map_err(damaged)?))
    }
}

impl Workbook for Xlsx {
    fn read(&mut self, hear: &mut Hear<'_>) -> Result<Vec<String>, Fault> {
        let sheets = self.0.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        let names: Vec<String> = sheets.map(|sheet| sheet.name.clone()).collect();
        let is_1904 = self.0.has_1904_epoch();
        for (sheet, name) in names.iter().enumerate() {
            let mut reader = self.0.worksheet_cells_reader(name).map_err(damaged)?;
            let last = f64::from(reader.dimensions().end.0.max(1));
            let share = |row: u32| (fraction(sheet) + (f64::from(row) / last).min(1.0)) / fraction(names.len());
            let mut cells: Vec<Value<'_>> = Vec::new();
            let mut at = 0;
            loop {
                let cell = reader.next_cell().map_err(damaged)?;
                let row = cell.as_ref().map(|cell| cell.get_position().0);
                if row != Some(at) && !cells.is_empty() {
                    let told = SheetRow { sheet, name, row: at, cells: &cells, fraction: share(at) };
                    if hear(told)? == Wanted::NextSheet {
                        break;
                    }
                    cells.clear();
                }
                let (Some(cell), Some(row)) = (cell, row) else { break };
                if row < at {
                    // Rows stand in their order; a reader that sorted them would have to hold them all.
                    return Err(Fault::Damaged("a workbook"));
                }
                at = row;
                place_value(&mut cells, cell.get_position().1 as usize, value(cell.get_value(), is_1904))?;
            }
        }
        Ok(names)
    }
}

fn value<'v>(cell: &DataRef<'v>, is_1904: bool) -> Value<'v> {
    match cell {
        DataRef::Empty | DataRef::Error(_) => Value::Null,
        DataRef::Bool(value) => Value::Boolean(*value),
        #[expect(clippy::cast_precision_loss, reason = "sheets know no other numbers")]
        DataRef::Int(number) => Value::Number(*number as f64),
        DataRef::Float(number) => {
            if number.is_finite() {
                Value::Number(*number)
            } else {
                Value::Null
            }
        }
        DataRef::String(text) => text_value(Cow::Owned(text.clone())),
        DataRef::SharedString(text) => text_value(Cow::Borrowed(text)),
        DataRef::DateTime(at) => instant(at, is_1904),
        DataRef::DateTimeIso(text) => iso(text),
        DataRef::DurationIso(text) => text_value(Cow::Owned(text.clone())),
    }
}

/// A count of days as what it stands for: sheets know days, times and instants by their format alone.
fn instant(at: &ExcelDateTime, is_1904: bool) -> Value<'static> {
    let serial = at.as_f64();
    if !(0.0..END).contains(&serial) {
        return if serial.is_finite() { Value::Number(serial) } else { Value::Null };
    }
    #[expect(clippy::cast_possible_truncation, reason = "within ten thousand years")]
    let micros = |days: f64| (days * MILLIS_PER_DAY).round() as i64 * 1_000;
    if at.is_duration() || serial < 1.0 {
        let micros = micros(serial);
        return if micros < MICROS_PER_DAY { Value::Time(micros) } else { Value::Text(Cow::Owned(clock(micros))) };
    }
    let serial = match is_1904 {
        true => serial + SINCE_1904,
        false if serial < MARCH_1900 - 1.0 => serial + 1.0,
        false => serial,
    };
    let micros = micros(serial - EPOCH);
    match i32::try_from(micros.div_euclid(MICROS_PER_DAY)) {
        Ok(days) if micros.rem_euclid(MICROS_PER_DAY) == 0 => Value::Date(days),
        _ => Value::Timestamp(micros),
    }
}

/// A day, an instant, or what else stands there.
pub fn iso(text: &str) -> Value<'static> {
    let bytes = text.as_bytes();
    match (detect::date(bytes), detect::timestamp(bytes)) {
        (Some(days), _) => Value::Date(days),
        (None, Some(micros)) if micros % MICROS_PER_DAY == 0 && text.len() <= 19 => {
            i32::try_from(micros / MICROS_PER_DAY).map_or(Value::Timestamp(micros), Value::Date)
        }
        (None, Some(micros)) => Value::Timestamp(micros),
        (None, None) => text_value(Cow::Owned(text.to_owned())),
    }
}

#[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
fn fraction(count: usize) -> f64 {
    count as f64
}

fn damaged(_: calamine::XlsxError) -> Fault {
    Fault::Damaged("an Excel workbook")
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn counts_of_days_are_days_times_and_instants() {
        let at = |serial: f64| {
            instant(&ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, false), false).written().into_owned()
        };
        assert_eq!(at(41_275.0), "2013-01-01");
        assert_eq!(at(41_275.5), "2013-01-01 12:00:00");
        assert_eq!(at(41_275.208_333_333_336), "2013-01-01 05:00:00");
        assert_eq!(at(0.75), "18:00:00");
        assert_eq!(at(1.0), "1900-01-01");
        assert_eq!(at(61.0), "1900-03-01");
        assert_eq!(at(3e6), "3000000");
        let since_1904 = ExcelDateTime::new(0.5 + 39_813.0, ExcelDateTimeType::DateTime, true);
        assert_eq!(instant(&since_1904, true).written(), "2013-01-01 12:00:00");
        let length = ExcelDateTime::new(1.25, ExcelDateTimeType::TimeDelta, false);
        assert_eq!(instant(&length, false), Value::Text("30:00:00".into()));
        assert_eq!(iso("2013-01-01T00:00:00"), Value::Date(15_706));
    }
}
