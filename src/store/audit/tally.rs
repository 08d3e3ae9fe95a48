//! What calls add up to: by key, user and operation over minutes, hours and days, how each key was last used, and
//! when each caller was admitted.
//!
//! Sums are kept in memory by the writer of the chain and brought to the file about once a second, so that a call
//! costs no page for them. Readers add what is not there yet; after a crash it is counted again from the chain. What is
//! past its time leaves the file when new sums are brought there, by the clock of the calls themselves.

use std::collections::HashMap;
use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension};

use super::admissions::Fresh;
use crate::domain::audit::entry::Word;
use crate::domain::audit::{Call, Entry, Flood};
use crate::domain::usage::{Bucket, Figures};
use crate::store::StoreError;

/// The mark of the last entry whose counts are in the file.
pub(in crate::store) const MARK: &str = "tallied";
/// The key under which an organisation's sum over all keys and users stands.
pub(super) const EVERYONE: i64 = -1;
/// Rows of one length that leave the file at a time, at most: bringing sums there holds up calls.
const FORGOTTEN: i64 = 500;

/// What is summed together within one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    /// 0 for calls of nobody known.
    pub org: i64,
    /// When the minute, hour or day begins, in seconds.
    pub start: i64,
    /// 0 for calls without a key.
    pub key: i64,
    /// 0 for calls of nobody known.
    pub user: i64,
    /// `none` for calls that met no operation.
    pub operation: Word,
}

/// How a key or session was used.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub calls: i64,
    pub at: i64,
    pub operation: Word,
    pub address: IpAddr,
}

/// Sums that are not in the file yet.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Tally {
    minutes: HashMap<Cell, Figures>,
    keys: HashMap<i64, Used>,
    admissions: Fresh,
}

impl Tally {
    /// Counts an entry; events are no calls.
    pub fn add(&mut self, entry: &Entry) {
        let call = match entry {
            Entry::Call(call) => call,
            Entry::Flood(flood) => return self.add_flood(flood),
            Entry::Event(_) => return,
        };
        let cell = Cell::of(call);
        if let (Some(key), Some(operation)) = (user_of(call), &call.operation) {
            let used = self.keys.entry(key).or_insert_with(|| Used {
                calls: 0,
                at: call.at_ms,
                operation: operation.clone(),
                address: call.address,
            });
            used.calls += 1;
            (used.at, used.address) = (call.at_ms, call.address);
            if used.operation != *operation {
                used.operation = operation.clone();
            }
        }
        self.minutes.entry(cell).or_default().add(call);
        self.admissions.add(call);
    }

    /// Counts calls that left no entry each: they are nobody's.
    fn add_flood(&mut self, flood: &Flood) {
        let start = Bucket::Minute.of(flood.at_ms.div_euclid(1_000));
        let nobody = Cell { org: 0, start, key: 0, user: 0, operation: Word::Borrowed("none") };
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let figures = Figures {
            outcomes: flood.outcomes.map(number),
            bytes_in: number(flood.bytes_in),
            bytes_out: number(flood.bytes_out),
            ..Figures::default()
        };
        self.minutes.entry(nobody).or_default().merge(&figures);
    }

    /// Whether everything is in the file.
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    /// The admitted requests that are not in the file.
    pub(super) fn admissions(&self) -> &Fresh {
        &self.admissions
    }

    /// How the key was used, as far as it is not in the file.
    pub(super) fn key(&self, key: i64) -> Option<&Used> {
        self.keys.get(&key)
    }

