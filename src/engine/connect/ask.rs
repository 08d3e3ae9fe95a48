//! Queries that are sent to the database itself, their results encoded as those of extracts are; and the tables that can
//! be asked for.
//!
//! A query is asked once. Its rows are held until all are there, because only then it is known what its columns are: a
//! database says of many that they are numbers, and not how many digits these have. How many rows and bytes are held is
//! limited.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};

use super::fault::Fault;
use super::intake::Column;
use super::notes::{MOST_NOTES, Note, Notes};
use super::rows::Rows;
use super::target::{Cell, Target};
use super::{Connector, Described, Question, all_tables, guarded, names, open, remove, spelled};
use crate::domain::connection::What;
use crate::domain::result::Column as ResultColumn;
use crate::engine::control::{Control, Stopwatch};
use crate::engine::import::BATCH_ROWS;
use crate::engine::internal;
use crate::engine::sql::encode::{Body, Encoder};
use crate::engine::threads::Hands;
use crate::worker::protocol::{
    AskJob, DescribeJob, Failure, FailureCode, ImportedColumn, ImportedTable, QueryLimits, QueryOutcome,
};

/// Rows between two looks at whether the job has to stop.
const ROWS: usize = 1_024;

/// The tables that can be asked for, by the names that the database has for them. What they hold is not looked at.
pub fn describe(job: DescribeJob, hands: &Hands, control: &Control) -> Result<Vec<ImportedTable>, Failure> {
    let DescribeJob { database, tables, scratch } = job;
    Ok(guarded(|| {
        let mut connector = open(&database, &scratch, hands, control)?;
        let tables = if tables.is_empty() { all_tables(connector.as_mut())? } else { tables };
        let tables = tables.into_iter().map(|table| described(connector.as_mut(), table));
        tables.collect::<Result<_, _>>()
    })?)
}

fn described(connector: &mut dyn Connector, table: (Option<String>, String)) -> Result<ImportedTable, Fault> {
    let name = spelled(&table);
    let described = connector.describe(&What::Table { schema: table.0, name: table.1 })?;
    let columns = names(&described)?.into_iter().zip(&described.columns).map(|(name, (_, target))| {
        let kind = if *target == Target::Nothing { connector.unmeasured() } else { target.column_type() };
        ImportedColumn { name, kind, nullable: true }
    });
    Ok(ImportedTable { name, rows: 0, bytes: 0, columns: columns.collect() })
}

/// Sends the query; the body comes beside the outcome unless it is in the job's file.
pub fn ask(job: AskJob, hands: &Hands, control: &Control) -> Result<(QueryOutcome, Vec<u8>), Failure> {
    let control = control.within(Duration::from_millis(job.limits.millis));
    let into = job.into.clone();
    guarded(|| answer(job, hands, &control)).map_err(|fault| {
        // A result that was cut off is of no use; mostly there is no file.
        remove(&into);
        fault.of_query()
    })
}

fn answer(job: AskJob, hands: &Hands, control: &Control) -> Result<(QueryOutcome, Vec<u8>), Fault> {
    let watch = Stopwatch::start();
    let AskJob { database, sql, parameters, limits, format, into } = job;
    let scratch = into.parent().unwrap_or(Path::new("/"));
    let mut connector = open(&database, scratch, hands, control)?;
    // One row more than is returned tells whether there are more.
    let wanted = limits.rows.saturating_add(1);
    let described = connector.ask(Question { sql, values: parameters, rows: wanted })?;
    let names = names(&described)?;
    let mut held = Held::new(&described, wanted, limits, control);
    connector.rows(&described, None, &mut held)?;
    held.check()?;
    drop(connector);

    let notes = held.notes(&names);
    let table = held.settled(names);
    let mut encoder = Encoder::new(format, &table.columns, &table.schema, &into, limits.bytes)?;
    let truncated = table.rows as u64 > limits.rows;
    let rows = usize::try_from(limits.rows).unwrap_or(usize::MAX).min(table.rows);
    for from in (0..rows).step_by(BATCH_ROWS) {
        control.check()?;
        let to = rows.min(from + BATCH_ROWS);
        encoder.write(&table.batch(from, to)?, to - from)?;
    }
    let (rows, elapsed_ms) = (encoder.rows(), watch.millis());
    let (file_bytes, body) = match encoder.finish(truncated, elapsed_ms, &notes)? {
        Body::Inline(bytes) => (None, bytes),
        Body::File(length) => (Some(length), Vec::new()),
    };
    let columns = table.columns;
    // No extract was read, and nobody knows how long it stays so.
    Ok((QueryOutcome { file_bytes, columns, rows, truncated, is_lasting: false, rows_scanned: 0, elapsed_ms }, body))
}

