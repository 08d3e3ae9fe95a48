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
    /// Distinct values.
    pub distinct: u64,
    /// Whether these are an estimate, as those of large tables are.
    #[serde(default)]
    pub is_estimate: bool,
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
    /// Numbers, dates and timestamps in at most twenty bins of equal width.
    pub histogram: Vec<Bin>,
}

/// The values of a column between two bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The least that counts.
    pub from: Cell,
    /// The first that no longer does, but in the last bin, where it does.
    pub to: Cell,
    /// How many.
    pub rows: u64,
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
