//! What is missing in the log when it could not be written: counted, and said in it once it can be again.

use super::Pending;
use crate::domain::audit::{Entry, Event};

/// Entries that could not be written.
#[derive(Default)]
pub(super) struct Lost {
    entries: u64,
    first_ms: i64,
    last_ms: i64,
}

impl Lost {
    /// Takes in an entry.
    pub(super) fn add(&mut self, pending: &Pending) {
        let Some(entry) = &pending.entry else { return };
        let at_ms = entry.at_ms();
        if self.entries == 0 {
            (self.first_ms, self.last_ms) = (at_ms, at_ms);
        }
        self.entries += match entry {
            Entry::Flood(flood) => flood.calls(),
            Entry::Call(_) | Entry::Event(_) => 1,
        };
        (self.first_ms, self.last_ms) = (self.first_ms.min(at_ms), self.last_ms.max(at_ms));
    }

    /// How many.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// What is written down of them.
    pub(super) fn event(&self) -> Option<Entry> {
        let Self { entries, first_ms, last_ms } = *self;
        let detail = format!("{{\"entries\":{entries},\"first_ms\":{first_ms},\"last_ms\":{last_ms}}}");
        let (kind, actor) = ("gap".into(), "server".to_owned());
        let event = Event { at_ms: last_ms, org: None, kind, actor, detail, digest: None };
        (entries > 0).then_some(Entry::Event(event))
    }
}
