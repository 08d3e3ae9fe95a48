//! How many different values the columns of extracts have, as far as their dictionaries tell.
//!
//! An extract writes the different values of a column once for each row group, as its dictionary, unless they are many. To
//! read these and nothing else costs some microseconds a row group where they are short, and is done when a query of this
//! process first has a use for it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Buf;
use datafusion::parquet::basic::{Encoding, Type};
use datafusion::parquet::column::page::Page;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};
use parking_lot::Mutex;

/// More different values than that are too many to be told.
pub const FEW: usize = 4 << 10;
/// Columns of which it is remembered.
const REMEMBERED: usize = 4 << 10;

/// What is known of columns. Extracts never change, so it is read once.
#[derive(Debug, Default)]
pub struct Keys {
    known: Mutex<HashMap<(PathBuf, String), Option<usize>>>,
}

impl Keys {
    /// How many different values the column has, apart from null; none if they are more than [`FEW`], or if its dictionaries
    /// do not tell.
    pub fn of(&self, extract: &Path, column: &str) -> Option<usize> {
        let asked = (extract.to_owned(), column.to_owned());
        if let Some(known) = self.known.lock().get(&asked) {
            return *known;
        }
        // What is wrong with a file is told by those that read its rows.
        let counted = count(extract, column).ok()?;
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(asked, counted);
        counted
    }
}

fn count(extract: &Path, column: &str) -> Result<Option<usize>, ParquetError> {
    let file = SerializedFileReader::new(File::open(extract)?)?;
    let columns = file.metadata().file_metadata().schema_descr().columns();
    let Some(column) = columns.iter().position(|is| is.path().parts() == [column]) else { return Ok(None) };
    let mut values = HashSet::new();
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group)?;
        let chunk = group.metadata().column(column);
        if !is_all_in_dictionary(chunk) {
            return Ok(None);
        }
        let Some(Page::DictionaryPage { buf, num_values, .. }) =
            group.get_column_page_reader(column)?.get_next_page()?
        else {
            return Ok(None);
        };
        if num_values as usize > FEW
            || !gather(&mut values, &buf, chunk.column_type(), num_values)
            || values.len() > FEW
        {
            return Ok(None);
        }
    }
    Ok(Some(values.len()))
}

fn is_all_in_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    let encodings = chunk.page_encoding_stats_mask();
    chunk.dictionary_page_offset().is_some()
        && encodings.is_some_and(|of_rows| of_rows.is_only(Encoding::RLE_DICTIONARY))
}

/// Adds the values of a dictionary, as they are written there; whether they could be told apart.
fn gather(values: &mut HashSet<Box<[u8]>>, mut dictionary: &[u8], written: Type, count: u32) -> bool {
    for _ in 0..count {
        let length = match written {
            Type::INT32 | Type::FLOAT => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::BYTE_ARRAY => match dictionary.try_get_u32_le() {
                Ok(length) => length as usize,
                Err(_) => return false,
            },
            Type::BOOLEAN | Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY => return false,
        };
        let Some((value, rest)) = dictionary.split_at_checked(length) else { return false };
        dictionary = rest;
        if !values.contains(value) {
            values.insert(value.into());
        }
    }
    true
}

#[cfg(test)]
mod tests;
