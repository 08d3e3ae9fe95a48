//! The thread behind an [`super::Appender`]: takes what waits, commits it in one transaction, says so, and brings sums
//! and the write-ahead log to the file in between.

mod checkpoint;
mod sums;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rusqlite::Connection;

use super::lost::Lost;
use super::{Asked, EnterFloods, Job, Pending, Shared, Told, WORTH_IT, Work};
use crate::domain::audit::{Entry, Hash, chain};
use crate::domain::time::monotonic;
use crate::store::audit::blocks::Blocks;
use crate::store::audit::entries::{self, Columns};
use crate::store::audit::floods::Floods;
use crate::store::{Reader, StoreError, pool};

/// Entries of one commit at most.
const BATCH: usize = 512;
/// A batch that tells of load, under which a commit costs more than its rows.
const LOADED: usize = 8;
/// How long after such a batch the others are given time to fill. A small one in between is no sign that the load is over:
/// without this time it made the next ones small as well, each call waking the writer for a commit of its own.
const LOADED_FOR: Duration = Duration::from_millis(5);
/// That time, unless as many come as are worth a commit. Nobody waits it out when calls come one by one. Without it a commit
/// had too few rows to be worth it; before it could end early the calls of a moment all waited for one commit while the
/// cores had nothing to do, a fifth of the time under load.
const GATHER: Duration = Duration::from_micros(100);
/// How often sums are brought to the file.
const TALLY: Duration = Duration::from_secs(1);
/// How often a failed file is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// What is written to try it: more than a batch, so that a disk with room for a page or two does not pass.
const TRIAL: i64 = 512 << 10;
/// How often a failure that goes on is said, when requests are served meanwhile.
const COMPLAINT: Duration = Duration::from_secs(10);

pub(super) struct Thread {
    connection: Connection,
    checkpointer: SyncSender<()>,
    since_checkpoint: usize,
    /// When a batch last told of load.
    loaded_at: Option<Duration>,
    shared: Arc<Shared>,
    seq: i64,
    hash: Hash,
    buffer: Vec<u8>,
    blocks: Blocks,
    floods: Floods,
    tallied_at: Duration,
    lost: Lost,
    complained_at: Duration,
}

impl Thread {
    /// Goes on where the chain ends, and counts what an earlier run had not brought to the file.
    pub(super) fn new(connection: Connection, path: &Path, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (seq, hash) = entries::head(&Reader::new(&connection))?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let checkpointer = checkpoint::start(pool::open(path, pool::Durability::Kill, pool::Space::UsedAgain)?)?;
        let floods = Floods::load(&connection)?;
        let mut thread = Self {
            connection,
            checkpointer,
            since_checkpoint: 0,
            loaded_at: None,
            shared,
            seq,
            hash,
            buffer: Vec::with_capacity(512),
            blocks: Blocks::default(),
            floods,
            tallied_at: monotonic(),
            lost: Lost::default(),
            complained_at: Duration::ZERO,
        };
        thread.recount()?;
        Ok(thread)
    }

    /// Works until the queue is closed and empty. A panic costs what was being written, and is told as a gap.
    pub(super) fn run(&mut self) {
        while std::panic::catch_unwind(AssertUnwindSafe(|| self.work_on())).is_err() {
            self.stand_up();
        }
    }

