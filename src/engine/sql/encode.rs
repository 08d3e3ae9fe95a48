//! Results as bytes: the JSON of the query's answer, or CSV. Written straight from Arrow batches, and bounded.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use super::value::{Cells, Value, is_exact};
use crate::domain::result::Column;
use crate::engine::internal;
use crate::worker::protocol::{Failure, FailureCode, INLINE_LIMIT, ResultFormat};

/// A body that grows row by row.
pub struct Encoder {
    format: ResultFormat,
    sink: Sink,
    rows: u64,
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
    pub fn new(format: ResultFormat, columns: &[Column], into: &Path, limit: u64) -> Result<Self, Failure> {
        let mut sink = Sink { buffer: Vec::new(), file: None, path: into.to_owned(), flushed: 0, limit };
        match format {
            ResultFormat::Json => {
                sink.buffer.extend_from_slice(b"{\"columns\":");
                json(&mut sink.buffer, &columns)?;
                sink.buffer.extend_from_slice(b",\"rows\":[");
            }
            ResultFormat::Csv => {
                for (position, column) in columns.iter().enumerate() {
                    separate(&mut sink.buffer, position);
                    csv_text(&mut sink.buffer, &column.name);
                }
                sink.buffer.extend_from_slice(b"\r\n");
            }
        }
        Ok(Self { format, sink, rows: 0 })
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the batch's first `rows` rows.
    pub fn write(&mut self, batch: &RecordBatch, rows: usize) -> Result<(), Failure> {
        let unreadable = |error: ArrowError| internal("a result cannot be read", &error);
        let columns: Vec<Cells> =
            batch.columns().iter().map(Cells::new).collect::<Result<_, _>>().map_err(unreadable)?;
        for row in 0..rows.min(batch.num_rows()) {
            match self.format {
                ResultFormat::Json => json_row(&mut self.sink.buffer, &columns, row, self.rows > 0)?,
                ResultFormat::Csv => csv_row(&mut self.sink.buffer, &columns, row),
            }
            self.rows += 1;
            self.sink.settle()?;
        }
        Ok(())
    }

    /// Writes what stands after the last row.
    pub fn finish(mut self, truncated: bool, elapsed_ms: u64) -> Result<Body, Failure> {
        if self.format == ResultFormat::Json {
            let rows = self.rows;
            let tail = format!("],\"row_count\":{rows},\"truncated\":{truncated},\"elapsed_ms\":{elapsed_ms}}}");
            self.sink.buffer.extend_from_slice(tail.as_bytes());
        }
        self.sink.finish()
    }
}

/// Bytes in memory, and from a size on in a file.
struct Sink {
    buffer: Vec<u8>,
    file: Option<BufWriter<File>>,
    path: PathBuf,
    flushed: u64,
    limit: u64,
}

impl Sink {
    /// Moves bytes to the file once they are too many, and fails once they exceed the limit.
    fn settle(&mut self) -> Result<(), Failure> {
        if self.flushed + self.buffer.len() as u64 > self.limit {
            let message =
                format!("The result is larger than {} bytes; select fewer columns or rows, or aggregate.", self.limit);
            return Err(Failure::new(FailureCode::TooLarge, message));
        }
        if self.buffer.len() > INLINE_LIMIT {
            self.flush().map_err(|error| internal("a result cannot be written", &error))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
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
        self.flush()
            .and_then(|()| self.file.as_mut().map_or(Ok(()), Write::flush))
            .map_err(|error| internal("a result cannot be written", &error))?;
        Ok(Body::File(self.flushed))
    }
}

fn json_row(out: &mut Vec<u8>, columns: &[Cells], row: usize, follows: bool) -> Result<(), Failure> {
    if follows {
        out.push(b',');
    }
    out.push(b'[');
    for (position, column) in columns.iter().enumerate() {
        separate(out, position);
        match column.get(row) {
            Value::Boolean(value) => json(out, &value)?,
            Value::Integer(value) if is_exact(value) => json(out, &value)?,
            Value::Integer(value) => json(out, &value.to_string())?,
            Value::Digits(digits) => json(out, &digits)?,
            Value::Double(value) if value.is_finite() => json(out, &value)?,
            Value::Null | Value::Double(_) => out.extend_from_slice(b"null"),
            Value::Text(text) => json(out, &text)?,
        }
    }
    out.push(b']');
    Ok(())
}

fn json(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer(out, value).map_err(|error| internal("a result cannot be written", &error))
}

fn csv_row(out: &mut Vec<u8>, columns: &[Cells], row: usize) {
    for (position, column) in columns.iter().enumerate() {
        separate(out, position);
        match column.get(row) {
            Value::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Digits(digits) => out.extend_from_slice(digits.as_bytes()),
            Value::Double(value) if value.is_finite() => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Null | Value::Double(_) => {}
            Value::Text(text) => csv_text(out, &text),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Text that spreadsheets would run as a formula gets an apostrophe, which they show as text. An empty text is quoted,
/// so that it differs from a null.
fn csv_text(out: &mut Vec<u8>, text: &str) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quoted = text.is_empty() || text.contains([',', '"', '\r', '\n']);
    if quoted {
        out.push(b'"');
    }
    if formula {
        out.push(b'\'');
    }
    out.extend_from_slice(if quoted { text.replace('"', "\"\"") } else { text.to_owned() }.as_bytes());
    if quoted {
        out.push(b'"');
    }
}

fn separate(out: &mut Vec<u8>, position: usize) {
    if position > 0 {
        out.push(b',');
    }
}
