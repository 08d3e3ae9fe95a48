//! Files become extracts: separated values here, JSON and files of columns in modules of their own.
//!
//! A file of separated values is read once in the usual case: types are guessed from its first rows, and the rest is converted under that
//! guess. Where a later value does not fit, all rows are read to find the types that fit every value, and converted
//! again. Either way the outcome is the same: the types that every row decided.

mod columnar;
mod columns;
mod csv;
mod extract;
mod fault;
mod json;
mod kind;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use self::columns::{Column, Misfit};
use self::csv::Records;
use self::extract::Extract;
use self::fault::Fault;
use self::kind::Kind;
use self::source::{Encoding, Source};
use super::control::Control;
use super::detect::{Detector, Guess};
use super::{defect, internal};
use crate::worker::protocol::{Failure, FailureCode, ImportFile, ImportedColumn, ImportedTable};

/// Rows that the first guess is made from.
const SAMPLE_ROWS: u64 = 10_000;
/// Rows of a batch, unless it reaches [`BATCH_BYTES`] before.
const BATCH_ROWS: usize = 8_192;
/// Bytes of text that end a batch.
const BATCH_BYTES: usize = 8 << 20;

/// What an import accepts.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of one file when decompressed.
    pub decompressed_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { decompressed_bytes: 8 << 30 }
    }
}

/// Converts the files into `<table>.parquet` under the existing, empty directory `into`, durably.
///
/// Fails with `InvalidFile` and a sentence that names the file; then, and when it is stopped, `into` is left empty.
pub fn run(
    files: &[ImportFile],
    into: &Path,
    options: Options,
    control: &Control,
) -> Result<Vec<ImportedTable>, Failure> {
    let mut names = HashSet::new();
    for file in files {
        check_table(file, &mut names)?;
    }
    let tables = import_all(files, into, options, control);
    if tables.is_err() {
        for file in files {
            // A file that is not there need not be removed.
            let _ = fs::remove_file(into.join(file_name(&file.table)));
        }
    }
    tables
}

fn import_all(
    files: &[ImportFile],
    into: &Path,
    options: Options,
    control: &Control,
) -> Result<Vec<ImportedTable>, Failure> {
    let length = |file: &ImportFile| fs::metadata(&file.path).map_or(0, |metadata| metadata.len());
    let mut progress = Progress { control, total: files.iter().map(length).sum(), before: 0, rows: 0, told: 0.0 };
    let mut tables = Vec::with_capacity(files.len());
    for file in files {
        let target = into.join(file_name(&file.table));
        let table = import(file, &target, options, &mut progress).map_err(|fault| fault.into_failure(&file.name))?;
        progress.before += length(file);
        progress.rows += table.rows;
        tables.push(table);
    }
    File::open(into)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| internal("a directory cannot be synced", &error))?;
    Ok(tables)
}

/// Tables become file names, so they are checked even though the server made them.
fn check_table(file: &ImportFile, names: &mut HashSet<String>) -> Result<(), Failure> {
    let name = &file.table;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(defect("a table's name cannot be a file's"));
    }
    if names.insert(name.clone()) {
        return Ok(());
    }
    let message = format!("`{}` is the second file that becomes the table `{name}`; rename one of them.", file.name);
    Err(Failure::new(FailureCode::InvalidFile, message))
}

fn file_name(table: &str) -> String {
    format!("{table}.parquet")
}

/// The share of all files that was read; it never goes back, though a file may be read again.
struct Progress<'a> {
    control: &'a Control,
    total: u64,
    before: u64,
    rows: u64,
    told: f64,
}

impl Progress<'_> {
    /// Tells which part of the file at hand is read, and fails when the job has to stop.
    #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
    fn tell(&mut self, part: f64, length: u64, rows: u64) -> Result<(), Fault> {
        self.control.check()?;
        let done = self.before as f64 + part * length as f64;
        let fraction = if self.total == 0 { 1.0 } else { (done / self.total as f64).min(1.0) };
        if fraction >= self.told + 0.01 {
            self.told = fraction;
            self.control.progress(fraction, self.rows + rows);
        }
        Ok(())
    }
}

/// One file on its way.
struct Attempt<'a, 'p> {
    file: &'a ImportFile,
    target: &'a Path,
    length: u64,
    options: Options,
    progress: &'a mut Progress<'p>,
}

fn import(
    file: &ImportFile,
    target: &Path,
    options: Options,
    progress: &mut Progress<'_>,
) -> Result<ImportedTable, Fault> {
    let length = fs::metadata(&file.path)?.len();
    let mut attempt = Attempt { file, target, length, options, progress };
    match kind::of(&file.path)? {
        Kind::Text => attempt.separated(),
        Kind::Json => attempt.json(),
        kind => attempt.columns(kind),
    }
}

