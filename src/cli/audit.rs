//! `claribi audit`: what happened, and whether the log of it is what was written.

mod lines;
mod verify;
mod which;

use clap::{Args, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use self::which::Which;
use super::Globals;
use super::compose::with_instance;
use super::failure::Failure;
use super::output::Output;
use crate::domain::audit::filter::Filter;
use crate::domain::audit::{Call, Entry, Event, Flood};
use crate::domain::id::{Id, Kind, Org, RequestId, Session, User};
use crate::domain::page::{Direction, Order, SortBy};
use crate::domain::time::Timestamp;
use crate::http::wire::Hex;
use crate::http::wire::audit::AuditEntry;
use crate::service::audit::Record;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List the newest entries, newest first: of the whole instance, or of one organization.
    List(ListAudit),
    /// Show one entry with what it changed.
    Show(ShowAudit),
    /// Print entries as they are written, until it is stopped.
    Follow(lines::FollowAudit),
    /// Write all entries, oldest first.
    Export(lines::ExportAudit),
    /// Check that the log is what was written: no entry changed, removed, exchanged or cut off.
    ///
    /// Says which entry is the first that is not right, and then ends with exit code 1. Reads only, also beside a server.
    Verify(verify::VerifyAudit),
}

/// `audit list`.
#[derive(Debug, Args)]
pub struct ListAudit {
    /// How many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    which: Which,
}

/// `audit show`.
#[derive(Debug, Args)]
pub struct ShowAudit {
    /// The entry's number, or the request id of a call.
    #[arg(value_name = "ENTRY")]
    entry: String,
}

/// Runs one.
pub fn run(globals: &Globals, command: &AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List(asked) => list(globals, asked),
        AuditCommand::Show(asked) => show(globals, asked),
        AuditCommand::Follow(asked) => lines::follow(globals, asked),
        AuditCommand::Export(asked) => lines::export(globals, asked),
        AuditCommand::Verify(asked) => verify::run(globals, asked),
    }
}

/// From the newest on.
const NEWEST: Order = Order { by: SortBy::CreatedAt, direction: Direction::Descending };

fn list(globals: &Globals, asked: &ListAudit) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let filter = asked.which.filter(&instance.app)?;
        let (mut records, mut after) = (Vec::new(), None);
        loop {
            let left = asked.limit as usize - records.len();
            let (part, next) = instance.app.audit_part(filter.clone(), NEWEST, after, left, i64::MAX).await?;
            records.extend(part);
            after = next.filter(|_| records.len() < asked.limit as usize);
            if after.is_none() {
                break;
            }
        }
        let rows: Vec<Vec<String>> = records.iter().map(row).collect();
        let heading = ["no.", "time", "org", "who", "what", "object", "outcome", "from", "request"];
        output.rows(&heading, &rows, || records.into_iter().map(described).collect())
    })
}

fn show(globals: &Globals, asked: &ShowAudit) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let missing = || Failure::failed(format!("there is no entry `{}` in the log", asked.entry));
        let (filter, after) = match (RequestId::parse(&asked.entry), asked.entry.parse::<i64>()) {
            (Some(id), _) => (Filter { request: Some(id.0.into_bytes()), ..Filter::default() }, None),
            (None, Ok(seq)) if (1..i64::MAX).contains(&seq) => (Filter::default(), Some(seq + 1)),
            _ => return Err(missing()),
        };
        let (records, _) = instance.app.audit_part(filter, NEWEST, after, 1, i64::MAX).await?;
        let is_it = |record: &Record| after.is_none_or(|after| record.seq + 1 == after);
        let record = records.into_iter().find(is_it).ok_or_else(missing)?;
        let value = described(record);
        let facts: Vec<(&str, String)> = value.as_object().into_iter().flatten().filter_map(fact).collect();
        output.facts(&facts, || value.clone())
    })
}

/// A field that has a value.
fn fact<'v>((name, value): (&'v String, &Value)) -> Option<(&'v str, String)> {
    let text = match value {
        Value::Null => return None,
        Value::Array(list) if list.is_empty() => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some((name, text))
}

fn described(record: Record) -> Value {
    serde_json::to_value(AuditEntry::<Hex>::from(record)).unwrap_or_default()
}

/// An entry as it is listed.
fn row(record: &Record) -> Vec<String> {
    let mut row = vec![record.seq.to_string()];
    row.extend(match &record.entry {
        Entry::Call(call) => call_row(call),
        Entry::Event(event) => event_row(event),
        Entry::Flood(flood) => flood_row(flood),
    });
    row
}

fn call_row(call: &Call) -> Vec<String> {
    vec![
        Timestamp::from_millis(call.at_ms).to_string(),
        call.org.map_or_else(dash, prefixed::<Org>),
        who(call),
        what(call),
        call.object_id.map_or_else(dash, |id| id.to_string()),
        format!("{} {}", call.status, call.code.as_deref().unwrap_or(call.outcome.as_str())),
        call.address.to_string(),
        RequestId(Uuid::from_bytes(call.request_id)).to_string(),
    ]
}

fn flood_row(flood: &Flood) -> Vec<String> {
    vec![
        Timestamp::from_millis(flood.at_ms).to_string(),
        dash(),
        dash(),
        format!("{} calls", flood.calls()),
        dash(),
        "flood".to_owned(),
        flood.address.to_string(),
        dash(),
    ]
}

fn event_row(event: &Event) -> Vec<String> {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let text = |name: &str| detail.get(name).and_then(Value::as_str).map_or_else(dash, str::to_owned);
    let what = if event.kind == "change" { text("action") } else { event.kind.to_string() };
    vec![
        Timestamp::from_millis(event.at_ms).to_string(),
        event.org.map_or_else(dash, prefixed::<Org>),
        event.actor.clone(),
        what,
        text("object"),
        "ok".to_owned(),
        text("origin"),
        dash(),
    ]
}

fn who(call: &Call) -> String {
    match (call.key_prefix(), call.session, call.user) {
        (Some(public), _, _) => format!("key …{public}"),
        (None, Some(_), Some(user)) => prefixed::<User>(user),
        (None, Some(session), None) => prefixed::<Session>(session),
        (None, None, Some(user)) => prefixed::<User>(user),
        (None, None, None) => dash(),
    }
}

fn what(call: &Call) -> String {
    match &call.operation {
        Some(operation) => operation.to_string(),
        None => call.method.as_str().to_owned(),
    }
}

fn prefixed<K: Kind>(raw: i64) -> String {
    Id::<K>::new(raw).prefixed()
}

fn dash() -> String {
    "-".to_owned()
}
