//! Queries on the wire.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Reference;
use super::source::ColumnType;
use super::structured::{Measure, QueryFilter, QueryOrder, TimeAxis};
use crate::domain::structured::{StructuredQuery, Written};
use crate::http::face::Face;
use crate::http::reply::Raw;
use crate::service::query::{self as service, ResultFormat};

/// One query: written in SQL, or put together of parts.
///
/// Either `sql`, with `parameters`, or `data_source_id` and `table` with at least one of `measures`, `dimensions` and
/// `time`. A query of parts has a row for each combination of time bucket and dimensions; its columns are the time, the
/// dimensions and the measures, in this order.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// One `SELECT`. Tables are named `slug.table`; those of `data_source_id` need no slug. Where that is a live source,
    /// the text goes to its database, in whose own SQL it is.
    #[serde(default)]
    #[oai(validator(min_length = 1))]
    pub(super) sql: Option<String>,
    /// The source to query; without it all sources but live ones are there, for SQL.
    #[serde(default)]
    pub(super) data_source_id: Option<Reference>,
    /// Rows at most; 10,000 by default.
    #[serde(default)]
    #[oai(validator(minimum(value = "1")))]
    pub(super) limit: Option<u64>,
    /// Values for `$1`, `$2`, … in their order; MySQL has `?` for them, SQLite both.
    #[serde(default)]
    pub(super) parameters: Option<Vec<Value>>,
    /// The table of a query of parts.
    #[serde(default)]
    pub(super) table: Option<String>,
    /// What is computed.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub(super) measures: Option<Vec<Measure>>,
    /// The columns that tell rows apart.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub(super) dimensions: Option<Vec<String>>,
    /// The axis of time.
    #[serde(default)]
    pub(super) time: Option<TimeAxis>,
    /// All of them hold for each row that counts.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub(super) filters: Option<Vec<QueryFilter>>,
    /// What comes first; by default the earliest, and without `time` the largest first measure.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub(super) order: Option<Vec<QueryOrder>>,
}

impl QueryRequest {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face, format: ResultFormat) -> service::QueryRequest {
        let is_of_parts = self.measures.is_some()
            || self.dimensions.is_some()
            || self.time.is_some()
            || self.filters.is_some()
            || self.order.is_some()
            || self.table.is_some();
        let parts = is_of_parts.then(|| StructuredQuery {
            table: self.table.unwrap_or_default(),
            measures: converted(self.measures),
            dimensions: self.dimensions.unwrap_or_default(),
            time: self.time.map(Into::into),
            filters: converted(self.filters),
            order: converted(self.order),
        });
        service::QueryRequest {
            text: self.sql.map(|sql| Written { sql, parameters: self.parameters.unwrap_or_default() }),
            parts,
            source: self.data_source_id.map(|id| id.read(face)),
            limit: self.limit,
            format,
        }
    }
}

fn converted<T, U: From<T>>(list: Option<Vec<T>>) -> Vec<U> {
    list.into_iter().flatten().map(Into::into).collect()
}

/// A result. Integers beyond 2^53 and decimals are strings, NaN is null.
// Workers write it; this is its schema.
#[derive(Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct QueryResult {
    pub(in crate::http) columns: Vec<ResultColumn>,
    /// A list of cells for each row, in the order of the columns.
    pub(in crate::http) rows: Vec<Vec<Raw>>,
    pub(in crate::http) row_count: u64,
    /// Whether there were more rows than the limit.
    pub(in crate::http) truncated: bool,
    pub(in crate::http) elapsed_ms: u64,
    /// Of live sources, which values are not as the database has them, a sentence for each column and reason; missing where
    /// all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) notes: Option<Vec<String>>,
}

/// A column of a result.
#[derive(Serialize, Object)]
pub struct ResultColumn {
    pub(in crate::http) name: String,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(in crate::http) kind: ColumnType,
}
