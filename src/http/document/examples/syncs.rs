//! The syncs that examples show.

use super::world;
use crate::domain::id::SyncId;
use crate::domain::source::SourceStatus;
use crate::domain::sync::{Sync, SyncStatus, Trigger};
use crate::domain::time::Timestamp;

/// The sync that brought the flights.
pub fn first(status: SourceStatus) -> Sync {
    let is_there = status == SourceStatus::Active;
    Sync {
        id: SyncId::new(1),
        source: world::FLIGHTS.0,
        trigger: Trigger::Create,
        status: if is_there { SyncStatus::Succeeded } else { SyncStatus::Running },
        attempt: 1,
        unchanged: false,
        rows: is_there.then_some(16),
        bytes: is_there.then_some(873),
        failure: None,
        started_at: world::MADE,
        finished_at: is_there.then_some(world::MADE),
        progress: None,
    }
}

/// A sync that was asked for.
pub fn asked_for(status: SyncStatus) -> Sync {
    let goes_on = status == SyncStatus::Running;
    let began = Timestamp::from_seconds(world::NOW.seconds() - 2);
    Sync {
        id: SyncId::new(0x2a),
        trigger: Trigger::Api,
        status,
        started_at: if goes_on { world::NOW } else { began },
        finished_at: (!goes_on).then_some(world::NOW),
        progress: goes_on.then_some((0.4, 7)),
        ..first(if goes_on { SourceStatus::Syncing } else { SourceStatus::Active })
    }
}
