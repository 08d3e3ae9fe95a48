//! Records of separated values (RFC 4180) out of a [`Source`], with what a reader of errors needs: lines and limits.
//!
//! The state machine is csv-core's. What is ours: the separator is found, rows must be as long as the header, a quote
//! that is never closed is refused instead of swallowing the rest of the file, and no field grows without bound.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::fault::Fault;
use super::source::Source;
use crate::domain::import::ImportOptions;

/// Bytes of one field.
pub const MAX_FIELD: usize = 1 << 20;
/// Columns of one file.
pub const MAX_COLUMNS: usize = 2_000;
/// Bytes of one row, so that many long fields do not add up to all memory.
const MAX_ROW: usize = 64 << 20;
const SEPARATORS: [u8; 4] = *b",;\t|";
/// Rows that are compared to find the separator.
const SEPARATOR_ROWS: usize = 50;

/// How fields are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Between fields.
    pub separator: u8,
    /// Around fields; `None` where nothing is quoted.
    pub quote: Option<u8>,
}

impl Dialect {
    /// What the options say, and for the rest what the text suggests.
    fn of(options: &ImportOptions, text: &[u8]) -> Self {
        let head = &text[..text.len().min(64 << 10)];
        let separator = options.separator_byte().unwrap_or_else(|| find_separator(head));
        let quote = match &options.quote {
            Some(quote) => quote.bytes().next(),
            None => Some(find_quote(head, separator)),
        };
        Self { separator, quote }
    }

    fn reader(self) -> Reader {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.separator);
        match self.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        builder.build()
    }
}

/// One row; valid until the next is read.
pub struct Row<'a> {
    /// The line it begins in.
    pub line: u64,
    fields: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// Its fields, unquoted.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let fields = self.fields;
        self.ends.iter().scan(0, move |start, end| {
            let field = &fields[*start..*end];
            *start = *end;
            Some(field)
        })
    }

    /// Bytes of all its fields.
    pub fn bytes(&self) -> usize {
        self.fields.len()
    }
}

/// The rows of a file.
pub struct Records {
    source: Source,
    dialect: Dialect,
    parser: Reader,
    /// Bytes of the source's chunk that were parsed.
    position: usize,
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// Fields that each row must have; unknown before the header.
    width: Option<usize>,
}

impl Records {
    /// Starts at the first row after the lines that are passed over.
    pub fn new(source: Source, options: &ImportOptions) -> Result<Self, Fault> {
        let any = Dialect { separator: b',', quote: None };
        let mut records = Self {
            source,
            dialect: any,
            parser: any.reader(),
            position: 0,
            fields: vec![0; 16 << 10],
            ends: vec![0; 64],
            width: None,
        };
        let skipped = options.skip_lines.unwrap_or(0);
        for _ in 0..skipped {
            records.skip_line()?;
        }
        if skipped > 0 && records.position == records.source.chunk().len() {
            records.advance()?;
        }
        records.dialect = Dialect::of(options, &records.source.chunk()[records.position..]);
        records.parser = records.dialect.reader();
        records.parser.set_line(1 + skipped);
        Ok(records)
    }

    /// How fields are told apart.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Goes past the next line end, whatever stands before it.
    fn skip_line(&mut self) -> Result<(), Fault> {
        loop {
            let rest = &self.source.chunk()[self.position..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                self.position += end + 1;
                return Ok(());
            }
            if !self.advance()? {
                return Err(Fault::Empty);
            }
        }
    }

