//! The ledger of credits, and the balance that is its sum in the present month (PRODUCT 3; M18).

use rusqlite::OptionalExtension;

use crate::domain::credits::Balance;
use crate::domain::error::{Error, Result};
use crate::domain::id::{KeyId, OrgId, RunId, UserId};
use crate::domain::time::Timestamp;
use crate::store::{Main, Reader, StoreError, Tx};

/// Who takes credits, for what.
#[derive(Debug, Clone)]
pub struct Taking {
    /// Names the reservation until it is settled or given back.
    pub reservation: String,
    /// The organisation that pays.
    pub org: OrgId,
    /// The month's allowance by its plan.
    pub allowance: i64,
    /// The operation.
    pub operation: &'static str,
    /// Who asked.
    pub user: UserId,
    /// With which key.
    pub key: Option<KeyId>,
    /// The run it is for.
    pub run: Option<RunId>,
    /// The server's run: reservations of an earlier one are repaired at start.
    pub boot: String,
}

/// The balance of the month that `now` is in, as it stands or would stand after the month's first movement.
pub fn balance(db: &Reader<'_, Main>, org: OrgId, allowance: i64, now: Timestamp) -> Result<Balance, StoreError> {
    let month = now.month_start().millis();
    let row: Option<(i64, Balance)> = db
        .prepare("SELECT month, granted, used, reserved FROM balances WHERE org_id = ?1")?
        .query_row([org], |row| {
            let balance = Balance { limit: row.get(1)?, used: row.get(2)?, reserved: row.get(3)? };
            Ok((row.get(0)?, balance))
        })
        .optional()?;
    Ok(match row {
        Some((found, balance)) if found == month => balance,
        Some((_, earlier)) => Balance { limit: allowance, used: 0, reserved: earlier.reserved },
        None => Balance { limit: allowance, used: 0, reserved: 0 },
    })
}

