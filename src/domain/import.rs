//! How files are to be read where detection is not wanted: the options of an import, for all files, for one file, and
//! for single columns.
//!
//! What contradicts itself is refused here; what contradicts a file is found when the file is read.

use std::collections::BTreeMap;

use chrono::format::{Item, StrftimeItems};
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::result::ColumnType;

/// Spellings of a missing value that may be given.
const MOST_NULLS: usize = 50;
/// The longest text among the options, in bytes.
const LONGEST: usize = 200;
/// Lines that may be skipped.
const MOST_SKIPPED: u64 = 1_000_000;
/// Columns and files that may have options of their own.
const MOST_NAMED: usize = 2_000;

/// How files are read. What is left out is detected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportOptions {
    /// The character between fields: one character of ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// The character around fields; empty where nothing is quoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// How bytes spell characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// Whether the first row has the columns' names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Lines, or rows of a sheet, that are passed over at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_lines: Option<u64>,
    /// What stands for a missing value beside an empty cell, instead of the usual spellings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Vec<String>>,
    /// The one sheet of a workbook that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The types of columns, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnOptions>,
    /// What holds for one file alone, by its name; it goes before what holds for all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ImportOptions>,
}

/// How a column is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnOptions {
    /// The type that its values have.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// How its dates or times are written, as strftime has it: `%d.%m.%Y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// The encodings that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextEncoding {
    /// UTF-8, or ASCII.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, least significant byte first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, most significant byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252, of which Latin-1 text is a part.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// What new files do to the tables of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FilesMode {
    /// They take the place of the tables of their names.
    #[default]
    Replace,
    /// Their rows are added to these.
    Append,
}

impl FilesMode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Replace, Self::Append];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Append => "append",
        }
    }

    /// The mode of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

impl TextEncoding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Utf8, Self::Utf16Le, Self::Utf16Be, Self::Windows1252];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Windows1252 => "windows-1252",
        }
    }
}

impl ImportOptions {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Holds them to their rules; `files` are the names of the files that they are for.
    ///
    /// # Errors
    /// `InvalidField` that names the option.
    pub fn check(&self, files: &[&str]) -> Result<()> {
        self.check_at("options")?;
        if self.files.len() > MOST_NAMED {
            return Err(Error::field("options.files", format!("names more than {MOST_NAMED} files.")));
        }
        for (name, options) in &self.files {
            let at = format!("options.files.{}", Error::clipped(name));
            if !files.contains(&name.as_str()) {
                return Err(Error::field(&at, "names a file that is not sent."));
            }
            if !options.files.is_empty() {
                return Err(Error::field(format!("{at}.files"), "stands within a file's options; leave it out."));
            }
            options.check_at(&at)?;
            // What holds for all and what holds for one may contradict each other.
            self.of_file(name).check_at(&at)?;
        }
        Ok(())
    }

    /// Without what holds for files that are not among these: what was kept is used for other files.
    #[must_use]
    pub fn only_for(mut self, files: &[&str]) -> Self {
        self.files.retain(|name, _| files.contains(&name.as_str()));
        self
    }

    /// What holds for one file.
    #[must_use]
    pub fn of_file(&self, name: &str) -> Self {
        let general = Self { files: BTreeMap::new(), ..self.clone() };
        let Some(own) = self.files.get(name).cloned() else { return general };
        let mut columns = general.columns;
        columns.extend(own.columns);
        Self {
            separator: own.separator.or(general.separator),
            quote: own.quote.or(general.quote),
            encoding: own.encoding.or(general.encoding),
            header: own.header.or(general.header),
            skip_lines: own.skip_lines.or(general.skip_lines),
            nulls: own.nulls.or(general.nulls),
            sheet: own.sheet.or(general.sheet),
            columns,
            files: BTreeMap::new(),
        }
    }

    /// The separator as a byte.
    pub fn separator_byte(&self) -> Option<u8> {
        self.separator.as_ref()?.bytes().next()
    }

