//! Organisations and the people in them.

use uuid::Uuid;

use super::access::Role;
use super::error::{Error, Result};
use super::id::{OrgId, UserId};
use super::key_text::Environment;
use super::time::Timestamp;

/// What an organisation is for; decides which kind of keys it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgKind {
    /// Work; `claribi_sk_live_` keys.
    Live,
    /// Trying out; `claribi_sk_test_` keys.
    Sandbox,
}

impl OrgKind {
    /// As the store and the wire spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sandbox => "sandbox",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Live, Self::Sandbox].into_iter().find(|kind| kind.as_str() == text)
    }

    /// The environment of its keys.
    pub const fn environment(self) -> Environment {
        match self {
            Self::Live => Environment::Live,
            Self::Sandbox => Environment::Test,
        }
    }
}

/// An organisation.
#[derive(Debug, Clone)]
pub struct Org {
    /// Its row.
    pub id: OrgId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Live or sandbox.
    pub kind: OrgKind,
    /// The name of its plan.
    pub plan: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A person in an organisation.
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
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The role now.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// First and last name, or the e-mail of a person who gave neither.
    pub fn name(&self) -> String {
        match format!("{} {}", self.first_name, self.last_name).trim() {
            "" => self.email.clone(),
            name => name.to_owned(),
        }
    }
}

/// An e-mail address, trimmed and in lower case: one `@` with something on both sides, no spaces, 254 bytes at most.
pub fn email(text: &str) -> Result<String> {
    let text = text.trim().to_lowercase();
    let plausible = text.len() <= 254
        && text.bytes().all(|byte| byte > b' ' && byte != 0x7f)
        && text
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    if plausible { Ok(text) } else { Err(Error::field("email", "must be an e-mail address such as ada@example.com.")) }
}

/// A name that people read: trimmed, 1 to `longest` characters, no control characters.
pub fn name(field: &str, text: &str, longest: usize) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > longest {
        return Err(Error::field(field, format!("must have 1 to {longest} characters; it has {length}.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::field(field, "must not contain control characters."));
    }
    Ok(text.to_owned())
}
