//! The audit log beside its entries: signing where it ends, checking it, letting go of what was kept long enough.

mod checkpoint;
mod retention;
mod verify;

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
}
