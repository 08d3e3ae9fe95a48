//! What calls add up to, on the wire: series over time, and what operations, keys and users add to them.

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use super::{Spelling, Stamp};
use crate::domain::audit::kind::Outcome;
use crate::domain::key::Key;
use crate::domain::time::Timestamp;
use crate::domain::usage::{self as domain, Window};
use crate::domain::user::User;
use crate::service::usage::{Ranking, Series};

/// What calls add up to.
#[derive(Serialize, Object)]
pub struct Figures {
    /// Calls of whatever outcome.
    calls: i64,
    /// Did what was asked.
    ok: i64,
    /// Refused for their credential, right, plan or address.
    refused: i64,
    /// Refused because a window or the credits were used up.
    limited: i64,
    /// Wrong in another way.
    client_errors: i64,
    /// Failed at the server.
    server_errors: i64,
    /// Left by their client before the answer.
    gone: i64,
    /// The share of calls that were refused, wrong or failed, not counting `limited`; null without calls.
    error_ratio: Option<f64>,
    /// The share of calls that were `limited`; null without calls.
    limited_ratio: Option<f64>,
    /// Credits that were taken, by work in the background too.
    credits: i64,
    /// Bytes of the requests' bodies.
    bytes_in: i64,
    /// Bytes of the answers' bodies.
    bytes_out: i64,
    /// Within how many milliseconds half of the calls were answered: never too low, at most 25 % too high; null without
    /// calls.
    p50_ms: Option<f64>,
    /// The same of 95 of 100 calls.
    p95_ms: Option<f64>,
}

impl From<&domain::Figures> for Figures {
    fn from(figures: &domain::Figures) -> Self {
        let within = |share| figures.latency.within(share).map(|micros| f64::from(micros) / 1_000.0);
        Self {
            calls: figures.calls(),
            ok: figures.of(Outcome::Ok),
            refused: figures.of(Outcome::Refused),
            limited: figures.of(Outcome::Limited),
            client_errors: figures.of(Outcome::Client),
            server_errors: figures.of(Outcome::Server),
            gone: figures.of(Outcome::Gone),
            error_ratio: figures.error_ratio(),
            limited_ratio: figures.limited_ratio(),
            credits: figures.credits,
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            p50_ms: within(0.5),
            p95_ms: within(0.95),
        }
    }
}

/// The length of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum UsageBucket {
    /// Kept for 48 hours.
    Minute,
    /// Kept for 90 days.
    Hour,
    /// Kept for two years.
    Day,
}

impl From<domain::Bucket> for UsageBucket {
    fn from(bucket: domain::Bucket) -> Self {
        match bucket {
            domain::Bucket::Minute => Self::Minute,
            domain::Bucket::Hour => Self::Hour,
            domain::Bucket::Day => Self::Day,
        }
    }
}

/// Figures over time, without gaps.
#[derive(Serialize, Object)]
pub struct UsageSeries {
    /// When the first bucket begins.
    from: Stamp,
    /// When the last bucket ends: the present one at the latest.
    to: Stamp,
    bucket: UsageBucket,
    points: Vec<UsagePoint>,
    /// All points together.
    total: Figures,
}

/// A bucket.
#[derive(Serialize, Object)]
pub struct UsagePoint {
    /// When it begins.
    start: Stamp,
    figures: Figures,
}

impl From<Series> for UsageSeries {
    fn from(series: Series) -> Self {
        let (from, to) = span(&series.window);
        let point =
            |(start, figures): &(i64, domain::Figures)| UsagePoint { start: stamp(*start), figures: figures.into() };
        Self {
            from,
            to,
            bucket: series.window.bucket.into(),
            points: series.points.iter().map(point).collect(),
            total: (&series.total).into(),
        }
    }
}

/// The operations that were called most.
#[derive(Serialize, Object)]
pub struct UsageOfOperations {
    /// When the first bucket begins.
    from: Stamp,
    /// When the last bucket ends: the present one at the latest.
    to: Stamp,
    /// The most calls first.
    operations: Vec<OperationUsage>,
    /// All operations together, those that are not listed included.
    total: Figures,
}

/// An operation.
#[derive(Serialize, Object)]
pub struct OperationUsage {
    /// Its `operationId`; `none` for calls of paths that there are not.
    operation: String,
    figures: Figures,
}

impl From<Ranking<String>> for UsageOfOperations {
    fn from(ranking: Ranking<String>) -> Self {
        let (from, to) = span(&ranking.window);
        let entry =
            |(operation, figures): (String, domain::Figures)| OperationUsage { operation, figures: (&figures).into() };
        Self { from, to, operations: ranking.entries.into_iter().map(entry).collect(), total: (&ranking.total).into() }
    }
}

/// The keys that called most.
#[derive(Serialize, Object)]
pub struct UsageOfKeys<I: Type + ParseFromJSON + ToJSON> {
    /// When the first bucket begins.
    from: Stamp,
    /// When the last bucket ends: the present one at the latest.
    to: Stamp,
    /// The most calls first.
    keys: Vec<UsageOfKey<I>>,
    /// All keys together, those that are not listed included.
    total: Figures,
}

/// A key. Those that it was rotated from or into stand for themselves.
#[derive(Serialize, Object)]
pub struct UsageOfKey<I: Type + ParseFromJSON + ToJSON> {
    key_id: I,
    name: String,
    /// `claribi_sk_live_` or `claribi_sk_test_`, and the 8 public characters.
    prefix: String,
    /// The e-mail of its owner.
    created_by: String,
    figures: Figures,
}

impl<I: Spelling> From<Ranking<Key>> for UsageOfKeys<I> {
    fn from(ranking: Ranking<Key>) -> Self {
        let (from, to) = span(&ranking.window);
        let entry = |(key, figures): (Key, domain::Figures)| UsageOfKey {
            key_id: I::of(key.id, key.uuid),
            prefix: key.prefix(),
            name: key.name,
            created_by: key.owner_email,
            figures: (&figures).into(),
        };
        Self { from, to, keys: ranking.entries.into_iter().map(entry).collect(), total: (&ranking.total).into() }
    }
}

/// The users who called most.
#[derive(Serialize, Object)]
pub struct UsageOfUsers<I: Type + ParseFromJSON + ToJSON> {
    /// When the first bucket begins.
    from: Stamp,
    /// When the last bucket ends: the present one at the latest.
    to: Stamp,
    /// The most calls first.
    users: Vec<UsageOfUser<I>>,
    /// All users together, those that are not listed included.
    total: Figures,
}

/// A user: by keys and in sessions.
#[derive(Serialize, Object)]
pub struct UsageOfUser<I: Type + ParseFromJSON + ToJSON> {
    user_id: I,
    email: String,
    figures: Figures,
}

impl<I: Spelling> From<Ranking<User>> for UsageOfUsers<I> {
    fn from(ranking: Ranking<User>) -> Self {
        let (from, to) = span(&ranking.window);
        let entry = |(user, figures): (User, domain::Figures)| UsageOfUser {
            user_id: I::of(user.id, user.uuid),
            email: user.email,
            figures: (&figures).into(),
        };
        Self { from, to, users: ranking.entries.into_iter().map(entry).collect(), total: (&ranking.total).into() }
    }
}

fn span(window: &Window) -> (Stamp, Stamp) {
    (stamp(window.from), stamp(window.to))
}

fn stamp(second: i64) -> Stamp {
    Timestamp::from_seconds(second).into()
}
