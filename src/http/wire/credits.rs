//! Credits on the wire: estimates of what work would cost, and the ledger.

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use super::{Spelling, Stamp};
use crate::domain::credits::{self as domain, Obstacle};
use crate::domain::id::{Id, Kind};
use crate::domain::ledger;

/// What work is expected to cost. Nothing was reserved: what is measured when the work is done is what it costs then,
/// and never more than what is reserved when it begins.
#[derive(Serialize, Object)]
pub struct Estimate {
    /// What would be reserved.
    estimated_cost: i64,
    /// What the organization has left.
    credits_remaining: i64,
    /// Whether the work would be begun now.
    allowed: bool,
    /// What would refuse it; null when nothing would.
    refused_by: Option<EstimateRefusal>,
    /// What the cost is made of; it is 1 credit where they add up to less.
    parts: Vec<CostPart>,
}

impl From<domain::Estimate> for Estimate {
    fn from(estimate: domain::Estimate) -> Self {
        Self {
            estimated_cost: estimate.cost,
            credits_remaining: estimate.remaining,
            allowed: estimate.refused_by.is_none(),
            refused_by: estimate.refused_by.map(EstimateRefusal::from),
            parts: estimate.parts.into_iter().map(CostPart::from).collect(),
        }
    }
}

/// What refuses work that costs credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum EstimateRefusal {
    /// A window of the credential is full: 429 `rate_limited`.
    Limit,
    /// There are too few credits: 402 `insufficient_credits`.
    Credits,
}

impl From<Obstacle> for EstimateRefusal {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Limit => Self::Limit,
            Obstacle::Credits => Self::Credits,
        }
    }
}

/// A part of a cost.
#[derive(Serialize, Object)]
pub struct CostPart {
    /// What it is for: `base`, `widgets`, `sections`, `million_rows` (begun ones count) or `pdf`.
    name: String,
    /// How many of them.
    quantity: u64,
    /// What they cost together.
    credits: i64,
}

impl From<domain::Part> for CostPart {
    fn from(part: domain::Part) -> Self {
        Self { name: part.name.to_owned(), quantity: part.quantity, credits: part.credits }
    }
}

/// An entry of the ledger of credits, which only grows. The balance is the sum of the changes.
#[derive(Serialize, Object)]
pub struct LedgerEntry<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    created_at: Stamp,
    kind: LedgerEntryKind,
    /// How many credits it is about.
    amount: i64,
    /// What it did to the credits that can be used: nothing when held credits are settled.
    change: i64,
    /// The credits that could be used after it.
    balance: i64,
    /// The piece of work: what is held, taken and given back for it has the same name here.
    reservation: Option<String>,
    /// The operation that asked for the work.
    operation: Option<String>,
    /// Who asked.
    user_id: Option<I>,
    /// With which key; null in a session.
    key_id: Option<I>,
    /// The run of a report.
    run_id: Option<I>,
    /// The dashboard that was refreshed.
    dashboard_id: Option<I>,
    /// The operator who granted or took them at the server's command line.
    operator: Option<String>,
}

impl<I: Spelling> From<ledger::LedgerEntry> for LedgerEntry<I> {
    fn from(entry: ledger::LedgerEntry) -> Self {
        Self {
            id: spelled(entry.id),
            created_at: entry.created_at.into(),
            kind: entry.kind.into(),
            amount: entry.amount,
            change: entry.kind.change(entry.amount),
            balance: entry.balance,
            reservation: entry.reservation,
            operation: entry.operation,
            user_id: entry.user.map(spelled),
            key_id: entry.key.map(spelled),
            run_id: entry.run.map(spelled),
            dashboard_id: entry.dashboard.map(spelled),
            operator: entry.operator,
        }
    }
}

/// The face that spells ids as uuids has no ledger.
fn spelled<I: Spelling, K: Kind>(id: Id<K>) -> I {
    I::of(id, Uuid::nil())
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum LedgerEntryKind {
    /// A month's allowance, or what the operator gives.
    Grant,
    /// Held for work that begins.
    Reserve,
    /// Taken for work that was done, out of what was held for it.
    Settle,
    /// Given back of what was held.
    Refund,
    /// What was left at the end of a month, or was taken with a smaller plan.
    Expire,
}

impl From<ledger::EntryKind> for LedgerEntryKind {
    fn from(kind: ledger::EntryKind) -> Self {
        match kind {
            ledger::EntryKind::Grant => Self::Grant,
            ledger::EntryKind::Reserve => Self::Reserve,
            ledger::EntryKind::Settle => Self::Settle,
            ledger::EntryKind::Refund => Self::Refund,
            ledger::EntryKind::Expire => Self::Expire,
        }
    }
}
