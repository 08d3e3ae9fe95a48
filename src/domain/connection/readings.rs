//! What is read of a database: tables, queries, and by which column they grow.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Connection;
use super::rules::{TEXT, field, text};
use crate::domain::error::Result;
use crate::domain::source::sql_name;

/// Something to read from a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The table that it becomes: named after it, with its schema where one was given.
    pub table: String,
    /// What is read.
    pub what: What,
    /// The column that only grows, for incremental syncs.
    pub cursor: Option<String>,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A table or view, with its schema where one was given.
    Table {
        /// Its schema.
        schema: Option<String>,
        /// Its name.
        name: String,
    },
    /// The rows of a query.
    Query(String),
}

/// Tables, queries and cursors.
type Parts<'c> = (&'c [String], &'c BTreeMap<String, String>, &'c BTreeMap<String, String>);

/// The longest query, in bytes.
const QUERY: usize = 100_000;
/// The most tables and queries of a source.
const READINGS: usize = 1_000;
/// The longest that all tables, queries and cursors are together, in bytes: a worker is told of them in one message.
const ALL_READINGS: usize = 250_000;

impl Connection {
    /// What is read from a database: empty stands for all of its tables.
    pub fn readings(&self) -> Vec<Reading> {
        let Some((tables, queries, cursor)) = self.parts() else { return Vec::new() };
        let tables = tables.iter().map(|table| Reading {
            table: sql_name(table),
            what: split(table),
            cursor: cursor.get(table).cloned(),
        });
        let queries = queries.iter().map(|(name, sql)| Reading {
            table: sql_name(name),
            what: What::Query(sql.clone()),
            cursor: cursor.get(name).cloned(),
        });
        tables.chain(queries).collect()
    }

    /// By table, the column that only grows: for sources of which all tables are read.
    pub fn cursors(&self) -> BTreeMap<String, String> {
        self.parts().map(|(_, _, cursor)| cursor.clone()).unwrap_or_default()
    }

    /// Whether tables and queries are read of it.
    pub fn is_database(&self) -> bool {
        self.parts().is_some()
    }

    pub(super) fn parts(&self) -> Option<Parts<'_>> {
        match self {
            Self::File(_) | Self::Url(_) => None,
            Self::Sqlite(file) => Some((&file.tables, &file.queries, &file.cursor)),
            Self::Postgres(server) | Self::Mysql(server) => Some((&server.tables, &server.queries, &server.cursor)),
        }
    }

    pub(super) fn check_readings(&self) -> Result<()> {
        let Some((tables, queries, cursor)) = self.parts() else { return Ok(()) };
        if tables.len() + queries.len() > READINGS {
            return Err(field("tables", "and `queries` have more than 1000 entries; make several sources."));
        }
        if serde_json::to_vec(&(tables, queries, cursor)).map_or(0, |text| text.len()) > ALL_READINGS {
            return Err(field("queries", "and `tables` have more than 250 kB together; make several sources."));
        }
        tables.iter().try_for_each(|table| text("tables", table, TEXT))?;
        for (name, sql) in queries {
            text("queries", name, TEXT)?;
            if sql.trim().is_empty() || sql.len() > QUERY {
                return Err(field("queries", &format!("has an empty or too long query `{}`.", shown(name))));
            }
        }
        let listed = !tables.is_empty() || !queries.is_empty();
        for (name, column) in cursor {
            text("cursor", name, TEXT)?;
            text("cursor", column, TEXT)?;
            if listed && !tables.contains(name) && !queries.contains_key(name) {
                let reason = format!("names `{}`, which is neither in `tables` nor in `queries`.", shown(name));
                return Err(field("cursor", &reason));
            }
        }
        let mut seen = BTreeSet::new();
        for reading in self.readings() {
            if !seen.insert(reading.table.clone()) {
                let reason = format!(
                    "and `queries` would make the table `{}` twice; name a query for one of them.",
                    reading.table
                );
                return Err(field("tables", &reason));
            }
        }
        Ok(())
    }
}

pub(super) fn split(name: &str) -> What {
    match name.split_once('.') {
        Some((schema, name)) => What::Table { schema: Some(schema.to_owned()), name: name.to_owned() },
        None => What::Table { schema: None, name: name.to_owned() },
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
