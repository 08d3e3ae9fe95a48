//! Floods of calls by nobody known: from one network so many a minute leave an entry each, the rest are counted
//! together. Without this a stranger could fill the disk with entries. Who keeps the counts is the store.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::domain::audit::flood::{minute, network};
use crate::domain::error::Result;
use crate::service::app::App;

/// Networks that are remembered. Calls from further ones leave an entry each: what is promised of a flood is promised of
/// one address, and memory has an end.
const NETWORKS: usize = 100_000;

/// How many entries the calls from each network have left in its present minute.
pub struct Floods {
    per_minute: u32,
    seen: Mutex<HashMap<IpAddr, Seen>>,
}

struct Seen {
    minute: i64,
    entries: u32,
}

impl Floods {
    /// So many entries a minute for each network.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: Mutex::default() }
    }

    /// Takes in a call of nobody known. Gives whether it is one of a flood, and only counted.
    pub fn is_one_of(&self, at_ms: i64, address: IpAddr) -> bool {
        let (network, minute) = (network(address), minute(at_ms));
        let mut seen = self.seen.lock();
        if seen.len() >= NETWORKS && !seen.contains_key(&network) {
            return false;
        }
        let seen = seen.entry(network).or_insert(Seen { minute, entries: 0 });
        if seen.minute != minute {
            *seen = Seen { minute, entries: 0 };
        }
        let is_one = seen.entries >= self.per_minute;
        seen.entries += u32::from(!is_one);
        is_one
    }

    /// Forgets networks from which nothing has come in this minute.
    fn forget(&self, present: i64) {
        self.seen.lock().retain(|_, seen| seen.minute == present);
    }
}

/// Which counts become entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Those of minutes that are over.
    Before,
    /// All: the server ends.
    All,
}

impl App {
    /// Makes entries of what was counted. Blocks.
    pub fn write_floods(&self, which: Counted) -> Result<()> {
        let Some(appender) = self.store.appender() else { return Ok(()) };
        let present = minute(self.clock.now().millis());
        self.floods.forget(present);
        appender.enter_floods((which == Counted::Before).then_some(present)).committed_now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_entries_a_minute_and_the_rest_is_counted() {
        let floods = Floods::new(2);
        let taken = |at_ms, address: &str| floods.is_one_of(at_ms, address.parse().unwrap());
        assert_eq!([0, 1, 2].map(|at_ms| taken(at_ms, "203.0.113.9")), [false, false, true]);
        assert!(!taken(3, "203.0.113.10"), "another address");
        assert!(taken(4, "::ffff:203.0.113.9"), "the same in other clothes");
        assert!(!taken(60_000, "203.0.113.9"), "another minute");
        floods.forget(1);
        assert_eq!(floods.seen.lock().len(), 1, "what is past is forgotten");
        assert_eq!([1, 2, 3].map(|end| taken(0, &format!("2001:db8::{end}"))), [false, false, true]);
        assert!(!taken(0, "2001:db8:0:1::2"));
    }

    #[test]
    fn memory_has_an_end_past_which_every_call_leaves_an_entry() {
        let floods = Floods::new(0);
        let address = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        assert!((0..NETWORKS).all(|number| floods.is_one_of(0, address(number))));
        assert!(!floods.is_one_of(0, address(NETWORKS)) && floods.is_one_of(0, address(7)));
        assert_eq!(floods.seen.lock().len(), NETWORKS);
    }
}
