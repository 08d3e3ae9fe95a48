//! What files look like before they are kept: what was detected of them, and their first rows.

use serde::{Deserialize, Serialize};

use super::import::TextEncoding;
use super::result::Column;

/// A file that was looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FilePreview {
    /// What its owner calls it.
    pub file: String,
    /// What it is, told by its content.
    pub kind: FileKind,
    /// How it is compressed.
    pub compression: Option<String>,
    /// Between its fields.
    pub separator: Option<String>,
    /// Around its fields; none where nothing is quoted.
    pub quote: Option<String>,
    /// How its bytes spell characters.
    pub encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names.
    pub header: Option<bool>,
    /// The tables it becomes.
    pub tables: Vec<TablePreview>,
    /// What its owner may want to know before it is kept.
    pub warnings: Vec<String>,
}

/// The kinds of files that become tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Separated values.
    #[default]
    Csv,
    /// JSON: objects one after another, or in one list.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as a file or as a stream.
    Arrow,
    /// A workbook of Excel.
    Xlsx,
    /// A workbook of LibreOffice.
    Ods,
}

impl FileKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Xlsx => "xlsx",
            Self::Ods => "ods",
        }
    }
}

/// A table that a file becomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TablePreview {
    /// Its name in SQL.
    pub name: String,
    /// Rows that types and nulls were seen in.
    pub sampled_rows: u64,
    /// Its columns.
    pub columns: Vec<ColumnPreview>,
    /// The first rows, each value as text.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A column of a table to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ColumnPreview {
    /// Name and type.
    #[serde(flatten)]
    pub column: Column,
    /// Nulls among the sampled rows.
    pub nulls: u64,
    /// Some of its values.
    pub samples: Vec<String>,
}
