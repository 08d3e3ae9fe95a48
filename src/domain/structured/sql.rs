//! A structured query as SQL.

mod conditions;

use serde_json::Value;

use super::{Aggregate, BUCKETS, Grain, Measure, StructuredQuery, TimeAxis, Written};
use crate::domain::error::{Error, Result};
use crate::domain::org;
use crate::domain::result::{Column, ColumnType};
use crate::domain::source::quoted;

/// A query on its way to text.
pub(super) struct Writer<'q> {
    query: &'q StructuredQuery,
    columns: &'q [Column],
    time: Option<Axis<'q>>,
    measures: Vec<Output<'q>>,
    parameters: Vec<Value>,
    /// The parameters of the axis's bounds, which a filled axis names again.
    from: Option<String>,
    to: Option<String>,
}

#[derive(Clone, Copy)]
struct Axis<'q> {
    column: &'q Column,
    axis: &'q TimeAxis,
}

struct Output<'q> {
    measure: &'q Measure,
    column: Option<&'q Column>,
    name: String,
}

impl<'q> Writer<'q> {
    pub(super) fn new(query: &'q StructuredQuery, columns: &'q [Column]) -> Result<Self> {
        query.check_size()?;
        let (measures, parameters) = (Vec::new(), Vec::new());
        let mut writer = Self { query, columns, time: None, measures, parameters, from: None, to: None };
        if let Some(axis) = &query.time {
            writer.time = Some(writer.axis(axis)?);
        }
        for (position, name) in query.dimensions.iter().enumerate() {
            writer.column(name, || format!("dimensions[{position}]"))?;
        }
        for (position, measure) in query.measures.iter().enumerate() {
            let output = writer.output(measure, position)?;
            writer.measures.push(output);
        }
        writer.check_names()?;
        Ok(writer)
    }

    pub(super) fn write(mut self, schema: &str) -> Result<Written> {
        let facts = self.facts(schema)?;
        let order = self.order()?;
        let is_filled = self.time.as_ref().is_some_and(|time| time.axis.fill);
        let body = if is_filled { self.filled(&facts) } else { facts };
        let sql = if order.is_empty() { body } else { format!("{body} ORDER BY {}", order.join(", ")) };
        Ok(Written { sql, parameters: self.parameters })
    }

    /// One row for each bucket and combination that has rows.
    fn facts(&mut self, schema: &str) -> Result<String> {
        let mut outputs = Vec::new();
        if let Some(time) = &self.time {
            outputs.push(format!("{} AS {}", time.bucket(), quoted(&time.column.name)));
        }
        outputs.extend(self.query.dimensions.iter().map(|name| quoted(name)));
        let groups = outputs.len();
        outputs
            .extend(self.measures.iter().map(|output| format!("{} AS {}", output.expression(), quoted(&output.name))));
        let from = format!("{}.{}", quoted(schema), quoted(&self.query.table));
        let mut sql = format!("SELECT {} FROM {from}", outputs.join(", "));
        let conditions = self.conditions()?;
        if !conditions.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        if groups > 0 {
            let numbers: Vec<String> = (1..=groups).map(|number| number.to_string()).collect();
            sql.push_str(" GROUP BY ");
            sql.push_str(&numbers.join(", "));
        }
        Ok(sql)
    }

