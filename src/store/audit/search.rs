//! Finding entries: block by block along the chain in either direction, past the blocks whose summaries have nothing of
//! what is sought. See `domain::audit::summary` for why there is no index for each filter.

use rusqlite::{OptionalExtension, Row};

use super::blocks::start_of;
use super::requests;
use crate::domain::audit::summary::{BLOCK, Sought};
use crate::domain::audit::{Entry, Filter, Hash};
use crate::domain::id::RequestId;
use crate::domain::page::Direction;
use crate::store::{Audit, Reader, StoreError};

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub seq: i64,
    /// Its hash.
    pub hash: Hash,
    /// What it says.
    pub entry: Entry,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'f> {
    /// Which entries.
    pub filter: &'f Filter,
    /// In which order.
    pub direction: Direction,
    /// Those after this one in that order; by default from the beginning.
    pub after: Option<i64>,
    /// How many at most.
    pub take: usize,
    /// How many entries may be looked at, found or not; blocks that are passed over cost nothing.
    pub looks: i64,
}

/// A part of what was asked for.
#[derive(Debug, Default)]
pub struct Part {
    /// What was found.
    pub found: Vec<Found>,
    /// Where to go on: the last entry that was looked at. None when there is nothing more.
    pub next: Option<i64>,
}

/// Looks for entries.
pub fn search(db: &Reader<'_, Audit>, search: &Search<'_>) -> Result<Part, StoreError> {
    if let Some(request) = &search.filter.request {
        let found = match requests::find(db, RequestId(uuid::Uuid::from_bytes(*request)))? {
            Some(seq) => by_number(db, seq)?.filter(|found| search.filter.admits(&found.entry)),
            None => None,
        };
        let is_after =
            |seq: i64| search.after.is_none_or(|after| (search.direction == Direction::Ascending) == (seq > after));
        return Ok(Part { found: found.into_iter().filter(|found| is_after(found.seq)).collect(), next: None });
    }
    Seeking { db, search, sought: Sought::new(search.filter), part: Part::default(), left: search.looks }.run()
}

/// One entry of an organisation.
pub fn find(db: &Reader<'_, Audit>, org: i64, seq: i64) -> Result<Option<Found>, StoreError> {
    Ok(by_number(db, seq)?.filter(|found| found.entry.org() == Some(org)))
}

fn by_number(db: &Reader<'_, Audit>, seq: i64) -> Result<Option<Found>, StoreError> {
    let mut statement = db.prepare("SELECT seq, entry, hash FROM entries WHERE seq = ?1")?;
    Ok(statement.query_row([seq], |row| Ok(read(row))).optional()?.transpose()?.flatten())
}

/// What the copies beside an entry tell is asked before its bytes are read.
const UP: &str = "SELECT seq, entry, hash FROM entries WHERE seq BETWEEN ?1 AND ?2
    AND (?3 IS NULL OR org_id = ?3) AND (?4 IS NULL OR operation = ?4) AND (?5 IS NULL OR status BETWEEN ?5 AND ?6)
    ORDER BY seq";
const DOWN: &str = "SELECT seq, entry, hash FROM entries WHERE seq BETWEEN ?1 AND ?2
    AND (?3 IS NULL OR org_id = ?3) AND (?4 IS NULL OR operation = ?4) AND (?5 IS NULL OR status BETWEEN ?5 AND ?6)
    ORDER BY seq DESC";

/// Where an entry's bytes stand in the rows of these statements: names are looked up anew for every row.
const ENTRY: usize = 1;

fn read(row: &Row<'_>) -> Result<Option<Found>, StoreError> {
    // What cannot be read is found by whoever verifies.
    let entry = Entry::decode(row.get_ref("entry")?.as_blob().map_err(rusqlite::Error::from)?);
    let Some(entry) = entry else { return Ok(None) };
    Ok(Some(Found { seq: row.get("seq")?, hash: row.get("hash")?, entry }))
}

struct Seeking<'a, 'c> {
    db: &'a Reader<'c, Audit>,
    search: &'a Search<'a>,
    sought: Sought,
    part: Part,
    left: i64,
}

