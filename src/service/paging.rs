//! From what is asked of a list to a slice of the store, and back to a page with its cursor or count.

use std::hash::{Hash, Hasher};

use super::app::App;
use super::caller::Caller;
use crate::domain::cursor::{self, Cursor, SortKey};
use crate::domain::error::{Error, Result};
use crate::domain::page::{Entry, ListRequest, More, Order, Page, PageRequest, Position, SortBy};
use crate::store::{Main, Reader, Slice, Start};

impl App {
    /// A page of a list.
    ///
    /// `scope` tells lists apart whose cursors must not be exchanged: the list's name, and what narrows it beside the
    /// request's filter.
    pub(super) fn page<T: Entry, F: Hash>(
        &self,
        caller: &Caller,
        scope: impl Hash,
        request: &ListRequest<F>,
        list: impl FnOnce(&Reader<'_, Main>, &F, &Slice) -> Result<Vec<T>>,
        count: impl FnOnce(&Reader<'_, Main>, &F) -> Result<u64>,
    ) -> Result<Page<T>> {
        let ListRequest { page, order, filter } = request;
        match page {
            PageRequest::Number { page, size } => self.store.read_now(|db| {
                let start = Start::Offset(u64::from(page - 1) * u64::from(*size));
                let items = list(db, filter, &Slice { order: *order, start, take: *size })?;
                Ok(Page { items, more: More::Count { total: count(db, filter)?, page: *page, size: *size } })
            }),
            PageRequest::After { cursor, limit } => {
                let hash = fingerprint((scope, filter));
                let start = Start::After(self.position(caller, cursor.as_deref(), *order, hash)?);
                let slice = Slice { order: *order, start, take: limit + 1 };
                let mut items = self.store.read_now(|db| list(db, filter, &slice))?;
                let more = items.len() > *limit as usize;
                items.truncate(*limit as usize);
                let last = items.last().filter(|_| more).map(|last| last.position(order.by));
                let next = last.map(|last| self.cursor(caller, last, *order, hash));
                Ok(Page { items, more: More::Cursor(next) })
            }
        }
    }

    pub(super) fn position(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        order: Order,
        hash: u64,
    ) -> Result<Option<Position>> {
        let Some(text) = cursor else { return Ok(None) };
        let secret = self.keyring.cursors.current().1;
        let mut keys = cursor::decode(secret.expose(), text, caller.org().raw(), order.as_str(), hash)
            .ok_or(Error::InvalidCursor)?
            .into_iter();
        let key = if order.by == SortBy::CreatedAt { None } else { keys.next() };
        match keys.next() {
            Some(SortKey::Integer(row)) => Ok(Some(Position { key, row })),
            _ => Err(Error::InvalidCursor),
        }
    }

    pub(super) fn cursor(&self, caller: &Caller, last: Position, order: Order, hash: u64) -> String {
        let keys: Vec<SortKey> = last.key.into_iter().chain([SortKey::Integer(last.row)]).collect();
        let cursor = Cursor { org: caller.org().raw(), order: order.as_str(), filter_hash: hash, keys: &keys };
        cursor::encode(self.keyring.cursors.current().1.expose(), &cursor)
    }
}

/// FNV-1a: the same in every run of the program. Cursors are signed, so this only has to tell lists apart.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(super) fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    value.hash(&mut hasher);
    hasher.finish()
}
