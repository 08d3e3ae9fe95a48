//! The rows of one table on their way into its extract.
//!
//! Rows are poured in cell by cell. When a value contradicts its column's type, nothing more is written: the remaining
//! rows are only looked at, to learn all types that have to be wider, and the table is read again under these.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, RecordBatch,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::again::Again;
use super::fault::Fault;
use super::notes::{Note, Notes};
use super::progress::Progress;
use super::rows::Rows;
use super::target::{Cell, Target};
use super::words;
use crate::engine::import::extract::Extract;
use crate::engine::import::{BATCH_BYTES, BATCH_ROWS};
use crate::worker::protocol::{ImportedColumn, ImportedTable};

/// What became of the rows.
pub enum Intaken {
    /// The table is whole.
    Table(ImportedTable, Vec<String>),
    /// These types hold all values; the table has to be read again.
    Widened(Vec<Target>),
    /// What was copied and what was read do not fit together; the table has to be read without what there was.
    Apart,
}

/// The table in the making.
pub struct Intake<'a, 'p> {
    table: &'a str,
    names: &'a [String],
    columns: Vec<Column>,
    schema: SchemaRef,
    /// `None` once a value did not fit.
    extract: Option<Extract>,
    rows: u64,
    held: usize,
    bytes: usize,
    max_rows: u64,
    /// About how many rows there will be.
    expected: Option<u64>,
    /// What rows are read again, where others were copied.
    again: Option<Again>,
    progress: &'a mut Progress<'p>,
}