    /// How keys and sessions were used, as far as it is not in the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = (i64, &Used)> {
        self.keys.iter().map(|(key, used)| (*key, used))
    }

    /// The minutes that are not in the file.
    pub(super) fn minutes(&self) -> impl Iterator<Item = (&Cell, &Figures)> {
        self.minutes.iter()
    }

    /// Brings the sums to the file, within a transaction of the caller's, as those up to the entry `seq`.
    pub(super) fn write(&self, connection: &Connection, seq: i64) -> Result<(), StoreError> {
        let newest = self.minutes.keys().map(|cell| cell.start).max().unwrap_or(0);
        for bucket in Bucket::ALL {
            let oldest = bucket.of(newest) - bucket.kept();
            let mut sums: HashMap<Cell, Figures> = HashMap::new();
            // What is past its time already is not worth a row: when a long log is counted again.
            for (cell, found) in self.minutes.iter().filter(|(cell, _)| bucket.of(cell.start) >= oldest) {
                let cell = Cell { start: bucket.of(cell.start), ..cell.clone() };
                sums.entry(Cell { key: EVERYONE, user: 0, ..cell.clone() }).or_default().merge(found);
                sums.entry(cell).or_default().merge(found);
            }
            for (cell, sums) in sums {
                add_to_file(connection, bucket, &cell, sums)?;
            }
        }
        forget(connection, newest)?;
        self.admissions.write(connection, seq)?;
        let mut upsert = connection.prepare_cached(
            "INSERT INTO key_usage (key_id, calls, last_at, last_operation, last_address) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key_id) DO UPDATE SET calls = calls + ?2, last_at = ?3, last_operation = ?4,
                 last_address = ?5",
        )?;
        for (key, used) in &self.keys {
            upsert.execute(rusqlite::params![key, used.calls, used.at, used.operation, used.address.to_string()])?;
        }
        connection
            .prepare_cached("INSERT INTO marks VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")?
            .execute(rusqlite::params![MARK, seq])?;
        Ok(())
    }

    /// Forgets what was brought to the file.
    pub(super) fn clear(&mut self) {
        self.minutes.clear();
        self.keys.clear();
        self.admissions.clear();
    }
}

/// What is told of by its last use: a key, or a session as the negative of its id.
fn user_of(call: &Call) -> Option<i64> {
    call.key_id.or(call.session.map(|session| -session))
}

impl Cell {
    fn of(call: &Call) -> Self {
        let seconds = call.at_ms.div_euclid(1_000);
        Self {
            org: call.org.unwrap_or(0),
            start: Bucket::Minute.of(seconds),
            key: call.key_id.unwrap_or(0),
            user: call.user.unwrap_or(0),
            operation: call.operation.clone().unwrap_or(Word::Borrowed("none")),
        }
    }
}

/// Rows that are past their time, found by the index over their starts.
const FORGET: &str = "DELETE FROM rollups WHERE (org_id, span, key_id, start, user_id, operation) IN (
    SELECT org_id, span, key_id, start, user_id, operation FROM rollups WHERE span = ?1 AND start < ?2 LIMIT ?3)";

/// Takes some of what is past its time from the file, by the newest minute of calls.
fn forget(connection: &Connection, newest: i64) -> Result<(), StoreError> {
    let mut delete = connection.prepare_cached(FORGET)?;
    for bucket in Bucket::ALL {
        delete.execute([bucket.seconds(), bucket.of(newest) - bucket.kept(), FORGOTTEN])?;
    }
    Ok(())
}