    fn work_on(&mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let Asked { marks, jobs, floods, closed } = self.wait(&mut batch);
            if batch.is_empty() && marks.is_empty() && jobs.is_empty() && floods.is_empty() {
                if closed {
                    break;
                }
                if !self.shared.healthy.load(Ordering::Acquire) {
                    self.try_again();
                }
                self.bring_sums();
                continue;
            }
            self.count_floods(&mut batch);
            floods.into_iter().for_each(|asked| self.enter_floods(asked, &mut batch));
            let entries = batch.len();
            if entries >= LOADED {
                self.loaded_at = Some(monotonic());
            }
            self.append(&mut batch, &marks);
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

    /// Commits a batch, with what could not be written before it, and tells everyone.
    fn append(&mut self, batch: &mut Vec<Pending>, marks: &[(&'static str, i64)]) {
        let gap = self.lost.event();
        let entries: Vec<&Entry> =
            gap.iter().chain(batch.iter().filter_map(|pending| pending.entry.as_ref())).collect();
        let done = self.guarded(&entries, marks);
        match &done {
            Ok(()) => {
                self.take_in(&entries);
                if gap.is_some() {
                    tracing::error!(entries = self.lost.entries(), "entries are missing in the audit log; it says so");
                    self.lost = Lost::default();
                }
            }
            Err(error) => {
                self.complain(error, entries.len());
                // What an earlier gap tells of is counted already.
                batch.iter().filter(|pending| !pending.comes_again()).for_each(|pending| self.lost.add(pending));
            }
        }
        self.shared.healthy.store(done.is_ok(), Ordering::Release);
        self.shared.committing.store(0, Ordering::Release);
        self.reply(batch, done.is_ok());
    }

    fn complain(&mut self, error: &StoreError, entries: usize) {
        let now = monotonic();
        let is_new = self.shared.healthy.load(Ordering::Acquire);
        if is_new || now.saturating_sub(self.complained_at) >= COMPLAINT {
            self.complained_at = now;
            let lost = self.lost.entries();
            tracing::error!(%error, entries, lost_before = lost, "audit.db cannot be written");
        }
    }

    /// A commit, after whose panic the thread goes on where the file is.
    fn guarded(&mut self, entries: &[&Entry], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| self.commit(entries, marks)));
        caught.unwrap_or_else(|_| {
            self.stand_up();
            Err(StoreError::Unusable("the thread that writes the audit log panicked".to_owned()))
        })
    }

    /// Goes on where the file is, whatever was being done.
    fn stand_up(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        match entries::head(&Reader::new(&self.connection)) {
            Ok((seq, hash)) => (self.seq, self.hash) = (seq, hash),
            // Appended to a head that is not the file's, nothing is committed: numbers are unique.
            Err(error) => tracing::error!(%error, "audit.db cannot be read"),
        }
        self.shared.healthy.store(false, Ordering::Release);
    }

    /// Calls of floods are counted in place of entries. What is counted stays counted when the commit fails, and is
    /// brought to the file with a later one.
    fn count_floods(&mut self, batch: &mut [Pending]) {
        for pending in batch {
            if let Some(Entry::Flood(calls)) = &pending.entry {
                pending.entry = self.floods.add(calls).map(Entry::Flood);
            }
        }
    }

    /// Adds entries of floods to a batch: as many as go into one commit; the rest is asked for again. While nothing can be
    /// written they stay counts, and none of them is lost.
    fn enter_floods(&mut self, asked: EnterFloods, batch: &mut Vec<Pending>) {
        if !self.shared.healthy.load(Ordering::Acquire) {
            // Who left does not hear it.
            let _ = asked.reply.send(false);
            return;
        }
        let floods = self.floods.take(asked.present, BATCH);
        let is_all = floods.len() < BATCH;
        batch.extend(floods.into_iter().map(|flood| Pending { entry: Some(Entry::Flood(flood)), reply: None }));
        if is_all {
            batch.push(Pending { entry: None, reply: Some(asked.reply) });
        } else {
            self.shared.queue.lock().floods.push(asked);
        }
    }

    /// Counts what is committed; before anyone is answered: who has an answer finds it counted.
    fn take_in(&mut self, entries: &[&Entry]) {
        let mut tally = self.shared.tally.lock();
        entries.iter().for_each(|entry| tally.add(entry));
        drop(tally);
        let first = self.seq - i64::try_from(entries.len()).unwrap_or(0) + 1;
        self.shared.committed.send_replace(self.seq);
        entries.iter().zip(first..).for_each(|(entry, seq)| self.blocks.add(seq, entry));
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
        let filling = !queue.closed && (1..WORTH_IT).contains(&queue.waiting.len());
        let loaded = || self.loaded_at.is_some_and(|at| monotonic().saturating_sub(at) < LOADED_FOR);
        if filling && loaded() {
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

    /// All of it, or nothing.
    fn commit(&mut self, entries: &[&Entry], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let (seq, hash) = (self.seq, self.hash);
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let written = self.write(entries, marks).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        if written.is_err() {
            (self.seq, self.hash) = (seq, hash);
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            return written;
        }
        self.floods.written();
        self.shared.entries.fetch_add(entries.len() as u64, Ordering::Relaxed);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn write(&mut self, entries: &[&Entry], marks: &[(&'static str, i64)]) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO entries (seq, at, org_id, lineage_id, operation, status, request, entry, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for entry in entries {
            self.buffer.clear();
            entry.encode(&mut self.buffer);
            self.seq += 1;
            self.hash = chain::link(&self.hash, &self.buffer);
            let row = Columns::of(entry);
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
        self.floods.write(&self.connection)?;
        for (name, value) in marks {
            self.connection
                .prepare_cached("INSERT INTO marks VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")?
                .execute(rusqlite::params![name, value])?;
        }
        Ok(())
    }

    /// Tries a failed file again, so that it recovers without a request having to fail for it. Then what was lost is
    /// written down before anything else.
    fn try_again(&mut self) {
        let filled = self.in_transaction(|connection| {
            connection.execute("INSERT OR REPLACE INTO trials VALUES (1, zeroblob(?1))", [TRIAL])?;
            Ok(())
        });
        let emptied = self.in_transaction(|connection| {
            connection.execute("DELETE FROM trials", [])?;
            Ok(())
        });
        if filled.and(emptied).is_ok() {
            self.append(&mut Vec::new(), &[]);
            if self.shared.healthy.load(Ordering::Acquire) {
                tracing::warn!("audit.db can be written again");
            }
        }
    }
}
