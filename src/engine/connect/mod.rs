//! Databases become extracts: a connector for each kind, and what they have in common.
//!
//! A connector describes a table or a query, and pours its rows into an [`Intake`]; all rows of a job are of one
//! moment, where the database can do that. Types are decided by the columns' own and by every value (`target`). With a
//! cursor only rows from the last value on are read, and take the place of those of the extract that is there ([`again`]);
//! where the columns have changed since, everything is read anew. Queries of live sources go the same way ([`ask()`]), and into no
//! extract.
//!
//! Deliberately not here: whether the database may be reached, and what its name's addresses are.

mod again;
mod ask;
mod cursors;
mod explain;
mod fault;
mod intake;
mod mysql;
mod notes;
mod postgres;
mod progress;
mod rows;
mod sqlite;
mod target;
mod tls;
mod words;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::again::Again;
pub use self::ask::{ask, describe};
use self::cursors::{Cursors, Earlier, Greatest};
use self::explain::Lines;
pub use self::explain::explain;
use self::fault::Fault;
use self::intake::{Intake, Intaken};
use self::notes::MOST_NOTES;
use self::progress::Progress;
use self::rows::Rows;
use self::target::Target;
use super::control::Control;
use super::import::csv::MAX_COLUMNS;
use super::import::{column_names, file_name};
use super::threads::Hands;
use crate::domain::connection::{Reading, What};
use crate::domain::result::ColumnType;
use crate::domain::source::{quoted_by, sql_name};
use crate::worker::protocol::{ConnectJob, Database, Failure, ImportedTable};

/// Tables that are read without being named.
const MOST_TABLES: usize = 500;

/// By how much a server gives a statement longer than the job has itself, so that the reason is the job's own.
const GRACE: Duration = Duration::from_millis(100);

/// A connection to a database, in a transaction that only reads.
trait Connector {
    /// The tables that are read when none is named: schema where it is needed, and name.
    fn tables(&mut self) -> Result<Vec<(Option<String>, String)>, Fault>;

    /// What a table or a query has, as far as the database promises it.
    fn describe(&mut self, what: &What) -> Result<Described, Fault>;

    /// Learns the types of columns of which nothing is promised, where that takes looking at their values.
    fn measure(&mut self, _: &mut Described) -> Result<(), Fault> {
        Ok(())
    }

    /// What columns of which nothing is promised mostly are.
    fn unmeasured(&self) -> ColumnType {
        ColumnType::Text
    }

    /// What a query has that somebody asks as it is; its rows are had by [`Connector::rows`].
    fn ask(&mut self, question: Question) -> Result<Described, Fault> {
        let described = self.describe(&What::Query(question.sql.clone()))?;
        Ok(Described { question: Some(question), ..described })
    }

    /// How a query that somebody asks would be answered, in the database's own words. It is not run.
    fn plan(&mut self, described: &Described, into: &mut Lines) -> Result<(), Fault>;

    /// The greatest value of a column, by the database's own order; `None` of no rows, and where others may not be
    /// beyond it although they are not below.
    fn greatest(&mut self, described: &Described, column: usize) -> Result<Option<Value>, Fault>;

    /// How many rows have this value of a column, in this spelling.
    fn rows_at(&mut self, described: &Described, column: usize, value: &Value) -> Result<u64, Fault>;

    /// Pours the rows in: all, or those whose column is at a value, beyond it, or null. Of texts that the database calls
    /// equal to the value, but which are not the same, none.
    fn rows(&mut self, described: &Described, since: Option<(usize, &Value)>, into: &mut dyn Rows)
    -> Result<(), Fault>;
}

/// What a table or a query has, and how it is asked for.
struct Described {
    /// What messages call it.
    title: String,
    /// Name and type of each column.
    columns: Vec<(String, Target)>,
    /// What stands behind `SELECT`.
    select: String,
    /// What stands behind `FROM`.
    from: String,
    /// About how many rows there are.
    expected: Option<u64>,
    /// What somebody asked, if it is that.
    question: Option<Question>,
}

/// A query that somebody asks as it is.
struct Question {
    /// In the database's own SQL.
    sql: String,
    /// The values of its parameters.
    values: Vec<Value>,
    /// Rows that are wanted.
    rows: u64,
}

impl Described {
    /// The statement that gives the rows.
    fn statement(&self, condition: &str) -> String {
        let Self { select, from, question, .. } = self;
        let limit = question.as_ref().map(|question| format!(" LIMIT {}", question.rows));
        format!("SELECT {select} FROM {from}{condition}{}", limit.unwrap_or_default())
    }

    /// The values of its parameters.
    fn values(&self) -> &[Value] {
        self.question.as_ref().map_or(&[], |question| &question.values)
    }
}

