//! What calls add up to: by key and operation over minutes, hours and days, and how each key was last used.
//!
//! Sums are kept in memory by the writer of the chain and brought to the file about once a second, so that a call
//! costs no page for them. Readers add what is not there yet; after a crash it is counted again from the chain.

use std::collections::HashMap;
use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension};

use crate::domain::audit::entry::Word;
use crate::domain::audit::kind::Outcome;
use crate::domain::audit::latency::Latencies;
use crate::domain::audit::{Call, Entry};
use crate::store::StoreError;

/// The mark of the last entry whose counts are in the file.
pub(super) const MARK: &str = "tallied";
/// The lengths of the sums, in seconds.
pub(super) const SPANS: [i64; 3] = [MINUTE, 3_600, 86_400];
const MINUTE: i64 = 60;

/// What is summed together within one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    /// 0 for calls of nobody known.
    pub org: i64,
    /// When the minute, hour or day begins, in seconds.
    pub start: i64,
    /// 0 for calls without a key.
    pub key: i64,
    /// `none` for calls that met no operation.
    pub operation: Word,
}

/// The sums of a cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    /// Calls by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [i64; Outcome::ALL.len()],
    pub credits: i64,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub latency: Latencies,
}

/// How a key was used.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub calls: i64,
    pub at: i64,
    pub operation: Word,
    pub address: IpAddr,
}

/// Sums that are not in the file yet.
#[derive(Debug, Default)]
pub(in crate::store) struct Tally {
    minutes: HashMap<Cell, Sums>,
    keys: HashMap<i64, Used>,
}

impl Tally {
    /// Counts an entry; events are no calls.
    pub fn add(&mut self, entry: &Entry) {
        let Entry::Call(call) = entry else { return };
        let cell = Cell::of(call);
        if let (Some(key), Some(operation)) = (call.key_id, &call.operation) {
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
    }

    /// Whether everything is in the file.
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    /// How the key was used, as far as it is not in the file.
    pub(super) fn key(&self, key: i64) -> Option<&Used> {
        self.keys.get(&key)
    }

    /// The minutes that are not in the file.
    pub(super) fn minutes(&self) -> impl Iterator<Item = (&Cell, &Sums)> {
        self.minutes.iter()
    }

    /// Brings the sums to the file, within a transaction of the caller's, as those up to the entry `seq`.
    pub(super) fn write(&self, connection: &Connection, seq: i64) -> Result<(), StoreError> {
        for span in SPANS {
            let mut sums: HashMap<Cell, Sums> = HashMap::new();
            for (cell, found) in &self.minutes {
                let start = cell.start - cell.start.rem_euclid(span);
                sums.entry(Cell { start, ..cell.clone() }).or_default().merge(found);
            }
            for (cell, sums) in sums {
                add_to_file(connection, span, &cell, sums)?;
            }
        }
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
    }
}

impl Cell {
    fn of(call: &Call) -> Self {
        let seconds = call.at_ms.div_euclid(1_000);
        Self {
            org: call.org.unwrap_or(0),
            start: seconds - seconds.rem_euclid(MINUTE),
            key: call.key_id.unwrap_or(0),
            operation: call.operation.clone().unwrap_or(Word::Borrowed("none")),
        }
    }
}

impl Sums {
    fn add(&mut self, call: &Call) {
        self.outcomes[call.outcome as usize] += 1;
        self.credits += call.credits;
        self.bytes_in = self.bytes_in.saturating_add_unsigned(call.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add_unsigned(call.bytes_out);
        self.latency.add(call.latency_us);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count += more;
        }
        self.credits += other.credits;
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency.merge(&other.latency);
    }

    /// Calls of whatever outcome.
    pub(super) fn calls(&self) -> i64 {
        self.outcomes.iter().sum()
    }
}

/// Latencies add up class by class, which SQL cannot: the row is read and written.
fn add_to_file(connection: &Connection, span: i64, cell: &Cell, mut sums: Sums) -> Result<(), StoreError> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT latency FROM rollups
             WHERE org_id = ?1 AND span = ?2 AND start = ?3 AND key_id = ?4 AND operation = ?5",
        )?
        .query_row(rusqlite::params![cell.org, span, cell.start, cell.key, cell.operation], |row| row.get(0))
        .optional()?;
    if let Some(bytes) = stored {
        let found = Latencies::decode(&bytes).ok_or_else(|| StoreError::Corrupt("`rollups.latency`".to_owned()))?;
        sums.latency.merge(&found);
    }
    let [ok, refused, limited, client, server, gone] = sums.outcomes;
    connection
        .prepare_cached(
            "INSERT INTO rollups (org_id, span, start, key_id, operation, ok, refused, limited, client, server, gone,
                 credits, bytes_in, bytes_out, latency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT DO UPDATE SET ok = ok + ?6, refused = refused + ?7, limited = limited + ?8,
                 client = client + ?9, server = server + ?10, gone = gone + ?11, credits = credits + ?12,
                 bytes_in = bytes_in + ?13, bytes_out = bytes_out + ?14, latency = ?15",
        )?
        .execute(rusqlite::params![
            cell.org,
            span,
            cell.start,
            cell.key,
            cell.operation,
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
