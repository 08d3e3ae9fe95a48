//! What people say of the tables and columns of a source: their names in queries, descriptions, and what is hidden.
//!
//! It is kept by the names that tables and columns have in the source, apart from the data, so that it holds for each
//! extract that comes. What vanished keeps its words until somebody takes them back. Names that were given come first:
//! where a later extract brings a table or column of a name that was given to another, it is the newcomer that gets `_2`
//! behind its own, and no query changes its meaning.

mod change;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

pub use self::change::{TableChange, WordsChange};
use super::result::{Column, ColumnType};
use super::source::{Source, SourceColumn, SourceTable};
use super::time::Timestamp;

/// What is said of one table, or of one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The table's own name.
    pub table: String,
    /// The column's own name; none where the table itself is meant.
    pub column: Option<String>,
    /// What is said.
    #[serde(flatten)]
    pub words: Words,
}

/// What is said of a table or column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Words {
    /// Its name in queries, where that is not its own.
    pub name: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Whether queries do without it.
    pub hidden: bool,
}

/// A table as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTable {
    /// Its name in queries.
    pub name: String,
    /// Its own name.
    pub source_name: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether queries do without it.
    pub hidden: bool,
    /// Whether the present extract has it.
    pub present: bool,
    /// Its rows; none of a live source, which counts them for itself.
    pub rows: Option<u64>,
    /// The length of its extract in bytes.
    pub bytes: u64,
    /// When its data came.
    pub loaded_at: Option<Timestamp>,
    /// The file that it came from.
    pub file: Option<String>,
    /// Its columns in their order, then those that vanished.
    pub columns: Vec<CatalogColumn>,
}

/// A column as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its name in queries.
    pub name: String,
    /// Its own name.
    pub source_name: String,
    /// Its type and whether it holds a null; none when the present extract has it not.
    pub found: Option<(ColumnType, bool)>,
    /// What it is.
    pub description: Option<String>,
    /// Whether queries do without it.
    pub hidden: bool,
}

impl CatalogTable {
    /// Whether queries can name it: a table of which nothing is left to see is none.
    fn is_visible(&self) -> bool {
        self.present && !self.hidden && (self.columns.is_empty() || self.visible().next().is_some())
    }

    /// A table that has vanished, of which nothing is said any more.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { name: self.source_name.clone(), description: None, hidden: false, columns: Vec::new(), ..self }
    }

    /// The columns that queries can name.
    pub fn visible(&self) -> impl Iterator<Item = &CatalogColumn> {
        self.columns.iter().filter(|column| column.found.is_some() && !column.hidden)
    }
}

impl Source {
    /// All tables with all that is said of them: those that are there in their order, then those that vanished.
    pub fn catalog(&self) -> Vec<CatalogTable> {
        let own: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        let (said, gone) = spoken(&own, self.said());
        let names = names(&own, said.iter().map(|said| &said.words));
        let there = self.tables.iter().zip(names).zip(said).map(|((table, name), said)| CatalogTable {
            name,
            source_name: table.name.clone(),
            description: said.words.description,
            hidden: said.words.hidden,
            present: true,
            rows: table.rows,
            bytes: table.bytes,
            loaded_at: table.loaded_at.or(self.last_synced_at),
            file: table.file.clone(),
            columns: columns(&table.columns, said.columns),
        });
        let gone = gone.into_iter().map(|(table, said)| CatalogTable {
            name: said.words.name.unwrap_or_else(|| table.to_owned()),
            source_name: table.to_owned(),
            description: said.words.description,
            hidden: said.words.hidden,
            present: false,
            rows: Some(0),
            bytes: 0,
            loaded_at: None,
            file: None,
            columns: columns(&[], said.columns),
        });
        there.chain(gone).collect()
    }

    /// The tables and columns that queries can name, by these names.
    pub fn visible_tables(&self) -> Vec<SourceTable> {
        let tables = self.catalog().into_iter().filter(CatalogTable::is_visible);
        let tables = tables.map(|table| SourceTable {
            columns: table.visible().filter_map(CatalogColumn::column).collect(),
            name: table.name,
            rows: table.rows,
            bytes: table.bytes,
            loaded_at: table.loaded_at,
            file: table.file,
        });
        tables.collect()
    }

