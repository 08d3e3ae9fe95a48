//! What asking the limiter costs: both clocks, finding the caller, its lock, and five windows, beside what no limiter can
//! do without: both clocks and a lock.
//!
//! `cargo bench --bench limiter` prints medians of batches, and what a caller takes in memory. Rounds alternate, so that a
//! machine whose speed drifts slows all of them; the ratio is the figure to compare.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::io::Write;
use std::sync::Barrier;
use std::time::Instant;

use parking_lot::Mutex;

use claribi::domain::steady::Steady;
use claribi::domain::time::Clock;
use claribi::domain::window::{Class, Limits, Precision, Surface, Verdict, WindowSet};
use claribi::service::limits::callers::Callers;

const BATCH: u32 = 1_000;
const BATCHES: usize = 400;
const ROUNDS: usize = 5;

/// Five windows that are never full, so that each question is one that is admitted.
const OPEN: Limits = limits(u32::MAX);
/// Five windows that are full at once.
const SHUT: Limits = limits(1);

const fn limits(each: u32) -> Limits {
    Limits {
        minute: Some(each),
        hour: Some(each),
        day: Some(each),
        generation_hour: Some(each),
        generation_day: Some(each),
    }
}

struct House {
    steady: Steady,
    callers: Callers,
}

impl House {
    fn new() -> Self {
        let read = (Clock::System.now(), Clock::System.monotonic());
        Self { steady: Steady::begin(read.0.millis(), read), callers: Callers::new(u64::MAX) }
    }

    /// Everything that a request asks of the limiter.
    fn ask(&self, owner: i64, limits: &Limits) -> bool {
        let moment = self.steady.now(|| (Clock::System.now(), Clock::System.monotonic()));
        let admit = |windows: &mut WindowSet| {
            windows.admit(moment.at_ms, Class::Generation, Surface::Platform, limits).verdict == Verdict::Admitted
        };
        self.callers.with(owner, || Ok(WindowSet::new()), admit).is_ok_and(|admitted| admitted)
    }

    /// A caller who has made so many requests in the last 23 hours.
    fn used(&self, owner: i64, requests: i64) {
        let now = Clock::System.now().millis();
        let fill = |windows: &mut WindowSet| {
            for request in 0..requests {
                let at = now - 23 * 3_600_000 + request * 23 * 3_600_000 / requests;
                windows.replay(at, Class::Generation, Surface::Platform);
            }
        };
        let _ = self.callers.with(owner, || Ok(WindowSet::new()), fill);
    }
}

/// Nanoseconds of one call, for each of the batches.
fn batches(mut call: impl FnMut()) -> Vec<f64> {
    let one = |_| {
        let begun = Instant::now();
        (0..BATCH).for_each(|_| call());
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
    };
    (0..BATCHES).map(one).collect()
}

/// The same on two threads at once, each with its own call.
fn on_two(call: impl Fn(i64) + Sync) -> Vec<f64> {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let work = |thread: i64| {
            let (call, start) = (&call, &start);
            move || {
                start.wait();
                batches(|| call(thread))
            }
        };
        let (one, two) = (scope.spawn(work(0)), scope.spawn(work(1)));
        [one, two].into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let house = House::new();
    house.used(2, 90_000);
    let bare = Mutex::new(0_i64);
    let names = [
        "both clocks and a lock",
        "a new caller",
        "90,000 in the day",
        "refused",
        "two threads, one caller",
        "two threads, two callers",
    ];
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for _ in 0..ROUNDS {
        taken[0].extend(batches(|| {
            let read = (Clock::System.now(), Clock::System.monotonic());
            *bare.lock() += black_box(read).0.millis();
        }));
        house.used(1, 1);
        taken[1].extend(batches(|| _ = black_box(house.ask(1, &OPEN))));
        taken[2].extend(batches(|| _ = black_box(house.ask(2, &OPEN))));
        taken[3].extend(batches(|| _ = black_box(house.ask(3, &SHUT))));
        taken[4].extend(on_two(|_| _ = black_box(house.ask(4, &OPEN))));
        taken[5].extend(on_two(|thread| _ = black_box(house.ask(5 + thread, &OPEN))));
    }
    let mut out = std::io::stdout();
    writeln!(out, "nanoseconds a call, medians and 99th percentiles of {} batches of {BATCH}", BATCHES * ROUNDS)?;
    let mut medians = Vec::new();
    for (name, taken) in names.iter().zip(&mut taken) {
        taken.sort_by(f64::total_cmp);
        let (median, high) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
        writeln!(out, "{name:<26} {median:>7.0} {high:>7.0}")?;
        medians.push(median);
    }
    writeln!(out, "ratio of a caller with 90,000 in the day to the bare minimum: {:.1}", medians[2] / medians[0])?;

    for requests in [1, 1_000, 20_000, 100_000] {
        let mut windows = WindowSet::new();
        let now = Clock::System.now().millis();
        for request in 0..requests {
            windows.replay(now - 23 * 3_600_000 + request * 23 * 3_600_000 / requests, Class::General, Surface::Other);
        }
        let exact = windows.bytes();
        windows.set_precision(Precision::Coarse, now);
        writeln!(out, "{requests:>7} requests in the day: {exact} bytes, {} when coarse", windows.bytes())?;
    }
    Ok(())
}
