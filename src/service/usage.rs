//! Credits and their ledger, and what is left of limits.

mod figures;
mod headroom;

use std::time::Duration;

use super::app::App;
use super::caller::Caller;
use crate::domain::access::Permission;
use crate::domain::credits::Balance;
use crate::domain::error::Result;
use crate::domain::key::Key;
use crate::domain::ledger::{LedgerEntry, LedgerFilter};
use crate::domain::page::{ListRequest, Page};
use crate::domain::time::Timestamp;
use crate::domain::usage::Callers;
use crate::domain::window::Headroom;
use crate::store::audit::usage::{self, Calls};
use crate::store::main::credits::{self, Account, Taking};
use crate::store::main::ledger;

pub use figures::{FiguresRequest, Ranking, Series};
pub use headroom::KeyHeadroom;

const DAY: Duration = Duration::from_secs(86_400);

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
        Ok(Usage {
            credits: self.credits(caller)?,
            headroom: self.headroom(caller.identity())?,
            requests: self.recent_calls(caller, &Callers::Everyone)?,
        })
    }

    /// How many calls in the last 24 hours, 7 days and 30 days.
    pub(super) fn recent_calls(&self, caller: &Caller, callers: &Callers) -> Result<[u64; 3]> {
        let calls = Calls { org: caller.org(), callers, operation: None };
        self.store.read_figures_now(|figures| {
            let count = |days: u32| usage::count(figures, &calls, caller.at.minus(DAY * days), caller.at);
            Ok([count(1)?, count(7)?, count(30)?])
        })
    }

    /// The credits of the organisation that the caller acts in.
    pub(super) fn credits(&self, caller: &Caller) -> Result<Credits> {
        Ok(Credits { balance: self.balance(caller)?, resets_at: caller.at.next_month_start() })
    }

    /// The balance of the caller's organisation.
    pub(super) fn balance(&self, caller: &Caller) -> Result<Balance> {
        self.store.read_now(|db| Ok(credits::balance(db, caller.account(), caller.at)?))
    }

    /// Who takes credits for work of an operation, under a name of its own.
    pub(super) fn taking(&self, caller: &Caller, operation: &'static str) -> Taking {
        let identity = caller.identity();
        Taking {
            reservation: self.entropy.uuid(caller.at).simple().to_string(),
            account: caller.account(),
            operation,
            user: identity.holder.user,
            key: identity.key().map(|key| key.id),
            run: None,
            dashboard: None,
            boot: self.boot.clone(),
        }
    }

    /// A page of the ledger of credits.
    pub fn ledger(&self, caller: &Caller, request: &ListRequest<LedgerFilter>) -> Result<Page<LedgerEntry>> {
        caller.require(Permission::BillingManage)?;
        let org = caller.org();
        self.page(
            caller,
            "ledger",
            request,
            |db, filter, slice| Ok(ledger::list(db, org, filter, slice)?),
            |db, filter| Ok(ledger::count(db, org, filter)?),
        )
    }
}

impl Caller {
    /// Whether it may know what everyone in the organisation called.
    fn sees_all_figures(&self) -> bool {
        self.may(Permission::KeysManageAll) || self.may(Permission::AuditRead)
    }

    /// Whether it may know what a key of the organisation called: a key knows it of its own lineage, a session of its
    /// user's keys.
    fn sees_figures_of(&self, key: &Key) -> bool {
        let own = match self.identity().key() {
            Some(own) => own.lineage == key.lineage,
            None => key.owner == self.identity().holder.user,
        };
        own || self.sees_all_figures()
    }

    /// Whose credits its work takes.
    pub(super) fn account(&self) -> Account {
        Account { org: self.org(), allowance: self.identity().plan.credits_per_month }
    }
}
