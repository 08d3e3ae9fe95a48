//! Steady time: what windows are counted in, so that no step of the wall clock gives quota away or locks anybody out.
//!
//! Steady time begins as the wall clock's and then follows the monotonic clock alone. Precisely:
//!
//! - While a server runs, a step of the wall clock, of an hour or of ten years, forwards or backwards, changes nothing:
//!   each request leaves its window exactly one length after it came. Only what is told moves along: resets are given
//!   as the wall clock will show them, and stand still between its steps.
//! - Over a restart it goes on: by how much it is ahead of the wall clock is kept beside the chain with the first call
//!   after a step. The time without a server is what the wall clock says it was; a clock that went back meanwhile says
//!   nothing, and then no time has passed: nobody gains a request, and nobody waits longer than they already had to.
//! - A clock that is put forward while no server runs cannot be told from a server that was off for as long.
//! - A machine that sleeps stands still: the monotonic clock of Linux does not count that time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::time::Timestamp;

/// Differences between the clocks up to this are the time between two readings, in milliseconds.
const STEP_MS: i64 = 1_000;

/// A timeline in milliseconds that no step of the wall clock moves.
#[derive(Debug)]
pub struct Steady {
    origin_ms: i64,
    began: Duration,
    ahead_ms: AtomicI64,
}

/// What the wall clock and the monotonic clock show.
pub type Reading = (Timestamp, Duration);

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// In steady milliseconds.
    pub at_ms: i64,
    /// By how much that is ahead of the wall clock; the same from one moment to the next until the clock steps.
    pub ahead_ms: i64,
    /// Whether the wall clock has stepped since the moment before.
    pub has_stepped: bool,
}

impl Steady {
    /// Begins at `origin_ms`, at this reading of both clocks.
    pub fn begin(origin_ms: i64, (wall, monotonic): Reading) -> Self {
        let ahead_ms = AtomicI64::new(origin_ms.saturating_sub(wall.millis()));
        Self { origin_ms, began: monotonic, ahead_ms }
    }

    /// The present moment, by the clocks that `read` reads.
    pub fn now(&self, read: impl Fn() -> Reading) -> Moment {
        let kept = self.ahead_ms();
        let (at_ms, found) = self.place(read());
        if is_same(found, kept) {
            return Moment { at_ms, ahead_ms: kept, has_stepped: false };
        }
        // A thread that was held up between the clocks sees a step too: what two further readings agree on is one.
        let ((_, found), (at_ms, again)) = (self.place(read()), self.place(read()));
        if is_same(again, kept) || !is_same(found, again) {
            return Moment { at_ms, ahead_ms: kept, has_stepped: false };
        }
        // Of several that see the same step, one says so.
        let swapped = self.ahead_ms.compare_exchange(kept, again, Ordering::Relaxed, Ordering::Relaxed);
        Moment { at_ms, ahead_ms: swapped.map_or_else(|other| other, |_| again), has_stepped: swapped.is_ok() }
    }

    /// By how much it is ahead of the wall clock.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }

    /// The steady instant of a reading, and by how much it is ahead of the wall clock.
    fn place(&self, (wall, monotonic): Reading) -> (i64, i64) {
        let passed = monotonic.saturating_sub(self.began).as_millis();
        let at_ms = self.origin_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        (at_ms, at_ms.saturating_sub(wall.millis()))
    }
}

fn is_same(one: i64, other: i64) -> bool {
    one.saturating_sub(other).saturating_abs() <= STEP_MS
}

impl Moment {
    /// What the wall clock will show at a steady instant.
    pub const fn wall_ms(&self, steady_ms: i64) -> i64 {
        steady_ms.saturating_sub(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;
    const TEN_YEARS: i64 = 3_653 * 24 * HOUR;

    fn reading(steady: &Steady, passed_ms: i64, stepped_by: i64) -> Moment {
        let monotonic = Duration::from_millis(7_000 + u64::try_from(passed_ms).unwrap());
        steady.now(|| (Timestamp::from_millis(START + passed_ms + stepped_by), monotonic))
    }

    fn begun() -> Steady {
        Steady::begin(START, (Timestamp::from_millis(START), Duration::from_secs(7)))
    }

    #[test]
    fn a_thread_that_is_held_up_between_the_clocks_sees_no_step() {
        let steady = begun();
        let wall = Timestamp::from_millis(START);
        let readings = std::cell::Cell::new(0);
        let moment = steady.now(|| {
            readings.set(readings.get() + 1);
            let held_up = if readings.get() == 1 { 60 } else { 0 };
            (wall, Duration::from_secs(7 + held_up))
        });
        assert_eq!(moment, Moment { at_ms: START, ahead_ms: 0, has_stepped: false });
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_no_instant() {
        for step in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS] {
            let steady = begun();
            assert_eq!(reading(&steady, 10, 0).at_ms, START + 10);
            assert_eq!(reading(&steady, 20, step), Moment { at_ms: START + 20, ahead_ms: -step, has_stepped: true });
            assert_eq!(reading(&steady, 30, step), Moment { at_ms: START + 30, ahead_ms: -step, has_stepped: false });
            assert_eq!(reading(&steady, 40, 0), Moment { at_ms: START + 40, ahead_ms: 0, has_stepped: true });
        }
    }

    #[test]
    fn what_is_told_of_an_instant_stands_still_between_steps() {
        let steady = begun();
        let told = |passed, jitter| reading(&steady, passed, jitter).wall_ms(START + HOUR);
        assert_eq!([told(1, 0), told(2, 400), told(3, -900), told(4, 1_000)], [START + HOUR; 4]);
        assert_eq!([told(5, HOUR), told(6, HOUR - 3)], [START + 2 * HOUR; 2]);
    }
}
