//! Founding an organisation with its owner, and repairing at start what an earlier run of the server left.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::app::App;
use super::caller::{Caller, Identity, Who};
use super::people::UserRequest;
use crate::domain::access::Role;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, User as UserKind, UserId};
use crate::domain::org::{NAME_LENGTH, Org, OrgKind, name};
use crate::domain::plan::Plan;
use crate::domain::report::TemplateKind;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::store::Tx;
use crate::store::main::access::{self, Holder};
use crate::store::main::changes::{self, NewChange, Origin};
use crate::store::main::instance::NewOrg;
use crate::store::main::runs::{self, Ending};
use crate::store::main::syncs::{self, Runs};
use crate::store::main::{credits, instance, sources, templates, users};

/// An organisation to be made.
#[derive(Debug)]
pub struct Founding {
    /// Its name.
    pub name: String,
    /// Live or sandbox.
    pub kind: OrgKind,
    /// Its plan.
    pub plan: String,
    /// Its owner; the role is the owner's, whatever it says.
    pub owner: UserRequest,
    /// Who makes it.
    pub by: Founder,
}

/// Who makes an organisation.
#[derive(Debug)]
pub enum Founder {
    /// The operator of this name, by a command.
    Operator(String),
    /// Whoever had the setup link; only while there is no other organisation.
    SetupLink,
}

/// The plan of an installation's first organisation, by default.
pub const DEFAULT_PLAN: &str = "enterprise";

impl App {
    /// Makes an organisation with its owner and the built-in templates.
    pub async fn found(&self, founding: Founding) -> Result<(OrgId, UserId)> {
        let org_name = name("org", &founding.name, NAME_LENGTH)?;
        self.known_plan(&founding.plan)?;
        let owner = self.prepare_user(UserRequest { role: Role::Owner, ..founding.owner }).await?;
        let now = self.clock.now();
        let uuid = self.entropy.uuid(now);
        let uuids = self.template_uuids(now);
        let (kind, plan, by) = (founding.kind, founding.plan, founding.by);
        self.store
            .write(move |tx| {
                let (origin, actor) = match by {
                    Founder::Operator(name) => (Origin::Cli, format!("operator {name}")),
                    Founder::SetupLink if instance::has_org(tx)? => return Err(Error::NoSuchPath),
                    Founder::SetupLink => (Origin::Api, "setup link".to_owned()),
                };
                let new = NewOrg { uuid, name: &org_name, kind, plan: &plan, parent: None };
                let org = instance::create_org(tx, &new, now)?;
                let user = users::create(tx, org, &owner, now)?;
                furnish(tx, org, &uuids, now)?;
                let change = NewChange {
                    at: now,
                    org: Some(org),
                    origin,
                    actor: &actor,
                    request: None,
                    action: "organization.create",
                    object: &org.prefixed(),
                    before: None,
                    after: Some(json!({"name": org_name, "kind": kind.as_str(), "plan": plan, "owner": owner.email})),
                };
                changes::insert(tx, &change)?;
                Ok((org, user))
            })
            .await
    }

