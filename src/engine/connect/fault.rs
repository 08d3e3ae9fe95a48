//! What can be wrong with a database, as facts, and the one place that puts them into sentences.

use std::io;

use crate::domain::error::Error;
use crate::engine::import::fault::Fault as WriteFault;
use crate::engine::internal;
use crate::worker::protocol::{Failure, FailureCode};

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing answers.
    #[error("unreachable")]
    Unreachable(String),
    /// It answers and lets nobody in: what it says.
    #[error("not let in")]
    NotLetIn(String),
    /// The connection cannot be encrypted as was asked.
    #[error("no encryption")]
    Tls(String),
    /// It refuses what it is asked: what it says.
    #[error("refused")]
    Refused {
        /// What was read.
        what: String,
        /// What it says.
        said: String,
    },
    /// It broke off.
    #[error("lost")]
    Lost(String),
    /// A file that is no database, or a damaged one.
    #[error("no database")]
    NoDatabase(String),
    /// There is nothing to read.
    #[error("no tables")]
    NoTables,
    /// Two tables would become one.
    #[error("same name")]
    SameName {
        /// The first.
        first: String,
        /// The second.
        second: String,
        /// The table.
        table: String,
    },
    /// More tables than are read without being named.
    #[error("too many tables")]
    TooManyTables {
        /// The limit.
        limit: usize,
    },
    /// More columns than a table may have.
    #[error("too many columns")]
    TooManyColumns {
        /// What was read.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// Nothing to show for a row.
    #[error("no columns")]
    NoColumns(String),
    /// The column that tells what was read is not there.
    #[error("no cursor column")]
    NoCursor {
        /// What was read.
        what: String,
        /// The column.
        column: String,
    },
    /// The column is of a table that is not there.
    #[error("no table of that cursor")]
    NoCursorTable(String),
    /// More rows than may be read.
    #[error("too many rows")]
    TooManyRows {
        /// The limit.
        limit: u64,
    },
    /// It would do more than read: what it would do, and what to do about it.
    #[error("not sent")]
    NotSent(&'static str),
    /// A query wants other values than there are.
    #[error("parameters")]
    Parameters {
        /// How many it wants.
        wanted: usize,
        /// How many there are.
        given: usize,
    },
    /// A value that no parameter can be: a list or an object. Counted from one.
    #[error("no value")]
    NoValue(usize),
    /// The job has to stop.
    #[error("stopped")]
    Stopped(Failure),
    /// The machine failed, not the database.
    #[error("machine: {0}")]
    Machine(#[from] io::Error),
    /// The extract cannot be written.
    #[error("extract: {0}")]
    Write(#[from] WriteFault),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Stopped(failure)
    }
}

impl Fault {
    /// Why a query got no answer that was sent on to the database: what is wrong with it is its author's to know.
    pub fn of_query(self) -> Failure {
        let said = |text: &str| Error::clipped(text.trim_end_matches('.'));
        match self {
            Self::Refused { said: why, .. } => {
                Failure::new(FailureCode::InvalidSql, format!("The database refuses the query: {}.", said(&why)))
            }
            Self::Lost(why) => {
                let message = format!("The database broke off while it answered: {}; ask again.", said(&why));
                Failure::new(FailureCode::Source, message)
            }
            fault @ (Self::TooManyColumns { .. } | Self::NoColumns(_) | Self::NotSent(_)) => {
                Failure { code: FailureCode::InvalidSql, ..fault.into() }
            }
            other => other.into(),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let said = |text: &str| Error::clipped(text.trim_end_matches('.'));
        let message = match fault {
            Fault::Unreachable(why) => format!(
                "The database server cannot be reached: {}; check host and port, and that it listens there.",
                said(&why)
            ),
            Fault::NotLetIn(why) => {
                format!("The database does not let us in: {}; check user, password and database.", said(&why))
            }
            Fault::Tls(why) => format!(
                "The connection cannot be encrypted: {}; check the server's certificate, or choose another `tls`.",
                said(&why)
            ),
            Fault::Refused { what, said: why } => {
                format!("The database cannot read {what}: {}; check its name, and what its user may read.", said(&why))
            }
            Fault::Lost(why) => {
                format!("The database broke off while it was read: {}; sync again.", said(&why))
            }
            Fault::NoDatabase(why) => {
                format!(
                    "The file cannot be read as a SQLite database: {}; check that it is one, and whole.",
                    said(&why)
                )
            }
            Fault::NoTables => {
                "The database has no table that its user may read; name one, or grant `SELECT`.".to_owned()
            }
            Fault::SameName { first, second, table } => format!(
                "`{}` and `{}` would both become the table `{table}`; read one by a query of another name.",
                said(&first),
                said(&second)
            ),
            Fault::TooManyTables { limit } => {
                format!("The database has more than {limit} tables; name those to read.")
            }
            Fault::TooManyColumns { what, limit } => {
                format!("The database gives more than {limit} columns for {what}; select fewer.")
            }
            Fault::NoColumns(what) => format!("The database gives no columns for {what}; select some."),
            Fault::NoCursor { what, column } => {
                format!("There is no column `{}` in {what}; choose another cursor.", said(&column))
            }
            Fault::NoCursorTable(table) => {
                format!(
                    "There is no table `{}` in the database, which `cursor` names; spell it as it is.",
                    said(&table)
                )
            }
            Fault::TooManyRows { limit } => {
                format!("The database gives more than {limit} rows; read fewer, or raise `sources.max_rows`.")
            }
            Fault::NotSent(why) => format!("The query is not sent to the database: {why}."),
            Fault::Parameters { wanted, given } => {
                let message = format!("The query takes {wanted} parameters, and {given} are given; give as many.");
                return Failure::new(FailureCode::InvalidSql, message);
            }
            Fault::NoValue(number) => {
                let message =
                    format!("Parameter {number} is a list or an object; give a text, number, boolean or null.");
                return Failure::new(FailureCode::InvalidSql, message);
            }
            Fault::Stopped(failure) => return failure,
            Fault::Machine(error) => return internal("reading a database failed", &error),
            Fault::Write(fault) => return fault.into_failure("the database"),
        };
        Failure::new(FailureCode::Source, message)
    }
}
