//! Queries that run or wait for their turn: who asked for them, and how they are called off.
//!
//! They stand in memory, and go with their request: a client that hangs up leaves nothing here.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::app::App;
use super::caller::Caller;
use crate::domain::access::Permission;
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, RequestId, RunningQueryKind, SavedQueryId, UserId};
use crate::domain::time::Timestamp;

/// All of them, by their request. Requests are numbered in the order of their time.
#[derive(Default)]
pub struct Running(Arc<Mutex<BTreeMap<Uuid, Entry>>>);

struct Entry {
    query: RunningQuery,
    org: OrgId,
    stop: Arc<Notify>,
}

/// A query that runs or waits for its turn.
#[derive(Debug, Clone)]
pub struct RunningQuery {
    /// The request that asked for it first.
    pub request: RequestId,
    /// Whose request that was.
    pub user: UserId,
    /// Their other id.
    pub user_uuid: Uuid,
    /// The printed prefix of the key that was used, if one was.
    pub key_prefix: Option<String>,
    /// The saved query that it is, with its other id.
    pub saved: Option<(SavedQueryId, Uuid)>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Its text, for whom it is their own; empty where it is none of the reader's business.
    pub sql: Option<String>,
}

/// Removes its query from the list when it goes.
struct Listed {
    all: Arc<Mutex<BTreeMap<Uuid, Entry>>>,
    request: Uuid,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.all.lock().remove(&self.request);
    }
}

impl Running {
    /// Does a caller's work, listed, until it is done; `None` when it was called off.
    pub(super) async fn watch<T>(
        &self,
        caller: &Caller,
        sql: &str,
        saved: Option<(SavedQueryId, Uuid)>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        // Commands have no request, and end with their process.
        let Some(request) = caller.request else { return Some(work.await) };
        let identity = caller.identity();
        let query = RunningQuery {
            request,
            user: identity.holder.user,
            user_uuid: identity.holder.user_uuid,
            key_prefix: identity.key().map(|key| key.prefix.clone()),
            saved,
            started_at: caller.at,
            sql: Some(sql.to_owned()),
        };
        let stop = Arc::new(Notify::new());
        let entry = Entry { query, org: caller.org(), stop: stop.clone() };
        self.0.lock().insert(request.0, entry);
        let _listed = Listed { all: self.0.clone(), request: request.0 };
        tokio::select! {
            done = work => Some(done),
            () = stop.notified() => None,
        }
    }
}

impl App {
    /// The organisation's queries that run or wait, the earliest first. Texts are shown to those who asked.
    pub fn running_queries(&self, caller: &Caller) -> Result<Vec<RunningQuery>> {
        caller.require(Permission::AnalyticsQuery)?;
        let (org, user) = (caller.org(), caller.identity().holder.user);
        let all = self.running.0.lock();
        let own = all.values().filter(|entry| entry.org == org).map(|entry| {
            let query = entry.query.clone();
            RunningQuery { sql: query.sql.filter(|_| query.user == user), ..query }
        });
        Ok(own.collect())
    }

    /// Calls a query off. Those of others take the permission to manage the organisation.
    pub fn cancel_query(&self, caller: &Caller, spelled: &str) -> Result<RequestId> {
        caller.require(Permission::AnalyticsQuery)?;
        let request = RequestId::parse(spelled);
        let all = self.running.0.lock();
        let found = request.and_then(|request| all.get(&request.0)).filter(|entry| entry.org == caller.org());
        let entry = found.ok_or_else(|| Error::not_found::<RunningQueryKind>(spelled))?;
        if entry.query.user != caller.identity().holder.user {
            caller.require_also_after_trial(Permission::OrganizationManage)?;
        }
        entry.stop.notify_one();
        Ok(entry.query.request)
    }
}
