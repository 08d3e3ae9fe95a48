//! Values of PostgreSQL in their binary format.

use std::error::Error;

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::engine::connect::counted;
use crate::engine::connect::fault::Fault;
use crate::engine::connect::notes::Note;
use crate::engine::connect::rows::Rows;
use crate::engine::connect::target::{Cell, FIRST_DAY, FIRST_MICROS, LAST_DAY, LAST_MICROS, read_short};

/// Days from 1970-01-01 to 2000-01-01, which PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// Signs of numbers, besides the positive one.
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const MINUS_INFINITE: u16 = 0xf000;

/// The bytes of a value, whatever its type is; `None` of null.
pub struct Raw<'a>(pub Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(bytes)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value of a parameter, written as the server reads one of whatever type it takes there to be.
#[derive(Debug)]
pub struct Bound<'a>(&'a Value);

/// The values that a statement takes, which are the first of these.
pub fn bound(values: &[Value], wanted: usize) -> Result<Vec<Bound<'_>>, Fault> {
    Ok(counted(values, wanted)?.iter().map(Bound).collect())
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::String(text) => out.extend_from_slice(text.as_bytes()),
            other => out.extend_from_slice(other.to_string().as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Puts a value into its column.
pub fn put(intake: &mut dyn Rows, index: usize, kind: &Type, bytes: Option<&[u8]>) -> Result<(), Fault> {
    let Some(bytes) = bytes else {
        intake.cell(index, Cell::Null);
        return Ok(());
    };
    match *kind {
        Type::BOOL => intake.cell(index, Cell::Boolean(fixed::<1>(bytes)?[0] != 0)),
        Type::INT2 => intake.cell(index, Cell::Integer(i16::from_be_bytes(fixed(bytes)?).into())),
        Type::INT4 => intake.cell(index, Cell::Integer(i32::from_be_bytes(fixed(bytes)?).into())),
        Type::INT8 => intake.cell(index, Cell::Integer(i64::from_be_bytes(fixed(bytes)?))),
        Type::FLOAT4 => intake.cell(index, Cell::Double(read_short(f32::from_be_bytes(fixed(bytes)?)))),
        Type::FLOAT8 => intake.cell(index, Cell::Double(f64::from_be_bytes(fixed(bytes)?))),
        Type::NUMERIC => put_number(intake, index, bytes)?,
        Type::DATE => put_date(intake, index, i32::from_be_bytes(fixed(bytes)?)),
        Type::TIME => intake.cell(index, Cell::Time(i64::from_be_bytes(fixed(bytes)?))),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => put_instant(intake, index, i64::from_be_bytes(fixed(bytes)?)),
        _ => intake.text(index, bytes),
    }
    Ok(())
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| malformed())
}

fn malformed() -> Fault {
    Fault::Lost("it sent a value that is none of its type".to_owned())
}

fn put_date(intake: &mut dyn Rows, index: usize, days: i32) {
    match days {
        i32::MAX => intake.changed(index, Note::Infinite, Cell::Date(LAST_DAY)),
        i32::MIN => intake.changed(index, Note::Infinite, Cell::Date(FIRST_DAY)),
        days => intake.cell(index, Cell::Date(days.saturating_add(EPOCH_DAYS))),
    }
}

fn put_instant(intake: &mut dyn Rows, index: usize, micros: i64) {
    match micros {
        i64::MAX => intake.changed(index, Note::Infinite, Cell::Timestamp(LAST_MICROS)),
        i64::MIN => intake.changed(index, Note::Infinite, Cell::Timestamp(FIRST_MICROS)),
        micros => intake.cell(index, Cell::Timestamp(micros.saturating_add(EPOCH_MICROS))),
    }
}

fn put_number(intake: &mut dyn Rows, index: usize, bytes: &[u8]) -> Result<(), Fault> {
    match number(bytes).ok_or_else(malformed)? {
        Number::Digits(text) => intake.cell(index, Cell::Decimal(&text)),
        Number::Word(word) => intake.cell(index, Cell::Text(word)),
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Number {
    Digits(String),
    Word(&'static str),
}

/// A number: digits to the base of 10,000, the place of the first one, a sign, and how many decimals are shown.
fn number(bytes: &[u8]) -> Option<Number> {
    let (head, groups) = bytes.split_at_checked(8)?;
    let field = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign, shown) = (field(0), i32::from(field(2).cast_signed()), field(4), usize::from(field(6)));
    match sign {
        NOT_A_NUMBER => return Some(Number::Word("NaN")),
        INFINITE => return Some(Number::Word("Infinity")),
        MINUS_INFINITE => return Some(Number::Word("-Infinity")),
        _ => {}
    }
    if groups.len() != usize::from(count) * 2 {
        return None;
    }
    let group = |place: i32| {
        let at = usize::try_from(weight - place).ok().filter(|at| *at < usize::from(count));
        at.map_or(0, |at| u16::from_be_bytes([groups[2 * at], groups[2 * at + 1]]))
    };
    let mut text = String::with_capacity(usize::from(count) * 4 + 8);
    if sign == NEGATIVE {
        text.push('-');
    }
    let start = text.len();
    for place in (0..=weight.max(0)).rev() {
        text.push_str(&format!("{:04}", group(place)));
    }
    let zeros = text[start..].bytes().take_while(|digit| *digit == b'0').count().min(text.len() - start - 1);
    text.replace_range(start..start + zeros, "");
    if shown > 0 {
        text.push('.');
        let point = text.len();
        let mut place = -1;
        while text.len() < point + shown {
            text.push_str(&format!("{:04}", group(place)));
            place -= 1;
        }
        text.truncate(point + shown);
    }
    Some(Number::Digits(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(weight: i16, sign: u16, shown: u16, groups: &[u16]) -> Vec<u8> {
        let count = u16::try_from(groups.len()).unwrap();
        let head = [count, weight.cast_unsigned(), sign, shown];
        head.iter().chain(groups).flat_map(|field| field.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_written_with_all_their_digits() {
        for (bytes, text) in [
            (encoded(0, 0, 2, &[12, 5_000]), "12.50"),
            (encoded(1, NEGATIVE, 0, &[1, 2]), "-10002"),
            (encoded(-1, 0, 4, &[1]), "0.0001"),
            (encoded(-2, NEGATIVE, 8, &[1]), "-0.00000001"),
            (encoded(0, 0, 3, &[]), "0.000"),
            (encoded(2, 0, 0, &[1]), "100000000"),
            (encoded(0, 0, 1, &[3, 1_000]), "3.1"),
        ] {
            assert_eq!(number(&bytes), Some(Number::Digits(text.to_owned())));
        }
        assert_eq!(number(&encoded(0, NOT_A_NUMBER, 0, &[])), Some(Number::Word("NaN")));
        assert_eq!(number(&[0, 5, 0, 0, 0, 0, 0, 0]), None, "cut short");
        assert_eq!(number(&[0]), None);
    }
}
