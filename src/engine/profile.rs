//! The profile of a source: a few queries for each of its tables, put together.
//!
//! One pass counts and sums up all columns; columns of few distinct values are then counted by value, numbers by bin,
//! and rows by the first date the table has. Large tables are counted approximately where exactness is dear.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use futures_util::StreamExt;

use super::control::Control;
use super::internal;
use super::sql::refresh::push_rows;
use super::sql::session::{Engine, Session};
use super::sql::value;
use crate::domain::profile::{Bin, ColumnProfile, Profile, TableProfile, Trend};
use crate::domain::result::{Cell, Column, ColumnType, Table};
use crate::domain::source::quoted;
use crate::worker::protocol::{Failure, QueryLimits, TableFile};

/// Rows up to which distinct values are counted exactly.
const EXACT_ROWS: u64 = 100_000;
/// Whole numbers with at most so many distinct values are categories, whose values are listed.
const CATEGORIES: u64 = 100;
/// Values listed for a column.
const TOP: usize = 10;
/// Bins of a histogram.
const BINS: u32 = 20;
/// Points of a trend, unless it spans more years; the finest unit within gives twelve or more where dates allow.
const MOST_POINTS: i64 = 120;
/// Numbers below it are told as whole ones, where they are (2^53).
const WHOLE: f64 = 9_007_199_254_740_992.0;
/// The seconds of a day.
const DAY: f64 = 86_400.0;

/// Profiles the tables into the file `into` as JSON, in so many bytes of memory and of disk; yields the rows read.
pub async fn run(
    engine: Arc<Engine>,
    tables: Vec<TableFile>,
    into: PathBuf,
    (memory_bytes, spill_bytes): (u64, u64),
    control: &Control,
) -> Result<u64, Failure> {
    let limits = QueryLimits { rows: u64::MAX, bytes: u64::MAX, memory_bytes, spill_bytes, millis: u64::MAX };
    let (reins, hands) = (control.clone(), engine.hands.clone());
    let work = async move {
        let session = engine.session(&tables, None, &limits).await?;
        let mut profiler = Profiler { session, rows_scanned: 0 };
        let mut profile = Profile { tables: Vec::with_capacity(tables.len()) };
        for table in &tables {
            profile.tables.push(profiler.table(table).await?);
            #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
            reins.progress(profile.tables.len() as f64 / tables.len() as f64, profiler.rows_scanned);
        }
        let unwritable = |error: std::io::Error| internal("the profile cannot be written", &error);
        let file = File::create(&into).map_err(unwritable)?;
        serde_json::to_writer(std::io::BufWriter::new(&file), &profile).map_err(|error| unwritable(error.into()))?;
        file.sync_all().map_err(unwritable)?;
        Ok(profiler.rows_scanned)
    };
    hands.run(work, control.stopped()).await
}

struct Profiler {
    session: Session,
    rows_scanned: u64,
}

impl Profiler {
    async fn table(&mut self, file: &TableFile) -> Result<TableProfile, Failure> {
        let known = self.session.tables().iter().find(|known| known.source == file.source && known.table == file.table);
        let columns = known.map(|known| value::columns(&known.schema)).unwrap_or_default();
        let from = format!("{}.{}", quoted(&file.source), quoted(&file.table));
        let counted = self.query(&format!("SELECT count(*) FROM {from}")).await?;
        let rows = counted.rows.first().and_then(|row| count(row.first())).unwrap_or(0);
        let mut profiles = self.summaries(&from, &columns, rows).await?;
        for profile in &mut profiles {
            if lists_values(profile) {
                profile.top = self.top(&from, &profile.name).await?;
            }
            profile.histogram = self.histogram(&from, profile).await?;
        }
        let time = profiles.iter().find(|column| matches!(column.kind, ColumnType::Date | ColumnType::Timestamp));
        let trend = match time {
            Some(column) => self.trend(&from, column).await?,
            None => None,
        };
        Ok(TableProfile { name: file.table.clone(), rows, columns: profiles, trend })
    }