/// Latencies add up class by class, which SQL cannot: the row is read and written.
fn add_to_file(connection: &Connection, bucket: Bucket, cell: &Cell, mut sums: Figures) -> Result<(), StoreError> {
    let (span, Cell { org, start, key, user, operation }) = (bucket.seconds(), cell);
    let stored: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT latency FROM rollups
             WHERE org_id = ?1 AND span = ?2 AND key_id = ?3 AND start = ?4 AND user_id = ?5 AND operation = ?6",
        )?
        .query_row(rusqlite::params![org, span, key, start, user, operation], |row| row.get(0))
        .optional()?;
    if stored.is_some_and(|bytes| sums.latency.absorb(&bytes).is_none()) {
        return Err(StoreError::Corrupt("`rollups.latency`".to_owned()));
    }
    let [ok, refused, limited, client, server, gone] = sums.outcomes;
    connection
        .prepare_cached(
            "INSERT INTO rollups (org_id, span, key_id, start, user_id, operation, ok, refused, limited, client, server,
                 gone, credits, bytes_in, bytes_out, latency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT DO UPDATE SET ok = ok + ?7, refused = refused + ?8, limited = limited + ?9,
                 client = client + ?10, server = server + ?11, gone = gone + ?12, credits = credits + ?13,
                 bytes_in = bytes_in + ?14, bytes_out = bytes_out + ?15, latency = ?16",
        )?
        .execute(rusqlite::params![
            org,
            span,
            key,
            start,
            user,
            operation,
            ok,
            refused,
            limited,
            client,
            server,
            gone,
            sums.credits,
            sums.bytes_in,
            sums.bytes_out,
            sums.latency.encode(),
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrate;

    fn file() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::audit(&mut connection).unwrap();
        connection
    }

    /// A minute's calls of a user's key.
    fn tally(minute: i64, key: i64, calls: i64) -> Tally {
        let mut tally = Tally::default();
        let cell = Cell { org: 1, start: minute * 60, key, user: 7, operation: Word::Borrowed("dashboards_list") };
        let mut figures = Figures::default();
        figures.outcomes[0] = calls;
        (0..calls).for_each(|_| figures.latency.add(900));
        tally.minutes.insert(cell, figures);
        tally
    }

    fn calls(connection: &Connection, span: i64, key: i64) -> (i64, i64) {
        let sql = "SELECT count(*), coalesce(sum(ok), 0) FROM rollups WHERE span = ?1 AND key_id = ?2";
        connection.query_row(sql, [span, key], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    #[test]
    fn minutes_are_kept_for_48_hours_hours_for_90_days_and_days_for_two_years() {
        const START: i64 = 30_000_000;
        let connection = file();
        for (minutes, expected) in [
            (0, [(1, 2), (1, 2), (1, 2)]),
            (48 * 60, [(2, 4), (2, 4), (2, 4)]),
            (48 * 60 + 1, [(2, 4), (2, 6), (2, 6)]),
            (90 * 1_440, [(1, 2), (3, 8), (3, 8)]),
            (90 * 1_440 + 60, [(2, 4), (3, 8), (3, 10)]),
            (731 * 1_440, [(1, 2), (1, 2), (4, 12)]),
            (732 * 1_440, [(2, 4), (2, 4), (4, 12)]),
        ] {
            tally(START + minutes, 5, 2).write(&connection, 1).unwrap();
            for (bucket, expected) in Bucket::ALL.into_iter().zip(expected) {
                for key in [5, EVERYONE] {
                    assert_eq!(calls(&connection, bucket.seconds(), key), expected, "{minutes} minutes on, {bucket:?}");
                }
            }
        }
        let bytes: Vec<u8> = connection.query_row("SELECT latency FROM rollups LIMIT 1", [], |row| row.get(0)).unwrap();
        assert_eq!(crate::domain::audit::latency::Latencies::decode(&bytes).unwrap().within(0.5), Some(1_023));
    }

    #[test]
    fn what_is_past_its_time_is_found_by_index_and_leaves_in_steps() {
        let connection = file();
        let plan: Vec<String> = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {FORGET}"))
            .unwrap()
            .query_map([60, 0, 1], |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.iter().all(|line| !line.starts_with("SCAN rollups")), "{plan:?}");
        for key in 1..=600 {
            tally(0, key, 1).write(&connection, 1).unwrap();
        }
        tally(10_000, 1, 1).write(&connection, 1).unwrap();
        let left = |connection: &Connection| -> i64 {
            let sql = "SELECT count(*) FROM rollups WHERE span = 60 AND start = 0";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(left(&connection), 101, "a step of 500, of 600 keys and the sum over them");
        tally(10_000, 1, 1).write(&connection, 1).unwrap();
        assert_eq!(left(&connection), 0);
    }
}
