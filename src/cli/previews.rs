//! What `claribi source preview` prints: for each file what was detected, its columns and its first rows.

use serde_json::json;

use super::failure::Failure;
use super::output::{Form, Output, drawn, remark};
use crate::domain::preview::{FilePreview, TablePreview};

/// Prints the previews: in a pipe a line for each column.
pub fn print(files: &[FilePreview], output: Output) -> Result<(), Failure> {
    for warning in files.iter().flat_map(|file| &file.warnings).filter(|_| output.form() != Form::Json) {
        remark(&format!("Note: {warning}"));
    }
    match output.form() {
        Form::Json => output.json(&json!({"files": files})),
        Form::Lines => {
            let tables = files.iter().flat_map(|file| &file.tables);
            let rows: Vec<Vec<String>> = tables
                .flat_map(|table| columns(table).into_iter().map(|row| [vec![table.name.clone()], row].concat()))
                .collect();
            output.lines(&rows)
        }
        Form::Table => {
            for file in files {
                output.line(&detected(file))?;
                for table in &file.tables {
                    output.line(&format!("\nThe table `{}`, by its first {} rows:", table.name, table.sampled_rows))?;
                    output.line(&drawn(&["column", "type", "nulls", "values"], &columns(table), &[2]))?;
                    let heading: Vec<&str> = table.columns.iter().map(|column| column.column.name.as_str()).collect();
                    let rows: Vec<Vec<String>> = table
                        .rows
                        .iter()
                        .map(|row| row.iter().map(|cell| cell.clone().unwrap_or_default()).collect())
                        .collect();
                    output.line(&drawn(&heading, &rows, &[]))?;
                }
            }
            Ok(())
        }
    }
}

fn columns(table: &TablePreview) -> Vec<Vec<String>> {
    let row = |column: &crate::domain::preview::ColumnPreview| {
        let (name, kind) = (column.column.name.clone(), column.column.kind.as_str().to_owned());
        vec![name, kind, column.nulls.to_string(), column.samples.join(", ")]
    };
    table.columns.iter().map(row).collect()
}

/// What was found of a file, in a sentence.
fn detected(file: &FilePreview) -> String {
    let mut facts = vec![file.kind.as_str().to_owned()];
    facts.extend(file.compression.as_ref().map(|kind| format!("compressed by {kind}")));
    facts.extend(file.encoding.map(|encoding| format!("in {}", encoding.as_str())));
    facts.extend(file.separator.as_ref().map(|sign| match sign.as_str() {
        "\t" => "separated by tabs".to_owned(),
        sign => format!("separated by `{sign}`"),
    }));
    facts.extend(file.quote.as_ref().map(|quote| format!("quoted by `{quote}`")));
    facts.extend(file.header.map(|header| if header { "with a header" } else { "without a header" }.to_owned()));
    format!("{}: {}", file.file, facts.join(", "))
}
