//! Data sources on the wire.

use poem_openapi::types::{MaybeUndefined, ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::connection::{Connection, NewSecret};
use super::import::{ImportOptions, NewFileOptions};
use super::sync::{LastSync, NewSchedule, Schedule};
use super::{Spelling, Stamp};
use crate::domain::connection::{Credentials, Kind, Mode};
use crate::domain::error::{Error, Result};
use crate::domain::{import, result, source as domain};
use crate::http::conditional::Tagged;
use crate::http::reply::CreatedOrAccepted;
use crate::service::sources::{ConnectRequest, LookRequest, SourceChange, notes};

/// A data source with its tables.
#[derive(Serialize, Object)]
pub struct DataSource<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// Its schema in SQL.
    slug: String,
    kind: SourceKind,
    mode: SourceMode,
    /// Where its data is; null for uploaded files. What opens it is never shown.
    connection: Option<Connection>,
    /// Whether something that opens it is kept.
    has_secret: bool,
    /// When it is read again; null when nothing says so.
    schedule: Option<Schedule>,
    /// How its files are read where that is not left to detection; later files are read so too.
    options: ImportOptions,
    status: SourceStatus,
    /// Why it has no data; null when it has some, or may still get it.
    error: Option<String>,
    /// The tables and columns that queries can name, by these names.
    tables: Vec<Table>,
    /// When it was last known that the data is that of its source; null before the first time.
    last_synced_at: Option<Stamp>,
    /// How its newest sync went; null before the first one. One that failed leaves the data of before.
    last_sync: Option<LastSync>,
    /// What was not kept as the database has it, such as days that are none; a sentence each.
    notes: Vec<String>,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> From<domain::Source> for DataSource<I> {
    fn from(source: domain::Source) -> Self {
        let notes = notes(&source);
        let schedule =
            source.schedule.as_ref().map(|schedule| Schedule::of(schedule, source.next_sync_at, source.paused));
        let tables = source.visible_tables().into_iter().map(Table::from).collect();
        Self {
            id: I::of(source.id, source.uuid),
            name: source.name,
            slug: source.slug,
            kind: source.kind.into(),
            mode: source.mode.into(),
            connection: source.connection.as_ref().and_then(Connection::of),
            has_secret: source.has_secret,
            schedule,
            options: source.options.into(),
            status: source.status.into(),
            error: source.error,
            tables,
            last_synced_at: source.last_synced_at.map(Stamp::from),
            last_sync: source.last_sync.map(LastSync::from),
            notes,
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

/// A data source to be made of data that is elsewhere.
// Without `Debug`: it has secrets.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewDataSource {
    /// What people call it; its name in SQL is made of it.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    kind: ConnectedKind,
    /// Whether the data is copied, as it is by default, or each query is sent to the database. That stays.
    #[serde(default)]
    mode: Option<SourceMode>,
    connection: Connection,
    #[serde(default)]
    secret: Option<NewSecret>,
    #[serde(default)]
    schedule: Option<NewSchedule>,
    /// How a file is read.
    #[serde(default)]
    options: Option<NewFileOptions>,
}

impl NewDataSource {
    /// As the service has it.
    pub fn read(self) -> ConnectRequest {
        ConnectRequest {
            name: self.name,
            kind: self.kind.into(),
            mode: self.mode.map_or(Mode::Extract, Mode::from),
            connection: self.connection.fields(),
            credentials: self.secret.map(NewSecret::read).unwrap_or_default(),
            schedule: self.schedule.map(Into::into),
            options: self.options.map(Into::into).unwrap_or_default(),
        }
    }
}

/// A file that is elsewhere, to be looked at and not kept. What makes a data source of it can be sent as it is.
// Without `Debug`: it has secrets.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewPreview {
    /// `file` or `url`; a database says itself what its columns are.
    kind: ConnectedKind,
    connection: Connection,
    #[serde(default)]
    secret: Option<NewSecret>,
    /// How it is read.
    #[serde(default)]
    options: Option<NewFileOptions>,
    /// Passed over.
    #[serde(default)]
    name: Option<String>,
    /// Passed over.
    #[serde(default)]
    mode: Option<SourceMode>,
    /// Passed over.
    #[serde(default)]
    schedule: Option<NewSchedule>,
}

impl NewPreview {
    /// As the service has it.
    pub fn read(self) -> LookRequest {
        let Self { kind, connection, secret, options, name: _, mode: _, schedule: _ } = self;
        LookRequest {
            kind: kind.into(),
            connection: connection.fields(),
            credentials: secret.map(NewSecret::read).unwrap_or_default(),
            options: options.map(Into::into).unwrap_or_default(),
        }
    }
}

/// What can be elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum ConnectedKind {
    /// A file of the server's machine.
    File,
    /// A file on the web.
    Url,
    /// A SQLite file of the server's machine.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
    /// A MySQL or MariaDB server.
    Mysql,
}

impl From<ConnectedKind> for Kind {
    fn from(kind: ConnectedKind) -> Self {
        match kind {
            ConnectedKind::File => Self::File,
            ConnectedKind::Url => Self::Url,
            ConnectedKind::Sqlite => Self::Sqlite,
            ConnectedKind::Postgres => Self::Postgres,
            ConnectedKind::Mysql => Self::Mysql,
        }
    }
}

/// A change of a data source: what is absent stays. All but the name are of data that is elsewhere.
// Without `Debug`: it has secrets.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct DataSourcePatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    /// The place as a whole. The data stays until the next sync.
    #[serde(default)]
    connection: Option<Connection>,
    /// What opens it from now on; null forgets it. Must come along when the connection leads to another origin
    /// (scheme, host, port) or, of a database server, has another host, port, user, `tls` or `authority`.
    #[serde(default)]
    secret: MaybeUndefined<NewSecret>,
    /// When it is read again; null ends that.
    #[serde(default)]
    schedule: MaybeUndefined<NewSchedule>,
    /// How a file that is elsewhere is read from the next sync on, as a whole; null leaves all of it to detection.
    #[serde(default)]
    options: MaybeUndefined<NewFileOptions>,
}

