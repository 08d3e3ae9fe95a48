//! Saved queries on the wire: their definitions, what changes them, and what runs them by name. What holds of them is in
//! `domain/saved_query`.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::query::QueryRequest;
use super::structured::{Measure, QueryFilter, QueryOrder, TimeAxis};
use super::{Reference, Spelling, Stamp};
use crate::domain::error::{Error, Result};
use crate::domain::saved_query as domain;
use crate::http::conditional::Tagged;
use crate::http::face::Face;
use crate::service::query::ResultFormat;

/// A saved query.
#[derive(Serialize, Object)]
pub struct SavedQuery<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// What it is about; may be empty.
    description: String,
    query: SavedQueryBody<I>,
    /// What stands for `$1`, `$2`, … of its SQL, in their order.
    parameters: Vec<QueryParameter>,
    created_at: Stamp,
    updated_at: Stamp,
}

/// What a saved query asks, as `POST …/query` takes it: SQL, or parts. What it has not is null.
#[derive(Serialize, Object)]
pub struct SavedQueryBody<I: Type + ParseFromJSON + ToJSON> {
    /// One `SELECT`.
    sql: Option<String>,
    /// The source whose tables need no slug; without one all but live ones are there. It may be gone: the query
    /// then is answered 404.
    data_source_id: Option<I>,
    /// Rows at most.
    limit: Option<u64>,
    /// The table of a query of parts.
    table: Option<String>,
    /// What is computed.
    measures: Option<Vec<Measure>>,
    /// The columns that tell rows apart.
    dimensions: Option<Vec<String>>,
    /// The axis of time.
    time: Option<TimeAxis>,
    /// All of them hold for each row that counts.
    filters: Option<Vec<QueryFilter>>,
    /// What comes first.
    order: Option<Vec<QueryOrder>>,
}

/// A value that each run may set.
#[derive(Debug, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct QueryParameter {
    /// What runs call it: a letter, then letters, digits and `_`, in lower case; 40 at most.
    #[oai(validator(min_length = 1, max_length = 40, pattern = "^[a-z][a-z0-9_]*$"))]
    name: String,
    /// Its value in runs that do not set it: text, a number or a boolean. Without one, or with null, it has to be set.
    #[serde(default)]
    default: Option<Value>,
}

impl<I: Spelling> From<domain::SavedQuery> for SavedQuery<I> {
    fn from(query: domain::SavedQuery) -> Self {
        Self {
            id: I::of(query.id, query.uuid),
            query: SavedQueryBody::of(&query),
            name: query.name,
            description: query.description,
            parameters: query.parameters.into_iter().map(QueryParameter::from).collect(),
            created_at: query.created_at.into(),
            updated_at: query.updated_at.into(),
        }
    }
}

impl<I: Spelling> SavedQueryBody<I> {
    fn of(query: &domain::SavedQuery) -> Self {
        let (sql, parts) = match &query.body {
            domain::Body::Sql(sql) => (Some(sql.clone()), None),
            domain::Body::Parts(parts) => (None, Some(parts.clone())),
        };
        Self {
            sql,
            data_source_id: query.source.map(|source| I::of(source.id, source.uuid)),
            limit: query.limit,
            table: parts.as_ref().map(|parts| parts.table.clone()),
            measures: parts.as_ref().map(|parts| converted(&parts.measures)),
            dimensions: parts.as_ref().map(|parts| parts.dimensions.clone()),
            filters: parts.as_ref().map(|parts| converted(&parts.filters)),
            order: parts.as_ref().map(|parts| converted(&parts.order)),
            time: parts.and_then(|parts| parts.time).map(TimeAxis::from),
        }
    }
}

fn converted<T: Clone, U: From<T>>(list: &[T]) -> Vec<U> {
    list.iter().cloned().map(U::from).collect()
}

impl<I: Spelling> Tagged for SavedQuery<I> {}

