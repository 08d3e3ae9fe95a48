//! How files are to be read, as flags: the options that uploads have as JSON.

use std::collections::BTreeMap;

use clap::Args;

use super::failure::Failure;
use crate::domain::import::{ColumnOptions, ImportOptions, TextEncoding};
use crate::domain::result::ColumnType;

/// The flags.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "How files are read")]
pub struct ReadAs {
    /// The character between fields; `tab` for a tab. It is detected unless given.
    #[arg(long, value_name = "CHARACTER")]
    separator: Option<String>,
    /// The character around fields; empty where nothing is quoted.
    #[arg(long, value_name = "CHARACTER")]
    quote: Option<String>,
    /// How bytes spell characters: utf-8, utf-16le, utf-16be or windows-1252.
    #[arg(long, value_parser = encoding)]
    encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names.
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    header: Option<bool>,
    /// Lines of text, or rows of a sheet, to pass over at the start.
    #[arg(long, value_name = "LINES")]
    skip_lines: Option<u64>,
    /// What stands for a missing value instead of NA, NULL, N/A and -; may be repeated.
    #[arg(long = "null", value_name = "TEXT")]
    nulls: Vec<String>,
    /// The one sheet of a workbook to read.
    #[arg(long)]
    sheet: Option<String>,
    /// The type of a column, and how its dates are written, as in `--type id=text` or `--type day=date:%d.%m.%Y`.
    #[arg(long = "type", value_name = "COLUMN=TYPE[:FORMAT]")]
    types: Vec<String>,
}

impl ReadAs {
    /// The options.
    ///
    /// # Errors
    /// Wrong usage for a type that is none.
    pub fn options(&self) -> Result<ImportOptions, Failure> {
        let columns = self.types.iter().map(|text| {
            column(text).ok_or_else(|| {
                Failure::usage(format!(
                    "`{text}` names no column and type; write COLUMN=TYPE, the type one of {}",
                    ColumnType::ALL.map(ColumnType::as_str).join(", ")
                ))
            })
        });
        Ok(ImportOptions {
            separator: self.separator.as_deref().map(|text| if text == "tab" { "\t" } else { text }.to_owned()),
            quote: self.quote.clone(),
            encoding: self.encoding,
            header: self.header,
            skip_lines: self.skip_lines,
            nulls: (!self.nulls.is_empty()).then(|| self.nulls.clone()),
            sheet: self.sheet.clone(),
            columns: columns.collect::<Result<_, _>>()?,
            files: BTreeMap::new(),
        })
    }
}

fn column(text: &str) -> Option<(String, ColumnOptions)> {
    let (name, read) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty())?;
    let (kind, format) = read.split_once(':').map_or((read, None), |(kind, format)| (kind, Some(format.to_owned())));
    let kind = ColumnType::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some((name.to_owned(), ColumnOptions { kind, format }))
}

fn encoding(text: &str) -> Result<TextEncoding, String> {
    let known = TextEncoding::ALL.into_iter().find(|known| known.as_str() == text.to_ascii_lowercase());
    known.ok_or_else(|| format!("choose one of {}", TextEncoding::ALL.map(TextEncoding::as_str).join(", ")))
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("answer yes or no".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_columns_may_have_formats_and_names_signs() {
        let (name, read) = column("due=in=date:%H:%M").unwrap();
        assert_eq!((name.as_str(), read.kind, read.format.as_deref()), ("due=in", ColumnType::Date, Some("%H:%M")));
        assert_eq!(column("id=text").unwrap().1.format, None);
        for wrong in ["id", "=text", "id=varchar", "id="] {
            assert!(column(wrong).is_none(), "{wrong}");
        }
    }
}
