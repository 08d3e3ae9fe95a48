//! The sandbox: an organisation with data and dashboards worth looking at, made by one command and kept for the
//! next.
//!
//! What a first start makes is the same everywhere, ids and instants included: each part takes its uuids from a
//! generator of its own and its instants from a clock that stands. Secrets are never made that way. What a later start
//! has to make again, because somebody deleted it, is as random as anything else.

pub mod acme;
mod make;
pub mod showcase;

use std::time::Duration;

use zeroize::Zeroizing;

use self::make::Maker;
use super::app::App;
use super::caller::Caller;
use super::keys::KeyRequest;
use super::once::Plain;
use crate::domain::access::Scope;
use crate::domain::entropy::Entropy;
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardId, SourceId, TemplateId, UserId};
use crate::domain::key_text::KeyText;
use crate::store::main::users;

/// Who the sandbox's changes are made by.
const OPERATOR: &str = "sandbox";
/// The owner's login.
pub const OWNER_EMAIL: &str = "owner@sandbox.example";
/// How long the keys of a start are valid.
const KEY_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// A sandbox, ready to be served.
#[derive(Debug)]
pub struct Sandbox {
    /// Its owner, whose e-mail is [`OWNER_EMAIL`].
    pub owner: UserId,
    /// The owner's password, made at this start.
    pub password: Zeroizing<String>,
    /// The owner's read-write key, made at this start.
    pub key: KeyText,
    /// The owner's read-only key, made at this start.
    pub read_only_key: KeyText,
    /// "Q2 Revenue".
    pub dashboard: DashboardId,
    /// The template that describes data sources.
    pub template: TemplateId,
    /// "NYC flights 2013".
    pub source: SourceId,
}

impl App {
    /// Makes the sandbox, or what is missing of it, and this start's password and keys.
    ///
    /// # Errors
    /// `Conflict` when the data directory is somebody's installation.
    pub async fn open_sandbox(&self) -> Result<Sandbox> {
        let maker = Maker::find_or_found(self).await?;
        let showcase = maker.complete().await?;
        let caller = self.operator_of(maker.org(), OPERATOR)?;
        let (password, key, read_only_key) = tokio::try_join!(
            self.renew_password(&caller),
            self.start_key(&caller, "This start's key", Scope::ReadWrite),
            self.start_key(&caller, "This start's key for reading", Scope::ReadOnly),
        )?;
        Ok(Sandbox {
            owner: caller.identity().holder.user,
            password,
            key,
            read_only_key,
            dashboard: showcase.dashboard,
            template: showcase.template,
            source: showcase.source,
        })
    }

    /// Gives the caller a new random password.
    async fn renew_password(&self, caller: &Caller) -> Result<Zeroizing<String>> {
        let password = random_password(&self.entropy);
        let hash = self.hash_password(password.clone()).await?;
        let writer = caller.clone();
        self.store
            .write(move |tx| {
                let user = writer.identity().holder.user;
                users::set_password(tx, writer.org(), user, &hash, None, writer.at)?;
                writer.record(tx, "user.reset_password", &user.prefixed(), None, None)
            })
            .await?;
        Ok(password)
    }

    async fn start_key(&self, caller: &Caller, name: &str, scope: Scope) -> Result<KeyText> {
        let request = KeyRequest {
            name: name.to_owned(),
            scope: Some(scope),
            expires_at: Some(caller.at.plus(KEY_LIFE)),
            ..KeyRequest::default()
        };
        Ok(self.create_key(caller, request, Plain).await?.1)
    }
}

/// Four groups of five characters that are told apart easily, 100 bits.
fn random_password(entropy: &Entropy) -> Zeroizing<String> {
    const ALPHABET: [u8; 32] = *b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = Zeroizing::new(entropy.bytes::<20>());
    let mut password = Zeroizing::new(String::with_capacity(24));
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place % 5 == 0 {
            password.push('-');
        }
        password.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    password
}

/// Why a data directory is no sandbox.
fn no_sandbox() -> Error {
    Error::Conflict(
        "the data directory holds an installation that is no sandbox; name another with --data-dir".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::password;

    #[test]
    fn passwords_are_random_and_good_enough() {
        let (one, two) = (random_password(&Entropy::System), random_password(&Entropy::System));
        assert_ne!(one, two);
        assert_eq!(one.len(), 23);
        assert_eq!(password::check(&one, OWNER_EMAIL), Ok(()));
    }
}
