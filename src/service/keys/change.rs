//! How a key changes: its terms, and into another key.

use std::time::Duration;

use serde_json::json;

use super::terms::{NAME_LENGTH, checked_grant, never_wider};
use super::{KeyView, described, find, whose};
use crate::domain::access::{Grant, Role, Scope};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind};
use crate::domain::key::{Key, Reminder, Status};
use crate::domain::key_text::KeyText;
use crate::domain::org::name;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::conditions::Standing;
use crate::service::once::Answer;
use crate::store::main::keys::{self, NewKey, Terms};

/// How long a key works beside its successor when nothing else is asked for, as far as the settings allow.
const GRACE: Duration = Duration::from_secs(86_400);

/// What is to be changed of a key; what is `None` stays as it is.
#[derive(Debug, Default)]
pub struct KeyPatch {
    /// Its name.
    pub name: Option<String>,
    /// A preset within what it has.
    pub scope: Option<Scope>,
    /// Permissions by name, within what it has.
    pub permissions: Option<Vec<String>>,
    /// From this instant on it is refused; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Addresses and networks.
    pub ip_allowlist: Option<Vec<String>>,
    /// Days after which its owner is reminded of it; `Some(None)`: no more.
    pub reminder_days: Option<Option<u32>>,
    /// Limits of its own, all of them anew. No face has it: the operator's alone.
    pub limits: Option<Limits>,
}

impl KeyPatch {
    fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.scope.is_none()
            && self.permissions.is_none()
            && self.expires_at.is_none()
            && self.ip_allowlist.is_none()
            && self.reminder_days.is_none()
            && self.limits.is_none()
    }
}

impl App {
    /// Changes the terms of a key that still works; it never gets more permissions than it has.
    pub async fn update_key(
        &self,
        caller: &Caller,
        id: &IdRef<KeyKind>,
        spelled: &str,
        patch: KeyPatch,
    ) -> Result<KeyView> {
        caller.require_key_management()?;
        caller.require_running_plan()?;
        if patch.is_empty() {
            return Err(Error::nothing_to_change());
        }
        let view = self.key(caller, id, spelled)?;
        let role = self.role_of_owner(caller, &view.key)?;
        let (app, writer, id) = (self.clone(), caller.clone(), view.key.id);
        self.store
            .write(move |tx| {
                let key = find(tx, &writer, id, whose(&writer))?;
                let before = Terms::from(&key);
                let limits_before = key.limits;
                let key = expected(&writer, &KeyView { key, ..view })?;
                still_works(&key, writer.at)?;
                let after = app.changed_terms(&writer, &key, &patch, role)?;
                let limits = match patch.limits {
                    Some(asked) => app.checked_limits(&writer, asked)?,
                    None => limits_before,
                };
                never_wider(&writer, after.grant, &after.allowlist, limits)?;
                keys::update(tx, writer.org(), id, &after, limits)?;
                let (mut before, mut after) = (described(&before), described(&after));
                if limits != limits_before {
                    (before["limits"], after["limits"]) = (json!(limits_before), json!(limits));
                }
                writer.record(tx, "key.update", &id.prefixed(), Some(before), Some(after))
            })
            .await?;
        self.key(caller, &IdRef::Number(id), spelled)
    }

    fn changed_terms(&self, caller: &Caller, key: &Key, patch: &KeyPatch, role: Role) -> Result<Terms> {
        let mut terms = Terms::from(key);
        if let Some(text) = &patch.name {
            terms.name = name("name", text, NAME_LENGTH)?;
        }
        if let Some(grant) = checked_grant(role, patch.scope, patch.permissions.as_deref())? {
            narrows(key.grant, grant)?;
            terms.grant = grant;
        }
        if let Some(asked) = patch.expires_at {
            terms.expires_at = self.checked_expiry(asked, key.created_at, caller.at)?;
        }
        if let Some(entries) = &patch.ip_allowlist {
            terms.allowlist = self.checked_allowlist(caller, entries)?;
        }
        if let Some(days) = patch.reminder_days {
            terms.reminder = days.map(|days| Reminder::every(days, caller.at)).transpose()?;
        }
        Ok(terms)
    }

