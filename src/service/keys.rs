//! API keys: make, list, show, and how they are used. What is asked of a key's terms is in `terms`, how it
//! changes in `change`, how it ends in `revoke` and `leak`.

mod change;
mod leak;
mod revoke;
mod terms;

use std::time::Duration;

use serde_json::{Value, json};

use super::app::App;
use super::caller::Caller;
use super::once::Answer;
use crate::domain::access::{Grant, Permission, Permissions, Role, Scope};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind, KeyId};
use crate::domain::key::{Flag, Key, KeyFilter, STALE_DAYS, Sought};
use crate::domain::key_text::{self, KeyText};
use crate::domain::page::{ListRequest, Page};
use crate::domain::time::Timestamp;
use crate::domain::usage::Callers;
use crate::domain::window::Limits;
use crate::store::Tx;
use crate::store::audit::usage;
pub use crate::store::audit::usage::KeyUsage;
use crate::store::main::access;
use crate::store::main::keys::{self, KeptText, NewKey, Search, Terms, Whose};

pub use change::KeyPatch;
pub use leak::LeakReports;
pub use revoke::Reach;
pub use terms::field_of;

/// A key as a client asks for it.
#[derive(Debug, Default)]
pub struct KeyRequest {
    /// Its name.
    pub name: String,
    /// A preset.
    pub scope: Option<Scope>,
    /// Permissions by name.
    pub permissions: Option<Vec<String>>,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Addresses and networks.
    pub ip_allowlist: Vec<String>,
    /// Limits of its own.
    pub limits: Limits,
    /// Days after which its owner is reminded of it, again and again.
    pub reminder_days: Option<u32>,
}

/// A key with how it was used.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key.
    pub key: Key,
    /// What it may do now, by its owner's role.
    pub permissions: Permissions,
    /// How it was used last.
    pub usage: Option<KeyUsage>,
    /// Calls of its lineage: rotating resets nothing.
    pub calls: u64,
}

/// What a key was used for.
#[derive(Debug)]
pub struct Activity {
    /// How the key itself was used last.
    pub usage: Option<KeyUsage>,
    /// Requests of its lineage in the last 24 hours, 7 days and 30 days.
    pub requests: [u64; 3],
}

/// How long a key must have rested to be called stale.
const STALE: Duration = Duration::from_secs(86_400 * STALE_DAYS.unsigned_abs());

impl App {
    /// Makes a key of the caller's. The text is given here and nowhere else: `kept` is the answer without it, which is
    /// what a request that comes again is given.
    pub async fn create_key<A: Answer>(
        &self,
        caller: &Caller,
        request: KeyRequest,
        kept: impl FnOnce(KeyView) -> A + Send + 'static,
    ) -> Result<(KeyView, KeyText)> {
        caller.require_key_management()?;
        self.require_api_access(caller)?;
        caller.require_running_plan()?;
        let (terms, limits) = self.checked_terms(caller, &request)?;
        let (text, kept_text) = self.mint(caller);
        let owner = caller.identity().holder.user;
        let new =
            NewKey { uuid: self.entropy.uuid(caller.at), owner, text: kept_text, terms, limits, predecessor: None };
        let (writer, most) = (caller.clone(), self.settings.keys.max_per_organization);
        let view = self
            .store
            .write(move |tx| {
                if keys::working(tx, writer.org(), writer.at)? >= most {
                    return Err(Error::Conflict(format!(
                        "The organization has {most} keys that work, which is the most it may have; revoke one first."
                    )));
                }
                let id = keys::create(tx, writer.org(), &new, writer.at)?;
                let mut after = described(&new.terms);
                after["prefix"] = json!(format!("{}{}", new.text.environment.key_prefix(), new.text.public));
                after["limits"] = json!(new.limits);
                writer.record(tx, "key.create", &id.prefixed(), None, Some(after))?;
                let key = find(tx, &writer, id, Whose::Of(new.owner))?;
                let permissions = key.grant.effective(writer.identity().holder.role);
                let view = KeyView { key, permissions, usage: None, calls: 0 };
                writer.answer(tx, kept(view.clone()))?;
                Ok(view)
            })
            .await?;
        Ok((view, text))
    }

    fn require_api_access(&self, caller: &Caller) -> Result<()> {
        let plan = &caller.identity().plan;
        if plan.api_access { Ok(()) } else { Err(self.api_access_refusal(&plan.name)) }
    }

    /// The text of a new key, and what is kept of it.
    fn mint(&self, caller: &Caller) -> (KeyText, KeptText) {
        let environment = caller.identity().holder.org_kind.environment();
        let text = KeyText::mint(environment, &mut |bytes| self.entropy.fill(bytes));
        let (pepper_id, pepper) = self.access.peppers().current();
        let salt = self.entropy.bytes();
        let mac = key_text::mac(pepper, &salt, &text);
        let kept = KeptText { public: text.public().to_owned(), environment, salt, mac, pepper_id };
        (text, kept)
    }

