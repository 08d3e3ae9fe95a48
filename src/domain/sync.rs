//! Syncs: each bringing of a source's data is one, with how it went.

use std::time::Duration;

use super::code::Code;
use super::id::{SourceId, SyncId};
use super::page::{Entry, Times};
use super::time::Timestamp;

/// How a sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncStatus {
    /// It goes on.
    Running,
    /// The data is there.
    Succeeded,
    /// It is not; what was there before still is.
    Failed,
}

impl SyncStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Succeeded, Self::Failed];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Why a sync began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The source was made.
    Create,
    /// A request.
    Api,
    /// A command.
    Cli,
    /// Its time had come.
    Schedule,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Create, Self::Api, Self::Cli, Self::Schedule];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Schedule => "schedule",
        }
    }

    /// The trigger of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text)
    }
}

/// A sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Sync {
    /// Its row.
    pub id: SyncId,
    /// The source.
    pub source: SourceId,
    /// Why it began.
    pub trigger: Trigger,
    /// How it stands.
    pub status: SyncStatus,
    /// From one: more for each that failed before it and is tried again.
    pub attempt: u32,
    /// Whether nothing had changed at the source, so that the data stayed.
    pub unchanged: bool,
    /// Rows of all tables, once it has succeeded.
    pub rows: Option<u64>,
    /// Bytes of all tables, once it has succeeded.
    pub bytes: Option<u64>,
    /// Why it failed: code and sentence.
    pub failure: Option<(Code, String)>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// From 0 to 1, and rows so far, while it goes on in this server.
    pub progress: Option<(f64, u64)>,
}

impl Entry for Sync {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &'static str {
        ""
    }

    fn updated_at(&self) -> Timestamp {
        self.finished_at.unwrap_or(self.started_at)
    }
}

/// What narrows a list of syncs.
#[derive(Debug, Clone, Default, Hash)]
pub struct SyncFilter {
    /// When they began.
    pub times: Times,
    /// How they stand.
    pub status: Option<SyncStatus>,
    /// Why they began.
    pub trigger: Option<Trigger>,
}

/// The attempts of one scheduled sync, with the first.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; each further one is four times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// When a scheduled sync is tried again that has failed as often as `attempt` says: never for what will not mend by
/// itself, and not past the next time of its schedule.
pub fn retry_at(code: Code, attempt: u32, now: Timestamp) -> Option<Timestamp> {
    let may_mend =
        matches!(code, Code::SourceUnavailable | Code::StorageUnavailable | Code::Overloaded | Code::Internal);
    if !may_mend || attempt >= ATTEMPTS {
        return None;
    }
    let pause = FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(attempt.saturating_sub(1)));
    Some(now.plus(pause.min(LONGEST_PAUSE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_mend_is_tried_again_ever_later_and_not_for_ever() {
        let now = Timestamp::from_seconds(1_000_000);
        let pauses =
            (1..=5).map(|attempt| retry_at(Code::SourceUnavailable, attempt, now).map(|at| at.since(now).as_secs()));
        assert_eq!(pauses.collect::<Vec<_>>(), [Some(60), Some(240), Some(960), Some(3_600), None]);
        assert_eq!(retry_at(Code::InvalidFile, 1, now), None, "the file is what it is");
    }
}
