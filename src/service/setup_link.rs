//! Setting an installation up by a link: a data directory without an organisation gets its first one, with its owner,
//! from whoever holds the token that `serve` printed. There is no account and no password before.
//!
//! The token is kept nowhere, its hash in memory alone: each start makes another. What makes it work once is that the
//! transaction which founds the organisation finds none.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::app::App;
use super::caller::Caller;
use super::people::UserRequest;
use super::sessions::Tokens;
use super::setup::{DEFAULT_PLAN, Founder, Founding};
use crate::domain::access::Role;
use crate::domain::error::{Error, Result};
use crate::domain::org::{self, OrgKind};
use crate::domain::session::Arrival;
use crate::domain::time::Timestamp;
use crate::store::main::instance;

/// How long a link works.
pub const LINK_TTL: Duration = Duration::from_secs(30 * 60);

/// A link that was printed.
pub(super) struct Offer {
    hash: [u8; 32],
    expires_at: Timestamp,
}

/// What whoever has the link chooses.
pub struct SetupRequest {
    /// The organisation's name.
    pub organization: String,
    /// The owner's e-mail.
    pub email: String,
    /// The owner's password in the clear; hashed at once.
    pub password: Zeroizing<String>,
}

impl App {
    /// Whether there is an organisation.
    pub fn is_set_up(&self) -> Result<bool> {
        // Organisations stay: once there is one, nobody looks again.
        if self.set_up.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let is_set_up = self.store.read_now(|db| Ok(instance::has_org(db)?))?;
        self.set_up.store(is_set_up, Ordering::Relaxed);
        Ok(is_set_up)
    }

    /// Refuses what cannot be done before there is an organisation.
    ///
    /// # Errors
    /// `NotSetUp`.
    pub fn require_set_up(&self) -> Result<()> {
        if self.is_set_up()? { Ok(()) } else { Err(Error::NotSetUp) }
    }

    /// The token of a new link, which ends the one before; none for an installation that is set up.
    pub fn offer_setup(&self) -> Result<Option<Zeroizing<String>>> {
        if self.is_set_up()? {
            return Ok(None);
        }
        let token = Zeroizing::new(hex::encode(self.entropy.bytes::<32>()));
        let offer = Offer { hash: hash(&token), expires_at: self.clock.now().plus(LINK_TTL) };
        *self.setup_offer.lock() = Some(offer);
        Ok(Some(token))
    }

    /// Founds the first organisation and begins a session of its owner's.
    ///
    /// # Errors
    /// `NoSuchPath` once there is an organisation; `SetupLinkInvalid` for a wrong or old token.
    pub async fn set_up(&self, token: &str, setup: SetupRequest, arrival: Arrival) -> Result<(Tokens, Caller)> {
        if self.is_set_up()? {
            return Err(Error::NoSuchPath);
        }
        // Before anything costly is done for whoever asks.
        self.check_setup_token(token)?;
        let SetupRequest { organization, email, password } = setup;
        let organization = org::name("organization", &organization, 200)?;
        let owner = UserRequest {
            email: email.clone(),
            first_name: String::new(),
            last_name: String::new(),
            role: Role::Owner,
            password: password.clone(),
        };
        let plan = DEFAULT_PLAN.to_owned();
        self.found(Founding { name: organization, kind: OrgKind::Live, plan, owner, by: Founder::SetupLink }).await?;
        *self.setup_offer.lock() = None;
        self.login(&email, password, arrival).await
    }

    fn check_setup_token(&self, token: &str) -> Result<()> {
        let now = self.clock.now();
        let offer = self.setup_offer.lock();
        let fits = offer
            .as_ref()
            .is_some_and(|offer| verify_slices_are_equal(&offer.hash, &hash(token)).is_ok() && now < offer.expires_at);
        if fits { Ok(()) } else { Err(Error::SetupLinkInvalid) }
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}
