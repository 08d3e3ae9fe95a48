//! Lists: their pages, by number on the platform face and by cursor on the others, their orders, and what
//! narrows every one of them. What narrows the list of one resource stands beside the resource.

use super::cursor::SortKey;
use super::error::{Error, Result};
use super::time::Timestamp;

/// Entries of a page by default.
pub const DEFAULT_SIZE: u32 = 20;
/// The most entries of a page.
pub const MAX_SIZE: u32 = 100;

/// What is asked of a list.
#[derive(Debug, Clone)]
pub struct ListRequest<F> {
    /// Which page.
    pub page: PageRequest,
    /// In which order.
    pub order: Order,
    /// Which entries.
    pub filter: F,
}

impl<F: Default> ListRequest<F> {
    /// What comes after a cursor, of everything, oldest first.
    pub fn after(cursor: Option<String>, limit: u32) -> Self {
        Self { page: PageRequest::After { cursor, limit }, order: Order::default(), filter: F::default() }
    }
}

/// What a list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    /// When entries were made. Ids are given in that order and never again, so they stand for it.
    #[default]
    CreatedAt,
    /// When entries last changed.
    UpdatedAt,
    /// Their names, whatever the case of A to Z.
    Name,
}

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// The smallest, the oldest.
    #[default]
    Ascending,
    /// The largest, the newest.
    Descending,
}

/// The order of a list. What is equal by it stands in the order of ids, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// What counts.
    pub by: SortBy,
    /// Which end comes first.
    pub direction: Direction,
}

impl Order {
    /// Both directions of an order.
    pub const fn both(by: SortBy) -> [Self; 2] {
        [Self { by, direction: Direction::Ascending }, Self { by, direction: Direction::Descending }]
    }

    /// As `sort` spells it.
    pub const fn as_str(self) -> &'static str {
        match (self.by, self.direction) {
            (SortBy::CreatedAt, Direction::Ascending) => "created_at",
            (SortBy::CreatedAt, Direction::Descending) => "-created_at",
            (SortBy::UpdatedAt, Direction::Ascending) => "updated_at",
            (SortBy::UpdatedAt, Direction::Descending) => "-updated_at",
            (SortBy::Name, Direction::Ascending) => "name",
            (SortBy::Name, Direction::Descending) => "-name",
        }
    }
}

/// An entry of a list, as orders see it.
pub trait Entry {
    /// Its row.
    fn row(&self) -> i64;

    /// What an order by name compares.
    fn name(&self) -> &str;

    /// When it last changed; when it was made, where changes are not told of.
    fn updated_at(&self) -> Timestamp;

    /// Where it stands.
    fn position(&self, by: SortBy) -> Position {
        let key = match by {
            SortBy::CreatedAt => None,
            SortBy::UpdatedAt => Some(SortKey::Integer(self.updated_at().millis())),
            SortBy::Name => Some(SortKey::Text(self.name().to_owned())),
        };
        Position { key, row: self.row() }
    }
}

/// A place in a list, held by its last entry so far, whether or not that is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// What the order compares first; `None` where rows alone make the order.
    pub key: Option<SortKey>,
    /// The row.
    pub row: i64,
}

/// When entries were made and changed. Spans that adjoin share no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Times {
    /// Made at this instant or later.
    pub created_after: Option<Timestamp>,
    /// Made before this instant.
    pub created_before: Option<Timestamp>,
    /// Changed at this instant or later.
    pub updated_after: Option<Timestamp>,
}

/// Which page of a list.
#[derive(Debug, Clone)]
pub enum PageRequest {
    /// The page of this number, from one.
    Number {
        /// From one.
        page: u32,
        /// Entries of a page.
        size: u32,
    },
    /// What comes after a cursor; `None`: the beginning.
    After {
        /// The cursor as the client sent it.
        cursor: Option<String>,
        /// Entries at most.
        limit: u32,
    },
}

impl PageRequest {
    /// A page by number. A size over the maximum is refused, not cut.
    pub fn number(page: Option<u32>, size: Option<u32>) -> Result<Self> {
        let page = page.unwrap_or(1);
        if page == 0 {
            return Err(Error::parameter("page", "must be 1 or more."));
        }
        Ok(Self::Number { page, size: checked("page_size", size)? })
    }

    /// What comes after a cursor.
    pub fn after(cursor: Option<String>, limit: Option<u32>) -> Result<Self> {
        Ok(Self::After { cursor, limit: checked("limit", limit)? })
    }

    /// Entries of the page at most.
    pub fn size(&self) -> u32 {
        match self {
            Self::Number { size, .. } => *size,
            Self::After { limit, .. } => *limit,
        }
    }
}

fn checked(name: &str, size: Option<u32>) -> Result<u32> {
    match size.unwrap_or(DEFAULT_SIZE) {
        size @ 1..=MAX_SIZE => Ok(size),
        _ => Err(Error::parameter(name, format!("must be 1 to {MAX_SIZE}."))),
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// What comes next.
    pub more: More,
}

/// What comes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum More {
    /// For pages by number: the count of all entries, and this page's number and size.
    Count {
        /// All entries.
        total: u64,
        /// This page.
        page: u32,
        /// Entries of a page.
        size: u32,
    },
    /// For pages by cursor: the cursor of the next page, if there is one.
    Cursor(Option<String>),
}

impl<T> Page<T> {
    /// The same page of other entries.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), more: self.more }
    }
}
