//! Entries of the audit log on the wire: as JSON on every face, and as rows of CSV.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::{Spelling, Stamp};
use crate::domain::audit::Outcome;
use crate::domain::audit::{Call, Entry, Event, Flood};
use crate::domain::id::{
    AuditEntryId, DashboardId, KeyId, OrgId, ReportId, RequestId, RunId, SessionId, SourceId, TemplateId, UserId,
};
use crate::domain::time::Timestamp;
use crate::domain::window::Class;
use crate::http::conditional::Tagged;
use crate::http::face::Face;
use crate::http::reply::Raw;
use crate::http::routes;
use crate::service::audit::{Record, RecordedChange};

/// An entry of the audit log: a call, or an event that no call was.
#[derive(Serialize, Object)]
pub struct AuditEntry<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    /// Its number: entries are numbered without gaps, in the order in which they were written.
    seq: i64,
    /// `call`, or what an event is: `change`, `stream_end`, `key_sent_in_clear`.
    r#type: String,
    /// When the call arrived or the event happened.
    at: Stamp,
    organization_id: Option<I>,
    /// Of a call.
    request_id: Option<String>,
    /// How the caller came in: `key`, `session`, `none`, or `refused` when the credential was.
    auth: Option<String>,
    key_id: Option<I>,
    /// The public characters of the key that was shown, good or not.
    key_prefix: Option<String>,
    session_id: Option<I>,
    user_id: Option<I>,
    /// The user's role then.
    role: Option<String>,
    /// Who an event's doer is.
    actor: Option<String>,
    address: Option<String>,
    /// Where the call was made: `api`, `api-v1` or `v1`.
    face: Option<String>,
    method: Option<String>,
    /// Null for a path that leads nowhere.
    operation: Option<String>,
    /// The operation's path, with the names of its variables.
    path: Option<String>,
    /// The first object in the path.
    object_id: Option<I>,
    status: Option<u16>,
    /// The error's code.
    code: Option<String>,
    /// `ok`, `refused`, `limited`, `client`, `server` or `gone`.
    outcome: Option<String>,
    /// `general` or `generation`.
    class: Option<String>,
    /// Whether it counts in the windows of limits, as one request.
    counted: Option<bool>,
    credits: Option<i64>,
    latency_ms: Option<f64>,
    bytes_in: Option<u64>,
    bytes_out: Option<u64>,
    user_agent: Option<String>,
    /// Whether it was answered like an earlier request with its Idempotency-Key.
    replayed: Option<bool>,
    /// What it changed.
    changes: Vec<AuditChange>,
    /// What else an event tells.
    detail: Option<Raw>,
    /// SHA-256 over the entry and the one before, in hexadecimal digits.
    hash: String,
}

/// What a call or event changed.
#[derive(Serialize, Object)]
pub struct AuditChange {
    /// `<resource>.<verb>`.
    action: String,
    /// The object's id with its prefix.
    object: String,
    actor: String,
    /// What it was, without secrets.
    before: Option<Raw>,
    /// What it is, without secrets.
    after: Option<Raw>,
    /// SHA-256 over the change, which the entry's hash covers.
    digest: String,
}

impl<I: Spelling> Tagged for AuditEntry<I> {}

impl From<RecordedChange> for AuditChange {
    fn from(change: RecordedChange) -> Self {
        let raw = |value: Option<serde_json::Value>| value.and_then(|value| to_raw_value(&value).ok()).map(Raw);
        Self {
            action: change.action,
            object: change.object,
            actor: change.actor,
            before: raw(change.before),
            after: raw(change.after),
            digest: hex::encode(change.digest),
        }
    }
}

impl<I: Spelling> From<Record> for AuditEntry<I> {
    fn from(record: Record) -> Self {
        let Record { seq, hash, entry, changes } = record;
        let changes = changes.into_iter().map(AuditChange::from).collect();
        let base = Self { hash: hex::encode(hash), changes, ..Self::empty(seq, entry.at_ms(), entry.org()) };
        match entry {
            Entry::Call(call) => base.of_call(*call),
            Entry::Event(event) => base.of_event(event),
            Entry::Flood(flood) => base.of_flood(&flood),
        }
    }
}

