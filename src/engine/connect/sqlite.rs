//! Files of SQLite, read as they are and never written.
//!
//! The worker may read the file, and the journals beside it, and nothing else: what the server settled them to be, and
//! not what lies under their names by now (`settled`). A file with a journal that has to be
//! rolled back, or with a write-ahead log that nobody has open, cannot be read without writing: of those a copy in the
//! worker's own directory is read. SQLite trusts nothing that the file's schema says, loads no extension, and lets no
//! statement do more than select.

mod settled;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};
use serde_json::Value;

use self::settled::Descriptors;
use super::explain::Lines;
use super::fault::Fault;
use super::rows::Rows;
use super::target::{Cell, Target};
use super::{Connector, Described, counted, full_name, quoted_by, subquery, title};
use crate::domain::connection::{SqliteFile, What};
use crate::engine::control::Control;
use crate::worker::protocol::SettledFile;

/// Virtual machine steps between two looks at whether the job has to stop.
const STEPS: i32 = 10_000;
/// How long a writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Functions that touch more than their arguments.
const REFUSED_FUNCTIONS: [&str; 4] = ["load_extension", "fts3_tokenizer", "readfile", "writefile"];

/// A file that is read.
pub struct Sqlite {
    connection: Connection,
    control: Control,
    /// Removed with the connection.
    copy: Option<PathBuf>,
}

impl Sqlite {
    /// Opens the file, or a copy below `scratch` where it has to be recovered first, and begins to read.
    pub fn open(path: &Path, files: &[SettledFile], scratch: &Path, control: &Control) -> Result<Self, Fault> {
        if !settled::lacks_its_log(path, files)? {
            let before = Descriptors::now()?;
            match open(settled::as_uri(path)?, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI, control) {
                Ok(connection) => {
                    Descriptors::now()?.check(&before, path, files)?;
                    return Ok(Self { connection, control: control.clone(), copy: None });
                }
                Err(error) if has_to_be_recovered(&error) => {}
                Err(error) => return Err(fault(&error, "the file", control)),
            }
        }
        let copy = scratch.join("copy.sqlite");
        settled::copy(path, files, &copy)?;
        let connection = open(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE, control);
        let connection = connection.map_err(|error| fault(&error, "the file", control))?;
        Ok(Self { connection, control: control.clone(), copy: Some(copy) })
    }

    fn fault(&self, error: &rusqlite::Error, what: &str) -> Fault {
        fault(error, what, &self.control)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let Some(copy) = &self.copy else { return };
        for file in SqliteFile::all_of(copy) {
            super::remove(&file);
        }
    }
}

fn open(path: impl AsRef<Path>, flags: OpenFlags, control: &Control) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch("PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0;")?;
    connection.execute_batch("BEGIN;")?;
    // The first statement that reads finds out whether it is a database, and one that can be read as it is. From here to
    // the end of the transaction no further journal is opened.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA query_only = 1;")?;
    let reins = control.clone();
    connection.progress_handler(STEPS, Some(move || reins.check().is_err()))?;
    connection.authorizer(Some(authorize))?;
    Ok(connection)
}

/// Selecting is allowed, and nothing else.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !REFUSED_FUNCTIONS.contains(&function_name) => Authorization::Allow,
        AuthAction::Pragma { pragma_name: "table_xinfo", .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// Whether it would have to be written before it can be read.
fn has_to_be_recovered(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn fault(error: &rusqlite::Error, what: &str, control: &Control) -> Fault {
    if let Err(stopped) = control.check() {
        return Fault::Stopped(stopped);
    }
    let said = match error {
        rusqlite::Error::SqliteFailure(_, Some(said)) => said.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::CannotOpen) => Fault::NoDatabase(said),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Fault::Lost("another program writes to the file".to_owned())
        }
        Some(ErrorCode::SystemIoFailure) => Fault::Lost(said),
        _ => Fault::Refused { what: what.to_owned(), said },
    }
}

