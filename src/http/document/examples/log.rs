//! The entry of the audit log that examples show.

use super::world::{DASHBOARD, KEY, NOW, ORG, OWNER, key_text, uuid};
use crate::domain::audit::entry::{Call, Entry};
use crate::domain::audit::{Method, Outcome};
use crate::domain::id::RequestId;
use crate::domain::window::Class;
use crate::service::audit::Record;

/// The number of an entry of the log.
pub const ENTRY: i64 = 1;

/// The request of the entry.
pub fn request() -> RequestId {
    RequestId(uuid(0x7a2b_90d0_a6e8_eb9c_cfc9))
}

/// A call by the owner's key.
pub fn entry() -> Record {
    let call = Call {
        at_ms: NOW.millis(),
        admitted_at_ms: Some(NOW.millis()),
        request_id: request().0.into_bytes(),
        org: Some(ORG.0.raw()),
        key_id: Some(KEY.0.raw()),
        lineage: Some(KEY.0.raw()),
        key_prefix: key_text().public().as_bytes().try_into().ok(),
        session: None,
        user: Some(OWNER.0.raw()),
        role: Some("owner".into()),
        face: 3,
        method: Method::Get,
        operation: Some("dashboards_get".into()),
        object_id: Some(DASHBOARD.0.raw()),
        status: 200,
        code: None,
        outcome: Outcome::Ok,
        class: Class::General,
        credits: 0,
        address: [203, 0, 113, 9].into(),
        latency_us: 1_412,
        bytes_in: 0,
        bytes_out: 2_048,
        user_agent: Some("curl/8.5.0".to_owned()),
        replayed: false,
        changes: Vec::new(),
    };
    Record { seq: ENTRY, hash: [0xa5; 32], entry: Entry::Call(Box::new(call)), changes: Vec::new() }
}
