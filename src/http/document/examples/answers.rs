//! Examples of answers, by the name of their schema: wire types made of the domain's values as handlers make them, and
//! written as the server writes them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::super::SERVER;
use super::{files, log, metering, people, queries, syncs, world};
use crate::domain::id::{Kind, RequestId};
use crate::domain::page::{More, Page};
use crate::domain::report::RunStatus;
use crate::domain::result::{Cell, ColumnType};
use crate::domain::source::SourceStatus;
use crate::domain::sync::SyncStatus;
use crate::domain::user::Purpose;
use crate::http::exchange::Exchange;
use crate::http::face::Face;
use crate::http::reply::{CreatedOrAccepted, Raw};
use crate::http::wire::audit::{AuditEntry, csv_line, json_line};
use crate::http::wire::catalog::{DataSourceTable, DataSourceTables, TableProfile};
use crate::http::wire::credits::{Estimate, LedgerEntry};
use crate::http::wire::dashboard::{Dashboard, DashboardSummary, Refreshed};
use crate::http::wire::explanation::QueryExplanation;
use crate::http::wire::import::Preview;
use crate::http::wire::key::{Key, KeyActivity, Received, RevokedKeys};
use crate::http::wire::limits::{KeyHeadroom, KeyHeadrooms, Usage};
use crate::http::wire::organization::Organization;
use crate::http::wire::query::{QueryResult, ResultColumn};
use crate::http::wire::report::{Generated, QueuedRun, Report, ReportTemplate, Run};
use crate::http::wire::running::{CanceledQuery, RunningQueries};
use crate::http::wire::saved_query::SavedQuery;
use crate::http::wire::session::{AccessToken, Session, Status, Tokens, Verification};
use crate::http::wire::source::DataSource;
use crate::http::wire::sync::DataSourceSync;
use crate::http::wire::usage::{UsageOfKeys, UsageOfOperations, UsageOfUsers, UsageSeries};
use crate::http::wire::user::{OneTimeLink, User};
use crate::http::wire::widget::Widget;
use crate::http::wire::{Counted, Deleted, Hex, Integer, Listing, Spelling, UuidText};
use crate::service::sessions;

/// Which answer of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The operation.
    pub operation: &'a str,
    /// The answer's schema.
    pub schema: &'a str,
    /// Its status.
    pub status: u16,
}

/// An example of an answer on a face.
pub fn of(which: Which<'_>, face: Face) -> Option<Value> {
    match face {
        Face::Platform => spelled::<Integer>(which),
        Face::External => spelled::<UuidText>(which),
        Face::V1 => spelled::<Hex>(which),
    }
}

fn spelled<I: Spelling>(which: Which<'_>) -> Option<Value> {
    match which.schema.strip_suffix("Page") {
        Some(schema) => page::<I>(one::<I>(Which { schema, ..which })?),
        None => one::<I>(which),
    }
}

fn one<I: Spelling>(Which { operation, schema, status }: Which<'_>) -> Option<Value> {
    let exchange = exchange(I::FACE);
    match schema {
        "AuditEntry" => written(&AuditEntry::<I>::from(log::entry())),
        "AccessToken" => written(&AccessToken { access: token("access") }),
        "Dashboard" => written(&Dashboard::<I>::from(world::dashboard())),
        "DashboardSummary" => written(&DashboardSummary::<I>::from(world::dashboard())),
        "DataSource" if status == 202 => written(&DataSource::<I>::from(world::source(SourceStatus::Syncing))),
        "DataSource" => written(&DataSource::<I>::from(world::source(SourceStatus::Active))),
        "DataSourceTables" => written(&DataSourceTables::<I>::from(world::source(SourceStatus::Active))),
        "DataSourceTable" => world::source(SourceStatus::Active)
            .catalog()
            .into_iter()
            .next()
            .and_then(|table| written(&DataSourceTable::from(table))),
        "TableProfile" => written(&TableProfile::from(files::profile())),
        "DataSourceSync" if status == 202 => written(&DataSourceSync::<I>::of(syncs::asked_for(SyncStatus::Running))),
        "DataSourceSync" => written(&DataSourceSync::<I>::of(syncs::asked_for(SyncStatus::Succeeded))),
        "Deleted" => written(&Deleted::of(deleted::<I>(operation)?)),
        "Estimate" => written(&Estimate::from(metering::estimate())),
        "KeyHeadrooms" => written(&KeyHeadrooms::<I>::from(vec![metering::headroom()])),
        "LedgerEntry" => written(&LedgerEntry::<I>::from(metering::settled())),
        "Generated" if status == 202 => generated::<I>(RunStatus::Running, &exchange),
        "Generated" => generated::<I>(RunStatus::Succeeded, &exchange),
        "ApiKey" if operation == "keys_rotate" => {
            written(&Key::<I>::made((world::successor(), world::key_text()), world::NOW))
        }
        "ApiKey" if status == 201 => written(&Key::<I>::made((world::key(), world::key_text()), world::NOW)),
        "ApiKey" if operation == "keys_revoke" => written(&Key::<I>::of(world::revoked_key(), world::NOW)),
        "ApiKey" => written(&Key::<I>::of(world::used_key(), world::NOW)),
        "KeyActivity" => written(&KeyActivity::from(world::activity())),
        "OneTimeLink" => written(&OneTimeLink::of(&people::link(Purpose::Reset), &exchange)),
        "Session" => written(&Session::<I>::of(&people::session(), &world::caller())),
        "User" if operation == "users_create" || operation == "users_invite" => {
            written(&User::<I>::invited((people::invited(), people::link(Purpose::Invitation)), &exchange))
        }
        "Organization" => written(&Organization::<I>::from(world::organization())),
        "Preview" => written(&Preview::from(vec![files::preview()])),
        "QueryResult" => written(&query_result()),
        "QueryExplanation" => written(&QueryExplanation::<I>::from(queries::explanation())),
        "CanceledQuery" => written(&CanceledQuery::from(log::request())),
        "RunningQueries" => written(&RunningQueries::<I>::from(vec![queries::running()])),
        "SavedQuery" => written(&SavedQuery::<I>::from(queries::saved())),
        "QueuedRun" => written(&QueuedRun::<I>::from(world::run(RunStatus::Queued))),
        "Refreshed" => written(&Refreshed::<I>::of(world::refresh(), &exchange)),
        "Report" => written(&Report::<I>::of(world::report(), &exchange)),
        "ReportTemplate" => written(&ReportTemplate::<I>::from(world::template())),
        "Received" => written(&Received { received: true }),
        "RevokedKeys" => written(&RevokedKeys { revoked: 2 }),
        "Run" => written(&Run::<I>::of(world::run(RunStatus::Succeeded), &exchange)),
        "Status" => written(&Status::<I>::of(&world::caller(), &world::balance())),
        "Tokens" => written(&Tokens::from(sessions::Tokens { access: token("access"), refresh: token("refresh") })),
        "UsageOfKeys" => written(&UsageOfKeys::<I>::from(metering::ranking(world::key().key))),
        "UsageOfOperations" => written(&UsageOfOperations::from(metering::ranking("dashboards_list".to_owned()))),
        "UsageOfUsers" => written(&UsageOfUsers::<I>::from(metering::ranking(people::user()))),
        "UsageSeries" => written(&UsageSeries::from(metering::series())),
        "Usage" => written(&Usage::of(&world::usage(), I::FACE)),
        "User" => written(&User::<I>::from(people::user())),
        "Verification" => written(&Verification::<I>::of(&world::caller(), world::verified())),
        "Widget" => written(&Widget::<I>::from(world::kpi())),
        _ => None,
    }
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    /// JSON.
    Json,
    /// CSV.
    Csv,
}

