//! JSON files: objects one after another (NDJSON), or in one list. A field is a column.
//!
//! The file is read twice: once for the columns, which may begin late, and their types, once for the values. What JSON
//! says of a value is kept: a number in quotes stays text, `null` and a field that is missing are null, and text that is
//! a day or an instant throughout its column becomes one. Lists and objects within a row are text.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Column, Misfit};
use super::csv::{MAX_COLUMNS, MAX_FIELD};
use super::fault::Fault;
use super::pour::Pour;
use super::source::{Encoding, Source};
use super::terms::{Nulls, Terms, decimal_digits};
use super::{Attempt, BATCH_ROWS, column_names};
use crate::engine::detect::{Detector, Guess};
use crate::worker::protocol::ImportedTable;

/// Bytes of one row.
const MAX_ROW: usize = 16 << 20;

impl Attempt<'_, '_> {
    /// A file of JSON as an extract.
    pub(super) fn json(&mut self) -> Result<Vec<ImportedTable>, Fault> {
        let (given, shapes) = self.fields()?;
        // A field without a name gets one, as a column of separated values does.
        let names = column_names(given.iter().map(String::as_bytes)).unwrap_or_default();
        let mut terms = Terms::of(&self.file.options, &names, true)?;
        self.expect(&self.file.table, &names, &mut terms);
        let guesses = shapes.iter().zip(&terms).map(|(shape, terms)| shape.guess(terms)).collect();
        let places: HashMap<&str, usize> =
            given.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let path = self.place(&self.file.table);
        let mut pour = Pour::begin(path.as_deref(), names, guesses, terms)?;
        let mut objects = Objects::open(self)?;
        let mut filled = vec![false; given.len()];
        while self.wants_row(pour.rows()) {
            let Some(Object { line, fields }) = objects.next()? else { break };
            filled.fill(false);
            let mut bytes = 0;
            for (name, value) in &fields {
                let Some(&place) = places.get(name.as_str()) else { continue };
                let changed = Fault::Damaged("JSON: it changed while it was read");
                if std::mem::replace(&mut filled[place], true) {
                    return Err(changed);
                }
                let column = &mut pour.columns()[place];
                if push(column, value).is_err() {
                    let is_asked = column.asked().is_some();
                    return Err(if is_asked { pour.contradiction(place, line, value.get()) } else { changed });
                }
                bytes += value.get().len();
            }
            for (column, _) in pour.columns().iter_mut().zip(&filled).filter(|(_, filled)| !**filled) {
                column.push_null();
            }
            if pour.end_row(bytes)? {
                self.progress.tell(0.5 + objects.source.fraction() / 2.0, self.length, pour.rows())?;
            }
        }
        Ok(vec![self.finish(pour, &self.file.table.clone())?])
    }

    /// The fields of all objects in the order in which they are first seen, and what all their values are.
    fn fields(&mut self) -> Result<(Vec<String>, Vec<Shape>), Fault> {
        let mut objects = Objects::open(self)?;
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut fields: Vec<(String, Shape)> = Vec::new();
        // By field, how many objects there were up to the last that has it.
        let mut seen: Vec<usize> = Vec::new();
        let nulls = Nulls::of(&self.file.options);
        let mut rows = 0_usize;
        while self.wants_row(rows as u64) {
            let Some(Object { line, fields: object }) = objects.next()? else { break };
            for (name, value) in object {
                let place = match places.get(&name) {
                    Some(place) => *place,
                    None if fields.len() == MAX_COLUMNS => return Err(Fault::TooManyColumns { limit: MAX_COLUMNS }),
                    None => {
                        places.insert(name.clone(), fields.len());
                        fields.push((name, Shape::default()));
                        seen.push(0);
                        fields.len() - 1
                    }
                };
                if std::mem::replace(&mut seen[place], rows + 1) > rows {
                    return Err(Fault::RepeatedField { line, field: fields.swap_remove(place).0 });
                }
                if value.get().len() > MAX_FIELD {
                    return Err(Fault::LongField { line, limit: MAX_FIELD });
                }
                fields[place].1.see(value.get(), &nulls);
            }
            rows += 1;
            if rows.is_multiple_of(BATCH_ROWS) {
                self.progress.tell(objects.source.fraction() / 2.0, self.length, 0)?;
            }
        }
        if fields.is_empty() {
            return Err(Fault::Empty);
        }
        Ok(fields.into_iter().unzip())
    }
}

/// What the values of one field are.
#[derive(Default)]
struct Shape {
    /// Numbers and booleans, or what text reads as.
    detector: Detector,
    has_text: bool,
    has_others: bool,
    /// The most decimals of a number.
    decimals: usize,
}

