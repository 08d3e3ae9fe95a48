//! The engine's errors as sentences for the query's author. Nothing passes through: paths and the names of internals
//! would leak otherwise.

use std::io;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::sqlparser::parser::ParserError;
use rustix::io::Errno;

use super::names;
use crate::engine::internal;
use crate::worker::protocol::{Failure, FailureCode, Position};

/// How columns are listed at most.
const LISTED: usize = 30;
/// The longest message that is passed on, in characters.
const LONGEST: usize = 400;

/// What the parser says.
pub fn syntax(error: &ParserError) -> Failure {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            let message = "The query is nested too deeply; use WITH to name its parts.";
            return Failure::new(FailureCode::InvalidSql, message);
        }
    };
    let (text, position) = split_position(text);
    let text = text.trim().trim_start_matches("Expected: ");
    let message = match text.split_once(", found: ") {
        Some((expected, found)) => format!("The SQL has a syntax error: expected {expected}, found {found}."),
        None => format!("The SQL has a syntax error: {}.", tidy(text)),
    };
    Failure { code: FailureCode::InvalidSql, message, position }
}

/// What planning or execution says. `functions` are the names that may be called.
pub fn failure(error: &DataFusionError, functions: &[&str]) -> Failure {
    let mut failure = translate(cause(error), functions);
    if failure.position.is_none() && failure.code == FailureCode::InvalidSql {
        failure.position = position(error);
    }
    failure
}

/// Whether the query named a column that is not there.
pub fn names_unknown_column(error: &DataFusionError) -> bool {
    matches!(cause(error), DataFusionError::SchemaError(fault, _) if matches!(**fault, SchemaError::FieldNotFound { .. }))
}

/// The error within its wrappings.
fn cause(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => cause(inner),
        DataFusionError::Shared(inner) => cause(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, cause),
        DataFusionError::ArrowError(inner, _) => match &**inner {
            ArrowError::ExternalError(inner) => inner.downcast_ref().map_or(error, cause),
            _ => error,
        },
        DataFusionError::External(inner) => inner.downcast_ref().map_or(error, cause),
        _ => error,
    }
}

fn translate(error: &DataFusionError, functions: &[&str]) -> Failure {
    let invalid = |message: String| Failure::new(FailureCode::InvalidSql, message);
    match error {
        DataFusionError::SQL(error, _) => syntax(error),
        DataFusionError::SchemaError(fault, _) => invalid(schema(fault)),
        DataFusionError::Plan(text) => invalid(plan(text, functions)),
        DataFusionError::NotImplemented(text) => invalid(format!("This is not supported: {}.", tidy(text))),
        DataFusionError::Execution(text) | DataFusionError::Configuration(text) => {
            invalid(format!("The query fails on the data: {}.", tidy(text)))
        }
        DataFusionError::ArrowError(error, _) => arrow(error),
        DataFusionError::ParquetError(fault) => match within_filter(fault) {
            Some(text) => filter(text),
            None => internal("a query failed", error),
        },
        DataFusionError::ResourcesExhausted(text) => exhausted(text),
        DataFusionError::IoError(error) => scratch(error),
        DataFusionError::External(other) => match pattern(&other.to_string()) {
            Some(message) => invalid(message),
            None => internal("a query failed", error),
        },
        other => internal("a query failed", other),
    }
}

fn arrow(error: &ArrowError) -> Failure {
    let text = match error {
        ArrowError::DivideByZero => "a number is divided by zero; use nullif(divisor, 0)".to_owned(),
        ArrowError::ArithmeticOverflow(_) => "a number is out of its type's range; cast to DOUBLE first".to_owned(),
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::NotYetImplemented(text) => text.clone(),
        ArrowError::IoError(_, error) => return scratch(error),
        other => return internal("a query failed", other),
    };
    let message = pattern(&text).unwrap_or_else(|| format!("The query fails on the data: {}.", tidy(&text)));
    Failure::new(FailureCode::InvalidSql, message)
}

/// What went wrong in a filter that is evaluated while a file is read. Its `Debug` text is all that the reader hands on.
fn within_filter(fault: &ParquetError) -> Option<&str> {
    let ParquetError::External(inner) = fault else { return None };
    match inner.downcast_ref()? {
        ArrowError::ComputeError(text) => text.strip_prefix("Error evaluating filter predicate: "),
        _ => None,
    }
}

