//! The people of an organisation, as those see and manage them who may.
//!
//! Two rules hold whatever is done to a person: it takes every permission that the person has or gets, so nobody reaches
//! above themselves and owners are made, changed and removed by owners alone; and an organisation keeps an owner who may
//! come in. Both are asked in the transaction that changes the person.

use serde_json::{Value, json};

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use crate::domain::access::{Permission, Role};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, User as UserKind};
use crate::domain::page::{ListRequest, Page};
use crate::domain::user::{Status, User, UserFilter, UserPatch};
use crate::store::main::{sessions, users};
use crate::store::{Main, Reader, Tx};

impl App {
    /// The users of the caller's organisation.
    pub fn users(&self, caller: &Caller, request: &ListRequest<UserFilter>) -> Result<Page<User>> {
        caller.require(Permission::UsersRead)?;
        let org = caller.home();
        self.page(
            caller,
            "users",
            request,
            |db, filter, slice| Ok(users::list(db, org, filter, slice)?),
            |db, filter| Ok(users::count(db, org, filter)?),
        )
    }

    /// One user of the caller's organisation.
    pub fn user(&self, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<User> {
        caller.require(Permission::UsersRead)?;
        self.store.read_now(|db| found(db, caller, id, spelled))
    }

    /// Changes a user's role and names. A changed role holds from the next request on, for sessions and keys.
    pub async fn update_user(
        &self,
        caller: &Caller,
        id: &IdRef<UserKind>,
        spelled: &str,
        patch: UserPatch,
    ) -> Result<User> {
        if patch.role.is_none() && patch.names.is_empty() {
            return Err(Error::nothing_to_change());
        }
        self.manage(caller, id, spelled, move |tx, caller, before| {
            let role = patch.role.unwrap_or(before.role);
            caller.require_all(role.permissions())?;
            caller.expects(Standing::User(before))?;
            if role != Role::Owner {
                keep_an_owner(tx, before)?;
            }
            let (first_name, last_name) = patch.names.applied(before)?;
            users::update(tx, &User { role, first_name, last_name, ..before.clone() }, caller.at)?;
            record(tx, caller, "user.update", before)
        })
        .await
    }

    /// Keeps a user and their keys out, from the next request on. Sessions end for good; keys rest. The second time it is
    /// the same answer.
    pub async fn deactivate_user(&self, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<User> {
        self.keep_out(caller, id, spelled, |tx, caller, before| match before.status {
            Status::Deactivated => Ok(()),
            Status::Invited => Err(Error::Conflict(
                "The user has not accepted the invitation yet; delete the user to take it back.".to_owned(),
            )),
            Status::Active => {
                keep_an_owner(tx, before)?;
                users::set_status(tx, before.org, before.id, Status::Deactivated, caller.at)?;
                sessions::end_all(tx, before.id, None, caller.at)?;
                record(tx, caller, "user.deactivate", before)
            }
        })
        .await
    }

    /// Lets a deactivated user and their keys in again. The second time it is the same answer.
    pub async fn reactivate_user(&self, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<User> {
        self.manage(caller, id, spelled, |tx, caller, before| match before.status {
            Status::Active => Ok(()),
            Status::Invited => Err(Error::Conflict(
                "The user has not accepted the invitation yet; invite them again instead.".to_owned(),
            )),
            Status::Deactivated => {
                users::set_status(tx, before.org, before.id, Status::Active, caller.at)?;
                record(tx, caller, "user.reactivate", before)
            }
        })
        .await
    }

    /// Takes a user out of the organisation: sessions end, keys are revoked, name and address are forgotten. What they
    /// made stays. Gives the user as they were.
    pub async fn remove_user(&self, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<User> {
        self.keep_out(caller, id, spelled, |tx, caller, before| {
            caller.expects(Standing::User(before))?;
            keep_an_owner(tx, before)?;
            users::remove(tx, before.org, before.id, caller.at)?;
            caller.record(tx, "user.delete", &before.id.prefixed(), Some(described(before)), None)
        })
        .await
    }

    /// Changes a person whom the caller may manage, and gives them as they are then, or as they were when they are gone.
    pub(super) async fn manage(
        &self,
        caller: &Caller,
        id: &IdRef<UserKind>,
        spelled: &str,
        change: impl FnOnce(&Tx<'_>, &Caller, &User) -> Result<()> + Send + 'static,
    ) -> Result<User> {
        caller.require(Permission::UsersManage)?;
        self.change_person(caller, id, spelled, change).await
    }

    /// The same for what takes access away, which goes on when a trial is over.
    async fn keep_out(
        &self,
        caller: &Caller,
        id: &IdRef<UserKind>,
        spelled: &str,
        change: impl FnOnce(&Tx<'_>, &Caller, &User) -> Result<()> + Send + 'static,
    ) -> Result<User> {
        caller.require_also_after_trial(Permission::UsersManage)?;
        self.change_person(caller, id, spelled, change).await
    }

    async fn change_person(
        &self,
        caller: &Caller,
        id: &IdRef<UserKind>,
        spelled: &str,
        change: impl FnOnce(&Tx<'_>, &Caller, &User) -> Result<()> + Send + 'static,
    ) -> Result<User> {
        let (caller, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        self.store
            .write(move |tx| {
                let before = found(tx, &caller, &id, &spelled)?;
                caller.require_all(before.role.permissions())?;
                caller.require_home()?;
                change(tx, &caller, &before)?;
                Ok(users::find(tx, before.org, &IdRef::Number(before.id))?.unwrap_or(before))
            })
            .await
    }
}

fn found(db: &Reader<'_, Main>, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<User> {
    users::find(db, caller.home(), id)?.ok_or_else(|| Error::not_found::<UserKind>(spelled))
}

/// Refuses to lose the last owner who may come in.
fn keep_an_owner(tx: &Tx<'_>, user: &User) -> Result<()> {
    if user.role != Role::Owner || users::has_other_owner(tx, user.org, user.id)? {
        return Ok(());
    }
    Err(Error::Conflict("This is the organization's last owner; make somebody else an owner first.".to_owned()))
}

/// Writes what became of a person.
pub(super) fn record(tx: &Tx<'_>, caller: &Caller, action: &str, before: &User) -> Result<()> {
    let after = users::find(tx, before.org, &IdRef::Number(before.id))?;
    let after = after.as_ref().map(described);
    caller.record(tx, action, &before.id.prefixed(), Some(described(before)), after)
}

/// A person in the record of changes.
pub(super) fn described(user: &User) -> Value {
    json!({
        "email": user.email, "role": user.role.as_str(), "status": user.status.as_str(),
        "first_name": user.first_name, "last_name": user.last_name,
    })
}
