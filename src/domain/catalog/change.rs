//! Changes of what is said of tables and columns, and which of them are refused.

use std::collections::{HashMap, HashSet};

use super::{CatalogTable, Entry, Words};
use crate::domain::connection::Mode;
use crate::domain::error::{Error, Result};
use crate::domain::org;
use crate::domain::source::{Source, sql_name};

/// Characters of a name.
const LONGEST_NAME: usize = 200;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 1_000;
/// Tables and columns of one source that may have words.
const MOST_DESCRIBED: usize = 2_000;
/// Bytes of all that is said in one source, with the names of what it is said of: they are read with each read of it.
const MOST_SAID: usize = 256 << 10;
/// Bytes of the names of one source that are given or hidden: they go along with each query.
const MOST_NAMED: usize = 128 << 10;

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
        self.check_mode(source.mode)?;
        let own = table.source_name.as_str();
        let is_there = |entry: &&Entry| entry.table == own && entry.column.is_some();
        let mut entries: Vec<Entry> = source.words.iter().filter(is_there).cloned().collect();
        let known = words_of(source);
        let before = |column: Option<&str>| known.get(&(own, column)).copied().cloned().unwrap_or_default();
        let words = self.table.applied(&before(None), own, "", table_name)?;
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
            let words = change.applied(&before(key.as_deref()), &column.source_name, &field, |field, text| {
                org::name(field, text, LONGEST_NAME)
            })?;
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

    /// Queries of live sources are sent as they are: what is called otherwise or hidden would be found all the same.
    fn check_mode(&self, mode: Mode) -> Result<()> {
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(position, (_, change))| (format!("columns[{position}]."), change));
        let mut all = [(String::new(), &self.table)].into_iter().chain(columns).filter(|_| mode == Mode::Live);
        let field = all.find_map(|(place, change)| {
            let is_named = matches!(change.name, Some(Some(_)));
            let field = if change.hidden == Some(true) { Some("hidden") } else { is_named.then_some("name") };
            field.map(|field| place + field)
        });
        let reason = "is not for live sources, whose queries go to the database as they are; what its user may not see is \
                      for the database to say.";
        field.map_or(Ok(()), |field| Err(Error::field(field, reason)))
    }
}

/// Holds that no two go by one name, that something is left to see, and that there are not too many words.
fn check(before: &Source, after: &Source, table: &str) -> Result<()> {
    if after.words.len() > MOST_DESCRIBED {
        return Err(Error::Conflict(format!(
            "Words are kept of at most {MOST_DESCRIBED} tables and columns of a data source; take some back first."
        )));
    }
    let said_bytes = bytes_of(after);
    // Whoever takes words back may, however many are left.
    if said_bytes > MOST_SAID && said_bytes > bytes_of(before) {
        return Err(Error::Conflict(format!(
            "What is said of the tables and columns of the data source would take {said_bytes} bytes, which is more than \
             {MOST_SAID}; say it shorter, or take some back first."
        )));
    }
    let told = after.words.iter().filter(|entry| entry.words.name.is_some() || entry.words.hidden);
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let named: usize = told.map(|entry| entry.table.len() + length(&entry.column) + length(&entry.words.name)).sum();
    if named > MOST_NAMED {
        return Err(Error::Conflict(format!(
            "The names that are given and hidden in a data source take {named} bytes, which is more than {MOST_NAMED}; \
             choose shorter ones, or make a source of the columns that are needed."
        )));
    }
    let (known, catalog) = (before.catalog(), after.catalog());
    let (before, after) = (words_of(before), words_of(after));
    let Some(found) = catalog.iter().find(|found| found.source_name == table) else { return Ok(()) };
    let tables = known.iter().map(|known| known.source_name.as_str());
    alone(tables, |name| name == table, |name| asked(&before, name, None), |name| asked(&after, name, None), "table")?;
    let was = known.iter().find(|known| known.source_name == table);
    let columns = || was.iter().flat_map(|was| &was.columns).map(|column| column.source_name.as_str());
    let of = |words: &WordsOf<'_>, name: &str| asked(words, table, Some(name));
    alone(columns(), |_| true, |name| of(&before, name), |name| of(&after, name), "column")?;
    if found.present && !found.hidden && !found.columns.is_empty() && found.visible().next().is_none() {
        return Err(Error::Conflict("No column of the table would be left to see; hide the table instead.".to_owned()));
    }
    Ok(())
}

/// Bytes of what is said in a source, with the names of what it is said of.
fn bytes_of(source: &Source) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let of = |Entry { table, column, words }: &Entry| {
        table.len() + length(column) + length(&words.name) + length(&words.description)
    };
    source.words.iter().map(of).sum()
}

/// What is said of each table and column of a source, by their own names.
type WordsOf<'s> = HashMap<(&'s str, Option<&'s str>), &'s Words>;

fn words_of(source: &Source) -> WordsOf<'_> {
    let entries = source.words.iter();
    entries.map(|entry| ((entry.table.as_str(), entry.column.as_deref()), &entry.words)).collect()
}

/// The name that a thing is to go by: the one it was given, or its own.
fn asked(words: &WordsOf<'_>, table: &str, column: Option<&str>) -> String {
    let given = words.get(&(table, column)).and_then(|words| words.name.clone());
    given.unwrap_or_else(|| column.unwrap_or(table).to_owned())
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
