//! A table's plan: type size, orientation of the page, widths of columns, heights of rows.
//!
//! Every cell is measured. A table that does not fit is set smaller, then on a page on its side, and at last in parts
//! that each repeat the first column; nothing is left out. Numbers and dates are never broken; text is wrapped to
//! three lines and cut after them.

use std::ops::Range;

use super::super::font::{self, Weight};
use super::cells::ColumnStyle;
use super::text;
use super::theme;
use crate::domain::result::{Cell, Table};

/// Lines of a cell, at most.
const LINES: usize = 3;
/// Lines of a column's name, at most.
const HEAD_LINES: usize = 3;
/// Type sizes to try on an upright page, then on its side.
const UPRIGHT: [f64; 4] = [8.5, 8.0, 7.5, 7.0];
const SIDEWAYS: [f64; 6] = [8.5, 8.0, 7.5, 7.0, 6.5, 6.0];
/// The type size of a table in parts.
const PARTED: f64 = 7.0;
/// Characters of a cell that count for widths.
const MEASURED: usize = 200;
/// What text needs at least and at most, in type sizes.
const TEXT_LEAST: f64 = 9.0;
const TEXT_MOST: f64 = 40.0;
/// White at both sides of a cell, and above and below its lines, in type sizes.
const PAD: f64 = 0.6;
const PAD_ROW: f64 = 0.38;
/// The distance of lines, in type sizes.
const PITCH: f64 = 1.3;

/// A column in its place.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// In the table.
    pub(super) column: usize,
    /// From the left edge of the table to the left edge of the column.
    pub(super) x: f64,
    /// With its white.
    pub(super) width: f64,
    /// The lines of its name.
    pub(super) head: Vec<String>,
}

/// Columns that stand beside one another.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// From left to right.
    pub(super) slots: Vec<Slot>,
    /// Of all columns.
    pub(super) width: f64,
    /// The lines of each row.
    lines: Vec<u8>,
    head_lines: u8,
}

/// A table ready to be broken over pages.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// What it shows.
    pub(super) table: &'a Table,
    /// How each column is written.
    pub(super) styles: Vec<ColumnStyle>,
    /// One, unless the columns do not fit beside one another.
    pub(super) parts: Vec<Part>,
    /// The type size.
    pub(super) size: f64,
    /// Whether it needs a page on its side.
    pub(super) landscape: bool,
}

/// What a column asks for, in type sizes and without white.
#[derive(Debug, Clone, Copy)]
struct Demand {
    least: f64,
    natural: f64,
}

impl<'a> Plan<'a> {
    /// Chooses size, orientation and widths.
    pub(super) fn of(table: &'a Table) -> Self {
        let styles: Vec<ColumnStyle> = (0..table.columns.len()).map(|index| ColumnStyle::of(table, index)).collect();
        let demands: Vec<Demand> = (0..table.columns.len()).map(|index| demand(table, index, &styles[index])).collect();
        let upright = theme::PORTRAIT.0 - theme::SIDE * 2.0;
        let sideways = theme::LANDSCAPE.0 - theme::SIDE * 2.0;
        let least: f64 = demands.iter().map(|demand| demand.least + PAD * 2.0).sum();
        let all: Vec<usize> = (0..table.columns.len()).collect();

        let (groups, size, landscape) = if let Some(size) = UPRIGHT.into_iter().find(|size| least * size <= upright) {
            (vec![all], size, false)
        } else if let Some(size) = SIDEWAYS.into_iter().find(|size| least * size <= sideways) {
            (vec![all], size, true)
        } else {
            (groups(&demands, sideways / PARTED), PARTED, true)
        };
        let room = if landscape { sideways } else { upright };
        let parts = groups.iter().map(|columns| Part::of(table, &styles, columns, &demands, size, room)).collect();
        Self { table, styles, parts, size, landscape }
    }

    /// The height of the names of the columns.
    pub(super) fn head_height(&self, part: &Part) -> f64 {
        self.lines_height(part.head_lines)
    }

    /// The height of a row.
    pub(super) fn row_height(&self, part: &Part, row: usize) -> f64 {
        self.lines_height(part.lines.get(row).copied().unwrap_or(1))
    }

    /// The rows from `first` on that fit, and their height; one at least, so that it always ends.
    pub(super) fn rows_that_fit(&self, part: &Part, first: usize, room: f64) -> (Range<usize>, f64) {
        let (mut row, mut height) = (first, 0.0);
        while row < self.table.rows.len() {
            let next = height + self.row_height(part, row);
            if next > room && row > first {
                break;
            }
            height = next;
            row += 1;
        }
        (first..row, height)
    }

    /// From the top of a row to the base line of its first line.
    pub(super) fn baseline(&self) -> f64 {
        self.size * (PAD_ROW + 1.0)
    }