impl Connector for Sqlite {
    fn tables(&mut self) -> Result<Vec<(Option<String>, String)>, Fault> {
        // Virtual tables have no page of their own, and perhaps no module here: they are read when they are named.
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 \
                   AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";
        let listed = self.connection.prepare(sql).and_then(|mut statement| {
            let names = statement.query_map([], |row| Ok((None, row.get(0)?)))?;
            names.collect()
        });
        listed.map_err(|error| self.fault(&error, "the list of tables"))
    }

    fn describe(&mut self, what: &What) -> Result<Described, Fault> {
        let title = title(what);
        let described = match what {
            What::Table { schema, name } => {
                let from = full_name(schema.as_deref(), name, '"');
                declared(&self.connection, &from, name).map(|columns| (columns, from))
            }
            What::Query(sql) => {
                let from = subquery(sql);
                self.connection.prepare(&format!("SELECT * FROM {from}")).map(|statement| {
                    let names = statement.column_names().into_iter();
                    (names.map(|name| (name.to_owned(), Target::Nothing)).collect(), from)
                })
            }
        };
        let (columns, from): (Vec<(String, Target)>, String) = described.map_err(|error| self.fault(&error, &title))?;
        let select = match what {
            What::Table { .. } => columns.iter().map(|(name, _)| quoted_by(name, '"')).collect::<Vec<_>>().join(", "),
            What::Query(_) => "*".to_owned(),
        };
        let expected = match what {
            // Ids are mostly given without holes; tables without them have no such column.
            What::Table { .. } => {
                let greatest =
                    self.connection.query_row(&format!("SELECT max(rowid) FROM {from}"), [], |row| row.get(0));
                greatest.ok().and_then(|rows: i64| u64::try_from(rows).ok())
            }
            What::Query(_) => None,
        };
        Ok(Described { title, columns, select, from, expected, question: None })
    }

