//! Logging in, and what a session is (PRODUCT 2).

use std::net::IpAddr;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::access::{Claims, ISSUER, TokenKind};
use super::app::App;
use super::caller::{Caller, Identity, Who};
use crate::domain::credits::Balance;
use crate::domain::error::{Error, Result};
use crate::domain::id::RequestId;
use crate::domain::org;
use crate::domain::time::Timestamp;
use crate::store::main::access;
use crate::store::main::logins;
use crate::store::main::users;

/// The two tokens of a session.
#[derive(Debug)]
pub struct Tokens {
    /// For requests, valid for an hour.
    pub access: String,
    /// For new access tokens, valid for seven days.
    pub refresh: String,
}

impl App {
    /// Begins a session.
    ///
    /// # Errors
    /// `InvalidLogin` alike for an unknown e-mail, a wrong password and a deactivated user, after the same work;
    /// `TooManyLogins` after too many of these.
    ///
    /// Gives the tokens, and who came in: the call's row names them.
    pub async fn login(
        &self,
        email: &str,
        password: zeroize::Zeroizing<String>,
        address: IpAddr,
        request: RequestId,
    ) -> Result<(Tokens, Caller)> {
        let now = self.clock.now();
        let attempt = self.begin_login(email, address, now).await?;
        let found = match org::email(email) {
            Ok(email) => self.store.read_now(|db| Ok(access::login(db, &email)?))?,
            Err(_) => None,
        };
        let (holder, hash) = found.unzip();
        let matches = match self.password_matches(password, hash).await {
            Ok(matches) => matches,
            Err(error) => {
                self.take_login_back(attempt).await?;
                return Err(error);
            }
        };
        let holder = match holder {
            Some(holder) if matches && holder.active => holder,
            target => {
                self.login_failed(attempt, target, now).await?;
                return Err(Error::InvalidLogin);
            }
        };

        let (user, uuid) = (holder.user, self.entropy.uuid(now));
        let end = now.plus(self.settings.refresh_ttl);
        let plan = self.plan(&holder.plan)?;
        let (session, caller) = self
            .store
            .write(move |tx| {
                logins::succeed(tx, &attempt.origin, now)?;
                let session = users::create_session(tx, user, uuid, now, end)?;
                let identity = Identity {
                    who: Who::Session(session),
                    permissions: holder.role.permissions(),
                    holder,
                    plan,
                    limits: crate::domain::window::Limits::default(),
                };
                let caller = Caller::of_request(identity.into(), now, request);
                caller.record(
                    tx,
                    "session.create",
                    &session.prefixed(),
                    None,
                    Some(json!({"user": user.prefixed()})),
                )?;
                Ok((session, caller))
            })
            .await?;
        let tokens = Tokens {
            access: self.token(user.prefixed(), session.raw(), TokenKind::Access, now)?,
            refresh: self.token(user.prefixed(), session.raw(), TokenKind::Refresh, now)?,
        };
        Ok((tokens, caller))
    }

    /// A new access token; the refresh token stays as it is.
    ///
    /// # Errors
    /// `InvalidToken` for anything but the refresh token of a session that still stands.
    pub fn refresh_session(&self, refresh: &str) -> Result<String> {
        let now = self.clock.now();
        let claims = self.read_token(refresh, TokenKind::Refresh, now)?;
        self.identify_session(&claims, now)?;
        self.token(claims.sub, claims.sid, TokenKind::Access, now)
    }

    fn token(&self, user: String, session: i64, kind: TokenKind, now: Timestamp) -> Result<String> {
        let ttl = self.token_ttl(kind);
        let claims = Claims {
            sub: user,
            sid: session,
            typ: kind,
            iat: now.seconds(),
            exp: now.plus(ttl).seconds(),
            iss: ISSUER.to_owned(),
            jti: hex::encode(self.entropy.bytes::<8>()),
        };
        let secret = self.keyring.sessions.current().1.derive(kind.purpose());
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.expose()))
            .map_err(Error::internal)
    }

    /// The caller's own credits: everyone may know them.
    pub fn own_balance(&self, caller: &Caller) -> Result<Balance> {
        self.balance(caller)
    }
}
