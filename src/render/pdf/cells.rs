//! How the cells of a column are written on paper.

use std::borrow::Cow;

use super::super::font;
use super::super::scene::Anchor;
use crate::domain::result::{Cell, ColumnType, Table};
use crate::domain::widget::Format;

/// Whole numbers from here on are grouped by commas, when they count something.
const GROUPED_FROM: f64 = 10_000.0;
/// Ends of names whose numbers name something rather than count it.
const IDENTIFIERS: [&str; 7] = ["id", "code", "zip", "year", "number", "key", "no"];

/// How one column is written: the same for all of its cells, so that digits stand below digits.
#[derive(Debug, Clone)]
pub(super) struct ColumnStyle {
    kind: ColumnType,
    grouped: bool,
    /// Digits after the point, of doubles.
    decimals: u8,
}

impl ColumnStyle {
    /// Looks at the whole column.
    pub(super) fn of(table: &Table, index: usize) -> Self {
        let (name, kind) =
            table.columns.get(index).map_or(("", ColumnType::Text), |column| (&column.name, column.kind));
        let (mut largest, mut decimals) = (0.0_f64, 0);
        if kind.is_numeric() {
            for cell in table.rows.iter().filter_map(|row| row.get(index)) {
                let Some(number) = cell.number() else { continue };
                largest = largest.max(number.abs());
                decimals = decimals.max(fraction_digits(number));
            }
        }
        let grouped = kind != ColumnType::Integer || (largest >= GROUPED_FROM && !is_identifier(name));
        // Enough digits to tell values apart, few enough to read.
        let most = match largest {
            0.0 => 0,
            large if large >= 10.0 => 2,
            large if large >= 0.1 => 3,
            large if large >= 0.001 => 5,
            _ => 6,
        };
        Self { kind, grouped, decimals: decimals.min(most) }
    }

    /// At which side of their column cells stand: numbers at the right, digits below digits.
    pub(super) fn anchor(&self) -> Anchor {
        if self.kind.is_numeric() { Anchor::End } else { Anchor::Start }
    }

    /// Whether a cell may be broken into lines; a number or a date may not.
    pub(super) fn wraps(&self) -> bool {
        self.kind == ColumnType::Text
    }

    /// The cell on one line.
    pub(super) fn write<'a>(&self, cell: &'a Cell) -> Cow<'a, str> {
        match (cell, self.kind) {
            (Cell::Null, _) => Cow::Borrowed(""),
            (Cell::Double(value), _) if value.abs() >= 1e15 || (*value != 0.0 && value.abs() < 1e-6) => {
                Cow::Owned(format!("{value:.3e}").replace('-', "−"))
            }
            (Cell::Double(value), _) => {
                let format = Format { decimals: Some(self.decimals), ..Format::default() };
                Cow::Owned(format.apply(*value))
            }
            (Cell::Integer(value), _) => Cow::Owned(self.digits(&value.to_string())),
            (Cell::Text(text), kind) if kind.is_numeric() => Cow::Owned(self.digits(&font::one_line(text))),
            (Cell::Text(text), ColumnType::Timestamp) => Cow::Owned(moment(&font::one_line(text))),
            (Cell::Text(text), _) => font::one_line(text),
            (Cell::Boolean(_), _) => Cow::Owned(cell.display()),
        }
    }

    /// Digits with commas and a proper minus.
    fn digits(&self, text: &str) -> String {
        let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
        let (whole, fraction) = unsigned.find('.').map_or((unsigned, ""), |point| unsigned.split_at(point));
        if !self.grouped || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
            return format!("{sign}{unsigned}");
        }
        let mut grouped = String::with_capacity(text.len() * 4 / 3 + 4);
        grouped.push_str(sign);
        for (position, digit) in whole.chars().enumerate() {
            if position > 0 && (whole.len() - position).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped.push_str(fraction);
        grouped
    }
}

fn is_identifier(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.rsplit(['_', ' ', '-']).next().is_some_and(|last| IDENTIFIERS.contains(&last))
}

/// How many digits after the point a number has, up to six.
fn fraction_digits(number: f64) -> u8 {
    if number.fract() == 0.0 {
        return 0;
    }
    let text = format!("{:.6}", number.fract().abs());
    let digits = text.trim_end_matches('0').len().saturating_sub(2);
    u8::try_from(digits).unwrap_or(6)
}

/// `2013-01-31T05:00:00Z` as `2013-01-31 05:00:00`.
fn moment(text: &str) -> String {
    let text = text.strip_suffix('Z').unwrap_or(text);
    text.replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::result::Column;

    fn write(name: &str, kind: ColumnType, cells: &[Cell]) -> Vec<String> {
        let columns = vec![Column { name: name.into(), kind }];
        let table = Table { columns, rows: cells.iter().map(|cell| vec![cell.clone()]).collect() };
        let style = ColumnStyle::of(&table, 0);
        cells.iter().map(|cell| style.write(cell).into_owned()).collect()
    }

    #[test]
    fn large_counts_are_grouped_and_identifiers_and_years_are_not() {
        assert_eq!(
            write("flights", ColumnType::Integer, &[Cell::Integer(336_776), Cell::Integer(-5)]),
            ["336,776", "−5"]
        );
        assert_eq!(write("year", ColumnType::Integer, &[Cell::Integer(2013)]), ["2013"]);
        assert_eq!(write("customer_id", ColumnType::Integer, &[Cell::Integer(123_456)]), ["123456"]);
    }

    #[test]
    fn doubles_of_a_column_have_the_same_number_of_decimals() {
        let cells = [Cell::Double(12.639_070_5), Cell::Double(3.0), Cell::Null];
        assert_eq!(write("delay", ColumnType::Double, &cells), ["12.64", "3.00", ""]);
        assert_eq!(write("n", ColumnType::Double, &[Cell::Double(4.0), Cell::Double(1_200.0)]), ["4", "1,200"]);
        assert_eq!(write("n", ColumnType::Double, &[Cell::Double(1e-9)]), ["1.000e−9"]);
    }

    #[test]
    fn decimals_keep_their_digits() {
        let cells = [Cell::Text("-1234567890123456789.10".into())];
        assert_eq!(write("amount", ColumnType::Decimal, &cells), ["−1,234,567,890,123,456,789.10"]);
    }

    #[test]
    fn moments_are_written_for_people() {
        let cells = [Cell::Text("2013-01-31T05:00:00Z".into())];
        assert_eq!(write("at", ColumnType::Timestamp, &cells), ["2013-01-31 05:00:00"]);
    }
}
