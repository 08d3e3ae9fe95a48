//! How often costly work was done: tests hold paths to the same work by it, which says more than time would.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Effort {
    macs: AtomicU64,
    hashes: AtomicU64,
    hashing: AtomicU64,
    most_hashing: AtomicU64,
    queries: AtomicU64,
}

impl Effort {
    /// Keys whose MAC was computed.
    pub fn macs(&self) -> u64 {
        self.macs.load(Ordering::Relaxed)
    }

    /// Passwords that were hashed.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// The most passwords that were hashed at the same time.
    pub fn most_hashing(&self) -> u64 {
        self.most_hashing.load(Ordering::Relaxed)
    }

    /// Queries that were given to workers.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    pub(super) fn count_query(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_mac(&self) {
        self.macs.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a password while it is hashed.
    pub(super) fn hash<T>(&self, work: impl FnOnce() -> T) -> T {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let now = self.hashing.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_hashing.fetch_max(now, Ordering::Relaxed);
        let done = work();
        self.hashing.fetch_sub(1, Ordering::Relaxed);
        done
    }
}
