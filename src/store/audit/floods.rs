//! Counts of floods that are no entries yet: kept by the writer of the chain in memory, and in the file with each commit
//! that raises one, so that no crash loses a call. When its minute is over a count becomes an entry.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use rusqlite::Connection;

use crate::domain::audit::Flood;
use crate::domain::audit::flood::{minute, network};
use crate::store::StoreError;

/// Counts by network.
#[derive(Default)]
pub(super) struct Floods {
    counts: HashMap<IpAddr, Flood>,
    /// Those whose row in the file says something else, or should not be there any more.
    changed: HashSet<IpAddr>,
}

impl Floods {
    /// What an earlier run had counted.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut statement = connection.prepare("SELECT flood FROM floods")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let mut floods = Self::default();
        for bytes in rows {
            let flood = Flood::decode(&bytes?).ok_or_else(|| StoreError::Corrupt("`floods.flood`".to_owned()))?;
            floods.counts.insert(network(flood.address), flood);
        }
        Ok(floods)
    }

    /// Counts calls. Gives the count of an earlier minute, which becomes an entry now.
    pub(super) fn add(&mut self, calls: &Flood) -> Option<Flood> {
        let network = network(calls.address);
        self.changed.insert(network);
        let count = self.counts.entry(network).or_insert(Flood { outcomes: Default::default(), ..*calls });
        if minute(count.at_ms) == minute(calls.at_ms) {
            count.add(calls);
            return None;
        }
        Some(std::mem::replace(count, *calls))
    }

    /// Takes up to so many counts of other minutes than this one, or of any.
    pub(super) fn take(&mut self, present: Option<i64>, most: usize) -> Vec<Flood> {
        let is_over = |flood: &Flood| present.is_none_or(|present| minute(flood.at_ms) != present);
        let over = self.counts.iter().filter(|(_, flood)| is_over(flood)).map(|(network, _)| *network);
        let over: Vec<IpAddr> = over.take(most).collect();
        self.changed.extend(&over);
        over.iter().filter_map(|network| self.counts.remove(network)).collect()
    }

    /// Brings what changed to the file, within a transaction of the caller's.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        for network in &self.changed {
            let Some(flood) = self.counts.get(network) else {
                connection.prepare_cached("DELETE FROM floods WHERE network = ?1")?.execute([network.to_string()])?;
                continue;
            };
            let mut bytes = Vec::with_capacity(64);
            flood.encode(&mut bytes);
            connection
                .prepare_cached(
                    "INSERT INTO floods VALUES (?1, ?2) ON CONFLICT (network) DO UPDATE SET flood = excluded.flood",
                )?
                .execute(rusqlite::params![network.to_string(), bytes])?;
        }
        Ok(())
    }

    /// The file has it.
    pub(super) fn written(&mut self) {
        self.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Outcome;
    use crate::store::migrate;

    fn call(at_ms: i64, address: &str) -> Flood {
        Flood::of_call(at_ms, address.parse().unwrap(), Outcome::Refused)
    }

    #[test]
    fn what_was_counted_is_in_the_file_until_it_is_an_entry() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::audit(&mut connection).unwrap();
        let mut floods = Floods::default();
        for at_ms in 0..5 {
            assert_eq!(floods.add(&call(at_ms, "203.0.113.9")), None);
        }
        floods.add(&call(7, "2001:db8::1"));
        floods.add(&call(8, "2001:db8::2"));
        floods.write(&connection).unwrap();
        let mut floods = Floods::load(&connection).unwrap();
        assert_eq!((floods.counts.len(), floods.counts.values().map(Flood::calls).sum::<u64>()), (2, 7));

        let over = floods.add(&call(60_000, "203.0.113.9")).unwrap();
        assert_eq!((over.calls(), over.at_ms, over.until_ms), (5, 0, 4), "the minute before is over");
        assert!(floods.take(Some(0), 10).iter().all(|flood| flood.at_ms == 60_000));
        let rest = floods.take(None, 10);
        assert_eq!((rest.len(), rest[0].calls(), rest[0].address), (1, 2, "2001:db8::1".parse().unwrap()));
        floods.write(&connection).unwrap();
        assert!(Floods::load(&connection).unwrap().counts.is_empty());
    }
}
