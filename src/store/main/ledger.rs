//! The ledger of credits as rows: it only grows, and the schema holds it to that. What an entry does to the balance is
//! the business of [`super::credits`].

use rusqlite::{OptionalExtension, Row};

use super::credits::Taking;
use crate::domain::error::Result;
use crate::domain::id::{DashboardId, KeyId, OrgId, RunId, UserId};
use crate::domain::key::Owner;
use crate::domain::ledger::{EntryKind, LedgerEntry, LedgerFilter};
use crate::domain::time::Timestamp;
use crate::store::list::{Conditions, Slice, View};
use crate::store::row::parsed;
use crate::store::{Main, Reader, StoreError, Tx};

const SELECT: &str = "SELECT t.id, t.created_at, t.kind, t.amount, t.balance, t.reservation, t.operation, t.user_id,
    t.key_id, t.run_id, t.dashboard_id, t.operator FROM ledger t";
/// Entries have no names; an order by name is that of their ids.
const VIEW: View = View { select: SELECT, table: "ledger", name: "''" };

fn read(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    Ok(LedgerEntry {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        kind: parsed(row, "kind", EntryKind::parse)?,
        amount: row.get("amount")?,
        balance: row.get("balance")?,
        reservation: row.get("reservation")?,
        operation: row.get("operation")?,
        user: row.get("user_id")?,
        key: row.get("key_id")?,
        run: row.get("run_id")?,
        dashboard: row.get("dashboard_id")?,
        operator: row.get("operator")?,
    })
}

/// Who moved credits, and for what. Nobody: a month that began.
#[derive(Debug, Default)]
pub(super) struct Whom {
    reservation: Option<String>,
    operation: Option<String>,
    user: Option<UserId>,
    key: Option<KeyId>,
    run: Option<RunId>,
    dashboard: Option<DashboardId>,
    operator: Option<String>,
}

impl Whom {
    /// Who takes them.
    pub(super) fn of(taking: &Taking) -> Self {
        Self {
            reservation: Some(taking.reservation.clone()),
            operation: Some(taking.operation.to_owned()),
            user: Some(taking.user),
            key: taking.key,
            run: taking.run,
            dashboard: taking.dashboard,
            operator: None,
        }
    }

    /// Whoever operates the server.
    pub(super) fn operator(name: &str) -> Self {
        Self { operator: Some(name.to_owned()), ..Self::default() }
    }
}

/// Adds an entry: its kind, how many credits, and what is left after it.
pub(super) fn enter(
    tx: &Tx<'_>,
    org: OrgId,
    (kind, amount, balance): (EntryKind, i64, i64),
    whom: &Whom,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare(
        "INSERT INTO ledger (org_id, created_at, kind, amount, balance, reservation, operation, user_id, key_id, run_id,
             dashboard_id, operator)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(rusqlite::params![
        org,
        now,
        kind.as_str(),
        amount,
        balance,
        whom.reservation,
        whom.operation,
        whom.user,
        whom.key,
        whom.run,
        whom.dashboard,
        whom.operator,
    ])?;
    Ok(())
}

/// Who made a reservation.
pub(super) fn reserved_by(tx: &Tx<'_>, reservation: &str) -> Result<Whom, StoreError> {
    let found = tx
        .prepare(&format!("{SELECT} WHERE t.reservation = ?1 AND t.kind = 'reserve'"))?
        .query_row([reservation], read)
        .optional()?;
    let Some(entry) = found else {
        return Ok(Whom { reservation: Some(reservation.to_owned()), ..Whom::default() });
    };
    Ok(Whom {
        reservation: entry.reservation,
        operation: entry.operation,
        user: entry.user,
        key: entry.key,
        run: entry.run,
        dashboard: entry.dashboard,
        operator: None,
    })
}

/// Entries.
pub fn list(
    db: &Reader<'_, Main>,
    org: OrgId,
    filter: &LedgerFilter,
    slice: &Slice,
) -> Result<Vec<LedgerEntry>, StoreError> {
    db.list_in_org(&VIEW, org.raw(), conditions(filter), slice, read)
}

/// How many entries.
pub fn count(db: &Reader<'_, Main>, org: OrgId, filter: &LedgerFilter) -> Result<u64, StoreError> {
    db.count_in_org(&VIEW, org.raw(), conditions(filter))
}

fn conditions(filter: &LedgerFilter) -> Conditions {
    let conditions = Conditions::default()
        .times(&filter.times)
        .with("t.kind = ?", filter.kind.map(|kind| kind.as_str().to_owned()))
        .refers("t.key_id = ?", "t.key_id = (SELECT k.id FROM api_keys k WHERE k.uuid = ?)", filter.key.as_ref());
    match &filter.user {
        None => conditions,
        Some(Owner::Email(email)) => {
            conditions.with("t.user_id = (SELECT u.id FROM users u WHERE u.email = ?)", Some(email.clone()))
        }
        Some(Owner::Id(id)) => {
            conditions.refers("t.user_id = ?", "t.user_id = (SELECT u.id FROM users u WHERE u.uuid = ?)", Some(id))
        }
    }
}
