//! Syncs of sources that are elsewhere: begun by requests, commands and schedules, run apart from who began them, ended by
//! the transaction that swaps the data. One at a time for each source; what was there before stays until then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::fetch::{Brought, News};
use super::files::{Progress, bytes_of};
use crate::datadir::DataDir;
use crate::domain::access::Permission;
use crate::domain::code::Code;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, Source as SourceKind, SourceId, SyncId};
use crate::domain::page::{ListRequest, Page};
use crate::domain::source::Source;
use crate::domain::sync::{Sync, SyncFilter, SyncStatus, Trigger, retry_at};
use crate::domain::time::Timestamp;
use crate::service::app::App;
use crate::service::caller::{Caller, Who};
use crate::store::Tx;
use crate::store::main::changes::{self, NewChange, Origin};
use crate::store::main::connections::{self, Due, Most, Running};
use crate::store::main::sources::{self, Arrival};
use crate::store::main::syncs::{self, Ending};

/// Sources that are begun to be synced at one look at the schedules.
const AT_ONCE: u32 = 8;
/// Syncs of one organisation that are under way when schedules begin no further one: its others wait for these, and
/// nobody else does.
const OF_ONE: u32 = 4;

/// How far the syncs of this process are: a fraction and rows.
#[derive(Clone, Default)]
pub struct Underway(Arc<Mutex<HashMap<SyncId, (f64, u64)>>>);

/// A sync that this process runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// Whose.
    pub org: OrgId,
    /// The organisation's directory.
    pub org_uuid: Uuid,
    /// The source.
    pub source: SourceId,
    /// The sync.
    pub sync: SyncId,
    /// Why it began.
    pub trigger: Trigger,
    /// From one.
    pub attempt: u32,
}

/// What a request for a sync came to.
enum Begun {
    /// One goes on already.
    Joined(Sync),
    /// This one.
    Here(Lease),
}

impl App {
    /// A page of a source's syncs.
    pub fn syncs(
        &self,
        caller: &Caller,
        id: &IdRef<SourceKind>,
        spelled: &str,
        request: &ListRequest<SyncFilter>,
    ) -> Result<Page<Sync>> {
        caller.require(Permission::DataSourcesRead)?;
        let (org, source) = (caller.org(), self.find_source(caller.org(), id, spelled)?.id);
        let page = self.page(
            caller,
            ("syncs", source),
            request,
            |db, filter, slice| Ok(syncs::list(db, org, source, filter, slice)?),
            |db, filter| Ok(syncs::count(db, org, source, filter)?),
        )?;
        Ok(page.map(|sync| self.with_progress(sync)))
    }

    /// Reads a source anew, and waits up to `wait` for that. Gives the sync, which has succeeded or goes on; one that
    /// goes on already is joined.
    ///
    /// # Errors
    /// Why it failed: the data is as before then. `Conflict` for sources of uploaded files.
    pub async fn sync_source(
        &self,
        caller: &Caller,
        id: &IdRef<SourceKind>,
        spelled: &str,
        wait: Option<Duration>,
        progress: Progress,
    ) -> Result<Sync> {
        caller.require(Permission::DataSourcesSync)?;
        self.check_quota(caller.org())?;
        let lease = match self.begin_sync(caller, id, spelled).await? {
            Begun::Joined(sync) => return Ok(self.with_progress(sync)),
            Begun::Here(lease) => lease,
        };
        let mut running = self.spawn_sync(lease, progress);
        let done = match wait {
            None => Some((&mut running).await),
            Some(wait) => tokio::time::timeout(wait, &mut running).await.ok(),
        };
        if let Some(done) = done {
            done.map_err(Error::internal)??;
        }
        let found = self.store.read_now(|db| Ok(syncs::find(db, lease.org, lease.sync)?))?;
        found.map(|sync| self.with_progress(sync)).ok_or_else(|| Error::not_found::<SourceKind>(spelled))
    }

    async fn begin_sync(&self, caller: &Caller, id: &IdRef<SourceKind>, spelled: &str) -> Result<Begun> {
        let (app, writer, id, spelled) = (self.clone(), caller.clone(), *id, spelled.to_owned());
        self.reap_syncs().await?;
        self.store
            .write(move |tx| {
                let found = sources::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
                if found.is_uploaded() {
                    return Err(Error::Conflict(
                        "The data source is of uploaded files, which are nowhere else to be read again; send new ones instead."
                            .to_owned(),
                    ));
                }
                if let Some(running) = app.running_sync(tx, (writer.org(), found.id), writer.at)? {
                    return Ok(Begun::Joined(running));
                }
                let trigger = asked_by(&writer);
                let sync = app.begin_run(tx, (writer.org(), found.id), (trigger, 1), writer.at)?;
                let after = json!({"sync": sync.prefixed()});
                writer.record(tx, "data_source.sync", &found.id.prefixed(), None, Some(after))?;
                let org_uuid = writer.identity().holder.org_uuid;
                Ok(Begun::Here(Lease { org: writer.org(), org_uuid, source: found.id, sync, trigger, attempt: 1 }))
            })
            .await
    }