    /// The same with the buckets that have none: each combination of dimensions that was found, over the whole axis, or
    /// as much of it as is filled.
    fn filled(&self, facts: &str) -> String {
        let Some(time) = &self.time else { return facts.to_owned() };
        let at = quoted(&time.column.name);
        let first = self.from.as_ref().map_or_else(|| format!("min({at})"), |from| time.truncated(from));
        // `to` is the first instant that no longer counts, so the last bucket is that of the instant before it.
        let last = self.to.as_ref().map_or_else(
            || format!("max({at})"),
            |to| time.truncated(&format!("({to} - INTERVAL '{}')", time.instant())),
        );
        // With two given ends there is nothing to look for, and nothing to repeat for each row.
        let found = if self.from.is_some() && self.to.is_some() { "" } else { " FROM facts" };
        let (step, reach) = (time.step(1), time.step(BUCKETS - 1));
        let kind = time.sql_type();
        let mut sql = format!(
            "WITH facts AS ({facts}), ends AS (SELECT {first} AS a, {last} AS z{found}), \
             axis AS (SELECT unnest(generate_series(a, least(z, CAST(a + {reach} AS {kind})), {step})) AS b FROM ends)"
        );
        let keys: Vec<String> = self.query.dimensions.iter().map(|name| quoted(name)).collect();
        let mut outputs = vec![format!("coalesce(axis.b, facts.{at}) AS {at}")];
        outputs.extend(keys.iter().map(|key| format!("coalesce(kinds.{key}, facts.{key}) AS {key}")));
        outputs.extend(self.measures.iter().map(Output::filled));
        let mut on = vec![format!("facts.{at} = axis.b")];
        // Without its parentheses the comparison would take what stands behind it along.
        on.extend(keys.iter().map(|key| format!("(facts.{key} IS NOT DISTINCT FROM kinds.{key})")));
        let mut from = "axis".to_owned();
        if !keys.is_empty() {
            sql.push_str(&format!(", kinds AS (SELECT DISTINCT {} FROM facts)", keys.join(", ")));
            from = "(axis CROSS JOIN kinds)".to_owned();
        }
        // Rows beyond the last bucket of the axis are in the result too; those without a time are on none.
        format!(
            "{sql} SELECT {} FROM {from} FULL JOIN facts ON {} WHERE axis.b IS NOT NULL OR facts.{at} IS NOT NULL",
            outputs.join(", "),
            on.join(" AND ")
        )
    }

    fn order(&self) -> Result<Vec<String>> {
        let names: Vec<&str> = self.names();
        if self.query.order.is_empty() {
            let default = match (&self.time, self.measures.first()) {
                (Some(time), _) => Some((time.column.name.as_str(), false)),
                (None, Some(first)) if !self.query.dimensions.is_empty() => Some((first.name.as_str(), true)),
                _ => None,
            };
            // What is equal by that comes in the order of the dimensions, so that pages of the same data agree.
            let rest = self.query.dimensions.iter().map(|name| (name.as_str(), false));
            return Ok(default.into_iter().chain(rest).map(|(name, descending)| sorted(name, descending)).collect());
        }
        let mut order = Vec::new();
        for (position, entry) in self.query.order.iter().enumerate() {
            if !names.contains(&entry.by.as_str()) {
                let field = format!("order[{position}].by");
                return Err(Error::field(field, format!("is not in the result; there are {}.", names.join(", "))));
            }
            order.push(sorted(&entry.by, entry.descending));
        }
        Ok(order)
    }

    fn names(&self) -> Vec<&str> {
        let time = self.time.iter().map(|time| time.column.name.as_str());
        let dimensions = self.query.dimensions.iter().map(String::as_str);
        time.chain(dimensions).chain(self.measures.iter().map(|output| output.name.as_str())).collect()
    }

    fn check_names(&self) -> Result<()> {
        let names = self.names();
        match names.iter().enumerate().find(|(position, name)| names[..*position].contains(name)) {
            None => Ok(()),
            Some((_, name)) => {
                let reason = format!("gives two columns called `{name}`; name the measure otherwise by `as`.");
                Err(Error::field("measures", reason))
            }
        }
    }

