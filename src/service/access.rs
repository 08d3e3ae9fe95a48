//! From a credential to an [`Identity`]: verified on every request, read from the database once per version of access.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::caller::{Identity, KeyFacts, Who};
use crate::domain::error::{Error, Result};
use crate::domain::id::SessionId;
use crate::domain::key_text::{self, KeyText, Pepper};
use crate::domain::org::OrgKind;
use crate::domain::time::Timestamp;
use crate::domain::window::Limits;
use crate::keyring::Generations;
use crate::store::main::access::{self, KeyAccess, SessionAccess};
use crate::store::watch::{Stamped, trusted};

/// Cached rows; each is trusted only while the version it was read at is the present one.
pub struct AccessCache {
    peppers: Peppers,
    keys: Cache<[u8; 8], Arc<CachedKey>>,
    sessions: Cache<i64, Arc<CachedSession>>,
}

struct CachedKey {
    version: u64,
    salt: [u8; 16],
    mac: [u8; 32],
    pepper_id: i64,
    revoked: bool,
    /// The key is of the kind that its organisation has, and its owner may come in.
    usable: bool,
    identity: Arc<Identity>,
}

struct CachedSession {
    version: u64,
    expires_at: Timestamp,
    usable: bool,
    identity: Arc<Identity>,
}

impl Stamped for Arc<CachedKey> {
    fn version(&self) -> u64 {
        self.version
    }
}

impl Stamped for Arc<CachedSession> {
    fn version(&self) -> u64 {
        self.version
    }
}

/// What a session token says. One that says more, or something twice, is none of ours.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The user as `/v1/` spells it: RFC 7519 wants text.
    pub sub: String,
    /// The session.
    pub sid: i64,
    /// What the token is for.
    pub typ: TokenKind,
    /// When it was made, in seconds.
    pub iat: i64,
    /// From this second on it is refused.
    pub exp: i64,
    /// `claribi`.
    pub iss: String,
    /// Tells tokens of one second apart.
    pub jti: String,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// For requests.
    Access,
    /// For new access tokens.
    Refresh,
}

impl TokenKind {
    /// What its key is derived for: tokens of one kind do not verify as the other.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Access => "access token",
            Self::Refresh => "refresh token",
        }
    }
}

/// The issuer of our tokens.
pub const ISSUER: &str = "claribi";
/// The longest token that is looked at.
const TOKEN_LENGTH: usize = 2_048;
/// Public characters that no key has.
const NOBODY: &str = "--------";
/// Seconds by which the machine's clock may have been set back since a token was made.
const CLOCK_STEP: i64 = 60;
/// `{"typ":"JWT","alg":"HS256"}`: how every token of ours begins. Others are refused before anything of them is decoded, so
/// no header can choose an algorithm or a key (`alg`, `kid`, `jwk`, `jku`, `x5u`, `crit`).
const TOKEN_HEAD: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.";

impl AccessCache {
    pub(super) fn new(peppers: &Generations) -> Self {
        Self { peppers: Peppers::new(peppers), keys: Cache::new(100_000), sessions: Cache::new(100_000) }
    }

    /// What the MACs of keys are made with.
    pub(super) fn peppers(&self) -> &Peppers {
        &self.peppers
    }
}

/// The generations of the pepper, oldest first.
pub(super) struct Peppers(Vec<(i64, Pepper)>);

impl Peppers {
    fn new(generations: &Generations) -> Self {
        Self(generations.with_ids().map(|(id, secret)| (id, Pepper::new(secret.expose()))).collect())
    }

    /// The newest, with its id.
    pub(super) fn current(&self) -> (i64, &Pepper) {
        let (id, pepper) = &self.0[self.0.len() - 1];
        (*id, pepper)
    }

    fn get(&self, id: i64) -> Option<&Pepper> {
        self.0.iter().find(|(found, _)| *found == id).map(|(_, pepper)| pepper)
    }
}

