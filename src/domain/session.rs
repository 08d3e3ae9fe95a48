//! Sessions as their users see them.

use std::net::IpAddr;

use uuid::Uuid;

use super::id::{OrgId, RequestId, SessionId, UserId};
use super::key::Owner;
use super::page::{Entry, Times};
use super::time::Timestamp;

/// A session that has neither ended nor expired.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its row.
    pub id: SessionId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Whose it is, with the id on `/api/v1/`.
    pub user: (UserId, Uuid),
    /// The organisation that it acts in, with the id on `/api/v1/`: the user's own, or that one's sandbox.
    pub acts_in: (OrgId, Uuid),
    /// When it began.
    pub created_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Timestamp,
    /// From where it was begun.
    pub address: Option<IpAddr>,
    /// What program it was begun with said of itself.
    pub user_agent: Option<String>,
}

/// A request that begins a session.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The request.
    pub request: RequestId,
    /// The client's address.
    pub address: IpAddr,
    /// What the client says it is, as it may be kept.
    pub user_agent: Option<String>,
}

impl Entry for Session {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        ""
    }

    fn updated_at(&self) -> Timestamp {
        self.created_at
    }
}

/// What narrows a list of sessions.
#[derive(Debug, Clone, Default, Hash)]
pub struct SessionFilter {
    /// When they began.
    pub times: Times,
    /// Whose they are; the caller's own by default.
    pub user: Option<Owner>,
}
