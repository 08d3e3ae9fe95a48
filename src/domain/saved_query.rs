//! Saved queries: a query under a name, with parameters that each run may set.
//!
//! What is saved is the query and never its result. SQL is read where it runs, so that it is wrong is told then; a query
//! of parts is held against the columns of its table when it is saved.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::dashboard::{SourceRef, check_description, check_sql};
use super::error::{Error, Result};
use super::id::{IdRef, SavedQueryId, Source};
use super::org::name;
use super::page::{Entry, Times};
use super::structured::{StructuredQuery, Written};
use super::time::Timestamp;

/// The most parameters of a query.
pub const PARAMETERS: usize = 20;
/// The longest name of a parameter.
const NAME_LENGTH: usize = 40;
/// The longest text that is a parameter's default, in bytes.
const DEFAULT_LENGTH: usize = 1_000;

/// A saved query.
#[derive(Debug, Clone)]
pub struct SavedQuery {
    /// Its row.
    pub id: SavedQueryId,
    /// Its other id.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// What it is about; may be empty.
    pub description: String,
    /// The source that it is about; `None`: all of them. It may be gone.
    pub source: Option<SourceRef>,
    /// The query itself.
    pub body: Body,
    /// Rows at most.
    pub limit: Option<u64>,
    /// What stands for `$1`, `$2`, … in their order.
    pub parameters: Vec<Parameter>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A query, written or put together.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// One `SELECT`.
    Sql(String),
    /// Measures, dimensions, time and filters.
    Parts(StructuredQuery),
}

/// A value that each run may set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// What runs call it.
    pub name: String,
    /// Its value in runs that do not set it; without one it has to be set.
    pub default: Option<Value>,
}

impl Entry for SavedQuery {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// What narrows a list of saved queries.
#[derive(Debug, Clone, Default, Hash)]
pub struct SavedQueryFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of their name, in any case.
    pub q: Option<String>,
}

/// What a query asks, as a client gives it.
#[derive(Debug, Clone)]
pub struct NewBody {
    /// The query itself.
    pub body: Body,
    /// Its source, and as the client spelled it.
    pub source: Option<(IdRef<Source>, String)>,
    /// Rows at most.
    pub limit: Option<u64>,
}

/// A saved query as a client asks for it.
#[derive(Debug, Clone)]
pub struct NewSavedQuery {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// What it asks.
    pub query: NewBody,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// A change of a saved query: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct SavedQueryPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// Another query.
    pub query: Option<NewBody>,
    /// Other parameters.
    pub parameters: Option<Vec<Parameter>>,
}

/// What bounds a query that is saved.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of its SQL.
    pub sql: u64,
    /// Rows that it may ask for.
    pub rows: u64,
}

impl NewSavedQuery {
    /// Checks lengths and counts, and trims the name.
    pub fn checked(mut self, bounds: Bounds) -> Result<Self> {
        self.name = name("name", &self.name, 200)?;
        check_description(&self.description)?;
        self.query.check(bounds)?;
        check_parameters(&self.parameters)?;
        Ok(self)
    }
}

impl SavedQueryPatch {
    /// Checks lengths and counts, and trims the name.
    pub fn checked(mut self, bounds: Bounds) -> Result<Self> {
        self.name = self.name.map(|text| name("name", &text, 200)).transpose()?;
        if let Some(description) = &self.description {
            check_description(description)?;
        }
        self.query.as_ref().map_or(Ok(()), |query| query.check(bounds))?;
        self.parameters.as_ref().map_or(Ok(()), |parameters| check_parameters(parameters))?;
        Ok(self)
    }
}