impl App {
    /// Who presents this key.
    ///
    /// # Errors
    /// `InvalidKey` for anything but a key whose secret matches; `KeyRevoked` and `KeyExpired` only after it did.
    pub fn identify_key(&self, text: &KeyText, now: Timestamp) -> Result<Arc<Identity>> {
        let Some(cached) = self.matching_key(text)?.filter(|cached| cached.usable) else {
            return Err(Error::InvalidKey);
        };
        if cached.revoked {
            return Err(Error::KeyRevoked);
        }
        if cached.identity.key().and_then(|key| key.expires_at).is_some_and(|end| end <= now) {
            return Err(Error::KeyExpired);
        }
        Ok(cached.identity.clone())
    }

    /// The key whose secret this is, however it stands. Takes as long when there is none.
    fn matching_key(&self, text: &KeyText) -> Result<Option<Arc<CachedKey>>> {
        let public = public_of(text);
        let mut was_cached = true;
        let cached = trusted(
            || self.store.watch().version(),
            || self.access.keys.get(&public),
            |version| {
                was_cached = false;
                self.load_key(text, public, version)
            },
            |cached| self.access.keys.insert(public, cached.clone()),
        )?;
        let Some(cached) = cached else {
            // As much work as for a key that exists, so that time tells nothing.
            self.effort.count_mac();
            key_text::verify(self.access.peppers.current().1, &[0; 16], text, &[0; 32]);
            return Ok(None);
        };
        let pepper = self.access.peppers.get(cached.pepper_id).ok_or_else(|| Error::internal("an unknown pepper"))?;
        self.effort.count_mac();
        if key_text::verify(pepper, &cached.salt, text, &cached.mac) {
            return Ok(Some(cached));
        }
        if was_cached {
            // A guess at a key that exists looks for one that does not, as a guess at one that does not has done.
            self.store.read_now(|db| Ok(access::key(db, NOBODY)?))?;
        }
        Ok(None)
    }

    /// Whose key this is, whatever became of it since: for what is written down, never for letting somebody in.
    pub(super) fn owner_of_key(&self, text: &KeyText) -> Result<Option<Arc<Identity>>> {
        Ok(self.matching_key(text)?.map(|cached| cached.identity.clone()))
    }

    fn load_key(&self, text: &KeyText, public: [u8; 8], version: u64) -> Result<Option<Arc<CachedKey>>> {
        let Some(row) = self.store.read_now(|db| Ok(access::key(db, text.public())?))? else { return Ok(None) };
        Ok(Some(Arc::new(self.cached_key(row, text, public, version)?)))
    }

    fn cached_key(&self, row: KeyAccess, text: &KeyText, public: [u8; 8], version: u64) -> Result<CachedKey> {
        let plan = self.plan(&row.holder.plan)?;
        let limits = plan.key_limits(self.settings.key_per_minute).lower(row.limits);
        Ok(CachedKey {
            version,
            salt: row.salt,
            mac: row.mac,
            pepper_id: row.pepper_id,
            revoked: row.revoked,
            usable: row.holder.active && row.live == (row.holder.org_kind == OrgKind::Live),
            identity: Arc::new(Identity {
                who: Who::Key(KeyFacts {
                    id: row.key,
                    uuid: row.uuid,
                    lineage: row.lineage,
                    name: row.name,
                    public,
                    prefix: text.prefix().to_owned(),
                    grant: row.grant,
                    expires_at: row.expires_at,
                    allowlist: row.allowlist,
                    own_limits: row.limits,
                }),
                permissions: row.grant.effective(row.holder.role),
                holder: row.holder,
                plan,
                limits,
            }),
        })
    }

    /// Who presents this access token.
    ///
    /// # Errors
    /// `InvalidToken`, whatever is wrong with it.
    pub fn identify_token(&self, token: &str, now: Timestamp) -> Result<Arc<Identity>> {
        let claims = self.read_token(token, TokenKind::Access, now)?;
        self.identify_session(&claims, now)
    }

    /// The identity of a session that a verified token names.
    pub(super) fn identify_session(&self, claims: &Claims, now: Timestamp) -> Result<Arc<Identity>> {
        let cached = trusted(
            || self.store.watch().version(),
            || self.access.sessions.get(&claims.sid),
            |version| self.load_session(claims.sid, version),
            |cached| self.access.sessions.insert(claims.sid, cached.clone()),
        )?;
        let cached = cached.ok_or(Error::InvalidToken)?;
        let same_user = cached.identity.holder.user.prefixed() == claims.sub;
        if !cached.usable || cached.expires_at <= now || !same_user {
            return Err(Error::InvalidToken);
        }
        Ok(cached.identity.clone())
    }

