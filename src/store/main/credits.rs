//! The balance of credits of the present month, and how it moves: reserved before work, settled after it, given back,
//! granted, expired. Every movement is an entry of the ledger, in the same transaction.
//!
//! A month is the calendar month in UTC. It is entered with its first movement: what was left expires, the allowance is
//! granted, and what is still held for work goes on being held, so that a new month owes an old one nothing. A clock that
//! goes back begins no month again; one that was months ahead leaves its month for the present one without a grant.

use rusqlite::OptionalExtension;

use super::ledger::{self, Whom};
use crate::domain::credits::Balance;
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardId, KeyId, OrgId, ReportId, RunId, UserId};
use crate::domain::ledger::EntryKind;
use crate::domain::time::Timestamp;
use crate::store::{Main, Reader, StoreError, Tx};

/// Who pays.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// The organisation.
    pub org: OrgId,
    /// The month's allowance by its plan.
    pub allowance: i64,
}

/// Who takes credits, for what.
#[derive(Debug, Clone)]
pub struct Taking {
    /// Names the reservation until it is settled or given back.
    pub reservation: String,
    /// Who pays.
    pub account: Account,
    /// The operation.
    pub operation: &'static str,
    /// Who asked.
    pub user: UserId,
    /// With which key.
    pub key: Option<KeyId>,
    /// The run it is for.
    pub run: Option<RunId>,
    /// The dashboard it is for.
    pub dashboard: Option<DashboardId>,
    /// The server's run: reservations of an earlier one are repaired at start.
    pub boot: String,
}

/// A row of `balances`.
struct Stored {
    month: Timestamp,
    balance: Balance,
}

fn stored(db: &Reader<'_, Main>, org: OrgId) -> Result<Option<Stored>, StoreError> {
    let found =
        db.prepare("SELECT month, granted, used, reserved FROM balances WHERE org_id = ?1")?.query_row([org], |row| {
            let balance = Balance { limit: row.get(1)?, used: row.get(2)?, reserved: row.get(3)? };
            Ok(Stored { month: row.get(0)?, balance })
        });
    Ok(found.optional()?)
}

/// The balance of the month that `now` is in, as it stands or would stand after the month's first movement.
pub fn balance(db: &Reader<'_, Main>, account: Account, now: Timestamp) -> Result<Balance, StoreError> {
    let fresh = |reserved| Balance { limit: account.allowance + reserved, used: 0, reserved };
    Ok(match stored(db, account.org)? {
        Some(found) if found.month >= now.month_start() => found.balance,
        Some(earlier) => fresh(earlier.balance.reserved),
        None => fresh(0),
    })
}

