//! How far the tables of a source were read: beside the extract that holds what was read, so that both are swapped as
//! one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use super::target::Target;
use crate::domain::connection::{Reading, What};
use crate::engine::import::file_name;

/// The file in an extract's directory.
const FILE: &str = "cursors.json";

/// By table, what was read.
#[derive(Default, Serialize, Deserialize)]
pub struct Cursors(BTreeMap<String, Reached>);

/// How far a reading came. Another reading of the same name has to start anew.
#[derive(Serialize, Deserialize)]
struct Reached {
    what: What,
    column: String,
    #[serde(flatten)]
    greatest: Greatest,
}

/// The greatest value of a column, by the database's own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greatest {
    /// As the database spells it.
    pub value: Value,
    /// How many rows the database has at it, in this spelling. Extracts of before this was counted have none.
    #[serde(default)]
    pub rows: u64,
}

/// What there is of a table already.
pub struct Earlier {
    /// Its extract.
    pub path: PathBuf,
    /// The types of its columns.
    pub targets: Vec<Target>,
    /// The greatest value of the cursor that was read into it.
    pub reached: Greatest,
    names: Vec<String>,
}

impl Cursors {
    /// Those of an extract; none where it has no such file, or one that does not read back: all is read anew then.
    pub fn load(extract: &Path) -> Self {
        let bytes = fs::read(extract.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// What an extract has of a reading, if that is the same as then.
    pub fn of(&self, reading: &Reading, extract: Option<&Path>) -> Option<Earlier> {
        let reached = self.0.get(&reading.table)?;
        if reached.what != reading.what || Some(&reached.column) != reading.cursor.as_ref() {
            return None;
        }
        let path = extract?.join(file_name(&reading.table));
        let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).ok()?).ok()?;
        let fields = file.schema().fields();
        let targets = fields.iter().map(|field| Target::of(field.data_type())).collect::<Option<_>>()?;
        let names = fields.iter().map(|field| field.name().clone()).collect();
        Some(Earlier { path, targets, names, reached: reached.greatest.clone() })
    }

    /// Notes how far a reading came, if it has a cursor.
    pub fn keep(&mut self, reading: &Reading, greatest: Option<Greatest>) {
        if let (Some(column), Some(greatest)) = (&reading.cursor, greatest) {
            let reached = Reached { what: reading.what.clone(), column: column.clone(), greatest };
            self.0.insert(reading.table.clone(), reached);
        }
    }

    /// Writes them beside the extract, durably.
    pub fn save(&self, extract: &Path) -> Result<(), Fault> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut file = File::create(extract.join(FILE))?;
        file.write_all(&serde_json::to_vec(self).map_err(std::io::Error::other)?)?;
        Ok(file.sync_all()?)
    }
}

impl Earlier {
    /// Whether its columns are the same, and hold what columns of these types hold.
    pub fn fits(&self, names: &[String], targets: &[Target]) -> bool {
        let holds = |(mine, new): (&Target, &Target)| mine.join(*new) == *mine;
        self.names == names && self.targets.len() == targets.len() && self.targets.iter().zip(targets).all(holds)
    }
}
