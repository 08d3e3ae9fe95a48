//! The admitted requests of each caller, from which its windows are counted again: kept by the writer of the chain
//! beside what calls add up to, and brought to the file with it.

use std::collections::HashMap;

use rusqlite::Connection;

use super::usage::UsageReader;
use super::{blocks, entries};
use crate::domain::audit::{Admissions, Admitted, Call, Entry};
use crate::store::{Reader, StoreError};

const HOUR_MS: i64 = 3_600_000;
/// How long they are kept: the longest window, and time for calls that took long.
const KEPT_MS: i64 = 26 * HOUR_MS;
/// Rows that leave the file at a time, at most.
const FORGOTTEN: i64 = 500;
/// The mark of a file that has all that its chain tells of.
const MARK: &str = "admissions";
/// Entries of an earlier version's chain that are read at a time.
const PAGE: u32 = 4_096;

/// The requests that are not in the file yet, by caller.
#[derive(Debug, Clone, Default)]
pub(super) struct Fresh(HashMap<i64, Admissions>);

/// Whose windows a call was counted in; sessions stand as the negative of their id.
pub(super) fn caller_of(call: &Call) -> Option<i64> {
    call.lineage.or(call.session.map(|session| -session))
}

impl Fresh {
    /// Takes a call in, if it was admitted.
    pub(super) fn add(&mut self, call: &Call) {
        if let (Some(caller), Some(at_ms)) = (caller_of(call), call.admitted_at_ms) {
            self.0.entry(caller).or_default().add(Admitted { at_ms, class: call.class, face: call.face });
        }
    }

    /// Brings them to the file as those of the entries up to `last`, within a transaction of the caller's, and lets go of
    /// what is past its time.
    pub(super) fn write(&self, connection: &Connection, last: i64) -> Result<(), StoreError> {
        let Some(newest) = self.0.values().map(Admissions::newest_ms).max() else { return Ok(()) };
        let mut insert = connection.prepare_cached("INSERT INTO admissions VALUES (?1, ?2, ?3, ?4)")?;
        for (caller, admissions) in &self.0 {
            insert.execute(rusqlite::params![caller, last, admissions.newest_ms(), admissions.bytes()])?;
        }
        connection.prepare_cached(FORGET)?.execute([newest.saturating_sub(KEPT_MS), FORGOTTEN])?;
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

const FORGET: &str = "DELETE FROM admissions WHERE (lineage_id, last) IN (
    SELECT lineage_id, last FROM admissions WHERE newest < ?1 LIMIT ?2)";

/// The admitted requests of a caller after an instant of the limiter's, oldest first, at most as many of the newest as
/// `limit`.
pub fn admitted(
    usage: &UsageReader<'_>,
    caller: i64,
    since_ms: i64,
    limit: usize,
) -> Result<Vec<Admitted>, StoreError> {
    let mut statement =
        usage.db.prepare("SELECT newest, requests FROM admissions WHERE lineage_id = ?1 ORDER BY last DESC")?;
    let mut rows = statement.query([caller])?;
    let mut found: Vec<Admitted> = Vec::new();
    let mut take = |bytes: &[u8]| {
        let requests = Admissions::decode(bytes).ok_or_else(|| StoreError::Corrupt("`admissions.requests`".into()))?;
        found.extend(requests.into_iter().filter(|request| request.at_ms > since_ms));
        Ok::<_, StoreError>(found.len())
    };
    let mut taken = match usage.fresh.admissions().0.get(&caller) {
        Some(fresh) => take(fresh.bytes())?,
        None => 0,
    };
    while taken < limit
        && let Some(row) = rows.next()?
    {
        // Rows lie in the order of their calls' ends, so a long call may be older than its neighbours: look an hour
        // further.
        if row.get::<_, i64>("newest")? < since_ms.saturating_sub(HOUR_MS) {
            break;
        }
        taken = take(row.get_ref("requests")?.as_blob().map_err(rusqlite::Error::from)?)?;
    }
    found.sort_by_key(|request| request.at_ms);
    Ok(found.split_off(found.len().saturating_sub(limit)))
}

/// Fills the table of a file whose chain was begun by a version that had none, as far as `counted`.
pub(super) fn fill(connection: &mut Connection, counted: i64) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let reader = Reader::new(&transaction);
    if entries::mark(&reader, MARK)? != 0 {
        return Ok(());
    }
    let newest: Option<i64> = transaction.query_row("SELECT max(newest) FROM blocks", [], |row| row.get(0))?;
    let mut last = match newest {
        Some(newest) => blocks::older_than(&reader, newest.saturating_sub(KEPT_MS))?.unwrap_or(0),
        None => 0,
    };
    while last < counted {
        let links = entries::after(&reader, last, PAGE)?;
        let mut fresh = Fresh::default();
        for link in links.iter().filter(|link| link.seq <= counted) {
            if let Some(Entry::Call(call)) = link.entry() {
                fresh.add(&call);
            }
        }
        let Some(newest) = links.last() else { break };
        last = newest.seq;
        fresh.write(&transaction, last)?;
    }
    transaction.execute("INSERT OR REPLACE INTO marks VALUES (?1, 1)", [MARK])?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::entry::tests::typical;
    use crate::domain::window::Class;
    use crate::store::audit::tally::Tally;
    use crate::store::migrate;

