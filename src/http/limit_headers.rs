//! What responses say of limits: `X-RateLimit-*` of one window, the IETF fields of all
//! (draft-ietf-httpapi-ratelimit-headers).

use itoa::Integer;
use poem::http::{HeaderMap, HeaderName, HeaderValue};

use super::face::Face;
use crate::domain::time::Timestamp;
use crate::domain::window::{Admission, Class, Headroom, Room, Verdict, WindowName};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const MODE: HeaderName = HeaderName::from_static("x-ratelimit-mode");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const ALL: HeaderName = HeaderName::from_static("ratelimit");

/// Says that the windows of all servers did not answer, and that this one went by its own.
pub fn stamp_degraded(headers: &mut HeaderMap) {
    headers.insert(MODE, HeaderValue::from_static("degraded"));
}

/// Stamps what the windows said.
pub fn stamp(headers: &mut HeaderMap, admission: &Admission, face: Face, class: Class, now: Timestamp) {
    if let Some(room) = shown(admission, face, class) {
        headers.insert(LIMIT, HeaderValue::from(room.limit));
        headers.insert(REMAINING, HeaderValue::from(room.remaining));
        headers.insert(RESET, HeaderValue::from(seconds_up(room.reset_at_ms)));
    }
    let (policy, all) = fields(&admission.headroom, now);
    for (name, text) in [(POLICY, policy), (ALL, all)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// The one window of `X-RateLimit-*`: on 429 the one that refused; otherwise the minute on the platform face and the
/// hour of the operation's class on the others; the minute for sessions, which have no other.
fn shown(admission: &Admission, face: Face, class: Class) -> Option<Room> {
    let headroom = &admission.headroom;
    if let Verdict::Refused { window, .. } = admission.verdict {
        return headroom.get(window);
    }
    let window = match (face, class) {
        (Face::Platform, _) => WindowName::Minute,
        (_, Class::General) => WindowName::Hour,
        (_, Class::Generation) => WindowName::GenerationHour,
    };
    headroom.get(window).or_else(|| headroom.get(WindowName::Minute))
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): quota and length, rest and seconds.
fn fields(headroom: &Headroom, now: Timestamp) -> (String, String) {
    let (mut policy, mut all) = (String::with_capacity(160), String::with_capacity(160));
    for (window, room) in headroom.iter() {
        let wait = seconds_up((room.reset_at_ms - now.millis()).max(0));
        add(&mut policy, window, (";q=", room.limit), (";w=", window.length_ms() / 1000));
        add(&mut all, window, (";r=", room.remaining), (";t=", wait));
    }
    (policy, all)
}

/// Adds a window with two numbers to a field. Every answer has up to ten of these: `write!` would cost five times as much.
fn add(field: &mut String, window: WindowName, one: (&str, impl Integer), other: (&str, impl Integer)) {
    if !field.is_empty() {
        field.push_str(", ");
    }
    let mut digits = itoa::Buffer::new();
    field.push('"');
    field.push_str(window.as_str());
    field.push('"');
    field.push_str(one.0);
    field.push_str(digits.format(one.1));
    field.push_str(other.0);
    field.push_str(digits.format(other.1));
}

/// Milliseconds as seconds, rounded up: at that second the rest has risen.
pub fn seconds_up(millis: i64) -> i64 {
    millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) > 0)
}
