//! The thread behind an [`super::Appender`]: takes what waits, commits it in one transaction, says so, and brings sums
//! and the write-ahead log to the file in between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

use super::{Asked, Job, Pending, Shared, Told, Work};
use crate::domain::audit::{Hash, chain};
use crate::domain::time::monotonic;
use crate::store::audit::blocks::{self, Blocks};
use crate::store::audit::entries::{self, Columns};
use crate::store::audit::tally;
use crate::store::{Reader, StoreError, pool};

/// Entries of one commit at most.
const BATCH: usize = 512;
/// Entries after which the write-ahead log is written back beside the writer.
const CHECKPOINT: usize = 16_384;
/// Entries after which the writer does so itself: only when nothing is left to write back does SQLite begin the log
/// anew, and under load the thread beside the writer never gets to that point. A log that grows costs new pages of the
/// file system's cache at every commit; one that is begun anew overwrites those that are there.
const CHECKPOINT_HARD: usize = 32_768;
/// A batch from which on the next one is given time to fill: under load a commit costs more than its rows.
const LOADED: usize = 8;
/// That time. Nobody waits it out when calls come one by one.
const GATHER: Duration = Duration::from_micros(250);
/// How often sums are brought to the file.
const TALLY: Duration = Duration::from_secs(1);
/// Entries that are counted again at a time.
const RECOUNT: u32 = 4_096;
/// How often a failed file is tried again.
const RETRY: Duration = Duration::from_millis(500);

pub(super) struct Thread {
    connection: Connection,
    checkpointer: SyncSender<()>,
    since_checkpoint: usize,
    last_batch: usize,
    shared: Arc<Shared>,
    seq: i64,
    hash: Hash,
    buffer: Vec<u8>,
    blocks: Blocks,
    tallied_at: Duration,
}

