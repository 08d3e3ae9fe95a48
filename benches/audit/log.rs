//! A log of many calls in thirty days, written past the writer and as the writer would have left it: the chain, its
//! summaries, what calls add up to, and the marks that say so.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Transaction, params};

use claribi::domain::audit::summary::BLOCK;
use claribi::domain::audit::{Call, Entry, Filling, GENESIS, chain};
use claribi::domain::time::Timestamp;
use claribi::domain::usage::{Bucket, Figures};

use super::{Failure, calls};

pub const DAYS: i64 = 30;

/// Writes it, up to now, and gives how many sums there are.
pub fn lay_down(path: &Path, now: Timestamp, count: i64) -> Result<usize, Failure> {
    let mut connection = Connection::open(path)?;
    // Nobody else reads it, and what a crash leaves of it is of no use.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")?;
    let transaction = connection.transaction()?;
    let mut sums = Sums::new(now);
    entries(&transaction, now, count, &mut sums)?;
    let rows = sums.write(&transaction)?;
    transaction.execute("INSERT OR REPLACE INTO marks VALUES ('tallied', ?1)", [count])?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA journal_mode = WAL")?;
    Ok(rows)
}

fn entries(transaction: &Transaction<'_>, now: Timestamp, count: i64, sums: &mut Sums) -> Result<(), Failure> {
    let mut insert = transaction.prepare("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let mut insert_block = transaction.prepare("INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let begin = now.millis() - DAYS * 86_400_000;
    let (mut head, mut bytes, mut filling) = (GENESIS, Vec::new(), Filling::default());
    for seq in 1..=count {
        // Not over 2^63: thirty days have 2.6 billion milliseconds.
        let call = calls::call(seq, count, begin + DAYS * 86_400_000 * seq / (count + 1));
        bytes.clear();
        call.encode(&mut bytes);
        head = chain::link(&head, &bytes);
        let operation = call.operation.as_deref();
        let copies =
            params![seq, call.at_ms, call.org, call.lineage, operation, call.status, call.request_id, bytes, head];
        insert.execute(copies)?;
        sums.add(&call);
        filling.add(&Entry::Call(Box::new(call)));
        if seq % BLOCK == BLOCK - 1 {
            let whole = std::mem::take(&mut filling).into_summary();
            insert_block.execute(params![seq + 1 - BLOCK, seq, whole.oldest_ms, whole.newest_ms, whole.bytes()])?;
        }
    }
    Ok(())
}

/// Under the key -1 stands the sum of everyone.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Cell {
    org: i64,
    span: i64,
    key: i64,
    start: i64,
    user: i64,
    operation: &'static str,
}

/// What is kept of calls.
struct Sums {
    now: i64,
    cells: HashMap<Cell, Figures>,
}

impl Sums {
    fn new(now: Timestamp) -> Self {
        Self { now: now.seconds(), cells: HashMap::new() }
    }

    fn add(&mut self, call: &Call) {
        let second = call.at_ms.div_euclid(1_000);
        let named = |name: &&&'static str| call.operation.as_deref() == Some(**name);
        let operation = calls::OPERATIONS.iter().find(named).copied().unwrap_or("none");
        for bucket in Bucket::ALL {
            if bucket.of(second) < bucket.of(self.now) - bucket.kept() {
                continue;
            }
            let (org, key, user) = (call.org.unwrap_or(0), call.key_id.unwrap_or(0), call.user.unwrap_or(0));
            for (key, user) in [(key, user), (-1, 0)] {
                let cell = Cell { org, span: bucket.seconds(), key, start: bucket.of(second), user, operation };
                self.cells.entry(cell).or_default().add(call);
            }
        }
    }

    fn write(self, transaction: &Transaction<'_>) -> Result<usize, Failure> {
        let mut insert = transaction.prepare(
            "INSERT INTO rollups (org_id, span, key_id, start, user_id, operation, ok, refused, limited, client, server,
                 gone, credits, bytes_in, bytes_out, latency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?;
        let rows = self.cells.len();
        let mut cells: Vec<(Cell, Figures)> = self.cells.into_iter().collect();
        cells.sort_by_key(|(cell, _)| (cell.org, cell.span, cell.key, cell.start));
        for (cell, sums) in cells {
            let [ok, refused, limited, client, server, gone] = sums.outcomes;
            let Cell { org, span, key, start, user, operation } = cell;
            let (credits, bytes_in, bytes_out) = (sums.credits, sums.bytes_in, sums.bytes_out);
            let latency = sums.latency.encode();
            insert.execute(params![
                org, span, key, start, user, operation, ok, refused, limited, client, server, gone, credits, bytes_in,
                bytes_out, latency
            ])?;
        }
        Ok(rows)
    }
}
