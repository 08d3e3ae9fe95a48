//! Organisations, and the names and addresses that people give.

use uuid::Uuid;

use super::error::{Error, Result};
use super::id::OrgId;
use super::key_text::Environment;
use super::time::Timestamp;

/// The most characters of an organisation's name.
pub const NAME_LENGTH: usize = 200;

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
    /// The organisation whose sandbox it is, if it is one's.
    pub parent: Option<OrgId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
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
