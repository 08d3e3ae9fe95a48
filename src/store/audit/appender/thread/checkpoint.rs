//! Writing `audit.db`'s write-ahead log back to the file, most of it beside the writer.

use std::sync::mpsc::{SyncSender, sync_channel};

use rusqlite::Connection;

use super::Thread;
use crate::store::StoreError;

/// Entries after which the write-ahead log is written back beside the writer.
const CHECKPOINT: usize = 16_384;
/// Entries after which the writer does so itself: only when nothing is left to write back does SQLite begin the log
/// anew, and under load the thread beside the writer never gets to that point. A log that grows costs new pages of the
/// file system's cache at every commit; one that is begun anew overwrites those that are there.
const CHECKPOINT_HARD: usize = 32_768;

impl Thread {
    /// Past a soft mark a thread beside this one writes the log back; past a hard mark this one does, and callers wait.
    pub(super) fn checkpoint(&mut self, entries: usize) {
        let before = self.since_checkpoint;
        self.since_checkpoint += entries;
        if self.since_checkpoint >= CHECKPOINT_HARD {
            checkpoint(&self.connection);
            self.since_checkpoint = 0;
        } else if before < CHECKPOINT && self.since_checkpoint >= CHECKPOINT {
            let _ = self.checkpointer.try_send(());
        }
    }
}

/// Starts the thread beside the writer.
pub(super) fn start(connection: Connection) -> Result<SyncSender<()>, StoreError> {
    let (sender, asked) = sync_channel(1);
    std::thread::Builder::new().name("audit-checkpoint".into()).spawn(move || {
        while asked.recv().is_ok() {
            checkpoint(&connection);
        }
    })?;
    Ok(sender)
}

/// Writes the log back as far as readers allow.
fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!(%error, "a checkpoint of audit.db failed");
    }
}
