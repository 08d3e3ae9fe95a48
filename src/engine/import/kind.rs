//! What a file is, by its first bytes and never by its name.

use std::path::Path;

use super::fault::Fault;
use super::source::{opened, read_full, unread};

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
}

/// The kind of a file, compressed or not.
pub fn of(path: &Path) -> Result<Kind, Fault> {
    let mut file = opened(path)?;
    let mut start = vec![0; LOOK];
    let found = read_full(&mut file.input, &mut start).map_err(|error| unread(file.compression, error))?;
    Ok(match &start[..found] {
        [b'P', b'A', b'R', b'1', ..] => Kind::Parquet,
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Kind::ArrowFile,
        [0xff, 0xff, 0xff, 0xff, ..] => Kind::ArrowStream,
        text if begins_json(text) => Kind::Json,
        _ => Kind::Text,
    })
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
