//! Users on the wire, and what is chosen by a one-time link.

use poem_openapi::types::{MaybeUndefined, ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::session::Role;
use super::{Spelling, Stamp};
use crate::domain::user as domain;
use crate::http::conditional::Tagged;
use crate::http::exchange::Exchange;
use crate::service::links::{Invitation, Link};

/// A user.
#[derive(Serialize, Object)]
pub struct User<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    /// First and last name; the e-mail of a user who has neither.
    name: String,
    email: String,
    /// May be empty.
    first_name: String,
    /// May be empty.
    last_name: String,
    role: Role,
    status: UserStatus,
    created_at: Stamp,
    updated_at: Stamp,
    /// The link by which an invited user chooses a password; in the answer that makes it and nowhere else.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[oai(skip_serializing_if = "MaybeUndefined::is_undefined")]
    invitation: MaybeUndefined<OneTimeLink>,
}

impl<I: Spelling> User<I> {
    /// A user who was just invited, with the link.
    pub fn invited((user, link): (domain::User, Link), exchange: &Exchange) -> Self {
        Self { invitation: MaybeUndefined::Value(OneTimeLink::of(&link, exchange)), ..user.into() }
    }

    /// The same as it is kept for a request that comes again.
    pub fn withheld(user: domain::User) -> Self {
        Self { invitation: MaybeUndefined::Null, ..user.into() }
    }
}

impl<I: Spelling> From<domain::User> for User<I> {
    fn from(user: domain::User) -> Self {
        Self {
            id: I::of(user.id, user.uuid),
            name: user.name,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: user.role.into(),
            status: user.status.into(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
            invitation: MaybeUndefined::Undefined,
        }
    }
}

impl<I: Spelling> Tagged for User<I> {}

/// How a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum UserStatus {
    /// Has not chosen a password yet, and cannot come in.
    Invited,
    /// May come in.
    Active,
    /// May not come in, and neither may their keys.
    Deactivated,
}

impl From<domain::Status> for UserStatus {
    fn from(status: domain::Status) -> Self {
        match status {
            domain::Status::Invited => Self::Invited,
            domain::Status::Active => Self::Active,
            domain::Status::Deactivated => Self::Deactivated,
        }
    }
}

/// A link that works once: give it to the person whom it is for.
#[derive(Serialize, Object)]
pub struct OneTimeLink {
    /// Leads to a page where the password is chosen. What stands behind `#` is the `token` of the operation that the
    /// page calls.
    url: String,
    /// From this instant on it is worth nothing.
    expires_at: Stamp,
}

impl OneTimeLink {
    /// A link on the server that is asked.
    pub fn of(link: &Link, exchange: &Exchange) -> Self {
        let origin = exchange.origin.get().map_or("", String::as_str);
        Self { url: link.url(origin), expires_at: link.expires_at.into() }
    }
}

/// A user to be invited.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Also the login. No two users of a server share one.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    role: Role,
    /// 100 characters at most.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    first_name: Option<String>,
    /// 100 characters at most.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    last_name: Option<String>,
}

impl From<NewUser> for Invitation {
    fn from(new: NewUser) -> Self {
        Self {
            email: new.email,
            role: new.role.into(),
            first_name: new.first_name.unwrap_or_default(),
            last_name: new.last_name.unwrap_or_default(),
        }
    }
}

/// A change of a user: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// Holds from the next request on, for sessions and keys.
    #[serde(default)]
    role: Option<Role>,
    /// 100 characters at most; may be empty.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    first_name: Option<String>,
    /// 100 characters at most; may be empty.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    last_name: Option<String>,
}

impl From<UserPatch> for domain::UserPatch {
    fn from(patch: UserPatch) -> Self {
        let names = domain::NamesPatch { first_name: patch.first_name, last_name: patch.last_name };
        Self { role: patch.role.map(Into::into), names }
    }
}

/// A change of one's own names: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    /// 100 characters at most; may be empty.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    first_name: Option<String>,
    /// 100 characters at most; may be empty.
    #[serde(default)]
    #[oai(validator(max_length = 100))]
    last_name: Option<String>,
}

impl From<ProfilePatch> for domain::NamesPatch {
    fn from(patch: ProfilePatch) -> Self {
        Self { first_name: patch.first_name, last_name: patch.last_name }
    }
}

/// A change of one's own password.
// Deliberately without `Debug`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[oai(validator(max_length = 1024))]
    current_password: String,
    /// 12 characters at least, 128 bytes at most, and none of the first that are tried.
    #[oai(validator(min_length = 12, max_length = 128))]
    new_password: String,
}

impl PasswordChange {
    /// The present and the new one.
    pub fn read(self) -> (Zeroizing<String>, Zeroizing<String>) {
        (self.current_password.into(), self.new_password.into())
    }
}

/// A change of one's own e-mail.
// Deliberately without `Debug`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct EmailChange {
    #[oai(validator(max_length = 1024))]
    current_password: String,
    /// No two users of a server share one.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
}

impl EmailChange {
    /// The password and the new e-mail.
    pub fn read(self) -> (Zeroizing<String>, String) {
        (self.current_password.into(), self.email)
    }
}

/// A password that is chosen by a one-time link.
// Deliberately without `Debug`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct ChosenPassword {
    /// What stands behind `#` in the link.
    token: String,
    /// 12 characters at least, 128 bytes at most, and none of the first that are tried.
    #[oai(validator(min_length = 12, max_length = 128))]
    password: String,
}

impl ChosenPassword {
    /// Token and password.
    pub fn read(self) -> (Zeroizing<String>, Zeroizing<String>) {
        (self.token.into(), self.password.into())
    }
}