    /// Begins the syncs whose time has come; gives them while they go on. One that was missed comes once.
    pub async fn sync_due(&self) -> Result<Vec<JoinHandle<Result<()>>>> {
        let now = self.clock.now();
        self.reap_syncs().await?;
        let running = Running { since: self.given_up_before(now), boot: &self.boot };
        let most = Most { all: AT_ONCE, of_one: OF_ONE };
        let due = self.store.read_now(|db| Ok(connections::due(db, now, running, most)?))?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let app = self.clone();
        let begin = move |tx: &Tx<'_>| due.iter().filter_map(|due| app.begin_due(tx, due, now).transpose()).collect();
        let leases: Vec<Lease> = self.store.write(begin).await?;
        Ok(leases.into_iter().map(|lease| self.spawn_sync(lease, Box::new(|_, _| {}))).collect())
    }

    /// Begins a due sync in the transaction that says when the next one is.
    fn begin_due(&self, tx: &Tx<'_>, due: &Due, now: Timestamp) -> Result<Option<Lease>> {
        let Due { org, org_uuid, source: id, on: (made, plan) } = due;
        let (org, org_uuid, id) = (*org, *org_uuid, *id);
        let Some(source) = sources::find(tx, org, &IdRef::Number(id))? else { return Ok(None) };
        connections::due_at(tx, org, id, source.schedule.as_ref().and_then(|schedule| schedule.next(now)))?;
        let pause = self.plan(plan)?.is_over(*made, now).then_some(Code::TrialEnded);
        connections::pause(tx, org, id, pause)?;
        if pause.is_some() || self.running_sync(tx, (org, id), now)?.is_some() {
            return Ok(None);
        }
        let attempt = source.last_sync.as_ref().map_or(1, next_attempt);
        let sync = self.begin_run(tx, (org, id), (Trigger::Schedule, attempt), now)?;
        Ok(Some(Lease { org, org_uuid, source: id, sync, trigger: Trigger::Schedule, attempt }))
    }

    /// Runs a sync to its end, whoever waits for it.
    pub(super) fn spawn_sync(&self, lease: Lease, progress: Progress) -> JoinHandle<Result<()>> {
        let app = self.clone();
        tokio::spawn(async move {
            let mut watched = app.watched(lease.sync, progress);
            let brought = app.bring(&lease, &mut watched.tell).await;
            app.end_sync(lease, brought).await
        })
    }

    /// Tells readers of the sync, too, what `progress` is told.
    pub(super) fn watched(&self, sync: SyncId, mut progress: Progress) -> Watched {
        let (underway, told) = (self.underway.clone(), self.underway.clone());
        let tell: Progress = Box::new(move |fraction, rows| {
            told.0.lock().insert(sync, (fraction, rows));
            progress(fraction, rows);
        });
        Watched { tell, underway, sync }
    }

    /// Ends a sync: new data is swapped in whole, or the reason is written down and what was there stays.
    async fn end_sync(&self, lease: Lease, brought: Result<Brought>) -> Result<()> {
        let (app, now) = (self.clone(), self.clock.now());
        let failure = self.store.write(move |tx| app.end_in(tx, lease, brought, now)).await?;
        failure.map_or(Ok(()), Err)
    }

    fn end_in(&self, tx: &Tx<'_>, lease: Lease, brought: Result<Brought>, now: Timestamp) -> Result<Option<Error>> {
        let Lease { org, source: id, sync, .. } = lease;
        let Some(source) = sources::find(tx, org, &IdRef::Number(id))? else {
            return Ok(Some(Error::not_found::<SourceKind>(id.prefixed())));
        };
        let brought = brought.and_then(|brought| {
            self.check_same(tx, (org, &source), &brought)?;
            if let News::Extract(_, tables) = &brought.news {
                self.check_fits(tx, org, id, bytes_of(tables))?;
            }
            Ok(brought)
        });
        let ending = match &brought {
            Ok(brought) => brought.ending(&source),
            Err(error) => Ending::Failed(error.code(), error.to_string()),
        };
        if !syncs::finish(tx, org, sync, &ending, &self.boot, now)? {
            let given_up = "The sync took too long and was given up; sync the data source again.";
            return Ok(Some(Error::Conflict(given_up.to_owned())));
        }
        if lease.trigger == Trigger::Schedule {
            record(tx, &lease, &ending, now)?;
        }
        match &brought {
            Ok(brought) => self.settle(tx, &lease, &source, brought, now)?,
            Err(error) => self.put_off(tx, &lease, &source, error, now)?,
        }
        Ok(brought.err())
    }

