//! What is left: of windows, and of credits.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::Serialize;

use super::{Spelling, Stamp};
use crate::domain::window::{Headroom, Room, WindowName};
use crate::http::face::Face;
use crate::http::limit_headers::seconds_up;
use crate::service::usage as service;

/// Credits, limits and requests.
#[derive(Serialize, Object)]
pub struct Usage {
    credits: Credits,
    limits: Limits,
    requests: Requests,
}

impl Usage {
    /// As a face tells it.
    pub fn of(usage: &service::Usage, face: Face) -> Self {
        let [last_24h, last_7d, last_30d] = usage.requests;
        Self {
            credits: usage.credits.into(),
            limits: Limits::of(usage.headroom.as_ref(), face),
            requests: Requests { last_24h, last_7d, last_30d },
        }
    }
}

/// The organization's credits in the calendar month (UTC).
#[derive(Serialize, Object)]
pub struct Credits {
    /// What can still be used.
    remaining: i64,
    used: i64,
    /// Held for work that is under way.
    reserved: i64,
    /// The month's allowance and grants.
    limit: i64,
    /// When the next month begins.
    resets_at: Stamp,
}

impl From<service::Credits> for Credits {
    fn from(service::Credits { balance, resets_at }: service::Credits) -> Self {
        Self {
            remaining: balance.remaining(),
            used: balance.used,
            reserved: balance.reserved,
            limit: balance.limit,
            resets_at: resets_at.into(),
        }
    }
}

/// The organization's requests.
#[derive(Serialize, Object)]
pub struct Requests {
    /// The first minute counts as a whole.
    last_24h: u64,
    /// The first hour counts as a whole.
    last_7d: u64,
    /// The first hour counts as a whole.
    last_30d: u64,
}

/// What is left in the windows of the credential.
#[derive(Serialize, Object)]
pub struct Limits {
    /// Requests on the platform API in a minute; told there alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    minute: Option<Window>,
    /// All requests.
    general: HourAndDay,
    /// Report runs and dashboard refreshes.
    generation: HourAndDay,
}

impl Limits {
    /// As a face tells them. Sessions are not limited by hour and day.
    pub fn of(headroom: Option<&Headroom>, face: Face) -> Self {
        let window = |name| headroom.and_then(|headroom| headroom.get(name)).map(Window::from);
        Self {
            minute: if face == Face::Platform { window(WindowName::Minute) } else { None },
            general: HourAndDay { hour: window(WindowName::Hour), day: window(WindowName::Day) },
            generation: HourAndDay { hour: window(WindowName::GenerationHour), day: window(WindowName::GenerationDay) },
        }
    }
}

/// The windows of a kind of requests.
#[derive(Serialize, Object)]
pub struct HourAndDay {
    /// The last 60 minutes; null for sessions.
    hour: Option<Window>,
    /// The last 24 hours; null for sessions.
    day: Option<Window>,
}

/// A sliding window.
#[derive(Serialize, Object)]
pub struct Window {
    limit: u32,
    /// Requests that still fit.
    remaining: u32,
    /// The second (since 1970) in which `remaining` next rises.
    reset: i64,
}

impl From<Room> for Window {
    fn from(room: Room) -> Self {
        Self { limit: room.limit, remaining: room.remaining, reset: seconds_up(room.reset_at_ms) }
    }
}

/// What keys have left of their limits now.
#[derive(Serialize, Object)]
pub struct KeyHeadrooms<I: Type + ParseFromJSON + ToJSON> {
    /// The newest first.
    keys: Vec<KeyHeadroom<I>>,
}

impl<I: Spelling> From<Vec<service::KeyHeadroom>> for KeyHeadrooms<I> {
    fn from(keys: Vec<service::KeyHeadroom>) -> Self {
        Self { keys: keys.into_iter().map(KeyHeadroom::from).collect() }
    }
}

/// What a key has left of its limits now, together with those that it was rotated from and to.
#[derive(Serialize, Object)]
pub struct KeyHeadroom<I: Type + ParseFromJSON + ToJSON> {
    key_id: I,
    name: String,
    /// `claribi_sk_live_` or `claribi_sk_test_`, and the 8 public characters.
    prefix: String,
    limits: Limits,
}

impl<I: Spelling> From<service::KeyHeadroom> for KeyHeadroom<I> {
    fn from(service::KeyHeadroom { key, headroom }: service::KeyHeadroom) -> Self {
        Self {
            key_id: I::of(key.id, key.uuid),
            prefix: key.prefix(),
            name: key.name,
            limits: Limits::of(Some(&headroom), I::FACE),
        }
    }
}
