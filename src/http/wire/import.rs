//! How files are read, and what they look like before they are kept, on the wire.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::source::ColumnType;
use crate::domain::{import, preview};

/// How files are read, now and later: what is left out is detected. A request without any of it has files read as the
/// last time.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewImportOptions {
    /// The character between fields: one character of ASCII, such as `;` or a tab.
    separator: Option<String>,
    /// The character around fields; empty where nothing is quoted.
    quote: Option<String>,
    /// How bytes spell characters.
    encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names; without it they are `column_1`, `column_2` and so on.
    header: Option<bool>,
    /// Lines of text, or rows of a sheet, that are passed over at the start.
    #[oai(validator(maximum(value = "1000000")))]
    skip_lines: Option<u64>,
    /// What stands for a missing value beside an empty one, instead of `NA`, `NULL`, `N/A` and `-`.
    #[oai(validator(max_items = 50))]
    nulls: Option<Vec<String>>,
    /// The one sheet of a workbook that is read.
    sheet: Option<String>,
    /// The types of columns, by their names. A value that its type does not fit refuses the file.
    columns: Option<BTreeMap<String, NewColumnOptions>>,
    /// What holds for one file alone, by its name, and goes before what holds for all.
    files: Option<BTreeMap<String, NewFileOptions>>,
}

impl From<NewImportOptions> for import::ImportOptions {
    fn from(options: NewImportOptions) -> Self {
        let NewImportOptions { separator, quote, encoding, header, skip_lines, nulls, sheet, columns, files } = options;
        let all = NewFileOptions { separator, quote, encoding, header, skip_lines, nulls, sheet, columns };
        let files = files.into_iter().flatten().map(|(name, options)| (name, options.into())).collect();
        Self { files, ..all.into() }
    }
}

/// How one file is read. What is left out is detected.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewFileOptions {
    /// The character between fields: one character of ASCII, such as `;` or a tab.
    separator: Option<String>,
    /// The character around fields; empty where nothing is quoted.
    quote: Option<String>,
    /// How bytes spell characters.
    encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names; without it they are `column_1`, `column_2` and so on.
    header: Option<bool>,
    /// Lines of text, or rows of a sheet, that are passed over at the start.
    #[oai(validator(maximum(value = "1000000")))]
    skip_lines: Option<u64>,
    /// What stands for a missing value beside an empty one, instead of `NA`, `NULL`, `N/A` and `-`.
    #[oai(validator(max_items = 50))]
    nulls: Option<Vec<String>>,
    /// The one sheet of a workbook that is read.
    sheet: Option<String>,
    /// The types of columns, by their names. A value that its type does not fit refuses the file.
    columns: Option<BTreeMap<String, NewColumnOptions>>,
}

impl From<NewFileOptions> for import::ImportOptions {
    fn from(options: NewFileOptions) -> Self {
        let NewFileOptions { separator, quote, encoding, header, skip_lines, nulls, sheet, columns } = options;
        let columns = columns.into_iter().flatten().map(|(name, column)| (name, column.into())).collect();
        let encoding = encoding.map(import::TextEncoding::from);
        let files = BTreeMap::new();
        Self { separator, quote, encoding, header, skip_lines, nulls, sheet, columns, files }
    }
}

/// How files are read, where that was not left to detection.
#[derive(Debug, Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ImportOptions {
    /// The character between fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<String>,
    /// The character around fields; empty where nothing is quoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<String>,
    /// How bytes spell characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<bool>,
    /// Lines of text, or rows of a sheet, that are passed over at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_lines: Option<u64>,
    /// What stands for a missing value beside an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    nulls: Option<Vec<String>>,
    /// The one sheet of a workbook that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<String>,
    /// The types of columns, by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<BTreeMap<String, ColumnOptions>>,
    /// What holds for one file alone, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, ImportOptions>>,
}

impl From<import::ImportOptions> for ImportOptions {
    fn from(options: import::ImportOptions) -> Self {
        let import::ImportOptions { separator, quote, encoding, header, skip_lines, nulls, sheet, columns, files } =
            options;
        let columns: BTreeMap<_, _> = columns.into_iter().map(|(name, column)| (name, column.into())).collect();
        let files: BTreeMap<_, _> = files.into_iter().map(|(name, options)| (name, options.into())).collect();
        Self {
            separator,
            quote,
            encoding: encoding.map(TextEncoding::from),
            header,
            skip_lines,
            nulls,
            sheet,
            columns: (!columns.is_empty()).then_some(columns),
            files: (!files.is_empty()).then_some(files),
        }
    }
}

/// How a column is read, where that was not left to detection.
#[derive(Debug, Serialize, Object)]
pub struct ColumnOptions {
    /// The type that its values have.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: ColumnType,
    /// How its dates or times are written, as strftime has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    format: Option<String>,
}

impl From<import::ColumnOptions> for ColumnOptions {
    fn from(column: import::ColumnOptions) -> Self {
        Self { kind: column.kind.into(), format: column.format }
    }
}

