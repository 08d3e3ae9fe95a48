//! The ledger of credits as rows: it only grows, and the schema holds it to that. What an entry does to the balance is
//! the business of [`super::credits`].

use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension, Row};

use super::credits::Taking;
use crate::domain::error::Result;
use crate::domain::id::{DashboardId, KeyId, OrgId, RunId, UserId};
use crate::domain::key::Owner;
use crate::domain::ledger::{EntryKind, LedgerEntry, LedgerFilter};
use crate::domain::time::Timestamp;
use crate::domain::usage::{Callers, Window};
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

/// Whose spending, on what.
#[derive(Debug, Clone)]
pub struct Spending {
    user: Option<i64>,
    /// As a JSON array.
    keys: Option<String>,
    operation: Option<&'static str>,
}

impl Spending {
    /// That of these callers, for one operation or all.
    pub fn of(callers: &Callers, operation: Option<&'static str>) -> Self {
        let (user, keys) = match callers {
            Callers::Everyone | Callers::Each(_) => (None, None),
            Callers::User(user, _) => (Some(user.raw()), None),
            Callers::Keys(keys) => {
                let ids: Vec<String> = keys.iter().map(|key| key.raw().to_string()).collect();
                (None, Some(format!("[{}]", ids.join(","))))
            }
        };
        Self { user, keys, operation }
    }
}

/// What spending is told apart by.
#[derive(Debug, Clone, Copy)]
pub enum By {
    /// Buckets of so many seconds, by the second that they begin with.
    Bucket(i64),
    /// The key.
    Key,
    /// The user.
    User,
    /// The operation.
    Operation,
}

/// What a part is read as: a number, or the name of an operation.
pub trait Group: FromSql {}
impl Group for i64 {}
impl Group for String {}

/// What was taken within a window, told apart. What has no such part is left out.
pub fn spent<K: Group>(
    db: &Reader<'_, Main>,
    org: OrgId,
    spending: &Spending,
    window: &Window,
    by: By,
) -> Result<Vec<(K, i64)>, StoreError> {
    let (group, length) = match by {
        By::Bucket(seconds) => ("t.created_at / 1000 / ?7 * ?7", seconds),
        By::Key => ("t.key_id", 0),
        By::User => ("t.user_id", 0),
        By::Operation => ("t.operation", 0),
    };
    let mut statement = db.prepare(&format!(
        "SELECT {group} AS part, sum(t.amount) FROM ledger t
         WHERE t.org_id = ?1 AND t.kind = 'settle' AND t.created_at >= ?2 AND t.created_at < ?3
             AND (?4 IS NULL OR t.user_id = ?4) AND (?5 IS NULL OR t.key_id IN (SELECT value FROM json_each(?5)))
             AND (?6 IS NULL OR t.operation = ?6) AND (?7 = 0 OR ?7 > 0)
         GROUP BY part HAVING part IS NOT NULL"
    ))?;
    let (from, to) = (Timestamp::from_seconds(window.from), Timestamp::from_seconds(window.to));
    let Spending { user, keys, operation } = spending;
    let rows = statement.query_map(rusqlite::params![org, from, to, user, keys, operation, length], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
