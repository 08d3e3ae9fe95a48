//! What the page of an organisation's usage costs to read: its counts, a day by hours, a month by days, a month by hours,
//! the operations and keys of a month. Sums are laid down as 30 days of ten million calls leave them: by so many keys and
//! operations, in each minute, hour and day that is kept. What is read are those sums, never the calls.
//!
//! `cargo bench --bench usage` prints the milliseconds of each. `CLARIBI_BENCH_KEYS` (20) and `CLARIBI_BENCH_OPERATIONS`
//! (15) say how many of each there are.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use claribi::domain::audit::latency::Latencies;
use claribi::domain::id::{KeyId, OrgId};
use claribi::domain::time::{Clock, FixedClock, Timestamp};
use claribi::domain::usage::{Bucket, Callers, Figures, Window};
use claribi::store::audit::usage::{self, Calls};
use claribi::store::{OnFailure, Role, Store, StoreSettings};

type Failure = Box<dyn std::error::Error>;

/// Calls of the 30 days.
const CALLS: i64 = 10_000_000;
const DAYS: i64 = 30;
const ROUNDS: usize = 50;

fn main() -> Result<(), Failure> {
    let number = |name: &str, usual: i64| std::env::var(name).map_or(Ok(usual), |text| text.parse());
    let (keys, operations) = (number("CLARIBI_BENCH_KEYS", 20)?, number("CLARIBI_BENCH_OPERATIONS", 15)?);
    let directory = tempfile::tempdir()?;
    let now = Timestamp::parse("2026-04-06T09:14:22Z").ok_or("an instant")?;
    let clock = Clock::Fixed(FixedClock::at(now));
    let settings = StoreSettings { audit_fsync: false, audit_failure: OnFailure::Refuse, readers: 2 };
    let open = || Store::open(directory.path(), directory.path(), Role::Owner, settings, &clock);
    open()?.close();
    let rows = lay_down(&directory.path().join("audit.db"), now, keys, operations)?;
    let store = open()?;
    let mut out = std::io::stdout();
    writeln!(out, "{CALLS} calls in {DAYS} days, {keys} keys, {operations} operations: {rows} sums")?;

    let ids: Vec<KeyId> = (1..=keys).map(KeyId::new).collect();
    let (everyone, each, one) = (Callers::Everyone, Callers::Each(ids), Callers::Keys(vec![KeyId::new(1)]));
    let window = |bucket, days: i64| {
        let from = Timestamp::from_seconds(now.seconds() - days * 86_400);
        Window::of(bucket, Some(from), None, now)
    };
    let (day, month, month_by_hours) =
        (window(Bucket::Hour, 1)?, window(Bucket::Day, DAYS)?, window(Bucket::Hour, 29)?);
    let read = |callers: &Callers, windows: &[Window]| -> Result<i64, Failure> {
        let calls = Calls { org: OrgId::new(1), callers, operation: None };
        Ok(store.read_figures_now(|figures| {
            let mut sum = Figures::default();
            for window in windows {
                usage::each(figures, &calls, window, |counted| sum.merge(&counted.figures))?;
            }
            Ok(sum.calls())
        })?)
    };
    let counts = || -> Result<i64, Failure> {
        let calls = Calls { org: OrgId::new(1), callers: &everyone, operation: None };
        Ok(store.read_figures_now(|figures| {
            let mut sum = 0;
            for days in [1, 7, 30_i64] {
                let since = Timestamp::from_seconds(now.seconds() - days * 86_400);
                sum += usage::count(figures, &calls, since, now)?.cast_signed();
            }
            Ok(sum)
        })?)
    };
    let page = || -> Result<i64, Failure> {
        Ok(counts()? + read(&everyone, &[day])? + read(&everyone, &[month])? + read(&everyone, &month.pieces())?)
    };
    for (name, work) in [
        (
            "the page: counts, a day by hours, a month by days, its operations",
            &page as &dyn Fn() -> Result<i64, Failure>,
        ),
        ("counts of 24 hours, 7 and 30 days", &counts),
        ("a day by hours", &|| read(&everyone, &[day])),
        ("a month by hours", &|| read(&everyone, &[month_by_hours])),
        ("a month by hours, of one key", &|| read(&one, &[month_by_hours])),
        ("a month's keys, told apart", &|| read(&each, &month_by_hours.pieces())),
    ] {
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            std::hint::black_box(work()?);
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let millis = |share: usize| times[ROUNDS * share / 100].as_secs_f64() * 1_000.0;
        writeln!(out, "{name}: p50 {:.2} ms, p95 {:.2} ms", millis(50), millis(95))?;
    }
    store.close();
    Ok(())
}

/// Writes sums as the writer of the log leaves them, and gives how many.
fn lay_down(path: &Path, now: Timestamp, keys: i64, operations: i64) -> Result<usize, Failure> {
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    let mut rows = 0;
    {
        let mut insert = transaction.prepare(
            "INSERT INTO rollups (org_id, span, key_id, start, user_id, operation, ok, refused, limited, client, server,
                 gone, credits, bytes_in, bytes_out, latency)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0, 0, 0, 0, ?7)",
        )?;
        for bucket in Bucket::ALL {
            let end = bucket.of(now.seconds());
            let buckets = (DAYS * 86_400).min(bucket.kept()) / bucket.seconds();
            let per_bucket = CALLS / (DAYS * 86_400 / bucket.seconds());
            for start in (1..buckets).map(|back| end - back * bucket.seconds()) {
                for operation in 0..operations {
                    let name = format!("operation_{operation}");
                    let mut put = |key: i64, user: i64, calls: i64| {
                        let latencies = latencies(calls);
                        insert.execute(rusqlite::params![bucket.seconds(), key, start, user, name, calls, latencies])
                    };
                    let calls = (per_bucket / operations).max(1);
                    put(-1, 0, calls)?;
                    // In a minute not every key calls everything.
                    let calling = if bucket == Bucket::Minute { keys.min(calls) } else { keys };
                    for key in 1..=calling {
                        put(key, 1, (calls / calling).max(1))?;
                    }
                    rows += usize::try_from(calling)? + 1;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(rows)
}

/// Some classes of time, as calls of one operation have.
fn latencies(calls: i64) -> Vec<u8> {
    let mut latencies = Latencies::default();
    let some = u32::try_from(calls.clamp(1, 12)).unwrap_or(1);
    (0..some).for_each(|call| latencies.add(700 + call * 350));
    latencies.encode()
}