    /// The plan of that name, as somebody gave it.
    pub(super) fn known_plan(&self, name: &str) -> Result<Arc<Plan>> {
        self.settings.plans.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.settings.plans.keys().map(String::as_str).collect();
            Error::field("plan", format!("`{name}` is no plan; there are {}.", known.join(", ")))
        })
    }

    /// Uuids of the templates that every organisation has.
    pub(super) fn template_uuids(&self, now: Timestamp) -> [Uuid; TemplateKind::ALL.len()] {
        std::array::from_fn(|_| self.entropy.uuid(now))
    }

    /// All organisations.
    pub fn orgs(&self) -> Result<Vec<Org>> {
        self.store.read_now(|db| Ok(instance::orgs(db)?))
    }

    /// The operator acting as a user: what a command does is done with this user's rights.
    pub fn operator_as(&self, user: UserId, operator: &str) -> Result<Caller> {
        let holder = self.store.read_now(|db| Ok(access::user(db, user)?))?;
        self.operator(holder.ok_or_else(|| Error::not_found::<UserKind>(user.prefixed()))?, operator)
    }

    /// The operator acting as a user in an organisation that this one is a member of: their own, or its sandbox.
    pub fn operator_in(&self, org: OrgId, user: UserId, operator: &str) -> Result<Caller> {
        let holder = self.store.read_now(|db| Ok(access::member(db, org, user)?))?;
        let holder = holder.ok_or_else(|| {
            let (user, org) = (user.prefixed(), org.prefixed());
            Error::Conflict(format!("The user {user} is no member of the organization {org}."))
        })?;
        self.operator(holder, operator)
    }

    /// The operator acting with the rights of an organisation's owner.
    pub fn operator_of(&self, org: OrgId, operator: &str) -> Result<Caller> {
        let holder = self.store.read_now(|db| {
            let home = instance::org(db, org)?.and_then(|found| found.parent).unwrap_or(org);
            let owner = users::first_owner(db, home)?;
            Ok(owner.map(|owner| access::member(db, org, owner)).transpose()?.flatten())
        })?;
        let holder = holder.ok_or_else(|| Error::Conflict("The organization has no owner.".to_owned()))?;
        self.operator(holder, operator)
    }

    fn operator(&self, holder: Holder, operator: &str) -> Result<Caller> {
        let plan = self.plan(&holder.plan)?;
        let identity = Identity {
            who: Who::Operator(operator.to_owned()),
            permissions: holder.role.permissions(),
            holder,
            plan,
            limits: Limits::default(),
        };
        Ok(Caller::without_request(Arc::new(identity), self.clock.now()))
    }

    /// Queues again what was running, gives back what was reserved for nothing, fails syncs that ended with the server.
    /// Those of commands that live go on. For the holder of the data directory's lock.
    pub async fn recover(&self) -> Result<()> {
        let (boot, now) = (self.boot.clone(), self.clock.now());
        let app = self.clone();
        tokio::task::spawn_blocking(move || {
            app.data.forget_leases(now.into());
            if app.settings.query_cache == 0 {
                app.results.remove_all();
            }
        })
        .await
        .map_err(Error::internal)?;
        let elsewhere = self.store.read_now(|db| Ok(syncs::elsewhere(db, &boot)?))?;
        let (alive, gone): (Vec<_>, Vec<_>) = elsewhere.into_iter().partition(|process| self.data.is_alive(process));
        self.store
            .write(move |tx| {
                for (org, run) in runs::requeue(tx, Some(&boot))? {
                    let ending = Ending::Failed(
                        "internal".to_owned(),
                        "The server ended three times while it made this report; run it again, or make it smaller."
                            .to_owned(),
                    );
                    runs::finish(tx, org, run, &ending, 0, now)?;
                }
                let refunded = credits::repair(tx, &boot, now)?;
                let runs: Vec<Runs<'_>> = match alive.as_slice() {
                    [] => vec![Runs::OfOthers(&boot)],
                    _ => gone.iter().map(|process| Runs::Of(process)).collect(),
                };
                let mut failed = 0;
                for runs in runs {
                    failed += sources::repair(tx, runs, now)? + syncs::repair(tx, runs, now)?;
                }
                if refunded + failed > 0 {
                    tracing::info!(refunded, failed, "repaired what an earlier run left");
                }
                Ok(())
            })
            .await
    }

    /// Puts running runs back into the queue: at a stop, when their workers have been ended.
    pub async fn release_runs(&self) -> Result<()> {
        self.store.write(|tx| Ok(runs::requeue(tx, None).map(drop)?)).await
    }

    /// Removes extracts that no row points at, when that was ten minutes ago and every job has ended that was asked for
    /// before: it may read one. Ten minutes, because jobs of commands are not known here.
    pub fn collect_garbage(&self) -> Result<usize> {
        let live = self.store.read_now(|db| Ok(sources::extracts(db)?))?;
        let sources = self.data.sources();
        let (jobs, going_on) = self.pool.asked();
        let (mut removed, mut known) = (0, self.unused.lock());
        let mut unused = HashMap::new();
        for org in directories(&sources) {
            for source in directories(&org) {
                for extract in directories(&source) {
                    let uuid = |path: &std::path::Path| {
                        path.file_name()
                            .and_then(|name| name.to_str())
                            .and_then(|name| uuid::Uuid::parse_str(name).ok())
                    };
                    let used = uuid(&source).zip(uuid(&extract)).is_some_and(|pair| live.contains(&pair));
                    if used {
                        continue;
                    }
                    // Jobs that were asked for since it was seen so have not found it.
                    let before = known.get(&extract).copied().unwrap_or(jobs);
                    let is_read = going_on.is_some_and(|job| job <= before);
                    if !is_read && self.is_old(&extract) && std::fs::remove_dir_all(&extract).is_ok() {
                        removed += 1;
                    } else {
                        unused.insert(extract, before);
                    }
                }
            }
        }
        *known = unused;
        Ok(removed)
    }

    fn is_old(&self, path: &std::path::Path) -> bool {
        let modified = std::fs::metadata(path).and_then(|found| found.modified()).ok();
        let millis = modified
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        millis.is_some_and(|millis| self.clock.now().millis() - millis > 600_000)
    }
}

fn directories(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// What every organisation has from its beginning: the built-in templates.
pub(super) fn furnish(tx: &Tx<'_>, org: OrgId, uuids: &[Uuid; TemplateKind::ALL.len()], now: Timestamp) -> Result<()> {
    for (template, uuid) in TemplateKind::ALL.into_iter().zip(uuids) {
        templates::create(tx, org, *uuid, template, now)?;
    }
    Ok(())
}

/// An id of an organisation as the operator spells it.
pub fn org_ref(text: &str) -> IdRef<crate::domain::id::Org> {
    IdRef::parse(text, crate::domain::id::BareIntegers::Accepted)
}
