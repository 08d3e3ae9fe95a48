//! Tables and columns of data sources on the wire: what is said of them, and what they hold.

use poem_openapi::Object;
use poem_openapi::types::{MaybeUndefined, ParseFromJSON, ToJSON, Type};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::source::ColumnType;
use super::{Spelling, Stamp};
use crate::domain::catalog::{CatalogColumn, CatalogTable, TableChange, WordsChange};
use crate::domain::error::{Error, Result};
use crate::domain::profile as domain;
use crate::domain::result::Cell;
use crate::domain::source::Source;
use crate::http::conditional::Tagged;
use crate::http::reply::Raw;
use crate::service::sources::Profiled;

/// The tables of a data source.
#[derive(Serialize, Object)]
pub struct DataSourceTables<I: Type + ParseFromJSON + ToJSON> {
    data_source_id: I,
    /// The schema that the tables are in for queries.
    slug: String,
    /// When it was last known that the data is that of its source; null before the first time.
    last_synced_at: Option<Stamp>,
    tables: Vec<DataSourceTable>,
}

impl<I: Spelling> From<Source> for DataSourceTables<I> {
    fn from(source: Source) -> Self {
        Self {
            data_source_id: I::of(source.id, source.uuid),
            tables: source.catalog().into_iter().map(DataSourceTable::from).collect(),
            slug: source.slug,
            last_synced_at: source.last_synced_at.map(Stamp::from),
        }
    }
}

impl<I: Spelling> Tagged for DataSourceTables<I> {}

/// A table with what is said of it.
#[derive(Serialize, Object)]
pub struct DataSourceTable {
    /// Its name in queries, behind the source's slug.
    name: String,
    /// The name that it has in its source.
    source_name: String,
    description: Option<String>,
    /// Whether queries do without it.
    hidden: bool,
    /// Whether the data that is here has it; one that has vanished keeps what is said of it.
    present: bool,
    /// Null for a table of a live source.
    rows: Option<u64>,
    /// The length of its extract; 0 where there is none.
    bytes: u64,
    /// When its data came; null when there is none.
    loaded_at: Option<Stamp>,
    /// The file that it came from; null for what comes from no file.
    file: Option<String>,
    columns: Vec<DataSourceColumn>,
}

impl From<CatalogTable> for DataSourceTable {
    fn from(table: CatalogTable) -> Self {
        Self {
            name: table.name,
            source_name: table.source_name,
            description: table.description,
            hidden: table.hidden,
            present: table.present,
            rows: table.rows,
            bytes: table.bytes,
            loaded_at: table.loaded_at.map(Stamp::from),
            file: table.file,
            columns: table.columns.into_iter().map(DataSourceColumn::from).collect(),
        }
    }
}

impl Tagged for DataSourceTable {}

/// A column with what is said of it.
#[derive(Serialize, Object)]
pub struct DataSourceColumn {
    /// Its name in queries.
    name: String,
    /// The name that it has in its source.
    source_name: String,
    /// Null for a column that has vanished.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: Option<ColumnType>,
    /// Whether it holds a null; null for a column that has vanished.
    nullable: Option<bool>,
    description: Option<String>,
    /// Whether queries do without it.
    hidden: bool,
    /// Whether the data that is here has it; one that has vanished keeps what is said of it.
    present: bool,
}

impl From<CatalogColumn> for DataSourceColumn {
    fn from(column: CatalogColumn) -> Self {
        Self {
            name: column.name,
            source_name: column.source_name,
            kind: column.found.map(|(kind, _)| kind.into()),
            nullable: column.found.map(|(_, nullable)| nullable),
            description: column.description,
            hidden: column.hidden,
            present: column.found.is_some(),
        }
    }
}

/// A change of what is said of a table: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct TablePatch {
    /// Its name in queries from now on: lower-case letters, digits and `_`. Null gives it back its own.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 63))]
    name: MaybeUndefined<String>,
    /// What it is, for people; null takes that back.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 1000))]
    description: MaybeUndefined<String>,
    /// Whether queries do without it.
    #[serde(default)]
    hidden: Option<bool>,
    /// Changes of its columns, each named once.
    #[serde(default)]
    #[oai(validator(max_items = 2000))]
    columns: Option<Vec<ColumnPatch>>,
}

/// A change of what is said of a column: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct ColumnPatch {
    /// The column: by its name in queries, or else by the one that it has in its source.
    column: String,
    /// Its name in queries from now on; null gives it back its own.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: MaybeUndefined<String>,
    /// What it is, for people; null takes that back.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 1000))]
    description: MaybeUndefined<String>,
    /// Whether queries do without it.
    #[serde(default)]
    hidden: Option<bool>,
}

