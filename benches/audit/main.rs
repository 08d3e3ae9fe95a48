//! What the audit log costs: appending beside a bare insert of the same columns, checking it, finding entries among ten
//! million by each filter in both orders, and the page of usage over the same calls.
//!
//! `cargo bench --bench audit` prints all of it. `CLARIBI_BENCH_ENTRIES` (10000000) says how many entries there are;
//! they take about 300 bytes of disk each while it runs.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and makes a file of its own")]

mod append;
mod calls;
mod find;
mod log;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use claribi::domain::audit::GENESIS;
use claribi::domain::time::{Clock, FixedClock, Timestamp};
use claribi::store::audit::verify::Walk;
use claribi::store::{OnFailure, Role, Store, StoreSettings};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let entries = std::env::var("CLARIBI_BENCH_ENTRIES").map_or(Ok(10_000_000), |text| text.parse())?;
    let mut out = std::io::stdout();
    append::run(&mut out)?;

    let directory = tempfile::tempdir()?;
    let now = Timestamp::parse("2026-04-06T09:14:22Z").ok_or("an instant")?;
    open(directory.path(), now)?.close();
    let begun = Instant::now();
    let sums = log::lay_down(&directory.path().join("audit.db"), now, entries)?;
    let bytes = std::fs::metadata(directory.path().join("audit.db"))?.len();
    writeln!(
        out,
        "{entries} entries and {sums} sums laid down in {:.0} s, {bytes} bytes",
        begun.elapsed().as_secs_f64()
    )?;
    let store = open(directory.path(), now)?;
    verify(&mut out, &store, entries)?;
    find::filters(&mut out, &store, entries, now)?;
    find::usage(&mut out, &store, now)?;
    store.close();
    Ok(())
}

/// Both files, as a server opens them.
fn open(directory: &Path, now: Timestamp) -> Result<Store, Failure> {
    let settings = StoreSettings { audit_fsync: false, audit_failure: OnFailure::Refuse, readers: 2 };
    Ok(Store::open(directory, directory, Role::Owner, settings, &Clock::Fixed(FixedClock::at(now)))?)
}

/// The walk of `claribi audit verify`.
fn verify(out: &mut impl Write, store: &Store, entries: i64) -> Result<(), Failure> {
    let (begun, mut walk) = (Instant::now(), Walk::after(0, GENESIS));
    while store.read_audit_now(|db| Ok(walk.go_on(db, i64::MAX)?))?.map_err(|flaw| format!("{flaw:?}"))? {}
    let taken = begun.elapsed();
    if walk.checked() != entries.unsigned_abs() {
        return Err(format!("{} of {entries} entries were checked", walk.checked()).into());
    }
    let per_second = walk.checked() as f64 / taken.as_secs_f64();
    writeln!(out, "verify: {per_second:.0} entries/s, all of them in {:.1} s", taken.as_secs_f64())?;
    Ok(())
}

/// Halves and near ends of some spans, in milliseconds.
fn millis(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    (at(50), at(95))
}