impl Shape {
    fn see(&mut self, value: &str, nulls: &Nulls) {
        match value.as_bytes().first() {
            Some(b'n') | None => {}
            Some(b'"') => match serde_json::from_str::<String>(value) {
                Ok(text) if nulls.are_given() && nulls.has(text.as_bytes()) => {}
                Ok(text) => {
                    self.has_text = true;
                    self.count_decimals(&text);
                    // An empty text is a text: only among days and instants it stands for none.
                    self.detector.see(text.as_bytes());
                }
                Err(_) => {
                    self.has_text = true;
                    self.detector.see(b"?");
                }
            },
            Some(b'{' | b'[') => {
                self.has_others = true;
                self.detector.see(b"?");
            }
            Some(_) => {
                self.has_others = true;
                self.count_decimals(value);
                self.detector.see(value.as_bytes());
            }
        }
    }

    fn count_decimals(&mut self, number: &str) {
        self.decimals = self.decimals.max(decimal_digits(number.as_bytes()).map_or(0, |(_, decimals)| decimals));
    }

    fn guess(&self, terms: &Terms) -> Guess {
        if let Some(asked) = terms.asked {
            return Guess::asked(asked, self.decimals);
        }
        match (self.has_text, self.has_others, self.detector.guess()) {
            (true, false, guess @ (Guess::Date | Guess::Timestamp)) | (false, _, guess) => guess,
            (true, ..) => Guess::Text,
        }
    }
}

/// Puts a value into its column. A type that was guessed fits, by the first pass.
fn push(column: &mut Column, value: &RawValue) -> Result<(), Misfit> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'n') | None => {
            column.push_null();
            Ok(())
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|_| Misfit::Encoding)?;
            column.push_text(&text)
        }
        Some(b'{' | b'[') => column.push_text(raw),
        // JSON writes numbers in ways that text does not: 1e3 is one, and 1.0 may stand in a column of whole numbers.
        Some(_) => column.push(raw.as_bytes()),
    }
}

/// The objects of a file.
struct Objects {
    source: Source,
    position: usize,
    record: Vec<u8>,
    /// The line that the object at hand begins in.
    line: u64,
    /// The line at hand.
    lines: u64,
    within_list: bool,
}

impl Objects {
    fn open(attempt: &Attempt<'_, '_>) -> Result<Self, Fault> {
        let source = Source::open(&attempt.file.path, attempt.options.decompressed_bytes, Some(Encoding::Utf8))?;
        Ok(Self { source, position: 0, record: Vec::new(), line: 1, lines: 1, within_list: false })
    }

    /// The next object; `None` after the last.
    fn next(&mut self) -> Result<Option<Object<'_>>, Fault> {
        let Some(first) = self.begin()? else { return Ok(None) };
        if first != b'{' {
            return Err(Fault::NoObject { line: self.line });
        }
        self.collect()?;
        let line = self.line;
        match serde_json::from_slice(&self.record) {
            Ok(Fields(fields)) => Ok(Some(Object { line, fields })),
            Err(error) => {
                // The place is counted from the begin of the value, which says little; the line is told.
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
                Err(Fault::MalformedJson { line, reason })
            }
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            if let Some(byte) = self.source.chunk().get(self.position) {
                return Ok(Some(*byte));
            }
            self.position = 0;
            if !self.source.advance()? {
                return Ok(None);
            }
        }
    }

    /// Goes to the first byte of the next value, over what stands between values.
    fn begin(&mut self) -> Result<Option<u8>, Fault> {
        while let Some(byte) = self.byte()? {
            match byte {
                b'\n' => self.lines += 1,
                b' ' | b'\t' | b'\r' | b',' => {}
                b'[' if !self.within_list => self.within_list = true,
                b']' if self.within_list => self.within_list = false,
                _ => {
                    self.line = self.lines;
                    return Ok(Some(byte));
                }
            }
            self.position += 1;
        }
        if self.within_list { Err(Fault::Damaged("JSON")) } else { Ok(None) }
    }

    /// Copies one object, from its brace to the one that closes it.
    fn collect(&mut self) -> Result<(), Fault> {
        self.record.clear();
        let (mut depth, mut quoted, mut escaped) = (0_u64, false, false);
        loop {
            if self.byte()?.is_none() {
                return Err(Fault::Damaged("JSON"));
            }
            let chunk = &self.source.chunk()[self.position..];
            let mut end = None;
            for (offset, byte) in chunk.iter().enumerate() {
                match byte {
                    b'\n' => self.lines += 1,
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ if quoted => {}
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            end = Some(offset + 1);
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let taken = end.unwrap_or(chunk.len());
            if self.record.len() + taken > MAX_ROW {
                return Err(Fault::LongField { line: self.line, limit: MAX_ROW });
            }
            self.record.extend_from_slice(&chunk[..taken]);
            self.position += taken;
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// The fields of an object in their order, their values as they are written.
struct Object<'o> {
    /// The line it begins in.
    line: u64,
    fields: Vec<(String, &'o RawValue)>,
}

/// What [`Object`] has of its text.
struct Fields<'o>(Vec<(String, &'o RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