    /// Where the rows come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The next row, `None` after the last. The first is the header and decides how long the others are.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, Fault> {
        if !self.skip_line_ends()? {
            return Ok(None);
        }
        let line = self.parser.line();
        let (mut length, mut count) = (0, 0);
        loop {
            let at_end = self.position == self.source.chunk().len() && !self.advance()?;
            // At the end of the file a line end is supplied: it completes the last row, unless a quote is open.
            let input = if at_end { b"\n" } else { &self.source.chunk()[self.position..] };
            let (result, read, written, ended) =
                self.parser.read_record(input, &mut self.fields[length..], &mut self.ends[count..]);
            if !at_end {
                self.position += read;
            }
            length += written;
            count += ended;
            let begun = length - self.ends[..count].last().copied().unwrap_or(0);
            if begun > MAX_FIELD || length > MAX_ROW {
                return Err(Fault::LongField { line, limit: MAX_FIELD });
            }
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if count > MAX_COLUMNS => break,
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if !at_end => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return Err(Fault::UnclosedQuote { line }),
            }
        }
        self.check_width(line, count)?;
        let row = Row { line, fields: &self.fields[..length], ends: &self.ends[..count] };
        if length > MAX_FIELD && row.iter().any(|field| field.len() > MAX_FIELD) {
            return Err(Fault::LongField { line, limit: MAX_FIELD });
        }
        Ok(Some(row))
    }

    fn check_width(&mut self, line: u64, found: usize) -> Result<(), Fault> {
        match self.width {
            None if found > MAX_COLUMNS => Err(Fault::TooManyColumns { limit: MAX_COLUMNS }),
            None => {
                self.width = Some(found);
                Ok(())
            }
            Some(expected) if found != expected => Err(Fault::Ragged { line, expected, found }),
            Some(_) => Ok(()),
        }
    }

    /// Goes to the next row's first byte over line ends and blank lines; `false` at the end of the file.
    fn skip_line_ends(&mut self) -> Result<bool, Fault> {
        loop {
            match self.source.chunk().get(self.position).copied() {
                Some(b'\n') => self.parser.set_line(self.parser.line() + 1),
                Some(b'\r') => {}
                Some(_) => return Ok(true),
                None if self.advance()? => continue,
                None => return Ok(false),
            }
            self.position += 1;
        }
    }

    fn advance(&mut self) -> Result<bool, Fault> {
        self.position = 0;
        self.source.advance()
    }
}

/// The separator under which most of the first rows are as long as the header, and the longer rows the better.
fn find_separator(head: &[u8]) -> u8 {
    let score = |separator: u8| {
        let widths = widths(head, separator);
        let header = widths.first().copied().unwrap_or(0);
        let agreeing = widths.iter().filter(|width| **width == header).count();
        if header < 2 { (0, 0) } else { (agreeing * 100 / widths.len(), header) }
    };
    // The first of the best wins: the comma is the norm.
    SEPARATORS.into_iter().rev().max_by_key(|separator| score(*separator)).unwrap_or(b',')
}

/// The apostrophe where every one of them stands at the edge of a field and no double quote does; otherwise the latter.
fn find_quote(head: &[u8], separator: u8) -> u8 {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == separator || matches!(byte, b'\n' | b'\r'));
    let (mut opening, mut closing) = (0_usize, 0_usize);
    for (place, byte) in head.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| head.get(before));
        match byte {
            b'"' => return b'"',
            b'\'' if is_edge(before) => opening += 1,
            b'\'' if is_edge(head.get(place + 1)) => closing += 1,
            b'\'' => return b'"',
            _ => {}
        }
    }
    // What the end of the head cuts off may miss its end.
    if opening > 0 && opening.abs_diff(closing) <= 1 { b'\'' } else { b'"' }
}

/// Fields in each of the first rows.
fn widths(head: &[u8], separator: u8) -> Vec<usize> {
    let mut parser = ReaderBuilder::new().delimiter(separator).build();
    let mut fields = vec![0; head.len() + 1];
    let mut ends = vec![0; head.len() + 1];
    let mut rest = head;
    let mut widths = Vec::new();
    while widths.len() < SEPARATOR_ROWS && !rest.is_empty() {
        let (result, read, _, count) = parser.read_record(rest, &mut fields, &mut ends);
        rest = &rest[read..];
        match result {
            ReadRecordResult::Record => widths.push(count),
            // The last row is cut where the head ends; it counts when it is the only one.
            _ if widths.is_empty() => widths.push(count + 1),
            _ => break,
        }
    }
    widths
}
