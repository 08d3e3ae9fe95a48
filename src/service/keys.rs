//! API keys: create, list, show, revoke (PRODUCT 8.3).

use serde_json::json;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::once::Answer;
use crate::domain::access::{Grant, Permission, Permissions, Scope};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind};
use crate::domain::key::{self, Key, KeyFilter};
use crate::domain::key_text::{self, KeyText};
use crate::domain::org::name;
use crate::domain::page::{ListRequest, Page};
use crate::domain::time::Timestamp;
use crate::store::audit::usage;
pub use crate::store::audit::usage::KeyUsage;
use crate::store::main::keys::{self, NewKey, Whose};

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
}

/// A key with how it was used.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key.
    pub key: Key,
    /// What it may do now, by its owner's role.
    pub permissions: Permissions,
    /// How it was used.
    pub usage: Option<KeyUsage>,
}

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
        let plan = &caller.identity().plan;
        if !plan.api_access {
            return Err(self.api_access_refusal(&plan.name));
        }
        caller.require_running_plan()?;
        let grant = self.checked_grant(caller, &request)?;
        let allowlist = key::allowlist(&request.ip_allowlist)?;
        if !allowlist.is_empty() && !plan.ip_allowlist {
            return Err(Error::PlanRequired {
                feature: "allowlists of addresses",
                plan: plan.name.clone(),
                needed: self.plan_with(|plan| plan.ip_allowlist),
            });
        }
        let expires_at = self.checked_expiry(caller, request.expires_at)?;
        let environment = caller.identity().holder.org_kind.environment();
        let text = KeyText::mint(environment, &mut |bytes| self.entropy.fill(bytes));
        let (pepper_id, pepper) = self.keyring.pepper.current();
        let salt = self.entropy.bytes();
        let new = NewKey {
            uuid: self.entropy.uuid(caller.at),
            owner: caller.identity().holder.user,
            name: name("name", &request.name, 100)?,
            public: text.public().to_owned(),
            environment,
            grant,
            salt,
            mac: key_text::mac(pepper.expose(), &salt, &text),
            pepper_id,
            allowlist,
            expires_at,
        };
        let writer = caller.clone();
        let view = self
            .store
            .write(move |tx| {
                let id = keys::create(tx, writer.org(), &new, writer.at)?;
                let after = json!({
                    "name": new.name, "prefix": format!("{}{}", new.environment.key_prefix(), new.public),
                    "scope": new.grant.scope().map(Scope::as_str), "expires_at": new.expires_at,
                    "ip_allowlist": new.allowlist,
                });
                writer.record(tx, "key.create", &id.prefixed(), None, Some(after))?;
                let key = keys::find(tx, writer.org(), &IdRef::Number(id), Whose::Of(new.owner))?;
                let key = key.ok_or_else(|| Error::not_found::<KeyKind>(id.prefixed()))?;
                let permissions = key.grant.effective(writer.identity().holder.role);
                let view = KeyView { key, permissions, usage: None };
                writer.answer(tx, kept(view.clone()))?;
                Ok(view)
            })
            .await?;
        Ok((view, text))
    }

    /// What a new key is given: never more than its maker has.
    fn checked_grant(&self, caller: &Caller, request: &KeyRequest) -> Result<Grant> {
        let role = caller.identity().holder.role;
        let grant = match (&request.scope, &request.permissions) {
            (Some(_), Some(_)) => {
                return Err(Error::InvalidRequest("Give `scope` or `permissions`, not both.".to_owned()));
            }
            (Some(scope), None) => Grant::Preset(*scope),
            (None, None) => Grant::Preset(Scope::ReadOnly),
            (None, Some(names)) => Grant::Listed(self.checked_permissions(caller, names)?),
        };
        if let Some(made_with) = caller.identity().key()
            && !grant.effective(role).within(made_with.grant.effective(role))
        {
            return Err(Error::InvalidRequest(
                "A key cannot make a key with more permissions than its own.".to_owned(),
            ));
        }
        Ok(grant)
    }

    fn checked_permissions(&self, caller: &Caller, names: &[String]) -> Result<Permissions> {
        let role = caller.identity().holder.role;
        let allowed = role.permissions().without(Permissions::NEVER_IN_A_KEY);
        if names.is_empty() {
            return Err(Error::field("permissions", "is empty; name at least one permission, or leave it out."));
        }
        let mut permissions = Vec::with_capacity(names.len());
        for (index, text) in names.iter().enumerate() {
            let field = format!("permissions[{index}]");
            let known = || allowed.iter().map(Permission::as_str).collect::<Vec<_>>().join(", ");
            let Some(permission) = Permission::parse(text) else {
                return Err(Error::field(field, format!("is not a permission; there are {}.", known())));
            };
            if !allowed.holds(permission) {
                return Err(Error::field(
                    field,
                    format!(
                        "cannot be held by a key of a user with the role {}; there are {}.",
                        role.as_str(),
                        known()
                    ),
                ));
            }
            permissions.push(permission);
        }
        Ok(permissions.into_iter().collect())
    }

    fn checked_expiry(&self, caller: &Caller, asked: Option<Timestamp>) -> Result<Option<Timestamp>> {
        match asked {
            Some(end) if end <= caller.at => Err(Error::field("expires_at", "must be in the future.")),
            Some(end) => Ok(Some(end)),
            None => Ok(self.settings.default_expiry.map(|span| caller.at.plus(span))),
        }
    }

    /// The keys the caller may see: its owner's, or the organisation's for those who manage all.
    pub fn keys(&self, caller: &Caller, request: &ListRequest<KeyFilter>) -> Result<Page<KeyView>> {
        let (org, whose, now) = (caller.org(), self.whose(caller), caller.at);
        let page = self.page(
            caller,
            ("keys", whose),
            request,
            |db, filter, slice| Ok(keys::list(db, org, whose, filter, now, slice)?),
            |db, filter| Ok(keys::count(db, org, whose, filter, now)?),
        )?;
        let items = page.items.into_iter().map(|key| self.view(caller, key)).collect::<Result<_>>()?;
        Ok(Page { items, more: page.more })
    }

    /// One key.
    pub fn key(&self, caller: &Caller, id: &IdRef<KeyKind>, spelled: &str) -> Result<KeyView> {
        let (org, whose) = (caller.org(), self.whose(caller));
        let found = self.store.read_now(|db| Ok(keys::find(db, org, id, whose)?))?;
        self.view(caller, found.ok_or_else(|| Error::not_found::<KeyKind>(spelled))?)
    }

    /// Revokes a key; when this returns, no later request is let in by it. The second time it is the same answer.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        id: &IdRef<KeyKind>,
        spelled: &str,
        reason: Option<String>,
    ) -> Result<KeyView> {
        caller.require_key_management()?;
        if let Some(reason) = &reason {
            name("reason", reason, 500)?;
        }
        let view = self.key(caller, id, spelled)?;
        if view.key.revoked_at.is_none() {
            let (writer, id, spelled, permissions) =
                (caller.clone(), view.key.id, spelled.to_owned(), view.permissions);
            let whose = self.whose(caller);
            self.store
                .write(move |tx| {
                    let found = keys::find(tx, writer.org(), &IdRef::Number(id), whose)?;
                    let key = found.ok_or_else(|| Error::not_found::<KeyKind>(spelled))?;
                    writer.expects(Standing::Key(&KeyView { key, permissions, usage: None }))?;
                    keys::revoke(tx, writer.org(), id, reason.as_deref(), writer.at)?;
                    let after = json!({"status": "revoked", "reason": reason});
                    writer.record(tx, "key.revoke", &id.prefixed(), Some(json!({"status": "active"})), Some(after))
                })
                .await?;
        }
        self.key(caller, id, spelled)
    }

    fn whose(&self, caller: &Caller) -> Whose {
        if caller.may(Permission::KeysManageAll) { Whose::Everyones } else { Whose::Of(caller.identity().holder.user) }
    }

    fn view(&self, caller: &Caller, key: Key) -> Result<KeyView> {
        let usage = self.store.read_usage_now(|calls| Ok(usage::key_usage(calls, key.id)?))?;
        let role = if key.owner == caller.identity().holder.user {
            caller.identity().holder.role
        } else {
            let holder = self.store.read_now(|db| Ok(crate::store::main::access::user(db, key.owner)?))?;
            holder.map_or(crate::domain::access::Role::Viewer, |holder| holder.role)
        };
        Ok(KeyView { permissions: key.grant.effective(role), key, usage })
    }
}
