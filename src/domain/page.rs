//! Pages of lists: by number on the platform face, by cursor on the others (PRODUCT 1).

use super::error::{Error, Result};

/// Entries of a page unless told otherwise.
pub const DEFAULT_SIZE: u32 = 20;
/// The most entries of a page.
pub const MAX_SIZE: u32 = 100;

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
