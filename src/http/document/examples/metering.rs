//! Examples of what is metered: estimates, the ledger of credits, and what calls add up to.

use super::world::{self, NOW};
use crate::domain::credits::{Estimate, Factors, Pdf, Work};
use crate::domain::id::LedgerEntryId;
use crate::domain::ledger::{EntryKind, LedgerEntry};

/// What the profile of the flights would cost.
pub fn estimate() -> Estimate {
    let factors = Factors { report: 5, refresh: 1, widget: 1, section: 1, million_rows: 1, pdf: 2 };
    let work = Work::Report { sections: 5, rows: 367_000, pdf: Pdf::Made };
    Estimate {
        cost: factors.cost(work),
        parts: factors.parts(work),
        remaining: world::balance().remaining(),
        refused_by: None,
    }
}

/// What it took.
pub fn settled() -> LedgerEntry {
    LedgerEntry {
        id: LedgerEntryId::new(9),
        created_at: NOW,
        kind: EntryKind::Settle,
        amount: estimate().cost,
        balance: world::balance().remaining(),
        reservation: Some(world::RUN.0.prefixed()),
        operation: Some("reports_run".to_owned()),
        user: Some(world::OWNER.0),
        key: Some(world::KEY.0),
        run: Some(world::RUN.0),
        dashboard: None,
        operator: None,
    }
}
