//! API keys on the wire: a key, and the one that is to be made. What else is asked of keys is in `asked`.

mod asked;

use poem_openapi::types::{MaybeUndefined, ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

pub use asked::{
    KeyActivity, KeyPatch, LeakReport, Received, RevokeAllRequest, RevokeRequest, RevokedKeys, RotateRequest,
};

use super::{Spelling, Stamp};
use crate::domain::access;
use crate::domain::key::{self as domain, OLD_DAYS};
use crate::domain::key_text::{self, KeyText};
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::http::conditional::Tagged;
use crate::service::keys as service;

/// An API key.
#[derive(Serialize, Object)]
#[oai(rename = "ApiKey")]
pub struct Key<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    /// The key itself, in the answer that makes it and nowhere else; null where that answer is given again.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    key: MaybeUndefined<String>,
    /// `claribi_sk_live_` or `claribi_sk_test_`, and the 8 public characters.
    prefix: String,
    name: String,
    /// Null for a key that was given a list of permissions.
    scope: Option<Scope>,
    /// What the key may do now, by its owner's role.
    permissions: Vec<String>,
    environment: Environment,
    status: KeyStatus,
    /// What to look at.
    flags: Vec<KeyFlag>,
    created_at: Stamp,
    /// The e-mail of the owner, whose rights the key has.
    created_by: String,
    /// From this instant on it is refused; null: never.
    expires_at: Option<Stamp>,
    /// Null when it never was.
    last_used: Option<LastUsed>,
    /// Requests that it and the keys of its rotations were used for.
    usage_count: u64,
    /// Whole days since it was made.
    age_days: i64,
    /// Whether it is older than 90 days.
    age_warning: bool,
    /// The rotation that it is, or was, part of; null for a key that never was in one.
    rotation: Option<Rotation<I>>,
    /// Networks it may be used from; empty: from anywhere.
    ip_allowlist: Vec<String>,
    /// Limits of its own, below those of the plan; null without any.
    limits: Option<KeyLimits>,
    /// Days between reminders of it; null: none.
    reminder_days: Option<u32>,
    /// When the next reminder is due.
    next_reminder_at: Option<Stamp>,
}

impl<I: Spelling> Key<I> {
    /// A key as it stands at `now`.
    pub fn of(view: service::KeyView, now: Timestamp) -> Self {
        let service::KeyView { key, permissions, usage, calls } = view;
        let age_days = key.age_days(now);
        let flags = key.flags(now, usage.as_ref().map(|usage| usage.last_at));
        Self {
            id: I::of(key.id, key.uuid),
            key: MaybeUndefined::Undefined,
            prefix: key.prefix(),
            scope: key.grant.scope().map(Scope::from),
            permissions: permissions.iter().map(|permission| permission.as_str().to_owned()).collect(),
            environment: key.environment.into(),
            status: key.status(now).into(),
            flags: flags.into_iter().map(KeyFlag::from).collect(),
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Stamp::from),
            usage_count: calls,
            last_used: usage.map(LastUsed::from),
            age_days,
            age_warning: age_days > OLD_DAYS,
            rotation: key.rotation.map(Rotation::from),
            ip_allowlist: key.allowlist.iter().map(ToString::to_string).collect(),
            limits: (!key.limits.is_empty()).then(|| key.limits.into()),
            reminder_days: key.reminder.map(|reminder| reminder.days),
            next_reminder_at: key.reminder.map(|reminder| reminder.next(now).into()),
            name: key.name,
            created_by: key.owner_email,
        }
    }

    /// A key that was just made, with its text.
    pub fn made((view, text): (service::KeyView, KeyText), now: Timestamp) -> Self {
        Self { key: MaybeUndefined::Value(text.expose().to_owned()), ..Self::of(view, now) }
    }

    /// The same as it is kept for a request that comes again.
    pub fn withheld(view: service::KeyView, now: Timestamp) -> Self {
        Self { key: MaybeUndefined::Null, ..Self::of(view, now) }
    }
}

impl<I: Spelling> Tagged for Key<I> {
    const MAY_BE_KEPT: bool = false;

    /// Use and age change a key's body all the time, and are nothing that somebody's change could overwrite.
    fn definition(&self) -> Option<impl Serialize> {
        let rights = (&self.scope, &self.permissions, &self.ip_allowlist, &self.limits);
        Some((&self.name, rights, &self.status, &self.expires_at, &self.reminder_days))
    }
}

/// The presets of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "kebab-case")]
#[oai(rename_all = "kebab-case")]
pub enum Scope {
    /// Every `:read`, and `analytics:query`.
    ReadOnly,
    /// Everything the owner's role allows that a key may hold.
    ReadWrite,
}

impl From<access::Scope> for Scope {
    fn from(scope: access::Scope) -> Self {
        match scope {
            access::Scope::ReadOnly => Self::ReadOnly,
            access::Scope::ReadWrite => Self::ReadWrite,
        }
    }
}

impl From<Scope> for access::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::ReadOnly => Self::ReadOnly,
            Scope::ReadWrite => Self::ReadWrite,
        }
    }
}

/// What a key's organization is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Environment {
    /// Work.
    Live,
    /// A sandbox.
    Test,
}

