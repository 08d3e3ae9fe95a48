//! The rows that a structured query counts: its axis and filters as conditions, their values as parameters.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;

use super::super::{Filter, Operator, VALUES};
use super::{Axis, Writer, cast, quoted};
use crate::domain::error::{Error, Result};
use crate::domain::result::{Column, ColumnType};

impl Writer<'_> {
    /// What rows have to be for the query to count them.
    pub(super) fn conditions(&mut self) -> Result<Vec<String>> {
        let mut conditions = Vec::new();
        if let Some(Axis { column, axis }) = self.time {
            let moments = [("time.from", &axis.from), ("time.to", &axis.to)].map(|(field, text)| match text {
                None => Ok(None),
                Some(text) => match moment(column.kind, text) {
                    Some(moment) => Ok(Some(moment)),
                    None => Err(Error::field(field, needs_moment(column.kind))),
                },
            });
            let [from, to] = moments;
            let (from, to) = (from?, to?);
            if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from >= to) {
                let reason = "is not after `time.from`; it is the first instant that no longer counts.";
                return Err(Error::field("time.to", reason));
            }
            self.from = from.map(|from| self.bound(column.kind, Value::String(from)));
            self.to = to.map(|to| self.bound(column.kind, Value::String(to)));
            let name = quoted(&column.name);
            conditions.extend(self.from.iter().map(|from| format!("{name} >= {from}")));
            conditions.extend(self.to.iter().map(|to| format!("{name} < {to}")));
            conditions.push(format!("{name} IS NOT NULL"));
        }
        for (position, filter) in self.query.filters.iter().enumerate() {
            let field = format!("filters[{position}]");
            let column = self.column(&filter.column, || format!("{field}.column"))?;
            let condition =
                self.condition(filter, column).map_err(|reason| Error::field(format!("{field}.value"), reason))?;
            conditions.push(condition);
        }
        Ok(conditions)
    }

    fn condition(&mut self, filter: &Filter, column: &Column) -> Result<String, String> {
        let name = quoted(&column.name);
        let one =
            |value: &Option<Value>| value.clone().ok_or_else(|| "is missing; give what to compare with.".to_owned());
        let compared = match filter.operator {
            Operator::IsNull | Operator::IsNotNull => {
                if filter.value.as_ref().is_some_and(|value| !value.is_null()) {
                    return Err(format!("has no place beside `{}`; leave it out.", filter.operator.as_str()));
                }
                let not = if filter.operator == Operator::IsNull { "" } else { "NOT " };
                return Ok(format!("{name} IS {not}NULL"));
            }
            Operator::In | Operator::NotIn => {
                let Some(Value::Array(values)) = &filter.value else {
                    return Err("must be a list of values.".to_owned());
                };
                if values.is_empty() || values.len() > VALUES {
                    return Err(format!("must be a list of 1 to {VALUES} values."));
                }
                let values: Vec<String> =
                    values.iter().map(|value| self.value(column, value)).collect::<Result<_, String>>()?;
                let not = if filter.operator == Operator::In { "" } else { "NOT " };
                return Ok(format!("{name} {not}IN ({})", values.join(", ")));
            }
            Operator::Contains | Operator::StartsWith => {
                if column.kind != ColumnType::Text {
                    return Err(format!("is compared as text, and `{}` is a {}.", column.name, column.kind.as_str()));
                }
                let value = self.value(column, &one(&filter.value)?)?;
                return Ok(match filter.operator {
                    Operator::Contains => format!("contains(lower({name}), lower({value}))"),
                    _ => format!("starts_with({name}, {value})"),
                });
            }
            Operator::Eq => "=",
            Operator::Ne => "<>",
            Operator::Lt => "<",
            Operator::Lte => "<=",
            Operator::Gt => ">",
            Operator::Gte => ">=",
        };
        let value = self.value(column, &one(&filter.value)?)?;
        Ok(format!("{name} {compared} {value}"))
    }

    /// A value that fits the column, as the parameter that stands for it.
    fn value(&mut self, column: &Column, value: &Value) -> Result<String, String> {
        let kind = column.kind;
        let fitting = match (kind, value) {
            (_, Value::Null) => return Err("must not be null; ask with `is_null` or `is_not_null`.".to_owned()),
            (ColumnType::Boolean, Value::Bool(_)) | (ColumnType::Text | ColumnType::Time, Value::String(_)) => {
                value.clone()
            }
            (ColumnType::Integer | ColumnType::Double, Value::Number(_)) => value.clone(),
            (ColumnType::Decimal, Value::Number(number)) => Value::String(number.to_string()),
            (ColumnType::Decimal, Value::String(text)) if is_decimal(text) => value.clone(),
            (ColumnType::Date | ColumnType::Timestamp, Value::String(text)) => {
                Value::String(moment(kind, text).ok_or_else(|| needs_moment(kind))?)
            }
            _ => {
                return Err(match kind {
                    ColumnType::Date | ColumnType::Timestamp => needs_moment(kind),
                    _ => format!("does not fit: `{}` is a column of type {}.", column.name, kind.as_str()),
                });
            }
        };
        Ok(self.bound(kind, fitting))
    }

    /// The parameter for a value, as the type of its column.
    fn bound(&mut self, kind: ColumnType, value: Value) -> String {
        self.parameters.push(value);
        cast(kind, &format!("${}", self.parameters.len()))
    }
}

/// A day or an instant in the spelling that compares as text, in UTC.
fn moment(kind: ColumnType, text: &str) -> Option<String> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    if kind == ColumnType::Date {
        return day().map(|day| day.to_string());
    }
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.naive_utc());
    let instant = instant.or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok());
    let instant = instant.or_else(|| day().and_then(|day| day.and_hms_opt(0, 0, 0)))?;
    Some(instant.format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
}

fn needs_moment(kind: ColumnType) -> String {
    match kind {
        ColumnType::Date => "must be a day such as `2013-01-31`.".to_owned(),
        _ => "must be an instant such as `2013-01-31T12:00:00Z`, or a day.".to_owned(),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let well_formed = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    well_formed
        && digits.len() <= 40
        && digits.matches('.').count() <= 1
        && digits.bytes().any(|byte| byte.is_ascii_digit())
}
