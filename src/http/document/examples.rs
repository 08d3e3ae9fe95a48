//! Examples of request bodies, with ids as the face spells them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::id::{Id, Kind, SourceId, TemplateId};
use crate::http::face::Face;

/// An example of an operation's request body.
pub fn request(operation: &str, face: Face) -> Option<Value> {
    Some(match operation {
        "auth_login" => json!({"email": "you@example.com", "password": "your-password"}),
        "auth_refresh" => json!({"refresh": "eyJ0eXAi..."}),
        "dashboards_create" => json!({
            "name": "Q2 Revenue",
            "description": "How the quarter goes.",
            "widgets": [{
                "type": "kpi", "title": "Revenue", "target": 1_000_000,
                "query": {"data_source_id": id(face, SourceId::new(2)), "sql": "SELECT sum(amount) FROM orders"},
                "format": {"style": "currency", "currency": "USD"},
                "position": {"x": 0, "y": 0, "width": 4, "height": 2},
            }],
        }),
        "dashboards_update" => json!({"name": "Q3 Revenue", "description": "How the next quarter goes."}),
        "data_sources_update" => json!({"name": "NYC flights 2013"}),
        "reports_update" => json!({"name": "Flights, weekly", "output_format": "csv"}),
        "keys_create" => json!({
            "name": "ci-snapshot-bot", "scope": "read-only", "expires_at": "2027-01-01T00:00:00Z",
        }),
        "keys_revoke" => json!({"reason": "The laptop was lost."}),
        "query_run" => json!({
            "sql": "SELECT origin, count(*) AS flights FROM flights WHERE month = $1 GROUP BY origin ORDER BY flights DESC",
            "data_source_id": id(face, SourceId::new(1)), "limit": 100, "parameters": [6],
        }),
        "reports_create" | "reports_generate" => json!({
            "template_id": id(face, TemplateId::new(1)), "data_source_ids": [id(face, SourceId::new(1))],
            "output_format": "pdf",
        }),
        "reports_run" => json!({"format": "pdf"}),
        _ => return None,
    })
}

/// An id in the face's own spelling.
fn id<K: Kind>(face: Face, id: Id<K>) -> Value {
    match face {
        Face::Platform => id.raw().into(),
        Face::External => {
            let low = u128::from(id.raw().unsigned_abs());
            Uuid::from_u128(0x0196_0a8f_4d2e_7c3b_9a51_0000_0000_0000 | low).to_string().into()
        }
        Face::V1 => id.prefixed().into(),
    }
}
