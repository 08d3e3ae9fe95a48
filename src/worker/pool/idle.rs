//! Workers between jobs: which are kept for their organisation's next query, how one gets into somebody's hands and out of
//! them, and when it is ended.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::process::{Ended, Worker};
use super::{Done, Pool, Refused, START, Use};
use crate::domain::time::monotonic;
use crate::worker::lane::Place;
use crate::worker::protocol::{FromWorker, Job};

/// Jobs after which a worker is replaced.
const RECYCLE_JOBS: u32 = 200;
/// How long a worker that is called off may take to say so.
const CALL_OFF: Duration = Duration::from_millis(500);

/// Which idle workers to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Those that have been idle for long.
    Old,
    /// All.
    All,
}

impl Pool {
    /// Ends idle workers that have been so for long; and all of them at a stop.
    pub async fn tidy(&self, which: Idle) {
        let (now, longest) = (monotonic(), self.0.settings.idle);
        let old: VecDeque<Worker> = {
            let mut idle = self.0.idle.lock();
            let (keep, end) = idle
                .drain(..)
                .partition(|worker| which == Idle::Old && now.saturating_sub(worker.idle_since) < longest);
            *idle = keep;
            end
        };
        for worker in old {
            worker.end().await;
        }
    }

    /// An idle worker of the organisation.
    pub(super) async fn reuse(&self, org: i64) -> Option<Worker> {
        let found = {
            let mut idle = self.0.idle.lock();
            let index = idle.iter().position(|worker| worker.org == org)?;
            idle.remove(index)?
        };
        let mut leased = Leased { pool: self, worker: Some(found), is_at_work: false };
        // It answers at once when it stops a query, and ends when the query then does not let go of its threads: so
        // who can take another job says that it is ready. One that was killed while it was idle had said so before.
        let ready = tokio::time::timeout(START, leased.worker.as_mut()?.receive()).await;
        let ready = matches!(ready, Ok(Ok(FromWorker::Ready { .. })));
        let mut worker = leased.returned().ok()?;
        if ready && matches!(worker.child.try_wait(), Ok(None)) {
            return Some(worker);
        }
        worker.wait_or_kill().await;
        None
    }

    /// Keeps a worker for its organisation's next query, or has it end while nobody waits for that but whoever wants its
    /// place.
    pub(super) fn keep(&self, mut worker: Worker, place: Option<Place>) {
        if worker.purpose == Use::Kept && worker.jobs < RECYCLE_JOBS {
            worker.idle_since = monotonic();
            self.0.idle.lock().push_back(worker);
            return;
        }
        // Who asked finds nothing of it left, though the process may take a moment to end.
        worker.remove_scratch();
        tokio::spawn(async move {
            worker.end().await;
            drop(place);
        });
    }

    /// Has a worker stop its job: politely first, so that it can be kept.
    async fn call_off(self, mut worker: Worker) {
        match tokio::time::timeout(CALL_OFF, worker.stop()).await {
            Ok(Ok(())) => self.keep(worker, None),
            _ => {
                self.0.killed.fetch_add(1, Ordering::Relaxed);
                worker.kill().await;
            }
        }
    }
}

/// A worker in somebody's hands. Dropped at work, the work is called off; dropped before, it is idle again.
pub(super) struct Leased<'p> {
    pool: &'p Pool,
    worker: Option<Worker>,
    is_at_work: bool,
}

impl<'p> Leased<'p> {
    pub(super) fn at_work(pool: &'p Pool, worker: Worker) -> Self {
        Self { pool, worker: Some(worker), is_at_work: true }
    }

    pub(super) fn returned(&mut self) -> Result<Worker, Refused> {
        self.worker.take().ok_or_else(|| io::Error::other("a worker that is not there").into())
    }

    pub(super) async fn run(
        &mut self,
        job: Job,
        deadline: Duration,
        progress: &mut (dyn FnMut(f64, u64) + Send),
    ) -> Result<Done, Ended> {
        match &mut self.worker {
            Some(worker) => worker.run(job, deadline, progress).await,
            None => Err(Ended::Died(io::Error::other("a worker that is not there"))),
        }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        match tokio::runtime::Handle::try_current() {
            _ if !self.is_at_work => self.pool.0.idle.lock().push_back(worker),
            Ok(runtime) => drop(runtime.spawn(self.pool.clone().call_off(worker))),
            // The process ends, and its children with it.
            Err(_) => drop(worker),
        }
    }
}
