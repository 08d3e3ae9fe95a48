//! Organisations: their names, their plans, and the sandbox that one may have.
//!
//! A sandbox organisation has sources, dashboards, keys and credits of its own, and no people: its members are those of
//! the organisation whose sandbox it is, with the same role. A credential acts in one organisation for good. Keys belong
//! to the organisation that they were made in; a session is begun for one, by logging in for the user's own, and by
//! [`App::enter_sandbox`] for the sandbox. Nothing in a request says which organisation is meant.

use serde_json::json;
use uuid::Uuid;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::sessions::{Tokens, record_ended};
use super::setup::furnish;
use super::usage::Credits;
use crate::domain::access::Permission;
use crate::domain::error::{Error, Result};
use crate::domain::id::{Org as OrgOf, OrgId};
use crate::domain::org::{self, Org, OrgKind};
use crate::domain::session::Arrival;
use crate::store::main::credits::{self, Account};
use crate::store::main::instance::NewOrg;
use crate::store::main::sessions::NewSession;
use crate::store::main::{instance, sessions};

/// What a sandbox is called unless it is told otherwise.
const SANDBOX_NAME: &str = "Sandbox";

/// The most credits of one grant: more is a slip of the hand.
const GRANT_LIMIT: i64 = 1_000_000_000;

/// An organisation as every member of it may know it.
#[derive(Debug, Clone)]
pub struct Organization {
    /// Its name and plan.
    pub org: Org,
    /// Its credits.
    pub credits: Credits,
    /// Its sandbox, if it has one.
    pub sandbox: Option<(OrgId, Uuid)>,
}

impl App {
    /// The organisation that the caller acts in: everyone may know its name, plan and credits.
    pub fn own_organization(&self, caller: &Caller) -> Result<Organization> {
        let (org, sandbox) =
            self.store.read_now(|db| Ok((instance::org(db, caller.org())?, instance::sandbox(db, caller.org())?)))?;
        let org = org.ok_or_else(|| Error::not_found::<OrgOf>(caller.org().prefixed()))?;
        let sandbox = sandbox.map(|sandbox| (sandbox.id, sandbox.uuid));
        Ok(Organization { org, credits: self.credits(caller)?, sandbox })
    }

    /// Renames the organisation that the caller acts in.
    pub async fn rename_organization(&self, caller: &Caller, name: &str) -> Result<Organization> {
        caller.require(Permission::OrganizationManage)?;
        let name = org::name("name", name, org::NAME_LENGTH)?;
        let standing = self.own_organization(caller)?;
        let writer = caller.clone();
        self.store
            .write(move |tx| {
                let org = instance::org(tx, writer.org())?.ok_or_else(|| gone(&writer))?;
                writer.expects(Standing::Organization(&Organization { org: org.clone(), ..standing }))?;
                instance::set_name(tx, org.id, &name, writer.at)?;
                let (before, after) = (json!({"name": org.name}), json!({"name": name}));
                writer.record(tx, "organization.update", &org.id.prefixed(), Some(before), Some(after))
            })
            .await?;
        self.own_organization(caller)
    }

    /// Makes the sandbox of the caller's organisation.
    pub async fn make_sandbox(&self, caller: &Caller, asked: Option<String>) -> Result<Organization> {
        caller.require(Permission::OrganizationManage)?;
        let holder = &caller.identity().holder;
        if holder.org_kind == OrgKind::Sandbox {
            return Err(Error::Conflict("This is a sandbox organization itself.".to_owned()));
        }
        let plan = &caller.identity().plan;
        if !plan.sandbox_organization {
            return Err(self.sandbox_refusal(&plan.name));
        }
        let name = org::name("name", asked.as_deref().unwrap_or(SANDBOX_NAME), org::NAME_LENGTH)?;
        let (uuid, uuids) = (self.entropy.uuid(caller.at), self.template_uuids(caller.at));
        let writer = caller.clone();
        let (id, plan) = self
            .store
            .write(move |tx| {
                let parent = instance::org(tx, writer.org())?.ok_or_else(|| gone(&writer))?;
                if let Some(found) = instance::sandbox(tx, parent.id)? {
                    let id = found.id.prefixed();
                    return Err(Error::Conflict(format!("The organization has a sandbox organization already: {id}.")));
                }
                let kind = OrgKind::Sandbox;
                let new = NewOrg { uuid, name: &name, kind, plan: &parent.plan, parent: Some(parent.id) };
                let id = instance::create_org(tx, &new, writer.at)?;
                furnish(tx, id, &uuids, writer.at)?;
                let after = json!({"name": name, "kind": kind.as_str(), "parent": parent.id.prefixed()});
                writer.record(tx, "organization.create", &id.prefixed(), None, Some(after))?;
                Ok((id, parent.plan))
            })
            .await?;
        let org = self.store.read_now(|db| Ok(instance::org(db, id)?))?.ok_or_else(|| gone(caller))?;
        let account = Account { org: id, allowance: self.plan(&plan)?.credits_per_month };
        let balance = self.store.read_now(|db| Ok(credits::balance(db, account, caller.at)?))?;
        let credits = Credits { balance, resets_at: caller.at.next_month_start() };
        Ok(Organization { org, credits, sandbox: None })
    }

