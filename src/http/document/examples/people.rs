//! The people of the examples, what leads them in, and the session of one of them.

use std::time::Duration;

use super::world::{GRACE, MADE, NOW, ORG, OWNER, SESSION, owner};
use crate::domain::access::Role;
use crate::domain::session::Session;
use crate::domain::user::{Purpose, Status, User};
use crate::service::caller::Holder;
use crate::service::keys::KeyUsage;
use crate::service::links::Link;
use crate::service::sessions::SessionView;

/// The owner as a person.
pub fn user() -> User {
    let Holder { user, user_uuid, email, names, role, org, .. } = owner();
    User {
        name: format!("{} {}", names.0, names.1),
        status: Status::Active,
        id: user,
        uuid: user_uuid,
        org,
        email,
        first_name: names.0,
        last_name: names.1,
        role,
        created_at: MADE,
        updated_at: MADE,
    }
}

/// A user who was invited.
pub fn invited() -> User {
    User {
        id: GRACE.0,
        uuid: GRACE.1,
        email: "grace@example.com".to_owned(),
        name: "Grace Hopper".to_owned(),
        first_name: "Grace".to_owned(),
        last_name: "Hopper".to_owned(),
        role: Role::Analyst,
        status: Status::Invited,
        created_at: NOW,
        updated_at: NOW,
        ..user()
    }
}

/// The look of a one-time link, which leads nowhere.
pub fn link(purpose: Purpose) -> Link {
    let secret = "0123456789abcdef".repeat(4);
    let ttl = match purpose {
        Purpose::Invitation => Duration::from_secs(7 * 86_400),
        Purpose::Reset => Duration::from_secs(3_600),
    };
    Link { token: format!("{}{secret}", purpose.token_prefix()).into(), expires_at: NOW.plus(ttl) }
}

/// The owner's session.
pub fn session() -> SessionView {
    let session = Session {
        id: SESSION.0,
        uuid: SESSION.1,
        user: OWNER,
        acts_in: ORG,
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(7 * 86_400)),
        address: Some([203, 0, 113, 9].into()),
        user_agent: Some("curl/8.14.1".to_owned()),
    };
    let usage = KeyUsage {
        calls: 3,
        last_at: NOW,
        last_operation: "dashboards_list".to_owned(),
        last_address: "203.0.113.9".to_owned(),
    };
    SessionView { session, usage: Some(usage) }
}
