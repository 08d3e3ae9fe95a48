//! Finding entries by each filter, in both orders, on the first page and after a cursor anywhere; and what calls add up
//! to.

use std::io::Write;
use std::time::{Duration, Instant};

use claribi::domain::audit::{Filter, Outcome};
use claribi::domain::id::{KeyId, OrgId};
use claribi::domain::page::Direction;
use claribi::domain::time::Timestamp;
use claribi::domain::usage::{Bucket, Callers, Figures, Window};
use claribi::store::Store;
use claribi::store::audit::search::{self, Search};
use claribi::store::audit::usage::{self, Calls};

use super::calls::{self, KEYS, OPERATIONS, ORG, RARE_KEY};
use super::log::DAYS;
use super::{Failure, millis};

const ROUNDS: i64 = 40;
/// Entries of a page at most.
const PAGE: usize = 100;
/// Entries that one request may look at, as the service has it.
const LOOKS: i64 = 64 * 1_024;
/// Entries that a page by number counts at most, as the service has it.
const COUNTED: usize = 10_000;
/// Entries that are looked at for them.
const COUNTED_LOOKS: i64 = 1_000_000;

/// What is asked for in each round.
type Ask = fn(round: i64, count: i64, now_ms: i64) -> Filter;

/// Names are those of the parameters of `GET /v1/audit`.
const FILTERS: &[(&str, Ask)] = &[
    ("no filter", |_, _, _| any()),
    ("key", |round, _, _| Filter { key: Some(1 + round % KEYS), ..any() }),
    ("key, used a hundred times", |_, _, _| Filter { key: Some(RARE_KEY), ..any() }),
    ("key, unknown", |round, _, _| Filter { key: Some(5_000 + round), ..any() }),
    ("key_prefix", |round, _, _| Filter { key_prefix: Some(calls::prefix(1 + round % KEYS)), ..any() }),
    ("key_prefix, rare", |_, _, _| Filter { key_prefix: Some(calls::prefix(RARE_KEY)), ..any() }),
    ("user", |round, _, _| Filter { user: Some(1 + round % 5), ..any() }),
    ("operation", |round, _, _| Filter { operation: operation(round), ..any() }),
    ("operation, never called", |_, _, _| Filter { operation: Some("users_list".to_owned()), ..any() }),
    ("outcome=refused", |_, _, _| Filter { outcome: Some(Outcome::Refused), ..any() }),
    ("outcome=server, one in 10,000", |_, _, _| Filter { outcome: Some(Outcome::Server), ..any() }),
    ("status=404", |_, _, _| Filter { status: Some((404, 404)), ..any() }),
    ("status=4xx", |_, _, _| Filter { status: Some((400, 499)), ..any() }),
    ("status=5xx", |_, _, _| Filter { status: Some((500, 599)), ..any() }),
    ("status=3xx, never", |_, _, _| Filter { status: Some((300, 399)), ..any() }),
    ("address", |round, _, _| Filter { address: Some([10, 0, 0, low_byte(round % 40)].into()), ..any() }),
    ("address, one in 100,000", |_, _, _| Filter { address: Some([198, 51, 100, 7].into()), ..any() }),
    ("address, unknown", |round, _, _| Filter { address: Some([192, 0, 2, low_byte(round)].into()), ..any() }),
    ("request_id", |round, count, now_ms| {
        let (seq, begin) = (1 + round * (count - 1) / ROUNDS, now_ms - DAYS * 86_400_000);
        let call = calls::call(seq, count, begin + DAYS * 86_400_000 * seq / (count + 1));
        Filter { request: Some(call.request_id), org: call.org, ..Filter::default() }
    }),
    ("a day", |round, _, now_ms| day(round, now_ms, any())),
    ("a day, outcome=limited", |round, _, now_ms| {
        day(round, now_ms, Filter { outcome: Some(Outcome::Limited), ..any() })
    }),
    ("key, outcome=server", |round, _, _| Filter {
        key: Some(1 + round % KEYS),
        outcome: Some(Outcome::Server),
        ..any()
    }),
    ("user, operation, status=404", |round, _, _| Filter {
        user: Some(1 + round % 5),
        operation: operation(round),
        status: Some((404, 404)),
        ..any()
    }),
    ("key, address: one in 1,600", |round, _, _| Filter {
        key: Some(1 + round % KEYS),
        address: Some([10, 0, 0, low_byte(round % 40)].into()),
        ..any()
    }),
    ("key, user: never together", |round, _, _| Filter {
        key: Some(1 + round % KEYS),
        user: Some(1 + (round + 1) % 5),
        ..any()
    }),
    ("key, operation, status=403, address", |round, _, _| Filter {
        key: Some(1 + round % KEYS),
        operation: operation(round),
        status: Some((403, 403)),
        address: Some([10, 0, 0, low_byte(round % 40)].into()),
        ..any()
    }),
];

fn any() -> Filter {
    Filter { org: Some(ORG), ..Filter::default() }
}

