//! Looking entries up: pages of them, one of them, and parts for whoever streams or prints them.

use serde_json::Value;

use crate::domain::access::Permission;
use crate::domain::audit::entry::{Call, Entry};
use crate::domain::audit::filter::AuditFilter;
use crate::domain::audit::{Filter, Hash};
use crate::domain::error::{Error, Result};
use crate::domain::id::{AuditEntry, IdRef};
use crate::domain::key::Owner;
use crate::domain::page::{ListRequest, More, Order, Page, PageRequest, Position};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::paging::fingerprint;
use crate::store::audit::search::{self, Found, Part, Search};
use crate::store::main::{changes, keys, users};

/// Entries that one request may look at where summaries do not help: a page may then have fewer entries than it could,
/// and a cursor.
const LOOKS: i64 = 64 * 1_024;
/// Entries that pages by number reach, and that their count tells of, at most.
const COUNTED: usize = 10_000;
/// Entries that may be looked at for them where summaries do not help: without an end, a filter that little meets would
/// read a log of millions for each page.
const COUNTED_LOOKS: i64 = 1_000_000;
/// Bytes of changes after which a part ends, with a cursor to go on from: as many entries as a part may have could bring
/// more than is good to hold and to send at once.
const PART_BYTES: usize = 4 << 20;
/// What no row has: a filter that names an object which is not there admits nothing.
const NOBODY: i64 = 0;

/// An entry with what it changed.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its number.
    pub seq: i64,
    /// Its hash.
    pub hash: Hash,
    /// What it says.
    pub entry: Entry,
    /// The changes whose digests it has, as far as they are kept.
    pub changes: Vec<RecordedChange>,
}

/// A change as the log shows it.
#[derive(Debug, Clone)]
pub struct RecordedChange {
    /// `<resource>.<verb>`.
    pub action: String,
    /// The object's prefixed id.
    pub object: String,
    /// Who.
    pub actor: String,
    /// What it was, without secrets.
    pub before: Option<Value>,
    /// What it is, without secrets.
    pub after: Option<Value>,
    /// What the entry carries of it.
    pub digest: Hash,
}

impl App {
    /// A page of the organisation's entries.
    pub async fn audit_entries(&self, caller: &Caller, request: &ListRequest<AuditFilter>) -> Result<Page<Record>> {
        caller.require(Permission::AuditRead)?;
        let filter = self.audit_filter(caller, &request.filter)?;
        let order = request.order;
        match &request.page {
            PageRequest::Number { page, size } => self.numbered(filter, order, *page, *size).await,
            PageRequest::After { cursor, limit } => {
                let hash = fingerprint(("audit", &filter));
                let after = self.position(caller, cursor.as_deref(), order, hash)?.map(|position| position.row);
                let (records, next) = self.audit_part(filter, order, after, *limit as usize, LOOKS).await?;
                let next = next.map(|row| self.cursor(caller, Position { key: None, row }, order, hash));
                Ok(Page { items: records, more: More::Cursor(next) })
            }
        }
    }

    async fn numbered(&self, filter: Filter, order: Order, page: u32, size: u32) -> Result<Page<Record>> {
        let (direction, reach) = (order.direction, COUNTED);
        let found = self
            .store
            .read_audit(move |db| {
                let all = Search { filter: &filter, direction, after: None, take: reach, looks: COUNTED_LOOKS };
                Ok(search::search(db, &all)?.found)
            })
            .await?;
        let total = found.len() as u64;
        let skipped = (page as usize - 1).saturating_mul(size as usize);
        // Their number is what the page says: it ends no earlier.
        let (items, _) =
            self.with_changes(found.into_iter().skip(skipped).take(size as usize).collect(), usize::MAX)?;
        Ok(Page { items, more: More::Count { total, page, size } })
    }

    /// One entry of the organisation.
    pub fn audit_entry(&self, caller: &Caller, id: &IdRef<AuditEntry>, spelled: &str) -> Result<Record> {
        caller.require(Permission::AuditRead)?;
        let missing = || Error::not_found::<AuditEntry>(spelled);
        let IdRef::Number(seq) = id else { return Err(missing()) };
        let found = self.store.read_audit_now(|db| Ok(search::find(db, caller.org().raw(), seq.raw())?))?;
        self.with_changes(vec![found.ok_or_else(missing)?], usize::MAX)?.0.pop().ok_or_else(missing)
    }

    /// Some entries after a place, and where to go on if there may be more: they may be fewer than were asked for. For
    /// streams of callers who were asked for their permission, and for the operator.
    pub async fn audit_part(
        &self,
        filter: Filter,
        order: Order,
        after: Option<i64>,
        take: usize,
        looks: i64,
    ) -> Result<(Vec<Record>, Option<i64>)> {
        let Part { found, next } = self
            .store
            .read_audit(move |db| {
                let part = Search { filter: &filter, direction: order.direction, after, take, looks };
                Ok(search::search(db, &part)?)
            })
            .await?;
        let (records, are_all) = self.with_changes(found, PART_BYTES)?;
        let next = if are_all { next } else { records.last().map(|record| record.seq) };
        Ok((records, next))
    }

    /// The entries with their changes, the first one and further ones until these have so many bytes; and whether that
    /// is all of them.
    fn with_changes(&self, found: Vec<Found>, most: usize) -> Result<(Vec<Record>, bool)> {
        self.store.read_now(|db| {
            let (mut records, mut bytes) = (Vec::with_capacity(found.len()), 0_usize);
            for Found { seq, hash, entry } in found {
                if bytes > most {
                    return Ok((records, false));
                }
                let digests = match &entry {
                    Entry::Call(call) => call.changes.clone(),
                    Entry::Event(event) => event.digest.into_iter().collect(),
                    Entry::Flood(_) => Vec::new(),
                };
                let mut changes = Vec::with_capacity(digests.len());
                for digest in &digests {
                    if let Some(change) = changes::find(db, digest)? {
                        bytes = bytes.saturating_add(change.bytes);
                        changes.push(RecordedChange::from(change));
                    }
                }
                records.push(Record { seq, hash, entry, changes });
            }
            Ok((records, true))
        })
    }

    /// What a caller asks for, with its names looked up.
    pub(super) fn audit_filter(&self, caller: &Caller, asked: &AuditFilter) -> Result<Filter> {
        let (org, home) = (caller.org(), caller.home());
        let key = match &asked.key {
            Some(id) => {
                let whose = keys::Whose::Everyones;
                let found = self.store.read_now(|db| Ok(keys::find(db, org, id, whose)?))?;
                Some(found.map_or(NOBODY, |key| key.id.raw()))
            }
            None => None,
        };
        let user = match &asked.user {
            None => None,
            Some(Owner::Id(id)) => Some(self.store.read_now(|db| Ok(users::find(db, home, id)?))?),
            Some(Owner::Email(email)) => Some(self.store.read_now(|db| Ok(users::find_by_email(db, email)?))?),
        };
        Ok(Filter {
            org: Some(org.raw()),
            key,
            user: user.map(|found| found.map_or(NOBODY, |user| user.id.raw())),
            ..asked.plain()
        })
    }
}

impl From<changes::Kept> for RecordedChange {
    fn from(kept: changes::Kept) -> Self {
        let changes::Kept { action, object, actor, before, after, digest, bytes: _ } = kept;
        Self { action, object, actor, before, after, digest }
    }
}

impl Record {
    /// The call, if it is one.
    pub fn call(&self) -> Option<&Call> {
        match &self.entry {
            Entry::Call(call) => Some(call),
            Entry::Event(_) | Entry::Flood(_) => None,
        }
    }
}