impl<I: Spelling> AuditEntry<I> {
    fn empty(seq: i64, at_ms: i64, org: Option<i64>) -> Self {
        Self {
            id: I::of(AuditEntryId::new(seq), Uuid::nil()),
            seq,
            r#type: String::new(),
            at: Stamp(Timestamp::from_millis(at_ms)),
            organization_id: org.map(|org| I::of(OrgId::new(org), Uuid::nil())),
            request_id: None,
            auth: None,
            key_id: None,
            key_prefix: None,
            session_id: None,
            user_id: None,
            role: None,
            actor: None,
            address: None,
            face: None,
            method: None,
            operation: None,
            path: None,
            object_id: None,
            status: None,
            code: None,
            outcome: None,
            class: None,
            counted: None,
            credits: None,
            latency_ms: None,
            bytes_in: None,
            bytes_out: None,
            user_agent: None,
            replayed: None,
            changes: Vec::new(),
            detail: None,
            hash: String::new(),
        }
    }

    fn of_call(self, call: Call) -> Self {
        let face = Face::ALL.into_iter().find(|face| face.number() == call.face);
        let path = face.zip(call.operation.as_deref()).and_then(|(face, operation)| routes::template(face, operation));
        Self {
            r#type: "call".to_owned(),
            request_id: Some(RequestId(Uuid::from_bytes(call.request_id)).to_string()),
            auth: Some(auth(&call).to_owned()),
            key_id: call.key_id.map(|id| I::of(KeyId::new(id), Uuid::nil())),
            key_prefix: call.key_prefix().map(str::to_owned),
            session_id: call.session.map(|id| I::of(SessionId::new(id), Uuid::nil())),
            user_id: call.user.map(|id| I::of(UserId::new(id), Uuid::nil())),
            address: Some(call.address.to_string()),
            face: face.map(|face| face.name().to_owned()),
            method: Some(call.method.as_str().to_owned()),
            object_id: call.object_id.zip(path).and_then(|(id, path)| object(id, path)),
            path: path.map(str::to_owned),
            status: Some(call.status),
            outcome: Some(call.outcome.as_str().to_owned()),
            class: Some(if call.class == Class::General { "general" } else { "generation" }.to_owned()),
            counted: Some(call.counted()),
            credits: Some(call.credits),
            latency_ms: Some(f64::from(call.latency_us) / 1_000.0),
            bytes_in: Some(call.bytes_in),
            bytes_out: Some(call.bytes_out),
            replayed: Some(call.replayed),
            role: call.role.map(Into::into),
            operation: call.operation.map(Into::into),
            code: call.code.map(Into::into),
            user_agent: call.user_agent,
            ..self
        }
    }

    fn of_flood(self, flood: &Flood) -> Self {
        let each = Outcome::ALL.iter().zip(flood.outcomes).filter(|(_, count)| *count > 0);
        let outcomes: serde_json::Map<String, serde_json::Value> =
            each.map(|(outcome, count)| (outcome.as_str().to_owned(), count.into())).collect();
        let until = Timestamp::from_millis(flood.until_ms).to_string();
        let detail = serde_json::json!({"calls": flood.calls(), "outcomes": outcomes, "until": until});
        Self {
            r#type: "flood".to_owned(),
            address: Some(flood.address.to_string()),
            bytes_in: Some(flood.bytes_in),
            bytes_out: Some(flood.bytes_out),
            detail: to_raw_value(&detail).ok().map(Raw),
            ..self
        }
    }

    fn of_event(self, event: Event) -> Self {
        // What was written is JSON; what somebody else wrote is shown as the text that it is.
        let detail =
            serde_json::value::RawValue::from_string(event.detail.clone()).or_else(|_| to_raw_value(&event.detail));
        Self { r#type: event.kind.into_owned(), actor: Some(event.actor), detail: detail.ok().map(Raw), ..self }
    }
}

/// How a caller came in, as far as the row tells.
fn auth(call: &Call) -> &'static str {
    match (call.key_id, call.session, call.user, call.status) {
        (Some(_), ..) => "key",
        (None, Some(_), ..) => "session",
        (None, None, None, 401) if call.code.as_deref() != Some("credentials_missing") => "refused",
        _ => "none",
    }
}

/// The object of a path, in the spelling of its kind.
fn object<I: Spelling>(id: i64, path: &str) -> Option<I> {
    let nil = Uuid::nil();
    let collection = path.split('/').zip(path.split('/').skip(1)).find(|(_, next)| next.starts_with('{'))?.0;
    Some(match collection {
        "dashboards" => I::of(DashboardId::new(id), nil),
        "reports" => I::of(ReportId::new(id), nil),
        "runs" => I::of(RunId::new(id), nil),
        "report-templates" => I::of(TemplateId::new(id), nil),
        "data-sources" => I::of(SourceId::new(id), nil),
        "keys" | "api-keys" => I::of(KeyId::new(id), nil),
        "users" => I::of(UserId::new(id), nil),
        "sessions" => I::of(SessionId::new(id), nil),
        "audit" | "audit-log" => I::of(AuditEntryId::new(id), nil),
        _ => return None,
    })
}

