//! Workbooks, XLSX and ODS: each sheet with data becomes a table.
//!
//! A workbook is read twice, sheet by sheet and never as a whole: once for what its columns are, once for the values.
//! Formulas count with the values that the program which saved them had computed, error cells are null, and of merged
//! cells the first has the value. Dates and times are told by the format of their cells. Rows without any value are
//! passed over, and so are titles above a table (`layout`).

mod archive;
mod layout;
mod ods;
mod xlsx;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::archive::Format;
use self::layout::{Layout, Sketch};
use super::columns::Misfit;
use super::csv::{MAX_COLUMNS, MAX_FIELD};
use super::fault::Fault;
use super::pour::Pour;
use super::value::Value;
use super::{Attempt, BATCH_ROWS};
use crate::domain::preview::FileKind;
use crate::domain::source::sql_name;
use crate::worker::protocol::ImportedTable;

/// Cells of one workbook that have a value, repeated ones counted as often as they stand there.
const MAX_CELLS: u64 = 50_000_000;
/// Bytes of text of one workbook, shared texts counted as often as they are used.
const MAX_TEXT: u64 = 4 << 30;

/// A row of a sheet that has a value.
struct SheetRow<'r> {
    /// Which of the sheets with a name, counted from zero.
    sheet: usize,
    /// What people call the sheet.
    name: &'r str,
    /// Counted from zero.
    row: u32,
    /// The cells from column A to the last with a value.
    cells: &'r [Value<'r>],
    /// About how much of the workbook was read.
    fraction: f64,
}

/// Whether more of a sheet is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    More,
    NextSheet,
}

/// Hears of each row.
type Hear<'h> = dyn FnMut(SheetRow<'_>) -> Result<Wanted, Fault> + 'h;

impl Attempt<'_, '_> {
    /// A workbook as extracts. Its readers trust what a file says of itself, and may panic where that is wrong.
    pub(super) fn workbook(&mut self) -> Result<Vec<ImportedTable>, Fault> {
        let read = catch_unwind(AssertUnwindSafe(|| self.read_workbook()));
        read.unwrap_or(Err(Fault::Damaged("a workbook")))
    }

    fn read_workbook(&mut self) -> Result<Vec<ImportedTable>, Fault> {
        let plain = self.plain()?;
        let format = archive::checked(plain.file()?)?;
        self.found.kind = if format == Format::Xlsx { FileKind::Xlsx } else { FileKind::Ods };
        let open = || -> Result<Box<dyn Workbook>, Fault> {
            Ok(match format {
                Format::Xlsx => Box::new(xlsx::Xlsx::open(plain.file()?)?),
                Format::Ods => Box::new(ods::Ods::open(plain.file()?)?),
            })
        };
        let layouts = self.layouts(open()?.as_mut())?;
        self.convert_sheets(open()?.as_mut(), layouts)
    }

    /// What each sheet's columns are; `None` for those without data, or that are not wanted.
    fn layouts(&mut self, book: &mut dyn Workbook) -> Result<Vec<Option<Layout>>, Fault> {
        let mut sketches: Vec<Sketch> = Vec::new();
        let (mut seen, mut budget) = (0_usize, Budget::default());
        let options = self.file.options.clone();
        let names = book.read(&mut |row| {
            budget.take(&row)?;
            if options.sheet.as_ref().is_some_and(|wanted| wanted != row.name) {
                return Ok(Wanted::NextSheet);
            }
            while sketches.len() <= row.sheet {
                sketches.push(Sketch::new(&options, self.bases.is_some()));
            }
            let sketch = &mut sketches[row.sheet];
            sketch.see(row.row, row.cells);
            seen += 1;
            if seen.is_multiple_of(BATCH_ROWS) {
                self.progress.tell(row.fraction / 2.0, self.length, 0)?;
            }
            Ok(if self.wants_row(sketch.rows()) { Wanted::More } else { Wanted::NextSheet })
        })?;
        if let Some(sheet) = &options.sheet
            && !names.contains(sheet)
        {
            return Err(Fault::NoSuchSheet { sheet: sheet.clone(), sheets: names });
        }
        let layouts = sketches.into_iter().zip(&names).map(|(sketch, name)| sketch.finish(name));
        let layouts: Vec<Option<Layout>> = layouts.collect::<Result<_, _>>()?;
        let mut all = layouts.iter().flatten().flat_map(|layout| &layout.names);
        match options.columns.keys().find(|wanted| !all.clone().any(|name| name == *wanted)) {
            _ if all.next().is_none() => Err(Fault::Empty),
            Some(unknown) => Err(Fault::NoSuchColumn { column: unknown.clone() }),
            None => Ok(layouts),
        }
    }

