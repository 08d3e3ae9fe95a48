//! Who is calling: logging in, the status of the platform face, and `auth/verify`.

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{Environment, LastUsed, Scope};
use super::limits::Limits;
use super::{Spelling, Stamp};
use crate::domain::access;
use crate::domain::credits::Balance;
use crate::domain::operation::Needs;
use crate::http::conditional::Tagged;
use crate::service::caller::{Caller, KeyFacts};
use crate::service::explain;
use crate::service::sessions as service;

/// A login.
// Deliberately without `Debug`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    email: String,
    #[oai(validator(max_length = 1024))]
    password: String,
}

impl LoginRequest {
    /// E-mail and password.
    pub fn read(self) -> (String, Zeroizing<String>) {
        (self.email, Zeroizing::new(self.password))
    }
}

/// The two tokens of a session.
#[derive(Serialize, Object)]
pub struct Tokens {
    /// For `Authorization: Bearer`, valid for an hour.
    access: String,
    /// For new access tokens, valid for seven days.
    refresh: String,
}

impl From<service::Tokens> for Tokens {
    fn from(tokens: service::Tokens) -> Self {
        Self { access: tokens.access, refresh: tokens.refresh }
    }
}

/// A request for an access token.
// Deliberately without `Debug`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token of a session.
    pub refresh: String,
}

/// A new access token; the refresh token stays as it is.
#[derive(Serialize, Object)]
pub struct AccessToken {
    /// For `Authorization: Bearer`, valid for an hour.
    pub access: String,
}

/// The roles of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Role {
    /// Everything, the bill included.
    Owner,
    /// Everything but the bill.
    Administrator,
    /// Works with data, dashboards and reports.
    Analyst,
    /// Reads.
    Viewer,
}

impl From<access::Role> for Role {
    fn from(role: access::Role) -> Self {
        match role {
            access::Role::Owner => Self::Owner,
            access::Role::Administrator => Self::Administrator,
            access::Role::Analyst => Self::Analyst,
            access::Role::Viewer => Self::Viewer,
        }
    }
}

impl From<Role> for access::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Administrator => Self::Administrator,
            Role::Analyst => Self::Analyst,
            Role::Viewer => Self::Viewer,
        }
    }
}

/// A session.
#[derive(Serialize, Object)]
pub struct Session<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    user_id: I,
    /// The organization that it acts in: the user's own, or that one's sandbox.
    organization_id: I,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Stamp,
    /// From this instant on it is refused.
    expires_at: Stamp,
    /// From where it was begun; null for one that began before this was kept.
    address: Option<String>,
    /// What the program said of itself that it was begun with.
    user_agent: Option<String>,
    /// Null when it never was.
    last_used: Option<LastUsed>,
}

impl<I: Spelling> Session<I> {
    /// A session as a caller sees it.
    pub fn of(view: &service::SessionView, caller: &Caller) -> Self {
        let service::SessionView { session, usage } = view;
        Self {
            id: I::of(session.id, session.uuid),
            user_id: I::of(session.user.0, session.user.1),
            organization_id: I::of(session.acts_in.0, session.acts_in.1),
            current: caller.identity().session() == Some(session.id),
            created_at: session.created_at.into(),
            expires_at: session.expires_at.into(),
            address: session.address.map(|address| address.to_string()),
            user_agent: session.user_agent.clone(),
            last_used: usage.clone().map(LastUsed::from),
        }
    }
}

impl<I: Spelling> Tagged for Session<I> {
    /// Use changes a session's body all the time, and is nothing that somebody's change could overwrite.
    fn definition(&self) -> Option<impl Serialize> {
        Some((&self.created_at, &self.expires_at))
    }
}

/// The caller's user and organization.
#[derive(Serialize, Object)]
pub struct Status<I: Type + ParseFromJSON + ToJSON> {
    user: StatusUser<I>,
    organization: StatusOrganization<I>,
}

/// The caller's user.
#[derive(Serialize, Object)]
pub struct StatusUser<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    email: String,
    first_name: String,
    last_name: String,
    role: Role,
}

/// The caller's organization.
#[derive(Serialize, Object)]
pub struct StatusOrganization<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    plan: String,
    /// Credits that are left this month.
    ai_credits_remaining: i64,
}