/// How a column is read.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewColumnOptions {
    /// The type that its values have.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: ColumnType,
    /// How its dates or times are written, as strftime has it: `%d.%m.%Y`.
    format: Option<String>,
}

impl From<NewColumnOptions> for import::ColumnOptions {
    fn from(column: NewColumnOptions) -> Self {
        Self { kind: column.kind.into(), format: column.format }
    }
}

/// How bytes spell characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
pub enum TextEncoding {
    /// UTF-8, or ASCII.
    #[serde(rename = "utf-8")]
    #[oai(rename = "utf-8")]
    Utf8,
    /// UTF-16, least significant byte first.
    #[serde(rename = "utf-16le")]
    #[oai(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, most significant byte first.
    #[serde(rename = "utf-16be")]
    #[oai(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252, of which Latin-1 text is a part.
    #[serde(rename = "windows-1252")]
    #[oai(rename = "windows-1252")]
    Windows1252,
}

impl From<TextEncoding> for import::TextEncoding {
    fn from(encoding: TextEncoding) -> Self {
        match encoding {
            TextEncoding::Utf8 => Self::Utf8,
            TextEncoding::Utf16Le => Self::Utf16Le,
            TextEncoding::Utf16Be => Self::Utf16Be,
            TextEncoding::Windows1252 => Self::Windows1252,
        }
    }
}

impl From<import::TextEncoding> for TextEncoding {
    fn from(encoding: import::TextEncoding) -> Self {
        match encoding {
            import::TextEncoding::Utf8 => Self::Utf8,
            import::TextEncoding::Utf16Le => Self::Utf16Le,
            import::TextEncoding::Utf16Be => Self::Utf16Be,
            import::TextEncoding::Windows1252 => Self::Windows1252,
        }
    }
}

/// Files that were looked at and not kept.
#[derive(Serialize, Object)]
pub struct Preview {
    files: Vec<FilePreview>,
}

impl From<Vec<preview::FilePreview>> for Preview {
    fn from(files: Vec<preview::FilePreview>) -> Self {
        Self { files: files.into_iter().map(FilePreview::from).collect() }
    }
}

/// A file, and how it would be read.
#[derive(Serialize, Object)]
pub struct FilePreview {
    /// What it is called.
    file: String,
    kind: FileKind,
    /// `gzip`, `zstd`, or null.
    compression: Option<String>,
    /// Of separated values: between fields.
    separator: Option<String>,
    /// Of separated values: around fields; null where nothing is quoted.
    quote: Option<String>,
    encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names; null for files that name them otherwise.
    header: Option<bool>,
    tables: Vec<TablePreview>,
    /// What is worth knowing before the file is kept.
    warnings: Vec<String>,
}

impl From<preview::FilePreview> for FilePreview {
    fn from(file: preview::FilePreview) -> Self {
        Self {
            file: file.file,
            kind: file.kind.into(),
            compression: file.compression,
            separator: file.separator,
            quote: file.quote,
            encoding: file.encoding.map(TextEncoding::from),
            header: file.header,
            tables: file.tables.into_iter().map(TablePreview::from).collect(),
            warnings: file.warnings,
        }
    }
}

/// What a file is, told by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum FileKind {
    /// Separated values, whatever separates them.
    Csv,
    /// JSON: objects one after another, or in one list.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC.
    Arrow,
    /// A workbook of Excel.
    Xlsx,
    /// A workbook of LibreOffice.
    Ods,
}

impl From<preview::FileKind> for FileKind {
    fn from(kind: preview::FileKind) -> Self {
        match kind {
            preview::FileKind::Csv => Self::Csv,
            preview::FileKind::Json => Self::Json,
            preview::FileKind::Parquet => Self::Parquet,
            preview::FileKind::Arrow => Self::Arrow,
            preview::FileKind::Xlsx => Self::Xlsx,
            preview::FileKind::Ods => Self::Ods,
        }
    }
}

/// A table that a file would become.
#[derive(Serialize, Object)]
pub struct TablePreview {
    /// Its name in SQL, behind the source's slug.
    name: String,
    /// The rows that were looked at, at most 1,000: the types are those of these rows.
    sampled_rows: u64,
    columns: Vec<ColumnPreview>,
    /// The first ten rows, each value as text.
    rows: Vec<Vec<Option<String>>>,
}

impl From<preview::TablePreview> for TablePreview {
    fn from(table: preview::TablePreview) -> Self {
        Self {
            name: table.name,
            sampled_rows: table.sampled_rows,
            columns: table.columns.into_iter().map(ColumnPreview::from).collect(),
            rows: table.rows,
        }
    }
}

/// A column of a table to be.
#[derive(Serialize, Object)]
pub struct ColumnPreview {
    name: String,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: ColumnType,
    /// Nulls among the sampled rows.
    nulls: u64,
    /// Up to five different values, as text.
    samples: Vec<String>,
}

impl From<preview::ColumnPreview> for ColumnPreview {
    fn from(column: preview::ColumnPreview) -> Self {
        Self { name: column.column.name, kind: column.column.kind.into(), nulls: column.nulls, samples: column.samples }
    }
}
