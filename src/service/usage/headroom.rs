//! What keys have left of their limits now: asked of the windows themselves, which consumes nothing.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;

use crate::domain::access::{Permission, Permissions};
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind, KeyId};
use crate::domain::key::Key;
use crate::domain::page::MAX_SIZE;
use crate::domain::window::Headroom;
use crate::service::app::App;
use crate::service::caller::{Caller, Identity, KeyFacts, Who};
use crate::store::main::keys::{self, Whose};

/// How often a stream looks.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks it also looks which keys there are.
const LOOKS: u32 = 5;

/// A key with what it has left.
#[derive(Debug, Clone)]
pub struct KeyHeadroom {
    /// The key.
    pub key: Key,
    /// Its windows.
    pub headroom: Headroom,
}

/// Someone who watches.
struct Watching {
    app: App,
    caller: Caller,
    asked: Option<(IdRef<KeyKind>, String)>,
    keys: Vec<Key>,
    looks: u32,
    told: HashMap<i64, Vec<(u32, u32)>>,
    ticks: tokio::time::Interval,
}

impl App {
    /// What keys have left: the one that is asked for; otherwise, of a key, itself, and in a session those that work of
    /// its user or, for whoever sees all figures, of the organisation, the newest of them.
    pub fn headrooms(&self, caller: &Caller, asked: Option<&(IdRef<KeyKind>, String)>) -> Result<Vec<KeyHeadroom>> {
        caller.require(Permission::UsageRead)?;
        let keys = self.watched_keys(caller, asked)?;
        keys.into_iter().map(|key| self.headroom_of(caller, key)).collect()
    }

    /// The same whenever it changes: first all of it, then those that differ from what was told of them last.
    pub fn watch_headrooms(
        &self,
        caller: &Caller,
        asked: Option<(IdRef<KeyKind>, String)>,
    ) -> Result<impl Stream<Item = Result<Vec<KeyHeadroom>>> + Send + use<>> {
        caller.require(Permission::UsageRead)?;
        let watching = Watching {
            keys: self.watched_keys(caller, asked.as_ref())?,
            app: self.clone(),
            caller: caller.clone(),
            asked,
            looks: 0,
            told: HashMap::new(),
            ticks: tokio::time::interval(LOOK),
        };
        Ok(unfold(watching, |mut watching| async move {
            let news = watching.news().await;
            Some((news, watching))
        }))
    }

    fn watched_keys(&self, caller: &Caller, asked: Option<&(IdRef<KeyKind>, String)>) -> Result<Vec<Key>> {
        let org = caller.org();
        let one = |id: &IdRef<KeyKind>, spelled: &str| {
            let found = self.store.read_now(|db| Ok(keys::find(db, org, id, Whose::Everyones)?))?;
            let key = found.filter(|key| caller.sees_figures_of(key));
            key.map(|key| vec![key]).ok_or_else(|| Error::not_found::<KeyKind>(spelled))
        };
        match (asked, caller.identity().key()) {
            (Some((id, spelled)), _) => one(id, spelled),
            (None, Some(own)) if !caller.sees_all_figures() => one(&IdRef::Number(own.id), ""),
            (None, _) => {
                let user = caller.identity().holder.user;
                let whose = if caller.sees_all_figures() { Whose::Everyones } else { Whose::Of(user) };
                let now = self.clock.now();
                self.store.read_now(|db| Ok(keys::newest(db, org, whose, now, MAX_SIZE)?))
            }
        }
    }

    fn headroom_of(&self, caller: &Caller, key: Key) -> Result<KeyHeadroom> {
        let plan = caller.identity().plan.clone();
        let mut public = [0; 8];
        let length = key.public.len().min(public.len());
        public[..length].copy_from_slice(&key.public.as_bytes()[..length]);
        let identity = Identity {
            limits: plan.key_limits(self.settings.key_per_minute).lower(key.limits),
            // Windows ask nothing but whose they are and how wide.
            permissions: Permissions::NONE,
            holder: caller.identity().holder.clone(),
            plan,
            who: Who::Key(KeyFacts {
                id: key.id,
                uuid: key.uuid,
                lineage: key.lineage,
                name: key.name.clone(),
                public,
                prefix: key.prefix(),
                grant: key.grant,
                expires_at: key.ends_at(),
                allowlist: key.allowlist.clone(),
                own_limits: key.limits,
            }),
        };
        let headroom = self.headroom(&identity)?.unwrap_or_default();
        Ok(KeyHeadroom { key, headroom })
    }
}

impl Watching {
    /// What has changed when the next look is due.
    async fn news(&mut self) -> Result<Vec<KeyHeadroom>> {
        self.ticks.tick().await;
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS) {
            self.keys = self.app.watched_keys(&self.caller, self.asked.as_ref())?;
            self.told.retain(|id, _| self.keys.iter().any(|key| key.id.raw() == *id));
        }
        let mut news = Vec::new();
        for key in &self.keys {
            let found = self.app.headroom_of(&self.caller, key.clone())?;
            // Not when room comes back: an unused window says that it does so now, and now is always another instant.
            let rooms: Vec<_> = found.headroom.iter().map(|(_, room)| (room.limit, room.remaining)).collect();
            if self.told.insert(KeyId::raw(key.id), rooms.clone()).is_none_or(|before| before != rooms) {
                news.push(found);
            }
        }
        Ok(news)
    }
}