impl<I: Spelling> Status<I> {
    /// The status of a caller.
    pub fn of(caller: &Caller, balance: &Balance) -> Self {
        let holder = &caller.identity().holder;
        Self {
            user: StatusUser {
                id: I::of(holder.user, holder.user_uuid),
                email: holder.email.clone(),
                first_name: holder.names.0.clone(),
                last_name: holder.names.1.clone(),
                role: holder.role.into(),
            },
            organization: StatusOrganization {
                id: I::of(holder.org, holder.org_uuid),
                name: holder.org_name.clone(),
                plan: holder.plan.clone(),
                ai_credits_remaining: balance.remaining(),
            },
        }
    }
}

/// What a credential is and may do.
#[derive(Serialize, Object)]
pub struct Verification<I: Type + ParseFromJSON + ToJSON> {
    /// The key that was presented; null for a session.
    key: Option<VerifiedKey<I>>,
    user: VerifiedUser<I>,
    /// What the credential may do now.
    permissions: Vec<String>,
    organization: VerifiedOrganization<I>,
    limits: Limits,
    /// Whether the call would be allowed, objects and credits aside; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    allowed: Option<bool>,
    /// What refuses the call; null when it is allowed; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    refused_by: Option<Option<RefusedBy>>,
    /// The permission that the call needs, `read-write` when it takes a session or a key with that preset, `session`
    /// when it takes a session, null when it needs none of these; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    needs: Option<Option<String>>,
}

/// What refuses a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum RefusedBy {
    /// The key was not given the permission.
    Scope,
    /// The owner's role does not have it.
    Role,
    /// The plan does not include it, or the trial is over.
    Plan,
    /// The key may not be used from the address.
    Address,
    /// A window is full.
    Limit,
}

impl From<explain::RefusedBy> for RefusedBy {
    fn from(by: explain::RefusedBy) -> Self {
        match by {
            explain::RefusedBy::Scope => Self::Scope,
            explain::RefusedBy::Role => Self::Role,
            explain::RefusedBy::Plan => Self::Plan,
            explain::RefusedBy::Address => Self::Address,
            explain::RefusedBy::Limit => Self::Limit,
        }
    }
}

fn needed(needs: Needs) -> Option<String> {
    match needs {
        Needs::Nothing | Needs::Caller => None,
        Needs::Session => Some("session".to_owned()),
        Needs::KeyManagement => Some(access::Scope::ReadWrite.as_str().to_owned()),
        Needs::Permission(permission) => Some(permission.as_str().to_owned()),
    }
}

/// The key that was presented.
#[derive(Serialize, Object)]
pub struct VerifiedKey<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// `claribi_sk_live_` or `claribi_sk_test_`, and the 8 public characters.
    prefix: String,
    /// Null for a key that was given a list of permissions.
    scope: Option<Scope>,
    environment: Environment,
    /// From this instant on it is refused; null: never.
    expires_at: Option<Stamp>,
    /// Networks it may be used from; empty: from anywhere.
    ip_allowlist: Vec<String>,
}

/// Whose credential it is.
#[derive(Serialize, Object)]
pub struct VerifiedUser<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    email: String,
    role: Role,
}

/// The organization it acts in.
#[derive(Serialize, Object)]
pub struct VerifiedOrganization<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    plan: String,
}

impl<I: Spelling> Verification<I> {
    /// What a caller's credential is and may do.
    pub fn of(caller: &Caller, explain::Verified { headroom, explanation }: explain::Verified) -> Self {
        let identity = caller.identity();
        let holder = &identity.holder;
        let environment = holder.org_kind.environment().into();
        Self {
            key: identity.key().map(|key| VerifiedKey::of(key, environment)),
            user: VerifiedUser {
                id: I::of(holder.user, holder.user_uuid),
                email: holder.email.clone(),
                role: holder.role.into(),
            },
            permissions: identity.permissions.iter().map(|permission| permission.as_str().to_owned()).collect(),
            organization: VerifiedOrganization {
                id: I::of(holder.org, holder.org_uuid),
                name: holder.org_name.clone(),
                plan: holder.plan.clone(),
            },
            limits: Limits::of(headroom.as_ref(), I::FACE),
            allowed: explanation.map(|found| found.refused_by.is_none()),
            refused_by: explanation.map(|found| found.refused_by.map(RefusedBy::from)),
            needs: explanation.map(|found| needed(found.needs)),
        }
    }
}

impl<I: Spelling> VerifiedKey<I> {
    fn of(key: &KeyFacts, environment: Environment) -> Self {
        Self {
            id: I::of(key.id, key.uuid),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            scope: key.grant.scope().map(Scope::from),
            environment,
            expires_at: key.expires_at.map(Stamp::from),
            ip_allowlist: key.allowlist.iter().map(ToString::to_string).collect(),
        }
    }
}
