//! Calls as an organisation's scripts make them, the same each time.

use std::net::IpAddr;

use claribi::domain::audit::entry::Word;
use claribi::domain::audit::{Call, Method, Outcome};
use claribi::domain::window::Class;

/// The organisation that is asked about; one call in ten is of another.
pub const ORG: i64 = 1;
/// Keys of that organisation: 1 and so on. What is called with the higher ones gets less and less.
pub const KEYS: i64 = 20;
/// A key that was used a hundred times in all.
pub const RARE_KEY: i64 = 77;

/// What is called, from the most frequent on.
pub const OPERATIONS: [&str; 15] = [
    "dashboards_list",
    "dashboards_get",
    "query_run",
    "usage_get",
    "data_sources_list",
    "reports_list",
    "runs_get",
    "reports_get",
    "dashboards_refresh",
    "runs_list",
    "report_templates_list",
    "dashboards_update",
    "keys_list",
    "dashboards_create",
    "audit_list",
];

/// Numbers without an order to them.
pub fn chance(number: i64, salt: u64) -> u64 {
    let mixed = (number.cast_unsigned() ^ salt << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

fn below(number: i64, salt: u64, end: i64) -> i64 {
    (chance(number, salt) % end.unsigned_abs()).cast_signed()
}

/// Most often low.
fn low(number: i64, salt: u64, end: i64) -> i64 {
    below(number, salt, end).min(below(number, salt + 1, end))
}

/// The call with this number of so many, at this time.
pub fn call(number: i64, of: i64, at_ms: i64) -> Call {
    let foreign = below(number, 1, 10) == 0;
    let key = match number % (of / 100).max(1) {
        7 => RARE_KEY,
        _ => 1 + low(number, 2, KEYS),
    };
    let (status, code, outcome) = match below(number, 4, 10_000) {
        0 => (500, Some("internal"), Outcome::Server),
        1..10 => (499, None, Outcome::Gone),
        10..80 => (403, Some("permission_missing"), Outcome::Refused),
        80..200 => (429, Some("rate_limited"), Outcome::Limited),
        200..450 => (404, Some("not_found"), Outcome::Client),
        _ => (200, None, Outcome::Ok),
    };
    let operation = OPERATIONS[usize::try_from(low(number, 5, 15)).unwrap_or(0)];
    let address = match below(number, 7, 100_000) {
        0 => [198, 51, 100, 7],
        other => [10, 0, 0, u8::try_from(other % 40).unwrap_or(0)],
    };
    let mut request_id = [0; 16];
    request_id[..8].copy_from_slice(&((at_ms << 16) | 0x7000 | (number & 0xfff)).to_be_bytes());
    request_id[8..].copy_from_slice(&chance(number, 8).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Call {
        at_ms,
        admitted_at_ms: (outcome != Outcome::Limited).then_some(at_ms + 1),
        request_id,
        org: Some(if foreign { 2 } else { ORG }),
        key_id: Some(if foreign { 100 + key } else { key }),
        lineage: Some(if foreign { 100 + key } else { key }),
        key_prefix: Some(prefix(key)),
        session: None,
        user: Some(if foreign { 50 } else { 1 + key % 5 }),
        role: Some(Word::Borrowed("analyst")),
        face: 2,
        method: Method::Get,
        operation: Some(Word::Borrowed(operation)),
        object_id: (number % 3 == 0).then_some(number % 500),
        status,
        code: code.map(Word::Borrowed),
        outcome,
        class: Class::General,
        credits: 0,
        address: IpAddr::from(address),
        latency_us: 400 + u32::try_from(low(number, 9, 20_000)).unwrap_or(0),
        bytes_in: 0,
        bytes_out: 900,
        user_agent: Some("python-requests/2.32.3".to_owned()),
        replayed: false,
        changes: Vec::new(),
    }
}

/// The public characters of a key.
pub fn prefix(key: i64) -> [u8; 8] {
    let mut prefix = *b"bench000";
    prefix[5..].copy_from_slice(format!("{key:03}").as_bytes());
    prefix
}
