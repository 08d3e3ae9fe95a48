//! Queries that are put together of parts instead of written: what is measured, by what, over which time.
//!
//! A structured query is checked against the columns of its table and becomes one `SELECT` with parameters; from there on
//! it is a query like every other. Names are quoted and values are parameters, so nothing that a client sends is read as
//! SQL. Deliberately not here: running it.
//!
//! What it answers: one row for each combination of time bucket and dimensions, columns in the order time, dimensions,
//! measures. Buckets of a missing combination are there too when `fill` is asked for: counts are 0, other measures null.

mod sql;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, Result};
use super::result::{Column, ColumnType};

/// Measures, dimensions, filters and orders of one query, each.
pub const PARTS: usize = 20;
/// Values of one `in` filter.
pub const VALUES: usize = 1_000;
/// Buckets that a filled time axis may have.
pub const BUCKETS: u32 = 10_000;

/// A query of parts, as a client gave it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StructuredQuery {
    /// The table.
    pub table: String,
    /// What is computed.
    pub measures: Vec<Measure>,
    /// The columns that tell rows apart.
    pub dimensions: Vec<String>,
    /// The axis of time.
    pub time: Option<TimeAxis>,
    /// All of them hold for each row that counts.
    pub filters: Vec<Filter>,
    /// What comes first; by default the earliest, and without time the largest first measure.
    pub order: Vec<Order>,
}

/// One number to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The column; `None` counts rows.
    pub column: Option<String>,
    /// How its values become one.
    pub aggregate: Aggregate,
    /// What the result's column is called instead of `sum_amount`.
    pub name: Option<String>,
}

/// How the values of a column become one. Nulls count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// How many.
    Count,
    /// How many different ones, exactly.
    CountDistinct,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The one in the middle.
    Median,
    /// How far they lie apart: the standard deviation of a sample.
    Stddev,
}

impl Aggregate {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Count, Self::CountDistinct, Self::Sum, Self::Avg, Self::Min, Self::Max, Self::Median, Self::Stddev];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::CountDistinct => "count_distinct",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Median => "median",
            Self::Stddev => "stddev",
        }
    }

    /// Whether columns of the type have it.
    const fn takes(self, kind: ColumnType) -> bool {
        match self {
            Self::Count | Self::CountDistinct => true,
            Self::Min | Self::Max => !matches!(kind, ColumnType::Boolean),
            Self::Sum | Self::Avg | Self::Median | Self::Stddev => {
                matches!(kind, ColumnType::Integer | ColumnType::Decimal | ColumnType::Double)
            }
        }
    }
}

/// An axis of time: instants of a column, gathered into buckets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeAxis {
    /// A column of dates or timestamps.
    pub column: String,
    /// How long a bucket is, in UTC.
    pub grain: Grain,
    /// The first instant or day that counts.
    pub from: Option<String>,
    /// The first that no longer does.
    pub to: Option<String>,
    /// Whether buckets without rows are there too.
    pub fill: bool,
}

/// The length of a bucket. Weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    /// 60 seconds; of timestamps only.
    Minute,
    /// 60 minutes; of timestamps only.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
}

impl Grain {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The name on the wire and in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Whether a bucket is shorter than a day.
    pub(self) const fn is_within_a_day(self) -> bool {
        matches!(self, Self::Minute | Self::Hour)
    }
}

/// A condition on a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// What is asked of it.
    pub operator: Operator,
    /// What it is compared with: nothing, one value, or a list of them.
    pub value: Option<Value>,
}

/// What a filter asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The value.
    Eq,
    /// Another value; not null.
    Ne,
    /// Less.
    Lt,
    /// Less, or the value.
    Lte,
    /// More.
    Gt,
    /// More, or the value.
    Gte,
    /// One of a list.
    In,
    /// None of a list; not null.
    NotIn,
    /// Text with this in it, in any case.
    Contains,
    /// Text that begins so, in this case.
    StartsWith,
    /// Null.
    IsNull,
    /// Anything but null.
    IsNotNull,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Lte,
        Self::Gt,
        Self::Gte,
        Self::In,
        Self::NotIn,
        Self::Contains,
        Self::StartsWith,
        Self::IsNull,
        Self::IsNotNull,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::IsNull => "is_null",
            Self::IsNotNull => "is_not_null",
        }
    }
}

/// A column of the result, and whether its largest value comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// As the result calls it.
    pub by: String,
    /// From the largest down. Nulls come last either way.
    pub descending: bool,
}

/// A query as text, with the values of `$1`, `$2`, ….
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// One `SELECT`.
    pub sql: String,
    /// The values.
    pub parameters: Vec<Value>,
}

impl StructuredQuery {
    /// The query in SQL, when it fits the table's columns. `schema` is the slug of the table's source.
    ///
    /// # Errors
    /// `InvalidField` that names the part, as it stands in the request.
    pub fn written(&self, schema: &str, columns: &[Column]) -> Result<Written> {
        sql::Writer::new(self, columns)?.write(schema)
    }

    fn check_size(&self) -> Result<()> {
        let counts = [
            ("measures", self.measures.len()),
            ("dimensions", self.dimensions.len()),
            ("filters", self.filters.len()),
            ("order", self.order.len()),
        ];
        if let Some((part, _)) = counts.into_iter().find(|(_, count)| *count > PARTS) {
            return Err(Error::field(part, format!("has more than {PARTS} entries.")));
        }
        if self.measures.is_empty() && self.dimensions.is_empty() && self.time.is_none() {
            return Err(Error::field("measures", "is empty, and so is all else; ask for a measure or a dimension."));
        }
        Ok(())
    }
}
