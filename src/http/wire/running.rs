//! Running queries on the wire.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;

use super::{Spelling, Stamp};
use crate::domain::id::RequestId;
use crate::service::running as service;

/// The queries of the organization that run or wait for their turn.
#[derive(Serialize, Object)]
pub struct RunningQueries<I: Type + ParseFromJSON + ToJSON> {
    /// The earliest first.
    queries: Vec<RunningQuery<I>>,
}

/// A query that runs or waits for its turn.
#[derive(Serialize, Object)]
pub struct RunningQuery<I: Type + ParseFromJSON + ToJSON> {
    /// The `X-Request-Id` of the request that asked for it, which the audit log has too.
    id: String,
    /// Whose request that was.
    user_id: I,
    /// The printed prefix of the API key that was used; null in a session.
    key_prefix: Option<String>,
    /// The saved query that it is.
    query_id: Option<I>,
    /// Its text, where it is the caller's own.
    sql: Option<String>,
    started_at: Stamp,
}

impl<I: Spelling> From<Vec<service::RunningQuery>> for RunningQueries<I> {
    fn from(running: Vec<service::RunningQuery>) -> Self {
        Self { queries: running.into_iter().map(RunningQuery::from).collect() }
    }
}

impl<I: Spelling> From<service::RunningQuery> for RunningQuery<I> {
    fn from(query: service::RunningQuery) -> Self {
        Self {
            id: query.request.to_string(),
            user_id: I::of(query.user, query.user_uuid),
            key_prefix: query.key_prefix,
            query_id: query.saved.map(|(id, uuid)| I::of(id, uuid)),
            sql: query.sql,
            started_at: query.started_at.into(),
        }
    }
}

/// A query that was called off.
#[derive(Serialize, Object)]
pub struct CanceledQuery {
    id: String,
    /// Always true.
    canceled: bool,
}

impl From<RequestId> for CanceledQuery {
    fn from(request: RequestId) -> Self {
        Self { id: request.to_string(), canceled: true }
    }
}
