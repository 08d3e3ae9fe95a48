//! A person's own account. Names, password and e-mail change in a session only, the latter two with the present password:
//! a key that leaks does not take its owner's account with it.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::users::record;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, User as UserKind};
use crate::domain::user::{NamesPatch, User};
use crate::domain::{org, password};
use crate::store::Tx;
use crate::store::main::{links, users};

/// The longest text that is compared with a password, in bytes.
const LONGEST: usize = 1_024;

impl App {
    /// The caller's own user: everyone may know it.
    pub fn own_user(&self, caller: &Caller) -> Result<User> {
        let user = caller.identity().holder.user;
        let found = self.store.read_now(|db| Ok(users::find(db, caller.home(), &IdRef::Number(user))?))?;
        found.ok_or_else(|| Error::not_found::<UserKind>(user.prefixed()))
    }

    /// Changes the caller's own names.
    pub async fn update_profile(&self, caller: &Caller, names: NamesPatch) -> Result<User> {
        own_account(caller)?;
        if names.is_empty() {
            return Err(Error::nothing_to_change());
        }
        self.change_own(caller, "user.update", move |tx, caller, before| {
            caller.expects(Standing::User(before))?;
            let (first_name, last_name) = names.applied(before)?;
            Ok(users::update(tx, &User { first_name, last_name, ..before.clone() }, caller.at)?)
        })
        .await
    }

    /// Changes the caller's password. Other sessions end, and so does a link by which it could be set otherwise.
    pub async fn change_password(
        &self,
        caller: &Caller,
        address: IpAddr,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<User> {
        own_account(caller)?;
        password::check(&new, &caller.identity().holder.email)
            .map_err(|weakness| Error::field("new_password", weakness.to_string()))?;
        let confirmed = self.confirm_password(caller, address, current).await?;
        let hash = self.hash_password(new).await?;
        let goes_on = caller.identity().session();
        self.change_own(caller, "user.change_password", move |tx, caller, before| {
            still(tx, before, &confirmed)?;
            links::forget(tx, before.id)?;
            Ok(users::set_password(tx, before.org, before.id, &hash, goes_on, caller.at)?)
        })
        .await
    }

    /// Changes the caller's e-mail, which is also the login.
    pub async fn change_email(
        &self,
        caller: &Caller,
        address: IpAddr,
        current: Zeroizing<String>,
        email: &str,
    ) -> Result<User> {
        own_account(caller)?;
        let email = org::email(email)?;
        let confirmed = self.confirm_password(caller, address, current).await?;
        self.change_own(caller, "user.change_email", move |tx, caller, before| {
            still(tx, before, &confirmed)?;
            links::forget(tx, before.id)?;
            users::set_email(tx, before.org, before.id, &email, caller.at)
        })
        .await
    }

    /// The hash of the caller's password, if this is the password. A wrong one counts like a failed login: who has taken
    /// a session over guesses no faster than who has not.
    async fn confirm_password(&self, caller: &Caller, address: IpAddr, current: Zeroizing<String>) -> Result<String> {
        let holder = &caller.identity().holder;
        let attempt = self.begin_login(&holder.email, address, caller.at).await?;
        let hash = self.store.read_now(|db| Ok(users::password(db, caller.home(), holder.user)?))?;
        let matches = match current.len() <= LONGEST {
            true => self.password_matches(current, hash.clone()).await,
            false => Ok(false),
        };
        match matches {
            Ok(false) => {
                self.login_failed(attempt, Some(holder.clone()), caller.at).await?;
                Err(Error::field("current_password", "is not the password of this account."))
            }
            Ok(true) => {
                self.take_login_back(attempt).await?;
                hash.ok_or(Error::InvalidToken)
            }
            Err(error) => {
                self.take_login_back(attempt).await?;
                Err(error)
            }
        }
    }

    async fn change_own(
        &self,
        caller: &Caller,
        action: &'static str,
        change: impl FnOnce(&Tx<'_>, &Caller, &User) -> Result<()> + Send + 'static,
    ) -> Result<User> {
        let caller = caller.clone();
        self.store
            .write(move |tx| {
                let id = IdRef::Number(caller.identity().holder.user);
                let before = users::find(tx, caller.home(), &id)?.ok_or(Error::InvalidToken)?;
                change(tx, &caller, &before)?;
                record(tx, &caller, action, &before)?;
                users::find(tx, caller.home(), &id)?.ok_or(Error::InvalidToken)
            })
            .await
    }
}

fn own_account(caller: &Caller) -> Result<()> {
    caller.require_session()?;
    caller.require_home()
}

/// Refuses when the password that was confirmed has been changed in the meantime.
fn still(tx: &Tx<'_>, user: &User, confirmed: &str) -> Result<()> {
    match users::password(tx, user.org, user.id)? {
        Some(hash) if hash == confirmed => Ok(()),
        _ => Err(Error::Conflict("The password was changed at the same time; try again.".to_owned())),
    }
}
