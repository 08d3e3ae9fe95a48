//! The ledger of credits: what was granted, held, taken and given back, entry by entry. It only grows, and the balance of
//! an organisation is the sum of what its entries did to it.

use super::id::{DashboardId, IdRef, Key, KeyId, LedgerEntryId, RunId, UserId};
use super::key::Owner;
use super::page::{self, Times};
use super::time::Timestamp;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A month's allowance, or what the operator gives.
    Grant,
    /// Held for work that begins.
    Reserve,
    /// Taken for work that was done, out of what was held for it.
    Settle,
    /// Given back of what was held.
    Refund,
    /// What was left at the end of a month, or is taken with a smaller plan.
    Expire,
}

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Grant, Self::Reserve, Self::Settle, Self::Refund, Self::Expire];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Reserve => "reserve",
            Self::Settle => "settle",
            Self::Refund => "refund",
            Self::Expire => "expire",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What an entry of this amount does to what can still be used. What is settled was held before.
    pub const fn change(self, amount: i64) -> i64 {
        match self {
            Self::Grant | Self::Refund => amount,
            Self::Reserve | Self::Expire => -amount,
            Self::Settle => 0,
        }
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its row.
    pub id: LedgerEntryId,
    /// When.
    pub created_at: Timestamp,
    /// What it is.
    pub kind: EntryKind,
    /// How many credits it is about; never negative.
    pub amount: i64,
    /// What could still be used after it.
    pub balance: i64,
    /// Names the piece of work: what is held, taken and given back for it has the same.
    pub reservation: Option<String>,
    /// The operation that asked for the work.
    pub operation: Option<String>,
    /// Who asked.
    pub user: Option<UserId>,
    /// With which key.
    pub key: Option<KeyId>,
    /// The report run.
    pub run: Option<RunId>,
    /// The dashboard that was refreshed.
    pub dashboard: Option<DashboardId>,
    /// The operator who granted or took it.
    pub operator: Option<String>,
}

impl page::Entry for LedgerEntry {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        ""
    }

    fn updated_at(&self) -> Timestamp {
        self.created_at
    }
}

/// What narrows the ledger.
#[derive(Debug, Clone, Default, Hash)]
pub struct LedgerFilter {
    /// When.
    pub times: Times,
    /// What they are.
    pub kind: Option<EntryKind>,
    /// Who asked.
    pub user: Option<Owner>,
    /// With which key.
    pub key: Option<IdRef<Key>>,
}
