//! Rows that a sync by a cursor reads once more: those at the value that was the greatest, for there may be others by
//! now that share it, and those without a value.
//!
//! They are left out of what is copied from the extract of before, and read again from the database. Both sides have to
//! agree on which rows these are, or rows would be lost or doubled: where they do not, everything is read anew.

use std::fs::File;
use std::path::PathBuf;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, Scalar};
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::{filter_record_batch, not};
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
    /// Its greatest value, as the extract has it.
    greatest: Scalar<ArrayRef>,
    /// Rows at it that are not copied.
    left: usize,
    /// Rows at it that were read again.
    came: usize,
}

impl Again {
    /// Of an extract with this cursor; none where its greatest value is not one of the column's type.
    pub fn of(earlier: &Earlier, column: usize) -> Option<Self> {
        let greatest = Scalar::new(spelled(&earlier.reached, *earlier.targets.get(column)?)?);
        Some(Self { path: earlier.path.clone(), column, greatest, left: 0, came: 0 })
    }

    /// Hands on the rows that are kept.
    pub fn kept(&mut self, mut each: impl FnMut(RecordBatch) -> Result<(), Fault>) -> Result<(), Fault> {
        let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&self.path)?).map_err(unreadable)?;
        for batch in file.with_batch_size(BATCH_ROWS).build().map_err(unreadable)? {
            let batch = batch.map_err(unreadable)?;
            let ties = self.ties(batch.column(self.column))?;
            self.left += ties.true_count();
            // Of a row without a value it is not known whether it is a tie, and what is not known is left out.
            let kept = not(&ties).and_then(|kept| filter_record_batch(&batch, &kept));
            each(kept.map_err(unreadable)?)?;
        }
        Ok(())
    }

    /// Takes note of values of the cursor that were read.
    pub fn count(&mut self, columns: &[ArrayRef]) -> Result<(), Fault> {
        self.came += self.ties(&columns[self.column])?.true_count();
        Ok(())
    }

    /// Whether the database gave all that was left out.
    pub fn is_whole(&self) -> bool {
        self.left > 0 && self.came >= self.left
    }

    fn ties(&self, values: &ArrayRef) -> Result<BooleanArray, Fault> {
        eq(values, &self.greatest).map_err(unreadable)
    }
}

fn unreadable(error: impl std::fmt::Display) -> Fault {
    std::io::Error::other(error.to_string()).into()
}

/// A value as a database spelled it, in a column of this type.
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
            (json!(null), Target::Text),
            (json!("x"), Target::Nothing),
        ] {
            assert!(spelled(&value, target).is_none(), "{value} in {target:?}");
        }
    }
}