impl Seeking<'_, '_> {
    fn run(mut self) -> Result<Part, StoreError> {
        let ends: (Option<i64>, Option<i64>) = (
            self.db.prepare("SELECT min(seq) FROM entries")?.query_row([], |row| row.get(0))?,
            self.db.prepare("SELECT max(seq) FROM entries")?.query_row([], |row| row.get(0))?,
        );
        let (Some(first), Some(last)) = ends else { return Ok(self.part) };
        match self.search.direction {
            Direction::Ascending => self.up(first, last)?,
            Direction::Descending => self.down(first, last)?,
        }
        Ok(self.part)
    }

    fn up(&mut self, first: i64, last: i64) -> Result<(), StoreError> {
        let mut position = self.search.after.map_or(first, |after| after.saturating_add(1).max(first));
        while position <= last {
            let whole = self.block("SELECT first FROM blocks WHERE first >= ?1 LIMIT 1", start_of(position))?;
            let (from, to) = match whole {
                // Past the last summary there is what came since.
                None => (position, last),
                Some(_) => match self.next_match(UP_BLOCKS, start_of(position))? {
                    Some(block) => (position.max(block), (block + BLOCK - 1).min(last)),
                    None => {
                        position = self.end_of_blocks()?;
                        continue;
                    }
                },
            };
            if self.look(UP, from, to, to)? {
                return Ok(());
            }
            position = to + 1;
        }
        Ok(())
    }

    fn down(&mut self, first: i64, last: i64) -> Result<(), StoreError> {
        let mut position = self.search.after.map_or(last, |after| after.saturating_sub(1).min(last));
        let summed_up = self.end_of_blocks()?;
        while position >= first {
            let (from, to) = if position >= summed_up {
                (summed_up.max(first), position)
            } else {
                match self.next_match(DOWN_BLOCKS, start_of(position))? {
                    Some(block) => (block.max(first), position.min(block + BLOCK - 1)),
                    None => return Ok(()),
                }
            };
            if self.look(DOWN, from, to, from)? {
                return Ok(());
            }
            position = from - 1;
        }
        Ok(())
    }

    /// Looks at the entries from one to another. Gives whether it is enough; `end` is where to go on when it is.
    fn look(&mut self, sql: &str, from: i64, to: i64, end: i64) -> Result<bool, StoreError> {
        let filter = self.search.filter;
        let (lowest, highest) = filter.status.unzip();
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query(rusqlite::params![from, to, filter.org, filter.operation, lowest, highest])?;
        while let Some(row) = rows.next()? {
            if !filter.may_admit(row.get_ref(ENTRY)?.as_blob().map_err(rusqlite::Error::from)?) {
                continue;
            }
            let Some(found) = read(row)?.filter(|found| filter.admits(&found.entry)) else { continue };
            let seq = found.seq;
            self.part.found.push(found);
            if self.part.found.len() == self.search.take {
                self.part.next = Some(seq);
                return Ok(true);
            }
        }
        self.left = self.left.saturating_sub(to - from + 1);
        let is_enough = self.left <= 0;
        if is_enough {
            self.part.next = Some(end);
        }
        Ok(is_enough)
    }

    fn block(&self, sql: &str, position: i64) -> Result<Option<i64>, StoreError> {
        Ok(self.db.prepare(sql)?.query_row([position], |row| row.get(0)).optional()?)
    }

    fn end_of_blocks(&self) -> Result<i64, StoreError> {
        super::blocks::end(self.db)
    }

    /// The next block, in the order of the statement, that may have what is sought.
    fn next_match(&self, sql: &str, position: i64) -> Result<Option<i64>, StoreError> {
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([position])?;
        while let Some(row) = rows.next()? {
            let facts = row.get_ref(FACTS)?.as_blob().map_err(rusqlite::Error::from)?;
            if self.sought.may_be_in(facts, row.get(1)?, row.get(2)?) {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }
}

/// Where the summary stands in the rows of these statements, after first, oldest and newest.
const FACTS: usize = 3;
const UP_BLOCKS: &str = "SELECT first, oldest, newest, facts FROM blocks WHERE first >= ?1 ORDER BY first";
const DOWN_BLOCKS: &str = "SELECT first, oldest, newest, facts FROM blocks WHERE first <= ?1 ORDER BY first DESC";

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;
    use crate::domain::audit::entry::tests::typical;
    use crate::domain::audit::{Call, Filling, Outcome, Summary};
    use crate::store::audit::entries::Columns;
    use crate::store::migrate;

    fn file() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::audit(&mut connection).unwrap();
        connection
    }

