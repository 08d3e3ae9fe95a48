//! Who has windows in memory: found by one lookup under a shared lock and changed under the caller's own, never evicted
//! while they count, coarse where memory is short.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::{LimiterLoad, Slot};
use crate::domain::error::Result;
use crate::domain::window::{Precision, WindowSet};

/// Parts of the table, each with a lock of its own, so that new callers do not stand in each other's way.
const SHARDS: usize = 64;
/// What a caller takes beside the windows: an entry of the table, and what is counted of its references.
const ENTRY_BYTES: usize = 64;

type Shard = RwLock<HashMap<i64, Slot>>;

/// The table of callers.
pub struct Callers {
    shards: [Shard; SHARDS],
    /// The bytes that they should take at most.
    memory: u64,
    bytes: AtomicI64,
    coarse: AtomicU64,
    is_short: AtomicBool,
}

impl Callers {
    /// Nobody yet, and the bytes that they should take at most.
    pub fn new(memory: u64) -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard::default()),
            memory,
            bytes: AtomicI64::new(0),
            coarse: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
        }
    }

    /// Looks at or changes the windows of a caller. Who is not there is rebuilt, once: others that ask for the same
    /// caller wait.
    ///
    /// # Errors
    /// Those of the rebuild.
    pub fn with<T>(
        &self,
        owner: i64,
        rebuild: impl FnOnce() -> Result<WindowSet>,
        work: impl FnOnce(&mut WindowSet) -> T,
    ) -> Result<T> {
        let slot = self.slot(owner);
        let mut slot = slot.lock();
        let (windows, before) = match &mut *slot {
            Some(windows) => {
                let before = windows.bytes();
                (windows, before)
            }
            // A rebuild that fails leaves the slot empty, for the next who asks.
            empty => (empty.insert(rebuild()?), 0),
        };
        let done = work(windows);
        self.account(before, windows.bytes());
        Ok(done)
    }

    fn slot(&self, owner: i64) -> Slot {
        let shard = self.shard(owner);
        if let Some(slot) = shard.read().get(&owner) {
            return Arc::clone(slot);
        }
        Arc::clone(shard.write().entry(owner).or_default())
    }

    fn shard(&self, owner: i64) -> &Shard {
        // Ids count up: neighbours lie in different parts.
        let place = usize::try_from(owner.unsigned_abs() % SHARDS as u64).unwrap_or(0);
        &self.shards[place]
    }

    fn account(&self, before: usize, after: usize) {
        if before == after {
            return;
        }
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let entry = if before == 0 { ENTRY_BYTES } else { 0 };
        self.bytes.fetch_add(signed(after + entry) - signed(before), Ordering::Relaxed);
    }

    /// Makes the largest coarse until the rest fits, and all exact again once there is plenty of room.
    pub fn fit(&self, now_ms: i64) {
        let bytes = self.load().bytes;
        if bytes > self.memory {
            self.coarsen(now_ms);
        } else if bytes <= self.memory / 2 && self.coarse.load(Ordering::Relaxed) > 0 {
            self.set_precision(self.slots(), Precision::Exact, now_ms, 0);
            self.is_short.store(false, Ordering::Relaxed);
            tracing::info!(bytes, "there is memory for limits again: days are counted exactly");
        }
    }

    fn coarsen(&self, now_ms: i64) {
        let exact = |slot: &Slot| {
            let slot = slot.lock();
            let windows = slot.as_ref().filter(|windows| windows.precision() == Precision::Exact)?;
            Some(windows.bytes())
        };
        let mut largest: Vec<(usize, Slot)> =
            self.slots().into_iter().filter_map(|slot| Some((exact(&slot)?, slot))).collect();
        largest.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let found = largest.into_iter().map(|(_, slot)| slot).collect();
        self.set_precision(found, Precision::Coarse, now_ms, self.memory / 10 * 9);
        let LimiterLoad { bytes, coarse, .. } = self.load();
        if !self.is_short.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                bytes,
                coarse,
                "limits take more than `limits.memory`: the days of the busiest callers are counted by minutes, and may \
                 refuse up to a minute too long"
            );
        }
    }

    /// Changes the precision of one after the other while they take more than `enough` bytes.
    fn set_precision(&self, slots: Vec<Slot>, precision: Precision, now_ms: i64, enough: u64) {
        for slot in slots {
            if self.load().bytes <= enough {
                break;
            }
            let mut slot = slot.lock();
            let Some(windows) = slot.as_mut().filter(|windows| windows.precision() != precision) else { continue };
            let before = windows.bytes();
            windows.set_precision(precision, now_ms);
            self.account(before, windows.bytes());
            match precision {
                Precision::Coarse => self.coarse.fetch_add(1, Ordering::Relaxed),
                Precision::Exact => self.coarse.fetch_sub(1, Ordering::Relaxed),
            };
        }
    }

    /// Forgets those in whose windows nothing counts any more, and says how many.
    pub fn forget(&self, now_ms: i64) -> usize {
        let mut forgotten = 0;
        for shard in &self.shards {
            shard.write().retain(|_, slot| {
                // Whoever holds the slot has it from under this lock, so nobody else is about to count in it.
                let Some(slot) = Arc::get_mut(slot) else { return true };
                let Some(windows) = slot.get_mut() else { return false };
                if !windows.is_over(now_ms) {
                    return true;
                }
                let bytes = i64::try_from(windows.bytes() + ENTRY_BYTES).unwrap_or(i64::MAX);
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                if windows.precision() == Precision::Coarse {
                    self.coarse.fetch_sub(1, Ordering::Relaxed);
                }
                forgotten += 1;
                false
            });
        }
        forgotten
    }

    fn slots(&self) -> Vec<Slot> {
        self.shards.iter().flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// What they take.
    pub fn load(&self) -> LimiterLoad {
        LimiterLoad {
            callers: self.shards.iter().map(|shard| shard.read().len() as u64).sum(),
            coarse: self.coarse.load(Ordering::Relaxed),
            bytes: u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::Error;
    use crate::domain::window::{Class, Limits, Surface, Verdict};

    const START: i64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const LIMITS: Limits =
        Limits { minute: None, hour: None, day: Some(100_000), generation_hour: None, generation_day: None };

    fn ask(callers: &Callers, owner: i64, now_ms: i64) -> Verdict {
        let admit = |windows: &mut WindowSet| windows.admit(now_ms, Class::General, Surface::Other, &LIMITS).verdict;
        callers.with(owner, || Ok(WindowSet::new()), admit).unwrap()
    }

    fn remaining(callers: &Callers, owner: i64, now_ms: i64) -> u32 {
        let peek = |windows: &mut WindowSet| windows.peek(now_ms, &LIMITS);
        let headroom = callers.with(owner, || Ok(WindowSet::new()), peek).unwrap();
        headroom.get(crate::domain::window::WindowName::Day).unwrap().remaining
    }

    #[test]
    fn only_who_has_nothing_left_that_counts_is_forgotten() {
        let callers = Callers::new(1 << 20);
        ask(&callers, 1, START);
        ask(&callers, 2, START + 1);
        ask(&callers, -3, START + 2);
        assert_eq!(callers.forget(START + DAY - 1), 0);
        assert_eq!(callers.forget(START + DAY + 1), 2);
        assert_eq!(callers.load().callers, 1);
        assert_eq!(callers.forget(START + DAY + 2), 1);
        assert_eq!(callers.load(), LimiterLoad { callers: 0, coarse: 0, bytes: 0 });
    }

    #[test]
    fn who_is_being_asked_about_is_not_forgotten() {
        let callers = Callers::new(1 << 20);
        ask(&callers, 1, START);
        let held = callers.slot(1);
        assert_eq!(callers.forget(START + DAY), 0);
        drop(held);
        assert_eq!(callers.forget(START + DAY), 1);
    }

    #[test]
    fn a_rebuild_that_fails_is_tried_again_by_the_next() {
        let callers = Callers::new(1 << 20);
        let failed = callers.with(1, || Err(Error::internal("the disk")), |_| ());
        assert!(failed.is_err());
        assert_eq!(ask(&callers, 1, START), Verdict::Admitted);
    }

    #[test]
    fn over_its_memory_the_largest_become_coarse_and_nobody_gains_a_request() {
        let callers = Callers::new(300_000);
        for later in 0..20_000 {
            ask(&callers, 1, START + later * 3);
            ask(&callers, 2, START + later * 3);
        }
        for owner in 3..100 {
            ask(&callers, owner, START + 60_000);
        }
        let now = START + 2 * HOUR;
        let before = callers.load();
        assert!(before.bytes > 300_000 && before.coarse == 0, "{before:?}");
        callers.fit(now);
        let after = callers.load();
        assert!(after.bytes <= 300_000 && after.coarse == 1, "{after:?}");
        for owner in [1, 2] {
            assert_eq!(remaining(&callers, owner, now), 80_000);
            let late = START + 19_999 * 3 + DAY;
            assert!(remaining(&callers, owner, late - 1) < 100_000);
            assert_eq!(remaining(&callers, owner, late), 100_000);
        }
        // A day later there is room for all again.
        for owner in [1, 2] {
            ask(&callers, owner, now + DAY);
        }
        callers.fit(now + DAY);
        assert_eq!(callers.load().coarse, 0);
    }

    #[test]
    fn what_is_counted_of_memory_is_what_the_windows_say() {
        let callers = Callers::new(u64::MAX);
        for owner in 0..50 {
            for later in 0..=owner * 20 {
                ask(&callers, owner, START + later);
            }
        }
        let counted = |slot: Slot| slot.lock().as_ref().map_or(0, WindowSet::bytes) + ENTRY_BYTES;
        let counted: usize = callers.slots().into_iter().map(counted).sum();
        assert_eq!(callers.load().bytes, counted as u64);
    }

    #[test]
    fn sixty_four_threads_on_one_caller_admit_exactly_the_limit() {
        let callers = Callers::new(1 << 20);
        let limits = Limits { hour: Some(10_007), day: Some(20_000), ..Limits::default() };
        let asked_by_each = 320;
        let start = std::sync::Barrier::new(64);
        let admitted: u32 = std::thread::scope(|scope| {
            let work = || {
                start.wait();
                let mut admitted = 0;
                for later in 0..asked_by_each {
                    let admit =
                        |set: &mut WindowSet| set.admit(START + later, Class::General, Surface::Other, &limits).verdict;
                    let verdict = callers.with(7, || Ok(WindowSet::new()), admit).unwrap();
                    admitted += u32::from(verdict == Verdict::Admitted);
                }
                admitted
            };
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 10_007);
    }
}