impl Thread {
    /// Goes on where the chain ends, and counts what an earlier run had not brought to the file.
    pub(super) fn new(connection: Connection, path: &Path, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (seq, hash) = entries::head(&Reader::new(&connection))?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let checkpointer = start_checkpointer(pool::open(path, pool::Durability::Kill, pool::Space::UsedAgain)?)?;
        let mut thread = Self {
            connection,
            checkpointer,
            since_checkpoint: 0,
            last_batch: 0,
            shared,
            seq,
            hash,
            buffer: Vec::with_capacity(512),
            blocks: Blocks::default(),
            tallied_at: monotonic(),
        };
        thread.recount()?;
        Ok(thread)
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let Asked { marks, jobs, closed } = self.wait(&mut batch);
            if batch.is_empty() && marks.is_empty() && jobs.is_empty() {
                if closed {
                    break;
                }
                if !self.shared.healthy.load(Ordering::Acquire) {
                    self.retry();
                }
                self.bring_sums();
                continue;
            }
            let entries = batch.len();
            self.last_batch = entries;
            let done = self.commit(&batch, &marks);
            if let Err(error) = &done {
                tracing::error!(%error, entries, "audit.db cannot be written");
            }
            self.shared.healthy.store(done.is_ok(), Ordering::Release);
            if done.is_ok() {
                self.take_in(&batch);
            }
            self.shared.committing.store(0, Ordering::Release);
            self.reply(&mut batch, done.is_ok());
            for Job { work, reply } in jobs {
                // Who left does not hear it.
                let _ = reply.send(self.work(work));
            }
            self.checkpoint(entries);
            if monotonic().saturating_sub(self.tallied_at) >= TALLY {
                self.bring_sums();
            }
        }
        self.bring_sums();
        let tidied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = tidied {
            tracing::debug!(%error, "audit.db was closed without a checkpoint");
        }
    }

    /// Counts what is committed; before anyone is answered: who has an answer finds it counted.
    fn take_in(&mut self, batch: &[Pending]) {
        let mut tally = self.shared.tally.lock();
        batch.iter().for_each(|pending| tally.add(&pending.entry));
        drop(tally);
        let first = self.seq - i64::try_from(batch.len()).unwrap_or(0) + 1;
        self.shared.committed.send_replace(self.seq);
        batch.iter().zip(first..).for_each(|(pending, seq)| self.blocks.add(seq, &pending.entry));
    }

    /// Does what somebody asked for beside entries, in a transaction of its own.
    fn work(&self, work: Work) -> bool {
        let done = self.in_transaction(work);
        if let Err(error) = &done {
            tracing::error!(%error, "audit.db cannot be written");
        }
        done.is_ok()
    }

    fn in_transaction(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = work(&self.connection).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        if done.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    fn reply(&self, batch: &mut Vec<Pending>, committed: bool) {
        let replies = batch.drain(..).filter_map(|pending| pending.reply).map(|reply| Told { reply, committed });
        let mut told = self.shared.told.lock();
        match told.as_mut() {
            Some(told) => told.extend(replies),
            None => return replies.for_each(Told::give),
        }
        drop(told);
        self.shared.tell.notify_one();
    }

    /// Takes up to a batch, waiting for the first.
    fn wait(&self, batch: &mut Vec<Pending>) -> Asked {
        let mut queue = self.shared.queue.lock();
        if queue.is_empty() && !queue.closed {
            if !self.shared.healthy.load(Ordering::Acquire) {
                let _ = self.shared.wake.wait_for(&mut queue, RETRY);
            } else if self.shared.tally.lock().is_empty() && self.blocks.is_empty() {
                self.shared.wake.wait(&mut queue);
            } else {
                let _ = self.shared.wake.wait_for(&mut queue, TALLY);
            }
        }
        let filling = !queue.closed && (1..BATCH / 2).contains(&queue.waiting.len());
        if self.last_batch >= LOADED && filling {
            let _ = self.shared.wake.wait_for(&mut queue, GATHER);
        }
        if !queue.waiting.is_empty() {
            let since = u64::try_from(queue.since.as_nanos()).unwrap_or(u64::MAX);
            self.shared.committing.store(since, Ordering::Release);
        }
        if queue.waiting.len() <= BATCH {
            std::mem::swap(&mut queue.waiting, batch);
        } else {
            // The rest is a little younger than this: near enough for a figure.
            batch.extend(queue.waiting.drain(..BATCH));
        }
        queue.ask()
    }

    /// All of a batch, or none of it.
    fn commit(&mut self, batch: &[Pending], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let (seq, hash) = (self.seq, self.hash);
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let written = self.write(batch, marks).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        if written.is_err() {
            (self.seq, self.hash) = (seq, hash);
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        self.shared.entries.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        written
    }

    fn write(&mut self, batch: &[Pending], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO entries (seq, at, org_id, lineage_id, operation, status, request, entry, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for pending in batch {
            self.buffer.clear();
            pending.entry.encode(&mut self.buffer);
            self.seq += 1;
            self.hash = chain::link(&self.hash, &self.buffer);
            let row = Columns::of(&pending.entry);
            insert.execute(rusqlite::params![
                self.seq,
                row.at,
                row.org,
                row.lineage,
                row.operation,
                row.status,
                row.request,
                self.buffer,
                self.hash
            ])?;
        }
        drop(insert);
        for (name, value) in marks {
            self.connection
                .prepare_cached("INSERT INTO marks VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")?
                .execute(rusqlite::params![name, value])?;
        }
        Ok(())
    }

    /// Counts what an earlier run had not brought to the file when it ended, and sums up blocks that were not whole then.
    fn recount(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let reader = Reader::new(&self.connection);
        let (counted, summed) = (entries::mark(&reader, tally::MARK)?, blocks::end(&reader)? - 1);
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
    fn bring_sums(&mut self) {
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

    /// Tries a failed file again, so that it recovers without a request having to fail for it.
    fn retry(&self) {
        let tried = self
            .connection
            .execute("INSERT INTO marks VALUES ('tried', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", []);
        if tried.is_ok() {
            tracing::info!("audit.db can be written again");
            self.shared.healthy.store(true, Ordering::Release);
        }
    }

    /// Past a soft mark a thread beside this one writes the log back; past a hard mark this one does, and callers wait.
    fn checkpoint(&mut self, entries: usize) {
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

fn start_checkpointer(connection: Connection) -> Result<SyncSender<()>, StoreError> {
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
