//! Files that hold columns already, Parquet and Arrow: read batch by batch, with their types made those of our tables.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringBuilder};
use datafusion::arrow::compute::{CastOptions, cast_with_options, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::{FileReader, StreamReader};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::csv::MAX_COLUMNS;
use super::fault::Fault;
use super::kind::Kind;
use super::pour::Sink;
use super::source::{opened, unread};
use super::{Attempt, BATCH_ROWS, column_names};
use crate::domain::result::ColumnType;
use crate::worker::protocol::{ImportedColumn, ImportedTable};

/// The most digits that a number of our tables has.
const DIGITS: u8 = 38;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

impl Attempt<'_, '_> {
    /// A file of columns as an extract. Its reader trusts what a file says of itself, and may panic where that is wrong.
    pub(super) fn columns(&mut self, kind: Kind) -> Result<Vec<ImportedTable>, Fault> {
        let read = catch_unwind(AssertUnwindSafe(|| self.read_columns(kind)));
        Ok(vec![read.unwrap_or(Err(Fault::Damaged(kind.name())))?])
    }

    fn read_columns(&mut self, kind: Kind) -> Result<ImportedTable, Fault> {
        let damaged = |_: ArrowError| Fault::Damaged(kind.name());
        let plain = self.plain()?;
        let (schema, batches, total) = batches(kind, plain.file()?).map_err(damaged)?;
        if schema.fields().len() > MAX_COLUMNS {
            return Err(Fault::TooManyColumns { limit: MAX_COLUMNS });
        }
        if schema.fields().is_empty() {
            return Err(Fault::Empty);
        }
        let mut columns = columns_of(&schema)?;
        let fields = columns.iter().map(|(column, target)| Field::new(&column.name, target.clone(), true));
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let path = self.place(&self.file.table);
        let mut sink = Sink::create(path.as_deref(), schema.clone())?;
        let mut rows = 0;
        for batch in batches {
            let mut batch = batch.map_err(damaged)?;
            if let Some(wanted) = self.sample_rows {
                batch = batch.slice(0, batch.num_rows().min(usize::try_from(wanted - rows).unwrap_or(usize::MAX)));
            }
            let mut arrays = Vec::with_capacity(columns.len());
            for (array, (column, target)) in batch.columns().iter().zip(&mut columns) {
                let foreign = |_| Fault::ForeignValue { column: column.name.clone(), kind: column.kind };
                let array = converted(array, target).map_err(foreign)?;
                column.nullable |= array.null_count() > 0;
                arrays.push(array);
            }
            rows += batch.num_rows() as u64;
            sink.write(RecordBatch::try_new(schema.clone(), arrays)?)?;
            if !self.wants_row(rows) {
                break;
            }
            let fraction = total.filter(|total| *total > 0).map_or(0.5, |total| share(rows, total));
            self.progress.tell(fraction, self.length, rows)?;
        }
        let columns = columns.into_iter().map(|(column, _)| column).collect();
        let (bytes, kept) = sink.finish()?;
        let table = ImportedTable { name: self.file.table.clone(), rows, bytes, columns };
        self.kept.push(kept);
        Ok(table)
    }
}

#[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// The file's batches, their schema, and how many rows it says it has.
fn batches(kind: Kind, file: File) -> Result<(SchemaRef, Batches, Option<u64>), ArrowError> {
    Ok(match kind {
        Kind::Parquet => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS);
            let total = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
            let reader = builder.build()?;
            (datafusion::arrow::array::RecordBatchReader::schema(&reader), Box::new(reader), total)
        }
        Kind::ArrowFile => {
            let reader = FileReader::try_new(file, None)?;
            (reader.schema(), Box::new(reader), None)
        }
        _ => {
            let reader = StreamReader::try_new_buffered(file, None)?;
            (reader.schema(), Box::new(reader), None)
        }
    })
}

/// A file whose places can be gone to: itself, or what was compressed in it beside the extract.
pub struct Plain {
    path: PathBuf,
    is_copy: bool,
}

impl Attempt<'_, '_> {
    /// The file with what was compressed in it laid open.
    pub(super) fn plain(&self) -> Result<Plain, Fault> {
        Plain::of(&self.file.path, &self.into.join(".plain"), self.options.decompressed_bytes)
    }
}

