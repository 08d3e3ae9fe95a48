//! Data sources on the wire (PRODUCT 8.7).

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{Spelling, Stamp};
use crate::domain::error::{Error, Result};
use crate::domain::{result, source as domain};
use crate::http::conditional::Tagged;
use crate::http::reply::CreatedOrAccepted;

/// A data source with its tables.
#[derive(Serialize, Object)]
pub struct DataSource<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// Its schema in SQL.
    slug: String,
    kind: SourceKind,
    mode: SourceMode,
    status: SourceStatus,
    /// Why it has no data; null when it has some, or may still get it.
    error: Option<String>,
    tables: Vec<Table>,
    /// When its data was last replaced; null before the first time.
    last_synced_at: Option<Stamp>,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> From<domain::Source> for DataSource<I> {
    fn from(source: domain::Source) -> Self {
        Self {
            id: I::of(source.id, source.uuid),
            name: source.name,
            slug: source.slug,
            kind: SourceKind::File,
            mode: SourceMode::Extract,
            status: source.status.into(),
            error: source.error,
            tables: source.tables.into_iter().map(Table::from).collect(),
            last_synced_at: source.last_synced_at.map(Stamp::from),
            created_at: source.created_at.into(),
            updated_at: source.updated_at.into(),
        }
    }
}

impl<I: Spelling> Tagged for DataSource<I> {}

impl<I: Spelling> DataSource<I> {
    /// The answer to who made it: 201, or 202 while its data is on the way.
    pub fn answer(source: domain::Source) -> CreatedOrAccepted<Self> {
        match source.status {
            domain::SourceStatus::Syncing => CreatedOrAccepted::Accepted(source.into()),
            domain::SourceStatus::Active | domain::SourceStatus::Error => CreatedOrAccepted::Created(source.into()),
        }
    }
}

/// A change of a data source.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct DataSourcePatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
}

impl DataSourcePatch {
    /// The new name.
    pub fn read(self) -> Result<String> {
        self.name.ok_or_else(Error::nothing_to_change)
    }
}

/// Where the data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceKind {
    /// Uploaded files.
    File,
}

/// How queries reach the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceMode {
    /// It was copied.
    Extract,
}

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceStatus {
    /// Its first data is on the way.
    Syncing,
    /// It can be queried.
    Active,
    /// Its first data never came.
    Error,
}

impl From<domain::SourceStatus> for SourceStatus {
    fn from(status: domain::SourceStatus) -> Self {
        match status {
            domain::SourceStatus::Syncing => Self::Syncing,
            domain::SourceStatus::Active => Self::Active,
            domain::SourceStatus::Error => Self::Error,
        }
    }
}

/// A table.
#[derive(Serialize, Object)]
pub struct Table {
    /// Its name in SQL, behind the source's slug.
    name: String,
    rows: u64,
    /// The length of its extract.
    bytes: u64,
    columns: Vec<TableColumn>,
}

impl From<domain::SourceTable> for Table {
    fn from(table: domain::SourceTable) -> Self {
        let columns = table.columns.into_iter().map(TableColumn::from).collect();
        Self { name: table.name, rows: table.rows, bytes: table.bytes, columns }
    }
}

/// A column of a table.
#[derive(Serialize, Object)]
pub struct TableColumn {
    name: String,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: ColumnType,
    /// Whether it holds a null.
    nullable: bool,
}

impl From<domain::SourceColumn> for TableColumn {
    fn from(column: domain::SourceColumn) -> Self {
        Self { name: column.column.name, kind: column.column.kind.into(), nullable: column.nullable }
    }
}

/// The types of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum ColumnType {
    /// `true` or `false`.
    Boolean,
    /// A whole number of up to 64 bits; text in JSON when it is beyond 2^53.
    Integer,
    /// An exact decimal number; text in JSON.
    Decimal,
    /// A floating point number of 64 bits; NaN and infinities are null in JSON.
    Double,
    /// Unicode text.
    Text,
    /// A day, `2013-01-31`.
    Date,
    /// A time of day, `13:45:00`.
    Time,
    /// An instant, RFC 3339.
    Timestamp,
}

impl From<result::ColumnType> for ColumnType {
    fn from(kind: result::ColumnType) -> Self {
        match kind {
            result::ColumnType::Boolean => Self::Boolean,
            result::ColumnType::Integer => Self::Integer,
            result::ColumnType::Decimal => Self::Decimal,
            result::ColumnType::Double => Self::Double,
            result::ColumnType::Text => Self::Text,
            result::ColumnType::Date => Self::Date,
            result::ColumnType::Time => Self::Time,
            result::ColumnType::Timestamp => Self::Timestamp,
        }
    }
}

impl From<ColumnType> for result::ColumnType {
    fn from(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Integer => Self::Integer,
            ColumnType::Decimal => Self::Decimal,
            ColumnType::Double => Self::Double,
            ColumnType::Text => Self::Text,
            ColumnType::Date => Self::Date,
            ColumnType::Time => Self::Time,
            ColumnType::Timestamp => Self::Timestamp,
        }
    }
}