/// The same sentence as where the filter is evaluated after reading. What is not known here is the query's matter too: to
/// evaluate its expressions over its rows is all that a filter does.
fn filter(text: &str) -> Failure {
    // Before the first quote are names of variants, and nothing of the data.
    let (variants, quoted) = text.split_once('"').unwrap_or((text, ""));
    let mut names = variants.rsplit(|character: char| !character.is_alphanumeric());
    let error = match names.find(|name| !matches!(*name, "" | "Some" | "None")) {
        Some("DivideByZero") => ArrowError::DivideByZero,
        Some("ArithmeticOverflow") => ArrowError::ArithmeticOverflow(String::new()),
        Some(
            "CastError" | "ParseError" | "ComputeError" | "InvalidArgumentError" | "NotYetImplemented" | "Execution",
        ) => ArrowError::ComputeError(unquoted(quoted)),
        // It draws itself, in lines and without quotes.
        _ if text.starts_with("External(") && pattern(text).is_some() => ArrowError::ComputeError(text.to_owned()),
        _ => {
            tracing::warn!(variants, "a condition failed in words that are not known");
            ArrowError::ComputeError("a condition cannot be computed for some row".to_owned())
        }
    };
    arrow(&error)
}

/// A text as it was before `Debug` quoted it, from behind the first quote on.
fn unquoted(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('u') => {
                    let digits: String = characters.by_ref().skip(1).take_while(|digit| *digit != '}').collect();
                    text.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                Some(escaped @ ('"' | '\\' | '\'')) => text.push(escaped),
                Some('n') => text.push('\n'),
                _ => text.push(' '),
            },
            plain => text.push(plain),
        }
    }
    text
}

/// What the library of regular expressions says of one that it cannot read: its drawing of the place has lines, and the
/// last of those that begin so says what is wrong there.
fn pattern(text: &str) -> Option<String> {
    let wrong = match text.split_once("regex parse error:") {
        Some((_, drawing)) => drawing.lines().rev().find_map(|line| line.trim().strip_prefix("error: "))?,
        None if text.starts_with("Compiled regex exceeds size limit") => "it is too large",
        None => return None,
    };
    Some(format!("A regular expression cannot be read: {}.", tidy(wrong)))
}

fn exhausted(text: &str) -> Failure {
    let message = if text.contains("disk") || text.contains("temp") {
        "The query needs more scratch space than it may use; filter or aggregate before sorting and joining."
    } else {
        "The query needs more memory than it may use; select fewer columns, or filter and aggregate before joining."
    };
    Failure::new(FailureCode::TooLarge, message)
}

/// What comes of writing what memory has no room for, and of reading it again: a bound of ours, which is told in words
/// alone, or one of the machine's.
fn scratch(error: &io::Error) -> Failure {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => exhausted("disk"),
        Some(Errno::MFILE | Errno::NFILE) => Failure::new(
            FailureCode::TooLarge,
            "The query needs more scratch files at once than it may have; filter or aggregate before sorting and joining.",
        ),
        None if error.to_string().contains("disk space during the spilling") => exhausted("disk"),
        _ => internal("a query failed", error),
    }
}

fn schema(fault: &SchemaError) -> String {
    match fault {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let mut known: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
            known.sort_unstable();
            known.dedup();
            let asked = &field.name;
            if let Some(same) = known.iter().find(|name| name.eq_ignore_ascii_case(asked)) {
                return format!("There is no column `{asked}`; write \"{same}\" with quotes, or the table before it.");
            }
            if let Some(nearest) = names::nearest(asked, known.iter().copied()) {
                return format!("There is no column `{asked}`; did you mean `{nearest}`?");
            }
            if known.is_empty() {
                return format!(
                    "There is no column `{asked}`, since no table is named here; text needs single quotes."
                );
            }
            let listed: Vec<String> = known.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
            let more = if known.len() > LISTED { ", …" } else { "" };
            format!("There is no column `{asked}`; the columns here are {}{more}.", listed.join(", "))
        }
        SchemaError::AmbiguousReference { field } => {
            format!("More than one table has a column `{}`; write the table before it.", field.name)
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            format!("Two columns of one result are called `{name}`; rename one with AS.")
        }
    }
}

fn plan(text: &str, functions: &[&str]) -> String {
    if let Some(name) = between(text, "Invalid function '", "'") {
        return match names::nearest(name, functions.iter().copied()) {
            Some(nearest) => format!("There is no function `{name}`; did you mean `{nearest}`?"),
            None => format!(
                "There is no function `{name}`; the page of this error, `/docs/errors/invalid_sql`, lists those that may be \
                 called."
            ),
        };
    }
    format!("The query cannot be planned: {}.", tidy(text))
}