impl DataSourcePatch {
    /// As the service has it.
    ///
    /// # Errors
    /// For a change of nothing.
    pub fn read(self) -> Result<SourceChange> {
        let change = SourceChange {
            name: self.name,
            connection: self.connection.map(Connection::fields),
            credentials: match self.secret {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(Credentials::default()),
                MaybeUndefined::Value(secret) => Some(secret.read()),
            },
            schedule: match self.schedule {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(schedule) => Some(Some(schedule.into())),
            },
            options: match self.options {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(import::ImportOptions::default()),
                MaybeUndefined::Value(options) => Some(options.into()),
            },
        };
        if change.is_empty() { Err(Error::nothing_to_change()) } else { Ok(change) }
    }
}

/// Where the data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceKind {
    /// Uploaded files, or a file of the server's machine.
    File,
    /// A file on the web.
    Url,
    /// A SQLite file of the server's machine.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
    /// A MySQL or MariaDB server.
    Mysql,
}

impl From<Kind> for SourceKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Url => Self::Url,
            Kind::Sqlite => Self::Sqlite,
            Kind::Postgres => Self::Postgres,
            Kind::Mysql => Self::Mysql,
        }
    }
}

/// How queries reach the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum SourceMode {
    /// It was copied.
    Extract,
    /// Each query is sent to the source, in its own SQL; of databases only.
    Live,
}

impl From<SourceMode> for Mode {
    fn from(mode: SourceMode) -> Self {
        match mode {
            SourceMode::Extract => Self::Extract,
            SourceMode::Live => Self::Live,
        }
    }
}

impl From<Mode> for SourceMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Extract => Self::Extract,
            Mode::Live => Self::Live,
        }
    }
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
    /// Null for a table of a live source.
    rows: Option<u64>,
    /// The length of its extract; 0 where there is none.
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
    /// Whether it holds a null; always true of a live source.
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
    /// A time of day, `13:45:00`, to the microsecond.
    Time,
    /// An instant, RFC 3339, to the microsecond: finer parts of files and databases are left out.
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