    /// Each step below the one that it is a part of.
    fn plan(&mut self, described: &Described, into: &mut Lines) -> Result<(), Fault> {
        let failed = |error: &rusqlite::Error| fault(error, &described.title, &self.control);
        let sql = format!("EXPLAIN QUERY PLAN {}", described.statement(""));
        let mut statement = self.connection.prepare(&sql).map_err(|error| failed(&error))?;
        bind(&mut statement, described.values(), &failed)?;
        let mut rows = statement.raw_query();
        let mut depths: HashMap<i64, usize> = HashMap::new();
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            let step = (|| Ok((row.get(0)?, row.get(1)?, row.get(3)?)))();
            let (step, whole, said): (i64, i64, String) = step.map_err(|error| failed(&error))?;
            let depth = depths.get(&whole).map_or(0, |depth| depth + 1);
            depths.insert(step, depth);
            if !into.push(format!("{}{said}", "  ".repeat(depth))) {
                break;
            }
        }
        Ok(())
    }

    fn greatest(&mut self, described: &Described, column: usize) -> Result<Option<Value>, Fault> {
        let (name, from) = (quoted_by(&described.columns[column].0, '"'), &described.from);
        // Any text is greater than all numbers, and nothing tells which is beyond the other.
        let kinds = format!("count(DISTINCT CASE typeof({name}) WHEN 'real' THEN 'integer' ELSE typeof({name}) END)");
        let sql = format!("SELECT max({name}), {kinds} FROM {from} WHERE {name} IS NOT NULL");
        let greatest = self.connection.query_row(&sql, [], |row| Ok((row.get::<_, SqlValue>(0)?, row.get(1)?)));
        let (greatest, kinds): (SqlValue, i64) = greatest.map_err(|error| self.fault(&error, &described.title))?;
        Ok(match greatest {
            _ if kinds > 1 => None,
            SqlValue::Integer(value) => Some(value.into()),
            SqlValue::Real(value) => Some(value.into()),
            SqlValue::Text(value) => Some(value.into()),
            SqlValue::Null | SqlValue::Blob(_) => None,
        })
    }

    fn rows_at(&mut self, described: &Described, column: usize, value: &Value) -> Result<u64, Fault> {
        let name = quoted_by(&described.columns[column].0, '"');
        let condition = format!("{name} = ?1 AND {name} COLLATE BINARY = ?1");
        let sql = format!("SELECT count(*) FROM {} WHERE {condition}", described.from);
        let rows = self.connection.query_row(&sql, [bound(value)], |row| row.get(0));
        rows.map_err(|error| self.fault(&error, &described.title))
    }

    fn rows(
        &mut self,
        described: &Described,
        since: Option<(usize, &Value)>,
        into: &mut dyn Rows,
    ) -> Result<(), Fault> {
        let title = &described.title;
        let failed = |error: &rusqlite::Error| fault(error, title, &self.control);
        let condition = since.map(|(column, _)| {
            let column = quoted_by(&described.columns[column].0, '"');
            let other = format!("({column} = ?1 AND {column} COLLATE BINARY <> ?1)");
            format!(" WHERE {column} >= ?1 AND NOT {other} OR {column} IS NULL")
        });
        let sql = described.statement(&condition.unwrap_or_default());
        let mut statement = self.connection.prepare(&sql).map_err(|error| failed(&error))?;
        match since {
            Some((_, value)) => statement.raw_bind_parameter(1, bound(value)).map_err(|error| failed(&error))?,
            None => bind(&mut statement, described.values(), &failed)?,
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            for index in 0..described.columns.len() {
                match row.get_ref(index).map_err(|error| failed(&error))? {
                    ValueRef::Null => into.cell(index, Cell::Null),
                    ValueRef::Integer(value) => into.cell(index, Cell::Integer(value)),
                    ValueRef::Real(value) => into.cell(index, Cell::Double(value)),
                    ValueRef::Text(text) => into.text(index, text),
                    ValueRef::Blob(bytes) => into.cell(index, Cell::Bytes(bytes)),
                }
            }
            if into.end_row()?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Binds the values of a query's parameters: `?` and `:name` by their place, `?2` and `$2` by their number.
fn bind(
    statement: &mut Statement<'_>,
    values: &[Value],
    failed: &impl Fn(&rusqlite::Error) -> Fault,
) -> Result<(), Fault> {
    let number = |name: &str| name.trim_start_matches(['?', '$']).parse::<usize>().ok();
    let places = 1..=statement.parameter_count();
    let numbers: Vec<usize> =
        places.map(|place| statement.parameter_name(place).and_then(number).unwrap_or(place)).collect();
    let values = counted(values, numbers.iter().copied().max().unwrap_or(0))?;
    for (place, number) in (1..).zip(numbers) {
        let value = number.checked_sub(1).and_then(|index| values.get(index)).map_or(SqlValue::Null, bound);
        statement.raw_bind_parameter(place, value).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn bound(value: &Value) -> SqlValue {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => SqlValue::Integer(whole),
            None => SqlValue::Real(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Bool(value) => SqlValue::Integer(i64::from(*value)),
        _ => SqlValue::Null,
    }
}

/// The columns of a table or a view, by what was declared of them; `from` is its name in quotes.
fn declared(connection: &Connection, from: &str, name: &str) -> rusqlite::Result<Vec<(String, Target)>> {
    // Whether it is there, which the list of columns would not say.
    connection.prepare(&format!("SELECT 1 FROM {from}"))?;
    let mut statement = connection.prepare("SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden != 1")?;
    let columns = statement
        .query_map([name], |row| Ok((row.get(0)?, target(&row.get::<_, Option<String>>(1)?.unwrap_or_default()))))?;
    columns.collect()
}

/// What a declared type promises; in SQLite it binds nobody.
fn target(declared: &str) -> Target {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["BOOL"]) {
        Target::Boolean
    } else if has(&["DATETIME", "TIMESTAMP"]) {
        Target::Timestamp
    } else if has(&["DATE"]) {
        Target::Date
    } else if has(&["INT"]) && !has(&["INTERVAL", "POINT"]) {
        Target::Integer
    } else if has(&["CHAR", "CLOB", "TEXT", "BLOB", "JSON", "UUID", "INTERVAL"]) {
        Target::Text
    } else if has(&["TIME"]) {
        Target::Time
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Target::Double
    } else if has(&["NUMERIC", "DECIMAL"]) {
        // Stored as a whole number where it is one, so the values say which.
        Target::Integer
    } else {
        Target::Nothing
    }
}
