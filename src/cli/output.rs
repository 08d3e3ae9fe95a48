//! What commands print: tables on a terminal, lines with tabs in a pipe, JSON when it is asked for.

use std::io::{IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Table,
    /// Tab-separated lines, for other programs.
    Lines,
    /// For other programs that want names.
    Json,
}

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    form: Form,
}

impl Output {
    /// JSON when it was asked for, otherwise by what standard output is.
    pub fn new(json: bool) -> Self {
        let form = match (json, std::io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Table,
            (false, false) => Form::Lines,
        };
        Self { form }
    }

    /// The form.
    pub const fn form(self) -> Form {
        self.form
    }

    /// Prints rows: a table with a heading, lines without one, or the JSON.
    pub fn rows(self, heading: &[&str], rows: &[Vec<String>], json: impl FnOnce() -> Value) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.json(&json()),
            Form::Lines => self.lines(rows),
            Form::Table if rows.is_empty() => self.line("There is none yet."),
            Form::Table => self.line(&drawn(heading, rows, &[])),
        }
    }

    /// Prints one thing: its facts below each other, or the JSON.
    pub fn facts(self, facts: &[(&str, String)], json: impl FnOnce() -> Value) -> Result<(), Failure> {
        let rows = || facts.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]).collect::<Vec<_>>();
        match self.form {
            Form::Json => self.json(&json()),
            Form::Lines => self.lines(&rows()),
            Form::Table => {
                let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                for (name, value) in facts {
                    self.line(&format!("{name:width$}  {value}"))?;
                }
                Ok(())
            }
        }
    }

    /// Prints JSON: indented on a terminal, on one line elsewhere.
    pub fn json(self, value: &Value) -> Result<(), Failure> {
        let text = if std::io::stdout().is_terminal() { format!("{value:#}") } else { value.to_string() };
        self.line(&text)
    }

    /// Prints lines of tab-separated cells.
    pub fn lines(self, rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut text = String::new();
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        self.bytes(text.as_bytes())
    }

    /// Prints a line.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints bytes as they are.
    pub fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }
}

/// A remark for people, on standard error: what programs read is on standard output alone.
pub fn remark(text: &str) {
    // Nothing can be done about a standard error that is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A table as text; the columns of these numbers are aligned at the right.
pub fn drawn(heading: &[&str], rows: &[Vec<String>], numbers: &[usize]) -> String {
    let mut table = Table::new();
    // Never squeezed: an id or a prefix that is broken over lines cannot be copied.
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading.iter().map(|name| printable(name)));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A cell within a line: tabs and line breaks would end it.
fn escaped(cell: &str) -> String {
    if !cell.contains(['\t', '\n', '\r', '\\']) {
        return cell.to_owned();
    }
    cell.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

/// A cell on a terminal: data must not be able to steer it.
fn printable(cell: &str) -> String {
    cell.chars()
        .map(|character| if character.is_control() && character != '\n' { '\u{fffd}' } else { character })
        .collect()
}

/// A number with its digits in groups, for people.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_breaks_its_line_and_never_steers_a_terminal() {
        assert_eq!(escaped("a\tb\nc\\d"), "a\\tb\\nc\\\\d");
        assert_eq!(printable("\u{1b}[2Jx"), "\u{fffd}[2Jx");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 336_776, 1_000_000].map(grouped), ["0", "999", "1,000", "336,776", "1,000,000"]);
    }
}
