//! Credits, and what is left of limits.

use super::app::App;
use super::caller::{Caller, Identity};
use crate::domain::access::Permission;
use crate::domain::credits::Balance;
use crate::domain::error::Result;
use crate::domain::id::RunId;
use crate::domain::time::Timestamp;
use crate::domain::window::Headroom;
use crate::store::audit::usage;
use crate::store::main::credits::{self, Taking};

/// What `GET …/usage` tells.
#[derive(Debug)]
pub struct Usage {
    /// The organisation's credits.
    pub credits: Credits,
    /// What is left in the caller's windows; sessions have none by hour and day.
    pub headroom: Option<Headroom>,
    /// Requests of the organisation in the last 24 hours, 7 days and 30 days.
    pub requests: [u64; 3],
}

/// An organisation's credits in the present month.
#[derive(Debug, Clone, Copy)]
pub struct Credits {
    /// What is used and what is left.
    pub balance: Balance,
    /// When the month ends.
    pub resets_at: Timestamp,
}

impl App {
    /// Credits, limits and requests; consumes nothing beyond itself.
    pub fn usage(&self, caller: &Caller) -> Result<Usage> {
        caller.require(Permission::UsageRead)?;
        let org = caller.org();
        let count = |days: i64| {
            let since = Timestamp::from_millis(caller.at.millis() - days * 86_400_000);
            self.store.read_usage_now(|calls| Ok(usage::calls_since(calls, org, since)?))
        };
        Ok(Usage {
            credits: self.credits(caller)?,
            headroom: self.headroom(caller.identity(), caller.at)?,
            requests: [count(1)?, count(7)?, count(30)?],
        })
    }

    /// The credits of the organisation that the caller acts in.
    pub(super) fn credits(&self, caller: &Caller) -> Result<Credits> {
        Ok(Credits { balance: self.balance(caller)?, resets_at: caller.at.next_month_start() })
    }

    /// The balance of the caller's organisation.
    pub(super) fn balance(&self, caller: &Caller) -> Result<Balance> {
        let (org, allowance) = (caller.org(), caller.identity().plan.credits_per_month);
        self.store.read_now(|db| Ok(credits::balance(db, org, allowance, caller.at)?))
    }

    /// Who takes credits, for the ledger.
    pub(super) fn taking(
        &self,
        identity: &Identity,
        operation: &'static str,
        run: Option<RunId>,
        now: Timestamp,
    ) -> Taking {
        Taking {
            reservation: self.entropy.uuid(now).simple().to_string(),
            org: identity.holder.org,
            allowance: identity.plan.credits_per_month,
            operation,
            user: identity.holder.user,
            key: identity.key().map(|key| key.id),
            run,
            boot: self.boot.clone(),
        }
    }
}
