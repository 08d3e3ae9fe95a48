//! Logging in, and what a session is.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::access::{Claims, ISSUER, TokenKind};
use super::app::App;
use super::caller::{Caller, Identity, Who};
use super::conditions::Standing;
use crate::domain::access::Permission;
use crate::domain::credits::Balance;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Session as SessionKind, SessionId, UserId};
use crate::domain::key::Owner;
use crate::domain::org;
use crate::domain::page::{ListRequest, Page};
use crate::domain::session::{Arrival, Session, SessionFilter};
use crate::domain::time::Timestamp;
use crate::store::Tx;
use crate::store::audit::usage::{self, KeyUsage};
use crate::store::main::sessions::NewSession;
use crate::store::main::{access, logins, sessions, users};

/// The two tokens of a session.
#[derive(Debug)]
pub struct Tokens {
    /// For requests, valid for an hour.
    pub access: String,
    /// For new access tokens, valid for seven days.
    pub refresh: String,
}

/// A session with how it was used.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// How it was used last.
    pub usage: Option<KeyUsage>,
}

impl App {
    /// Begins a session. When the user has as many as may be, the oldest ends.
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
        arrival: Arrival,
    ) -> Result<(Tokens, Caller)> {
        let now = self.clock.now();
        let attempt = self.begin_login(email, arrival.address, now).await?;
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
        let (plan, most) = (self.plan(&holder.plan)?, self.settings.sessions_of_one);
        let (session, caller) = self
            .store
            .write(move |tx| {
                logins::succeed(tx, &attempt.origin, now)?;
                let new = NewSession { uuid, user, acts_in: holder.org, arrival: &arrival, end };
                let session = sessions::create(tx, &new, now)?;
                let ended = sessions::end_oldest(tx, user, most, now)?;
                let identity = Identity {
                    who: Who::Session(session),
                    permissions: holder.role.permissions(),
                    holder,
                    plan,
                    limits: crate::domain::window::Limits::default(),
                };
                let caller = Caller::of_request(identity.into(), now, arrival.request);
                caller.record(
                    tx,
                    "session.create",
                    &session.prefixed(),
                    None,
                    Some(json!({"user": user.prefixed()})),
                )?;
                record_ended(tx, &caller, user, &ended)?;
                Ok((session, caller))
            })
            .await?;
        Ok((self.tokens(user, session, now)?, caller))
    }

    /// The tokens of a session that has begun.
    pub(super) fn tokens(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<Tokens> {
        let token = |kind| self.token(user.prefixed(), session.raw(), kind, now);
        Ok(Tokens { access: token(TokenKind::Access)?, refresh: token(TokenKind::Refresh)? })
    }

    /// The caller's sessions that have not ended; with a filter, those of a user whom the caller may manage.
    pub fn sessions(&self, caller: &Caller, request: &ListRequest<SessionFilter>) -> Result<Page<SessionView>> {
        caller.require_session()?;
        let (org, now) = (caller.home(), caller.at);
        let user = match &request.filter.user {
            None => caller.identity().holder.user,
            Some(owner) => self.whose_sessions(caller, owner)?,
        };
        let page = self.page(
            caller,
            ("sessions", user),
            request,
            |db, filter, slice| Ok(sessions::list(db, org, user, filter, now, slice)?),
            |db, filter| Ok(sessions::count(db, org, user, filter, now)?),
        )?;
        let viewed = |session: Session| {
            let usage = self.store.read_usage_now(|calls| Ok(usage::session_usage(calls, session.id)?))?;
            Ok(SessionView { session, usage })
        };
        Ok(Page { items: page.items.into_iter().map(viewed).collect::<Result<_>>()?, more: page.more })
    }

    /// The user whose sessions the caller asks for; nobody has those of an unknown one.
    fn whose_sessions(&self, caller: &Caller, owner: &Owner) -> Result<UserId> {
        let found = self.store.read_now(|db| match owner {
            Owner::Id(id) => Ok(users::find(db, caller.home(), id)?),
            Owner::Email(email) => Ok(users::find_by_email(db, email)?),
        })?;
        match found.filter(|user| user.org == caller.home()) {
            Some(user) if user.id == caller.identity().holder.user => Ok(user.id),
            found => {
                caller.require(Permission::UsersManage)?;
                caller.require_home()?;
                let Some(user) = found else { return Ok(UserId::new(0)) };
                caller.require_all(user.role.permissions())?;
                Ok(user.id)
            }
        }
    }

    /// Ends a session of the caller's own, or of a user whom the caller may manage, from the next request on.
    pub async fn end_session(&self, caller: &Caller, id: &IdRef<SessionKind>, spelled: &str) -> Result<Session> {
        caller.require_session()?;
        let (caller, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        self.store
            .write(move |tx| {
                let unknown = || Error::not_found::<SessionKind>(&*spelled);
                let session = sessions::find(tx, caller.home(), &id, caller.at)?.ok_or_else(unknown)?;
                if session.user.0 != caller.identity().holder.user {
                    // To who manages nobody, sessions of others do not exist.
                    if !caller.may(Permission::UsersManage) {
                        return Err(unknown());
                    }
                    let user = users::find(tx, caller.home(), &IdRef::Number(session.user.0))?.ok_or_else(unknown)?;
                    caller.require_all(user.role.permissions())?;
                    caller.require_home()?;
                }
                let view = SessionView { session, usage: None };
                caller.expects(Standing::Session(&view))?;
                let session = view.session;
                sessions::end(tx, session.id, caller.at)?;
                let before = json!({"user": session.user.0.prefixed()});
                caller.record(tx, "session.delete", &session.id.prefixed(), Some(before), None)?;
                Ok(session)
            })
            .await
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

/// Sessions that ended because newer ones began.
pub(super) fn record_ended(tx: &Tx<'_>, caller: &Caller, user: UserId, ended: &[SessionId]) -> Result<()> {
    for session in ended {
        let before = json!({"user": user.prefixed(), "because": "too_many"});
        caller.record(tx, "session.delete", &session.prefixed(), Some(before), None)?;
    }
    Ok(())
}
