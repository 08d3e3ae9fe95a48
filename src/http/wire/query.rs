//! Queries on the wire (PRODUCT 8.7).

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Reference;
use super::source::ColumnType;
use crate::http::face::Face;
use crate::http::reply::Raw;
use crate::service::query::{self as service, ResultFormat};

/// One query.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// One `SELECT`. Tables are named `slug.table`; those of `data_source_id` need no slug.
    #[oai(validator(min_length = 1))]
    sql: String,
    /// The source to query; without it all sources are there.
    #[serde(default)]
    data_source_id: Option<Reference>,
    /// Rows at most; 10,000 unless told.
    #[serde(default)]
    #[oai(validator(minimum(value = "1")))]
    limit: Option<u64>,
    /// Values for `$1`, `$2`, … in their order.
    #[serde(default)]
    parameters: Option<Vec<Value>>,
}

impl QueryRequest {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face, format: ResultFormat) -> service::QueryRequest {
        service::QueryRequest {
            sql: self.sql,
            source: self.data_source_id.map(|id| id.read(face)),
            limit: self.limit,
            parameters: self.parameters.unwrap_or_default(),
            format,
        }
    }
}

/// A result. Integers beyond 2^53 and decimals are strings, NaN is null. Workers write it; this is its schema.
#[derive(Serialize, Object)]
pub struct QueryResult {
    pub(in crate::http) columns: Vec<ResultColumn>,
    /// A list of cells for each row, in the order of the columns.
    pub(in crate::http) rows: Vec<Vec<Raw>>,
    pub(in crate::http) row_count: u64,
    /// Whether there were more rows than the limit.
    pub(in crate::http) truncated: bool,
    pub(in crate::http) elapsed_ms: u64,
}

/// A column of a result.
#[derive(Serialize, Object)]
pub struct ResultColumn {
    pub(in crate::http) name: String,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub(in crate::http) kind: ColumnType,
}