impl From<domain::Parameter> for QueryParameter {
    fn from(parameter: domain::Parameter) -> Self {
        Self { name: parameter.name, default: parameter.default }
    }
}

impl From<QueryParameter> for domain::Parameter {
    fn from(parameter: QueryParameter) -> Self {
        Self { name: parameter.name, default: parameter.default }
    }
}

/// A query to be saved: written in SQL, or put together of parts.
///
/// As `POST …/query` takes it, without values: what they are called stands beside it, in `parameters`.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewQueryBody {
    /// One `SELECT`. Tables are named `slug.table`; those of `data_source_id` need no slug. It is read when it is run.
    #[serde(default)]
    #[oai(validator(min_length = 1))]
    sql: Option<String>,
    /// The source to query; without it all but live ones are there, for SQL.
    #[serde(default)]
    data_source_id: Option<Reference>,
    /// Rows at most; 10,000 by default.
    #[serde(default)]
    #[oai(validator(minimum(value = "1")))]
    limit: Option<u64>,
    /// The table of a query of parts.
    #[serde(default)]
    table: Option<String>,
    /// What is computed.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    measures: Option<Vec<Measure>>,
    /// The columns that tell rows apart.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    dimensions: Option<Vec<String>>,
    /// The axis of time.
    #[serde(default)]
    time: Option<TimeAxis>,
    /// All of them hold for each row that counts.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    filters: Option<Vec<QueryFilter>>,
    /// What comes first; by default the earliest, and without `time` the largest first measure.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    order: Option<Vec<QueryOrder>>,
}

impl NewQueryBody {
    fn read(self, face: Face) -> Result<domain::NewBody> {
        let Self { sql, data_source_id, limit, table, measures, dimensions, time, filters, order } = self;
        let asked = QueryRequest {
            sql,
            data_source_id,
            limit,
            parameters: None,
            table,
            measures,
            dimensions,
            time,
            filters,
            order,
        };
        // How a result is written is for each run to say.
        let asked = asked.read(face, ResultFormat::Json);
        let body = match (asked.text, asked.parts) {
            (Some(text), None) => domain::Body::Sql(text.sql),
            (None, Some(parts)) => domain::Body::Parts(parts),
            (Some(_), Some(_)) => {
                return Err(Error::field(
                    "query.sql",
                    "and the parts of a structured query exclude each other; give one of the two.",
                ));
            }
            (None, None) => {
                return Err(Error::field("query.sql", "is missing; write one SELECT, or give `table` and `measures`."));
            }
        };
        Ok(domain::NewBody { body, source: asked.source, limit: asked.limit })
    }
}

/// A query to be saved under a name.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewSavedQuery {
    /// 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// 2,000 characters at most.
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
    query: NewQueryBody,
    /// What stands for `$1`, `$2`, … of its SQL, in their order.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    parameters: Option<Vec<QueryParameter>>,
}

impl NewSavedQuery {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face) -> Result<domain::NewSavedQuery> {
        Ok(domain::NewSavedQuery {
            name: self.name,
            description: self.description.unwrap_or_default(),
            query: self.query.read(face)?,
            parameters: self.parameters.into_iter().flatten().map(Into::into).collect(),
        })
    }
}

/// A change of a saved query: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct SavedQueryPatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
    /// Another query, whole.
    #[serde(default)]
    query: Option<NewQueryBody>,
    /// Other parameters, all of them.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    parameters: Option<Vec<QueryParameter>>,
}

impl SavedQueryPatch {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face) -> Result<domain::SavedQueryPatch> {
        let Self { name, description, query, parameters } = self;
        if name.is_none() && description.is_none() && query.is_none() && parameters.is_none() {
            return Err(Error::nothing_to_change());
        }
        let query = query.map(|query| query.read(face)).transpose()?;
        let parameters = parameters.map(|parameters| parameters.into_iter().map(Into::into).collect());
        Ok(domain::SavedQueryPatch { name, description, query, parameters })
    }
}
