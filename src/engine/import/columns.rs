//! The columns of a batch while rows are poured into them, and the Arrow types they have in an extract.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::engine::detect::{self, Guess};

/// A value that its column's guessed type does not fit: the guess has to be made over all rows.
#[derive(Debug)]
pub enum Misfit {
    /// The type is too narrow.
    Type,
    /// The text is not UTF-8.
    Encoding,
}

/// One column.
pub struct Column {
    builder: Builder,
    /// A null was put in, in this batch or an earlier one.
    pub nullable: bool,
}

enum Builder {
    Nulls(usize),
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Double(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Column {
    /// An empty column for values of that guess.
    pub fn new(guess: Guess) -> Self {
        let builder = match guess {
            Guess::Nothing => Builder::Nulls(0),
            Guess::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Guess::Integer => Builder::Integer(Int64Builder::new()),
            Guess::Double => Builder::Double(Float64Builder::new()),
            Guess::Date => Builder::Date(Date32Builder::new()),
            Guess::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new()),
            Guess::Text => Builder::Text(StringBuilder::new()),
        };
        Self { builder, nullable: false }
    }

    /// Puts in the next cell.
    pub fn push(&mut self, cell: &[u8]) -> Result<(), Misfit> {
        if detect::is_null(cell) {
            self.push_null();
            return Ok(());
        }
        match &mut self.builder {
            Builder::Nulls(_) => return Err(Misfit::Type),
            Builder::Boolean(builder) => builder.append_value(detect::boolean(cell).ok_or(Misfit::Type)?),
            Builder::Integer(builder) => builder.append_value(detect::integer(cell).ok_or(Misfit::Type)?),
            Builder::Double(builder) => builder.append_value(detect::double(cell).ok_or(Misfit::Type)?),
            Builder::Date(builder) => builder.append_value(detect::date(cell).ok_or(Misfit::Type)?),
            Builder::Timestamp(builder) => {
                builder.append_value(detect::timestamp_or_date(cell).ok_or(Misfit::Type)?);
            }
            Builder::Text(builder) => {
                builder.append_value(std::str::from_utf8(cell).map_err(|_| Misfit::Encoding)?);
            }
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
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
        }
    }

    /// Puts in a text that means what it says: in a column of text nothing stands for a missing value.
    pub fn push_text(&mut self, text: &str) -> Result<(), Misfit> {
        if let Builder::Text(builder) = &mut self.builder {
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
            Builder::Date(builder) => builder.append_null(),
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

fn data_type(guess: Guess) -> DataType {
    match guess {
        Guess::Nothing | Guess::Text => DataType::Utf8,
        Guess::Boolean => DataType::Boolean,
        Guess::Integer => DataType::Int64,
        Guess::Double => DataType::Float64,
        Guess::Date => DataType::Date32,
        // Without a zone: all times are UTC, and SQL functions agree best on times that name none.
        Guess::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}