    #[test]
    fn entries_and_blocks_are_read_by_their_numbers() {
        let connection = file();
        for (sql, plan) in [
            (UP, "SEARCH entries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (DOWN, "SEARCH entries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (UP_BLOCKS, "SEARCH blocks USING INTEGER PRIMARY KEY (rowid>?)"),
            (DOWN_BLOCKS, "SEARCH blocks USING INTEGER PRIMARY KEY (rowid<?)"),
        ] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = statement.parameter_count();
            let rows = statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get("detail"));
            let lines: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
            assert_eq!(lines, [plan], "{sql}");
        }
    }

    /// A chain's rows without their hashes, and the summaries of its whole blocks.
    fn fill(connection: &Connection, calls: &[Call], summed_up: bool) {
        let mut insert = connection
            .prepare(
                "INSERT INTO entries (seq, at, org_id, operation, status, request, entry, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, zeroblob(32))",
            )
            .unwrap();
        let mut filling = Filling::default();
        for (seq, call) in (1_i64..).zip(calls) {
            let (mut bytes, entry) = (Vec::new(), Entry::Call(Box::new(call.clone())));
            entry.encode(&mut bytes);
            let Columns { at, org, operation, status, request, .. } = Columns::of(&entry);
            insert.execute(rusqlite::params![seq, at, org, operation, status, request, bytes]).unwrap();
            filling.add(&entry);
            if seq % BLOCK == BLOCK - 1 {
                let summary = std::mem::take(&mut filling).into_summary();
                let Summary { oldest_ms, newest_ms, .. } = summary;
                let row = rusqlite::params![seq - BLOCK + 1, seq, oldest_ms, newest_ms, summary.bytes()];
                if summed_up {
                    connection.execute("INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5)", row).unwrap();
                }
            }
        }
    }

    fn call(number: u64) -> Call {
        // Some spread that is the same each time.
        let chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let of = |count: u64| i64::try_from(chance / 7 % count).unwrap();
        let mut request_id = [0; 16];
        request_id[..8].copy_from_slice(&number.to_le_bytes());
        Call {
            at_ms: i64::try_from(number * 10 + chance % 50).unwrap(),
            request_id,
            org: Some(of(3)),
            key_id: Some(of(number / 700 + 2)),
            user: Some(of(11)),
            status: if chance.is_multiple_of(97) { 500 } else { 200 },
            outcome: if chance.is_multiple_of(97) { Outcome::Server } else { Outcome::Ok },
            address: IpAddr::from([10, 0, 0, u8::try_from(of(200)).unwrap()]),
            ..typical()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whatever_is_sought_in_whatever_order_and_pages_is_found_once_and_nothing_else(
            org in prop::option::of(0..4_i64), key in prop::option::of(0..6_i64), user in prop::option::of(0..12_i64),
            outcome in prop::option::of(prop::sample::select(vec![Outcome::Ok, Outcome::Server])),
            status in prop::option::of(prop::sample::select(vec![(500, 500), (500, 599), (200, 299), (404, 404)])),
            from_ms in prop::option::of(0..40_000_i64), before_ms in prop::option::of(0..40_000_i64),
            descending in any::<bool>(), take in 1..400_usize, looks in 1..5_000_i64, summed_up in any::<bool>(),
        ) {
            let connection = file();
            let calls: Vec<Call> = (1..=3_500).map(call).collect();
            fill(&connection, &calls, summed_up);
            let filter = Filter { org, key, user, outcome, status, from_ms, before_ms, ..Filter::default() };
            let mut expected: Vec<i64> = (1..).zip(&calls)
                .filter(|(_, call)| filter.admits(&Entry::Call(Box::new((*call).clone())))).map(|(seq, _)| seq).collect();
            if descending {
                expected.reverse();
            }
            let direction = if descending { Direction::Descending } else { Direction::Ascending };
            let db = Reader::new(&connection);
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let part = search(&db, &Search { filter: &filter, direction, after, take, looks }).unwrap();
                prop_assert!(part.found.len() <= take);
                found.extend(part.found.iter().map(|found| found.seq));
                match part.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