/// The columns of the log as CSV: the fields of an entry, with those that are no plain values as JSON.
pub const COLUMNS: [&str; 33] = [
    "id",
    "seq",
    "type",
    "at",
    "organization_id",
    "request_id",
    "auth",
    "key_id",
    "key_prefix",
    "session_id",
    "user_id",
    "role",
    "actor",
    "address",
    "face",
    "method",
    "operation",
    "path",
    "object_id",
    "status",
    "code",
    "outcome",
    "class",
    "counted",
    "credits",
    "latency_ms",
    "bytes_in",
    "bytes_out",
    "user_agent",
    "replayed",
    "changes",
    "detail",
    "hash",
];

/// An entry as a line of JSON, with its end.
pub fn json_line<I: Spelling>(record: Record) -> String {
    // Wire types are plain: they are always written.
    let mut line = serde_json::to_string(&AuditEntry::<I>::from(record)).unwrap_or_default();
    line.push('\n');
    line
}

/// The heading of the log as CSV.
pub fn csv_heading() -> String {
    csv(COLUMNS.iter().map(|column| (*column).to_owned()))
}

/// An entry as a line of CSV, with its end.
pub fn csv_line<I: Spelling>(record: Record) -> String {
    let entry = serde_json::to_value(AuditEntry::<I>::from(record)).unwrap_or_default();
    csv(COLUMNS.iter().map(|column| match &entry[*column] {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => harmless(text),
        serde_json::Value::Array(list) if list.is_empty() => String::new(),
        other => other.to_string(),
    }))
}

/// A text that no spreadsheet takes for a formula: what begins like one is put behind an apostrophe (OWASP, "CSV
/// injection").
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// A line as RFC 4180 has it.
fn csv(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    });
    let mut line = quoted.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::Hex;

    fn record(user_agent: &str) -> Record {
        let call = Call {
            at_ms: 1_800_000_000_000,
            admitted_at_ms: None,
            request_id: [7; 16],
            org: Some(1),
            key_id: Some(42),
            lineage: Some(42),
            key_prefix: Some(*b"Ab3dE5gH"),
            session: None,
            user: Some(2),
            role: Some("owner".into()),
            face: 3,
            method: crate::domain::audit::Method::Get,
            operation: Some("dashboards_get".into()),
            object_id: Some(42),
            status: 200,
            code: None,
            outcome: Outcome::Ok,
            class: Class::General,
            credits: 0,
            address: [127, 0, 0, 1].into(),
            latency_us: 1_500,
            bytes_in: 0,
            bytes_out: 10,
            user_agent: Some(user_agent.to_owned()),
            replayed: false,
            changes: Vec::new(),
        };
        Record { seq: 10, hash: [0; 32], entry: Entry::Call(Box::new(call)), changes: Vec::new() }
    }

    #[test]
    fn a_line_of_json_has_the_fields_of_the_csv_and_ids_in_the_spelling_of_the_face() {
        let value: serde_json::Value = serde_json::from_str(&json_line::<Hex>(record("curl/8"))).unwrap();
        let names: std::collections::BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, COLUMNS.into_iter().collect());
        assert_eq!(
            (&value["id"], &value["key_id"], &value["object_id"]),
            (&"log_a".into(), &"key_2a".into(), &"d_2a".into())
        );
        assert_eq!((&value["path"], &value["auth"]), (&"/v1/dashboards/{id}".into(), &"key".into()));
    }

    #[test]
    fn cells_that_look_like_formulas_are_made_harmless_and_others_stay() {
        for (sent, kept) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("curl/8.9", "curl/8.9"),
        ] {
            let line = csv_line::<Hex>(record(sent));
            let position = COLUMNS.iter().position(|column| *column == "user_agent").unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let row = reader.records().next().unwrap().unwrap();
            assert_eq!((&row[position], row.len()), (kept, COLUMNS.len()), "{line}");
        }
        let quoted = csv_line::<Hex>(record("a \"b\", c"));
        assert!(quoted.contains("\"a \"\"b\"\", c\""), "{quoted}");
    }
}