impl Attempt<'_, '_> {
    /// A file of separated values as an extract.
    fn separated(&mut self) -> Result<ImportedTable, Fault> {
        let mut encoding = None;
        let mut rows = Some(SAMPLE_ROWS);
        loop {
            let guesses = match self.detect(encoding, rows)? {
                Detected::Types(guesses) => guesses,
                Detected::NotUtf8 => {
                    encoding = Some(Encoding::Windows1252);
                    continue;
                }
            };
            match self.convert(encoding, &guesses)? {
                Converted::Table(table) => return Ok(table),
                Converted::Misfit(Misfit::Type) => rows = None,
                Converted::Misfit(Misfit::Encoding) => encoding = Some(Encoding::Windows1252),
            }
        }
    }
}

enum Detected {
    Types(Vec<Guess>),
    NotUtf8,
}

enum Converted {
    Table(ImportedTable),
    Misfit(Misfit),
}

impl Attempt<'_, '_> {
    fn open(&self, encoding: Option<Encoding>) -> Result<Records, Fault> {
        Ok(Records::new(Source::open(&self.file.path, self.options.decompressed_bytes, encoding)?))
    }

    /// The types of the columns by their first rows, or by all.
    fn detect(&mut self, encoding: Option<Encoding>, limit: Option<u64>) -> Result<Detected, Fault> {
        let mut records = self.open(encoding)?;
        let may_be_other = records.source().encoding() == Encoding::Utf8;
        let mut detectors = vec![Detector::default(); records.next()?.ok_or(Fault::Empty)?.len()];
        let mut rows = 0;
        while limit.is_none_or(|limit| rows < limit) {
            let Some(row) = records.next()? else { break };
            for (cell, detector) in row.iter().zip(&mut detectors) {
                detector.see(cell);
                if may_be_other && detector.guess() == Guess::Text && std::str::from_utf8(cell).is_err() {
                    return Ok(Detected::NotUtf8);
                }
            }
            rows += 1;
            if rows % BATCH_ROWS as u64 == 0 {
                self.progress.tell(records.source().fraction(), self.length, 0)?;
            }
        }
        Ok(Detected::Types(detectors.iter().map(Detector::guess).collect()))
    }

    /// Converts all rows under these types, as long as each value fits.
    fn convert(&mut self, encoding: Option<Encoding>, guesses: &[Guess]) -> Result<Converted, Fault> {
        let mut records = self.open(encoding)?;
        let header = records.next()?.ok_or(Fault::Empty)?;
        let Some(names) = column_names(header.iter()) else { return Ok(Converted::Misfit(Misfit::Encoding)) };
        let schema = columns::schema(&names, guesses);
        let mut columns: Vec<Column> = guesses.iter().copied().map(Column::new).collect();
        let mut extract = Extract::create(self.target, schema.clone())?;
        let (mut rows, mut held, mut bytes) = (0_u64, 0, 0);
        loop {
            let row = records.next()?;
            let ended = row.is_none();
            if let Some(row) = row {
                for (cell, column) in row.iter().zip(&mut columns) {
                    if let Err(misfit) = column.push(cell) {
                        return Ok(Converted::Misfit(misfit));
                    }
                }
                held += 1;
                bytes += row.bytes();
            }
            if held > 0 && (ended || held == BATCH_ROWS || bytes >= BATCH_BYTES) {
                rows += held as u64;
                (held, bytes) = (0, 0);
                extract.write(RecordBatch::try_new(schema.clone(), columns.iter_mut().map(Column::take).collect())?)?;
                self.progress.tell(records.source().fraction(), self.length, rows)?;
            }
            if ended {
                break;
            }
        }
        let kinds = guesses.iter().map(|guess| guess.column_type());
        let columns = names.into_iter().zip(kinds).zip(&columns);
        let columns = columns.map(|((name, kind), column)| ImportedColumn { name, kind, nullable: column.nullable });
        let columns = columns.collect();
        let bytes = extract.finish()?;
        Ok(Converted::Table(ImportedTable { name: self.file.table.clone(), rows, bytes, columns }))
    }
}

/// The header as names: empty ones are numbered, repeated ones get a suffix. `None` when they are not UTF-8.
fn column_names<'a>(header: impl Iterator<Item = &'a [u8]>) -> Option<Vec<String>> {
    let given: Vec<&str> = header.map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
    // Names that stand in the header go first, so that a suffix never takes one of them.
    let mut taken: HashSet<String> = given.iter().map(|name| (*name).to_owned()).collect();
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(given.len());
    for (position, name) in given.into_iter().enumerate() {
        if !name.is_empty() && seen.insert(name) {
            names.push(name.to_owned());
            continue;
        }
        let (base, first) =
            if name.is_empty() { (format!("column_{}", position + 1), 1) } else { (name.to_owned(), 2) };
        let spelled = |number: u64| if number == 1 { base.clone() } else { format!("{base}_{number}") };
        let free = (first..).map(spelled).find(|candidate| taken.insert(candidate.clone()))?;
        names.push(free);
    }
    Some(names)
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Self {
        Self::Extract(error.into())
    }
}
