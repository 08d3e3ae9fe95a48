//! Appending: entries through the writer of the chain, with encoding, hash, columns, sums and summaries, beside a bare
//! insert of the same columns into a table of the same form, one transaction for as many rows. Rounds alternate.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::types::Value;

use claribi::domain::audit::{Call, Entry, GENESIS, chain};
use claribi::domain::time::Timestamp;

use super::{Failure, calls, open};

/// Entries of a round.
const ENTRIES: i64 = 200_000;
const ROUNDS: i64 = 5;
/// Entries of a commit: as many as the writer takes.
const BATCH: usize = 512;
/// Columns of a row.
const COLUMNS: usize = 9;
/// Rows after which the write-ahead log is begun anew, as the writer does.
const CHECKPOINT: usize = 32_768;

/// Prints microseconds a row and the ratios.
pub fn run(out: &mut impl Write) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let now = Timestamp::parse("2026-04-06T09:14:22Z").ok_or("an instant")?;
    let store = open(directory.path(), now)?;
    let appender = store.appender().ok_or("the writer")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut bare = Bare::open(&directory.path().join("bare.db"))?;
    let (mut ours, mut plain, mut hashed, mut busy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Twenty thousand calls a second.
        let first = round * ENTRIES;
        let made: Vec<Call> = (first..first + ENTRIES)
            .map(|number| calls::call(number, ENTRIES * ROUNDS, now.millis() + number / 20))
            .collect();
        let begun = Instant::now();
        let rows = rows(first, &made);
        hashed.push(per_row(begun));
        let begun = Instant::now();
        bare.insert(&rows)?;
        plain.push(per_row(begun));
        let mut entries: Vec<Entry> = made.into_iter().map(|call| Entry::Call(Box::new(call))).collect();
        let last = entries.pop().ok_or("the last")?;
        let (begun, busy_before) = (Instant::now(), writer_seconds()?);
        entries.into_iter().for_each(|entry| appender.append_unwatched(entry));
        runtime.block_on(appender.append(last).committed())?;
        ours.push(per_row(begun));
        busy.push((writer_seconds()? - busy_before) * 1e6 / ENTRIES as f64);
    }
    store.close();
    let [ours, plain, hashed, busy] = [ours, plain, hashed, busy].map(median);
    writeln!(out, "append, {ROUNDS} rounds of {ENTRIES} entries, up to {BATCH} a commit, medians in µs a row")?;
    writeln!(out, "the writer of the chain: {ours:.2}, of which {busy:.2} of its thread's processor time")?;
    writeln!(out, "bare inserts of {BATCH} rows of the same form: {plain:.2}")?;
    writeln!(out, "encoding and hash, rows put together for the bare inserts: {hashed:.2}")?;
    writeln!(out, "ratio of the writer to the bare insert: {:.2}", ours / plain)?;
    Ok(())
}

fn per_row(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / ENTRIES as f64
}

/// Processor time that the thread which appends has taken since it began.
fn writer_seconds() -> Result<f64, Failure> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim() == "audit-writer" {
            let figures = std::fs::read_to_string(path.join("schedstat"))?;
            let nanos: f64 = figures.split(' ').next().ok_or("schedstat")?.parse()?;
            return Ok(nanos / 1e9);
        }
    }
    Err("no thread is called audit-writer".into())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What the writer stores of these calls.
fn rows(first: i64, calls: &[Call]) -> Vec<[Value; COLUMNS]> {
    let mut head = GENESIS;
    let numbers = first + 1..;
    let row = |(seq, call): (i64, &Call)| {
        let mut bytes = Vec::with_capacity(128);
        call.encode(&mut bytes);
        head = chain::link(&head, &bytes);
        [
            seq.into(),
            call.at_ms.into(),
            call.org.into(),
            call.lineage.into(),
            call.operation.as_deref().map(str::to_owned).into(),
            i64::from(call.status).into(),
            call.request_id.to_vec().into(),
            bytes.into(),
            head.to_vec().into(),
        ]
    };
    numbers.zip(calls).map(row).collect()
}

/// A file with a table like that of the entries.
struct Bare {
    connection: Connection,
    since_checkpoint: usize,
}

impl Bare {
    fn open(path: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(path)?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;")?;
        connection.execute_batch(
            "CREATE TABLE bare (
                seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, org_id INTEGER, lineage_id INTEGER, operation TEXT,
                status INTEGER, request BLOB, entry BLOB NOT NULL, hash BLOB NOT NULL CHECK (length(hash) = 32)
             ) STRICT",
        )?;
        Ok(Self { connection, since_checkpoint: 0 })
    }

    /// One statement and one transaction for each batch.
    fn insert(&mut self, rows: &[[Value; COLUMNS]]) -> Result<(), Failure> {
        for batch in rows.chunks(BATCH) {
            let places = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?)"; batch.len()].join(", ");
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            self.connection
                .prepare_cached(&format!("INSERT INTO bare VALUES {places}"))?
                .execute(rusqlite::params_from_iter(batch.iter().flatten()))?;
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            self.since_checkpoint += batch.len();
            if self.since_checkpoint >= CHECKPOINT {
                self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
                self.since_checkpoint = 0;
            }
        }
        Ok(())
    }
}
