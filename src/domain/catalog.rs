//! What people say of the tables and columns of a source: their names in queries, descriptions, and what is hidden.
//!
//! It is kept by the names that tables and columns have in the source, apart from the data, so that it holds for each
//! extract that comes. What vanished keeps its words until somebody takes them back. Names that were given come first:
//! where a later extract brings a table or column of a name that was given to another, it is the newcomer that gets `_2`
//! behind its own, and no query changes its meaning.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::org;
use super::result::{Column, ColumnType};
use super::source::{Source, SourceColumn, SourceTable, sql_name};
use super::time::Timestamp;

/// Characters of a name.
const LONGEST_NAME: usize = 200;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 1_000;
/// Tables and columns of one source that may have words.
const MOST_DESCRIBED: usize = 2_000;

/// What is said of one table, or of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Its rows.
    pub rows: u64,
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
        let (said, gone) = spoken(&own, |name| self.said_of(name, None), self.tables_said());
        let names = names(&own, &said);
        let there = self.tables.iter().zip(names).zip(said).map(|((table, name), words)| CatalogTable {
            name,
            source_name: table.name.clone(),
            description: words.description,
            hidden: words.hidden,
            present: true,
            rows: table.rows,
            bytes: table.bytes,
            loaded_at: table.loaded_at.or(self.last_synced_at),
            file: table.file.clone(),
            columns: self.columns(&table.name, &table.columns),
        });
        let gone = gone.into_iter().map(|(table, words)| CatalogTable {
            name: words.name.unwrap_or_else(|| table.to_owned()),
            source_name: table.to_owned(),
            description: words.description,
            hidden: words.hidden,
            present: false,
            rows: 0,
            bytes: 0,
            loaded_at: None,
            file: None,
            columns: self.columns(table, &[]),
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

    fn columns(&self, table: &str, there: &[SourceColumn]) -> Vec<CatalogColumn> {
        let own: Vec<&str> = there.iter().map(|column| column.column.name.as_str()).collect();
        let of_table = self.words.iter().filter(|entry| entry.table == table);
        let of_columns = of_table.filter_map(|entry| Some((entry.column.as_deref()?, entry.words.clone())));
        let (said, gone) = spoken(&own, |name| self.said_of(table, Some(name)), of_columns);
        let names = names(&own, &said);
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

    fn said_of(&self, table: &str, column: Option<&str>) -> Words {
        let found = self.words.iter().find(|entry| entry.table == table && entry.column.as_deref() == column);
        found.map(|entry| entry.words.clone()).unwrap_or_default()
    }

    /// Each table of which anything is said, once, with what is said of itself.
    fn tables_said(&self) -> impl Iterator<Item = (&str, Words)> {
        let mut seen = HashSet::new();
        let tables = self.words.iter().map(|entry| entry.table.as_str()).filter(move |table| seen.insert(*table));
        tables.map(|table| (table, self.said_of(table, None)))
    }
}

impl CatalogColumn {
    fn column(&self) -> Option<SourceColumn> {
        let (kind, nullable) = self.found?;
        Some(SourceColumn { column: Column { name: self.name.clone(), kind }, nullable })
    }
}

/// What is said of what is there, and of what is not.
fn spoken<'e>(
    there: &[&str],
    of: impl Fn(&str) -> Words,
    all: impl Iterator<Item = (&'e str, Words)>,
) -> (Vec<Words>, Vec<(&'e str, Words)>) {
    (there.iter().map(|name| of(name)).collect(), all.filter(|(name, _)| !there.contains(name)).collect())
}

/// Names in queries: given ones first, own ones where no other was given the same.
fn names(own: &[&str], said: &[Words]) -> Vec<String> {
    let given: HashSet<String> = said.iter().filter_map(|words| words.name.as_deref()).map(str::to_lowercase).collect();
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

/// A change of what is said of a table and its columns.
#[derive(Debug, Clone, Default)]
pub struct TableChange {
    /// Of the table itself.
    pub table: WordsChange,
    /// Of columns, by a name of each.
    pub columns: Vec<(String, WordsChange)>,
}

/// A change of words; `None` leaves what there is, `Some(None)` takes it back.
#[derive(Debug, Clone, Default)]
pub struct WordsChange {
    /// The name in queries.
    pub name: Option<Option<String>>,
    /// The description.
    pub description: Option<Option<String>>,
    /// Whether queries do without it.
    pub hidden: Option<bool>,
}

impl WordsChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.description.is_none() && self.hidden.is_none()
    }

    /// What is said from now on. A name that is the thing's own is none that was given.
    fn applied(
        &self,
        to: &Words,
        own: &str,
        field: &str,
        name: impl Fn(&str, &str) -> Result<String>,
    ) -> Result<Words> {
        let mut words = to.clone();
        if let Some(given) = &self.name {
            let given = given.as_deref().map(|text| name(&format!("{field}name"), text)).transpose()?;
            words.name = given.filter(|given| given != own);
        }
        if let Some(text) = &self.description {
            words.description =
                text.as_deref().map(|text| description(&format!("{field}description"), text)).transpose()?;
        }
        words.hidden = self.hidden.unwrap_or(words.hidden);
        Ok(words)
    }
}

impl TableChange {
    /// What is said of the table and its columns from now on, by their own names.
    ///
    /// # Errors
    /// `InvalidField` for a column that is not there and for words that cannot be, `Conflict` for a name that another
    /// has, for a table of which nothing would be left to see, and for more words than a source may have.
    pub fn applied(&self, source: &Source, table: &CatalogTable) -> Result<Vec<Entry>> {
        let own = table.source_name.as_str();
        let is_there = |entry: &&Entry| entry.table == own && entry.column.is_some();
        let mut entries: Vec<Entry> = source.words.iter().filter(is_there).cloned().collect();
        let words = self.table.applied(&source.said_of(own, None), own, "", table_name)?;
        let mut seen = HashSet::new();
        for (position, (named, change)) in self.columns.iter().enumerate() {
            let field = format!("columns[{position}].");
            let column = table.columns.iter().find(|column| column.name == *named);
            let column = column.or_else(|| table.columns.iter().find(|column| column.source_name == *named));
            let column = column.ok_or_else(|| Error::field(format!("{field}column"), "is no column of the table."))?;
            if !seen.insert(&column.source_name) {
                return Err(Error::field(format!("{field}column"), "is there twice; say all of a column at once."));
            }
            let key = Some(column.source_name.clone());
            let before = source.said_of(own, key.as_deref());
            let words = change
                .applied(&before, &column.source_name, &field, |field, text| org::name(field, text, LONGEST_NAME))?;
            entries.retain(|entry| entry.column != key);
            entries.push(Entry { table: own.to_owned(), column: key, words });
        }
        let others = source.words.iter().filter(|entry| entry.table != own).cloned();
        entries.push(Entry { table: own.to_owned(), column: None, words });
        entries.retain(|entry| entry.words != Words::default());
        let after = Source { words: others.chain(entries.iter().cloned()).collect(), ..source.clone() };
        check(source, &after, own)?;
        Ok(entries)
    }
}

/// Holds that no two go by one name, that something is left to see, and that there are not too many words.
fn check(before: &Source, after: &Source, table: &str) -> Result<()> {
    if after.words.len() > MOST_DESCRIBED {
        return Err(Error::Conflict(format!(
            "Words are kept of at most {MOST_DESCRIBED} tables and columns of a data source; take some back first."
        )));
    }
    let (known, catalog) = (before.catalog(), after.catalog());
    let Some(found) = catalog.iter().find(|found| found.source_name == table) else { return Ok(()) };
    let tables = known.iter().map(|known| known.source_name.as_str());
    alone(tables, |name| name == table, |name| asked(before, name, None), |name| asked(after, name, None), "table")?;
    let was = known.iter().find(|known| known.source_name == table);
    let columns = || was.iter().flat_map(|was| &was.columns).map(|column| column.source_name.as_str());
    let of = |source: &Source, name: &str| asked(source, table, Some(name));
    alone(columns(), |_| true, |name| of(before, name), |name| of(after, name), "column")?;
    if found.present && !found.hidden && !found.columns.is_empty() && found.visible().next().is_none() {
        return Err(Error::Conflict("No column of the table would be left to see; hide the table instead.".to_owned()));
    }
    Ok(())
}

/// The name that a thing is to go by: the one it was given, or its own.
fn asked(source: &Source, table: &str, column: Option<&str>) -> String {
    source.said_of(table, column).name.unwrap_or_else(|| column.unwrap_or(table).to_owned())
}

/// Holds that nobody who gets another name gets one that another goes by. What a sync brought is left to [`names`].
fn alone<'n>(
    all: impl Iterator<Item = &'n str>,
    may_change: impl Fn(&str) -> bool,
    before: impl Fn(&str) -> String,
    after: impl Fn(&str) -> String,
    what: &str,
) -> Result<()> {
    let all: Vec<(&str, String)> = all.map(|own| (own, after(own))).collect();
    let mut count: HashMap<String, usize> = HashMap::new();
    all.iter().for_each(|(_, name)| *count.entry(name.to_lowercase()).or_default() += 1);
    let is_taken = |name: &String| count.get(&name.to_lowercase()).is_some_and(|count| *count > 1);
    let changed = all.iter().filter(|(own, name)| may_change(own) && before(own) != *name);
    match changed.map(|(_, name)| name).find(|name| is_taken(name)) {
        Some(name) => Err(Error::Conflict(format!(
            "There is a {what} `{}` already; choose another name, or rename that one along.",
            Error::clipped(name)
        ))),
        None => Ok(()),
    }
}

/// A table's name: one that needs no quotes in SQL.
fn table_name(field: &str, text: &str) -> Result<String> {
    if sql_name(text) == text {
        return Ok(text.to_owned());
    }
    let reason = format!(
        "must be lower-case letters, digits and single `_`, beginning with a letter, such as `{}`.",
        sql_name(&Error::clipped(text))
    );
    Err(Error::field(field, reason))
}

fn description(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > LONGEST_DESCRIPTION {
        let reason = format!("must have 1 to {LONGEST_DESCRIPTION} characters, or be null; it has {length}.");
        return Err(Error::field(field, reason));
    }
    if text.chars().any(|character| character.is_control() && character != '\n') {
        return Err(Error::field(field, "must not contain control characters other than line feeds."));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
