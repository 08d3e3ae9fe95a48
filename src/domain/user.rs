//! Users: people in an organisation, how they stand, and the links by which they choose a password.

use std::time::Duration;

use uuid::Uuid;

use super::access::Role;
use super::error::Result;
use super::id::{OrgId, UserId};
use super::org;
use super::page::{Entry, Times};
use super::time::Timestamp;

/// The most characters of a first or last name.
pub const NAME_LENGTH: usize = 100;

/// How a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Has not chosen a password yet, and cannot come in.
    Invited,
    /// May come in.
    Active,
    /// May not come in, and neither may their keys. Both can be undone.
    Deactivated,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Invited, Self::Active, Self::Deactivated];

    /// As the store and the wire spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }

    /// The status of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// Its row.
    pub id: UserId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// The organisation.
    pub org: OrgId,
    /// Unique on the instance, lower case.
    pub email: String,
    /// First and last name, or the e-mail of a user who has neither.
    pub name: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The role now.
    pub role: Role,
    /// How they stand.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Entry for User {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// What narrows a list of users.
#[derive(Debug, Clone, Default, Hash)]
pub struct UserFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of the name or the e-mail, in any case.
    pub q: Option<String>,
    /// Their role.
    pub role: Option<Role>,
    /// How they stand.
    pub status: Option<Status>,
}

/// A change of a user: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// The role.
    pub role: Option<Role>,
    /// The names.
    pub names: NamesPatch,
}

/// A change of a user's names: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct NamesPatch {
    /// May be empty.
    pub first_name: Option<String>,
    /// May be empty.
    pub last_name: Option<String>,
}

impl NamesPatch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.first_name.is_none() && self.last_name.is_none()
    }

    /// The user's names after the change.
    ///
    /// # Errors
    /// `InvalidField` for a name that is too long or has control characters.
    pub fn applied(&self, user: &User) -> Result<(String, String)> {
        Ok((
            part_of_name("first_name", self.first_name.as_ref().unwrap_or(&user.first_name))?,
            part_of_name("last_name", self.last_name.as_ref().unwrap_or(&user.last_name))?,
        ))
    }
}

/// A first or last name, which may be empty.
pub fn part_of_name(field: &str, text: &str) -> Result<String> {
    if text.trim().is_empty() { Ok(String::new()) } else { org::name(field, text, NAME_LENGTH) }
}

/// What a one-time link is for. Each kind works for its own operation alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Choosing the first password.
    Invitation,
    /// Choosing another password.
    Reset,
}

impl Purpose {
    /// As the store spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
        }
    }

    /// What its tokens begin with: the page behind the link tells them apart by it.
    pub const fn token_prefix(self) -> &'static str {
        match self {
            Self::Invitation => "inv_",
            Self::Reset => "rst_",
        }
    }
}

/// How long one-time links work.
#[derive(Debug, Clone, Copy)]
pub struct LinkTtl {
    /// Invitations.
    pub invitation: Duration,
    /// Resets of a password.
    pub reset: Duration,
}

impl LinkTtl {
    /// For links of this purpose.
    pub const fn of(self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::Invitation => self.invitation,
            Purpose::Reset => self.reset,
        }
    }
}
