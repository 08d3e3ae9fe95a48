//! Between SQLite's values and ours, and from its errors to ours.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, Row};
use uuid::Uuid;

use super::Reader;
use crate::domain::error::Error;
use crate::domain::id::{Id, IdRef, Kind};
use crate::domain::time::Timestamp;

/// A failure of the store: the server's own, whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// No connection could be had.
    #[error("no connection: {0}")]
    Pool(#[from] r2d2::Error),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// A file that this program cannot use, in one sentence.
    #[error("{0}")]
    Unusable(String),
    /// A file operation failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A stored value that does not read back.
    #[error("a stored value does not read back: {0}")]
    Corrupt(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(error) => Self::internal(error),
            StoreError::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) if is_unwritable(failure.code) => {
                Self::StorageUnavailable(error.into())
            }
            error => Self::internal(error),
        }
    }
}

/// Whether SQLite says that the disk is full, fails, or lets nothing be written. A write that the system refuses for
/// reasons of room other than a full disk, such as a quota, is a failure of the disk to it.
fn is_unwritable(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl StoreError {
    /// Whether a file is not what SQLite wrote: somebody else's bytes, or half of them.
    pub fn is_damage(&self) -> bool {
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
    }
}

impl<K> FromSql for Id<K> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::new)
    }
}

impl<K> ToSql for Id<K> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.raw().into())
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::from_millis)
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.millis().into())
    }
}

/// A uuid as 16 bytes.
pub(super) struct UuidBytes(pub(super) Uuid);

impl FromSql for UuidBytes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?).map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for UuidBytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_bytes().as_slice().into())
    }
}

/// The uuid of a column.
pub(super) fn uuid(row: &Row<'_>, column: &str) -> rusqlite::Result<Uuid> {
    row.get::<_, UuidBytes>(column).map(|uuid| uuid.0)
}

/// A column that one of our `parse` functions reads.
pub(super) fn parsed<T>(row: &Row<'_>, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let index = row.as_ref().column_index(column)?;
    let text = row.get_ref(index)?.as_str().map_err(|error| conversion(index, error))?;
    parse(text).ok_or_else(|| conversion(index, StoreError::Corrupt(format!("`{column}`"))))
}

/// A column of JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let index = row.as_ref().column_index(column)?;
    let text = row.get_ref(index)?.as_str().map_err(|error| conversion(index, error))?;
    serde_json::from_str(text).map_err(|error| conversion(index, error))
}

/// A column of JSON that may be null.
pub(super) fn optional_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

fn conversion(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error))
}

/// Whether an error says that a unique column would have a value twice.
pub(super) fn is_duplicate(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

impl<K: Kind> IdRef<K> {
    /// The column that this spelling names, and its value; `None` for what is no id.
    pub(super) fn condition(&self) -> Option<(&'static str, rusqlite::types::Value)> {
        match self {
            Self::Number(id) => Some(("id", id.raw().into())),
            Self::Uuid(uuid) => Some(("uuid", uuid.as_bytes().to_vec().into())),
            Self::Unknown => None,
        }
    }
}

impl<D> Reader<'_, D> {
    /// One row of a table's view, found by an id in any spelling within an organisation.
    ///
    /// `select` ends before its `WHERE`; its main table is called `t` and has `org_id`, `id` and `uuid`.
    pub(super) fn find_in_org<K: Kind, T>(
        &self,
        select: &str,
        org: i64,
        id: &IdRef<K>,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some((column, value)) = id.condition() else { return Ok(None) };
        let mut statement = self.prepare(&format!("{select} WHERE t.org_id = ?1 AND t.{column} = ?2"))?;
        let mut rows = statement.query(rusqlite::params![org, value])?;
        Ok(rows.next()?.map(read).transpose()?)
    }
}