/// Reads the tables into `<table>.parquet` under the existing, empty directory of the job, durably. Gives them, and what
/// was not kept as it was.
///
/// Fails with a sentence that says what to do; then nothing may be made of what the directory holds.
pub fn run(job: ConnectJob, hands: &Hands, control: &Control) -> Result<(Vec<ImportedTable>, Vec<String>), Failure> {
    Ok(guarded(|| read(job, hands, control))?)
}

fn read(job: ConnectJob, hands: &Hands, control: &Control) -> Result<(Vec<ImportedTable>, Vec<String>), Fault> {
    let ConnectJob { database, readings, cursors, previous, into, max_rows } = job;
    let mut connector = open(&database, &into, hands, control)?;
    let readings = if readings.is_empty() { listed(connector.as_mut(), &cursors)? } else { readings };
    let mut progress = Progress::new(control, readings.len());
    let earlier = previous.as_deref().map(Cursors::load).unwrap_or_default();
    let (mut reached, mut tables, mut notes) = (Cursors::default(), Vec::new(), Vec::new());
    for reading in &readings {
        let earlier = earlier.of(reading, previous.as_deref());
        let mut table = Table { connector: connector.as_mut(), reading, into: &into, max_rows, notes: &mut notes };
        let (table, seen) = table.read(earlier, &mut progress)?;
        progress.next(table.rows);
        reached.keep(reading, seen);
        tables.push(table);
    }
    notes.truncate(MOST_NOTES);
    reached.save(&into)?;
    File::open(&into)?.sync_all()?;
    Ok((tables, notes))
}

/// A connection to the database. A file that has to be recovered first is copied into `scratch`.
fn open<'a>(
    database: &Database,
    scratch: &Path,
    hands: &'a Hands,
    control: &'a Control,
) -> Result<Box<dyn Connector + 'a>, Fault> {
    Ok(match database {
        Database::Sqlite { path, files } => Box::new(sqlite::Sqlite::open(path, files, scratch, control)?),
        Database::Postgres(server) => Box::new(postgres::Postgres::connect(server, hands, control)?),
        Database::Mysql(server) => Box::new(mysql::Mysql::connect(server, hands, control)?),
    })
}

/// The tables that the database lists.
fn all_tables(connector: &mut dyn Connector) -> Result<Vec<(Option<String>, String)>, Fault> {
    let tables = connector.tables()?;
    match tables.len() {
        0 => Err(Fault::NoTables),
        1..=MOST_TABLES => Ok(tables),
        _ => Err(Fault::TooManyTables { limit: MOST_TABLES }),
    }
}

/// A table as the database spells it.
fn spelled((schema, name): &(Option<String>, String)) -> String {
    match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.clone(),
    }
}

/// A reading for each table that the database lists.
fn listed(connector: &mut dyn Connector, cursors: &BTreeMap<String, String>) -> Result<Vec<Reading>, Fault> {
    let tables = all_tables(connector)?;
    let mut readings: Vec<Reading> = Vec::with_capacity(tables.len());
    for found in &tables {
        let (table, full) = (sql_name(&found.1), spelled(found));
        if let Some(same) = readings.iter().position(|reading| reading.table == table) {
            return Err(Fault::SameName { first: spelled(&tables[same]), second: full, table });
        }
        let cursor = cursors.get(&full).or_else(|| cursors.get(&found.1)).cloned();
        let what = What::Table { schema: found.0.clone(), name: found.1.clone() };
        readings.push(Reading { table, what, cursor });
    }
    let unread = |key: &&String| !tables.iter().any(|found| spelled(found) == **key || found.1 == **key);
    match cursors.keys().find(unread) {
        Some(key) => Err(Fault::NoCursorTable(key.clone())),
        None => Ok(readings),
    }
}

/// One table on its way.
struct Table<'a> {
    connector: &'a mut dyn Connector,
    reading: &'a Reading,
    into: &'a Path,
    max_rows: u64,
    notes: &'a mut Vec<String>,
}

