//! Columns as an Arrow stream and as Parquet, for clients that compute on.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::Sink;
use crate::domain::result::Column;
use crate::engine::internal;
use crate::worker::protocol::Failure;

/// Rows of a group in Parquet: what a writer holds in memory.
const GROUP_ROWS: usize = 1 << 16;

/// A body of columns that grows batch by batch.
pub(super) struct ColumnWriter {
    schema: SchemaRef,
    form: Form,
}

enum Form {
    Arrow(Box<StreamWriter<Sink>>),
    Parquet(Box<ArrowWriter<Sink>>),
}

impl ColumnWriter {
    /// The Arrow IPC streaming format.
    pub(super) fn arrow(sink: Sink, columns: &[Column], schema: &Schema) -> Result<Self, Failure> {
        let schema = plain(columns, schema);
        let writer = StreamWriter::try_new(sink, &schema).map_err(|error| unwritable(&error))?;
        Ok(Self { schema, form: Form::Arrow(Box::new(writer)) })
    }

    /// One Parquet file.
    pub(super) fn parquet(sink: Sink, columns: &[Column], schema: &Schema) -> Result<Self, Failure> {
        let schema = plain(columns, schema);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(sink, schema.clone(), Some(properties));
        let writer = writer.map_err(|error| unwritable(&error.into()))?;
        Ok(Self { schema, form: Form::Parquet(Box::new(writer)) })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let casts = batch.columns().iter().zip(self.schema.fields());
        let columns: Vec<ArrayRef> = casts
            .map(|(column, field)| cast(column, field.data_type()))
            .collect::<Result<_, ArrowError>>()
            .map_err(|error| unwritable(&error))?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(|error| unwritable(&error))?;
        let written = match &mut self.form {
            Form::Arrow(writer) => writer.write(&batch),
            Form::Parquet(writer) => writer.write(&batch).map_err(ParquetError::into),
        };
        self.checked(written)
    }

    /// Writes what stands after the last row. A sink that is full by then says so itself.
    pub(super) fn finish(self) -> Result<Sink, Failure> {
        match self.form {
            Form::Arrow(writer) => writer.into_inner(),
            Form::Parquet(writer) => writer.into_inner().map_err(ParquetError::into),
        }
        .map_err(|error| unwritable(&error))
    }

    /// What a sink that is full says goes before what its writer makes of it.
    fn checked(&mut self, written: Result<(), ArrowError>) -> Result<(), Failure> {
        let sink = match &mut self.form {
            Form::Arrow(writer) => writer.get_mut(),
            Form::Parquet(writer) => writer.inner_mut(),
        };
        sink.settle()?;
        written.map_err(|error| unwritable(&error))
    }
}

/// The columns as the query names them, in types that every reader of Arrow knows.
fn plain(columns: &[Column], schema: &Schema) -> SchemaRef {
    let fields = columns.iter().zip(schema.fields()).map(|(column, field)| {
        let kind = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            // Parquet has no column of nothing but nulls that all readers take.
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(&column.name, kind, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn unwritable(error: &ArrowError) -> Failure {
    internal("a result cannot be written", error)
}
