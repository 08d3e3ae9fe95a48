//! `claribi audit`: what happened, and whether the log of it is what was written.

mod verify;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Globals;
use super::compose::with_instance;
use super::failure::Failure;
use super::operator::OrgOption;
use super::output::Output;
use crate::domain::audit::{Call, Entry, Event};
use crate::domain::id::{Kind, Org, RequestId, Session, User};
use crate::domain::time::Timestamp;
use crate::http::face::Face;
use crate::store::audit::entries::{self, Link};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List the newest entries, newest first: of the whole instance, or of one organization.
    List(ListAudit),
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
    org: OrgOption,
}

/// Runs one.
pub fn run(globals: &Globals, command: &AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List(asked) => list(globals, asked),
        AuditCommand::Verify(asked) => verify::run(globals, asked),
    }
}

fn list(globals: &Globals, list: &ListAudit) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    with_instance(globals, async |instance| {
        let org = match &list.org.org {
            Some(_) => Some(list.org.find(&instance.app)?.id),
            None => None,
        };
        let links = instance.app.store.read_audit_now(|db| Ok(entries::newest(db, org, list.limit)?))?;
        let shown: Vec<Shown> = links.iter().map(Shown::of).collect();
        let rows: Vec<Vec<String>> = shown.iter().map(Shown::row).collect();
        let heading = ["no.", "time", "org", "who", "what", "object", "outcome", "from", "request"];
        output.rows(&heading, &rows, || shown.iter().map(Shown::described).collect())
    })
}

/// An entry as it is listed.
struct Shown {
    seq: i64,
    entry: Option<Entry>,
}

impl Shown {
    fn of(link: &Link) -> Self {
        Self { seq: link.seq, entry: link.entry() }
    }

    fn row(&self) -> Vec<String> {
        let mut row = vec![self.seq.to_string()];
        row.extend(match &self.entry {
            Some(Entry::Call(call)) => call_row(call),
            Some(Entry::Event(event)) => event_row(event),
            None => vec!["unreadable".to_owned()],
        });
        row
    }

    fn described(&self) -> Value {
        match &self.entry {
            Some(Entry::Call(call)) => call_described(self.seq, call),
            Some(Entry::Event(event)) => json!({
                "seq": self.seq,
                "type": event.kind,
                "at": Timestamp::from_millis(event.at_ms),
                "organization": event.org.map(prefixed::<Org>),
                "actor": event.actor,
                "detail": detail(event),
            }),
            None => json!({"seq": self.seq, "type": "unreadable"}),
        }
    }
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
        request(call),
    ]
}

fn call_described(seq: i64, call: &Call) -> Value {
    json!({
        "seq": seq,
        "type": "call",
        "at": Timestamp::from_millis(call.at_ms),
        "organization": call.org.map(prefixed::<Org>),
        "user": call.user.map(prefixed::<User>),
        "session": call.session.map(prefixed::<Session>),
        "key_prefix": call.key_prefix(),
        "role": call.role,
        "face": face(call),
        "method": call.method.as_str(),
        "operation": call.operation,
        "object_id": call.object_id,
        "status": call.status,
        "code": call.code,
        "outcome": call.outcome.as_str(),
        "credits": call.credits,
        "address": call.address,
        "latency_ms": f64::from(call.latency_us) / 1_000.0,
        "bytes_in": call.bytes_in,
        "bytes_out": call.bytes_out,
        "user_agent": call.user_agent,
        "request_id": request(call),
        "changes": call.changes.iter().map(hex::encode).collect::<Vec<_>>(),
    })
}

fn event_row(event: &Event) -> Vec<String> {
    let detail = detail(event);
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

fn detail(event: &Event) -> Value {
    serde_json::from_str(&event.detail).unwrap_or_else(|_| Value::String(event.detail.clone()))
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

fn face(call: &Call) -> Option<&'static str> {
    Face::ALL.into_iter().find(|face| face.number() == call.face).map(Face::name)
}

fn request(call: &Call) -> String {
    RequestId(Uuid::from_bytes(call.request_id)).to_string()
}

fn prefixed<K: Kind>(raw: i64) -> String {
    crate::domain::id::Id::<K>::new(raw).prefixed()
}

fn dash() -> String {
    "-".to_owned()
}
