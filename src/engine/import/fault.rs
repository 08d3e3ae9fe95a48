//! What can be wrong with a file, as facts, and the one place that puts them into sentences.

use std::io;

use super::source::SQLITE;
use crate::domain::error::Error;
use crate::domain::result::ColumnType;
use crate::engine::internal;
use crate::worker::protocol::{Failure, FailureCode};

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No byte in it, or nothing but blank lines.
    #[error("empty")]
    Empty,
    /// It is of another kind, which its first bytes tell.
    #[error("foreign kind")]
    Foreign(&'static str),
    /// A byte that no text contains.
    #[error("binary")]
    Binary {
        /// Counted from zero in the decompressed file.
        offset: u64,
        /// The byte.
        value: u8,
    },
    /// It claims to be UTF-16 and is not.
    #[error("malformed UTF-16")]
    MalformedUtf16 {
        /// About where, counted from zero in the decompressed file.
        offset: u64,
    },
    /// A row with another number of fields than the header.
    #[error("ragged row")]
    Ragged {
        /// The row's first line.
        line: u64,
        /// Fields in the header.
        expected: usize,
        /// Fields in the row.
        found: usize,
    },
    /// The file ends within quotes.
    #[error("unclosed quote")]
    UnclosedQuote {
        /// The first line of the row that does not end.
        line: u64,
    },
    /// A field over the limit.
    #[error("long field")]
    LongField {
        /// The row's first line.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// More columns than a table may have.
    #[error("too many columns")]
    TooManyColumns {
        /// The limit.
        limit: usize,
    },
    /// A value that does not fit the type that was asked for.
    #[error("contradiction")]
    Contradiction {
        /// The line, or the row of a sheet, that it stands in.
        line: u64,
        /// Its column.
        column: String,
        /// What it says.
        value: String,
        /// The type that was asked for.
        kind: ColumnType,
    },
    /// A byte that the encoding that was asked for does not have.
    #[error("misencoded")]
    Misencoded {
        /// About where.
        line: u64,
    },
    /// An option that files of this kind have no use for.
    #[error("useless option")]
    UselessOption {
        /// Its name.
        option: &'static str,
        /// What the file is.
        kind: &'static str,
    },
    /// Options of a column that is not there.
    #[error("no such column")]
    NoSuchColumn {
        /// Its name.
        column: String,
    },
    /// A sheet that is not there.
    #[error("no such sheet")]
    NoSuchSheet {
        /// Its name.
        sheet: String,
        /// Those that are.
        sheets: Vec<String>,
    },
    /// An archive that unpacks to far more than it is.
    #[error("bomb")]
    Bomb {
        /// What is wrong with it.
        reason: String,
    },
    /// A sheet of more cells than are read.
    #[error("too many cells")]
    TooManyCells {
        /// The limit.
        limit: u64,
    },
    /// Rows for a table that is not there.
    #[error("no such table")]
    NoSuchTable {
        /// Its name.
        table: String,
    },
    /// New rows have a column that their table lacks.
    #[error("new column")]
    NewColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// New rows have a column of another type than their table.
    #[error("other type")]
    OtherType {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Two sheets or files would become one table.
    #[error("taken table")]
    TakenTable {
        /// Its name.
        table: String,
    },
    /// The compression is damaged or the file ends in the middle of it.
    #[error("damaged compression")]
    Compression(&'static str),
    /// It begins as a kind that is read, and does not go on as one.
    #[error("damaged file")]
    Damaged(&'static str),
    /// A column whose values have no place in a table.
    #[error("column of a foreign type")]
    ForeignColumn {
        /// Its name.
        column: String,
        /// What it holds.
        kind: String,
    },
    /// A value that no value of its column's type can be.
    #[error("value of a foreign type")]
    ForeignValue {
        /// The column's name.
        column: String,
        /// The column's type.
        kind: ColumnType,
    },
    /// An object of a JSON file with a field twice.
    #[error("repeated field")]
    RepeatedField {
        /// The line that the object begins in.
        line: u64,
        /// The field.
        field: String,
    },
    /// A value of a JSON file that is no row.
    #[error("no object")]
    NoObject {
        /// The line it begins in.
        line: u64,
    },
    /// Text that is no JSON.
    #[error("no JSON")]
    MalformedJson {
        /// The line that the value begins in.
        line: u64,
        /// What is wrong, as serde_json says it.
        reason: String,
    },
    /// It decompresses to more than is accepted.
    #[error("too large")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The job has to stop.
    #[error("stopped")]
    Stopped(Failure),
    /// The machine failed, not the file.
    #[error("machine: {0}")]
    Machine(#[from] io::Error),
    /// The extract cannot be written.
    #[error("extract: {0}")]
    Extract(Box<dyn std::error::Error + Send + Sync>),
}

impl Fault {
    /// The failure as its caller reads it; `name` is what people call the file.
    pub fn into_failure(self, name: &str) -> Failure {
        let message = match self {
            Self::Empty => format!("`{name}` is empty; a table needs at least a header line."),
            Self::Foreign(kind) => {
                let other = if kind == SQLITE { "make a data source of it by its path, or " } else { "" };
                format!("`{name}` is {kind}; {other}export it as CSV and import that.")
            }
            Self::Binary { offset, value } => format!(
                "`{name}` is not text: byte {offset} is 0x{value:02x}; save it as CSV in UTF-8 and import that."
            ),
            Self::MalformedUtf16 { offset } => {
                format!("`{name}` is not valid UTF-16 near byte {offset}; save it as CSV in UTF-8 and import that.")
            }
            Self::Ragged { line, expected, found } => format!(
                "`{name}` has {} in line {line} where the header has {expected}; give every row as many fields as the \
                 header, and quote fields that contain the separator.",
                fields(found)
            ),
            Self::UnclosedQuote { line } => format!(
                "`{name}` ends within a quoted field of the row that starts in line {line}; close the quote, and write \
                 quotes inside a field twice."
            ),
            Self::LongField { line, limit } => format!(
                "`{name}` has a field of more than {limit} bytes in the row that starts in line {line}; shorten it, or \
                 look for a quote that is not closed."
            ),
            Self::TooManyColumns { limit } => {
                format!("`{name}` has more than {limit} columns; split it, or turn columns into rows.")
            }
            Self::Contradiction { line, column, value, kind } => format!(
                "`{name}` has `{}` in line {line} of column `{}`, which cannot be read as {}; correct it, say how it is \
                 written with a `format` or with `nulls`, or ask for another type.",
                Error::clipped(&value),
                Error::clipped(&column),
                kind.as_str()
            ),
            Self::Misencoded { line } => format!(
                "`{name}` is not UTF-8 in line {line}; give another `encoding`, or leave it out to have it detected."
            ),
            Self::UselessOption { option, kind } => {
                return options(format!(
                    "`{name}` is {kind}, for which the option `{option}` says nothing; leave it out."
                ));
            }
            Self::NoSuchColumn { column } => {
                let column = Error::clipped(&column);
                return options(format!(
                    "`columns` names `{column}`, which is no column of `{name}`; correct the name."
                ));
            }
            Self::NoSuchSheet { sheet, sheets } => {
                let (sheet, sheets) = (Error::clipped(&sheet), sheets.join("`, `"));
                let sheets = Error::clipped(&sheets);
                return options(format!("`sheet` names `{sheet}`, and the sheets of `{name}` are `{sheets}`."));
            }
            Self::Bomb { reason } => format!("`{name}` {reason}; it is not unpacked. Save the workbook anew."),
            Self::TooManyCells { limit } => {
                format!("`{name}` holds more than {limit} cells, or repeats them so often; save its data as CSV.")
            }
            Self::NoSuchTable { table } => format!(
                "`{name}` becomes the table `{table}`, which the data source does not have; call it as the table that its \
                 rows are for, or replace instead of appending."
            ),
            Self::NewColumn { table, column } => format!(
                "`{name}` has the column `{}`, which the table `{table}` does not have; leave it out, or replace the table.",
                Error::clipped(&column)
            ),
            Self::OtherType { table, column } => format!(
                "`{name}` has values in the column `{}` that are of another type than the table `{table}` has there; convert \
                 them, or replace the table.",
                Error::clipped(&column)
            ),
            Self::TakenTable { table } => {
                format!("`{name}` has a sheet that becomes the table `{table}`, as another file does; rename one.")
            }
            Self::Compression(kind) => {
                format!("`{name}` is damaged or cut short: it does not decompress as {kind}; send it again in full.")
            }
            Self::Damaged(kind) => {
                format!("`{name}` is damaged or cut short: it does not read as {kind}; send it again in full.")
            }
            Self::ForeignColumn { column, kind } => {
                let column = Error::clipped(&column);
                format!(
                    "`{name}` has the column `{column}` of type {kind}, which no table has; leave it out or convert it."
                )
            }
            Self::ForeignValue { column, kind } => {
                let (column, kind) = (Error::clipped(&column), kind.as_str());
                format!(
                    "`{name}` has a value in the column `{column}` that no {kind} can be; leave it out, or write the column \
                     as text."
                )
            }
            Self::RepeatedField { line, field } => {
                let field = Error::clipped(&field);
                format!(
                    "`{name}` has the field `{field}` twice in the object that begins in line {line}; leave one out, or \
                     name it otherwise."
                )
            }
            Self::NoObject { line } => format!(
                "`{name}` has a value in line {line} that is no object; a row is an object such as {{\"day\": \"2026-01-31\"}}, \
                 one on each line or all in one list."
            ),
            Self::MalformedJson { line, reason } => {
                format!(
                    "`{name}` is not valid JSON in the value that begins in line {line}: {reason}; correct it there."
                )
            }
            Self::TooLarge { limit } => {
                format!("`{name}` holds more than {limit} bytes when decompressed; split it into smaller files.")
            }
            Self::Stopped(failure) => return failure,
            Self::Machine(error) => return internal("reading an upload failed", &error),
            Self::Extract(error) => return internal("writing an extract failed", error.as_ref()),
        };
        Failure::new(FailureCode::InvalidFile, message)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Stopped(failure)
    }
}

/// What was asked for does not fit the file.
fn options(message: String) -> Failure {
    Failure::new(FailureCode::InvalidOptions, message)
}

fn fields(count: usize) -> String {
    if count == 1 { "1 field".to_owned() } else { format!("{count} fields") }
}