    const NOON: i64 = 1_775_476_800_000;

    fn file() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::audit(&mut connection).unwrap();
        connection
    }

    fn call(lineage: i64, at_ms: i64) -> Call {
        Call { at_ms, admitted_at_ms: Some(at_ms), lineage: Some(lineage), ..typical() }
    }

    fn fresh(calls: &[Call]) -> Fresh {
        let mut fresh = Fresh::default();
        calls.iter().for_each(|call| fresh.add(call));
        fresh
    }

    fn instants(connection: &Connection, tally: &Tally, lineage: i64, since: i64, limit: usize) -> Vec<i64> {
        let usage = UsageReader::new(Reader::new(connection), tally);
        admitted(&usage, lineage, since, limit).unwrap().iter().map(|request| request.at_ms - NOON).collect()
    }

    #[test]
    fn what_the_file_has_and_what_it_does_not_have_yet_are_told_together() {
        let connection = file();
        fresh(&[call(1, NOON), call(2, NOON + 1), call(1, NOON + 5)]).write(&connection, 3).unwrap();
        // One that took half an hour ends after others.
        fresh(&[call(1, NOON + 9), call(1, NOON - 1_800_000)]).write(&connection, 5).unwrap();
        let refused = Call { admitted_at_ms: None, ..call(1, NOON + 10) };
        let session = Call { session: Some(1), lineage: None, ..call(1, NOON + 11) };
        let mut tally = Tally::default();
        for call in [refused, session, call(1, NOON + 12)] {
            tally.add(&Entry::Call(Box::new(call)));
        }
        assert_eq!(instants(&connection, &tally, 1, 0, 100), [-1_800_000, 0, 5, 9, 12]);
        assert_eq!(instants(&connection, &tally, 1, NOON, 100), [5, 9, 12]);
        assert_eq!(instants(&connection, &tally, 1, 0, 2), [9, 12]);
        assert_eq!(instants(&connection, &tally, -1, 0, 100), [11]);
        assert_eq!(instants(&connection, &tally, 3, 0, 100), [0; 0]);
        let class =
            |limit| admitted(&UsageReader::new(Reader::new(&connection), &tally), 2, 0, limit).unwrap()[0].class;
        assert_eq!(class(1), Class::General);
    }

    #[test]
    fn what_is_past_its_time_leaves_by_an_index() {
        let connection = file();
        for lineage in 1..=600 {
            fresh(&[call(lineage, NOON)]).write(&connection, lineage).unwrap();
        }
        let rows = || -> i64 { connection.query_row("SELECT count(*) FROM admissions", [], |row| row.get(0)).unwrap() };
        fresh(&[call(1, NOON + KEPT_MS)]).write(&connection, 601).unwrap();
        assert_eq!(rows(), 601);
        fresh(&[call(1, NOON + KEPT_MS + 1)]).write(&connection, 602).unwrap();
        assert_eq!(rows(), 102, "500 at a time");
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {FORGET}")).unwrap();
        let plan: Vec<String> = plan.query_map([1, 1], |row| row.get("detail")).unwrap().map(Result::unwrap).collect();
        assert!(plan.iter().all(|line| !line.starts_with("SCAN admissions")), "{plan:?}");
    }

    #[test]
    fn a_chain_of_an_earlier_version_is_read_once() {
        let mut connection = file();
        for seq in 1..=10_i64 {
            let mut bytes = Vec::new();
            let call = call(seq % 2, NOON + seq);
            Entry::Call(Box::new(call)).encode(&mut bytes);
            connection
                .execute(
                    "INSERT INTO entries (seq, at, entry, hash) VALUES (?1, ?2, ?3, zeroblob(32))",
                    rusqlite::params![seq, NOON + seq, bytes],
                )
                .unwrap();
        }
        // The rest is counted with everything else.
        fill(&mut connection, 7).unwrap();
        assert_eq!(instants(&connection, &Tally::default(), 1, 0, 100), [1, 3, 5, 7]);
        fill(&mut connection, 10).unwrap();
        assert_eq!(instants(&connection, &Tally::default(), 0, 0, 100), [2, 4, 6]);
    }
}