impl NewBody {
    fn check(&self, bounds: Bounds) -> Result<()> {
        if let Body::Sql(sql) = &self.body {
            check_sql("query.sql", sql, bounds.sql)?;
        }
        match self.limit {
            Some(rows) if !(1..=bounds.rows).contains(&rows) => {
                Err(Error::field("query.limit", format!("must be 1 to {}.", bounds.rows)))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses parameters of a query that has no place for any.
pub fn check_fit(body: &Body, parameters: &[Parameter]) -> Result<()> {
    match body {
        Body::Parts(_) if !parameters.is_empty() => Err(Error::field(
            "parameters",
            "belong to queries in SQL; what a query of parts compares with stands in its filters.",
        )),
        Body::Parts(_) | Body::Sql(_) => Ok(()),
    }
}

fn check_parameters(parameters: &[Parameter]) -> Result<()> {
    if parameters.len() > PARAMETERS {
        return Err(Error::field("parameters", format!("may have {PARAMETERS} entries at most.")));
    }
    for (place, parameter) in parameters.iter().enumerate() {
        let field = |name: &str| format!("parameters[{place}].{name}");
        if !is_name(&parameter.name) {
            return Err(Error::field(
                field("name"),
                format!("must be 1 to {NAME_LENGTH} of a-z, 0-9 and _, a letter first."),
            ));
        }
        if parameters[..place].iter().any(|other| other.name == parameter.name) {
            return Err(Error::field(field("name"), "stands in the list twice."));
        }
        let fits = match &parameter.default {
            Some(Value::Array(_) | Value::Object(_)) => false,
            Some(Value::String(text)) => text.len() <= DEFAULT_LENGTH,
            _ => true,
        };
        if !fits {
            let reason = format!("must be a number, a boolean, or text of {DEFAULT_LENGTH} bytes at most.");
            return Err(Error::field(field("default"), reason));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_LENGTH
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

impl SavedQuery {
    /// The values of `$1`, `$2`, … in a run that sets these.
    ///
    /// # Errors
    /// `InvalidParameter` for a name that is not declared, a list or object, and what has no default and is not set.
    pub fn values(&self, mut given: Map<String, Value>) -> Result<Vec<Value>> {
        let wrong = |reason: String| Error::parameter("parameters", reason);
        let declared = self.parameters.iter().map(|parameter| {
            match given.remove(&parameter.name).or_else(|| parameter.default.clone()) {
                Some(Value::Array(_) | Value::Object(_)) => {
                    Err(wrong(format!("must have text, a number, a boolean or null for `{}`.", parameter.name)))
                }
                Some(value) => Ok(value),
                None => Err(wrong(format!("must have a value for `{}`, which has no default.", parameter.name))),
            }
        });
        let values = declared.collect::<Result<Vec<_>>>()?;
        let Some((unknown, _)) = given.iter().next() else { return Ok(values) };
        let known: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let unknown = Error::clipped(unknown);
        Err(wrong(match known.is_empty() {
            true => format!("has `{unknown}`, and this query has no parameters."),
            false => format!("has `{unknown}`, and this query has {}.", known.join(", ")),
        }))
    }

    /// What is asked in a run with these values.
    pub fn asked(&self, values: Vec<Value>) -> (Option<Written>, Option<StructuredQuery>) {
        match &self.body {
            Body::Sql(sql) => (Some(Written { sql: sql.clone(), parameters: values }), None),
            Body::Parts(parts) => (None, Some(parts.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::id::Id;

    fn saved(parameters: Vec<Parameter>) -> SavedQuery {
        let now = Timestamp::from_seconds(0);
        SavedQuery {
            id: Id::new(1),
            uuid: Uuid::nil(),
            name: "x".to_owned(),
            description: String::new(),
            source: None,
            body: Body::Sql("SELECT $1, $2".to_owned()),
            limit: None,
            parameters,
            created_at: now,
            updated_at: now,
        }
    }

    fn parameter(name: &str, default: Option<Value>) -> Parameter {
        Parameter { name: name.to_owned(), default }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn values_stand_in_the_order_in_which_they_are_declared_and_defaults_for_those_not_set() {
        let query = saved(vec![parameter("month", Some(json!(6))), parameter("region", None)]);
        assert_eq!(query.values(map(json!({"region": "west"}))).unwrap(), [json!(6), json!("west")]);
        assert_eq!(query.values(map(json!({"region": null, "month": 7}))).unwrap(), [json!(7), json!(null)]);
        for wrong in [json!({}), json!({"month": 7}), json!({"region": [1]}), json!({"region": "a", "other": 1})] {
            assert!(matches!(query.values(map(wrong)), Err(Error::InvalidParameter { .. })));
        }
    }

    #[test]
    fn parameters_have_names_of_their_own_and_plain_defaults() {
        let check = |parameters: &[Parameter]| check_parameters(parameters).is_ok();
        assert!(check(&[parameter("a", None), parameter("b_2", Some(json!(true)))]));
        for name in ["", "A", "2b", "a b", "a-b", "ä", &"a".repeat(41)] {
            assert!(!check(&[parameter(name, None)]), "{name}");
        }
        assert!(!check(&[parameter("a", None), parameter("a", None)]));
        assert!(!check(&[parameter("a", Some(json!([1])))]));
        assert!(!check(&[parameter("a", Some(json!("x".repeat(1_001))))]));
        let many: Vec<_> = (0..=PARAMETERS).map(|number| parameter(&format!("p{number}"), None)).collect();
        assert!(!check(&many));
    }
}