impl From<key_text::Environment> for Environment {
    fn from(environment: key_text::Environment) -> Self {
        match environment {
            key_text::Environment::Live => Self::Live,
            key_text::Environment::Test => Self::Test,
        }
    }
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It has a successor, and works until the grace is over.
    Rotating,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl From<domain::Status> for KeyStatus {
    fn from(status: domain::Status) -> Self {
        match status {
            domain::Status::Active => Self::Active,
            domain::Status::Rotating => Self::Rotating,
            domain::Status::Expired => Self::Expired,
            domain::Status::Revoked => Self::Revoked,
        }
    }
}

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum KeyFlag {
    /// It expires within 14 days.
    Expiring,
    /// It was not used for 90 days.
    Stale,
    /// It is 90 days old or older.
    Old,
}

impl From<domain::Flag> for KeyFlag {
    fn from(flag: domain::Flag) -> Self {
        match flag {
            domain::Flag::Expiring => Self::Expiring,
            domain::Flag::Stale => Self::Stale,
            domain::Flag::Old => Self::Old,
        }
    }
}

/// The last use of a key.
#[derive(Serialize, Object)]
pub struct LastUsed {
    at: Stamp,
    /// The operation that was called, by its id.
    endpoint: String,
    /// From where.
    address: String,
}

impl From<service::KeyUsage> for LastUsed {
    fn from(usage: service::KeyUsage) -> Self {
        Self { at: usage.last_at.into(), endpoint: usage.last_operation, address: usage.last_address }
    }
}

/// A key and the one that takes over from it.
#[derive(Serialize, Object)]
pub struct Rotation<I: Type + ParseFromJSON + ToJSON> {
    /// The key that took over from this one; null for the newest.
    successor_id: Option<I>,
    /// The key that this one took over from; null for the oldest.
    predecessor_id: Option<I>,
    /// Until when the older of the two works, or worked.
    grace_until: Stamp,
}

impl<I: Spelling> From<domain::Rotation> for Rotation<I> {
    fn from(rotation: domain::Rotation) -> Self {
        let spelled = |(id, uuid)| I::of(id, uuid);
        Self {
            successor_id: rotation.successor.map(spelled),
            predecessor_id: rotation.predecessor.map(spelled),
            grace_until: rotation.grace_until.into(),
        }
    }
}

/// Limits of a key's own, each at most the plan's. What is left out or null is the plan's.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, default)]
#[oai(default)]
pub struct KeyLimits {
    /// Requests on `/api/` in any 60 seconds.
    #[oai(validator(minimum(value = "1")))]
    per_minute: Option<u32>,
    /// Requests in any 60 minutes.
    #[oai(validator(minimum(value = "1")))]
    per_hour: Option<u32>,
    /// Requests in any 24 hours.
    #[oai(validator(minimum(value = "1")))]
    per_day: Option<u32>,
    /// Report runs and refreshes in any 60 minutes.
    #[oai(validator(minimum(value = "1")))]
    generation_per_hour: Option<u32>,
    /// Report runs and refreshes in any 24 hours.
    #[oai(validator(minimum(value = "1")))]
    generation_per_day: Option<u32>,
}

impl From<Limits> for KeyLimits {
    fn from(limits: Limits) -> Self {
        Self {
            per_minute: limits.minute,
            per_hour: limits.hour,
            per_day: limits.day,
            generation_per_hour: limits.generation_hour,
            generation_per_day: limits.generation_day,
        }
    }
}

impl From<KeyLimits> for Limits {
    fn from(limits: KeyLimits) -> Self {
        Self {
            minute: limits.per_minute,
            hour: limits.per_hour,
            day: limits.per_day,
            generation_hour: limits.generation_per_hour,
            generation_day: limits.generation_per_day,
        }
    }
}

/// A key to be made. Neither scope nor permissions: read-only.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// 1 to 100 characters.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// A preset; not together with `permissions`.
    #[serde(default)]
    scope: Option<Scope>,
    /// Permissions by name, within the owner's role; not together with `scope`.
    #[serde(default)]
    #[oai(validator(min_items = 1))]
    permissions: Option<Vec<String>>,
    /// From this instant on it is refused.
    #[serde(default)]
    expires_at: Option<Stamp>,
    /// Addresses and networks such as `203.0.113.0/24` that it may be used from; 64 at most.
    #[serde(default)]
    #[oai(validator(max_items = 64))]
    ip_allowlist: Option<Vec<String>>,
    /// Limits of its own; administrators can set them, in a session.
    #[serde(default)]
    limits: Option<KeyLimits>,
    /// Days between reminders: 30, 60 or 90. None is sent yet: `next_reminder_at` tells when one is due.
    #[serde(default)]
    #[oai(validator(minimum(value = "30"), maximum(value = "90"), multiple_of = 30.0))]
    reminder_days: Option<u32>,
}

impl From<NewKey> for service::KeyRequest {
    fn from(new: NewKey) -> Self {
        Self {
            name: new.name,
            scope: new.scope.map(access::Scope::from),
            permissions: new.permissions,
            expires_at: new.expires_at.map(|at| at.0),
            ip_allowlist: new.ip_allowlist.unwrap_or_default(),
            limits: new.limits.unwrap_or_default().into(),
            reminder_days: new.reminder_days,
        }
    }
}