    /// One pass over the table: counts, bounds and moments of each column.
    async fn summaries(&mut self, from: &str, columns: &[Column], rows: u64) -> Result<Vec<ColumnProfile>, Failure> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let is_estimate = rows > EXACT_ROWS;
        let distinct = if is_estimate { "approx_distinct(" } else { "count(DISTINCT " };
        let facts: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let name = quoted(&column.name);
                let finite = finite(&name, column.kind);
                let (mean, deviation) = if column.kind.is_numeric() {
                    (format!("avg({finite})"), format!("stddev({finite})"))
                } else {
                    ("NULL".to_owned(), "NULL".to_owned())
                };
                format!(
                    "count({name}) AS n{position}, {distinct}{name}) AS d{position}, min({finite}) AS a{position}, \
                     max({finite}) AS z{position}, {mean} AS m{position}, {deviation} AS s{position}"
                )
            })
            .collect();
        let table = self.query(&format!("SELECT {} FROM {from}", facts.join(", "))).await?;
        let row = table.rows.into_iter().next().unwrap_or_default();
        let profile = |(column, facts): (&Column, &[Cell])| ColumnProfile {
            name: column.name.clone(),
            kind: column.kind,
            nulls: rows.saturating_sub(count(facts.first()).unwrap_or(0)),
            distinct: count(facts.get(1)).unwrap_or(0),
            is_estimate,
            minimum: present(facts.get(2)),
            maximum: present(facts.get(3)),
            mean: facts.get(4).and_then(Cell::number),
            deviation: facts.get(5).and_then(Cell::number),
            top: Vec::new(),
            histogram: Vec::new(),
        };
        Ok(columns.iter().zip(row.chunks(6)).map(profile).collect())
    }

    /// The most frequent values; among equals the smaller first.
    async fn top(&mut self, from: &str, column: &str) -> Result<Vec<(Cell, u64)>, Failure> {
        let name = quoted(column);
        let sql = format!(
            "SELECT {name} AS v, count(*) AS n FROM {from} WHERE {name} IS NOT NULL GROUP BY {name} \
             ORDER BY n DESC, v LIMIT {TOP}"
        );
        let table = self.query(&sql).await?;
        Ok(table.rows.into_iter().filter_map(|row| Some((row.first()?.clone(), count(row.get(1))?))).collect())
    }

    async fn histogram(&mut self, from: &str, column: &ColumnProfile) -> Result<Vec<Bin>, Failure> {
        let Some(axis) = Axis::of(column.kind) else { return Ok(Vec::new()) };
        let place = |bound: &Option<Cell>| bound.as_ref().and_then(|cell| axis.place(cell));
        let Some((least, most)) = place(&column.minimum).zip(place(&column.maximum)) else { return Ok(Vec::new()) };
        let Some(bins) = Bins::between(least, most, axis.is_whole(column.kind)) else { return Ok(Vec::new()) };
        let name = quoted(&column.name);
        let (value, finite) = (axis.sql(&name), finite(&name, column.kind));
        let (width, last) = (bins.width, bins.count - 1);
        // Compared in floating point on both sides, so that no value falls between two bins.
        let sql = format!(
            "SELECT least(floor(({value} - CAST('{least}' AS DOUBLE)) / CAST('{width}' AS DOUBLE)), \
             CAST({last} AS DOUBLE)) AS b, count(*) AS n FROM {from} WHERE {finite} IS NOT NULL GROUP BY 1"
        );
        let mut counts = vec![0; bins.count as usize];
        for row in self.query(&sql).await?.rows {
            let bin = row.first().and_then(Cell::number).filter(|bin| (0.0..=f64::from(last)).contains(bin));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bin's number, checked")]
            let slot = bin.and_then(|bin| counts.get_mut(bin as usize));
            if let (Some(slot), Some(rows)) = (slot, count(row.get(1))) {
                *slot += rows;
            }
        }
        let bin = |(number, rows): (u32, u64)| {
            Some(Bin { from: axis.cell(bins.bound(number))?, to: axis.cell(bins.bound(number + 1))?, rows })
        };
        Ok((0..bins.count).zip(counts).map(bin).collect::<Option<_>>().unwrap_or_default())
    }

    async fn trend(&mut self, from: &str, column: &ColumnProfile) -> Result<Option<Trend>, Failure> {
        let day = |cell: &Option<Cell>| match cell {
            Some(Cell::Text(text)) => text.get(..10).and_then(|day| day.parse::<NaiveDate>().ok()),
            _ => None,
        };
        let Some((first, last)) = day(&column.minimum).zip(day(&column.maximum)) else { return Ok(None) };
        let grain = grain(first, last);
        let name = quoted(&column.name);
        let sql = format!(
            "SELECT CAST(date_trunc('{grain}', {name}) AS DATE) AS t, count(*) AS n FROM {from} \
             WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 1"
        );
        let table = self.query(&sql).await?;
        let point = |row: Vec<Cell>| Some((row.first()?.display(), count(row.get(1))?));
        let points = table.rows.into_iter().filter_map(point).collect();
        Ok(Some(Trend { column: column.name.clone(), grain: grain.to_owned(), points }))
    }

    async fn query(&mut self, sql: &str) -> Result<Table, Failure> {
        let mut running = self.session.start(sql, &[], u64::MAX).await?;
        let mut table = Table { columns: std::mem::take(&mut running.columns), rows: Vec::new() };
        while let Some(batch) = running.stream.next().await {
            push_rows(&mut table, &batch.map_err(|error| self.session.failure(&error))?)?;
        }
        self.rows_scanned += running.rows_scanned();
        Ok(table)
    }
}

/// Where the values of a column lie on a line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Axis {
    /// At the number itself.
    Number,
    /// At the count of seconds since 1970, or of days: this many seconds each.
    Time(f64),
}

impl Axis {
    fn of(kind: ColumnType) -> Option<Self> {
        match kind {
            ColumnType::Integer | ColumnType::Decimal | ColumnType::Double => Some(Self::Number),
            ColumnType::Date => Some(Self::Time(DAY)),
            ColumnType::Timestamp => Some(Self::Time(1.0)),
            ColumnType::Boolean | ColumnType::Text | ColumnType::Time => None,
        }
    }

