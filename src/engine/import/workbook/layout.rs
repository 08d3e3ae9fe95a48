//! What the columns of a sheet are: where its table begins, how they are called, and which types fit all their values.

use super::super::fault::Fault;
use super::super::terms::{Nulls, Terms, decimal_digits};
use super::super::value::{Value, Values};
use super::super::{column_names, numbered};
use crate::domain::import::ImportOptions;
use crate::engine::detect::Guess;

/// Rows that are held to find the header among them.
const HEAD: usize = 50;

/// The columns of a sheet that has data.
pub struct Layout {
    /// What people call the sheet.
    pub sheet: String,
    /// The columns' names.
    pub names: Vec<String>,
    /// Their types.
    pub guesses: Vec<Guess>,
    /// The terms on which they are read.
    pub terms: Vec<Terms>,
    decimals: Vec<usize>,
    /// Whether their names stand in a row.
    pub has_header: bool,
    /// The first row of values.
    pub first_row: u32,
    /// The first column that is used.
    pub first_column: usize,
    /// Rows above the header, which are no part of the table.
    pub titles: usize,
}

impl Layout {
    /// Takes the types that the terms ask for by now.
    pub fn settle(&mut self) {
        for ((guess, terms), decimals) in self.guesses.iter_mut().zip(&self.terms).zip(&self.decimals) {
            if let Some(asked) = terms.asked {
                *guess = Guess::asked(asked, *decimals);
            }
        }
    }
}

/// A layout in the making.
pub struct Sketch {
    options: ImportOptions,
    /// An exact number may be asked for.
    counts_decimals: bool,
    nulls: Nulls,
    /// The first rows, until it is decided which of them is the header.
    head: Option<Vec<(u32, Vec<Value<'static>>)>>,
    header: Vec<String>,
    has_header: bool,
    first_row: u32,
    titles: usize,
    columns: Vec<Seen>,
    rows: u64,
}

/// What was seen of a column.
#[derive(Default)]
struct Seen {
    values: Values,
    is_used: bool,
    decimals: usize,
}

impl Sketch {
    /// One of a sheet that nothing was seen of.
    pub fn new(options: &ImportOptions, is_appended: bool) -> Self {
        Self {
            options: options.clone(),
            counts_decimals: is_appended || !options.columns.is_empty(),
            nulls: Nulls::of(options),
            head: Some(Vec::new()),
            header: Vec::new(),
            has_header: false,
            first_row: 0,
            titles: 0,
            columns: Vec::new(),
            rows: 0,
        }
    }

    /// How many rows were seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes a row with a value into account.
    pub fn see(&mut self, row: u32, cells: &[Value<'_>]) {
        if u64::from(row) < self.options.skip_lines.unwrap_or(0) {
            return;
        }
        self.rows += 1;
        match &mut self.head {
            None => self.count(cells),
            Some(head) => {
                head.push((row, cells.iter().map(owned).collect()));
                if head.len() == HEAD {
                    self.decide();
                }
            }
        }
    }

    /// The layout; `None` where there is no value.
    pub fn finish(mut self, sheet: &str) -> Result<Option<Layout>, Fault> {
        self.decide();
        let is_named = |place: usize| self.header.get(place).is_some_and(|name| !name.is_empty());
        let is_used = |place: usize| self.columns.get(place).is_some_and(|column| column.is_used);
        let end = self.header.len().max(self.columns.len());
        let Some(first_column) = (0..end).find(|place| is_named(*place) || is_used(*place)) else { return Ok(None) };
        let width = end - first_column;
        self.header.resize(end, String::new());
        self.columns.resize_with(end, Seen::default);
        let names = match self.has_header {
            true => column_names(self.header[first_column..].iter().map(String::as_bytes)).unwrap_or_default(),
            false => numbered(width),
        };
        let terms = Terms::of(&self.options, &names, false)?;
        let decimals = self.columns[first_column..].iter().map(|seen| seen.decimals).collect();
        let columns = self.columns.drain(first_column..);
        let guesses = columns.zip(&terms).map(|(seen, terms)| match terms.asked {
            Some(asked) => Guess::asked(asked, seen.decimals),
            None => seen.values.guess(),
        });
        let guesses = guesses.collect();
        let (has_header, first_row, titles) = (self.has_header, self.first_row, self.titles);
        Ok(Some(Layout {
            sheet: sheet.to_owned(),
            names,
            guesses,
            terms,
            decimals,
            has_header,
            first_row,
            first_column,
            titles,
        }))
    }

    /// Finds the header: the first row that is filled more than half as widely as the widest one, unless it has
    /// nothing but values. What stands above it are titles.
    fn decide(&mut self) {
        let Some(head) = self.head.take() else { return };
        let filled = |cells: &[Value<'_>]| cells.iter().filter(|cell| **cell != Value::Null).count();
        let widest = head.iter().map(|(_, cells)| filled(cells)).max().unwrap_or(0);
        let wide = match self.options.header {
            None => head.iter().position(|(_, cells)| filled(cells) * 2 > widest).unwrap_or(0),
            Some(_) => 0,
        };
        let Some((row, cells)) = head.get(wide) else { return };
        self.has_header = self.options.header.unwrap_or_else(|| !is_data(cells));
        // Without a header nothing tells titles from values.
        let first = if self.has_header { wide } else { 0 };
        self.titles = first;
        if self.has_header {
            self.header = cells.iter().map(|cell| cell.written().trim().to_owned()).collect();
            self.first_row = row + 1;
        } else {
            self.first_row = head.first().map_or(0, |(row, _)| *row);
        }
        for (_, cells) in &head[first + usize::from(self.has_header)..] {
            self.count(cells);
        }
    }

    fn count(&mut self, cells: &[Value<'_>]) {
        if self.columns.len() < cells.len() {
            self.columns.resize_with(cells.len(), Seen::default);
        }
        for (seen, cell) in self.columns.iter_mut().zip(cells).filter(|(_, cell)| **cell != Value::Null) {
            seen.is_used = true;
            if matches!(cell, Value::Text(text) if self.nulls.has(text.as_bytes())) {
                continue;
            }
            seen.values.see(cell);
            if self.counts_decimals {
                let digits = decimal_digits(cell.written().as_bytes());
                seen.decimals = seen.decimals.max(digits.map_or(0, |(_, decimals)| decimals));
            }
        }
    }
}

/// Whether a first row is one of values already: not one text in it.
fn is_data(cells: &[Value<'_>]) -> bool {
    cells.iter().all(|cell| !matches!(cell, Value::Text(_)))
}

fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Boolean(value) => Value::Boolean(*value),
        Value::Number(value) => Value::Number(*value),
        Value::Date(value) => Value::Date(*value),
        Value::Time(value) => Value::Time(*value),
        Value::Timestamp(value) => Value::Timestamp(*value),
        Value::Text(text) => Value::Text(text.clone().into_owned().into()),
    }
}