impl Plain {
    fn of(path: &Path, copy: &Path, limit: u64) -> Result<Self, Fault> {
        let mut file = opened(path)?;
        if file.compression.is_none() {
            return Ok(Self { path: path.to_owned(), is_copy: false });
        }
        let plain = Self { path: copy.to_owned(), is_copy: true };
        let mut copy = File::create(&plain.path)?;
        let mut limited = (&mut file.input).take(limit.saturating_add(1));
        let length = std::io::copy(&mut limited, &mut copy).map_err(|error| unread(file.compression, error))?;
        if length > limit {
            return Err(Fault::TooLarge { limit });
        }
        Ok(plain)
    }

    /// The file, at its start.
    pub fn file(&self) -> Result<File, Fault> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        if self.is_copy {
            // The directory it lies in is removed with a failed import, and holds nothing else after a good one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What the columns become, and the Arrow types of that.
fn columns_of(schema: &Schema) -> Result<Vec<(ImportedColumn, DataType)>, Fault> {
    let given = schema.fields().iter().map(|field| field.name().as_bytes());
    let names = column_names(given).unwrap_or_default();
    let columns = names.into_iter().zip(schema.fields()).map(|(name, field)| {
        let (kind, target) = our_type(field.data_type())
            .ok_or_else(|| Fault::ForeignColumn { column: name.clone(), kind: field.data_type().to_string() })?;
        Ok((ImportedColumn { name, kind, nullable: false }, target))
    });
    columns.collect()
}

/// The type that a column of a foreign type has with us. What has no counterpart is text, as people would write it.
fn our_type(foreign: &DataType) -> Option<(ColumnType, DataType)> {
    Some(match foreign {
        DataType::Boolean => (ColumnType::Boolean, DataType::Boolean),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => (ColumnType::Integer, DataType::Int64),
        // Half of them do not fit 64 bits with a sign.
        DataType::UInt64 => (ColumnType::Decimal, DataType::Decimal128(20, 0)),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => (ColumnType::Double, DataType::Float64),
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => {
            let fits = *digits <= DIGITS && *scale >= 0;
            (ColumnType::Decimal, fits.then_some(DataType::Decimal128(*digits, *scale))?)
        }
        DataType::Date32 | DataType::Date64 => (ColumnType::Date, DataType::Date32),
        DataType::Timestamp(..) => (ColumnType::Timestamp, DataType::Timestamp(TimeUnit::Microsecond, None)),
        DataType::Time32(_) | DataType::Time64(_) => (ColumnType::Time, DataType::Time64(TimeUnit::Microsecond)),
        DataType::Dictionary(_, values) => our_type(values)?,
        DataType::RunEndEncoded(_, values) => our_type(values.data_type())?,
        _ => (ColumnType::Text, DataType::Utf8),
    })
}

fn converted(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), target) {
        (given, target) if given == target => Ok(array.clone()),
        // An instant stays what it is: only its zone is left out, which would otherwise shift it.
        (DataType::Timestamp(_, Some(zone)), DataType::Timestamp(unit, None)) => {
            let exact = cast(array, &DataType::Timestamp(*unit, Some(zone.clone())))?;
            let instants = exact.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(Arc::new(instants.with_timezone_opt(None::<String>)))
        }
        (DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_), _) => {
            bytes(array)
        }
        // Of the values in a dictionary those count that rows have.
        (DataType::Dictionary(..), _) => {
            let dictionary = array.as_any_dictionary();
            converted(&take(dictionary.values(), dictionary.keys(), None)?, target)
        }
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) => cast(array, target),
        (DataType::Null, _) => cast(array, target),
        (_, DataType::Utf8) => written(array),
        _ => cast(array, target),
    }
}

/// Values as those of another type. One that the type has not got is an error, and not null as it would be by default.
fn cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, target, &CastOptions { safe: false, ..CastOptions::default() })
}

/// Bytes as text where they are text, which old writers of Parquet did not say; in hexadecimal otherwise.
fn bytes(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let array = cast(array, &DataType::LargeBinary)?;
    let texts = array.as_binary::<i64>().iter().map(|value| {
        value.map(|value| match std::str::from_utf8(value) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("\\x{}", hex::encode(value)),
        })
    });
    let mut builder = StringBuilder::new();
    texts.for_each(|text| builder.append_option(text));
    Ok(Arc::new(builder.finish()))
}

/// Values without a type of ours, as Arrow writes them for people.
fn written(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default().with_null("null");
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let mut builder = StringBuilder::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
        } else {
            builder.append_value(formatter.value(row).try_to_string()?);
        }
    }
    Ok(Arc::new(builder.finish()))
}
