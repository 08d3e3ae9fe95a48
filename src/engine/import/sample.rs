//! A look at files before they are kept: what was detected, and the first rows.

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::fault::Fault;
use crate::domain::preview::{ColumnPreview, TablePreview};
use crate::domain::result::Column;
use crate::worker::protocol::ImportedTable;

/// Rows that are shown.
const ROWS_SHOWN: usize = 10;
/// Different values of a column that are shown.
const VALUES_SHOWN: usize = 5;
/// Characters of a value that are shown.
const CHARACTERS: usize = 200;

/// The sample of a table as people look at it.
pub fn table(table: ImportedTable, batches: &[RecordBatch]) -> Result<TablePreview, Fault> {
    let options = FormatOptions::default().with_null("").with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    let mut samples: Vec<Vec<String>> = vec![Vec::new(); table.columns.len()];
    let mut nulls = vec![0_u64; table.columns.len()];
    for batch in batches {
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        for (place, column) in batch.columns().iter().enumerate() {
            nulls[place] += column.null_count() as u64;
        }
        for row in 0..batch.num_rows() {
            let mut shown = Vec::new();
            for (place, (column, formatter)) in batch.columns().iter().zip(&formatters).enumerate() {
                let is_wanted = rows.len() < ROWS_SHOWN || samples[place].len() < VALUES_SHOWN;
                let value = (is_wanted && !column.is_null(row)).then(|| clipped(&formatter.value(row).to_string()));
                if let Some(value) = &value
                    && samples[place].len() < VALUES_SHOWN
                    && !samples[place].contains(value)
                {
                    samples[place].push(value.clone());
                }
                shown.push(value);
            }
            if rows.len() < ROWS_SHOWN {
                rows.push(shown);
            }
        }
    }
    let columns = table.columns.into_iter().zip(nulls).zip(samples).map(|((column, nulls), samples)| ColumnPreview {
        column: Column { name: column.name, kind: column.kind },
        nulls,
        samples,
    });
    Ok(TablePreview { name: table.name, sampled_rows: table.rows, columns: columns.collect(), rows })
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
