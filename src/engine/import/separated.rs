//! Files of separated values.
//!
//! A file is read once in the usual case: types are guessed from its first rows, and the rest is converted under that
//! guess. Where a later value does not fit, all rows are read to find the types that fit every value, and converted
//! again. Either way the outcome is the same: the types that every row decided. A type that was asked for is never
//! widened: a value that does not fit it is told with its line.

use super::columns::{Finder, Misfit};
use super::csv::{Dialect, Records};
use super::fault::Fault;
use super::pour::Pour;
use super::source::{Encoding, Source};
use super::terms::Terms;
use super::{Attempt, BATCH_ROWS, column_names, numbered};
use crate::engine::detect::{Detector, Guess};
use crate::worker::protocol::ImportedTable;

/// Rows that the first guess is made from.
const SAMPLE_ROWS: u64 = 10_000;

/// What the first rows say of a file.
struct Seen {
    dialect: Dialect,
    encoding: Encoding,
    /// The first row has the columns' names.
    has_header: bool,
    names: Vec<String>,
    terms: Vec<Terms>,
    guesses: Vec<Guess>,
}

enum Detected {
    Seen(Seen),
    NotUtf8,
}

enum Converted {
    Table(ImportedTable),
    Misfit(Misfit),
}

impl Attempt<'_, '_> {
    /// A file of separated values as an extract.
    pub(super) fn separated(&mut self) -> Result<Vec<ImportedTable>, Fault> {
        let mut encoding = self.file.options.encoding;
        let mut rows = Some(self.sample_rows.unwrap_or(SAMPLE_ROWS));
        loop {
            let seen = match self.detect(encoding, rows)? {
                Detected::Seen(seen) => seen,
                Detected::NotUtf8 => {
                    encoding = Some(Encoding::Windows1252);
                    continue;
                }
            };
            match self.convert(encoding, &seen)? {
                Converted::Table(table) => {
                    self.found.separator = Some(char::from(seen.dialect.separator).to_string());
                    self.found.quote = seen.dialect.quote.map(|quote| char::from(quote).to_string());
                    self.found.encoding = Some(seen.encoding);
                    self.found.header = Some(seen.has_header);
                    return Ok(vec![table]);
                }
                Converted::Misfit(Misfit::Type) if rows.is_none() => {
                    return Err(Fault::Damaged("separated values: it changed while it was read"));
                }
                Converted::Misfit(Misfit::Type) => rows = None,
                Converted::Misfit(Misfit::Encoding) => encoding = Some(Encoding::Windows1252),
            }
        }
    }

    fn open(&self, encoding: Option<Encoding>) -> Result<Records, Fault> {
        let source = Source::open(&self.file.path, self.options.decompressed_bytes, encoding)?;
        Records::new(source, &self.file.options)
    }

    /// The names and types of the columns by the first rows, or by all.
    fn detect(&mut self, encoding: Option<Encoding>, limit: Option<u64>) -> Result<Detected, Fault> {
        let mut records = self.open(encoding)?;
        let is_utf8 = records.source().encoding() == Encoding::Utf8;
        let dialect = records.dialect();
        let encoding = records.source().encoding();
        let first: Vec<Vec<u8>> = records.next()?.ok_or(Fault::Empty)?.iter().map(<[u8]>::to_vec).collect();
        let has_header = self.file.options.header.unwrap_or_else(|| !is_data(&first));
        let names = match has_header {
            true => column_names(first.iter().map(Vec::as_slice)),
            false => Some(numbered(first.len())),
        };
        let Some(names) = names else { return self.not_utf8(1) };
        let mut terms = Terms::of(&self.file.options, &names, true)?;
        self.expect(&self.file.table, &names, &mut terms);
        let mut finders: Vec<Finder> = terms.iter().cloned().map(Finder::new).collect();
        let mut rows = 0;
        if !has_header {
            finders.iter_mut().zip(&first).for_each(|(finder, cell)| finder.see(cell));
            rows = 1;
        }
        while limit.is_none_or(|limit| rows < limit) {
            let Some(row) = records.next()? else { break };
            for (cell, finder) in row.iter().zip(&mut finders) {
                finder.see(cell);
                if is_utf8 && finder.guess() == Guess::Text && std::str::from_utf8(cell).is_err() {
                    return self.not_utf8(row.line);
                }
            }
            rows += 1;
            if rows % BATCH_ROWS as u64 == 0 {
                self.progress.tell(records.source().fraction(), self.length, 0)?;
            }
        }
        let guesses = finders.iter().map(Finder::guess).collect();
        Ok(Detected::Seen(Seen { dialect, encoding, has_header, names, terms, guesses }))
    }

    /// A file that is said to be UTF-8 has to be; of another one it was a guess.
    fn not_utf8(&self, line: u64) -> Result<Detected, Fault> {
        if self.file.options.encoding.is_some() { Err(Fault::Misencoded { line }) } else { Ok(Detected::NotUtf8) }
    }

    /// Converts the rows under these types, as long as each value fits.
    fn convert(&mut self, encoding: Option<Encoding>, seen: &Seen) -> Result<Converted, Fault> {
        let mut records = self.open(encoding)?;
        if seen.has_header {
            records.next()?;
        }
        let path = self.place(&self.file.table);
        let mut pour = Pour::begin(path.as_deref(), seen.names.clone(), seen.guesses.clone(), seen.terms.clone())?;
        while self.wants_row(pour.rows()) {
            let Some(row) = records.next()? else { break };
            for (place, (cell, column)) in row.iter().zip(pour.columns()).enumerate() {
                match column.push(cell) {
                    Ok(()) => {}
                    Err(Misfit::Encoding) if self.file.options.encoding.is_some() => {
                        return Err(Fault::Misencoded { line: row.line });
                    }
                    Err(Misfit::Type) if column.asked().is_some() => {
                        return Err(pour.contradiction(place, row.line, &String::from_utf8_lossy(cell)));
                    }
                    Err(misfit) => return Ok(Converted::Misfit(misfit)),
                }
            }
            if pour.end_row(row.bytes())? {
                self.progress.tell(records.source().fraction(), self.length, pour.rows())?;
            }
        }
        Ok(Converted::Table(self.finish(pour, &self.file.table.clone())?))
    }
}

/// Whether a first row is one of values already: nothing in it but numbers, days, instants and booleans.
fn is_data(row: &[Vec<u8>]) -> bool {
    row.iter().all(|cell| {
        let mut detector = Detector::default();
        detector.see(cell);
        !matches!(detector.guess(), Guess::Nothing | Guess::Text)
    })
}
