//! One-time links, by which a person chooses a password without having one: who was invited, and whose password is to be
//! reset. A link is shown once, to the one who asks for it; what is kept is the digest of its token.
//!
//! An invited person has the hash of a password that nobody knows, so that logging in takes the same work for everyone.

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::app::App;
use super::caller::{Caller, Identity, Who};
use super::once::Answer;
use super::users::{described, record};
use crate::domain::access::{Permission, Role};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, RequestId, User as UserKind, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Purpose, Status, User, part_of_name};
use crate::domain::window::Limits;
use crate::domain::{org, password};
use crate::store::Tx;
use crate::store::main::users::NewUser;
use crate::store::main::{access, links, users};

/// A person to be invited.
#[derive(Debug)]
pub struct Invitation {
    /// The e-mail.
    pub email: String,
    /// The role.
    pub role: Role,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// A one-time link, told this once.
#[derive(Debug)]
pub struct Link {
    /// What stands in the fragment of the link's address, which no server is sent.
    pub token: Zeroizing<String>,
    /// From this instant on it is worth nothing.
    pub expires_at: Timestamp,
}

/// The page that links lead to.
pub const PAGE: &str = "/password";

impl Link {
    /// Its address on a server.
    pub fn url(&self, origin: &str) -> String {
        format!("{}{PAGE}#{}", origin.trim_end_matches('/'), self.token.as_str())
    }
}

impl App {
    /// Adds a user who comes in once they have chosen a password by the link. `kept` is the answer without the link, which
    /// is what a request that comes again is given.
    pub async fn invite<A: Answer>(
        &self,
        caller: &Caller,
        invitation: Invitation,
        kept: impl FnOnce(User) -> A + Send + 'static,
    ) -> Result<(User, Link)> {
        caller.require(Permission::UsersManage)?;
        caller.require_all(invitation.role.permissions())?;
        caller.require_home()?;
        let new = NewUser {
            email: org::email(&invitation.email)?,
            first_name: part_of_name("first_name", &invitation.first_name)?,
            last_name: part_of_name("last_name", &invitation.last_name)?,
            role: invitation.role,
            status: Status::Invited,
            password: self.hash_password(Zeroizing::new(hex::encode(self.entropy.bytes::<32>()))).await?,
            uuid: self.entropy.uuid(caller.at),
        };
        let (link, stored) = self.link(caller, Purpose::Invitation);
        let caller = caller.clone();
        let user = self
            .store
            .write(move |tx| {
                let id = users::create(tx, caller.home(), &new, caller.at)?;
                stored.put(tx, id)?;
                let user = users::find(tx, caller.home(), &IdRef::Number(id))?;
                let user = user.ok_or_else(|| Error::not_found::<UserKind>(id.prefixed()))?;
                caller.record(tx, "user.invite", &id.prefixed(), None, Some(described(&user)))?;
                caller.answer(tx, kept(user.clone()))?;
                Ok(user)
            })
            .await?;
        Ok((user, link))
    }

    /// Another link for a user who has not accepted yet; the one before is worth nothing from now on.
    pub async fn invite_again(&self, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<(User, Link)> {
        let (link, stored) = self.link(caller, Purpose::Invitation);
        let user = self.manage(caller, id, spelled, move |tx, caller, user| {
            if user.status != Status::Invited {
                return Err(Error::Conflict("The user has accepted the invitation already.".to_owned()));
            }
            stored.put(tx, user.id)?;
            record(tx, caller, "user.invite", user)
        });
        Ok((user.await?, link))
    }

    /// A link by which a user chooses another password. Until it is used, the present one stays.
    pub async fn offer_reset(&self, caller: &Caller, id: &IdRef<UserKind>, spelled: &str) -> Result<Link> {
        let (link, stored) = self.link(caller, Purpose::Reset);
        let offered = self.manage(caller, id, spelled, move |tx, caller, user| {
            if user.status == Status::Invited {
                return Err(Error::Conflict(
                    "The user has not accepted the invitation yet; invite them again instead.".to_owned(),
                ));
            }
            stored.put(tx, user.id)?;
            record(tx, caller, "user.reset_password", user)
        });
        offered.await?;
        Ok(link)
    }

    /// Sets the password of whoever shows the token of a link, which is used up by that. All sessions end.
    ///
    /// Gives the user, and who came in: the call's row names them.
    pub async fn choose_password(
        &self,
        purpose: Purpose,
        token: &str,
        password: Zeroizing<String>,
        request: RequestId,
    ) -> Result<(User, Caller)> {
        let (now, digest) = (self.clock.now(), digest_of(token));
        let user = self.store.read_now(|db| Ok(links::find(db, purpose, &digest, now)?))?;
        let caller = self.shown_by(user.ok_or_else(used_up)?, now, request)?;
        password::check(&password, &caller.identity().holder.email)
            .map_err(|weakness| Error::field("password", weakness.to_string()))?;
        let hash = self.hash_password(password).await?;
        let writer = caller.clone();
        let user = self
            .store
            .write(move |tx| {
                // It may have been used, replaced or taken away while the password was hashed.
                let id = links::find(tx, purpose, &digest, now)?.ok_or_else(used_up)?;
                let before = users::find(tx, writer.home(), &IdRef::Number(id))?.ok_or_else(used_up)?;
                links::forget(tx, id)?;
                users::set_password(tx, before.org, id, &hash, None, now)?;
                if before.status == Status::Invited {
                    users::set_status(tx, before.org, id, Status::Active, now)?;
                }
                record(tx, &writer, "user.choose_password", &before)?;
                users::find(tx, before.org, &IdRef::Number(id))?.ok_or_else(used_up)
            })
            .await?;
        Ok((user, caller))
    }

    /// The user behind a link, who may do nothing but what the link is for.
    fn shown_by(&self, user: UserId, now: Timestamp, request: RequestId) -> Result<Caller> {
        let holder = self.store.read_now(|db| Ok(access::user(db, user)?))?.ok_or_else(used_up)?;
        let identity = Identity {
            who: Who::Link,
            permissions: crate::domain::access::Permissions::NONE,
            plan: self.plan(&holder.plan)?,
            holder,
            limits: Limits::default(),
        };
        Ok(Caller::of_request(identity.into(), now, request))
    }

    fn link(&self, caller: &Caller, purpose: Purpose) -> (Link, StoredLink) {
        let secret = Zeroizing::new(hex::encode(self.entropy.bytes::<32>()));
        let token = Zeroizing::new(format!("{}{}", purpose.token_prefix(), secret.as_str()));
        let expires_at = caller.at.plus(self.settings.link_ttl.of(purpose));
        let stored = StoredLink { purpose, digest: digest_of(&token), made_at: caller.at, expires_at };
        (Link { token, expires_at }, stored)
    }
}

/// A link as the store keeps it.
struct StoredLink {
    purpose: Purpose,
    digest: [u8; 32],
    made_at: Timestamp,
    expires_at: Timestamp,
}

impl StoredLink {
    fn put(&self, tx: &Tx<'_>, user: UserId) -> Result<()> {
        Ok(links::put(tx, user, self.purpose, &self.digest, self.made_at, self.expires_at)?)
    }
}

/// A token has 256 bits of chance, so a plain hash keeps it.
fn digest_of(token: &str) -> [u8; 32] {
    let mut output = [0; 32];
    output.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    output
}

fn used_up() -> Error {
    Error::field("token", "is not of a link that works: it was used, replaced, or its time is over; ask for a new one.")
}
