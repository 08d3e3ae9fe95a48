//! What may be asked of a key: within its maker, its owner's role, the plan and the settings.

use ipnet::IpNet;

use super::KeyRequest;
use crate::domain::access::{Grant, Permission, Permissions, Role, Scope};
use crate::domain::error::{Error, Result};
use crate::domain::key::{self, Reminder};
use crate::domain::org::name;
use crate::domain::time::Timestamp;
use crate::domain::window::{Limits, WindowName};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::store::main::keys::Terms;

/// The longest name, in characters.
pub(super) const NAME_LENGTH: usize = 100;

impl App {
    /// The terms of a new key of the caller's, and its own limits.
    pub(super) fn checked_terms(&self, caller: &Caller, request: &KeyRequest) -> Result<(Terms, Limits)> {
        let (now, maker) = (caller.at, caller.identity().key());
        let role = caller.identity().holder.role;
        let asked = checked_grant(role, request.scope, request.permissions.as_deref())?;
        // What is not said is as narrow as the maker is.
        let allowlist = match maker {
            Some(maker) if request.ip_allowlist.is_empty() => maker.allowlist.clone(),
            _ => self.checked_allowlist(caller, &request.ip_allowlist)?,
        };
        let expires_at = request.expires_at.or(self.settings.keys.default_expiry.map(|span| now.plus(span)));
        let terms = Terms {
            name: name("name", &request.name, NAME_LENGTH)?,
            grant: asked.unwrap_or(Grant::Preset(Scope::ReadOnly)),
            allowlist,
            expires_at: self.checked_expiry(expires_at, now, now)?,
            reminder: request.reminder_days.map(|days| Reminder::every(days, now)).transpose()?,
        };
        let limits = match maker {
            Some(maker) if request.limits.is_empty() => maker.own_limits,
            _ => self.checked_limits(caller, request.limits)?,
        };
        never_wider(caller, terms.grant, &terms.allowlist, limits)?;
        Ok((terms, limits))
    }

    pub(super) fn checked_allowlist(&self, caller: &Caller, entries: &[String]) -> Result<Vec<IpNet>> {
        let (allowlist, plan) = (key::allowlist(entries)?, &caller.identity().plan);
        if !allowlist.is_empty() && !plan.ip_allowlist {
            return Err(Error::PlanRequired {
                feature: "allowlists of addresses",
                plan: plan.name.clone(),
                needed: self.plan_with(|plan| plan.ip_allowlist),
            });
        }
        Ok(allowlist)
    }

    /// When a key that was made at `made` expires: in the future, and within the longest life that keys have.
    pub(super) fn checked_expiry(
        &self,
        asked: Option<Timestamp>,
        made: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let latest = self.settings.keys.max_lifetime.map(|span| made.plus(span));
        match (asked.or(latest), latest) {
            (Some(end), Some(latest)) if end > latest => {
                Err(Error::field("expires_at", format!("must be {latest} at the latest; keys have to expire here.")))
            }
            (Some(end), _) if end <= now => Err(Error::field("expires_at", "must be in the future.")),
            (end, _) => Ok(end),
        }
    }

    /// Own limits: given by those who manage all keys, within the plan's.
    pub(super) fn checked_limits(&self, caller: &Caller, asked: Limits) -> Result<Limits> {
        if asked.is_empty() {
            return Ok(asked);
        }
        caller.require(Permission::KeysManageAll)?;
        let plan = &caller.identity().plan;
        if !plan.own_limits {
            return Err(Error::PlanRequired {
                feature: "limits of single keys",
                plan: plan.name.clone(),
                needed: self.plan_with(|plan| plan.own_limits),
            });
        }
        let most = plan.key_limits(self.settings.key_per_minute);
        for window in WindowName::ALL {
            let (Some(asked), Some(most)) = (asked.get(window), most.get(window)) else { continue };
            if !(1..=most).contains(&asked) {
                let reason = format!("must be 1 to {most}: the plan's limit holds for every key.");
                return Err(Error::field(format!("limits.{}", field_of(window)), reason));
            }
        }
        for (hour, day) in
            [(WindowName::Hour, WindowName::Day), (WindowName::GenerationHour, WindowName::GenerationDay)]
        {
            if asked.get(hour).zip(asked.get(day)).is_some_and(|(hour, day)| day < hour) {
                let reason = format!("must not be less than limits.{}.", field_of(hour));
                return Err(Error::field(format!("limits.{}", field_of(day)), reason));
            }
        }
        Ok(asked)
    }
}

/// The field that a window's limit has in requests.
pub fn field_of(window: WindowName) -> &'static str {
    match window {
        WindowName::Minute => "per_minute",
        WindowName::Hour => "per_hour",
        WindowName::Day => "per_day",
        WindowName::GenerationHour => "generation_per_hour",
        WindowName::GenerationDay => "generation_per_day",
    }
}

/// What a key of a user with this role is to be given; `None` when nothing is asked for.
pub(super) fn checked_grant(role: Role, scope: Option<Scope>, names: Option<&[String]>) -> Result<Option<Grant>> {
    match (scope, names) {
        (Some(_), Some(_)) => Err(Error::InvalidRequest("Give `scope` or `permissions`, not both.".to_owned())),
        (Some(scope), None) => Ok(Some(Grant::Preset(scope))),
        (None, Some(names)) => Ok(Some(Grant::Listed(checked_permissions(role, names)?))),
        (None, None) => Ok(None),
    }
}

fn checked_permissions(role: Role, names: &[String]) -> Result<Permissions> {
    let allowed = role.permissions().without(Permissions::NEVER_IN_A_KEY);
    if names.is_empty() {
        return Err(Error::field("permissions", "is empty; name at least one permission, or leave it out."));
    }
    let known = || allowed.iter().map(Permission::as_str).collect::<Vec<_>>().join(", ");
    let mut permissions = Vec::with_capacity(names.len());
    for (index, text) in names.iter().enumerate() {
        let field = format!("permissions[{index}]");
        let Some(permission) = Permission::parse(text) else {
            return Err(Error::field(field, format!("is not a permission; there are {}.", known())));
        };
        if !allowed.holds(permission) {
            let role = role.as_str();
            let reason = format!("cannot be held by a key of a user with the role {role}; there are {}.", known());
            return Err(Error::field(field, reason));
        }
        permissions.push(permission);
    }
    Ok(permissions.into_iter().collect())
}

/// Refuses to let a key give out what is wider than itself.
pub(super) fn never_wider(caller: &Caller, grant: Grant, allowlist: &[IpNet], limits: Limits) -> Result<()> {
    let Some(with) = caller.identity().key() else { return Ok(()) };
    let role = caller.identity().holder.role;
    let fits = grant.effective(role).within(with.grant.effective(role))
        && key::is_within(allowlist, &with.allowlist)
        && limits.lower(with.own_limits) == limits;
    if fits {
        return Ok(());
    }
    Err(Error::InvalidRequest(
        "A key cannot give out what is wider than itself, in permissions, networks or limits; use a session."
            .to_owned(),
    ))
}
