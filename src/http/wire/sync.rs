//! How data comes from elsewhere, and when, on the wire.

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{Spelling, Stamp};
use crate::domain::code::Code;
use crate::domain::time::Timestamp;
use crate::domain::{schedule, sync as domain};
use crate::http::reply::DoneOrAccepted;
use crate::service::sources::ScheduleRequest;

/// When a data source is read again.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// Minute, hour, day of the month, month and day of the week, such as `0 6 * * 1-5`; or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`.
    #[oai(validator(min_length = 1, max_length = 100))]
    cron: String,
    /// Whose clocks it goes by, such as `Europe/Berlin`; `UTC` by default.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 60))]
    time_zone: Option<String>,
}

impl From<NewSchedule> for ScheduleRequest {
    fn from(new: NewSchedule) -> Self {
        (new.cron, new.time_zone)
    }
}

/// When a data source is read again.
#[derive(Debug, Serialize, Object)]
pub struct Schedule {
    cron: String,
    time_zone: String,
    /// The next time: that of the schedule, or that of another attempt before it.
    next_sync_at: Option<Stamp>,
    /// Why the last time passed without a sync, as one of the codes of errors, such as `trial_ended`; null when none did.
    paused: Option<String>,
}

impl Schedule {
    /// A schedule with its next time.
    pub fn of(schedule: &schedule::Schedule, next: Option<Timestamp>, paused: Option<Code>) -> Self {
        Self {
            cron: schedule.cron().to_owned(),
            time_zone: schedule.zone().to_owned(),
            next_sync_at: next.map(Stamp::from),
            paused: paused.map(|code| code.as_str().to_owned()),
        }
    }
}

/// A sync: one bringing of a data source's data.
#[derive(Serialize, Object)]
pub struct DataSourceSync<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    data_source_id: I,
    status: SyncStatus,
    trigger: SyncTrigger,
    /// From one; more where a scheduled sync failed before and was tried again.
    attempt: u32,
    /// How far it is; null when it does not go on, or in another process.
    progress: Option<SyncProgress>,
    /// Whether nothing had changed at the source, so that the data stayed.
    unchanged: bool,
    /// Rows of all tables; null before it has succeeded.
    rows: Option<u64>,
    /// Bytes of all tables; null before it has succeeded.
    bytes: Option<u64>,
    /// Why it failed; null when it did not.
    error: Option<SyncError>,
    started_at: Stamp,
    finished_at: Option<Stamp>,
    /// How long it took; null while it goes on.
    duration_ms: Option<u64>,
}

impl<I: Spelling> DataSourceSync<I> {
    /// A sync. It is for faces without uuids: it has none.
    pub fn of(sync: domain::Sync) -> Self {
        let took = sync.finished_at.map(|end| end.since(sync.started_at).as_millis());
        Self {
            id: I::of(sync.id, uuid::Uuid::nil()),
            data_source_id: I::of(sync.source, uuid::Uuid::nil()),
            status: sync.status.into(),
            trigger: sync.trigger.into(),
            attempt: sync.attempt,
            progress: sync.progress.map(SyncProgress::from),
            unchanged: sync.unchanged,
            rows: sync.rows,
            bytes: sync.bytes,
            error: sync.failure.map(|(code, message)| SyncError { code: code.as_str().to_owned(), message }),
            started_at: sync.started_at.into(),
            finished_at: sync.finished_at.map(Stamp::from),
            duration_ms: took.and_then(|took| u64::try_from(took).ok()),
        }
    }

    /// The answer to who asked for it: 200, or 202 while it goes on.
    pub fn answer(sync: domain::Sync) -> DoneOrAccepted<Self> {
        match sync.status {
            domain::SyncStatus::Running => DoneOrAccepted::Accepted(Self::of(sync)),
            domain::SyncStatus::Succeeded | domain::SyncStatus::Failed => DoneOrAccepted::Done(Self::of(sync)),
        }
    }
}

/// How far a sync is.
#[derive(Debug, Serialize, Object)]
pub struct SyncProgress {
    /// From 0 to 100.
    percent: u32,
    /// Rows so far.
    rows: u64,
}

impl From<(f64, u64)> for SyncProgress {
    fn from((fraction, rows): (f64, u64)) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
        let percent = (fraction.clamp(0.0, 1.0) * 100.0) as u32;
        Self { percent, rows }
    }
}

/// Why a sync failed.
#[derive(Debug, Serialize, Object)]
pub struct SyncError {
    /// One of the codes of errors.
    code: String,
    /// What happened and what to do.
    message: String,
}

/// The newest sync of a data source.
#[derive(Debug, Serialize, Object)]
pub struct LastSync {
    status: SyncStatus,
    trigger: SyncTrigger,
    /// Why it failed; null when it did not.
    reason: Option<String>,
    /// Rows of all tables; null before it has succeeded.
    rows: Option<u64>,
    started_at: Stamp,
    finished_at: Option<Stamp>,
}

impl From<domain::Sync> for LastSync {
    fn from(sync: domain::Sync) -> Self {
        Self {
            status: sync.status.into(),
            trigger: sync.trigger.into(),
            reason: sync.failure.map(|(_, reason)| reason),
            rows: sync.rows,
            started_at: sync.started_at.into(),
            finished_at: sync.finished_at.map(Stamp::from),
        }
    }
}

macro_rules! shown {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
        #[serde(rename_all = "lowercase")]
        #[oai(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }
    };
}

shown! {
    /// How a sync stands.
    SyncStatus {
        /// It goes on.
        Running,
        /// The data is there.
        Succeeded,
        /// It is not; what was there before still is.
        Failed,
    }
}

shown! {
    /// Why a sync began.
    SyncTrigger {
        /// The data source was made.
        Create,
        /// A request.
        Api,
        /// A command.
        Cli,
        /// Its time had come.
        Schedule,
    }
}

impl From<domain::SyncStatus> for SyncStatus {
    fn from(status: domain::SyncStatus) -> Self {
        match status {
            domain::SyncStatus::Running => Self::Running,
            domain::SyncStatus::Succeeded => Self::Succeeded,
            domain::SyncStatus::Failed => Self::Failed,
        }
    }
}

impl From<domain::Trigger> for SyncTrigger {
    fn from(trigger: domain::Trigger) -> Self {
        match trigger {
            domain::Trigger::Create => Self::Create,
            domain::Trigger::Api => Self::Api,
            domain::Trigger::Cli => Self::Cli,
            domain::Trigger::Schedule => Self::Schedule,
        }
    }
}
