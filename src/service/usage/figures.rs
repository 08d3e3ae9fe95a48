//! What calls add up to: series over time, and what operations, keys and users add to them. Calls are counted by the
//! writer of the audit log; credits are those that the ledger says were taken, work in the background included.

use std::collections::HashMap;
use std::hash::Hash;

use crate::domain::access::Permission;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Key as KeyKind, KeyId, OrgId, User as UserKind, UserId};
use crate::domain::key::{Key, Owner};
use crate::domain::operation::Operation;
use crate::domain::time::Timestamp;
use crate::domain::usage::{Bucket, Callers, Figures, Window};
use crate::domain::user::User;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::store::audit::usage::{self, Calls, Counted};
use crate::store::main::keys::Whose;
use crate::store::main::ledger::{self, By, Spending};
use crate::store::main::{keys, users};

/// What stands for the operation of calls that met none.
const NONE: &str = "none";

/// What is asked of figures.
#[derive(Debug, Clone, Default)]
pub struct FiguresRequest {
    /// The length of the buckets; an hour by default.
    pub bucket: Option<Bucket>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub to: Option<Timestamp>,
    /// Of this key and those of its rotations; with its id as it was spelled.
    pub key: Option<(IdRef<KeyKind>, String)>,
    /// Of this user; as it was spelled.
    pub user: Option<(Owner, String)>,
    /// Of this operation.
    pub operation: Option<String>,
    /// How many entries of a ranking.
    pub top: usize,
}

/// Figures bucket by bucket, without gaps.
#[derive(Debug)]
pub struct Series {
    /// The time that is told of.
    pub window: Window,
    /// The second that each bucket begins with, and its figures.
    pub points: Vec<(i64, Figures)>,
    /// All of it.
    pub total: Figures,
}

/// Figures by what they are of, the most calls first.
#[derive(Debug)]
pub struct Ranking<T> {
    /// The time that is told of.
    pub window: Window,
    /// The first of them.
    pub entries: Vec<(T, Figures)>,
    /// All of them, those that are not listed included.
    pub total: Figures,
}

/// A question that its caller may ask.
struct Asked {
    org: OrgId,
    window: Window,
    callers: Callers,
    operation: Option<&'static str>,
}

impl App {
    /// Figures over time.
    pub async fn usage_series(&self, caller: &Caller, request: FiguresRequest) -> Result<Series> {
        caller.require(Permission::UsageRead)?;
        let asked = self.asked(caller, &request)?;
        let window = asked.window;
        let by = By::Bucket(window.bucket.seconds());
        let mut found = self.figures(asked, vec![window], by, |counted| Some(counted.start)).await?;
        let points: Vec<_> = window.starts().map(|start| (start, found.remove(&start).unwrap_or_default())).collect();
        Ok(Series { window, total: total(points.iter().map(|(_, figures)| figures)), points })
    }

    /// The operations that were called most.
    pub async fn usage_of_operations(&self, caller: &Caller, request: FiguresRequest) -> Result<Ranking<String>> {
        caller.require(Permission::UsageRead)?;
        let asked = self.asked(caller, &request)?;
        let window = asked.window;
        let group = |counted: &Counted| Some(counted.operation.clone());
        let found = self.figures(asked, window.pieces(), By::Operation, group).await?;
        ranked(window, found, request.top, |operation| Ok(Some(operation)))
    }

    /// The keys that called most.
    pub async fn usage_of_keys(&self, caller: &Caller, request: FiguresRequest) -> Result<Ranking<Key>> {
        caller.require(Permission::UsageRead)?;
        let asked = self.told_apart(self.asked(caller, &request)?)?;
        let (org, window) = (asked.org, asked.window);
        let found = self.figures(asked, window.pieces(), By::Key, |counted| counted.key.map(KeyId::raw)).await?;
        ranked(window, found, request.top, |id| {
            let id = IdRef::Number(KeyId::new(id));
            self.store.read_now(|db| Ok(keys::find(db, org, &id, Whose::Everyones)?))
        })
    }

    /// The users who called most, by their keys and in sessions.
    pub async fn usage_of_users(&self, caller: &Caller, request: FiguresRequest) -> Result<Ranking<User>> {
        caller.require(Permission::UsageRead)?;
        let asked = self.told_apart(self.asked(caller, &request)?)?;
        let (home, window) = (caller.home(), asked.window);
        let found = self.figures(asked, window.pieces(), By::User, |counted| counted.user.map(UserId::raw)).await?;
        ranked(window, found, request.top, |id| {
            self.store.read_now(|db| Ok(users::find(db, home, &IdRef::Number(UserId::new(id)))?))
        })
    }

