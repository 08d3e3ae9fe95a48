//! Failed logins, and from where logins succeeded. Both are the instance's: who guesses names no organisation. What
//! follows from them is the business of `service::logins`.

use rusqlite::OptionalExtension;

use crate::domain::login::Origin;
use crate::domain::time::Timestamp;
use crate::store::{Main, Reader, StoreError, Tx};

/// Which failures are counted.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// Those of the account from the address.
    Both,
    /// Those of the account from addresses that never succeeded for it.
    Account,
    /// Those of the address for any account.
    Address,
}

/// When the failure happened that has `newer` newer ones after an instant; none when there are not so many.
pub fn nth_failure(
    db: &Reader<'_, Main>,
    of: Of,
    origin: &Origin,
    after: Timestamp,
    newer: u32,
) -> Result<Option<Timestamp>, StoreError> {
    let which = match of {
        Of::Both => "account = ?1 AND network = ?2",
        Of::Account => "account = ?1 AND network NOT IN (SELECT network FROM login_networks WHERE account = ?1)",
        Of::Address => "network = ?2",
    };
    let sql =
        format!("SELECT at FROM login_failures WHERE {which} AND at > ?3 ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?4");
    let parameters = rusqlite::params![origin.account, origin.network, after, newer];
    Ok(db.prepare(&sql)?.query_row(parameters, |row| row.get(0)).optional()?)
}

/// Whether a login for the account has succeeded from the address.
pub fn is_known(db: &Reader<'_, Main>, origin: &Origin) -> Result<bool, StoreError> {
    let mut statement =
        db.prepare("SELECT EXISTS (SELECT 1 FROM login_networks WHERE account = ?1 AND network = ?2)")?;
    Ok(statement.query_row(rusqlite::params![origin.account, origin.network], |row| row.get(0))?)
}

/// Writes a failure down and gives its row.
pub fn insert_failure(tx: &Tx<'_>, origin: &Origin, at: Timestamp) -> Result<i64, StoreError> {
    tx.prepare("INSERT INTO login_failures (account, network, at) VALUES (?1, ?2, ?3)")?.execute(rusqlite::params![
        origin.account,
        origin.network,
        at
    ])?;
    Ok(tx.last_id())
}

/// Takes a failure back that was none.
pub fn remove_failure(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM login_failures WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Notes that a login for the account has succeeded from the address, and forgets what failed there before.
pub fn succeed(tx: &Tx<'_>, origin: &Origin, at: Timestamp) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM login_failures WHERE account = ?1 AND network = ?2")?
        .execute(rusqlite::params![origin.account, origin.network])?;
    tx.prepare(
        "INSERT INTO login_networks (account, network, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (account, network) DO UPDATE SET at = excluded.at",
    )?
    .execute(rusqlite::params![origin.account, origin.network, at])?;
    Ok(())
}

/// Forgets the failures of the account, and of the addresses that they came from. Gives how many of the account's.
pub fn forgive(tx: &Tx<'_>, account: &[u8; 16]) -> Result<usize, StoreError> {
    let mut statement = tx.prepare("SELECT count(*) FROM login_failures WHERE account = ?1")?;
    let failures: u32 = statement.query_row([account], |row| row.get(0))?;
    tx.prepare(
        "DELETE FROM login_failures
         WHERE network IN (SELECT network FROM login_failures WHERE account = ?1)",
    )?
    .execute([account])?;
    Ok(failures as usize)
}

/// Removes what is past its time. Gives how many rows.
pub fn purge(tx: &Tx<'_>, failures_before: Timestamp, networks_before: Timestamp) -> Result<usize, StoreError> {
    let failures = tx.prepare("DELETE FROM login_failures WHERE at <= ?1")?.execute([failures_before])?;
    let networks = tx.prepare("DELETE FROM login_networks WHERE at <= ?1")?.execute([networks_before])?;
    Ok(failures + networks)
}
