//! From a page's request to a slice of the store, and back to a page with its cursor or count.

use super::app::App;
use super::caller::Caller;
use crate::domain::cursor::{self, Cursor, SortKey};
use crate::domain::error::{Error, Result};
use crate::domain::page::{More, Page, PageRequest};
use crate::store::{Main, Reader, Slice};

/// Lists are ordered by id, which is the order in which things were made.
const ORDER: &str = "id";

impl App {
    /// A page of a list.
    ///
    /// `filter` tells lists apart whose cursors must not be exchanged: the list's name and whatever narrows it.
    pub(super) fn page<T>(
        &self,
        caller: &Caller,
        request: &PageRequest,
        filter: &str,
        list: impl FnOnce(&Reader<'_, Main>, Slice) -> Result<Vec<T>>,
        count: impl FnOnce(&Reader<'_, Main>) -> Result<u64>,
        id: impl Fn(&T) -> i64,
    ) -> Result<Page<T>> {
        match request {
            PageRequest::Number { page, size } => self.store.read_now(|db| {
                let skip = u64::from(page - 1) * u64::from(*size);
                let items = list(db, Slice::Offset(skip, *size))?;
                Ok(Page { items, more: More::Count { total: count(db)?, page: *page, size: *size } })
            }),
            PageRequest::After { cursor, limit } => {
                let filter = fingerprint(filter);
                let after = self.position(caller, cursor.as_deref(), filter)?;
                let mut items = self.store.read_now(|db| list(db, Slice::After(after, limit + 1)))?;
                let more = items.len() > *limit as usize;
                items.truncate(*limit as usize);
                let next = more.then(|| items.last().map(|last| self.cursor(caller, id(last), filter))).flatten();
                Ok(Page { items, more: More::Cursor(next) })
            }
        }
    }

    fn position(&self, caller: &Caller, cursor: Option<&str>, filter: u64) -> Result<i64> {
        let Some(text) = cursor else { return Ok(0) };
        let secret = self.keyring.cursors.current().1;
        let keys = cursor::decode(secret.expose(), text, caller.org().raw(), ORDER, filter);
        match keys.as_deref() {
            Some([SortKey::Integer(id)]) => Ok(*id),
            _ => Err(Error::InvalidCursor),
        }
    }

    fn cursor(&self, caller: &Caller, id: i64, filter: u64) -> String {
        let keys = [SortKey::Integer(id)];
        let cursor = Cursor { org: caller.org().raw(), order: ORDER, filter_hash: filter, keys: &keys };
        cursor::encode(self.keyring.cursors.current().1.expose(), &cursor)
    }
}

/// FNV-1a: cursors are signed, so this only has to tell lists apart.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
