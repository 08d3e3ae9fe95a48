//! Data sources and their tables.

use uuid::Uuid;

use super::catalog;
use super::code::Code;
use super::connection::{Connection, Kind, Mode};
use super::error::{Error, Result};
use super::id::SourceId;
use super::import::ImportOptions;
use super::page::{Entry, Times};
use super::result::Column;
use super::schedule::Schedule;
use super::sync::Sync;
use super::time::Timestamp;

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceStatus {
    /// Its first data is on the way.
    Syncing,
    /// It can be queried.
    Active,
    /// Its first data never came.
    Error,
}

impl SourceStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Syncing, Self::Active, Self::Error];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syncing => "syncing",
            Self::Active => "active",
            Self::Error => "error",
        }
    }

    /// The status of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A data source.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its row.
    pub id: SourceId,
    /// Its id on `/api/v1/`, and the name of its directory.
    pub uuid: Uuid,
    /// What people call it.
    pub name: String,
    /// Its schema in SQL, unique in the organisation.
    pub slug: String,
    /// What it is.
    pub kind: Kind,
    /// How queries reach its data.
    pub mode: Mode,
    /// Where its data is; none of files.
    pub connection: Option<Connection>,
    /// Whether something opens it that is kept sealed.
    pub has_secret: bool,
    /// What its connector wants to know the next time, as JSON.
    pub state: Option<String>,
    /// When it is read again.
    pub schedule: Option<Schedule>,
    /// When that is next.
    pub next_sync_at: Option<Timestamp>,
    /// Why its last time was passed over.
    pub paused: Option<Code>,
    /// How it stands.
    pub status: SourceStatus,
    /// Why it has no data, when it has none.
    pub error: Option<String>,
    /// The directory of its present extract, below its own.
    pub extract: Option<Uuid>,
    /// Its tables, by their own names.
    pub tables: Vec<SourceTable>,
    /// What people say of its tables and columns.
    pub words: Vec<catalog::Entry>,
    /// How its files are read, where that is not left to detection.
    pub options: ImportOptions,
    /// When its data was last replaced.
    pub last_synced_at: Option<Timestamp>,
    /// Its newest sync.
    pub last_sync: Option<Sync>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by each change.
    pub version: i64,
}

impl Source {
    /// Whether its files were sent, and lie nowhere else.
    pub fn is_uploaded(&self) -> bool {
        self.kind == Kind::File && self.connection.is_none()
    }
}

impl Entry for Source {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// What narrows a list of data sources.
#[derive(Debug, Clone, Default, Hash)]
pub struct SourceFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of their name, in any case.
    pub q: Option<String>,
    /// How they stand.
    pub status: Option<SourceStatus>,
    /// What they are.
    pub kind: Option<Kind>,
    /// How queries reach their data.
    pub mode: Option<Mode>,
}

impl SourceFilter {
    /// Those that can be queried.
    pub fn active() -> Self {
        Self { status: Some(SourceStatus::Active), ..Self::default() }
    }
}

/// A table of a source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceTable {
    /// Its name in SQL.
    pub name: String,
    /// Its rows; none of a live source, which counts them for itself.
    pub rows: Option<u64>,
    /// The length of its extract in bytes.
    pub bytes: u64,
    /// When its data came; none where it came with all of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<Timestamp>,
    /// The file that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its columns.
    pub columns: Vec<SourceColumn>,
}

impl SourceTable {
    /// The table, made of whichever of these files, told as name and table, bears its name: tables of a workbook begin
    /// with it.
    pub fn made_of<'f>(self, files: impl Iterator<Item = (&'f str, &'f str)>) -> Self {
        let whole =
            |table: &str| self.name.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        let file = files.filter(|(_, table)| whole(table)).max_by_key(|(_, table)| table.len());
        Self { file: file.map(|(name, _)| name.to_owned()), ..self }
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceColumn {
    /// Name and type.
    #[serde(flatten)]
    pub column: Column,
    /// Whether it holds a null.
    pub nullable: bool,
}

/// What a file's name has room for, `.parquet` left out.
const LONGEST_TABLE_NAME: usize = 247;

/// The SQL name made of what people call a thing: lower case, other characters `_`, a leading digit
/// gets `t_`. Runs of `_` become one, and none stands at an end.
pub fn sql_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    match name.bytes().next() {
        None => "t".to_owned(),
        Some(b'0'..=b'9') => format!("t_{name}"),
        Some(_) => name.chars().take(63).collect(),
    }
}

/// Whether a name is one that a table of an extract can have: its file is called after it.
pub fn is_table_name(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= LONGEST_TABLE_NAME && name.bytes().all(is_of_name)
}

/// A name of SQL in quotes: it is taken as it is.
pub fn quoted(name: &str) -> String {
    quoted_by(name, '"')
}

/// A name or a text in quotes, which stand twice where they stand in it.
pub fn quoted_by(name: &str, quote: char) -> String {
    let twice = String::from_iter([quote, quote]);
    format!("{quote}{}{quote}", name.replace(quote, &twice))
}

/// What a file's name ends in that says nothing of its table, from the end.
const EXTENSIONS: [&str; 15] = [
    ".gz", ".zst", ".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet", ".arrow", ".arrows", ".feather",
    ".xlsx", ".xlsm", ".ods",
];

/// The table of a file: its name without directory and extensions.
pub fn table_name(file: &str) -> String {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let mut stem = base;
    for extension in EXTENSIONS {
        let cut = stem.len().saturating_sub(extension.len());
        if stem.is_char_boundary(cut) && stem[cut..].eq_ignore_ascii_case(extension) && cut > 0 {
            stem = &stem[..cut];
        }
    }
    sql_name(stem)
}

/// The tables of several files; two that would share a name are refused.
pub fn table_names(files: &[&str]) -> Result<Vec<String>> {
    let names: Vec<String> = files.iter().map(|file| table_name(file)).collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().position(|other| other == name) {
            return Err(Error::InvalidFile(format!(
                "`{}` and `{}` would both become the table `{name}`; rename one.",
                files[first], files[index]
            )));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_after_their_files() {
        assert_eq!(table_name("flights.csv.gz"), "flights");
        assert_eq!(table_name("Q2 Revenue (final).CSV"), "q2_revenue_final");
        assert_eq!(table_name("2013.csv"), "t_2013");
        assert_eq!(table_name("flights.NDJSON.zst"), "flights");
        assert_eq!(table_name("part-0.parquet"), "part_0");
        assert_eq!(table_name("/etc/passwd"), "passwd");
        assert_eq!(table_name("数据.csv"), "t");
        assert!(table_names(&["a.csv", "A.csv.gz"]).is_err());
    }
}
