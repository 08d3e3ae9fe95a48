//! What is asked of keys that exist, and what is answered beside the key.

use std::time::Duration;

use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{LastUsed, Scope};
use crate::domain::access;
use crate::domain::key_text::KeyText;
use crate::http::wire::Stamp;
use crate::service::keys as service;

/// What is to be changed of a key; what is left out stays as it is.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct KeyPatch {
    /// 1 to 100 characters.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    /// A preset within what the key was given; not together with `permissions`.
    #[serde(default)]
    scope: Option<Scope>,
    /// Permissions within what the key was given; not together with `scope`.
    #[serde(default)]
    #[oai(validator(min_items = 1))]
    permissions: Option<Vec<String>>,
    /// From this instant on it is refused; null: never.
    #[serde(default)]
    expires_at: MaybeUndefined<Stamp>,
    /// Addresses and networks that it may be used from; an empty list: from anywhere.
    #[serde(default)]
    #[oai(validator(max_items = 64))]
    ip_allowlist: Option<Vec<String>>,
    /// Days between reminders from now on: 30, 60 or 90; null: none. None is sent yet: `next_reminder_at` tells when one is
    /// due.
    #[serde(default)]
    #[oai(validator(minimum(value = "30"), maximum(value = "90"), multiple_of = 30.0))]
    reminder_days: MaybeUndefined<u32>,
}

impl From<KeyPatch> for service::KeyPatch {
    fn from(patch: KeyPatch) -> Self {
        Self {
            name: patch.name,
            scope: patch.scope.map(access::Scope::from),
            permissions: patch.permissions,
            expires_at: given(patch.expires_at).map(|at| at.map(|at| at.0)),
            ip_allowlist: patch.ip_allowlist,
            reminder_days: given(patch.reminder_days),
            limits: None,
        }
    }
}

/// Null is something else than nothing.
fn given<T>(field: MaybeUndefined<T>) -> Option<Option<T>> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// How a key is rotated.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Seconds that the older key works beside the new one, and never past its own expiry: a day if it is left out, at
    /// most what `keys.max_grace` allows. With 0 it is refused at once.
    #[serde(default)]
    grace_seconds: Option<u32>,
}

impl RotateRequest {
    /// The grace, if one was asked for.
    pub fn grace(&self) -> Option<Duration> {
        self.grace_seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// Why a key is revoked.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// 1 to 500 characters, for the audit.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 500))]
    pub reason: Option<String>,
}

/// Which keys are revoked at once, and why.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct RevokeAllRequest {
    /// Whether all keys of the organization are revoked, which administrators can do in a session; otherwise it is the
    /// caller's own.
    #[serde(default)]
    everyone: Option<bool>,
    /// 1 to 500 characters, for the audit.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: Option<String>,
}

impl RevokeAllRequest {
    /// Whose keys, and why.
    pub fn read(self) -> (service::Reach, Option<String>) {
        let reach = if self.everyone == Some(true) { service::Reach::Organization } else { service::Reach::Own };
        (reach, self.reason)
    }
}

/// How many keys were revoked at once.
#[derive(Debug, Serialize, Object)]
pub struct RevokedKeys {
    /// Keys that worked before.
    pub revoked: u64,
}

/// A key that somebody found.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct LeakReport {
    /// The whole key.
    key: String,
}

impl LeakReport {
    /// The key, if the text is one.
    pub fn read(self) -> Option<KeyText> {
        KeyText::parse(Zeroizing::new(self.key).trim())
    }
}

/// That a report was read.
#[derive(Debug, Serialize, Object)]
pub struct Received {
    /// Always true.
    pub received: bool,
}

/// What a key was used for.
#[derive(Serialize, Object)]
pub struct KeyActivity {
    /// The last use of this very key; null when it never was used.
    last_used: Option<LastUsed>,
    /// Requests of the last 24 hours, with this key and with those of its rotations; the first minute counts as a whole.
    requests_24h: u64,
    /// The same of the last 7 days; the first hour counts as a whole.
    requests_7d: u64,
    /// The same of the last 30 days; the first hour counts as a whole.
    requests_30d: u64,
    /// The operation that was called last with this very key.
    latest_endpoint: Option<String>,
}

impl From<service::Activity> for KeyActivity {
    fn from(activity: service::Activity) -> Self {
        let [requests_24h, requests_7d, requests_30d] = activity.requests;
        let latest_endpoint = activity.usage.as_ref().map(|usage| usage.last_operation.clone());
        let last_used = activity.usage.map(LastUsed::from);
        Self { last_used, requests_24h, requests_7d, requests_30d, latest_endpoint }
    }
}
