//! serde's errors as facts of ours, in the words of JSON. Its own words are stable enough to be told apart; they name
//! Rust's types, which no client has heard of.

use crate::domain::error::Error;

/// What an error at a place of the body means.
pub fn error(path: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    let place = Place(if path == "." { "" } else { path });
    if message.starts_with("duplicate field") {
        let field = Error::clipped(&place.below(quoted(message)));
        return Error::InvalidJson(format!("`{field}` stands in the body twice; send it once."));
    }
    if !error.is_data() {
        let reason = if message == "recursion limit exceeded" { "it is nested too deeply" } else { message };
        let (line, column) = (error.line(), error.column());
        return Error::InvalidJson(format!("The body is not valid JSON at line {line}, column {column}: {reason}."));
    }
    if message.starts_with("unknown field") {
        return Error::UnknownField(Error::clipped(&place.at_or_below(quoted(message))));
    }
    if message.starts_with("missing field") {
        return Error::field(place.below(quoted(message)), "is missing.");
    }
    let field = if place.0.is_empty() { "body" } else { place.0 };
    Error::field(field, reason(message))
}

/// Where in the body; empty for the body itself.
struct Place<'p>(&'p str);

impl Place<'_> {
    /// A field of the object at this place.
    fn below(&self, name: &str) -> String {
        if self.0.is_empty() { name.to_owned() } else { format!("{}.{name}", self.0) }
    }

    /// The field itself where the place ends in it already: serde says so for some errors.
    fn at_or_below(&self, name: &str) -> String {
        let ends = self.0 == name || self.0.strip_suffix(name).is_some_and(|parent| parent.ends_with('.'));
        if ends { self.0.to_owned() } else { self.below(name) }
    }
}

fn quoted(message: &str) -> &str {
    let from = message.find('`').map_or(0, |at| at + 1);
    let to = message.find("`,").or_else(|| message.rfind('`')).unwrap_or(message.len());
    message.get(from..to).unwrap_or_default()
}

/// What a value must be, and what it is.
fn reason(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let known = rest.split_once(", expected ").map_or("", |(_, known)| known).trim_start_matches("one of ");
        return format!("must be one of {known}.");
    }
    let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    else {
        // A rule of a type of ours: its words were written for clients.
        return format!("is not what it must be: {}.", Error::clipped(message.trim_end_matches('.')));
    };
    format!("must be {}; it is {}.", wanted(expected), sent(found))
}

fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "string" | "str" => "a string",
        "a boolean" => "true or false",
        "a map" => "an object",
        "a sequence" => "an array",
        expected if expected.starts_with("struct ") || expected.starts_with("internally tagged") => "an object",
        expected => expected,
    }
}

/// Numbers are short and are shown; texts are not, as they may be long, or secret.
fn sent(found: &str) -> String {
    let number = found.strip_prefix("integer `").or_else(|| found.strip_prefix("floating point `"));
    match number.map(|number| number.trim_end_matches('`')) {
        Some(number) => Error::clipped(number),
        None => match found.split([' ', '`', '"']).next().unwrap_or_default() {
            "string" | "character" => "a string".to_owned(),
            "boolean" => "true or false".to_owned(),
            "sequence" => "an array".to_owned(),
            "map" => "an object".to_owned(),
            "null" | "unit" | "Option" => "null".to_owned(),
            _ => "something else".to_owned(),
        },
    }
}
