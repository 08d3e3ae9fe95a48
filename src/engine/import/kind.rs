//! What a file is, by its first bytes and never by its name.

use std::path::Path;

use super::fault::Fault;
use super::source::{opened, read_full, unread};
use crate::domain::import::ImportOptions;

/// Bytes that are looked at.
const LOOK: usize = 4 << 10;

/// The kinds of files that become tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Separated values, or something else that `source` knows to refuse.
    Text,
    /// JSON: objects one after another, or in one list.
    Json,
    /// Apache Parquet.
    Parquet,
    /// The Arrow IPC file format, also called Feather.
    ArrowFile,
    /// The Arrow IPC streaming format.
    ArrowStream,
    /// A zip archive, as workbooks are.
    Archive,
}

impl Kind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "a file of separated values",
            Self::Json => "a JSON file",
            Self::Parquet => "a Parquet file",
            Self::ArrowFile | Self::ArrowStream => "an Arrow file",
            Self::Archive => "a workbook",
        }
    }

    /// Refuses options that files of this kind have no use for: they were meant for something else.
    pub fn check(self, options: &ImportOptions) -> Result<(), Fault> {
        let sheet = || options.sheet.is_some().then_some("sheet");
        let useless = match self {
            Self::Text => sheet(),
            Self::Json => options.of_text().or_else(|| options.of_layout()).or_else(sheet),
            Self::Archive => options.of_text(),
            Self::Parquet | Self::ArrowFile | Self::ArrowStream => {
                let of_cells = [("nulls", options.nulls.is_some()), ("columns", !options.columns.is_empty())];
                let of_cells = of_cells.into_iter().find_map(|(name, is_given)| is_given.then_some(name));
                options.of_text().or_else(|| options.of_layout()).or_else(sheet).or(of_cells)
            }
        };
        useless.map_or(Ok(()), |option| Err(Fault::UselessOption { option, kind: self.name() }))
    }
}

/// The kind of a file, and how it is compressed.
pub fn of(path: &Path) -> Result<(Kind, Option<&'static str>), Fault> {
    let mut file = opened(path)?;
    let mut start = vec![0; LOOK];
    let found = read_full(&mut file.input, &mut start).map_err(|error| unread(file.compression, error))?;
    let kind = match &start[..found] {
        [b'P', b'A', b'R', b'1', ..] => Kind::Parquet,
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Kind::ArrowFile,
        [0xff, 0xff, 0xff, 0xff, ..] => Kind::ArrowStream,
        [b'P', b'K', 3, 4, ..] => Kind::Archive,
        text if begins_json(text) => Kind::Json,
        _ => Kind::Text,
    };
    Ok((kind, file.compression))
}

/// Whether text begins as objects do: a header line of separated values never has a brace and then a quoted name.
fn begins_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut rest = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    match (rest.next(), rest.next()) {
        (Some(b'{'), next) => matches!(next, Some(b'"' | b'}') | None),
        (Some(b'['), next) => matches!(next, Some(b'{' | b']') | None),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_separated_values() {
        for text in ["{\"a\":1}", " [ { \"a\": 1 } ]", "\u{feff}{}", "[]", "\n{\n  \"a\"", "[\n{"] {
            assert!(begins_json(text.as_bytes()), "{text}");
        }
        for text in ["", "a,b", "{a},b\n", "[id],[name]\n", "\"{\",b", "[1,2]", "1"] {
            assert!(!begins_json(text.as_bytes()), "{text}");
        }
    }
}
