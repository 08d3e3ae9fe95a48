//! Finding a call by its request id, without an index that each call would pay for: an id begins with the instant that
//! its call's entry has (UUIDv7), and the summaries tell which blocks have that instant.

use rusqlite::OptionalExtension;

use super::blocks;
use crate::domain::audit::summary::BLOCK;
use crate::domain::id::RequestId;
use crate::store::{Audit, Reader, StoreError};

/// The number of the entry of the call with this id.
pub fn find(db: &Reader<'_, Audit>, request: RequestId) -> Result<Option<i64>, StoreError> {
    let last: Option<i64> = db.prepare("SELECT max(seq) FROM entries")?.query_row([], |row| row.get(0))?;
    let Some(last) = last else { return Ok(None) };
    // What is asked for most often is new: not in a block that is summed up yet.
    if let Some(seq) = within(db, request, blocks::end(db)?, last)? {
        return Ok(Some(seq));
    }
    let mut statement = db.prepare(BLOCKS_AT)?;
    let mut rows = statement.query([instant_of(request)])?;
    while let Some(row) = rows.next()? {
        let first: i64 = row.get("first")?;
        if let Some(seq) = within(db, request, first, first + BLOCK - 1)? {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

fn within(db: &Reader<'_, Audit>, request: RequestId, first: i64, last: i64) -> Result<Option<i64>, StoreError> {
    let id = request.0.as_bytes().as_slice();
    Ok(db.prepare(WITHIN)?.query_row(rusqlite::params![first, last, id], |row| row.get(0)).optional()?)
}

/// The milliseconds that an id begins with.
fn instant_of(request: RequestId) -> i64 {
    // 48 of 64 bits.
    i64::try_from(request.0.as_u128() >> 80).unwrap_or(0)
}

const BLOCKS_AT: &str = "SELECT first FROM blocks WHERE newest >= ?1 AND oldest <= ?1";
const WITHIN: &str = "SELECT seq FROM entries WHERE seq BETWEEN ?1 AND ?2 AND request = ?3 AND status IS NOT NULL";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::domain::entropy::{Entropy, SeededEntropy};
    use crate::domain::time::Timestamp;
    use crate::store::migrate;

    #[test]
    fn only_blocks_of_its_time_are_looked_through() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::audit(&mut connection).unwrap();
        for (sql, plan) in [
            (BLOCKS_AT, "SEARCH blocks USING COVERING INDEX blocks_by_time (newest>?)"),
            (WITHIN, "SEARCH entries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = statement.parameter_count();
            let rows = statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get("detail"));
            let lines: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
            assert_eq!(lines, [plan], "{sql}");
        }
    }

    #[test]
    fn a_call_is_found_wherever_it_lies_and_an_event_is_none() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::audit(&mut connection).unwrap();
        let entropy = Entropy::Seeded(SeededEntropy::new(7));
        let mut ids = Vec::new();
        for seq in 1..=3_000_i64 {
            // Every hundredth took a minute, and one in between was written when the clock was an hour behind.
            let at = 1_775_466_862_000 + seq * 10 - if seq % 100 == 0 { 60_000 } else { 0 };
            let at = if seq == 1_500 { at - 3_600_000 } else { at };
            let id = RequestId(entropy.uuid(Timestamp::from_millis(at)));
            let status = (seq != 77).then_some(200);
            connection
                .execute(
                    "INSERT INTO entries (seq, at, status, request, entry, hash) VALUES (?1, ?2, ?3, ?4, x'', zeroblob(32))",
                    rusqlite::params![seq, at, status, id.0.as_bytes().as_slice()],
                )
                .unwrap_or_else(|error| panic!("{error}"));
            ids.push((seq, id));
        }
        let sum_up =
            "INSERT INTO blocks SELECT seq - seq % 1024, seq - seq % 1024 + 1023, min(at), max(at), zeroblob(1)
            FROM entries WHERE seq < 2048 GROUP BY seq / 1024";
        connection.execute(sum_up, []).unwrap();
        let db = Reader::new(&connection);
        for (seq, id) in ids {
            assert_eq!(find(&db, id).unwrap(), (seq != 77).then_some(seq));
        }
        let unknown = RequestId(entropy.uuid(Timestamp::from_millis(1_775_466_862_500)));
        assert_eq!(find(&db, unknown).unwrap(), None);
    }
}
