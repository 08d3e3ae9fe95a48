//! Throttling logins. An attempt is written down as failed before its password is looked at, and taken back when it
//! was right: any number of attempts at once are counted like one after the other, and a restart forgets none.

use std::net::IpAddr;

use serde_json::json;

use super::app::App;
use super::caller::Caller;
use crate::domain::access::Permission;
use crate::domain::error::{Error, Result};
use crate::domain::id::{User as UserKind, UserId};
use crate::domain::login::{KNOWN_FAILURES, KNOWN_FOR, KNOWN_WINDOW, LoginLimits, Origin};
use crate::domain::time::Timestamp;
use crate::store::main::access::{self, Holder};
use crate::store::main::changes::{self, NewChange};
use crate::store::main::logins::{self, Of};
use crate::store::{Main, Reader, Tx};

/// An attempt to log in that was let through.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Whom it is for and where it comes from.
    pub origin: Origin,
    address: IpAddr,
    row: i64,
    /// Whether the next one like it will have to wait.
    is_last: bool,
}

impl App {
    /// Lets an attempt through, counted as failed.
    ///
    /// # Errors
    /// `TooManyLogins`, alike for accounts that exist and for others.
    pub(super) async fn begin_login(&self, email: &str, address: IpAddr, now: Timestamp) -> Result<Attempt> {
        let (origin, limits) = (self.login_origin(email, address), self.settings.logins);
        // A flood is refused by reading: it must not keep the writer from its work.
        self.store.read_now(|db| admit(db, &origin, &limits, now))?;
        let attempt = move |tx: &Tx<'_>| {
            admit(tx, &origin, &limits, now)?;
            let row = logins::insert_failure(tx, &origin, now)?;
            let is_last = matches!(admit(tx, &origin, &limits, now), Err(Error::TooManyLogins { .. }));
            Ok(Attempt { origin, address, row, is_last })
        };
        self.store.write(attempt).await
    }

    /// Takes an attempt back whose password was never looked at.
    pub(super) async fn take_login_back(&self, attempt: Attempt) -> Result<()> {
        self.store.write(move |tx| Ok(logins::remove_failure(tx, attempt.row)?)).await
    }

    /// Leaves an attempt as failed. The one after which others have to wait is told in the audit.
    pub(super) async fn login_failed(&self, attempt: Attempt, target: Option<Holder>, now: Timestamp) -> Result<()> {
        if !attempt.is_last {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                let object = target.as_ref().map_or("nobody".to_owned(), |holder| holder.user.prefixed());
                let change = NewChange {
                    at: now,
                    org: target.map(|holder| holder.org),
                    origin: changes::Origin::Api,
                    actor: &format!("address {}", attempt.address.to_canonical()),
                    // The call has a row of its own, which tells of no organisation.
                    request: None,
                    action: "login.throttle",
                    object: &object,
                    before: None,
                    after: None,
                };
                changes::insert(tx, &change)?;
                Ok(())
            })
            .await
    }

    /// Forgets the failed logins of a user, and of the addresses that they came from.
    pub async fn unlock(&self, caller: &Caller, user: UserId) -> Result<usize> {
        caller.require(Permission::UsersManage)?;
        let holder = self.store.read_now(|db| Ok(access::user(db, user)?))?;
        let holder = holder.filter(|holder| holder.org == caller.org());
        let holder = holder.ok_or_else(|| Error::not_found::<UserKind>(user.prefixed()))?;
        let account = self.login_origin(&holder.email, IpAddr::from([0; 4])).account;
        let caller = caller.clone();
        self.store
            .write(move |tx| {
                let failures = logins::forgive(tx, &account)?;
                let after = Some(json!({"failures": failures}));
                caller.record(tx, "user.unlock", &holder.user.prefixed(), None, after)?;
                Ok(failures)
            })
            .await
    }

    /// Removes failures that no longer count, and addresses that succeeded long ago. Gives how many rows.
    pub async fn forget_logins(&self) -> Result<usize> {
        let now = self.clock.now();
        let failures = now.minus(self.settings.logins.window.max(KNOWN_WINDOW));
        let networks = now.minus(KNOWN_FOR);
        self.store.write(move |tx| Ok(logins::purge(tx, failures, networks)?)).await
    }

    fn login_origin(&self, email: &str, address: IpAddr) -> Origin {
        Origin::new(self.keyring.sessions.current().1.derive("login accounts").expose(), email, address)
    }
}

/// Lets an attempt through when no limit is reached.
fn admit(db: &Reader<'_, Main>, origin: &Origin, limits: &LoginLimits, now: Timestamp) -> Result<()> {
    let rules: &[(Of, u32, std::time::Duration)] = if logins::is_known(db, origin)? {
        &[(Of::Both, KNOWN_FAILURES, KNOWN_WINDOW)]
    } else {
        &[
            (Of::Both, limits.failures, limits.window),
            (Of::Account, limits.failures_per_account, limits.window),
            (Of::Address, limits.failures_per_address, limits.window),
        ]
    };
    let mut wait = None;
    for (of, limit, window) in rules {
        let decisive = logins::nth_failure(db, *of, origin, now.minus(*window), limit - 1)?;
        // It fits again when the failure that fills the window has left it.
        wait = wait.max(decisive.map(|at| at.plus(*window).since(now)));
    }
    match wait {
        None => Ok(()),
        Some(wait) => Err(Error::TooManyLogins { retry_after: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }),
    }
}
