//! Rows that a sync by a cursor reads once more: those at the value that was the greatest, for there may be others by
//! now that share it, and those without a value.
//!
//! They are left out of what is copied from the extract of before, and read again from the database. Both sides have to
//! agree on which rows these are, or rows would be lost or doubled: what the database calls the same may be two values
//! here (`12.5` and `12.50` as texts), or the other way about (an instant in two spellings). So the database is asked
//! how many rows it has at the value, when it is read and before it is gone on from; where a count differs, everything
//! is read anew.

use std::fs::File;
use std::path::PathBuf;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, Scalar};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::compute::kernels::cmp::{eq, lt, neq};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::cursors::Earlier;
use super::fault::Fault;
use super::intake::Column;
use super::target::{Cell, Target};
use crate::engine::import::BATCH_ROWS;

/// What is kept of an extract, and what is read again.
pub struct Again {
    path: PathBuf,
    /// The cursor.
    column: usize,
    target: Target,
    /// Its greatest value, as the extract has it.
    greatest: Scalar<ArrayRef>,
    /// Rows at it that are not copied.
    left: u64,
    /// Rows at it that were read again.
    came: u64,
}

impl Again {
    /// Of an extract with this cursor; none where it does not have as many rows at the greatest value as the database
    /// had, or this is not one of the column's type.
    pub fn of(earlier: &Earlier, column: usize) -> Result<Option<Self>, Fault> {
        let Some(target) = earlier.targets.get(column).copied() else { return Ok(None) };
        let Some(greatest) = spelled(&earlier.reached.value, target).map(Scalar::new) else { return Ok(None) };
        let mut again = Self { path: earlier.path.clone(), column, target, greatest, left: 0, came: 0 };
        again.left = again.rows_at_greatest()?;
        Ok(Some(again).filter(|again| again.left > 0 && again.left == earlier.reached.rows))
    }

    fn rows_at_greatest(&self) -> Result<u64, Fault> {
        let file = self.file()?;
        let cursor = ProjectionMask::roots(file.parquet_schema(), [self.column]);
        let mut rows = 0;
        for batch in file.with_projection(cursor).build().map_err(unreadable)? {
            rows += self.ties(batch.map_err(unreadable)?.column(0))?;
        }
        Ok(rows)
    }

    fn file(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, Fault> {
        let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&self.path)?).map_err(unreadable)?;
        Ok(file.with_batch_size(BATCH_ROWS))
    }

    /// Hands on the rows that are kept.
    pub fn kept(&self, mut each: impl FnMut(RecordBatch) -> Result<(), Fault>) -> Result<(), Fault> {
        for batch in self.file()?.build().map_err(unreadable)? {
            let batch = batch.map_err(unreadable)?;
            // Of a row without a value nothing is known, and what is not known is left out.
            let kept = self.is_kept(batch.column(self.column)).and_then(|kept| filter_record_batch(&batch, &kept));
            each(kept.map_err(unreadable)?)?;
        }
        Ok(())
    }

    /// Rows beyond the value were added while others were read, where a database has no snapshots: they come again.
    /// Texts are in another order there.
    fn is_kept(&self, values: &ArrayRef) -> Result<BooleanArray, ArrowError> {
        if self.target == Target::Text { neq(values, &self.greatest) } else { lt(values, &self.greatest) }
    }

    /// Takes note of values of the cursor that were read.
    pub fn count(&mut self, columns: &[ArrayRef]) -> Result<(), Fault> {
        self.came += self.ties(&columns[self.column])?;
        Ok(())
    }

    /// Whether the database gave all that was left out.
    pub fn is_whole(&self) -> bool {
        self.came >= self.left
    }

    fn ties(&self, values: &ArrayRef) -> Result<u64, Fault> {
        Ok(eq(values, &self.greatest).map_err(unreadable)?.true_count() as u64)
    }
}

fn unreadable(error: impl std::fmt::Display) -> Fault {
    std::io::Error::other(error.to_string()).into()
}

/// A value as a database spelled it, in a column of this type. Not those that others are beyond only in part: what is no
/// number, and zero, which has two signs.
fn spelled(value: &Value, target: Target) -> Option<ArrayRef> {
    let cell = match value {
        Value::Bool(value) => Cell::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Cell::Integer(whole),
            (None, Some(whole)) => Cell::Unsigned(whole),
            (None, None) => Cell::Double(number.as_f64()?),
        },
        Value::String(text) => match target {
            Target::Boolean | Target::Integer => Cell::Integer(text.parse().ok()?),
            Target::Decimal { .. } => Cell::Decimal(text),
            Target::Double => Cell::Double(text.parse().ok()?),
            _ => Cell::Text(text),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    if target == Target::Double && cell.double().is_none_or(|value| !value.is_normal()) {
        return None;
    }
    let mut column = Column::new(target);
    column.push(&cell).then(|| column.take())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_a_database_spelled_is_found_in_its_column() {
        for (value, target, cell) in [
            (json!("42"), Target::Integer, Cell::Integer(42)),
            (json!(42), Target::Double, Cell::Double(42.0)),
            (json!("1"), Target::Boolean, Cell::Boolean(true)),
            (json!("-12.50"), Target::Decimal { precision: 10, scale: 3 }, Cell::Decimal("-12.5")),
            (json!("1.1"), Target::Double, Cell::Double(1.1)),
            (json!("2026-04-01"), Target::Date, Cell::Date(20_544)),
            (json!("2026-04-01 10:00:00.25"), Target::Timestamp, Cell::Timestamp(1_775_037_600_250_000)),
            (json!("2026-04-01 12:00:00+02"), Target::Timestamp, Cell::Timestamp(1_775_037_600_000_000)),
            (json!("10:00:00"), Target::Time, Cell::Time(36_000_000_000)),
            (json!("b"), Target::Text, Cell::Text("b")),
            (json!(7), Target::Text, Cell::Integer(7)),
        ] {
            let mut column = Column::new(target);
            assert!(column.push(&cell));
            let found = spelled(&value, target).unwrap_or_else(|| panic!("{value} in {target:?}"));
            assert_eq!(&found, &column.take(), "{value} in {target:?}");
        }
        for (value, target) in [
            (json!("infinity"), Target::Timestamp),
            (json!("soon"), Target::Integer),
            (json!("1.125"), Target::Decimal { precision: 10, scale: 2 }),
            (json!("NaN"), Target::Double),
            (json!("-0"), Target::Double),
            (json!(null), Target::Text),
            (json!("x"), Target::Nothing),
        ] {
            assert!(spelled(&value, target).is_none(), "{value} in {target:?}");
        }
    }
}
