//! The profile of a source: what its tables and columns hold, for people who see the data for the first time.

use serde::{Deserialize, Serialize};

use super::result::{Cell, ColumnType};

/// The profile of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its tables, in their order.
    pub tables: Vec<TableProfile>,
}

/// The profile of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableProfile {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns, in their order.
    pub columns: Vec<ColumnProfile>,
    /// Rows by time, when the table has a date or timestamp column.
    pub trend: Option<Trend>,
}

/// The profile of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Rows without a value.
    pub nulls: u64,
    /// Distinct values; an estimate for large tables.
    pub distinct: u64,
    /// The smallest value.
    pub minimum: Option<Cell>,
    /// The largest value.
    pub maximum: Option<Cell>,
    /// The mean of numbers.
    pub mean: Option<f64>,
    /// The standard deviation of numbers.
    pub deviation: Option<f64>,
    /// The most frequent values with their counts, at most ten, most frequent first.
    pub top: Vec<(Cell, u64)>,
    /// Numbers in at most twenty bins of equal width: lower bound, upper bound, count.
    pub histogram: Vec<(f64, f64, u64)>,
}

/// Rows counted by a unit of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The column that was counted by.
    pub column: String,
    /// `day`, `week`, `month`, `quarter` or `year`, whichever gives 12 to 120 points.
    pub grain: String,
    /// The start of each unit and its rows, in order.
    pub points: Vec<(String, u64)>,
}
