//! What calls add up to, and the summaries of blocks: brought to the file about once a second, and counted again after a
//! crash from the entries that came since.

use std::sync::Arc;

use super::Thread;
use crate::domain::time::monotonic;
use crate::store::audit::{admissions, blocks, entries, tally};
use crate::store::{Reader, StoreError};

/// Entries that are counted again at a time.
const RECOUNT: u32 = 4_096;

impl Thread {
    /// Counts what an earlier run had not brought to the file when it ended, and sums up blocks that were not whole then.
    pub(super) fn recount(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let reader = Reader::new(&self.connection);
        let (counted, summed) = (entries::mark(&reader, tally::MARK)?, blocks::end(&reader)? - 1);
        admissions::fill(&mut self.connection, counted)?;
        let mut last = counted.min(summed);
        loop {
            let reader = Reader::new(&self.connection);
            let links = entries::after(&reader, last, RECOUNT)?;
            let Some(newest) = links.last() else { break };
            last = newest.seq;
            let mut tally = shared.tally.lock();
            for (seq, entry) in links.iter().filter_map(|link| Some((link.seq, link.entry()?))) {
                if seq > counted {
                    tally.add(&entry);
                }
                if seq > summed {
                    self.blocks.add(seq, &entry);
                }
            }
            drop(tally);
            // What a chain of millions adds up to is not all kept in memory.
            self.bring_sums_up_to(last.max(counted));
        }
        self.bring_sums();
        Ok(())
    }

    /// Brings sums and summaries to the file. When it cannot be written they stay, and are brought the next time.
    pub(super) fn bring_sums(&mut self) {
        self.bring_sums_up_to(self.seq);
    }

    fn bring_sums_up_to(&mut self, seq: i64) {
        self.tallied_at = monotonic();
        let shared = Arc::clone(&self.shared);
        let mut tally = shared.tally.lock();
        if tally.is_empty() && self.blocks.is_empty() {
            return;
        }
        let written = self.in_transaction(|connection| {
            self.blocks.write(connection)?;
            tally.write(connection, seq)
        });
        match written {
            Ok(()) => {
                tally.clear();
                self.blocks.clear();
            }
            Err(error) => tracing::debug!(%error, "what calls add up to could not be written"),
        }
    }
}
