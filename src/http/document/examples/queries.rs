//! The queries that examples show: one that is saved, and one that runs.

use serde_json::json;

use super::{log, world};
use crate::domain::dashboard::SourceRef;
use crate::domain::result::{Column, ColumnType};
use crate::domain::saved_query::{Body, Parameter, SavedQuery};
use crate::service::query::{Explanation, ReadTable};
use crate::service::running::RunningQuery;

/// The text of both.
const SQL: &str =
    "SELECT origin, count(*) AS flights FROM flights WHERE month = $1 GROUP BY origin ORDER BY flights DESC";

/// A saved query.
pub fn saved() -> SavedQuery {
    SavedQuery {
        id: world::QUERY.0,
        uuid: world::QUERY.1,
        name: "Departures of a month".to_owned(),
        description: "By the airport that they leave from.".to_owned(),
        source: Some(SourceRef { id: world::FLIGHTS.0, uuid: world::FLIGHTS.1 }),
        body: Body::Sql(SQL.to_owned()),
        limit: Some(100),
        parameters: vec![Parameter { name: "month".to_owned(), default: Some(json!(6)) }],
        created_at: world::MADE,
        updated_at: world::MADE,
    }
}

/// What the example of a query would do.
pub fn explanation() -> Explanation {
    let column = |name: &str, kind: ColumnType| Column { name: name.to_owned(), kind };
    let plan = [
        "Sort: flights DESC NULLS FIRST, fetch=100",
        "  Projection: flights.origin, count(Int64(1)) AS count(*) AS flights",
        "    Aggregate: groupBy=[[flights.origin]], aggr=[[count(Int64(1))]]",
        "      Projection: flights.origin",
        "        Filter: flights.month = Int64(6)",
        "          TableScan: flights projection=[month, origin]",
    ];
    Explanation {
        sql: SQL.to_owned(),
        parameters: vec![json!(6)],
        columns: vec![column("origin", ColumnType::Text), column("flights", ColumnType::Integer)],
        tables: vec![ReadTable {
            source: SourceRef { id: world::FLIGHTS.0, uuid: world::FLIGHTS.1 },
            slug: "nyc_flights".to_owned(),
            table: "flights".to_owned(),
            columns: vec!["month".to_owned(), "origin".to_owned()],
            rows: Some(336_776),
            bytes: 5_682_399,
        }],
        plan: plan.map(str::to_owned).into(),
        is_cut: false,
    }
}

/// A query of the caller's that runs.
pub fn running() -> RunningQuery {
    RunningQuery {
        request: log::request(),
        user: world::OWNER.0,
        user_uuid: world::OWNER.1,
        key_prefix: Some(world::key_text().prefix().to_owned()),
        saved: Some(world::QUERY),
        started_at: world::NOW,
        sql: Some(SQL.to_owned()),
    }
}