/// An entry of the log as a line.
pub fn log_line(face: Face, line: Line) -> String {
    fn spelled<I: Spelling>(line: Line) -> String {
        match line {
            Line::Json => json_line::<I>(log::entry()),
            Line::Csv => csv_line::<I>(log::entry()),
        }
    }
    match face {
        Face::Platform => spelled::<Integer>(line),
        Face::External => spelled::<UuidText>(line),
        Face::V1 => spelled::<Hex>(line),
    }
}

/// What a key has left, as an event has it.
pub fn headroom(face: Face) -> Option<String> {
    fn one<I: Spelling>() -> Option<String> {
        serde_json::to_string(&KeyHeadroom::<I>::from(metering::headroom())).ok()
    }
    match face {
        Face::Platform => one::<Integer>(),
        Face::External => one::<UuidText>(),
        Face::V1 => one::<Hex>(),
    }
}

/// A list of one entry, in the face's shape.
fn page<I: Spelling>(entry: Value) -> Option<Value> {
    let items = vec![entry];
    match I::FACE {
        Face::Platform => {
            let page = Page { items, more: More::Count { total: 1, page: 1, size: 20 } };
            written(&Counted::of(page, &exchange(I::FACE)))
        }
        Face::External | Face::V1 => written(&Listing::from(Page { items, more: More::Cursor(None) })),
    }
}

/// What an operation deletes.
fn deleted<I: Spelling>(operation: &str) -> Option<I> {
    fn spell<I: Spelling, K: Kind>((id, uuid): world::Both<K>) -> Option<I> {
        Some(I::of(id, uuid))
    }
    match operation.rsplit_once('_')?.0 {
        "dashboards" => spell(world::DASHBOARD),
        "data_sources" => spell(world::FLIGHTS),
        "keys" => spell(world::KEY),
        "queries" => spell(world::QUERY),
        "reports" => spell(world::REPORT),
        "sessions" => spell(world::SESSION),
        "users" => spell(world::OWNER),
        _ => None,
    }
}

fn generated<I: Spelling>(status: RunStatus, exchange: &Exchange) -> Option<Value> {
    match Generated::<I>::of(world::run(status), exchange).ok()? {
        CreatedOrAccepted::Created(generated) | CreatedOrAccepted::Accepted(generated) => written(&generated),
    }
}

/// The answer to the example of a query.
fn query_result() -> QueryResult {
    let columns = [("origin", ColumnType::Text), ("flights", ColumnType::Integer)];
    let rows = [("EWR", 10_175), ("JFK", 9_472), ("LGA", 8_596)];
    let cells = rows.map(|(origin, flights)| [Cell::Text(origin.to_owned()), Cell::Integer(flights)]);
    let raw = |cell: &Cell| to_raw_value(cell).ok().map(Raw);
    QueryResult {
        columns: columns.map(|(name, kind)| ResultColumn { name: name.to_owned(), kind: kind.into() }).into(),
        row_count: cells.len() as u64,
        rows: cells.iter().map(|row| row.iter().filter_map(raw).collect()).collect(),
        truncated: false,
        elapsed_ms: 17,
        notes: None,
    }
}

/// The look of a token, which is no token.
fn token(what: &str) -> String {
    format!("eyJhbGciOiJIUzI1NiJ9.{what}.c2lnbmF0dXJl")
}

/// The request that is answered.
fn exchange(face: Face) -> Exchange {
    let request = RequestId(uuid::Uuid::from_u128(0x0196_0a8f_4d2e_7c3b_9a51_6f0e_8d7c_4b2a));
    Exchange { origin: SERVER.to_owned().into(), ..Exchange::begun(face, Arc::default(), request, world::NOW) }
}

fn written(answer: &impl Serialize) -> Option<Value> {
    serde_json::to_value(answer).ok()
}
