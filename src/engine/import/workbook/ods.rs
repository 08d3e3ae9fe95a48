//! ODS, read as it streams by. A cell or a row that is repeated stands there once with a count, which is followed only
//! where there is a value, and within bounds.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;

use super::super::csv::{MAX_COLUMNS, MAX_FIELD};
use super::super::fault::Fault;
use super::super::value::{Value, clock};
use super::archive::damaged;
use super::xlsx::iso;
use super::{Hear, MAX_CELLS, SheetRow, Wanted, Workbook, place_value, text_value};
use crate::engine::detect::MICROS_PER_DAY;

/// Rows of a sheet.
const MAX_ROWS: u32 = 1 << 20;
/// What a formula gives that cannot be computed.
const ERRORS: [&str; 7] = ["#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"];

/// A workbook.
pub struct Ods(ZipArchive<BufReader<File>>);

impl Ods {
    /// Opens one whose archive was checked.
    pub fn open(file: File) -> Result<Self, Fault> {
        Ok(Self(ZipArchive::new(BufReader::new(file)).map_err(damaged)?))
    }
}

impl Workbook for Ods {
    fn read(&mut self, hear: &mut Hear<'_>) -> Result<Vec<String>, Fault> {
        let content = self.0.by_name("content.xml").map_err(damaged)?;
        let length = content.size().max(1);
        let mut xml = Reader::from_reader(BufReader::with_capacity(64 << 10, content));
        xml.config_mut().expand_empty_elements = true;
        let mut content = Content { xml, buffer: Vec::new(), length };
        let mut names: Vec<String> = Vec::new();
        loop {
            match content.next()? {
                Token::Start(Element::Table(Some(name))) => {
                    let sheet = names.len();
                    names.push(name);
                    content.sheet(sheet, &names[sheet], hear)?;
                }
                Token::End(_) | Token::Start(_) => {}
                Token::Eof => return Ok(names),
            }
        }
    }
}

/// What the elements of a sheet are.
enum Element {
    /// A sheet, where it has a name.
    Table(Option<String>),
    /// A row, so many times.
    Row(u32),
    /// A cell.
    Cell(Cell),
    Other,
}

/// A cell, so many times.
struct Cell {
    repeated: u32,
    value: Value<'static>,
    /// Its text is its value.
    is_text: bool,
    has_formula: bool,
    /// It lies under a merged one.
    is_covered: bool,
}

enum Token {
    Start(Element),
    End(bool),
    Eof,
}

struct Content<R: BufRead> {
    xml: Reader<R>,
    buffer: Vec<u8>,
    length: u64,
}

