//! The series of a chart, brought onto one x: positions on a scale, or indexes of categories.

use std::collections::HashMap;

use crate::domain::result::{Cell, ColumnType, Series};
use crate::domain::widget::Format;

use super::super::font;
use super::time::{self, Finest};

/// What x is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Domain {
    /// Categories and their labels; `ordered` when they are dates or numbers, so that a reader can fill in what is
    /// left out between two labels.
    Categories { labels: Vec<String>, ordered: bool },
    /// A scale of numbers.
    Numbers { low: f64, high: f64, whole: bool },
    /// A scale of time, in seconds since 1970.
    Times { low: f64, high: f64, finest: Finest },
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark<'a> {
    /// On the scale, or the index of the category.
    pub(super) x: f64,
    /// `None` where the cell is null or no number.
    pub(super) y: Option<f64>,
    /// What stood in the first column.
    pub(super) cell: &'a Cell,
}

/// A chart's data.
#[derive(Debug)]
pub(super) struct Data<'a> {
    /// What x is.
    pub(super) domain: Domain,
    /// The marks of each series, rising in x.
    pub(super) series: Vec<Vec<Mark<'a>>>,
}

impl<'a> Data<'a> {
    /// Dates and numbers on a scale, the rest as categories.
    pub(super) fn for_lines(x: ColumnType, series: &'a [Series]) -> Self {
        let place: fn(&Cell) -> Option<f64> = match x {
            ColumnType::Date | ColumnType::Timestamp => instant,
            _ if x.is_numeric() => Cell::number,
            _ => return Self::for_bars(x, series),
        };
        let series: Vec<Vec<Mark<'a>>> = series.iter().map(|one| on_scale(one, place)).collect();
        let mut places = series.iter().flatten().map(|mark| mark.x);
        let (low, high) = places
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
        let whole = x == ColumnType::Integer || places.all(|place| place.fract() == 0.0);
        let domain = if x.is_numeric() {
            Domain::Numbers { low, high, whole }
        } else {
            let (low, high) = if low < high { (low, high) } else { (low - 86_400.0, high + 86_400.0) };
            Domain::Times { low, high, finest: finest(x) }
        };
        Self { domain, series }
    }

    /// Each distinct x is a category: dates and numbers rising, the rest in order of appearance.
    pub(super) fn for_bars(x: ColumnType, series: &'a [Series]) -> Self {
        let mut cells: Vec<&'a Cell> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (cell, _) in series.iter().flat_map(|one| &one.points) {
            seen.entry(cell.display()).or_insert_with(|| {
                cells.push(cell);
                cells.len() - 1
            });
        }
        let place: Option<fn(&Cell) -> Option<f64>> = match x {
            ColumnType::Date | ColumnType::Timestamp => Some(instant),
            _ => x.is_numeric().then_some(Cell::number),
        };
        let mut order: Vec<usize> = (0..cells.len()).collect();
        if let Some(place) = place {
            let keys: Vec<f64> = cells.iter().map(|cell| place(cell).unwrap_or(f64::INFINITY)).collect();
            order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]));
        }
        let mut rank = vec![0.0; order.len()];
        let mut position = 0.0;
        for index in &order {
            rank[*index] = position;
            position += 1.0;
        }
        let sorted: Vec<&Cell> = order.iter().map(|index| cells[*index]).collect();
        let series = series
            .iter()
            .map(|one| {
                let mut marks: Vec<Mark<'a>> = one
                    .points
                    .iter()
                    .filter_map(|(cell, value)| {
                        let index = seen.get(&cell.display())?;
                        Some(Mark { x: rank[*index], y: finite(value), cell })
                    })
                    .collect();
                marks.sort_by(|a, b| a.x.total_cmp(&b.x));
                marks
            })
            .collect();
        let domain = Domain::Categories { labels: category_labels(x, &sorted), ordered: place.is_some() };
        Self { domain, series }
    }

    /// The least and the greatest value; `None` when there is none.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        self.values().fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    }

    /// Whether every value is a whole number.
    pub(super) fn is_whole(&self) -> bool {
        self.values().all(|value| value.fract() == 0.0)
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.series.iter().flatten().filter_map(|mark| mark.y)
    }
}

/// What the first column says, for a reader.
pub(super) fn label(cell: &Cell) -> String {
    match cell {
        Cell::Null => "–".to_owned(),
        Cell::Double(value) => Format::default().apply(*value),
        _ => font::one_line(&cell.display()).trim().to_owned(),
    }
}

fn category_labels(x: ColumnType, cells: &[&Cell]) -> Vec<String> {
    let plain = || cells.iter().map(|cell| label(cell)).collect();
    if !matches!(x, ColumnType::Date | ColumnType::Timestamp) {
        return plain();
    }
    let instants: Option<Vec<f64>> = cells.iter().map(|cell| instant(cell)).collect();
    instants.map_or_else(plain, |instants| time::category_labels(&instants, finest(x)))
}

fn finest(x: ColumnType) -> Finest {
    if x == ColumnType::Date { Finest::Day } else { Finest::Second }
}

fn on_scale<'a>(series: &'a Series, place: fn(&Cell) -> Option<f64>) -> Vec<Mark<'a>> {
    let mut marks: Vec<Mark<'a>> = series
        .points
        .iter()
        .filter_map(|(cell, value)| {
            let x = place(cell).filter(|place| place.is_finite())?;
            Some(Mark { x, y: finite(value), cell })
        })
        .collect();
    marks.sort_by(|a, b| a.x.total_cmp(&b.x));
    marks
}

fn finite(cell: &Cell) -> Option<f64> {
    cell.number().filter(|number| number.is_finite())
}

fn instant(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Text(text) => time::seconds(text),
        _ => None,
    }
}