    fn is_whole(self, kind: ColumnType) -> bool {
        self != Self::Number || kind == ColumnType::Integer
    }

    fn sql(self, name: &str) -> String {
        match self {
            Self::Number => format!("CAST({name} AS DOUBLE)"),
            Self::Time(unit) => format!("(CAST(date_part('epoch', {name}) AS DOUBLE) / CAST('{unit}' AS DOUBLE))"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds of calendars are far below 2^53")]
    fn place(self, cell: &Cell) -> Option<f64> {
        let (Self::Time(unit), Cell::Text(text)) = (self, cell) else { return cell.number() };
        let instant = match text.parse::<NaiveDate>() {
            Ok(day) => day.and_time(NaiveTime::MIN).and_utc().timestamp(),
            Err(_) => text.parse::<DateTime<Utc>>().ok()?.timestamp(),
        };
        Some((instant as f64 / unit).floor())
    }

    #[expect(clippy::cast_possible_truncation, reason = "bounds lie by instants that have a calendar's date")]
    fn cell(self, place: f64) -> Option<Cell> {
        let Self::Time(unit) = self else {
            let is_whole = place.fract() == 0.0 && place.abs() < WHOLE;
            return Some(if is_whole { Cell::Integer(place as i64) } else { Cell::Double(place) });
        };
        let instant = DateTime::<Utc>::from_timestamp((place * unit) as i64, 0)?;
        let pattern = if unit < DAY { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%d" };
        Some(Cell::Text(instant.format(pattern).to_string()))
    }
}

/// Bins of equal width; those of whole numbers have whole bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bins {
    least: f64,
    width: f64,
    count: u32,
}

impl Bins {
    fn between(least: f64, most: f64, whole: bool) -> Option<Self> {
        let span = most - least;
        if !span.is_finite() || span < 0.0 {
            return None;
        }
        if span == 0.0 {
            return Some(Self { least, width: 1.0, count: 1 });
        }
        if !whole {
            return Some(Self { least, width: span / f64::from(BINS), count: BINS });
        }
        let width = ((span + 1.0) / f64::from(BINS)).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most BINS by the width")]
        let count = ((span + 1.0) / width).ceil() as u32;
        Some(Self { least, width, count })
    }

    fn bound(&self, number: u32) -> f64 {
        self.least + self.width * f64::from(number)
    }
}

/// The values of a column that lie on a line: infinite ones, and those that are no number, have no place on it.
fn finite(name: &str, kind: ColumnType) -> String {
    match kind {
        ColumnType::Double => format!("CASE WHEN abs({name}) <= CAST('{:e}' AS DOUBLE) THEN {name} END", f64::MAX),
        _ => name.to_owned(),
    }
}

/// Whether the column's values are categories rather than measures.
fn lists_values(column: &ColumnProfile) -> bool {
    match column.kind {
        ColumnType::Text | ColumnType::Boolean => true,
        ColumnType::Integer => column.distinct <= CATEGORIES,
        _ => false,
    }
}

/// The finest unit of time that does not give too many points.
fn grain(first: NaiveDate, last: NaiveDate) -> &'static str {
    let days = (last - first).num_days();
    let months = i64::from(last.year() - first.year()) * 12 + i64::from(last.month()) - i64::from(first.month());
    let units = [("day", days + 1), ("week", days / 7 + 2), ("month", months + 1), ("quarter", months / 3 + 2)];
    units.into_iter().find(|(_, points)| *points <= MOST_POINTS).map_or("year", |(grain, _)| grain)
}

fn count(cell: Option<&Cell>) -> Option<u64> {
    match cell? {
        Cell::Integer(value) => u64::try_from(*value).ok(),
        Cell::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn present(cell: Option<&Cell>) -> Option<Cell> {
    cell.filter(|cell| **cell != Cell::Null).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_cover_every_value_and_are_twenty_at_most() {
        for (least, most, whole) in
            [(0.0, 1.0, false), (-43.0, 1_301.0, true), (1.0, 12.0, true), (5.0, 5.0, true), (1.0, 21.0, true)]
        {
            let bins = Bins::between(least, most, whole).unwrap();
            assert!(bins.count <= BINS, "{bins:?}");
            assert!(bins.bound(0) <= least && bins.bound(bins.count) >= most, "{bins:?}");
        }
        assert_eq!(Bins::between(1.0, 12.0, true).map(|bins| (bins.width, bins.count)), Some((1.0, 12)));
        assert_eq!(Bins::between(0.0, f64::INFINITY, false), None);
    }

    #[test]
    fn a_trend_has_between_twelve_and_a_hundred_and_twenty_points_where_dates_allow() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(grain(day("2013-01-01"), day("2013-01-05")), "day");
        assert_eq!(grain(day("2013-01-01"), day("2013-04-30")), "day");
        assert_eq!(grain(day("2013-01-01"), day("2013-12-31")), "week");
        assert_eq!(grain(day("2010-01-01"), day("2018-12-31")), "month");
        assert_eq!(grain(day("1995-01-01"), day("2018-12-31")), "quarter");
        assert_eq!(grain(day("1900-01-01"), day("2018-12-31")), "year");
    }
}
