//! Rows as JSON and as CSV.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use super::Sink;
use crate::domain::result::Column;
use crate::engine::internal;
use crate::engine::sql::value::{Cells, Value, is_exact};
use crate::worker::protocol::Failure;

/// A body of text that grows row by row.
pub(super) enum TextWriter {
    /// The JSON of a query's answer.
    Json(Sink),
    /// RFC 4180 with a header line.
    Csv(Sink),
}

impl TextWriter {
    /// JSON, begun.
    pub(super) fn json(mut sink: Sink, columns: &[Column]) -> Result<Self, Failure> {
        sink.buffer.extend_from_slice(b"{\"columns\":");
        json(&mut sink.buffer, &columns)?;
        sink.buffer.extend_from_slice(b",\"rows\":[");
        Ok(Self::Json(sink))
    }

    /// CSV, begun.
    pub(super) fn csv(mut sink: Sink, columns: &[Column]) -> Self {
        for (position, column) in columns.iter().enumerate() {
            separate(&mut sink.buffer, position);
            csv_text(&mut sink.buffer, &column.name);
        }
        sink.buffer.extend_from_slice(b"\r\n");
        Self::Csv(sink)
    }

    /// Writes a batch behind the `before` rows that are there.
    pub(super) fn write(&mut self, batch: &RecordBatch, before: u64) -> Result<(), Failure> {
        let unreadable = |error: ArrowError| internal("a result cannot be read", &error);
        let columns: Vec<Cells> =
            batch.columns().iter().map(Cells::new).collect::<Result<_, _>>().map_err(unreadable)?;
        for row in 0..batch.num_rows() {
            let sink = match self {
                Self::Json(sink) => {
                    json_row(&mut sink.buffer, &columns, row, before > 0 || row > 0)?;
                    sink
                }
                Self::Csv(sink) => {
                    csv_row(&mut sink.buffer, &columns, row);
                    sink
                }
            };
            sink.settle()?;
        }
        Ok(())
    }

    /// Writes what stands after the last row.
    pub(super) fn finish(self, rows: u64, truncated: bool, elapsed_ms: u64, notes: &[String]) -> Sink {
        match self {
            Self::Json(mut sink) => {
                let tail = format!("],\"row_count\":{rows},\"truncated\":{truncated},\"elapsed_ms\":{elapsed_ms}");
                sink.buffer.extend_from_slice(tail.as_bytes());
                if !notes.is_empty() {
                    let notes = serde_json::json!(notes);
                    sink.buffer.extend_from_slice(format!(",\"notes\":{notes}").as_bytes());
                }
                sink.buffer.push(b'}');
                sink
            }
            Self::Csv(sink) => sink,
        }
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
