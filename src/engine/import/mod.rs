//! Files become extracts: separated values, JSON, files of columns and workbooks, in modules of their own. What a file is
//! its content says; how it is read its options say, where there are any.

mod append;
mod columnar;
mod columns;
pub(in crate::engine) mod csv;
pub(in crate::engine) mod extract;
pub(in crate::engine) mod fault;
mod json;
mod kind;
mod pour;
mod sample;
mod separated;
mod source;
mod terms;
#[cfg(test)]
mod tests;
mod value;
mod workbook;

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use self::fault::Fault;
use self::kind::Kind;
use self::pour::Pour;
use super::control::Control;
use super::{defect, internal};
use crate::domain::preview::{FileKind, FilePreview};
use crate::worker::protocol::{BaseTable, Failure, ImportFile, ImportedTable};

/// Rows that a preview is made of.
const PREVIEW_ROWS: u64 = 1_000;
/// Rows of a batch, unless it reaches [`BATCH_BYTES`] before.
pub(in crate::engine) const BATCH_ROWS: usize = 8_192;
/// Bytes of text that end a batch.
pub(in crate::engine) const BATCH_BYTES: usize = 8 << 20;

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
/// Rows are added to the tables of `bases` where these are given, and no others are made.
///
/// Fails with `InvalidFile` and a sentence that names the file; then, and when it is stopped, `into` is left empty.
pub fn run(
    files: &[ImportFile],
    into: &Path,
    bases: Option<&[BaseTable]>,
    options: Options,
    control: &Control,
) -> Result<Vec<ImportedTable>, Failure> {
    let tables = import_all(files, into, bases, options, control);
    if tables.is_err() {
        empty(into);
    }
    tables
}

/// Looks at the files as an import would read them, and keeps nothing: types are those of the first rows.
pub fn preview(
    files: &[ImportFile],
    scratch: &Path,
    options: Options,
    control: &Control,
) -> Result<Vec<FilePreview>, Failure> {
    let mut progress = Progress::of(files, control);
    let mut taken = HashSet::new();
    let previews = files.iter().map(|file| {
        check_table(file)?;
        let mut attempt = Attempt::new(file, scratch, options, &mut progress, &mut taken).map_err(in_file(file))?;
        attempt.sample_rows = Some(PREVIEW_ROWS);
        attempt.look().map_err(in_file(file))
    });
    let previews = previews.collect();
    empty(scratch);
    previews
}

fn import_all(
    files: &[ImportFile],
    into: &Path,
    bases: Option<&[BaseTable]>,
    options: Options,
    control: &Control,
) -> Result<Vec<ImportedTable>, Failure> {
    let mut progress = Progress::of(files, control);
    let mut tables = Vec::with_capacity(files.len());
    let mut taken = HashSet::new();
    for file in files {
        check_table(file)?;
        let mut attempt = Attempt::new(file, into, options, &mut progress, &mut taken).map_err(in_file(file))?;
        attempt.bases = bases;
        let made = attempt.run().and_then(|made| made.into_iter().map(|table| attempt.append(table)).collect());
        let made: Vec<ImportedTable> = made.map_err(in_file(file))?;
        progress.before += length(file);
        progress.rows += made.iter().map(|table| table.rows).sum::<u64>();
        tables.extend(made);
    }
    File::open(into)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| internal("a directory cannot be synced", &error))?;
    Ok(tables)
}

fn in_file(file: &ImportFile) -> impl Fn(Fault) -> Failure {
    |fault| fault.into_failure(&file.name)
}

fn length(file: &ImportFile) -> u64 {
    fs::metadata(&file.path).map_or(0, |metadata| metadata.len())
}

/// Leaves nothing of what was begun.
fn empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // Whoever gave the directory removes it with all that may be left.
        let _ = fs::remove_file(entry.path());
    }
}

/// Tables become file names, so they are checked even though the server made them.
fn check_table(file: &ImportFile) -> Result<(), Failure> {
    let name = &file.table;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(defect("a table's name cannot be a file's"));
    }
    Ok(())
}

