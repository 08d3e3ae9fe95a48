//! The audit log beside its entries: looking them up, following and exporting them, signing where
//! the log ends, checking it, letting go of what was kept long enough.

mod checkpoint;
mod floods;
mod follow;
mod list;
mod retention;
mod verify;

pub use floods::{Counted, Floods};
pub use follow::{Patience, StreamEnd};
pub use list::{Record, RecordedChange};
pub use verify::{Extent, Fault, Finding, Verified};

use std::time::Duration;

/// How the log is kept.
#[derive(Debug, Clone, Copy)]
pub struct AuditRules {
    /// How long entries are kept.
    pub retention: Duration,
    /// After so many entries where the log ends is signed.
    pub checkpoint_entries: i64,
    /// After so long it is signed, if there are new entries.
    pub checkpoint_every: Duration,
    /// Calls of nobody known that leave an entry each, by address and minute; further ones are counted.
    pub unauthenticated_per_minute: u32,
}
