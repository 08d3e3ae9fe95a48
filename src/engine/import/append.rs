//! Rows added to a table that is there: its extract is written anew, what it had first, and the new rows behind that.
//!
//! The table's columns stay what they are. New rows are read as those types, strictly: a value that does not fit is told
//! with its line. A column that the new rows lack is null in them; one that the table lacks is refused.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchReader, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::extract::Extract;
use super::fault::Fault;
use super::terms::Terms;
use super::{Attempt, BATCH_ROWS};
use crate::worker::protocol::{BaseTable, ImportedColumn, ImportedTable};

/// The most digits of an exact decimal number.
const DIGITS: u8 = 38;

impl<'a> Attempt<'a, '_> {
    /// Has columns read as the types that they have in a table that rows are added to.
    pub(super) fn expect(&self, table: &str, names: &[String], terms: &mut [Terms]) {
        let Some(base) = self.base(table) else { return };
        for (name, terms) in names.iter().zip(terms) {
            let column = base.table.columns.iter().find(|column| column.name == *name);
            terms.expect(column.map(|column| column.kind));
        }
    }

    fn base(&self, table: &str) -> Option<&'a BaseTable> {
        self.bases?.iter().find(|base| base.table.name == table)
    }

    /// Puts the rows of a table that was made behind those that it is added to.
    pub(super) fn append(&mut self, made: ImportedTable) -> Result<ImportedTable, Fault> {
        let Some(base) = self.base(&made.name) else { return Ok(made) };
        if let Some(column) = made.columns.iter().find(|column| !has(&base.table.columns, &column.name)) {
            return Err(Fault::NewColumn { table: made.name, column: column.name.clone() });
        }
        let (fresh, whole) = (self.into.join(super::file_name(&made.name)), self.into.join(".whole"));
        let (old, new) = (opened(&base.path)?, opened(&fresh)?);
        let schema = schema(&old.schema(), &new.schema(), base);
        let mut extract = Extract::create(&whole, schema.clone())?;
        let mut rows = 0;
        for batch in old.chain(new) {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            extract.write(aligned(&batch, &schema, base)?)?;
            self.progress.tell(1.0, self.length, rows)?;
        }
        let bytes = extract.finish()?;
        fs::rename(&whole, &fresh)?;
        let columns = base.table.columns.iter().map(|column| {
            let added = made.columns.iter().find(|made| made.name == column.name);
            let nullable = column.nullable || added.is_none_or(|added| added.nullable);
            ImportedColumn { nullable, ..column.clone() }
        });
        Ok(ImportedTable { name: made.name, rows, bytes, columns: columns.collect() })
    }
}

fn has(columns: &[ImportedColumn], name: &str) -> bool {
    columns.iter().any(|column| column.name == name)
}

fn opened(path: &Path) -> Result<impl RecordBatchReader + use<>, Fault> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?);
    let builder = builder.map_err(Fault::from)?.with_batch_size(BATCH_ROWS);
    builder.build().map_err(Fault::from)
}

/// The table's columns. Exact numbers get as many decimals as either has.
fn schema(old: &Schema, new: &Schema, base: &BaseTable) -> SchemaRef {
    let fields = base.table.columns.iter().map(|column| {
        let found = |schema: &Schema| schema.field_with_name(&column.name).map(|field| field.data_type().clone()).ok();
        let target = match (found(old), found(new)) {
            (Some(DataType::Decimal128(_, one)), Some(DataType::Decimal128(_, other))) => {
                DataType::Decimal128(DIGITS, one.max(other))
            }
            (old, _) => old.unwrap_or(DataType::Utf8),
        };
        Field::new(&column.name, target, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn aligned(batch: &RecordBatch, schema: &SchemaRef, base: &BaseTable) -> Result<RecordBatch, Fault> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = |field: &Arc<Field>| -> Result<ArrayRef, Fault> {
        let Some(array) = batch.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), batch.num_rows()));
        };
        let is_kept = array.data_type() == field.data_type();
        let refused = || Fault::OtherType { table: base.table.name.clone(), column: field.name().clone() };
        match (array.data_type(), field.data_type()) {
            _ if is_kept => Ok(array.clone()),
            // A column without a value is text, for want of anything else.
            (DataType::Utf8, target) if array.null_count() == array.len() => Ok(new_null_array(target, array.len())),
            (DataType::Decimal128(..), DataType::Decimal128(..))
            | (DataType::Int64, DataType::Decimal128(..))
            | (DataType::Date32, DataType::Timestamp(..)) => {
                cast_with_options(array, field.data_type(), &options).map_err(|_| refused())
            }
            _ => Err(refused()),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