    fn load_session(&self, session: i64, version: u64) -> Result<Option<Arc<CachedSession>>> {
        let row = self.store.read_now(|db| Ok(access::session(db, SessionId::new(session))?))?;
        let Some(SessionAccess { session: id, expires_at, revoked, holder }) = row else { return Ok(None) };
        let plan = self.plan(&holder.plan)?;
        Ok(Some(Arc::new(CachedSession {
            version,
            expires_at,
            usable: !revoked && holder.active,
            identity: Arc::new(Identity {
                who: Who::Session(id),
                permissions: holder.role.permissions(),
                holder,
                plan,
                limits: Limits {
                    minute: Some(self.settings.session_per_minute),
                    hour: None,
                    day: None,
                    generation_hour: None,
                    generation_day: None,
                },
            }),
        })))
    }

    /// The claims of a token that is ours, of this kind, and in time.
    pub(super) fn read_token(&self, token: &str, kind: TokenKind, now: Timestamp) -> Result<Claims> {
        // Before anything is split or decoded: a token of ours is short and begins like all of them.
        let Some(rest) = token.strip_prefix(TOKEN_HEAD).filter(|_| token.len() <= TOKEN_LENGTH) else {
            return Err(Error::InvalidToken);
        };
        if rest.bytes().filter(|byte| *byte == b'.').count() != 1 {
            return Err(Error::InvalidToken);
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss", "sub"]);
        rules.validate_aud = false;
        // Time is the clock's that was passed in, below.
        rules.validate_exp = false;
        let secret = self.keyring.sessions.current().1.derive(kind.purpose());
        let key = DecodingKey::from_secret(secret.expose());
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).map_err(|_| Error::InvalidToken)?.claims;
        let (at, latest) = (now.seconds(), now.plus(self.token_ttl(kind)).seconds());
        let made_before = (0..=at + CLOCK_STEP).contains(&claims.iat);
        let in_time = (at + 1..=latest + CLOCK_STEP).contains(&claims.exp);
        if claims.typ != kind || !made_before || !in_time {
            return Err(Error::InvalidToken);
        }
        Ok(claims)
    }

    /// How long a token of that kind is valid.
    pub(super) fn token_ttl(&self, kind: TokenKind) -> Duration {
        match kind {
            TokenKind::Access => self.settings.access_ttl,
            TokenKind::Refresh => self.settings.refresh_ttl,
        }
    }

    /// Whether the key's allowlist and the plan let this identity in; what the windows say comes after. An address that
    /// is not known is in no allowlist.
    ///
    /// # Errors
    /// `AddressNotAllowed`, then `PlanRequired`.
    pub fn admit_identity(&self, identity: &Identity, address: Option<IpAddr>) -> Result<()> {
        self.admit_from(identity, address)?;
        if identity.holder.home != identity.holder.org && !identity.plan.sandbox_organization {
            return Err(self.sandbox_refusal(&identity.plan.name));
        }
        if identity.key().is_some() && !identity.plan.api_access {
            return Err(self.api_access_refusal(&identity.plan.name));
        }
        Ok(())
    }

    fn admit_from(&self, identity: &Identity, address: Option<IpAddr>) -> Result<()> {
        let Some(key) = identity.key() else { return Ok(()) };
        if !key.admits(address) {
            return Err(Error::AddressNotAllowed(address));
        }
        Ok(())
    }

    /// Says that a plan has no sandbox organisation, and which has.
    pub(super) fn sandbox_refusal(&self, plan: &str) -> Error {
        Error::PlanRequired {
            feature: "a sandbox organization",
            plan: plan.to_owned(),
            needed: self.plan_with(|plan| plan.sandbox_organization),
        }
    }

    /// Says that a plan has no API access, and which has.
    pub fn api_access_refusal(&self, plan: &str) -> Error {
        Error::PlanRequired {
            feature: "API access",
            plan: plan.to_owned(),
            needed: self.plan_with(|plan| plan.api_access),
        }
    }
}

fn public_of(text: &KeyText) -> [u8; 8] {
    let mut public = [0; 8];
    public.copy_from_slice(text.public().as_bytes());
    public
}
