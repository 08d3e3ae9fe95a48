//! How a cached row of access stays trusted, apart from SQLite and from the clock: so that a model of it runs this very
//! code under many orders of its steps (the tests below, with shuttle in place of atomics and locks).
//!
//! 1. A request asks for the present version. If nobody looked for foreign commits within [`FRESH`], it looks itself.
//! 2. A cached row is trusted if it was read at that version, and is read again otherwise, after the version was.
//! 3. A row is kept with the version that was asked for *before* it was read: a change in between makes it stale at once.
//! 4. A snapshot of the file is kept with the count of commits that was asked for *before* it was begun, and read from
//!    for as long as that count stands. Commits are counted before the version that they made is published: who knows a
//!    version reads from no older snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::FRESH_NANOS;

/// An atomic number.
pub(super) trait Word {
    fn new(value: u64) -> Self;
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn fetch_add(&self, more: u64, order: Ordering) -> u64;
    fn compare_exchange(&self, from: u64, to: u64, success: Ordering, failure: Ordering) -> Result<u64, u64>;
}

/// What one thread at a time may do something with.
pub(super) trait Lock<T> {
    fn new(value: T) -> Self;
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R;
}

/// What sees commits of others.
pub(super) trait Eye {
    type Error;
    /// A number that changes with every commit of another connection.
    fn data_version(&mut self) -> Result<i64, Self::Error>;
    /// The version of access as it is committed.
    fn version(&mut self) -> Result<u64, Self::Error>;
}

/// What a look has found.
pub(super) enum Look<E> {
    /// Another look was fresh enough.
    NotNeeded,
    /// Nobody has committed anything.
    Nothing,
    /// Somebody has committed something.
    Commits,
    /// It could not be seen, which counts as a change.
    Failed(E),
}

/// The version, and when somebody last looked for a newer one.
pub(super) struct Freshness<W, L> {
    /// The committed version in the lower bits, and in the upper ones how many looks have failed. In one number, because
    /// a failed look must make rows stale without ever hiding a change: a count that is merely raised by one would be
    /// taken for the version that the next change commits.
    version: W,
    looked: W,
    /// Twice the commits that this process made or saw, and one more while it makes one.
    commits: W,
    eye: L,
}

/// One failed look.
const FAILURE: u64 = 1 << 44;

impl<W: Word, L> Freshness<W, L> {
    pub(super) fn new<E: Eye>(eye: E, version: u64, data_version: i64, now: u64) -> Self
    where
        L: Lock<(E, i64)>,
    {
        Self { version: W::new(version), looked: W::new(now), commits: W::new(0), eye: L::new((eye, data_version)) }
    }

    /// What a snapshot is kept with; none while this process commits, when none should be kept.
    pub(super) fn moment(&self) -> Option<u64> {
        Some(self.commits.load(Ordering::Acquire)).filter(|commits| commits % 2 == 0)
    }

    /// A transaction of this process begins. There is one at a time.
    pub(super) fn begin_write(&self) {
        self.commits.fetch_add(1, Ordering::AcqRel);
    }

    /// It is committed, or was not to be.
    pub(super) fn end_write(&self) {
        self.commits.fetch_add(1, Ordering::AcqRel);
    }

    /// The version that cached rows are compared with.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether nobody has looked within [`FRESH`](super::FRESH).
    pub(super) fn is_due(&self, now: u64) -> bool {
        now.saturating_sub(self.looked.load(Ordering::Acquire)) > FRESH_NANOS
    }

    /// Takes over a committed version. Versions only rise.
    pub(super) fn publish(&self, version: u64) {
        let mut known = self.version.load(Ordering::Acquire);
        while known % FAILURE < version {
            let raised = known - known % FAILURE + version;
            match self.version.compare_exchange(known, raised, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(found) => known = found,
            }
        }
    }

    /// Looks, unless somebody else did in the meantime.
    pub(super) fn look<E: Eye>(&self, now: impl FnOnce() -> u64) -> Look<E::Error>
    where
        L: Lock<(E, i64)>,
    {
        self.eye.with(|(eye, known)| {
            // Others may have looked while this request waited; their look's start counts.
            let start = now();
            if !self.is_due(start) {
                return Look::NotNeeded;
            }
            let seen = self.compare(eye, known);
            if matches!(seen, Look::Failed(_)) {
                self.commits.fetch_add(2, Ordering::AcqRel);
                self.version.fetch_add(FAILURE, Ordering::AcqRel);
            }
            self.looked.store(start, Ordering::Release);
            seen
        })
    }

    fn compare<E: Eye>(&self, eye: &mut E, known: &mut i64) -> Look<E::Error> {
        let seen = match eye.data_version() {
            Ok(seen) if seen == *known => return Look::Nothing,
            Ok(seen) => seen,
            Err(error) => return Look::Failed(error),
        };
        match eye.version() {
            Ok(version) => {
                *known = seen;
                self.commits.fetch_add(2, Ordering::AcqRel);
                self.publish(version);
                Look::Commits
            }
            Err(error) => Look::Failed(error),
        }
    }
}

/// A row with the version that it was read at.
pub trait Stamped {
    /// That version.
    fn version(&self) -> u64;
}

/// The row, from the cache if it can be trusted. The order of these steps is the protocol.
///
/// # Errors
/// What reading gives.
pub fn trusted<T: Stamped, E>(
    version: impl FnOnce() -> u64,
    cached: impl FnOnce() -> Option<T>,
    read: impl FnOnce(u64) -> Result<Option<T>, E>,
    keep: impl FnOnce(&T),
) -> Result<Option<T>, E> {
    let version = version();
    if let Some(row) = cached().filter(|row| row.version() == version) {
        return Ok(Some(row));
    }
    let row = read(version)?;
    if let Some(row) = &row {
        keep(row);
    }
    Ok(row)
}

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    fn fetch_add(&self, more: u64, order: Ordering) -> u64 {
        self.fetch_add(more, order)
    }

    fn compare_exchange(&self, from: u64, to: u64, success: Ordering, failure: Ordering) -> Result<u64, u64> {
        self.compare_exchange(from, to, success, failure)
    }
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.lock())
    }
}

#[cfg(test)]
mod model;
