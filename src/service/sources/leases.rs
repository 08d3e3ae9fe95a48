//! Which syncs go on: a row says in which process, and the process's lease says whether that lives.

use std::time::Duration;

use crate::domain::error::Result;
use crate::domain::id::{OrgId, SourceId, SyncId};
use crate::domain::sync::{Sync, Trigger};
use crate::domain::time::Timestamp;
use crate::service::app::App;
use crate::store::Tx;
use crate::store::main::sources;
use crate::store::main::syncs::{self, Runs};

impl App {
    /// Begins a sync; from then on other processes can tell whether this one lives.
    pub(super) fn begin_run(
        &self,
        tx: &Tx<'_>,
        (org, source): (OrgId, SourceId),
        of: (Trigger, u32),
        now: Timestamp,
    ) -> Result<SyncId> {
        self.lease.get_or_init(|| {
            let held = self.data.hold_lease(&self.boot);
            // Without it others wait longer before they give its syncs up.
            held.inspect_err(|error| tracing::warn!(%error, "no lease of this process can be held")).ok()
        });
        Ok(syncs::begin(tx, org, source, of, &self.boot, now)?)
    }

    /// The sync of a source that goes on. One whose process never ended it, and cannot be asked, goes on no more.
    pub(super) fn running_sync(
        &self,
        tx: &Tx<'_>,
        (org, source): (OrgId, SourceId),
        now: Timestamp,
    ) -> Result<Option<Sync>> {
        syncs::give_up(tx, source, &self.boot, self.given_up_before(now), now)?;
        Ok(syncs::running(tx, org, source)?)
    }

    /// Fails the syncs of commands that were killed: their leases say so at once.
    pub(super) async fn reap_syncs(&self) -> Result<()> {
        let mut gone = self.store.read_now(|db| Ok(syncs::elsewhere(db, &self.boot)?))?;
        gone.retain(|process| self.data.is_abandoned(process));
        if gone.is_empty() {
            return Ok(());
        }
        let (data, now) = (self.data.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                for process in &gone {
                    sources::repair(tx, Runs::OfCommand(process), now)?;
                    syncs::repair(tx, Runs::OfCommand(process), now)?;
                }
                tx.after_commit(move || gone.iter().for_each(|process| data.forget_lease(process)));
                Ok(())
            })
            .await
    }

    /// Fails the syncs of this process that go on: at a stop. Those that follow a schedule are made up for.
    pub async fn release_syncs(&self) -> Result<()> {
        let (boot, now) = (self.boot.clone(), self.clock.now());
        self.store.write(move |tx| Ok(syncs::repair(tx, Runs::Of(&boot), now).map(drop)?)).await
    }

    /// Syncs of other processes that began before this and go on are of one that is no more: no step of theirs takes so
    /// long.
    pub(super) fn given_up_before(&self, now: Timestamp) -> Timestamp {
        now.minus(self.settings.job_timeout * 3 + Duration::from_secs(60))
    }
}