/// Reserves an estimate, or refuses with both figures.
pub fn reserve(tx: &Tx<'_>, taking: &Taking, amount: i64, now: Timestamp) -> Result<()> {
    let org = taking.account.org;
    open_month(tx, taking.account, now)?;
    let changed = tx
        .prepare("UPDATE balances SET reserved = reserved + ?2 WHERE org_id = ?1 AND granted - used - reserved >= ?2")?
        .execute(rusqlite::params![org, amount])?;
    if changed == 0 {
        let remaining = balance(tx, taking.account, now)?.remaining();
        return Err(Error::InsufficientCredits { remaining, estimated: amount });
    }
    tx.prepare("INSERT INTO reservations (reservation, org_id, amount, boot, run_id) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(rusqlite::params![taking.reservation, org, amount, taking.boot, taking.run])?;
    enter(tx, org, EntryKind::Reserve, amount, &Whom::of(taking), now)?;
    Ok(())
}

/// Ends a reservation by what was used, and gives back the rest. What is over the reserved amount is not taken.
///
/// Gives the credits that were taken; zero when the reservation is gone already.
pub fn settle(tx: &Tx<'_>, reservation: &str, measured: i64, now: Timestamp) -> Result<i64, StoreError> {
    let Some((org, reserved)) = release(tx, reservation)? else { return Ok(0) };
    let used = measured.clamp(0, reserved);
    tx.prepare("UPDATE balances SET used = used + ?2, reserved = reserved - ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![org, used])?;
    let whom = ledger::reserved_by(tx, reservation)?;
    enter(tx, org, EntryKind::Settle, used, &whom, now)?;
    give_back(tx, org, reserved - used, &whom, now)?;
    Ok(used)
}

/// Ends a reservation and gives all of it back; one that has ended already is left alone.
pub fn refund(tx: &Tx<'_>, reservation: &str, now: Timestamp) -> Result<(), StoreError> {
    let Some((org, reserved)) = release(tx, reservation)? else { return Ok(()) };
    let whom = ledger::reserved_by(tx, reservation)?;
    give_back(tx, org, reserved, &whom, now)
}

/// Gives back what is held for runs of a report that nobody has begun to make: before they go with the report.
pub fn refund_queued(tx: &Tx<'_>, org: OrgId, report: ReportId, now: Timestamp) -> Result<(), StoreError> {
    let queued = tx
        .prepare(
            "SELECT v.reservation FROM reservations v JOIN runs r ON r.id = v.run_id
             WHERE r.org_id = ?1 AND r.report_id = ?2 AND r.status = 'queued'",
        )?
        .query_map(rusqlite::params![org, report], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    queued.iter().try_for_each(|reservation| refund(tx, reservation, now))
}

/// Gives back what an earlier run of the server reserved and never settled, except for runs that go on.
pub fn repair(tx: &Tx<'_>, boot: &str, now: Timestamp) -> Result<usize, StoreError> {
    let stale = tx
        .prepare(
            "SELECT v.reservation FROM reservations v LEFT JOIN runs r ON r.id = v.run_id
             WHERE v.boot <> ?1 AND (r.id IS NULL OR r.status NOT IN ('queued', 'running'))",
        )?
        .query_map([boot], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    stale.iter().try_for_each(|reservation| refund(tx, reservation, now))?;
    Ok(stale.len())
}

/// Grants credits on top of the month's allowance.
pub fn grant(tx: &Tx<'_>, account: Account, amount: i64, operator: &str, now: Timestamp) -> Result<(), StoreError> {
    open_month(tx, account, now)?;
    raise(tx, account.org, amount)?;
    enter(tx, account.org, EntryKind::Grant, amount, &Whom::operator(operator), now)
}

/// Brings a month that has begun from the account's allowance to another. What is used or reserved already stays.
pub fn change_allowance(
    tx: &Tx<'_>,
    account: Account,
    to: i64,
    operator: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    open_month(tx, account, now)?;
    let free = balance(tx, account, now)?.remaining();
    let difference = (to - account.allowance).max(-free);
    raise(tx, account.org, difference)?;
    let kind = if difference < 0 { EntryKind::Expire } else { EntryKind::Grant };
    match difference {
        0 => Ok(()),
        _ => enter(tx, account.org, kind, difference.abs(), &Whom::operator(operator), now),
    }
}

fn raise(tx: &Tx<'_>, org: OrgId, amount: i64) -> Result<(), StoreError> {
    tx.prepare("UPDATE balances SET granted = granted + ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![org, amount])?;
    Ok(())
}

/// Takes a reservation away; its credits are held until the caller moves them.
fn release(tx: &Tx<'_>, reservation: &str) -> Result<Option<(OrgId, i64)>, StoreError> {
    let released = tx
        .prepare("DELETE FROM reservations WHERE reservation = ?1 RETURNING org_id, amount")?
        .query_row([reservation], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(released.optional()?)
}

fn give_back(tx: &Tx<'_>, org: OrgId, amount: i64, whom: &Whom, now: Timestamp) -> Result<(), StoreError> {
    if amount == 0 {
        return Ok(());
    }
    tx.prepare("UPDATE balances SET reserved = reserved - ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![org, amount])?;
    enter(tx, org, EntryKind::Refund, amount, whom, now)
}

/// Begins the calendar month, unless it has begun.
fn open_month(tx: &Tx<'_>, account: Account, now: Timestamp) -> Result<(), StoreError> {
    let (org, month) = (account.org, now.month_start());
    let held = match stored(tx, org)? {
        Some(found) if found.month > now.next_month_start() => {
            tx.prepare("UPDATE balances SET month = ?2 WHERE org_id = ?1")?.execute(rusqlite::params![org, month])?;
            return Ok(());
        }
        Some(found) if found.month >= month => return Ok(()),
        Some(Stored { balance, .. }) => {
            raise(tx, org, -balance.remaining())?;
            if balance.remaining() > 0 {
                enter(tx, org, EntryKind::Expire, balance.remaining(), &Whom::default(), now)?;
            }
            balance.reserved
        }
        None => 0,
    };
    tx.prepare(
        "INSERT INTO balances (org_id, month, granted, used, reserved) VALUES (?1, ?2, ?3 + ?4, 0, ?4)
         ON CONFLICT (org_id) DO UPDATE SET month = ?2, granted = ?3 + ?4, used = 0",
    )?
    .execute(rusqlite::params![org, month, account.allowance, held])?;
    enter(tx, org, EntryKind::Grant, account.allowance, &Whom::default(), now)
}

/// Writes down what the balance has just done.
fn enter(tx: &Tx<'_>, org: OrgId, kind: EntryKind, amount: i64, whom: &Whom, now: Timestamp) -> Result<(), StoreError> {
    let balance = stored(tx, org)?.map_or(0, |found| found.balance.remaining());
    ledger::enter(tx, org, (kind, amount, balance), whom, now)
}

#[cfg(test)]
mod tests;
