//! The parts of a structured query on the wire.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::structured as domain;

/// An enumeration of the domain as it stands in documents: the same names, spelled alike.
macro_rules! mirrored {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
        #[serde(rename_all = "snake_case")]
        #[oai(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl From<$name> for domain::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant,)* }
            }
        }

        impl From<domain::$name> for $name {
            fn from(value: domain::$name) -> Self {
                match value { $(domain::$name::$variant => Self::$variant,)* }
            }
        }
    };
}

mirrored! {
    /// How the values of a column become one. Nulls count for nothing.
    Aggregate {
        /// How many.
        Count,
        /// How many different ones.
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
        /// The standard deviation of a sample.
        Stddev,
    }
}

mirrored! {
    /// The length of a time bucket, in UTC. Weeks begin on Monday; minutes and hours are of timestamps only.
    Grain {
        /// 60 seconds.
        Minute,
        /// 60 minutes.
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
}

mirrored! {
    /// What a filter asks of a column.
    Operator {
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
}

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Direction {
    /// The smallest.
    Asc,
    /// The largest.
    Desc,
}

/// One number to compute.
#[derive(Debug, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The column; left out, `count` counts rows.
    #[serde(default)]
    column: Option<String>,
    aggregate: Aggregate,
    /// What the result's column is called, `sum_amount` by default.
    #[serde(default, rename = "as")]
    #[oai(rename = "as", validator(min_length = 1, max_length = 100))]
    name: Option<String>,
}

/// The axis of time of a query.
#[derive(Debug, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct TimeAxis {
    /// A column of dates or timestamps.
    column: String,
    grain: Grain,
    /// The first day or instant that counts, `2013-01-01` or RFC 3339.
    #[serde(default)]
    from: Option<String>,
    /// The first that no longer does.
    #[serde(default)]
    to: Option<String>,
    /// Whether buckets without rows are in the result too, counts 0 and other measures null. Of more than 10,000 buckets
    /// the first are filled so; of the others those that have rows are in the result.
    #[serde(default)]
    fill: Option<bool>,
}

/// A condition on a column.
#[derive(Debug, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct QueryFilter {
    column: String,
    operator: Operator,
    /// What the column is compared with: a list for `in` and `not_in`, left out for `is_null` and `is_not_null`.
    #[serde(default)]
    value: Option<Value>,
}

/// One key of an order.
#[derive(Debug, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct QueryOrder {
    /// A column of the result.
    by: String,
    /// `asc` by default. Nulls come last either way.
    #[serde(default)]
    direction: Option<Direction>,
}

impl From<Measure> for domain::Measure {
    fn from(measure: Measure) -> Self {
        Self { column: measure.column, aggregate: measure.aggregate.into(), name: measure.name }
    }
}

impl From<TimeAxis> for domain::TimeAxis {
    fn from(axis: TimeAxis) -> Self {
        let TimeAxis { column, grain, from, to, fill } = axis;
        Self { column, grain: grain.into(), from, to, fill: fill.unwrap_or_default() }
    }
}

impl From<QueryFilter> for domain::Filter {
    fn from(filter: QueryFilter) -> Self {
        Self { column: filter.column, operator: filter.operator.into(), value: filter.value }
    }
}

impl From<QueryOrder> for domain::Order {
    fn from(order: QueryOrder) -> Self {
        Self { by: order.by, descending: order.direction == Some(Direction::Desc) }
    }
}

impl From<domain::Measure> for Measure {
    fn from(measure: domain::Measure) -> Self {
        Self { column: measure.column, aggregate: measure.aggregate.into(), name: measure.name }
    }
}

impl From<domain::TimeAxis> for TimeAxis {
    fn from(axis: domain::TimeAxis) -> Self {
        let domain::TimeAxis { column, grain, from, to, fill } = axis;
        Self { column, grain: grain.into(), from, to, fill: Some(fill) }
    }
}

impl From<domain::Filter> for QueryFilter {
    fn from(filter: domain::Filter) -> Self {
        Self { column: filter.column, operator: filter.operator.into(), value: filter.value }
    }
}

impl From<domain::Order> for QueryOrder {
    fn from(order: domain::Order) -> Self {
        let direction = if order.descending { Direction::Desc } else { Direction::Asc };
        Self { by: order.by, direction: Some(direction) }
    }
}