/// Reserves an estimate, or refuses with both figures.
pub fn reserve(tx: &Tx<'_>, taking: &Taking, amount: i64, now: Timestamp) -> Result<()> {
    open_month(tx, taking.org, taking.allowance, now)?;
    let changed = tx
        .prepare("UPDATE balances SET reserved = reserved + ?2 WHERE org_id = ?1 AND granted - used - reserved >= ?2")?
        .execute(rusqlite::params![taking.org, amount])?;
    if changed == 0 {
        let remaining = balance(tx, taking.org, taking.allowance, now)?.remaining();
        return Err(Error::InsufficientCredits { remaining, estimated: amount });
    }
    tx.prepare("INSERT INTO reservations (reservation, org_id, amount, boot, run_id) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(rusqlite::params![taking.reservation, taking.org, amount, taking.boot, taking.run])?;
    enter(tx, taking.org, "reserve", amount, Some(taking), now)?;
    Ok(())
}

/// Ends a reservation by what was used, and gives back the rest. What is over the reserved amount is not taken.
///
/// Gives the credits that were taken; zero when the reservation is gone already.
pub fn settle(tx: &Tx<'_>, taking: &Taking, measured: i64, now: Timestamp) -> Result<i64, StoreError> {
    open_month(tx, taking.org, taking.allowance, now)?;
    let Some(reserved) = release(tx, &taking.reservation)? else { return Ok(0) };
    let used = measured.clamp(0, reserved);
    tx.prepare("UPDATE balances SET used = used + ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![taking.org, used])?;
    enter(tx, taking.org, "settle", used, Some(taking), now)?;
    if used < reserved {
        enter(tx, taking.org, "refund", reserved - used, Some(taking), now)?;
    }
    Ok(used)
}

/// Ends a reservation and gives all of it back.
pub fn refund(tx: &Tx<'_>, taking: &Taking, now: Timestamp) -> Result<(), StoreError> {
    if let Some(reserved) = release(tx, &taking.reservation)? {
        enter(tx, taking.org, "refund", reserved, Some(taking), now)?;
    }
    Ok(())
}

/// Gives back what an earlier run of the server reserved and never settled, except for runs that go on.
pub fn repair(tx: &Tx<'_>, boot: &str, now: Timestamp) -> Result<usize, StoreError> {
    let stale: Vec<(String, OrgId, i64)> = tx
        .prepare(
            "SELECT v.reservation, v.org_id, v.amount FROM reservations v LEFT JOIN runs r ON r.id = v.run_id
             WHERE v.boot <> ?1 AND (r.id IS NULL OR r.status NOT IN ('queued', 'running'))",
        )?
        .query_map([boot], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (reservation, org, amount) in &stale {
        release(tx, reservation)?;
        tx.prepare("INSERT INTO ledger (at, org_id, kind, amount, reservation) VALUES (?1, ?2, 'refund', ?3, ?4)")?
            .execute(rusqlite::params![now, org, amount, reservation])?;
    }
    Ok(stale.len())
}

/// Grants credits on top of the month's allowance.
pub fn grant(tx: &Tx<'_>, org: OrgId, allowance: i64, amount: i64, now: Timestamp) -> Result<(), StoreError> {
    open_month(tx, org, allowance, now)?;
    tx.prepare("UPDATE balances SET granted = granted + ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![org, amount])?;
    enter(tx, org, "grant", amount, None, now)
}

/// Brings a month that has begun from one plan's allowance to another's. What is used or reserved already stays.
pub fn change_allowance(tx: &Tx<'_>, org: OrgId, from: i64, to: i64, now: Timestamp) -> Result<(), StoreError> {
    open_month(tx, org, from, now)?;
    let free = balance(tx, org, from, now)?.remaining();
    let difference = (to - from).max(-free);
    tx.prepare("UPDATE balances SET granted = granted + ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![org, difference])?;
    match difference {
        0 => Ok(()),
        1.. => enter(tx, org, "grant", difference, None, now),
        _ => enter(tx, org, "expire", -difference, None, now),
    }
}

fn release(tx: &Tx<'_>, reservation: &str) -> Result<Option<i64>, StoreError> {
    let released: Option<(OrgId, i64)> = tx
        .prepare("DELETE FROM reservations WHERE reservation = ?1 RETURNING org_id, amount")?
        .query_row([reservation], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((org, amount)) = released else { return Ok(None) };
    tx.prepare("UPDATE balances SET reserved = reserved - ?2 WHERE org_id = ?1")?
        .execute(rusqlite::params![org, amount])?;
    Ok(Some(amount))
}

/// Begins a calendar month: what was left expires, the allowance is granted. What is reserved goes on.
fn open_month(tx: &Tx<'_>, org: OrgId, allowance: i64, now: Timestamp) -> Result<(), StoreError> {
    let month = now.month_start().millis();
    let found: Option<(i64, i64)> = tx
        .prepare("SELECT month, granted - used FROM balances WHERE org_id = ?1")?
        .query_row([org], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        // A clock that went back does not begin a month again.
        Some((open, _)) if open >= month => return Ok(()),
        Some((_, left)) => {
            enter(tx, org, "expire", left, None, now)?;
            tx.prepare("UPDATE balances SET month = ?2, granted = ?3, used = 0 WHERE org_id = ?1")?
                .execute(rusqlite::params![org, month, allowance])?;
        }
        None => {
            tx.prepare("INSERT INTO balances (org_id, month, granted, used, reserved) VALUES (?1, ?2, ?3, 0, 0)")?
                .execute(rusqlite::params![org, month, allowance])?;
        }
    }
    enter(tx, org, "grant", allowance, None, now)
}

fn enter(
    tx: &Tx<'_>,
    org: OrgId,
    kind: &str,
    amount: i64,
    taking: Option<&Taking>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare(
        "INSERT INTO ledger (at, org_id, kind, amount, reservation, operation, user_id, key_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(rusqlite::params![
        now,
        org,
        kind,
        amount,
        taking.map(|taking| taking.reservation.as_str()),
        taking.map(|taking| taking.operation),
        taking.map(|taking| taking.user),
        taking.and_then(|taking| taking.key),
    ])?;
    Ok(())
}