    /// The sheets as tables.
    fn convert_sheets(
        &mut self,
        book: &mut dyn Workbook,
        mut layouts: Vec<Option<Layout>>,
    ) -> Result<Vec<ImportedTable>, Fault> {
        let tables = self.table_names(&layouts)?;
        self.warn(&layouts, &tables);
        self.found.header = layouts.iter().flatten().next().map(|layout| layout.has_header);
        let mut pours: Vec<Option<Pour>> = Vec::new();
        for (layout, table) in layouts.iter_mut().zip(&tables) {
            let (Some(layout), Some(table)) = (layout, table) else {
                pours.push(None);
                continue;
            };
            self.expect(table, &layout.names, &mut layout.terms);
            layout.settle();
            let path = self.place(table);
            let (names, terms) = (layout.names.clone(), std::mem::take(&mut layout.terms));
            pours.push(Some(Pour::begin(path.as_deref(), names, layout.guesses.clone(), terms)?));
        }
        book.read(&mut |row| {
            let place = row.sheet;
            let (Some(Some(pour)), Some(Some(layout))) = (pours.get_mut(place), layouts.get(place)) else {
                return Ok(Wanted::NextSheet);
            };
            if row.row < layout.first_row {
                return Ok(Wanted::More);
            }
            if !self.wants_row(pour.rows()) {
                return Ok(Wanted::NextSheet);
            }
            if push_row(pour, layout.first_column, &row)? {
                self.progress.tell(0.5 + row.fraction / 2.0, self.length, pour.rows())?;
            }
            Ok(Wanted::More)
        })?;
        let made = pours.into_iter().zip(tables).filter_map(|(pour, table)| Some((pour?, table?)));
        made.map(|(pour, table)| self.finish(pour, &table)).collect()
    }

    /// The table of each sheet with data: the file's, or with the sheet's name behind it where there are several.
    fn table_names(&mut self, layouts: &[Option<Layout>]) -> Result<Vec<Option<String>>, Fault> {
        let several = layouts.iter().flatten().count() > 1;
        let mut own: Vec<String> = Vec::new();
        let mut tables = Vec::with_capacity(layouts.len());
        for layout in layouts {
            let Some(layout) = layout else {
                tables.push(None);
                continue;
            };
            let base = match several {
                true => format!("{}_{}", self.file.table, sql_name(&layout.sheet)),
                false => self.file.table.clone(),
            };
            let numbered = |number: u32| if number == 1 { base.clone() } else { format!("{base}_{number}") };
            let table = (1..).map(numbered).find(|name| !own.contains(name)).unwrap_or_default();
            self.take(&table)?;
            own.push(table.clone());
            tables.push(Some(table));
        }
        Ok(tables)
    }

    fn warn(&mut self, layouts: &[Option<Layout>], tables: &[Option<String>]) {
        for (layout, table) in layouts.iter().zip(tables) {
            if let (Some(layout), Some(table)) = (layout, table)
                && layout.titles > 0
            {
                self.found.warnings.push(format!(
                    "`{table}`: {} above the header are passed over as titles; set `skip_lines` and `header` to decide \
                     otherwise.",
                    if layout.titles == 1 { "a row".to_owned() } else { format!("{} rows", layout.titles) }
                ));
            }
        }
    }
}

/// Puts a row into its table, and tells whether a batch was completed by it.
fn push_row(pour: &mut Pour, first_column: usize, row: &SheetRow<'_>) -> Result<bool, Fault> {
    let mut bytes = 0;
    for place in 0..pour.columns().len() {
        let value = row.cells.get(first_column + place).unwrap_or(&Value::Null);
        if let Value::Text(text) = value {
            bytes += text.len();
        }
        let column = &mut pour.columns()[place];
        match column.push_value(value) {
            Ok(()) => {}
            Err(Misfit::Type) if column.asked().is_some() => {
                return Err(pour.contradiction(place, u64::from(row.row) + 1, &value.written()));
            }
            Err(_) => return Err(Fault::Damaged("a workbook: it changed while it was read")),
        }
    }
    pour.end_row(bytes)
}

/// A workbook that is read row by row.
trait Workbook {
    /// Tells of each row that has a value, in the order of the sheets, and gives the names of all sheets.
    fn read(&mut self, hear: &mut Hear<'_>) -> Result<Vec<String>, Fault>;
}

/// What a workbook may hold.
#[derive(Default)]
struct Budget {
    cells: u64,
    text: u64,
}

impl Budget {
    fn take(&mut self, row: &SheetRow<'_>) -> Result<(), Fault> {
        for cell in row.cells {
            if let Value::Text(text) = cell {
                self.text += text.len() as u64;
                if text.len() > MAX_FIELD {
                    return Err(Fault::LongField { line: u64::from(row.row) + 1, limit: MAX_FIELD });
                }
            }
        }
        self.cells += row.cells.len() as u64;
        if self.cells > MAX_CELLS {
            return Err(Fault::TooManyCells { limit: MAX_CELLS });
        }
        if self.text > MAX_TEXT {
            return Err(Fault::TooLarge { limit: MAX_TEXT });
        }
        Ok(())
    }
}

/// Puts a value at its place in a row; what is nothing leaves no trace.
fn place_value<'v>(cells: &mut Vec<Value<'v>>, column: usize, value: Value<'v>) -> Result<(), Fault> {
    if value == Value::Null {
        return Ok(());
    }
    if column >= MAX_COLUMNS {
        return Err(Fault::TooManyColumns { limit: MAX_COLUMNS });
    }
    if cells.len() <= column {
        cells.resize(column + 1, Value::Null);
    }
    cells[column] = value;
    Ok(())
}

/// Text as a value: of none nothing is left.
fn text_value(text: Cow<'_, str>) -> Value<'_> {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}