    /// Begins a session in the sandbox of the caller's organisation.
    pub async fn enter_sandbox(&self, caller: &Caller, arrival: Arrival) -> Result<Tokens> {
        caller.require_session()?;
        caller.require_home()?;
        let sandbox = self.store.read_now(|db| Ok(instance::sandbox(db, caller.home())?))?;
        let sandbox = sandbox.ok_or_else(|| {
            Error::Conflict("The organization has no sandbox organization; who manages it can make one.".to_owned())
        })?;
        let (uuid, end) = (self.entropy.uuid(caller.at), caller.at.plus(self.settings.refresh_ttl));
        let (writer, user, most) = (caller.clone(), caller.identity().holder.user, self.settings.sessions_of_one);
        let session = self
            .store
            .write(move |tx| {
                let new = NewSession { uuid, user, acts_in: sandbox.id, arrival: &arrival, end };
                let session = sessions::create(tx, &new, writer.at)?;
                let ended = sessions::end_oldest(tx, user, most, writer.at)?;
                record_ended(tx, &writer, user, &ended)?;
                let after = json!({"user": user.prefixed(), "organization": sandbox.id.prefixed()});
                writer.record(tx, "session.create", &session.prefixed(), None, Some(after))?;
                Ok(session)
            })
            .await?;
        self.tokens(user, session, caller.at)
    }

    /// Sets the plan of an organisation and of its sandbox, from the next request on. The month's credits follow, as far
    /// as they are not used. The operator's alone: no face has it.
    pub async fn set_plan(&self, operator: &Caller, plan: &str) -> Result<()> {
        let to = self.known_plan(plan)?.credits_per_month;
        let (writer, plan) = (operator.clone(), plan.to_owned());
        let from = operator.identity().plan.credits_per_month;
        self.store
            .write(move |tx| {
                let org = instance::org(tx, writer.org())?.ok_or_else(|| gone(&writer))?;
                if let Some(parent) = org.parent {
                    let parent = parent.prefixed();
                    return Err(Error::Conflict(format!(
                        "It has the plan of {parent}, whose sandbox it is; set that."
                    )));
                }
                for org in [Some(org.clone()), instance::sandbox(tx, org.id)?].into_iter().flatten() {
                    instance::set_plan(tx, org.id, &plan, writer.at)?;
                    let account = Account { org: org.id, allowance: from };
                    credits::change_allowance(tx, account, to, writer.operator(), writer.at)?;
                }
                let (before, after) = (json!({"plan": org.plan}), json!({"plan": plan}));
                writer.record(tx, "organization.set_plan", &org.id.prefixed(), Some(before), Some(after))
            })
            .await
    }

    /// Grants credits for the present month. The operator's alone: no face has it.
    pub async fn grant_credits(&self, operator: &Caller, amount: i64) -> Result<()> {
        if !(1..=GRANT_LIMIT).contains(&amount) {
            return Err(Error::field("credits", format!("must be 1 to {GRANT_LIMIT}.")));
        }
        let writer = operator.clone();
        self.store
            .write(move |tx| {
                credits::grant(tx, writer.account(), amount, writer.operator(), writer.at)?;
                let after = Some(json!({"credits": amount}));
                writer.record(tx, "organization.grant_credits", &writer.org().prefixed(), None, after)
            })
            .await
    }
}

fn gone(caller: &Caller) -> Error {
    Error::not_found::<OrgOf>(caller.org().prefixed())
}
