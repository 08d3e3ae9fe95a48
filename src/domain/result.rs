//! What a query yields: typed columns and cells, and what the widgets of a dashboard make of them.
//!
//! Pure values. How cells are computed is the engine's business, how they look is `render`'s.

use serde::{Deserialize, Serialize};

/// The types a column can have on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// `true` or `false`.
    Boolean,
    /// A whole number of up to 64 bits.
    Integer,
    /// A number with a fixed count of decimals, exact.
    Decimal,
    /// A floating point number of 64 bits.
    Double,
    /// Unicode text.
    Text,
    /// A day, `2013-01-31`.
    Date,
    /// A time of day, `13:45:00`.
    Time,
    /// An instant, RFC 3339 in UTC with `Z`.
    Timestamp,
}

impl ColumnType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Boolean,
        Self::Integer,
        Self::Decimal,
        Self::Double,
        Self::Text,
        Self::Date,
        Self::Time,
        Self::Timestamp,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Text => "text",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
        }
    }

    /// Whether cells of the type are numbers.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Double)
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As the query named it.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

/// One cell, as it stands in JSON: integers beyond 2^53 and decimals are text, NaN and infinities are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// SQL `NULL`, NaN, or an infinity.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number within ±2^53.
    Integer(i64),
    /// A finite floating point number.
    Double(f64),
    /// Text, dates and times, decimals, and whole numbers beyond ±2^53.
    Text(String),
}

impl Cell {
    /// The cell as a number, when it is one (decimals and large integers stand in text).
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) =>
            {
                #[expect(clippy::cast_precision_loss, reason = "cells keep integers within 2^53")]
                Some(*value as f64)
            }
            Self::Double(value) => Some(*value),
            Self::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Null | Self::Boolean(_) => None,
        }
    }

    /// The cell as a reader would write it; nulls are empty.
    pub fn display(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Rows of typed columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The columns, in the query's order.
    pub columns: Vec<Column>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// One line or one set of bars of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The name of the result column it stands for.
    pub name: String,
    /// `[x, y]`: the first column's cell, and this column's.
    pub points: Vec<(Cell, Cell)>,
}

/// What a refresh stores for one widget, in the form that the faces print.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WidgetData {
    /// A table's columns and rows.
    Table(Table),
    /// A chart's series; the type of x tells how to draw its axis.
    Chart {
        /// The type of the first column.
        x: ColumnType,
        /// One for each further column.
        series: Vec<Series>,
    },
    /// A KPI's first cell.
    Kpi {
        /// The value; null when the query gave no row.
        value: Cell,
    },
}