fn operation(round: i64) -> Option<String> {
    usize::try_from(round).ok().map(|round| OPERATIONS[round % OPERATIONS.len()].to_owned())
}

fn low_byte(number: i64) -> u8 {
    number.to_le_bytes()[0]
}

fn day(round: i64, now_ms: i64, filter: Filter) -> Filter {
    let from_ms = now_ms - (1 + round % (DAYS - 1)) * 86_400_000;
    Filter { from_ms: Some(from_ms), before_ms: Some(from_ms + 86_400_000), ..filter }
}

/// Prints each.
pub fn filters(out: &mut impl Write, store: &Store, count: i64, now: Timestamp) -> Result<(), Failure> {
    writeln!(out, "pages of {PAGE} at most, p50 and p95 in ms of {ROUNDS} rounds")?;
    writeln!(
        out,
        "{:<38}{:>16}{:>16}{:>16}{:>16}{:>18}",
        "", "oldest first", "after a cursor", "newest first", "after a cursor", "page by number"
    )?;
    for (name, ask) in FILTERS {
        write!(out, "{name:<38}")?;
        for (direction, deep) in [
            (Direction::Ascending, false),
            (Direction::Ascending, true),
            (Direction::Descending, false),
            (Direction::Descending, true),
        ] {
            let mut times = rounds(|round| {
                let after = deep.then(|| (calls::chance(round, 3) % count.unsigned_abs()).cast_signed());
                let filter = ask(round, count, now.millis());
                let asked = Search { filter: &filter, direction, after, take: PAGE, looks: LOOKS };
                store.read_audit_now(|db| Ok(search::search(db, &asked)?.found.len()))?;
                Ok(())
            })?;
            let (half, most) = millis(&mut times);
            write!(out, "{:>16}", format!("{half:.2} {most:.2}"))?;
        }
        let mut times = rounds(|round| {
            let filter = ask(round, count, now.millis());
            let direction = Direction::Descending;
            let asked = Search { filter: &filter, direction, after: None, take: COUNTED, looks: COUNTED_LOOKS };
            store.read_audit_now(|db| Ok(search::search(db, &asked)?.found.len()))?;
            Ok(())
        })?;
        let (half, most) = millis(&mut times);
        writeln!(out, "{:>18}", format!("{half:.2} {most:.2}"))?;
    }
    Ok(())
}

fn rounds(mut work: impl FnMut(i64) -> Result<(), Failure>) -> Result<Vec<Duration>, Failure> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let one = Instant::now();
        work(round)?;
        times.push(one.elapsed());
        // What takes seconds is told as well by a few.
        if begun.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    Ok(times)
}

/// The page of an organisation's usage, and what else is asked of sums.
pub fn usage(out: &mut impl Write, store: &Store, now: Timestamp) -> Result<(), Failure> {
    let window =
        |bucket, days: i64| Window::of(bucket, Some(Timestamp::from_seconds(now.seconds() - days * 86_400)), None, now);
    let (day, month, by_hours) =
        (window(Bucket::Hour, 1)?, window(Bucket::Day, DAYS)?, window(Bucket::Hour, DAYS - 1)?);
    let everyone = Callers::Everyone;
    let (one, each) =
        (Callers::Keys(vec![KeyId::new(3)]), Callers::Each((1..=KEYS).map(KeyId::new).collect::<Vec<_>>()));
    let read = |callers: &Callers, windows: &[Window]| -> Result<(), Failure> {
        let calls = Calls { org: OrgId::new(ORG), callers, operation: None };
        store.read_figures_now(|figures| {
            let mut sum = Figures::default();
            for window in windows {
                usage::each(figures, &calls, window, |counted| sum.merge(&counted.figures))?;
            }
            std::hint::black_box(sum.calls());
            Ok(())
        })?;
        Ok(())
    };
    let counts = || -> Result<(), Failure> {
        let calls = Calls { org: OrgId::new(ORG), callers: &everyone, operation: None };
        store.read_figures_now(|figures| {
            for days in [1, 7, 30_i64] {
                let since = Timestamp::from_seconds(now.seconds() - days * 86_400);
                std::hint::black_box(usage::count(figures, &calls, since, now)?);
            }
            Ok(())
        })?;
        Ok(())
    };
    let page = || -> Result<(), Failure> {
        counts()?;
        read(&everyone, &[day])?;
        read(&everyone, &[month])?;
        read(&everyone, &month.pieces())
    };
    for (name, work) in [
        ("usage page: counts, a day by hours, a month by days, its operations", &page as &dyn Fn() -> _),
        ("a month by hours, of everyone", &|| read(&everyone, &[by_hours])),
        ("a month by hours, of one key", &|| read(&one, &[by_hours])),
        ("a month's keys, told apart", &|| read(&each, &by_hours.pieces())),
    ] {
        let (half, most) = millis(&mut rounds(|_| work())?);
        writeln!(out, "{name}: p50 {half:.2} ms, p95 {most:.2} ms")?;
    }
    Ok(())
}
