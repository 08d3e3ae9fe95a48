//! Query parameters by name and type. A wrong value is refused with the parameter's name and what would be right.

use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Kind};
use crate::domain::page::Times;
use crate::domain::time::Timestamp;
use crate::http::face::Face;

/// The longest text that is searched for, in characters.
pub const TEXT_LENGTH: usize = 200;

/// What stands in the query of a request, decoded, each name at most once.
pub struct Given<'a> {
    pairs: &'a [(String, String)],
    /// The face that it was sent to.
    pub face: Face,
}

impl<'a> Given<'a> {
    /// The query of a request on this face.
    pub fn new(pairs: &'a [(String, String)], face: Face) -> Self {
        Self { pairs, face }
    }

    /// A parameter as it stands.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<u32>> {
        let number = |text: &str| text.parse().map_err(|_| Error::parameter(name, "must be a whole number."));
        self.text(name).map(number).transpose()
    }

    /// A text to be found in another; nothing to look for narrows nothing.
    pub fn sought(&self, name: &str) -> Result<Option<String>> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        if text.chars().count() > TEXT_LENGTH {
            return Err(Error::parameter(name, format!("may have {TEXT_LENGTH} characters at most.")));
        }
        Ok(Some(text.to_owned()))
    }

    /// One of several values, by its name.
    pub fn one_of<T: Copy>(&self, name: &str, all: &[T], spelled: impl Fn(T) -> &'static str) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = all.iter().copied().find(|value| spelled(*value) == text);
        found.map(Some).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|value| spelled(*value)).collect();
            Error::parameter(name, format!("must be one of {}.", names.join(", ")))
        })
    }

    /// An id in any spelling of the face. What is no id is an unknown one.
    pub fn id<K: Kind>(&self, name: &str) -> Option<IdRef<K>> {
        self.text(name).map(|text| self.spelled(text))
    }

    /// The id that a text spells by the rules of the face.
    pub fn spelled<K: Kind>(&self, text: &str) -> IdRef<K> {
        IdRef::parse(text, self.face.bare_integers())
    }

    /// An instant.
    pub fn instant(&self, name: &str) -> Result<Option<Timestamp>> {
        let wrong = || {
            Error::parameter(
                name,
                "must be an instant as RFC 3339 has it, such as 2026-04-06T09:14:22Z; write `+` as %2B.",
            )
        };
        self.text(name).map(|text| Timestamp::parse(text).ok_or_else(wrong)).transpose()
    }

    /// When entries were made and changed.
    pub fn times(&self) -> Result<Times> {
        Ok(Times {
            created_after: self.instant("created_after")?,
            created_before: self.instant("created_before")?,
            updated_after: self.instant("updated_after")?,
        })
    }
}