    fn axis(&self, axis: &'q TimeAxis) -> Result<Axis<'q>> {
        let column = self.column(&axis.column, || "time.column".to_owned())?;
        match column.kind {
            ColumnType::Timestamp => {}
            ColumnType::Date if !axis.grain.is_within_a_day() => {}
            ColumnType::Date => {
                let reason = format!("is shorter than a day, and `{}` has days; ask for day or longer.", column.name);
                return Err(Error::field("time.grain", reason));
            }
            kind => {
                let reason = format!("must be a date or a timestamp, and `{}` is a {}.", column.name, kind.as_str());
                return Err(Error::field("time.column", reason));
            }
        }
        Ok(Axis { column, axis })
    }

    fn output(&self, measure: &'q Measure, position: usize) -> Result<Output<'q>> {
        let column = match &measure.column {
            Some(name) => Some(self.column(name, || format!("measures[{position}].column"))?),
            None if measure.aggregate == Aggregate::Count => None,
            None => {
                let reason = format!("is missing; `{}` takes one.", measure.aggregate.as_str());
                return Err(Error::field(format!("measures[{position}].column"), reason));
            }
        };
        if let Some(column) = column.filter(|column| !measure.aggregate.takes(column.kind)) {
            let (aggregate, kind) = (measure.aggregate.as_str(), column.kind.as_str());
            let reason = format!("cannot be `{aggregate}`: `{}` is a {kind}.", column.name);
            return Err(Error::field(format!("measures[{position}].aggregate"), reason));
        }
        let name = match (&measure.name, column) {
            (Some(name), _) => org::name(&format!("measures[{position}].as"), name, 100)?,
            (None, Some(column)) => format!("{}_{}", measure.aggregate.as_str(), column.name),
            (None, None) => "count".to_owned(),
        };
        Ok(Output { measure, column, name })
    }

    fn column(&self, name: &str, field: impl FnOnce() -> String) -> Result<&'q Column> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.columns.iter().take(30).map(|column| column.name.as_str()).collect();
            let more = if self.columns.len() > known.len() { ", …" } else { "" };
            Error::field(field(), format!("is no column of the table; there are {}{more}.", known.join(", ")))
        })
    }
}

impl Axis<'_> {
    /// The beginning of the bucket that a row is in.
    fn bucket(&self) -> String {
        self.truncated(&quoted(&self.column.name))
    }

    fn truncated(&self, moment: &str) -> String {
        let truncated = format!("date_trunc('{}', {moment})", self.axis.grain.as_str());
        cast(self.kind(), &truncated)
    }

    /// Buckets of whole days are days.
    fn kind(&self) -> ColumnType {
        if self.axis.grain.is_within_a_day() { ColumnType::Timestamp } else { ColumnType::Date }
    }

    fn sql_type(&self) -> &'static str {
        if self.axis.grain.is_within_a_day() { "TIMESTAMP" } else { "DATE" }
    }

    /// The smallest distance of two values of the column.
    fn instant(&self) -> &'static str {
        if self.column.kind == ColumnType::Date { "1 day" } else { "1 microsecond" }
    }

    /// The length of so many buckets.
    fn step(&self, count: u32) -> String {
        let (count, unit) = match self.axis.grain {
            Grain::Quarter => (count * 3, "month"),
            Grain::Week => (count * 7, "day"),
            grain => (count, grain.as_str()),
        };
        format!("INTERVAL '{count} {unit}'")
    }
}

impl Output<'_> {
    fn expression(&self) -> String {
        let column = self.column.map_or_else(|| "*".to_owned(), |column| quoted(&column.name));
        match self.measure.aggregate {
            Aggregate::CountDistinct => format!("count(DISTINCT {column})"),
            other => format!("{}({column})", other.as_str()),
        }
    }

    /// In a row that a filled axis added nothing was counted, and nothing is known of the rest.
    fn filled(&self) -> String {
        let name = quoted(&self.name);
        match self.measure.aggregate {
            Aggregate::Count | Aggregate::CountDistinct => format!("coalesce(facts.{name}, 0) AS {name}"),
            _ => format!("facts.{name} AS {name}"),
        }
    }
}

fn sorted(name: &str, descending: bool) -> String {
    format!("{} {} NULLS LAST", quoted(name), if descending { "DESC" } else { "ASC" })
}

/// An expression as a value of the type, where what it is might be another one.
fn cast(kind: ColumnType, expression: &str) -> String {
    match kind {
        ColumnType::Date => format!("CAST({expression} AS DATE)"),
        ColumnType::Timestamp => format!("arrow_cast({expression}, 'Timestamp(Microsecond, None)')"),
        ColumnType::Decimal => format!("CAST({expression} AS DECIMAL(38, 10))"),
        _ => expression.to_owned(),
    }
}
