//! Who asks, and what they may do: the first argument of every use case.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use super::conditions::{Conditions, Standing};
use super::once::Once;
use crate::domain::access::{Grant, Permission, Permissions, Scope};
use crate::domain::error::{Error, Result, TakenBy};
use crate::domain::id::{KeyId, OrgId, RequestId, SessionId};
use crate::domain::operation::Needs;
use crate::domain::plan::Plan;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::store::Tx;
pub use crate::store::main::access::Holder;
use crate::store::main::changes::{self, NewChange, Origin};

/// What was shown to come in.
#[derive(Debug, Clone)]
pub enum Who {
    /// An API key.
    Key(KeyFacts),
    /// A session.
    Session(SessionId),
    /// The operator at the machine, in the name of a user.
    Operator(String),
    /// A one-time link, whose bearer may do what the link is for and nothing else.
    Link,
    /// Work in the background, in the name of a user.
    Job,
}

/// A key as its caller may know it.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// Its row.
    pub id: KeyId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Limits and usage count for this.
    pub lineage: i64,
    /// Its name.
    pub name: String,
    /// The eight public characters.
    pub public: [u8; 8],
    /// The printed prefix.
    pub prefix: String,
    /// What it was given.
    pub grant: Grant,
    /// From this instant on it is refused: its expiry, or the end of its grace.
    pub expires_at: Option<Timestamp>,
    /// Networks it may be used from; empty: from anywhere.
    pub allowlist: Vec<IpNet>,
    /// Limits of its own, below those of the plan.
    pub own_limits: Limits,
}

impl KeyFacts {
    /// Whether its allowlist has the address; one that is not known is in none.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.allowlist.is_empty()
            || address.is_some_and(|address| self.allowlist.iter().any(|network| network.contains(&address)))
    }
}

/// A credential with everything that decides access, as of one version of it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What was shown.
    pub who: Who,
    /// Whose it is.
    pub holder: Holder,
    /// What it may do.
    pub permissions: Permissions,
    /// The organisation's plan.
    pub plan: Arc<Plan>,
    /// Its windows.
    pub limits: Limits,
}

impl Identity {
    /// The key, if it is one.
    pub fn key(&self) -> Option<&KeyFacts> {
        match &self.who {
            Who::Key(key) => Some(key),
            _ => None,
        }
    }

    /// The session, if it is one.
    pub fn session(&self) -> Option<SessionId> {
        match self.who {
            Who::Session(session) => Some(session),
            _ => None,
        }
    }

    /// What the windows count for: a key's lineage, or a session as the negative of its id.
    pub fn window_owner(&self) -> Option<i64> {
        match &self.who {
            Who::Key(key) => Some(key.lineage),
            Who::Session(session) => Some(-session.raw()),
            Who::Operator(_) | Who::Link | Who::Job => None,
        }
    }
}

/// The caller of a use case.
#[derive(Clone)]
pub struct Caller {
    identity: Arc<Identity>,
    /// The instant of the request.
    pub at: Timestamp,
    /// The request, when there is one.
    pub request: Option<RequestId>,
    changes: Arc<Mutex<Vec<[u8; 32]>>>,
    conditions: Option<Arc<dyn Conditions>>,
    once: Option<Arc<Once>>,
}

impl Caller {
    /// The caller of a request.
    pub fn of_request(identity: Arc<Identity>, at: Timestamp, request: RequestId) -> Self {
        Self { identity, at, request: Some(request), changes: Arc::default(), conditions: None, once: None }
    }

    /// A caller without a request: a command, or work in the background.
    pub fn without_request(identity: Arc<Identity>, at: Timestamp) -> Self {
        Self { identity, at, request: None, changes: Arc::default(), conditions: None, once: None }
    }

    /// The same caller, who changes objects under conditions only.
    #[must_use]
    pub fn under(self, conditions: Arc<dyn Conditions>) -> Self {
        Self { conditions: Some(conditions), ..self }
    }

