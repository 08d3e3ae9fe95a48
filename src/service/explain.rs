//! What a credential is and may do, and whether a call would be allowed: `auth/verify`.
//!
//! A call is rehearsed by the checks that a real one passes, in their order; it takes room in no window, and no object
//! is looked up.

use std::net::IpAddr;

use super::app::App;
use super::caller::Caller;
use crate::domain::code::Code;
use crate::domain::error::{Error, Result, TakenBy};
use crate::domain::operation::{Needs, Operation};
use crate::domain::window::{Headroom, Surface};

/// A call that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// What it would do.
    pub operation: &'static Operation,
    /// Where it would arrive.
    pub surface: Surface,
    /// Where it would come from, if not from where the question comes.
    pub address: Option<IpAddr>,
}

/// What would refuse a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// The key was not given it.
    Scope,
    /// The owner's role does not have it.
    Role,
    /// The organisation's plan does not include it, or its trial is over.
    Plan,
    /// The key may not be used from there.
    Address,
    /// A window is full.
    Limit,
}

/// Whether a call would be allowed, objects and credits aside.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// What would refuse it; `None` when nothing does.
    pub refused_by: Option<RefusedBy>,
    /// What it needs.
    pub needs: Needs,
}

/// What a caller's credential is worth now.
#[derive(Debug)]
pub struct Verified {
    /// What is left in its windows; `None` where there are none.
    pub headroom: Option<Headroom>,
    /// About the call that was asked about.
    pub explanation: Option<Explanation>,
}

impl App {
    /// What the caller may do now; consumes nothing beyond itself.
    pub fn verify(&self, caller: &Caller, question: Option<Question>) -> Result<Verified> {
        let headroom = self.headroom(caller.identity())?;
        let explanation = question.map(|question| self.explain(caller, question, headroom.as_ref())).transpose()?;
        Ok(Verified { headroom, explanation })
    }

    fn explain(&self, caller: &Caller, question: Question, headroom: Option<&Headroom>) -> Result<Explanation> {
        let needs = question.operation.needs;
        let refused_by = match self.rehearse(caller, question, headroom) {
            Ok(()) => None,
            Err(Error::PermissionMissing { by: TakenBy::Role(_), .. }) => Some(RefusedBy::Role),
            Err(Error::SessionRequired) => Some(RefusedBy::Scope),
            Err(Error::PermissionMissing { by: TakenBy::Scope(_), .. }) => Some(RefusedBy::Scope),
            Err(Error::PlanRequired { .. } | Error::TrialEnded { .. }) => Some(RefusedBy::Plan),
            Err(Error::AddressNotAllowed(_)) => Some(RefusedBy::Address),
            Err(Error::RateLimited { .. }) => Some(RefusedBy::Limit),
            Err(other) => return Err(other),
        };
        Ok(Explanation { refused_by, needs })
    }

    /// The checks that the call which asks has not passed itself: it came in from its address and by its plan.
    fn rehearse(&self, caller: &Caller, question: Question, headroom: Option<&Headroom>) -> Result<()> {
        let Question { operation, surface, address } = question;
        if operation.needs == Needs::Nothing {
            return Ok(());
        }
        if address.is_some() {
            self.admit_identity(caller.identity(), address)?;
        }
        if let Some((window, room)) = headroom.and_then(|headroom| headroom.full(operation.class, surface)) {
            return Err(caller.identity().rate_limited(window, room.reset_at_ms - caller.at.millis()));
        }
        match operation.needs {
            // Whether it goes on when the trial is over is the operation's to say, below.
            Needs::Permission(permission) => caller.require_also_after_trial(permission)?,
            needs => caller.require_needs(needs)?,
        }
        // Sessions come in on every plan, and some of what they then ask for takes a better one.
        let plan = &caller.identity().plan;
        if operation.errors.contains(&Code::PlanRequired) && !plan.api_access {
            return Err(self.api_access_refusal(&plan.name));
        }
        if operation.takes_sandbox_plan() && !plan.sandbox_organization {
            return Err(self.sandbox_refusal(&plan.name));
        }
        if operation.errors.contains(&Code::TrialEnded) {
            caller.require_running_plan()?;
        }
        Ok(())
    }
}
