//! Results as bytes: the JSON of the query's answer, CSV, an Arrow stream or a Parquet file. Written straight from Arrow
//! batches, and bounded.

mod columnar;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use self::columnar::ColumnWriter;
use self::text::TextWriter;
use crate::domain::result::Column;
use crate::engine::internal;
use crate::worker::protocol::{Failure, FailureCode, INLINE_LIMIT, ResultFormat};

/// A body that grows batch by batch.
pub struct Encoder {
    writer: Writer,
    rows: u64,
}

enum Writer {
    Text(TextWriter),
    Columns(ColumnWriter),
}

/// A finished body.
#[derive(Debug)]
pub enum Body {
    /// Its bytes.
    Inline(Vec<u8>),
    /// Its length in the file that was named.
    File(u64),
}

impl Encoder {
    /// Writes what stands before the first row. Bodies over [`INLINE_LIMIT`] go to `into`, none exceeds `limit` bytes.
    pub fn new(
        format: ResultFormat,
        columns: &[Column],
        schema: &Schema,
        into: &Path,
        limit: u64,
    ) -> Result<Self, Failure> {
        let sink = Sink { buffer: Vec::new(), file: None, path: into.to_owned(), flushed: 0, limit };
        let writer = match format {
            ResultFormat::Json => Writer::Text(TextWriter::json(sink, columns)?),
            ResultFormat::Csv => Writer::Text(TextWriter::csv(sink, columns)),
            ResultFormat::Arrow => Writer::Columns(ColumnWriter::arrow(sink, columns, schema)?),
            ResultFormat::Parquet => Writer::Columns(ColumnWriter::parquet(sink, columns, schema)?),
        };
        Ok(Self { writer, rows: 0 })
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the batch's first `rows` rows.
    pub fn write(&mut self, batch: &RecordBatch, rows: usize) -> Result<(), Failure> {
        let batch = batch.slice(0, rows.min(batch.num_rows()));
        match &mut self.writer {
            Writer::Text(writer) => writer.write(&batch, self.rows)?,
            Writer::Columns(writer) => writer.write(&batch)?,
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes what stands after the last row. JSON alone has a place for `notes`, and has it where there are any.
    pub fn finish(self, truncated: bool, elapsed_ms: u64, notes: &[String]) -> Result<Body, Failure> {
        match self.writer {
            Writer::Text(writer) => writer.finish(self.rows, truncated, elapsed_ms, notes),
            Writer::Columns(writer) => writer.finish()?,
        }
        .finish()
    }
}

/// Bytes in memory, and from a size on in a file.
pub(super) struct Sink {
    buffer: Vec<u8>,
    file: Option<BufWriter<File>>,
    path: PathBuf,
    flushed: u64,
    limit: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is too much is told when the writer that filled this is asked, by `settle`.
        if self.length() <= self.limit {
            self.buffer.extend_from_slice(bytes);
        }
        if self.buffer.len() > INLINE_LIMIT && self.length() <= self.limit {
            self.spill()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn length(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Moves bytes to the file once they are too many, and fails once they exceed the limit.
    fn settle(&mut self) -> Result<(), Failure> {
        if self.length() > self.limit {
            let message =
                format!("The result is larger than {} bytes; select fewer columns or rows, or aggregate.", self.limit);
            return Err(Failure::new(FailureCode::TooLarge, message));
        }
        if self.buffer.len() > INLINE_LIMIT {
            self.spill().map_err(|error| internal("a result cannot be written", &error))?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(File::create(&self.path)?)),
        };
        file.write_all(&self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Body, Failure> {
        self.settle()?;
        if self.file.is_none() {
            return Ok(Body::Inline(std::mem::take(&mut self.buffer)));
        }
        self.spill()
            .and_then(|()| self.file.as_mut().map_or(Ok(()), Write::flush))
            .map_err(|error| internal("a result cannot be written", &error))?;
        Ok(Body::File(self.flushed))
    }
}