    /// The keys the caller may see: its owner's, or the organisation's for those who manage all.
    pub fn keys(&self, caller: &Caller, request: &ListRequest<KeyFilter>) -> Result<Page<KeyView>> {
        let (org, whose, now) = (caller.org(), whose(caller), caller.at);
        // Calls are counted in the other file, which no query joins.
        let in_use = match request.filter.status {
            Some(Sought::Flag(Flag::Stale)) => {
                let since = caller.at.minus(STALE);
                self.store.read_usage_now(|calls| Ok(usage::keys_used_since(calls, since)?))?
            }
            _ => Vec::new(),
        };
        let in_use = &in_use[..];
        let page = self.page(
            caller,
            ("keys", whose),
            request,
            |db, filter, slice| Ok(keys::list(db, org, &Search { whose, filter, now, in_use }, slice)?),
            |db, filter| Ok(keys::count(db, org, &Search { whose, filter, now, in_use })?),
        )?;
        let items = page.items.into_iter().map(|key| self.view(caller, key)).collect::<Result<_>>()?;
        Ok(Page { items, more: page.more })
    }

    /// One key.
    pub fn key(&self, caller: &Caller, id: &IdRef<KeyKind>, spelled: &str) -> Result<KeyView> {
        let (org, whose) = (caller.org(), whose(caller));
        let found = self.store.read_now(|db| Ok(keys::find(db, org, id, whose)?))?;
        self.view(caller, found.ok_or_else(|| Error::not_found::<KeyKind>(spelled))?)
    }

    /// What a key was used for.
    pub fn key_activity(&self, caller: &Caller, id: &IdRef<KeyKind>, spelled: &str) -> Result<Activity> {
        let KeyView { key, usage, .. } = self.key(caller, id, spelled)?;
        let lineage = Callers::Keys(self.lineage(caller, &key)?);
        Ok(Activity { usage, requests: self.recent_calls(caller, &lineage)? })
    }

    /// The key, those that it took over from, and those that took over from it.
    fn lineage(&self, caller: &Caller, key: &Key) -> Result<Vec<KeyId>> {
        if key.rotation.is_none() {
            return Ok(vec![key.id]);
        }
        self.store.read_now(|db| Ok(keys::lineage(db, caller.org(), key.lineage)?))
    }

    fn view(&self, caller: &Caller, key: Key) -> Result<KeyView> {
        let lineage = self.lineage(caller, &key)?;
        let (usage, calls) = self.store.read_usage_now(|calls| {
            let all = lineage.iter().map(|id| usage::key_usage(calls, *id));
            let all: Vec<Option<KeyUsage>> = all.collect::<Result<_, _>>()?;
            let own = lineage.iter().position(|id| *id == key.id).and_then(|place| all[place].clone());
            Ok((own, all.iter().flatten().map(|usage| usage.calls).sum()))
        })?;
        Ok(KeyView { permissions: key.grant.effective(self.role_of_owner(caller, &key)?), key, usage, calls })
    }

    fn role_of_owner(&self, caller: &Caller, key: &Key) -> Result<Role> {
        if key.owner == caller.identity().holder.user {
            return Ok(caller.identity().holder.role);
        }
        let holder = self.store.read_now(|db| Ok(access::user(db, key.owner)?))?;
        Ok(holder.map_or(Role::Viewer, |holder| holder.role))
    }
}

/// Whose keys the caller sees.
fn whose(caller: &Caller) -> Whose {
    if caller.may(Permission::KeysManageAll) { Whose::Everyones } else { Whose::Of(caller.identity().holder.user) }
}

/// A key as this transaction finds it.
fn find(tx: &Tx<'_>, caller: &Caller, id: KeyId, whose: Whose) -> Result<Key> {
    let found = keys::find(tx, caller.org(), &IdRef::Number(id), whose)?;
    found.ok_or_else(|| Error::not_found::<KeyKind>(id.prefixed()))
}

/// What the record of changes says of a key's terms.
fn described(terms: &Terms) -> Value {
    let listed = match terms.grant {
        Grant::Preset(_) => None,
        Grant::Listed(permissions) => Some(permissions.iter().map(Permission::as_str).collect::<Vec<_>>()),
    };
    json!({
        "name": terms.name, "scope": terms.grant.scope().map(Scope::as_str), "permissions": listed,
        "expires_at": terms.expires_at, "ip_allowlist": terms.allowlist,
        "reminder_days": terms.reminder.map(|reminder| reminder.days),
    })
}