    /// The option that only text has, where one is given.
    pub fn of_text(&self) -> Option<&'static str> {
        let given = [
            ("separator", self.separator.is_some()),
            ("quote", self.quote.is_some()),
            ("encoding", self.encoding.is_some()),
        ];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    /// The option that only files laid out in rows for people have, where one is given.
    pub fn of_layout(&self) -> Option<&'static str> {
        let given = [("header", self.header.is_some()), ("skip_lines", self.skip_lines.is_some())];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    fn check_at(&self, at: &str) -> Result<()> {
        let field = |name: &str, reason: &str| Err(Error::field(format!("{at}.{name}"), reason));
        let is_sign = |text: &str| {
            text.len() == 1 && text.bytes().all(|byte| byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0))
        };
        if self.separator.as_ref().is_some_and(|separator| !is_sign(separator)) {
            return field("separator", "must be one character of ASCII, such as `;` or a tab.");
        }
        if self.quote.as_ref().is_some_and(|quote| !quote.is_empty() && !is_sign(quote)) {
            return field("quote", "must be one character of ASCII, or empty where nothing is quoted.");
        }
        if self.quote.is_some() && self.quote == self.separator {
            return field("quote", "is the separator too; one character cannot be both.");
        }
        if self.skip_lines.is_some_and(|lines| lines > MOST_SKIPPED) {
            return field("skip_lines", &format!("must be at most {MOST_SKIPPED}."));
        }
        if let Some(nulls) = &self.nulls
            && (nulls.len() > MOST_NULLS || nulls.iter().any(|text| text.len() > LONGEST))
        {
            return field("nulls", &format!("must be at most {MOST_NULLS} texts of at most {LONGEST} bytes."));
        }
        if self.sheet.as_ref().is_some_and(|sheet| sheet.is_empty() || sheet.len() > LONGEST) {
            return field("sheet", &format!("must be the name of a sheet, of at most {LONGEST} bytes."));
        }
        if let (Some(_), Some(option)) = (&self.sheet, self.of_text()) {
            return field("sheet", &format!("is for workbooks, and `{option}` for files of text; leave one out."));
        }
        if self.columns.len() > MOST_NAMED {
            return field("columns", &format!("names more than {MOST_NAMED} columns."));
        }
        self.columns
            .iter()
            .try_for_each(|(name, column)| column.check(&format!("{at}.columns.{}", Error::clipped(name))))
    }
}

impl ColumnOptions {
    fn check(&self, at: &str) -> Result<()> {
        let Some(format) = &self.format else { return Ok(()) };
        let field = |reason: String| Err(Error::field(format!("{at}.format"), reason));
        if !matches!(self.kind, ColumnType::Date | ColumnType::Time | ColumnType::Timestamp) {
            return field(format!("is for dates and times, and the type is `{}`.", self.kind.as_str()));
        }
        let items = StrftimeItems::new(format);
        if format.is_empty() || format.len() > LONGEST || items.clone().any(|item| item == Item::Error) {
            return field("must be written as strftime has it, such as `%d.%m.%Y` or `%Y-%m-%d %H:%M:%S`.".to_owned());
        }
        if !items.clone().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_))) {
            return field("has no part of a date or time, such as `%Y`.".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ImportOptions {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_holds_for_a_file_goes_before_what_holds_for_all() {
        let options = read(
            r#"{"separator": ";", "nulls": ["?"], "columns": {"a": {"type": "text"}, "b": {"type": "text"}},
                "files": {"x.csv": {"separator": "|", "columns": {"b": {"type": "integer"}}}}}"#,
        );
        options.check(&["x.csv", "y.csv"]).unwrap();
        let (x, y) = (options.of_file("x.csv"), options.of_file("y.csv"));
        assert_eq!((x.separator_byte(), y.separator_byte()), (Some(b'|'), Some(b';')));
        assert_eq!(x.nulls, Some(vec!["?".to_owned()]));
        assert_eq!((x.columns["a"].kind, x.columns["b"].kind), (ColumnType::Text, ColumnType::Integer));
        assert!(x.files.is_empty() && ImportOptions::default().is_empty() && !options.is_empty());
    }

    #[test]
    fn options_that_contradict_each_other_are_refused_by_name() {
        for (text, name) in [
            (r#"{"separator": ""}"#, "options.separator"),
            (r#"{"separator": "ab"}"#, "options.separator"),
            (r#"{"separator": "\n"}"#, "options.separator"),
            (r#"{"separator": "ß"}"#, "options.separator"),
            (r#"{"quote": "''"}"#, "options.quote"),
            (r#"{"quote": ";", "separator": ";"}"#, "options.quote"),
            (r#"{"skip_lines": 1000001}"#, "options.skip_lines"),
            (r#"{"sheet": ""}"#, "options.sheet"),
            (r#"{"sheet": "A", "encoding": "utf-8"}"#, "options.sheet"),
            (r#"{"columns": {"a": {"type": "integer", "format": "%Y"}}}"#, "options.columns.a.format"),
            (r#"{"columns": {"a": {"type": "date", "format": "%"}}}"#, "options.columns.a.format"),
            (r#"{"columns": {"a": {"type": "date", "format": "day"}}}"#, "options.columns.a.format"),
            (r#"{"files": {"z.csv": {}}}"#, "options.files.z.csv"),
            (r#"{"files": {"x.csv": {"files": {"x.csv": {}}}}}"#, "options.files.x.csv.files"),
            (r#"{"separator": ";", "files": {"x.csv": {"quote": ";"}}}"#, "options.files.x.csv.quote"),
        ] {
            match read(text).check(&["x.csv"]) {
                Err(Error::InvalidField { field, .. }) => assert_eq!(field, name, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        for unknown in [r#"{"seperator": ";"}"#, r#"{"columns": {"a": {"kind": "text"}}}"#, r#"{"encoding": "ebcdic"}"#]
        {
            assert!(serde_json::from_str::<ImportOptions>(unknown).is_err(), "{unknown}");
        }
    }
}