    /// The distance of lines.
    pub(super) fn pitch(&self) -> f64 {
        self.size * PITCH
    }

    /// White at both sides of a cell.
    pub(super) fn pad(&self) -> f64 {
        self.size * PAD
    }

    /// The lines of a cell in its column.
    pub(super) fn cell_lines(&self, slot: &Slot, cell: &Cell) -> Vec<String> {
        let room = slot.width - self.pad() * 2.0;
        let style = &self.styles[slot.column];
        let written = style.write(cell);
        if style.wraps() && font::width(&written, Weight::Regular, self.size) > room + 1e-6 {
            return text::wrap_to(&beginning(&written), Weight::Regular, self.size, room, LINES);
        }
        vec![font::ellipsize(&written, Weight::Regular, self.size, room + 1e-6).into_owned()]
    }

    fn lines_height(&self, lines: u8) -> f64 {
        self.size * (f64::from(lines.max(1)) * PITCH + PAD_ROW * 2.0)
    }
}

impl Part {
    fn of(table: &Table, styles: &[ColumnStyle], columns: &[usize], demands: &[Demand], size: f64, room: f64) -> Self {
        let widths = widths(&columns.iter().map(|column| demands[*column]).collect::<Vec<_>>(), size, room);
        let mut x = 0.0;
        let mut slots = Vec::with_capacity(columns.len());
        for (column, width) in columns.iter().zip(widths) {
            let name = font::one_line(&table.columns[*column].name);
            let head =
                text::wrap_to(&beginning(&name), Weight::Bold, size, width - size * PAD * 2.0 + 1e-6, HEAD_LINES);
            slots.push(Slot { column: *column, x, width, head });
            x += width;
        }
        let head_lines = slots.iter().map(|slot| slot.head.len()).max().unwrap_or(1);
        let lines = table.rows.iter().map(|row| row_lines(row, &slots, styles, size)).collect();
        Self { slots, width: x, lines, head_lines: u8::try_from(head_lines).unwrap_or(1) }
    }
}

/// The most lines that a cell of the row needs.
fn row_lines(row: &[Cell], slots: &[Slot], styles: &[ColumnStyle], size: f64) -> u8 {
    let mut most = 1;
    for slot in slots.iter().filter(|slot| styles[slot.column].wraps()) {
        let Some(cell) = row.get(slot.column) else { continue };
        let written = styles[slot.column].write(cell);
        let room = slot.width - size * PAD * 2.0;
        if font::width(&written, Weight::Regular, size) > room + 1e-6 {
            most = most.max(text::wrap(&beginning(&written), Weight::Regular, size, room).len().min(LINES));
        }
    }
    u8::try_from(most).unwrap_or(1)
}

/// As much of a cell as could ever be shown.
fn beginning(text: &str) -> std::borrow::Cow<'_, str> {
    const SHOWN: usize = 600;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => std::borrow::Cow::Owned(format!("{}…", &text[..end])),
        None => std::borrow::Cow::Borrowed(text),
    }
}

fn demand(table: &Table, index: usize, style: &ColumnStyle) -> Demand {
    let measure = |text: &str, weight| {
        let end = text.char_indices().nth(MEASURED).map_or(text.len(), |(end, _)| end);
        font::width(&text[..end], weight, 1.0)
    };
    let name = font::one_line(&table.columns[index].name);
    let name_word =
        name.split_inclusive([' ', '_', '-', '/']).map(|word| measure(word, Weight::Bold)).fold(0.0, f64::max);
    let mut widest: f64 = 0.0;
    let mut word: f64 = 0.0;
    for cell in table.rows.iter().filter_map(|row| row.get(index)) {
        let written = style.write(cell);
        let width = measure(&written, Weight::Regular);
        widest = widest.max(width);
        // Words matter only where a column may become narrower than its cells.
        if style.wraps() && width > TEXT_LEAST {
            word = written.split(' ').map(|word| measure(word, Weight::Regular)).fold(word, f64::max);
        }
    }
    let head = name_word.min(TEXT_LEAST);
    if !style.wraps() {
        return Demand {
            least: widest.max(head),
            natural: widest.max(measure(&name, Weight::Bold).min(TEXT_LEAST * 1.4)),
        };
    }
    let natural = widest.max(measure(&name, Weight::Bold)).min(TEXT_MOST);
    Demand { least: natural.min(word.clamp(TEXT_LEAST, TEXT_LEAST * 1.5)).max(head), natural: natural.max(head) }
}