impl<R: BufRead> Content<R> {
    /// The next element that begins or ends; `End(true)` ends a sheet or a row.
    fn next(&mut self) -> Result<Token, Fault> {
        loop {
            self.buffer.clear();
            return Ok(match self.xml.read_event_into(&mut self.buffer).map_err(malformed)? {
                Event::Start(element) => Token::Start(read(&element)?),
                Event::End(end) => Token::End(matches!(end.name().as_ref(), "table:table" | "table:table-row")),
                Event::Eof => Token::Eof,
                _ => continue,
            });
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
    fn fraction(&self) -> f64 {
        (self.xml.buffer_position() as f64 / self.length as f64).min(1.0)
    }

    /// One sheet to its end.
    fn sheet(&mut self, sheet: usize, name: &str, hear: &mut Hear<'_>) -> Result<(), Fault> {
        let (mut row, mut wanted) = (0_u32, Wanted::More);
        loop {
            match self.next()? {
                Token::Start(Element::Row(repeated)) => {
                    let cells = self.row()?;
                    let end = row.saturating_add(repeated).min(MAX_ROWS);
                    // Asked before it is done a million times.
                    if wanted == Wanted::More && cells.len() as u64 * u64::from(end - row) > MAX_CELLS {
                        return Err(Fault::TooManyCells { limit: MAX_CELLS });
                    }
                    for row in row..end {
                        if cells.is_empty() || wanted == Wanted::NextSheet {
                            break;
                        }
                        let fraction = self.fraction();
                        wanted = hear(SheetRow { sheet, name, row, cells: &cells, fraction })?;
                    }
                    row = end;
                }
                // A table within a sheet is a drawing's.
                Token::Start(Element::Table(_)) => self.skip()?,
                Token::Start(_) | Token::End(false) => {}
                Token::End(true) => return Ok(()),
                Token::Eof => return Err(Fault::Damaged("an ODS workbook")),
            }
        }
    }

    /// The cells of a row, to its end.
    fn row(&mut self) -> Result<Vec<Value<'static>>, Fault> {
        let mut cells: Vec<Value<'static>> = Vec::new();
        let mut column = 0_usize;
        loop {
            match self.next()? {
                Token::Start(Element::Cell(cell)) => {
                    let repeated = cell.repeated as usize;
                    let value = self.cell(cell)?;
                    if value != Value::Null {
                        if column.saturating_add(repeated) > MAX_COLUMNS {
                            return Err(Fault::TooManyColumns { limit: MAX_COLUMNS });
                        }
                        for place in column..column + repeated {
                            place_value(&mut cells, place, value.clone())?;
                        }
                    }
                    column = column.saturating_add(repeated);
                }
                Token::Start(_) => self.skip()?,
                Token::End(_) => return Ok(cells),
                Token::Eof => return Err(Fault::Damaged("an ODS workbook")),
            }
        }
    }

    /// The value of a cell, to its end.
    fn cell(&mut self, cell: Cell) -> Result<Value<'static>, Fault> {
        let mut text = String::new();
        let (mut depth, mut paragraphs, mut noted) = (1_usize, 0_usize, None);
        while depth > 0 {
            self.buffer.clear();
            let event = self.xml.read_event_into(&mut self.buffer).map_err(malformed)?;
            let counts = cell.is_text && noted.is_none() && paragraphs > 0;
            match event {
                Event::Start(element) => {
                    depth += 1;
                    match element.name().as_ref() {
                        // Notes and drawings have text of their own.
                        "office:annotation" | "draw:frame" | "table:table" if noted.is_none() => noted = Some(depth),
                        "text:p" if noted.is_none() => {
                            if paragraphs > 0 {
                                text.push('\n');
                            }
                            paragraphs += 1;
                        }
                        "text:s" if counts => {
                            let spaces = attribute(&element, "text:c")?.map_or(Ok(1), |count| count.parse::<usize>());
                            text.extend(std::iter::repeat_n(' ', spaces.unwrap_or(1).min(MAX_FIELD)));
                        }
                        "text:tab" if counts => text.push('\t'),
                        "text:line-break" if counts => text.push('\n'),
                        _ => {}
                    }
                }
                Event::End(_) => {
                    if noted == Some(depth) {
                        noted = None;
                    }
                    depth -= 1;
                }
                Event::Text(part) if counts => text.push_str(&part.xml10_content()),
                Event::CData(part) if counts => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) if counts => text.push(character(&reference)?),
                Event::Eof => return Err(Fault::Damaged("an ODS workbook")),
                _ => {}
            }
            if text.len() > MAX_FIELD + 1 {
                // Who counts the budget says so, with the row; until then nothing grows.
                text.truncate(text.floor_char_boundary(MAX_FIELD + 1));
            }
        }
        Ok(match cell {
            Cell { is_covered: true, .. } => Value::Null,
            Cell { is_text: true, has_formula, .. } => {
                if has_formula && ERRORS.contains(&text.as_str()) {
                    Value::Null
                } else {
                    text_value(Cow::Owned(text))
                }
            }
            Cell { value, .. } => value,
        })
    }

    /// Passes over an element that has begun, to its end.
    fn skip(&mut self) -> Result<(), Fault> {
        let mut depth = 1_usize;
        while depth > 0 {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer).map_err(malformed)? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(Fault::Damaged("an ODS workbook")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn read(element: &BytesStart<'_>) -> Result<Element, Fault> {
    let count = |name: &str| -> Result<u32, Fault> {
        let given = attribute(element, name)?;
        given.map_or(Ok(1), |count| count.parse().map_err(|_| Fault::Damaged("an ODS workbook")))
    };
    Ok(match element.name().as_ref() {
        "table:table" => Element::Table(attribute(element, "table:name")?),
        "table:table-row" => Element::Row(count("table:number-rows-repeated")?),
        name @ ("table:table-cell" | "table:covered-table-cell") => {
            let is_covered = name == "table:covered-table-cell";
            Element::Cell(Cell { repeated: count("table:number-columns-repeated")?, is_covered, ..cell(element)? })
        }
        _ => Element::Other,
    })
}

/// What the attributes say of a cell.
fn cell(element: &BytesStart<'_>) -> Result<Cell, Fault> {
    let kind = attribute(element, "office:value-type")?;
    let is_error = attribute(element, "calcext:value-type")?.is_some_and(|kind| kind == "error");
    let has_formula = attribute(element, "table:formula")?.is_some();
    let given = |name: &str| Ok::<_, Fault>(attribute(element, name)?.unwrap_or_default());
    let (mut value, mut is_text) = (Value::Null, false);
    match kind.as_deref() {
        _ if is_error => {}
        Some("float" | "percentage" | "currency") => {
            let number: f64 = given("office:value")?.parse().map_err(|_| Fault::Damaged("an ODS workbook"))?;
            value = if number.is_finite() { Value::Number(number) } else { Value::Null };
        }
        Some("boolean") => value = Value::Boolean(given("office:boolean-value")?.eq_ignore_ascii_case("true")),
        Some("date") => value = iso(&given("office:date-value")?),
        Some("time") => value = length_of_time(&given("office:time-value")?),
        Some("string") => match attribute(element, "office:string-value")? {
            Some(text) if has_formula && ERRORS.contains(&text.as_str()) => {}
            Some(text) => value = text_value(Cow::Owned(text)),
            None => is_text = true,
        },
        _ => {}
    }
    Ok(Cell { repeated: 1, value, is_text, has_formula, is_covered: false })
}

/// `PT13H45M00.5S` as a time of day, or as text where it is longer than a day.
fn length_of_time(text: &str) -> Value<'static> {
    let read = || {
        let rest = text.strip_prefix("PT")?;
        let (hours, rest) = rest.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        let seconds: f64 = rest.strip_suffix('S')?.replace(',', ".").parse().ok()?;
        let whole = hours.parse::<u32>().ok()? * 60;
        let minutes = i64::from(whole.checked_add(minutes.parse().ok()?)?);
        #[expect(clippy::cast_possible_truncation, reason = "within a minute")]
        let micros = (0.0..61.0).contains(&seconds).then(|| (seconds * 1e6).round() as i64)?;
        Some(minutes * 60_000_000 + micros)
    };
    match read() {
        Some(micros) if micros < MICROS_PER_DAY => Value::Time(micros),
        Some(micros) => Value::Text(Cow::Owned(clock(micros))),
        None => text_value(Cow::Owned(text.to_owned())),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Fault> {
    let found = element.try_get_attribute(name).map_err(|_| Fault::Damaged("an ODS workbook"))?;
    let value = found.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0).map(Cow::into_owned));
    value.transpose().map_err(malformed)
}

/// A character that is named. Others than XML's own five would have to be declared, which no sheet does.
fn character(reference: &BytesRef<'_>) -> Result<char, Fault> {
    if let Some(character) = reference.resolve_char_ref().map_err(malformed)? {
        return Ok(character);
    }
    Ok(match reference.as_ref() {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return Err(Fault::Damaged("an ODS workbook")),
    })
}

fn malformed(_: quick_xml::Error) -> Fault {
    Fault::Damaged("an ODS workbook")
}
