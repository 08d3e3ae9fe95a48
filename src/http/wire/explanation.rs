//! What a query would do, on the wire.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;
use serde_json::Value;

use super::Spelling;
use super::query::ResultColumn;
use crate::service::query as service;

/// What a query would do. Nothing was read for it.
#[derive(Serialize, Object)]
pub struct QueryExplanation<I: Type + ParseFromJSON + ToJSON> {
    /// The query as it would run: as it was sent, or what its parts became.
    sql: String,
    /// The values of `$1`, `$2`, … in it.
    parameters: Vec<Value>,
    /// The columns of its result. Of live sources their types are what the database promises; values may differ.
    columns: Vec<ResultColumn>,
    /// The tables that it would read. Empty for live sources, of which the plan alone tells.
    tables: Vec<ReadTable<I>>,
    /// How it would be done: a line for each step, indented below the one that takes what it gives. For people: what
    /// stands in the lines may change with every version. Of live sources these are the database's own lines.
    plan: Vec<String>,
    /// Whether the plan was too long, and is cut.
    plan_truncated: bool,
}

/// A table that a query would read.
#[derive(Serialize, Object)]
pub struct ReadTable<I: Type + ParseFromJSON + ToJSON> {
    data_source_id: I,
    /// The source's name in SQL.
    source: String,
    table: String,
    /// The columns that would be read; none where counting rows is enough.
    columns: Vec<String>,
    /// All rows of the table; a query that filters may pass over most of them.
    rows: Option<u64>,
    /// The size of all its data as it is kept.
    bytes: u64,
}

impl<I: Spelling> From<service::Explanation> for QueryExplanation<I> {
    fn from(explanation: service::Explanation) -> Self {
        let service::Explanation { sql, parameters, columns, tables, plan, is_cut } = explanation;
        let columns = columns.into_iter().map(|column| ResultColumn { name: column.name, kind: column.kind.into() });
        Self {
            sql,
            parameters,
            columns: columns.collect(),
            tables: tables.into_iter().map(ReadTable::from).collect(),
            plan,
            plan_truncated: is_cut,
        }
    }
}

impl<I: Spelling> From<service::ReadTable> for ReadTable<I> {
    fn from(read: service::ReadTable) -> Self {
        Self {
            data_source_id: I::of(read.source.id, read.source.uuid),
            source: read.slug,
            table: read.table,
            columns: read.columns,
            rows: read.rows,
            bytes: read.bytes,
        }
    }
}
