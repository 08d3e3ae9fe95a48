//! The columns of a batch while rows are poured into them, and the Arrow types they have in an extract.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::terms::{Terms, decimal, decimal_digits};
use super::value::Value;
use crate::domain::result::ColumnType;
use crate::engine::detect::{Detector, Guess};

/// Digits of an exact decimal number.
const DIGITS: u8 = 38;

/// A value that its column's guessed type does not fit: the guess has to be made over all rows.
#[derive(Debug)]
pub enum Misfit {
    /// The type is too narrow.
    Type,
    /// The text is not UTF-8.
    Encoding,
}

/// Finds the type of one column: the one that was asked for, or the one that fits.
pub struct Finder {
    terms: Terms,
    detector: Detector,
    decimals: usize,
}

impl Finder {
    /// One that has seen nothing.
    pub fn new(terms: Terms) -> Self {
        Self { terms, detector: Detector::default(), decimals: 0 }
    }

    /// Takes a cell into account.
    pub fn see(&mut self, cell: &[u8]) {
        match self.terms.asked {
            None if self.terms.nulls.has(cell) => {}
            None => self.detector.see_present(cell),
            Some(ColumnType::Decimal) if !self.terms.nulls.has(cell) => {
                // What is no number is found, with its line, when it is converted.
                let decimals = decimal_digits(cell).map_or(0, |(_, decimals)| decimals);
                self.decimals = self.decimals.max(decimals);
            }
            Some(_) => {}
        }
    }

    /// The type that fits every cell so far.
    pub fn guess(&self) -> Guess {
        match self.terms.asked {
            None => self.detector.guess(),
            Some(kind) => Guess::asked(kind, self.decimals),
        }
    }
}

/// One column.
pub struct Column {
    terms: Terms,
    builder: Builder,
    /// A null was put in, in this batch or an earlier one.
    pub nullable: bool,
}

enum Builder {
    Nulls(usize),
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, i8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Column {
    /// An empty column for values of that guess.
    pub fn new(guess: Guess, terms: Terms) -> Self {
        let builder = match guess {
            Guess::Nothing => Builder::Nulls(0),
            Guess::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Guess::Integer => Builder::Integer(Int64Builder::new()),
            Guess::Double => Builder::Double(Float64Builder::new()),
            Guess::Decimal(scale) => Builder::Decimal(Decimal128Builder::new().with_data_type(data_type(guess)), scale),
            Guess::Date => Builder::Date(Date32Builder::new()),
            Guess::Time => Builder::Time(Time64MicrosecondBuilder::new()),
            Guess::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new()),
            Guess::Text => Builder::Text(StringBuilder::new()),
        };
        Self { terms, builder, nullable: false }
    }

    /// The type that was asked for.
    pub fn asked(&self) -> Option<ColumnType> {
        self.terms.asked
    }

    /// Puts in the next cell.
    pub fn push(&mut self, cell: &[u8]) -> Result<(), Misfit> {
        if self.terms.nulls.has(cell) {
            self.push_null();
            return Ok(());
        }
        let terms = &self.terms;
        match &mut self.builder {
            Builder::Nulls(_) => return Err(Misfit::Type),
            Builder::Boolean(builder) => builder.append_value(terms.boolean(cell).ok_or(Misfit::Type)?),
            Builder::Integer(builder) => builder.append_value(terms.integer(cell).ok_or(Misfit::Type)?),
            Builder::Double(builder) => builder.append_value(terms.double(cell).ok_or(Misfit::Type)?),
            Builder::Decimal(builder, scale) => builder.append_value(decimal(cell, *scale).ok_or(Misfit::Type)?),
            Builder::Date(builder) => builder.append_value(terms.date(cell).ok_or(Misfit::Type)?),
            Builder::Time(builder) => builder.append_value(terms.time(cell).ok_or(Misfit::Type)?),
            Builder::Timestamp(builder) => builder.append_value(terms.timestamp(cell).ok_or(Misfit::Type)?),
            Builder::Text(builder) => {
                builder.append_value(std::str::from_utf8(cell).map_err(|_| Misfit::Encoding)?);
            }
        }
        Ok(())
    }

    /// Puts in what a cell of a sheet holds.
    pub fn push_value(&mut self, value: &Value<'_>) -> Result<(), Misfit> {
        match (&mut self.builder, value) {
            (_, Value::Null) => self.push_null(),
            (_, Value::Text(text)) => return self.push(text.as_bytes()),
            (Builder::Boolean(builder), Value::Boolean(value)) => builder.append_value(*value),
            (Builder::Double(builder), Value::Number(value)) => builder.append_value(*value),
            (Builder::Integer(builder), Value::Number(value)) if Value::is_whole(*value) => {
                #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
                builder.append_value(*value as i64);
            }
            (Builder::Date(builder), Value::Date(days)) => builder.append_value(*days),
            (Builder::Time(builder), Value::Time(micros)) => builder.append_value(*micros),
            (Builder::Timestamp(builder), Value::Timestamp(micros)) => builder.append_value(*micros),
            (Builder::Timestamp(builder), Value::Date(days)) => builder.append_value(Value::midnight(*days)),
            (Builder::Text(builder), value) => builder.append_value(value.written()),
            (_, value) => return self.push(value.written().as_bytes()),
        }
        Ok(())
    }

    /// The cells put in since the last call, as an array.
    pub fn take(&mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Nulls(count) => new_null_array(&DataType::Utf8, std::mem::take(count)),
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Double(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, _) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
        }
    }

    /// Puts in a text that means what it says: in a column of text nothing stands for a missing value, unless something
    /// was said to.
    pub fn push_text(&mut self, text: &str) -> Result<(), Misfit> {
        if let Builder::Text(builder) = &mut self.builder
            && !(self.terms.nulls.are_given() && self.terms.nulls.has(text.as_bytes()))
        {
            builder.append_value(text);
            return Ok(());
        }
        self.push(text.as_bytes())
    }

    /// Puts in a missing value.
    pub fn push_null(&mut self) {
        self.nullable = true;
        match &mut self.builder {
            Builder::Nulls(count) => *count += 1,
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Integer(builder) => builder.append_null(),
            Builder::Double(builder) => builder.append_null(),
            Builder::Decimal(builder, _) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
            Builder::Timestamp(builder) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
        }
    }
}

/// The schema of an extract with columns of these names and guesses.
pub fn schema(names: &[String], guesses: &[Guess]) -> SchemaRef {
    let field = |(name, guess): (&String, &Guess)| Field::new(name, data_type(*guess), true);
    Arc::new(Schema::new(names.iter().zip(guesses).map(field).collect::<Vec<_>>()))
}

/// The Arrow type of values of that guess.
pub fn data_type(guess: Guess) -> DataType {
    match guess {
        Guess::Nothing | Guess::Text => DataType::Utf8,
        Guess::Boolean => DataType::Boolean,
        Guess::Integer => DataType::Int64,
        Guess::Double => DataType::Float64,
        Guess::Decimal(scale) => DataType::Decimal128(DIGITS, scale),
        Guess::Date => DataType::Date32,
        Guess::Time => DataType::Time64(TimeUnit::Microsecond),
        // Without a zone: all times are UTC, and SQL functions agree best on times that name none.
        Guess::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}