impl Table<'_> {
    /// The table, and the greatest value of its cursor.
    fn read(
        &mut self,
        earlier: Option<Earlier>,
        progress: &mut Progress<'_>,
    ) -> Result<(ImportedTable, Option<Greatest>), Fault> {
        let mut described = self.connector.describe(&self.reading.what)?;
        self.connector.measure(&mut described)?;
        let names = names(&described)?;
        let mut targets: Vec<Target> = described.columns.iter().map(|(_, target)| *target).collect();
        let cursor = self.cursor(&described)?;
        let reached = match cursor {
            Some(column) => self.greatest(&described, column)?,
            None => None,
        };
        // An extract whose columns hold what is read now is gone on from.
        let mut earlier = earlier.zip(cursor).filter(|(earlier, _)| earlier.fits(&names, &targets));
        if let Some((before, column)) = &earlier
            && !self.is_there_still(&described, *column, before)?
        {
            earlier = None;
        }
        if let Some((earlier, _)) = &earlier {
            targets.clone_from(&earlier.targets);
        }
        let path = self.into.join(file_name(&self.reading.table));
        loop {
            let mut intake = Intake::create(
                &path,
                &self.reading.table,
                &names,
                &targets,
                described.expected,
                self.max_rows,
                progress,
            )?;
            let again = match &earlier {
                Some((earlier, column)) => Again::of(earlier, *column)?,
                None => None,
            };
            let since = earlier.as_ref().filter(|_| again.is_some());
            let since = since.map(|(earlier, column)| (*column, &earlier.reached.value));
            again.map_or(Ok(()), |again| intake.copy(again))?;
            self.connector.rows(&described, since, &mut intake)?;
            let is_bent = cursor.is_some_and(|column| intake.is_bent(column));
            match intake.finish()? {
                Intaken::Table(table, notes) => {
                    self.notes.extend(notes);
                    return Ok((table, reached.filter(|_| !is_bent)));
                }
                Intaken::Widened(wider) => (targets, earlier) = (wider, None),
                Intaken::Apart => earlier = None,
            }
        }
    }

    /// The greatest value of the cursor now.
    fn greatest(&mut self, described: &Described, column: usize) -> Result<Option<Greatest>, Fault> {
        let Some(value) = self.connector.greatest(described, column)? else { return Ok(None) };
        // Numbers of every size are below what is no number, and nothing new would be beyond it.
        let is_number = described.columns[column].1 != Target::Text;
        if is_number && value.as_str().and_then(|text| text.parse::<f64>().ok()).is_some_and(|it| !it.is_finite()) {
            return Ok(None);
        }
        let rows = self.connector.rows_at(described, column, &value)?;
        Ok(Some(Greatest { value, rows }))
    }

    /// Whether the database has the rows that were the last ones then, as far as their number tells.
    fn is_there_still(&mut self, described: &Described, column: usize, earlier: &Earlier) -> Result<bool, Fault> {
        let Greatest { value, rows } = &earlier.reached;
        Ok(self.connector.rows_at(described, column, value)? >= *rows)
    }

    fn cursor(&self, described: &Described) -> Result<Option<usize>, Fault> {
        let Some(cursor) = &self.reading.cursor else { return Ok(None) };
        let found = described.columns.iter().position(|(name, _)| name == cursor);
        let missing = || Fault::NoCursor { what: described.title.clone(), column: cursor.clone() };
        found.map(Some).ok_or_else(missing)
    }
}

/// The names of the columns: empty ones are numbered, repeated ones get a suffix.
fn names(described: &Described) -> Result<Vec<String>, Fault> {
    match described.columns.len() {
        0 => return Err(Fault::NoColumns(described.title.clone())),
        count if count > MAX_COLUMNS => {
            return Err(Fault::TooManyColumns { what: described.title.clone(), limit: MAX_COLUMNS });
        }
        _ => {}
    }
    let given = described.columns.iter().map(|(name, _)| name.as_bytes());
    Ok(column_names(given).unwrap_or_default())
}

/// What messages call a table or a query.
fn title(what: &What) -> String {
    match what {
        What::Table { schema: Some(schema), name } => format!("the table `{schema}.{name}`"),
        What::Table { schema: None, name } => format!("the table `{name}`"),
        What::Query(_) => "the query".to_owned(),
    }
}

/// A table's name, with its schema, in quotes.
fn full_name(schema: Option<&str>, name: &str, quote: char) -> String {
    schema.into_iter().chain([name]).map(|part| quoted_by(part, quote)).collect::<Vec<_>>().join(".")
}

/// A query as one that can stand in another: without a semicolon behind it, and with its last comment ended.
fn subquery(sql: &str) -> String {
    format!("({}\n)", unended(sql))
}

/// A query without a semicolon behind it.
fn unended(sql: &str) -> &str {
    sql.trim_end().trim_end_matches(';')
}

/// As many values as a statement takes, which are the first.
fn counted(values: &[Value], wanted: usize) -> Result<&[Value], Fault> {
    let Some(values) = values.get(..wanted) else {
        return Err(Fault::Parameters { wanted, given: values.len() });
    };
    match values.iter().position(|value| value.is_array() || value.is_object()) {
        Some(index) => Err(Fault::NoValue(index + 1)),
        None => Ok(values),
    }
}

/// That rows have as many columns as were described: tables change, and servers may say what they like.
fn as_described(columns: usize, described: &Described) -> Result<(), Fault> {
    match columns == described.columns.len() {
        true => Ok(()),
        false => Err(Fault::Lost("it gives other columns than it said before".to_owned())),
    }
}

/// Does what talks to a database. The libraries that read what a server sends may panic of it, which is then told as the
/// server's fault.
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(Fault::Lost("it sent what cannot be read".to_owned())))
}

/// Removes a file that may not be there.
fn remove(path: &Path) {
    // The whole directory goes where this fails.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests;