impl TablePatch {
    /// As the domain has it.
    ///
    /// # Errors
    /// For a change of nothing.
    pub fn read(self) -> Result<TableChange> {
        let table = words(self.name, self.description, self.hidden);
        let columns = self.columns.unwrap_or_default().into_iter();
        let columns: Vec<_> =
            columns.map(|column| (column.column, words(column.name, column.description, column.hidden))).collect();
        if table.is_empty() && columns.iter().all(|(_, words)| words.is_empty()) {
            return Err(Error::nothing_to_change());
        }
        Ok(TableChange { table, columns })
    }
}

fn words(name: MaybeUndefined<String>, description: MaybeUndefined<String>, hidden: Option<bool>) -> WordsChange {
    WordsChange { name: change(name), description: change(description), hidden }
}

fn change(of: MaybeUndefined<String>) -> Option<Option<String>> {
    match of {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(text) => Some(Some(text)),
    }
}

/// What the columns of a table hold.
#[derive(Serialize, Object)]
pub struct TableProfile {
    /// Its name in queries.
    name: String,
    rows: u64,
    /// When the data came that this is of.
    loaded_at: Option<Stamp>,
    columns: Vec<ColumnProfile>,
    /// Rows by time; null when the table has no column of dates or timestamps.
    trend: Option<Trend>,
}

impl From<Profiled> for TableProfile {
    fn from(Profiled { table, profile }: Profiled) -> Self {
        Self {
            name: profile.name,
            rows: profile.rows,
            loaded_at: table.loaded_at.map(Stamp::from),
            columns: profile.columns.into_iter().map(ColumnProfile::from).collect(),
            trend: profile.trend.map(Trend::from),
        }
    }
}

impl Tagged for TableProfile {}

/// What a column holds.
#[derive(Serialize, Object)]
pub struct ColumnProfile {
    /// Its name in queries.
    name: String,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: ColumnType,
    /// Rows without a value.
    nulls: u64,
    /// How many different values.
    distinct: u64,
    /// Whether these are an estimate, as they are of more than 100,000 rows.
    distinct_is_estimate: bool,
    /// The least value; null without values.
    min: Option<Raw>,
    /// The greatest value; null without values.
    max: Option<Raw>,
    /// Of numbers.
    mean: Option<f64>,
    /// Of numbers: the standard deviation of a sample.
    stddev: Option<f64>,
    /// The most frequent values of text, booleans and whole numbers of few values; ten at most, the most frequent first.
    top: Vec<TopValue>,
    /// Numbers, dates and timestamps in at most twenty bins of equal width.
    histogram: Vec<Bin>,
}

impl From<domain::ColumnProfile> for ColumnProfile {
    fn from(column: domain::ColumnProfile) -> Self {
        let top = column.top.iter().filter_map(|(value, count)| Some(TopValue { value: raw(value)?, count: *count }));
        let bins = column.histogram.iter();
        let bins = bins.filter_map(|bin| Some(Bin { from: raw(&bin.from)?, to: raw(&bin.to)?, count: bin.rows }));
        Self {
            top: top.collect(),
            histogram: bins.collect(),
            name: column.name,
            kind: column.kind.into(),
            nulls: column.nulls,
            distinct: column.distinct,
            distinct_is_estimate: column.is_estimate,
            min: column.minimum.as_ref().and_then(raw),
            max: column.maximum.as_ref().and_then(raw),
            mean: column.mean,
            stddev: column.deviation,
        }
    }
}

/// A value as it stands in answers of queries.
fn raw(cell: &Cell) -> Option<Raw> {
    to_raw_value(cell).ok().map(Raw)
}

/// A frequent value.
#[derive(Serialize, Object)]
pub struct TopValue {
    value: Raw,
    /// The rows that have it.
    count: u64,
}

/// The values between two bounds.
#[derive(Serialize, Object)]
#[oai(rename = "HistogramBin")]
pub struct Bin {
    /// The least that counts.
    from: Raw,
    /// The first that no longer does, but in the last bin, where it does.
    to: Raw,
    /// The rows that have one of them.
    count: u64,
}

/// Rows by time.
#[derive(Serialize, Object)]
#[oai(rename = "RowTrend")]
pub struct Trend {
    /// The column of the times.
    column: String,
    /// `day`, `week`, `month`, `quarter` or `year`.
    grain: String,
    points: Vec<TrendPoint>,
}

/// The rows of one unit of time.
#[derive(Serialize, Object)]
pub struct TrendPoint {
    /// Its first day.
    start: String,
    count: u64,
}

impl From<domain::Trend> for Trend {
    fn from(trend: domain::Trend) -> Self {
        let points = trend.points.into_iter().map(|(start, count)| TrendPoint { start, count });
        Self { column: trend.column, grain: trend.grain, points: points.collect() }
    }
}