    /// Makes a key that takes over from another one, with its name, rights, limits and counts. The older one works until
    /// the grace is over, and never past its own expiry. The new one is valid for as long as the older one was made for.
    ///
    /// # Errors
    /// `AlreadyRotating` while the key, or the one that it took over from, is in its grace; `Conflict` when it does not
    /// work any more.
    pub async fn rotate_key<A: Answer>(
        &self,
        caller: &Caller,
        id: &IdRef<KeyKind>,
        spelled: &str,
        grace: Option<Duration>,
        kept: impl FnOnce(KeyView) -> A + Send + 'static,
    ) -> Result<(KeyView, KeyText)> {
        caller.require_key_management()?;
        self.require_api_access(caller)?;
        caller.require_running_plan()?;
        let grace = self.checked_grace(grace)?;
        let view = self.key(caller, id, spelled)?;
        let (text, kept_text) = self.mint(caller);
        let (app, writer, id, uuid) = (self.clone(), caller.clone(), view.key.id, self.entropy.uuid(caller.at));
        let view = self
            .store
            .write(move |tx| {
                let (org, now) = (writer.org(), writer.at);
                let (permissions, calls) = (view.permissions, view.calls);
                let key = find(tx, &writer, id, whose(&writer))?;
                let key = expected(&writer, &KeyView { key, ..view })?;
                still_works(&key, now)?;
                if let Some(rotation) = key.rotation.filter(|rotation| rotation.grace_until > now) {
                    return Err(Error::AlreadyRotating { until: rotation.grace_until });
                }
                never_wider(&writer, key.grant, &key.allowlist, key.limits)?;
                let new = app.successor(&key, uuid, kept_text, now)?;
                let grace_until = [Some(now.plus(grace)), key.expires_at].into_iter().flatten().min().unwrap_or(now);
                let successor = keys::create(tx, org, &new, now)?;
                keys::supersede(tx, org, id, grace_until)?;
                let mut after = described(&new.terms);
                after["successor"] = json!(successor.prefixed());
                after["grace_until"] = json!(grace_until);
                let before = json!({"status": key.status(now).as_str(), "expires_at": key.expires_at});
                writer.record(tx, "key.rotate", &id.prefixed(), Some(before), Some(after))?;
                let key = find(tx, &writer, successor, whose(&writer))?;
                let view = KeyView { key, permissions, usage: None, calls };
                writer.answer(tx, kept(view.clone()))?;
                Ok(view)
            })
            .await?;
        Ok((view, text))
    }

    fn successor(&self, key: &Key, uuid: uuid::Uuid, text: keys::KeptText, now: Timestamp) -> Result<NewKey> {
        let expires_at = key.expires_at.map(|end| now.plus(end.since(key.created_at)));
        let latest = self.settings.keys.max_lifetime.map(|span| now.plus(span));
        let terms = Terms {
            expires_at: [expires_at, latest].into_iter().flatten().min(),
            reminder: key.reminder.map(|reminder| Reminder::every(reminder.days, now)).transpose()?,
            ..Terms::from(key)
        };
        Ok(NewKey { uuid, owner: key.owner, text, terms, limits: key.limits, predecessor: Some((key.id, key.lineage)) })
    }

    fn checked_grace(&self, asked: Option<Duration>) -> Result<Duration> {
        let most = self.settings.keys.max_grace;
        match asked {
            Some(grace) if grace > most => {
                Err(Error::field("grace_seconds", format!("must be 0 to {}.", most.as_secs())))
            }
            Some(grace) => Ok(grace),
            None => Ok(GRACE.min(most)),
        }
    }
}

/// The key, if it is what the request's conditions want.
fn expected(caller: &Caller, view: &KeyView) -> Result<Key> {
    caller.expects(Standing::Key(view))?;
    Ok(view.key.clone())
}

fn still_works(key: &Key, now: Timestamp) -> Result<()> {
    match key.status(now) {
        Status::Active | Status::Rotating => Ok(()),
        Status::Expired => Err(Error::Conflict("The key has expired; make another one.".to_owned())),
        Status::Revoked => Err(Error::Conflict("The key was revoked; make another one.".to_owned())),
    }
}

/// A key is given fewer permissions or as many, whatever role its owner gets later.
fn narrows(now: Grant, asked: Grant) -> Result<()> {
    if asked.effective(Role::Owner).within(now.effective(Role::Owner)) {
        return Ok(());
    }
    let field = if asked.scope().is_some() { "scope" } else { "permissions" };
    Err(Error::field(field, "must be within what the key was given; make another key for more."))
}