/// Rows that wait for the last of them.
struct Held<'c> {
    columns: Vec<HeldColumn>,
    rows: usize,
    wanted: u64,
    bytes: u64,
    limits: QueryLimits,
    control: &'c Control,
}

struct HeldColumn {
    promised: Target,
    cells: Vec<Kept>,
    notes: Notes,
}

/// A value that stays.
enum Kept {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Decimal(Box<str>),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Date(i32),
    Time(i64),
    Timestamp(i64),
}

impl From<Cell<'_>> for Kept {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Boolean(value) => Self::Boolean(value),
            Cell::Integer(value) => Self::Integer(value),
            Cell::Unsigned(value) => Self::Unsigned(value),
            Cell::Decimal(text) => Self::Decimal(text.into()),
            Cell::Double(value) => Self::Double(value),
            Cell::Text(text) => Self::Text(text.into()),
            Cell::Bytes(bytes) => Self::Bytes(bytes.into()),
            Cell::Date(days) => Self::Date(days),
            Cell::Time(micros) => Self::Time(micros),
            Cell::Timestamp(micros) => Self::Timestamp(micros),
        }
    }
}

impl Kept {
    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Boolean(value) => Cell::Boolean(*value),
            Self::Integer(value) => Cell::Integer(*value),
            Self::Unsigned(value) => Cell::Unsigned(*value),
            Self::Decimal(text) => Cell::Decimal(text),
            Self::Double(value) => Cell::Double(*value),
            Self::Text(text) => Cell::Text(text),
            Self::Bytes(bytes) => Cell::Bytes(bytes),
            Self::Date(days) => Cell::Date(*days),
            Self::Time(micros) => Cell::Time(*micros),
            Self::Timestamp(micros) => Cell::Timestamp(*micros),
        }
    }
}

impl<'c> Held<'c> {
    fn new(described: &Described, wanted: u64, limits: QueryLimits, control: &'c Control) -> Self {
        let columns = described.columns.iter();
        let columns = columns.map(|(_, target)| HeldColumn::new(*target)).collect();
        Self { columns, rows: 0, wanted, bytes: 0, limits, control }
    }

    /// Fails when there is too much of it, or the job has to stop.
    fn check(&self) -> Result<(), Fault> {
        self.control.check()?;
        if self.bytes <= self.limits.memory_bytes {
            return Ok(());
        }
        let message = "The result needs more memory than it may use; select fewer columns or rows, or aggregate.";
        Err(Fault::Stopped(Failure::new(FailureCode::TooLarge, message)))
    }

    /// What is told of values that are not as the database has them.
    fn notes(&self, names: &[String]) -> Vec<String> {
        let noted = names.iter().zip(&self.columns);
        noted.flat_map(|(name, column)| column.notes.sentences(name)).take(MOST_NOTES).collect()
    }

