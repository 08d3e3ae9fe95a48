//! Rows poured into a table: batches go into its extract, or stay in memory where only a sample was asked for.

use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::columns::{self, Column};
use super::extract::Extract;
use super::fault::Fault;
use super::terms::Terms;
use super::{BATCH_BYTES, BATCH_ROWS};
use crate::engine::detect::Guess;
use crate::worker::protocol::{ImportedColumn, ImportedTable};

/// Where batches go.
pub enum Sink {
    /// Into a file.
    Extract(Extract),
    /// Nowhere: they are looked at.
    Sample(Vec<RecordBatch>),
}

impl Sink {
    /// One that writes to the file, or keeps a sample where there is none.
    pub fn create(path: Option<&Path>, schema: SchemaRef) -> Result<Self, Fault> {
        Ok(match path {
            Some(path) => Self::Extract(Extract::create(path, schema)?),
            None => Self::Sample(Vec::new()),
        })
    }

    /// Hands over the next rows.
    pub fn write(&mut self, batch: RecordBatch) -> Result<(), Fault> {
        match self {
            Self::Extract(extract) => extract.write(batch),
            Self::Sample(batches) => {
                batches.push(batch);
                Ok(())
            }
        }
    }

    /// Ends it: the length of the file, and what was kept.
    pub fn finish(self) -> Result<(u64, Vec<RecordBatch>), Fault> {
        match self {
            Self::Extract(extract) => Ok((extract.finish()?, Vec::new())),
            Self::Sample(batches) => Ok((0, batches)),
        }
    }
}

/// A table that rows are poured into, cell by cell.
pub struct Pour {
    schema: SchemaRef,
    names: Vec<String>,
    guesses: Vec<Guess>,
    columns: Vec<Column>,
    sink: Sink,
    rows: u64,
    held: usize,
    bytes: usize,
}

impl Pour {
    /// An empty table with columns of these names, types and terms.
    pub fn begin(
        path: Option<&Path>,
        names: Vec<String>,
        guesses: Vec<Guess>,
        terms: Vec<Terms>,
    ) -> Result<Self, Fault> {
        let schema = columns::schema(&names, &guesses);
        let columns = guesses.iter().copied().zip(terms).map(|(guess, terms)| Column::new(guess, terms)).collect();
        let sink = Sink::create(path, schema.clone())?;
        Ok(Self { schema, names, guesses, columns, sink, rows: 0, held: 0, bytes: 0 })
    }

    /// The columns, to put the cells of one row into: one each.
    pub fn columns(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// The fault of a value that a type that was asked for does not fit.
    pub fn contradiction(&self, place: usize, line: u64, value: &str) -> Fault {
        let (column, kind) = (self.names[place].clone(), self.guesses[place].column_type());
        Fault::Contradiction { line, column, value: value.to_owned(), kind }
    }

    /// Ends a row of so many bytes, and tells whether a batch was completed by it.
    pub fn end_row(&mut self, bytes: usize) -> Result<bool, Fault> {
        self.held += 1;
        self.bytes += bytes;
        if self.held < BATCH_ROWS && self.bytes < BATCH_BYTES {
            return Ok(false);
        }
        self.flush()?;
        Ok(true)
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows + self.held as u64
    }

    /// Ends the table.
    pub fn finish(mut self, name: &str) -> Result<(ImportedTable, Vec<RecordBatch>), Fault> {
        if self.held > 0 {
            self.flush()?;
        }
        let kinds = self.guesses.iter().map(|guess| guess.column_type());
        let described = self.names.into_iter().zip(kinds).zip(&self.columns);
        let columns =
            described.map(|((name, kind), column)| ImportedColumn { name, kind, nullable: column.nullable }).collect();
        let (bytes, kept) = self.sink.finish()?;
        Ok((ImportedTable { name: name.to_owned(), rows: self.rows, bytes, columns }, kept))
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let arrays = self.columns.iter_mut().map(Column::take).collect();
        self.sink.write(RecordBatch::try_new(self.schema.clone(), arrays)?)?;
        self.rows += self.held as u64;
        (self.held, self.bytes) = (0, 0);
        Ok(())
    }
}