/// The first sentence of an engine's message in our words for types, without what only its developers understand.
fn tidy(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let text = text.split("\n\tCandidate functions").next().unwrap_or(text);
    let text = text.split(" No function matches").next().unwrap_or(text);
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        // What looks like a place in a file system or in the engine's own code says nothing to the author.
        let leaks = word.matches('/').count() > 1 || word.contains("::") || word.contains("file:");
        words.push(if leaks { "…".to_owned() } else { our_types(word) });
    }
    let mut text = words.join(" ");
    for noise in
        ["Error during planning: ", "Execution error: ", "Arrow error: ", "Schema error: ", "DataFusion error: "]
    {
        text = text.replace(noise, "");
    }
    let text: String = text.replace("DataFusion", "the engine").chars().take(LONGEST).collect();
    text.trim_end_matches(['.', ' ']).to_owned()
}

/// The word with Arrow's names of types replaced by ours.
fn our_types(word: &str) -> String {
    const TYPES: [(&str, &str); 19] = [
        ("LargeUtf8", "text"),
        ("Utf8View", "text"),
        ("Utf8", "text"),
        ("UInt8", "integer"),
        ("UInt16", "integer"),
        ("UInt32", "integer"),
        ("UInt64", "integer"),
        ("Int8", "integer"),
        ("Int16", "integer"),
        ("Int32", "integer"),
        ("Int64", "integer"),
        ("Float16", "double"),
        ("Float32", "double"),
        ("Float64", "double"),
        ("Decimal128", "decimal"),
        ("Date32", "date"),
        ("Time64", "time"),
        ("Timestamp", "timestamp"),
        ("Boolean", "boolean"),
    ];
    TYPES.iter().fold(word.to_owned(), |word, (theirs, ours)| word.replace(theirs, ours))
}

/// Splits ` at Line: 1, Column: 8` off the end of the parser's message.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((before, after)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let numbers = after.split_once(", Column: ");
    let parsed = numbers.and_then(|(line, column)| {
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        Some(Position { line: line.trim().parse().ok()?, column: column.parse().ok()? })
    });
    (before, parsed.filter(|position| position.line > 0))
}

fn position(error: &DataFusionError) -> Option<Position> {
    let first = match error {
        DataFusionError::Collection(errors) => errors.first()?,
        other => other,
    };
    let start = first.diagnostic()?.span?.start;
    (start.line > 0).then_some(Position { line: start.line, column: start.column })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_fails_while_a_file_is_read_says_what_it_says_afterwards() {
        let quoted = "Cannot cast string 'a \"b\" \\ \u{1}' to value of Int64 type".to_owned();
        let plain = || -> Vec<DataFusionError> {
            vec![
                ArrowError::DivideByZero.into(),
                DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), Some("DivideByZero".to_owned())),
                ArrowError::ArithmeticOverflow("DivideByZero".to_owned()).into(),
                ArrowError::CastError(quoted.clone()).into(),
                DataFusionError::Execution("the \"pattern\" is none".to_owned()),
            ]
        };
        for error in plain() {
            let text = format!("Error evaluating filter predicate: {error:?}");
            let read = ParquetError::External(Box::new(ArrowError::ComputeError(text)));
            let (read, after) = (failure(&DataFusionError::from(read), &[]), failure(&error, &[]));
            assert_eq!((read.code, read.message), (after.code, after.message));
        }
    }

    #[test]
    fn a_filter_that_fails_in_words_unknown_here_is_the_querys_matter_and_nothing_passes_through() {
        let within = |text: &str| {
            let error = ArrowError::ComputeError(format!("Error evaluating filter predicate: {text}"));
            failure(&ParquetError::External(Box::new(error)).into(), &[])
        };
        for text in ["", "Internal(\"/etc/secret\")", "ArrowError(", "\"", "Plan(\"x\\"] {
            let failure = within(text);
            assert_eq!(failure.code, FailureCode::InvalidSql, "{text}");
            assert!(failure.message.contains("a condition cannot be computed"), "{}", failure.message);
        }
        let broken = ParquetError::External(Box::new(ArrowError::ComputeError("a page".to_owned())));
        assert_eq!(failure(&broken.into(), &[]).code, FailureCode::Internal);
    }

    #[test]
    fn scratch_that_does_not_suffice_is_the_querys_matter_and_other_faults_are_ours() {
        let full = io::Error::other("The used disk space during the spilling process has exceeded the allowable limit");
        let of_machine = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::MFILE]
            .map(|errno| io::Error::from_raw_os_error(errno.raw_os_error()));
        for error in std::iter::once(full).chain(of_machine) {
            let shown = error.to_string();
            let failure = arrow(&ArrowError::IoError(shown.clone(), error));
            assert_eq!(failure.code, FailureCode::TooLarge, "{shown}");
            assert!(failure.message.contains("scratch"), "{}", failure.message);
        }
        let broken = DataFusionError::IoError(io::Error::from_raw_os_error(Errno::IO.raw_os_error()));
        assert_eq!(failure(&broken, &[]).code, FailureCode::Internal);
    }
}
