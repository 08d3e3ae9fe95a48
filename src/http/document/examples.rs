//! Examples of bodies and ids, in each face's spelling. Every body is here by the name of its schema: an operation that
//! takes or gives a known type has its examples already.

mod answers;
mod files;
mod log;
mod metering;
mod people;
mod queries;
mod syncs;
mod world;

use serde_json::{Value, json};

use uuid::Uuid;

use crate::domain::id::{AuditEntryId, Kind};
use crate::http::face::Face;
use crate::http::wire::audit::csv_heading;
use crate::http::wire::{Hex, Integer, Spelling, UuidText};

use answers::Line;
pub use answers::{Which, of as answer};

/// An example of a request's body with this schema.
pub fn request(schema: &str, face: Face) -> Option<Value> {
    let (flights, sales) = (id(face, world::FLIGHTS), id(face, world::SALES));
    Some(match schema {
        "ChosenPassword" => json!({
            "token": format!("inv_{}", "0123456789abcdef".repeat(4)), "password": "correct horse battery",
        }),
        "DashboardPatch" => json!({"name": "Q2 Revenue", "description": "How the second quarter went."}),
        "DataSourcePatch" => json!({"name": "NYC flights 2013"}),
        "EmailChange" => json!({"current_password": "the sandbox prints it", "email": "olivia@example.com"}),
        "EmptyRequest" => json!({}),
        "KeyPatch" => json!({"name": "ci-snapshot-bot", "expires_at": "2027-01-01T00:00:00Z", "reminder_days": 90}),
        "LeakReport" => json!({"key": world::key_text().expose()}),
        "LoginRequest" => json!({"email": "owner@sandbox.example", "password": "the sandbox prints it"}),
        "NewDataSource" => json!({
            "name": "Exchange rates",
            "kind": "url",
            "connection": {"url": "https://data.example.com/rates.csv"},
            "secret": {"headers": {"Authorization": "Bearer what-opens-it"}},
            "schedule": {"cron": "0 6 * * 1-5", "time_zone": "Europe/Berlin"},
        }),
        "NewPreview" => json!({
            "kind": "url",
            "connection": {"url": "https://data.example.com/rates.csv"},
            "options": {"separator": ";", "columns": {"day": {"type": "date", "format": "%d.%m.%Y"}}},
        }),
        "NewDashboard" => json!({
            "name": "Europe",
            "description": "How Europe does.",
            "widgets": [{
                "type": "kpi", "title": "Revenue in Europe", "target": 200_000,
                "query": {
                    "data_source_id": sales,
                    "sql": "SELECT sum(amount) AS revenue FROM orders WHERE region = 'Europe'",
                },
                "format": {"style": "currency", "currency": "USD"},
                "position": {"x": 0, "y": 0, "width": 4, "height": 2},
            }],
        }),
        "NewKey" => json!({"name": "ci-snapshot-bot", "scope": "read-only", "expires_at": "2027-01-01T00:00:00Z"}),
        "NewSandbox" => json!({"name": "Acme, trying out"}),
        "NewUser" => json!({
            "email": "grace@example.com", "role": "analyst", "first_name": "Grace", "last_name": "Hopper",
        }),
        "OrganizationPatch" => json!({"name": "Acme Corp"}),
        "PasswordChange" => json!({
            "current_password": "the sandbox prints it", "new_password": "correct horse battery",
        }),
        "ProfilePatch" => json!({"first_name": "Olivia", "last_name": "Owens"}),
        "NewReport" => json!({
            "template_id": id(face, world::TEMPLATE), "data_source_ids": [flights], "output_format": "pdf",
        }),
        "QueryRequest" => json!({
            "sql": "SELECT origin, count(*) AS flights FROM flights WHERE month = $1 GROUP BY origin ORDER BY flights DESC",
            "data_source_id": flights, "limit": 100, "parameters": [6],
        }),
        "NewSavedQuery" => json!({
            "name": "Departures of a month",
            "description": "By the airport that they leave from.",
            "query": {
                "sql": "SELECT origin, count(*) AS flights FROM flights WHERE month = $1 GROUP BY origin ORDER BY flights DESC",
                "data_source_id": flights, "limit": 100,
            },
            "parameters": [{"name": "month", "default": 6}],
        }),
        "SavedQueryPatch" => json!({"name": "Departures by airport"}),
        "RefreshRequest" => json!({"refresh": "eyJhbGciOiJIUzI1NiJ9.refresh.c2lnbmF0dXJl"}),
        "ReportPatch" => json!({"name": "Flights, weekly", "output_format": "csv"}),
        "RevokeAllRequest" => json!({"everyone": false, "reason": "The laptop was lost."}),
        "RevokeRequest" => json!({"reason": "The laptop was lost."}),
        "RotateRequest" => json!({"grace_seconds": 3_600}),
        "UserPatch" => json!({"role": "analyst"}),
        "RunRequest" => json!({"format": "pdf"}),
        "TablePatch" => json!({
            "description": "The airlines that flew from New York in 2013.",
            "columns": [{"column": "carrier", "description": "The airline's code of two letters."}],
        }),
        "SetupRequest" => json!({
            "token": "what stands behind the # in the setup link", "organization": "Acme Corp",
            "email": "ada@example.com", "password": "a few unrelated words",
        }),
        _ => return None,
    })
}

/// An example of an answer that is text of this media type.
pub fn text(operation: &str, media_type: &str, face: Face) -> Option<String> {
    match (operation, media_type) {
        ("audit_export", "text/csv") => Some(format!("{}{}", csv_heading(), answers::log_line(face, Line::Csv))),
        ("audit_export", _) => Some(answers::log_line(face, Line::Json)),
        ("audit_follow", _) => {
            let line = answers::log_line(face, Line::Json);
            Some(format!("id: {}\nevent: entry\ndata: {line}\n", log::ENTRY))
        }
        ("usage_follow", _) => Some(format!("event: headroom\ndata: {}\n", answers::headroom(face)?)),
        (_, "text/csv") => Some("origin,flights\nEWR,10175\nJFK,9472\nLGA,8596\n".to_owned()),
        _ => None,
    }
}

/// An example of a variable in a path, below the collection that it stands behind.
pub fn variable(collection: &str, face: Face) -> Option<Value> {
    Some(match collection {
        "api-keys" | "keys" => id(face, world::KEY),
        "audit" | "audit-log" => id(face, (AuditEntryId::new(log::ENTRY), Uuid::nil())),
        "dashboards" => id(face, world::DASHBOARD),
        "data-sources" => id(face, world::FLIGHTS),
        "queries" => id(face, world::QUERY),
        "running" => json!(log::request().to_string()),
        "report-templates" => id(face, world::TEMPLATE),
        "reports" => id(face, world::REPORT),
        "runs" => id(face, world::RUN),
        "sessions" => id(face, world::SESSION),
        "tables" => json!("airlines"),
        "users" => id(face, world::OWNER),
        "widgets" => id(face, world::WIDGET),
        _ => return None,
    })
}

/// An id in the face's own spelling.
fn id<K: Kind>(face: Face, (id, uuid): world::Both<K>) -> Value {
    match face {
        Face::Platform => json!(Integer::of(id, uuid)),
        Face::External => json!(UuidText::of(id, uuid)),
        Face::V1 => json!(Hex::of(id, uuid)),
    }
}