impl<'a, 'p> Intake<'a, 'p> {
    /// A table without rows. All tables together may get `max_rows`.
    pub fn create(
        path: &Path,
        table: &'a str,
        names: &'a [String],
        targets: &[Target],
        expected: Option<u64>,
        max_rows: u64,
        progress: &'a mut Progress<'p>,
    ) -> Result<Self, Fault> {
        let fields = names.iter().zip(targets).map(|(name, target)| Field::new(name, target.data_type(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let extract = Some(Extract::create(path, schema.clone())?);
        let columns = targets.iter().copied().map(Column::new).collect();
        let (rows, held, bytes, again) = (0, 0, 0, None);
        Ok(Self { table, names, columns, schema, extract, rows, held, bytes, max_rows, expected, again, progress })
    }

    /// Copies the rows of an extract with the same columns that are not read again.
    pub fn copy(&mut self, again: Again) -> Result<(), Fault> {
        again.kept(|batch| {
            for (array, column) in batch.columns().iter().zip(&mut self.columns) {
                column.nullable |= array.null_count() > 0;
                column.any |= array.null_count() < array.len();
            }
            self.rows += batch.num_rows() as u64;
            let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec());
            self.write(batch.map_err(|error| std::io::Error::other(error.to_string()))?)?;
            self.tell()
        })?;
        self.again = Some(again);
        Ok(())
    }

    /// Whether values of a column are not kept as they are, so that nothing can be told by them.
    pub fn is_bent(&self, column: usize) -> bool {
        !self.columns[column].notes.is_empty()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        (self.held, self.bytes) = (0, 0);
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(Column::take).collect();
        if self.extract.is_some() {
            self.again.as_mut().map_or(Ok(()), |again| again.count(&arrays))?;
            let batch = RecordBatch::try_new(self.schema.clone(), arrays);
            self.write(batch.map_err(|error| std::io::Error::other(error.to_string()))?)?;
        }
        self.tell()
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), Fault> {
        self.extract.as_mut().map_or(Ok(()), |extract| Ok(extract.write(batch)?))
    }

    fn tell(&mut self) -> Result<(), Fault> {
        self.progress.tell(self.rows, self.expected)
    }

    /// Ends the table, durably.
    pub fn finish(mut self) -> Result<Intaken, Fault> {
        if self.held > 0 {
            self.flush()?;
        }
        let Some(extract) = self.extract.take() else {
            return Ok(Intaken::Widened(self.columns.iter().map(|column| column.target).collect()));
        };
        if self.again.is_some_and(|again| !again.is_whole()) {
            return Ok(Intaken::Apart);
        }
        let bytes = extract.finish()?;
        let columns = self.names.iter().zip(&self.columns).map(|(name, column)| ImportedColumn {
            name: name.clone(),
            kind: column.target.column_type(),
            nullable: column.nullable,
        });
        let columns = columns.collect();
        let noted = self.names.iter().zip(&self.columns);
        let notes = noted.flat_map(|(name, column)| column.notes.sentences(&format!("{}.{name}", self.table)));
        let notes = notes.collect();
        Ok(Intaken::Table(ImportedTable { name: self.table.to_owned(), rows: self.rows, bytes, columns }, notes))
    }
}

impl Rows for Intake<'_, '_> {
    fn cell(&mut self, index: usize, cell: Cell<'_>) {
        if let Cell::Text(text) | Cell::Decimal(text) = cell {
            self.bytes += text.len();
        } else if let Cell::Bytes(bytes) = cell {
            self.bytes += 2 * bytes.len();
        }
        let column = &mut self.columns[index];
        if !column.push(&cell) {
            column.widen(&cell);
            // What was written is of no use any more; that it goes is told by the file's absence alone.
            self.extract = None;
        }
    }

    fn changed(&mut self, index: usize, note: Note, cell: Cell<'_>) {
        self.columns[index].notes.count(note);
        self.cell(index, cell);
    }

    fn end_row(&mut self) -> Result<ControlFlow<()>, Fault> {
        self.held += 1;
        self.rows += 1;
        if self.progress.rows() + self.rows > self.max_rows {
            return Err(Fault::TooManyRows { limit: self.max_rows });
        }
        if self.held == BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A column in the making.
pub(super) struct Column {
    target: Target,
    builder: Builder,
    /// A null was put in.
    nullable: bool,
    /// A value was put in that fitted.
    any: bool,
    notes: Notes,
}

enum Builder {
    Nulls(usize),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder, u8, u8),
    Double(Float64Builder),
    Text(StringBuilder),
}

/// Puts the value in, if there is one, and says whether there was.
macro_rules! put {
    ($builder:expr, $value:expr) => {
        $value.map(|value| $builder.append_value(value)).is_some()
    };
}

impl Column {
    /// Without rows.
    pub(super) fn new(target: Target) -> Self {
        Self { target, builder: Builder::of(target), nullable: false, any: false, notes: Notes::default() }
    }

    /// Puts the cell in where it fits, and says whether it does.
    pub(super) fn push(&mut self, cell: &Cell<'_>) -> bool {
        if *cell == Cell::Null {
            self.nullable = true;
            self.builder.null();
            return true;
        }
        let fits = match &mut self.builder {
            Builder::Nulls(_) => false,
            Builder::Boolean(builder) => put!(builder, cell.boolean()),
            Builder::Date(builder) => put!(builder, cell.days()),
            Builder::Time(builder) => put!(builder, cell.time()),
            Builder::Timestamp(builder) => put!(builder, cell.instant()),
            Builder::Integer(builder) => put!(builder, cell.integer()),
            Builder::Decimal(builder, precision, scale) => put!(builder, cell.decimal(*precision, *scale)),
            Builder::Double(builder) => put!(builder, cell.double()),
            Builder::Text(builder) => {
                words::write(builder, cell);
                true
            }
        };
        self.any |= fits;
        fits
    }

    /// Makes the column wide enough for this cell too. The first value of all says more than what was promised.
    fn widen(&mut self, cell: &Cell<'_>) {
        let promised = if self.any { self.target } else { Target::Nothing };
        self.target = promised.widened(cell);
        self.builder = Builder::of(self.target);
        self.any = true;
    }

    /// What was put in since the last time.
    pub(super) fn take(&mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Nulls(count) => new_null_array(&DataType::Utf8, std::mem::take(count)),
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, ..) => Arc::new(builder.finish()),
            Builder::Double(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

impl Builder {
    fn of(target: Target) -> Self {
        match target {
            Target::Nothing => Self::Nulls(0),
            Target::Boolean => Self::Boolean(BooleanBuilder::new()),
            Target::Date => Self::Date(Date32Builder::new()),
            Target::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Target::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            Target::Integer => Self::Integer(Int64Builder::new()),
            Target::Decimal { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(target.data_type());
                Self::Decimal(builder, precision, scale)
            }
            Target::Double => Self::Double(Float64Builder::new()),
            Target::Text => Self::Text(StringBuilder::new()),
        }
    }

    fn null(&mut self) {
        match self {
            Self::Nulls(count) => *count += 1,
            Self::Boolean(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
        }
    }
}
