//! What sources have that queries are sent to, instead of copying their data.

use super::readings::split;
use super::rules::field;
use super::{Connection, Kind, Mode, What};
use crate::domain::error::{Error, Result};

impl Mode {
    /// Whether sources of a kind can be reached so.
    ///
    /// # Errors
    /// `InvalidField` for those that cannot.
    pub fn check(self, kind: Kind) -> Result<()> {
        if self == Self::Extract || kind.can_be_live() {
            return Ok(());
        }
        let live: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.can_be_live())
            .map(|kind| format!("`{}`", kind.as_str()))
            .collect();
        Err(Error::field("mode", format!("can be `live` for {} only; others are copied.", live.join(", "))))
    }
}

impl Connection {
    /// Whether it says what there is to say of a source in this mode.
    ///
    /// # Errors
    /// `InvalidField` for what is only for sources that are copied.
    pub fn check_mode(&self, mode: Mode) -> Result<()> {
        mode.check(self.kind())?;
        let Some((_, queries, cursor)) = self.parts().filter(|_| mode == Mode::Live) else { return Ok(()) };
        let given = [("queries", queries.is_empty()), ("cursor", cursor.is_empty())];
        match given.into_iter().find(|(_, is_empty)| !is_empty) {
            Some((name, _)) => {
                Err(field(name, "is for data that is copied; a live source is sent each query as it is asked."))
            }
            None => Ok(()),
        }
    }

    /// The tables that are named, with their schemas where they have one; none stands for all of them.
    pub fn tables(&self) -> Vec<(Option<String>, String)> {
        let named = self.parts().map(|(tables, ..)| tables).unwrap_or_default();
        let tables = named.iter().filter_map(|table| match split(table) {
            What::Table { schema, name } => Some((schema, name)),
            What::Query(_) => None,
        });
        tables.collect()
    }
}