pub(in crate::engine) fn file_name(table: &str) -> String {
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

impl<'a> Progress<'a> {
    fn of(files: &[ImportFile], control: &'a Control) -> Self {
        Self { control, total: files.iter().map(length).sum(), before: 0, rows: 0, told: 0.0 }
    }

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
    into: &'a Path,
    length: u64,
    options: Options,
    progress: &'a mut Progress<'p>,
    /// The tables that there are already.
    taken: &'a mut HashSet<String>,
    /// The tables that rows are added to.
    bases: Option<&'a [BaseTable]>,
    /// Only so many rows are looked at, and kept in memory.
    sample_rows: Option<u64>,
    /// What was detected.
    found: FilePreview,
    /// The sample, for each table.
    kept: Vec<Vec<RecordBatch>>,
}

impl<'a, 'p> Attempt<'a, 'p> {
    fn new(
        file: &'a ImportFile,
        into: &'a Path,
        options: Options,
        progress: &'a mut Progress<'p>,
        taken: &'a mut HashSet<String>,
    ) -> Result<Self, Fault> {
        let length = fs::metadata(&file.path)?.len();
        let found = FilePreview { file: file.name.clone(), ..FilePreview::default() };
        Ok(Self {
            file,
            into,
            length,
            options,
            progress,
            taken,
            bases: None,
            sample_rows: None,
            found,
            kept: Vec::new(),
        })
    }

    fn run(&mut self) -> Result<Vec<ImportedTable>, Fault> {
        let (kind, compression) = kind::of(&self.file.path)?;
        kind.check(&self.file.options)?;
        if kind != Kind::Archive {
            self.take(&self.file.table)?;
        }
        self.found.compression = compression.map(str::to_owned);
        self.found.kind = match kind {
            Kind::Text => FileKind::Csv,
            Kind::Json => FileKind::Json,
            Kind::Parquet => FileKind::Parquet,
            Kind::ArrowFile | Kind::ArrowStream => FileKind::Arrow,
            Kind::Archive => FileKind::Xlsx,
        };
        match kind {
            Kind::Text => self.separated(),
            Kind::Json => self.json(),
            Kind::Archive => self.workbook(),
            kind => self.columns(kind),
        }
    }

    fn look(&mut self) -> Result<FilePreview, Fault> {
        let tables = self.run()?;
        let kept = std::mem::take(&mut self.kept);
        let mut found = std::mem::take(&mut self.found);
        for (table, batches) in tables.into_iter().zip(kept) {
            if table.rows == PREVIEW_ROWS {
                found.warnings.push(format!(
                    "`{}`: types are those of the first {PREVIEW_ROWS} rows; a later row may widen them.",
                    table.name
                ));
            }
            found.tables.push(sample::table(table, &batches)?);
        }
        Ok(found)
    }

    /// Where the extract of a table goes: nowhere, where only a sample is wanted.
    fn place(&self, table: &str) -> Option<PathBuf> {
        self.sample_rows.is_none().then(|| self.into.join(file_name(table)))
    }

    /// Takes the name of a table, which another file may have taken before.
    fn take(&mut self, table: &str) -> Result<(), Fault> {
        if let Some(bases) = self.bases
            && !bases.iter().any(|base| base.table.name == table)
        {
            return Err(Fault::NoSuchTable { table: table.to_owned() });
        }
        if self.taken.insert(table.to_owned()) {
            return Ok(());
        }
        Err(Fault::TakenTable { table: table.to_owned() })
    }

    /// Whether another row is wanted after so many.
    fn wants_row(&self, rows: u64) -> bool {
        self.sample_rows.is_none_or(|wanted| rows < wanted)
    }

    fn finish(&mut self, pour: Pour, table: &str) -> Result<ImportedTable, Fault> {
        let (table, kept) = pour.finish(table)?;
        self.kept.push(kept);
        Ok(table)
    }
}

/// Names for columns without any.
fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|place| format!("column_{place}")).collect()
}

/// Characters of a column's name that are kept: names go along with every answer that tells of a source.
const LONGEST_NAME: usize = 200;

/// The header as names: empty ones are numbered, long ones cut, repeated ones get a suffix. `None` when they are not
/// UTF-8.
pub(in crate::engine) fn column_names<'a>(header: impl Iterator<Item = &'a [u8]>) -> Option<Vec<String>> {
    let given: Vec<&str> = header.map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
    let end = |name: &str| name.char_indices().nth(LONGEST_NAME).map_or(name.len(), |(end, _)| end);
    let given: Vec<&str> = given.into_iter().map(|name| &name[..end(name)]).collect();
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