    /// Reads what is asked for, on a thread that may block, and groups it. What has no group is left out.
    async fn figures<K: Eq + Hash + Send + 'static + ledger::Group>(
        &self,
        asked: Asked,
        pieces: Vec<Window>,
        by: By,
        group: impl Fn(&Counted) -> Option<K> + Send + 'static,
    ) -> Result<HashMap<K, Figures>> {
        let Asked { org, window, callers, operation } = asked;
        let spending = Spending::of(&callers, operation);
        let mut found = self
            .store
            .read_figures(move |usage| {
                let mut found: HashMap<K, Figures> = HashMap::new();
                let calls = Calls { org, callers: &callers, operation };
                for piece in &pieces {
                    usage::each(usage, &calls, piece, |counted| {
                        if let Some(group) = group(&counted) {
                            found.entry(group).or_default().merge(&counted.figures);
                        }
                    })?;
                }
                Ok(found)
            })
            .await?;
        // What calls took is part of what the ledger says, which also knows what work in the background took.
        found.values_mut().for_each(|figures| figures.credits = 0);
        let spent = self.store.read(move |db| Ok(ledger::spent::<K>(db, org, &spending, &window, by)?)).await?;
        for (group, credits) in spent {
            found.entry(group).or_default().credits = credits;
        }
        Ok(found)
    }

    /// Checks a question: a key asks about itself, a session about its user, and whoever may read the organisation's audit
    /// log or manage its keys about all of it.
    fn asked(&self, caller: &Caller, request: &FiguresRequest) -> Result<Asked> {
        let bucket = request.bucket.unwrap_or(Bucket::Hour);
        let window = Window::of(bucket, request.from, request.to, caller.at)?;
        let operation = match request.operation.as_deref() {
            None => None,
            Some(NONE) => Some(NONE),
            Some(name) => Some(Operation::find(name).map(|operation| operation.id).ok_or_else(|| {
                let name = Error::clipped(name);
                Error::parameter("operation", format!("`{name}` is no operation; name one by its `operationId`."))
            })?),
        };
        Ok(Asked { org: caller.org(), window, callers: self.callers(caller, request)?, operation })
    }

    fn callers(&self, caller: &Caller, request: &FiguresRequest) -> Result<Callers> {
        let (org, own) = (caller.org(), caller.identity().holder.user);
        let user = request.user.as_ref().map(|(user, spelled)| self.asked_user(caller, user, spelled)).transpose()?;
        if let Some((id, spelled)) = &request.key {
            let found = self.store.read_now(|db| Ok(keys::find(db, org, id, Whose::Everyones)?))?;
            let key = found.filter(|key| caller.sees_figures_of(key) && user.is_none_or(|user| user == key.owner));
            let key = key.ok_or_else(|| Error::not_found::<KeyKind>(spelled))?;
            return Ok(Callers::Keys(self.store.read_now(|db| Ok(keys::lineage(db, org, key.lineage)?))?));
        }
        match (user, caller.identity().key()) {
            (Some(user), _) => self.of_user(org, user),
            (None, _) if caller.sees_all_figures() => Ok(Callers::Everyone),
            (None, Some(key)) => {
                let lineage = key.lineage;
                Ok(Callers::Keys(self.store.read_now(|db| Ok(keys::lineage(db, org, lineage)?))?))
            }
            (None, None) => self.of_user(org, own),
        }
    }

    fn of_user(&self, org: OrgId, user: UserId) -> Result<Callers> {
        let ids = self.store.read_now(|db| Ok(keys::ids(db, org, Whose::Of(user))?))?;
        Ok(Callers::User(user, ids))
    }

    fn asked_user(&self, caller: &Caller, user: &Owner, spelled: &str) -> Result<UserId> {
        let holder = &caller.identity().holder;
        if !caller.sees_all_figures() {
            let themselves = match user {
                Owner::Id(IdRef::Number(id)) => *id == holder.user,
                Owner::Id(IdRef::Uuid(uuid)) => *uuid == holder.user_uuid,
                Owner::Id(IdRef::Unknown) => false,
                Owner::Email(email) => *email == holder.email,
            };
            if caller.identity().key().is_some() || !themselves {
                caller.require(Permission::AuditRead)?;
            }
            return Ok(holder.user);
        }
        let home = caller.home();
        let found = self.store.read_now(|db| match user {
            Owner::Id(id) => Ok(users::find(db, home, id)?),
            Owner::Email(email) => Ok(users::find_by_email(db, email)?.filter(|found| found.org == home)),
        })?;
        found.map(|found| found.id).ok_or_else(|| Error::not_found::<UserKind>(spelled))
    }

    /// The same calls, with keys and users told apart.
    fn told_apart(&self, asked: Asked) -> Result<Asked> {
        let callers = match asked.callers {
            Callers::Everyone => {
                Callers::Each(self.store.read_now(|db| Ok(keys::ids(db, asked.org, Whose::Everyones)?))?)
            }
            some => some,
        };
        Ok(Asked { callers, ..asked })
    }
}

fn total<'f>(all: impl Iterator<Item = &'f Figures>) -> Figures {
    all.fold(Figures::default(), |mut sum, figures| {
        sum.merge(figures);
        sum
    })
}

/// The first of them, by calls and then by credits. What is not there any more counts in the total alone.
fn ranked<K: Ord + Clone, T>(
    window: Window,
    found: HashMap<K, Figures>,
    top: usize,
    mut name: impl FnMut(K) -> Result<Option<T>>,
) -> Result<Ranking<T>> {
    let total = total(found.values());
    let mut found: Vec<(K, Figures)> = found.into_iter().collect();
    found.sort_by(|(one, its), (other, others)| {
        let order = |figures: &Figures| (figures.calls(), figures.credits);
        order(others).cmp(&order(its)).then_with(|| one.cmp(other))
    });
    let mut entries = Vec::new();
    for (key, figures) in found.into_iter().take(top) {
        if let Some(named) = name(key)? {
            entries.push((named, figures));
        }
    }
    Ok(Ranking { window, entries, total })
}
