//! Keeps the server answering while workers want every core: as long as they are at work, a thread on each core wakes
//! for a moment, thousands of times a second.
//!
//! A worker gives way to the server by its priority, but Linux asks who is next only when a thread wakes or the timer
//! ticks. A thread of the server that wakes having had a little more than its share is not preferred then, and waits for
//! the tick: four milliseconds where there are 250 of them a second, as on Debian. Each wake-up here is an occasion to ask
//! again. On two cores kept busy by queries the 99th percentile of a key's requests was 4.1 ms, and is 0.9 ms with this,
//! where it is 0.6 ms on idle cores (`benches/neighbours`). A program beside the server that wakes as often takes 2 to 4 %
//! of the cores; this takes nothing while nobody works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// From one wake-up of a thread to its next.
const BEAT: Duration = Duration::from_micros(300);
/// How long a thread waits before it beats, once there is work: most queries are over by then, and when they come one
/// after the other a thread wakes for them no more often than this.
const LEAD_IN: Duration = Duration::from_millis(20);

/// The threads, which begin with the first work and end with this.
pub(super) struct Metronome(Arc<Shared>);

#[derive(Default)]
struct Shared {
    at_work: AtomicUsize,
    has_threads: AtomicBool,
    is_over: AtomicBool,
    /// What threads wait by while there is no work.
    idle: Mutex<()>,
    changed: Condvar,
}

/// Work that goes on as long as this lives.
pub(super) struct Work(Arc<Shared>);

impl Metronome {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Says that a worker begins to work.
    pub(super) fn work(&self) -> Work {
        let first = self.0.at_work.fetch_add(1, Ordering::AcqRel) == 0;
        if !self.0.has_threads.swap(true, Ordering::AcqRel) {
            start(&self.0);
        } else if first {
            self.0.wake();
        }
        Work(self.0.clone())
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.wake();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::Acquire) > 0
    }

    /// Wakes those that wait for work.
    fn wake(&self) {
        // Whoever saw no work is waiting by now, or will see it.
        drop(self.idle.lock());
        self.changed.notify_all();
    }

    fn await_work(&self) {
        let mut idle = self.idle.lock();
        while !self.is_at_work() && !self.is_over() {
            self.changed.wait(&mut idle);
        }
    }
}

/// As many threads as this process may use cores. Without them everything works, and waits longer.
fn start(shared: &Arc<Shared>) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let count = thread::available_parallelism().map_or(1, usize::from).min(allowed.len());
    for number in 0..count {
        // A share of the machine's time, as containers have it, is on no core in particular.
        let core = (count == allowed.len()).then(|| allowed[number]);
        let shared = shared.clone();
        let thread = thread::Builder::new().name("metronome".into()).spawn(move || beat(&shared, core));
        if let Err(error) = thread {
            tracing::debug!(%error, number, "there is a metronome too few");
        }
    }
}

fn beat(shared: &Shared, core: Option<usize>) {
    if let Some(core) = core {
        let mut own = CpuSet::new();
        own.set(core);
        if let Err(error) = sched_setaffinity(None, &own) {
            tracing::debug!(%error, core, "a metronome beats on any core");
        }
    }
    loop {
        shared.await_work();
        if shared.is_over() {
            return;
        }
        thread::sleep(LEAD_IN);
        while shared.is_at_work() && !shared.is_over() {
            thread::sleep(BEAT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::monotonic;

    #[test]
    fn it_beats_as_long_as_somebody_works_and_its_threads_end_with_it() {
        let metronome = Metronome::new();
        let shared = metronome.0.clone();
        let (one, other) = (metronome.work(), metronome.work());
        drop(one);
        assert!(shared.is_at_work());
        drop(other);
        assert!(!shared.is_at_work());
        let again = metronome.work();
        assert!(shared.is_at_work());
        drop((again, metronome));
        let begun = monotonic();
        while Arc::strong_count(&shared) > 1 {
            assert!(monotonic() - begun < Duration::from_secs(30), "threads go on");
            thread::yield_now();
        }
    }
}