    /// Refuses to change an object that the request's conditions want otherwise. To be asked in the transaction that
    /// changes it, of what that transaction has read.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn expects(&self, object: Standing<'_>) -> Result<()> {
        self.conditions.as_ref().map_or(Ok(()), |conditions| conditions.check(object))
    }

    /// The same caller with a request that happens once.
    #[must_use]
    pub fn with(self, once: Option<Arc<Once>>) -> Self {
        Self { once, ..self }
    }

    /// The request that happens once, if it is one.
    pub(super) fn once(&self) -> Option<&Once> {
        self.once.as_deref()
    }

    /// The credential behind it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The organisation it acts in.
    pub fn org(&self) -> OrgId {
        self.identity.holder.org
    }

    /// The organisation whose member the caller is: the one it acts in, but in that one's sandbox.
    pub fn home(&self) -> OrgId {
        self.identity.holder.home
    }

    /// Whether it has a permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.identity.permissions.holds(permission)
    }

    /// Refuses a caller that lacks a permission, and one whose trial is over when it is not reading.
    pub fn require(&self, permission: Permission) -> Result<()> {
        self.hold(permission)?;
        // Billing is to read what was spent, and to end it.
        let reads = permission.as_str().ends_with(":read")
            || matches!(permission, Permission::AnalyticsQuery | Permission::BillingManage);
        if reads { Ok(()) } else { self.require_running_plan() }
    }

    /// Refuses a caller that lacks a permission, whether the trial is over or not: for what takes access away.
    pub fn require_also_after_trial(&self, permission: Permission) -> Result<()> {
        self.hold(permission)
    }

    /// Refuses a caller that lacks one of these, by naming the first: for what is done to a person who has them.
    pub fn require_all(&self, permissions: Permissions) -> Result<()> {
        permissions.iter().try_for_each(|permission| self.hold(permission))
    }

    fn hold(&self, permission: Permission) -> Result<()> {
        if !self.may(permission) {
            let role = self.identity.holder.role;
            let by = match &self.identity.who {
                Who::Key(key) if role.permissions().holds(permission) => TakenBy::Scope(key.grant.scope()),
                _ => TakenBy::Role(role),
            };
            return Err(Error::PermissionMissing { permission: Some(permission), by });
        }
        Ok(())
    }

    /// Refuses callers whose trial is over: for what adds or changes something, whatever permission it takes.
    pub fn require_running_plan(&self) -> Result<()> {
        if self.trial_is_over() {
            let Plan { name, goes_on, .. } = &*self.identity.plan;
            return Err(Error::TrialEnded { plan: name.clone(), needed: goes_on.clone() });
        }
        Ok(())
    }

    /// Refuses keys: for what is bound to the account behind a session.
    pub fn require_session(&self) -> Result<()> {
        if self.identity.key().is_some() { Err(Error::SessionRequired) } else { Ok(()) }
    }

    /// Refuses what is done to people when it is done from a sandbox that they are members of by another organisation.
    pub fn require_home(&self) -> Result<()> {
        if self.home() == self.org() {
            return Ok(());
        }
        Err(Error::Conflict(
            "A sandbox has the people of the organization that it belongs to; do this there, with its credentials."
                .to_owned(),
        ))
    }

    /// Refuses keys that may not manage keys: those without the read-write preset.
    pub fn require_key_management(&self) -> Result<()> {
        match self.identity.key() {
            Some(key) if key.grant.scope() != Some(Scope::ReadWrite) => {
                Err(Error::PermissionMissing { permission: None, by: TakenBy::Scope(key.grant.scope()) })
            }
            _ => Ok(()),
        }
    }

    /// Refuses callers who lack what an operation needs.
    pub fn require_needs(&self, needs: Needs) -> Result<()> {
        match needs {
            Needs::Permission(permission) => self.require(permission),
            Needs::KeyManagement => self.require_key_management(),
            Needs::Session => self.require_session(),
            Needs::Caller | Needs::Nothing => Ok(()),
        }
    }

    fn trial_is_over(&self) -> bool {
        self.identity.plan.is_over(self.identity.holder.org_created_at, self.at)
    }

    /// The name of whoever operates the server, when it is they; otherwise nothing.
    pub(super) fn operator(&self) -> &str {
        match &self.identity.who {
            Who::Operator(name) => name,
            _ => "",
        }
    }

    /// Who this is in the record of changes.
    pub fn actor(&self) -> String {
        match &self.identity.who {
            Who::Key(key) => key.id.prefixed(),
            Who::Session(_) | Who::Link => self.identity.holder.user.prefixed(),
            Who::Operator(name) => format!("operator {name}"),
            Who::Job => format!("job for {}", self.identity.holder.user.prefixed()),
        }
    }

    /// Writes what changed in the transaction that changes it; the call's row in the chain carries its digest.
    pub fn record(
        &self,
        tx: &Tx<'_>,
        action: &str,
        object: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<()> {
        let origin = match self.identity.who {
            Who::Operator(_) => Origin::Cli,
            Who::Job => Origin::Job,
            Who::Key(_) | Who::Session(_) | Who::Link => Origin::Api,
        };
        let change = NewChange {
            at: self.at,
            org: Some(self.org()),
            origin,
            actor: &self.actor(),
            request: self.request.map(|request| request.0),
            action,
            object,
            before,
            after,
        };
        let digest = changes::insert(tx, &change)?;
        let changes = self.changes.clone();
        tx.after_commit(move || changes.lock().push(digest));
        Ok(())
    }

    /// Whether changes were committed.
    pub fn has_changed(&self) -> bool {
        !self.changes.lock().is_empty()
    }

    /// The digests of the changes that were committed.
    pub fn changes(&self) -> Vec<[u8; 32]> {
        self.changes.lock().clone()
    }
}