    /// Holds that a source still is where the data came from, by what opened it there: of a URL, what it asks with is
    /// sealed, and the rest of it may be the same.
    fn check_same(&self, tx: &Tx<'_>, (org, source): (OrgId, &Source), brought: &Brought) -> Result<()> {
        let known = self.credentials_in(tx, (org, source.id))?;
        let is_read_so = brought.from == source.connection && brought.read_as == source.options;
        if is_read_so && known.is_ok_and(|known| known == brought.opened_by) {
            return Ok(());
        }
        Err(Error::Conflict(
            "The data source was pointed elsewhere, or given another secret or other options, while it was read; sync it again."
                .to_owned(),
        ))
    }

    /// The data is here.
    fn settle(&self, tx: &Tx<'_>, lease: &Lease, source: &Source, brought: &Brought, now: Timestamp) -> Result<()> {
        let (extract, tables) = match &brought.news {
            News::Nothing => return Ok(sources::confirm(tx, lease.org, lease.source, now)?),
            News::Tables(tables) => return sources::describe(tx, lease.org, lease.source, tables, now),
            News::Extract(extract, tables) => (extract, tables),
        };
        let arrival = Arrival { extract: *extract, tables, state: brought.state.as_deref() };
        sources::swap(tx, lease.org, lease.source, &arrival, now)?;
        if let Some(old) = source.extract {
            let old = self.data.extract(lease.org_uuid, source.uuid, old);
            tx.after_commit(move || DataDir::retire(&old, now.into()));
        }
        Ok(())
    }

    /// It is not, and may be tried again.
    fn put_off(&self, tx: &Tx<'_>, lease: &Lease, source: &Source, error: &Error, now: Timestamp) -> Result<()> {
        if let Some(cause) = error.cause() {
            tracing::error!(source = %source.id.prefixed(), %cause, "a data source could not be synced");
        }
        sources::fail(tx, lease.org, lease.source, &error.to_string(), now)?;
        if lease.trigger == Trigger::Schedule
            && let Some(retry) = retry_at(error.code(), lease.attempt, now)
        {
            let next = source.next_sync_at.map_or(retry, |next| next.min(retry));
            connections::due_at(tx, lease.org, lease.source, Some(next))?;
        }
        Ok(())
    }

    /// The sync with how far it is, where this process knows.
    fn with_progress(&self, sync: Sync) -> Sync {
        let progress = self.underway.0.lock().get(&sync.id).copied();
        Sync { progress: progress.filter(|_| sync.status == SyncStatus::Running), ..sync }
    }
}

/// A sync that tells how far it is, until this is dropped.
pub(super) struct Watched {
    /// To be told.
    pub tell: Progress,
    underway: Underway,
    sync: SyncId,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.underway.0.lock().remove(&self.sync);
    }
}

/// Why a sync begins that somebody asks for.
pub(super) fn asked_by(caller: &Caller) -> Trigger {
    if matches!(caller.identity().who, Who::Operator(_)) { Trigger::Cli } else { Trigger::Api }
}

/// The number of the attempt after one that failed, where that is to be tried again; otherwise the first.
fn next_attempt(last: &Sync) -> u32 {
    let failed = last.failure.as_ref().filter(|_| last.trigger == Trigger::Schedule);
    let again = failed.and_then(|(code, _)| retry_at(*code, last.attempt, last.started_at));
    again.map_or(1, |_| last.attempt + 1)
}

/// A change that no request made.
fn record(tx: &Tx<'_>, lease: &Lease, ending: &Ending, now: Timestamp) -> Result<()> {
    let after = match ending {
        Ending::Done { rows, unchanged, .. } => {
            json!({"sync": lease.sync.prefixed(), "rows": rows, "unchanged": unchanged})
        }
        Ending::Failed(code, reason) => {
            json!({"sync": lease.sync.prefixed(), "code": code.as_str(), "reason": reason})
        }
    };
    let change = NewChange {
        at: now,
        org: Some(lease.org),
        origin: Origin::Job,
        actor: "schedule",
        request: None,
        action: "data_source.sync",
        object: &lease.source.prefixed(),
        before: None,
        after: Some(after),
    };
    changes::insert(tx, &change)?;
    Ok(())
}