    /// The rows under the types that hold all of them.
    fn settled(self, names: Vec<String>) -> Settled {
        let targets: Vec<Target> = self.columns.iter().map(HeldColumn::target).collect();
        let fields = names.iter().zip(&targets).map(|(name, target)| Field::new(name, target.data_type(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let columns = names.into_iter().zip(&targets);
        let columns = columns.map(|(name, target)| ResultColumn { name, kind: target.column_type() }).collect();
        let cells = self.columns.into_iter().map(|column| column.cells).collect();
        Settled { columns, schema: Arc::new(schema), targets, cells, rows: self.rows }
    }
}

impl Rows for Held<'_> {
    fn cell(&mut self, index: usize, cell: Cell<'_>) {
        let length = match cell {
            Cell::Text(text) | Cell::Decimal(text) => text.len(),
            Cell::Bytes(bytes) => 2 * bytes.len(),
            _ => 0,
        };
        self.bytes += (size_of::<Kept>() + length) as u64;
        self.columns[index].cells.push(cell.into());
    }

    fn changed(&mut self, index: usize, note: Note, cell: Cell<'_>) {
        // The last row may only tell that there are more.
        if (self.rows as u64) < self.limits.rows {
            self.columns[index].notes.count(note);
        }
        self.cell(index, cell);
    }

    fn end_row(&mut self) -> Result<ControlFlow<()>, Fault> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) || self.bytes > self.limits.memory_bytes {
            self.check()?;
        }
        Ok(if self.rows as u64 >= self.wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl HeldColumn {
    fn new(promised: Target) -> Self {
        Self { promised, cells: Vec::new(), notes: Notes::default() }
    }

    /// The narrowest type that holds all values. The first one says more than a promise that it breaks.
    fn target(&self) -> Target {
        let (mut target, mut any) = (self.promised, false);
        loop {
            let before = target;
            for cell in self.cells.iter().map(Kept::cell) {
                if !target.holds(&cell) {
                    target = if any { target } else { Target::Nothing }.widened(&cell);
                }
                any |= cell != Cell::Null;
            }
            // What fitted before it was widened may not fit now, as a large number among fractions does not.
            if target == before {
                return target;
            }
        }
    }
}

/// Rows whose types are known.
struct Settled {
    columns: Vec<ResultColumn>,
    schema: Arc<Schema>,
    targets: Vec<Target>,
    cells: Vec<Vec<Kept>>,
    rows: usize,
}

impl Settled {
    fn batch(&self, from: usize, to: usize) -> Result<RecordBatch, Failure> {
        let arrays = self.targets.iter().zip(&self.cells).map(|(target, cells)| {
            let mut column = Column::new(*target);
            for kept in &cells[from..to] {
                if !column.push(&kept.cell()) {
                    let message = format!("a value does not fit {target:?}, which was made for it");
                    return Err(Failure::new(FailureCode::Internal, message));
                }
            }
            Ok(column.take())
        });
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_, Failure>>()?;
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|error| internal("a result cannot be put together", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(promised: Target, cells: &[Cell<'_>]) -> Target {
        let cells = cells.iter().map(|cell| Kept::from(*cell)).collect();
        HeldColumn { cells, ..HeldColumn::new(promised) }.target()
    }

    #[test]
    fn columns_become_what_holds_all_values_that_came() {
        let decimal = |precision, scale| Target::Decimal { precision, scale };
        let several = [Cell::Decimal("1.5"), Cell::Null, Cell::Decimal("120"), Cell::Decimal("0.125")];
        assert_eq!(target(Target::Nothing, &several), decimal(6, 3));
        assert_eq!(target(Target::Nothing, &[Cell::Null]), Target::Nothing);
        assert_eq!(target(Target::Integer, &[Cell::Text("n/a"), Cell::Integer(1)]), Target::Text);
        assert_eq!(target(Target::Nothing, &[Cell::Integer(1), Cell::Double(0.5)]), Target::Double);
        assert_eq!(target(Target::Nothing, &[Cell::Integer(i64::MAX), Cell::Double(0.5)]), Target::Text);
        assert_eq!(target(Target::Boolean, &[Cell::Integer(1), Cell::Integer(7)]), Target::Integer);
    }
}