/// The widths of columns, with white: as they come when there is room, else each between what it needs and what it
/// would like.
fn widths(demands: &[Demand], size: f64, room: f64) -> Vec<f64> {
    let full = |inner: f64| (inner + PAD * 2.0) * size;
    let natural: f64 = demands.iter().map(|demand| full(demand.natural)).sum();
    let least: f64 = demands.iter().map(|demand| full(demand.least)).sum();
    if natural <= room {
        // A table as wide as the page when it nearly is, and not torn apart when it is not.
        let stretch = if natural >= room * 0.5 { room / natural } else { (room * 0.6 / natural).min(2.2) };
        return demands.iter().map(|demand| full(demand.natural) * stretch).collect();
    }
    if least >= room {
        return demands.iter().map(|demand| full(demand.least) * room / least).collect();
    }
    let cap = fair_cap(demands, room / size - PAD * 2.0 * count(demands));
    demands.iter().map(|demand| full(demand.natural.min(cap.max(demand.least)))).collect()
}

/// The width that columns may have at most so that all of them fill `room`: those that want less get what they want,
/// and only the greedy ones are cut.
fn fair_cap(demands: &[Demand], room: f64) -> f64 {
    let used = |cap: f64| demands.iter().map(|demand| demand.natural.min(cap.max(demand.least))).sum::<f64>();
    let (mut low, mut high) = (0.0, demands.iter().map(|demand| demand.natural).fold(0.0, f64::max));
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if used(middle) > room {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

fn count(demands: &[Demand]) -> f64 {
    u32::try_from(demands.len()).map_or(0.0, f64::from)
}

/// The columns of each part of a table that is wider than the page: the first column again, then as many as fit.
fn groups(demands: &[Demand], room: f64) -> Vec<Vec<usize>> {
    let need = |column: usize| demands[column].least + PAD * 2.0;
    let key = if demands.is_empty() { 0.0 } else { need(0).min(room / 3.0) };
    let mut groups = Vec::new();
    let mut group = vec![0];
    let mut used = key;
    for column in 1..demands.len() {
        if used + need(column) > room && group.len() > 1 {
            groups.push(std::mem::replace(&mut group, vec![0]));
            used = key;
        }
        group.push(column);
        used += need(column);
    }
    groups.push(group);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::result::{Column, ColumnType};

    fn table(kinds: &[ColumnType], rows: usize, cell: &Cell) -> Table {
        let columns =
            kinds.iter().enumerate().map(|(i, kind)| Column { name: format!("column_{i}"), kind: *kind }).collect();
        Table { columns, rows: vec![vec![cell.clone(); kinds.len()]; rows] }
    }

    #[test]
    fn columns_never_leave_the_page() {
        for count in [1, 3, 8, 14, 25, 60] {
            for cell in [Cell::Text("several words in a cell ".repeat(9)), Cell::Text("x".into())] {
                let table = table(&vec![ColumnType::Text; count], 3, &cell);
                let plan = Plan::of(&table);
                let page = if plan.landscape { theme::LANDSCAPE } else { theme::PORTRAIT };
                for part in &plan.parts {
                    assert!(part.width <= page.0 - theme::SIDE * 2.0 + 1e-6, "{count} columns: {}", part.width);
                }
                let mut shown: Vec<usize> =
                    plan.parts.iter().flat_map(|part| part.slots.iter().map(|slot| slot.column)).collect();
                shown.sort_unstable();
                shown.dedup();
                assert_eq!(shown.len(), count, "each column is in a part");
            }
        }
    }

    #[test]
    fn narrow_tables_stand_upright_and_wide_ones_on_a_page_on_its_side() {
        let number = Cell::Double(1234.5);
        assert!(!Plan::of(&table(&[ColumnType::Double; 6], 2, &number)).landscape);
        let wide = table(&[ColumnType::Double; 14], 2, &number);
        let plan = Plan::of(&wide);
        assert!(plan.landscape && plan.parts.len() == 1);
        let wider = table(&[ColumnType::Double; 60], 2, &number);
        assert!(Plan::of(&wider).parts.len() > 1);
    }

    #[test]
    fn long_text_is_wrapped_to_three_lines_and_numbers_stay_on_one() {
        let long = table(&[ColumnType::Text, ColumnType::Text], 1, &Cell::Text("word ".repeat(200)));
        let plan = Plan::of(&long);
        let lines = plan.cell_lines(&plan.parts[0].slots[0], &long.rows[0][0]);
        assert!(lines.len() == LINES && lines[2].ends_with('…'), "{lines:?}");
        let number = table(&[ColumnType::Integer; 9], 1, &Cell::Integer(123_456_789));
        let plan = Plan::of(&number);
        assert_eq!(plan.cell_lines(&plan.parts[0].slots[8], &number.rows[0][8]), ["123,456,789"]);
    }

    #[test]
    fn a_row_higher_than_the_page_still_moves_on() {
        let table = table(&[ColumnType::Text], 3, &Cell::Text("a".into()));
        let plan = Plan::of(&table);
        assert_eq!(plan.rows_that_fit(&plan.parts[0], 1, 0.0).0, 1..2);
    }
}