    /// The tables that queries can name, with all that is said of them.
    pub fn visible_catalog(&self) -> impl Iterator<Item = CatalogTable> {
        self.catalog().into_iter().filter(CatalogTable::is_visible)
    }

    /// The table that goes by this name in queries, or else has it as its own.
    pub fn find_table(&self, name: &str) -> Option<CatalogTable> {
        let catalog = self.catalog();
        let found = catalog.iter().position(|table| table.name == name);
        let found = found.or_else(|| catalog.iter().position(|table| table.source_name == name))?;
        catalog.into_iter().nth(found)
    }

    /// Each table of which anything is said, once.
    fn said(&self) -> Vec<(&str, Said<'_>)> {
        let (mut all, mut places) = (Vec::<(&str, Said<'_>)>::new(), HashMap::new());
        for Entry { table, column, words } in &self.words {
            let place = *places.entry(table.as_str()).or_insert(all.len());
            if place == all.len() {
                all.push((table, Said::default()));
            }
            match column {
                None => all[place].1.words = words.clone(),
                Some(column) => all[place].1.columns.push((column, words.clone())),
            }
        }
        all
    }
}

/// What is said of one table.
#[derive(Default)]
struct Said<'e> {
    words: Words,
    columns: Vec<(&'e str, Words)>,
}

fn columns(there: &[SourceColumn], said: Vec<(&str, Words)>) -> Vec<CatalogColumn> {
    let own: Vec<&str> = there.iter().map(|column| column.column.name.as_str()).collect();
    let (said, gone) = spoken(&own, said);
    let names = names(&own, said.iter());
    let there = there.iter().zip(names).zip(said).map(|((column, name), words)| CatalogColumn {
        name,
        source_name: column.column.name.clone(),
        found: Some((column.column.kind, column.nullable)),
        description: words.description,
        hidden: words.hidden,
    });
    let gone = gone.into_iter().map(|(column, words)| CatalogColumn {
        name: words.name.unwrap_or_else(|| column.to_owned()),
        source_name: column.to_owned(),
        found: None,
        description: words.description,
        hidden: words.hidden,
    });
    there.chain(gone).collect()
}

impl CatalogColumn {
    fn column(&self) -> Option<SourceColumn> {
        let (kind, nullable) = self.found?;
        Some(SourceColumn { column: Column { name: self.name.clone(), kind }, nullable })
    }
}

/// What is said of what is there, in its order, and of what is not.
fn spoken<'e, W: Default>(there: &[&str], all: Vec<(&'e str, W)>) -> (Vec<W>, Vec<(&'e str, W)>) {
    let known: HashSet<&str> = there.iter().copied().collect();
    let (present, gone): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| known.contains(name));
    let mut present: HashMap<&str, W> = present.into_iter().collect();
    (there.iter().map(|name| present.remove(name).unwrap_or_default()).collect(), gone)
}

/// Names in queries: given ones first, own ones where no other was given the same.
fn names<'w>(own: &[&str], said: impl Iterator<Item = &'w Words> + Clone) -> Vec<String> {
    let given: HashSet<String> =
        said.clone().filter_map(|words| words.name.as_deref()).map(str::to_lowercase).collect();
    let mut taken: HashSet<String> = own.iter().map(|name| name.to_lowercase()).chain(given.iter().cloned()).collect();
    let name = |(own, words): (&&str, &Words)| match &words.name {
        Some(name) => name.clone(),
        None if !given.contains(&own.to_lowercase()) => (*own).to_owned(),
        None => {
            let free =
                (2_u32..).map(|number| format!("{own}_{number}")).find(|name| !taken.contains(&name.to_lowercase()));
            let free = free.unwrap_or_default();
            taken.insert(free.to_lowercase());
            free
        }
    };
    own.iter().zip(said).map(name).collect()
}

#[cfg(test)]
mod tests;
