//! `claribi query`: one query, without a server or beside one.

use std::io::IsTerminal;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::Globals;
use super::compose::with_instance;
use super::failure::Failure;
use super::operator::OrgOption;
use super::output::{Form, Output, drawn, remark};
use crate::domain::id::IdRef;
use crate::domain::result::{Cell, Column};
use crate::http::wire::Hex;
use crate::http::wire::explanation::QueryExplanation;
use crate::service::query::{Content, Explanation, QueryAnswer, QueryRequest, Written};
use crate::worker::protocol::ResultFormat;

/// `query`.
#[derive(Debug, Args)]
pub struct Query {
    /// One SELECT. `-` reads it from standard input.
    #[arg(value_name = "SQL", allow_hyphen_values = true, required_unless_present = "saved")]
    sql: Option<String>,
    /// A saved query instead: its name or id.
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["sql", "source", "limit"])]
    saved: Option<String>,
    /// A parameter of the saved query, such as `month=7`. What reads as JSON is that, anything else text.
    #[arg(long = "parameter", value_name = "NAME=VALUE", requires = "saved", value_parser = parameter)]
    parameters: Vec<(String, Value)>,
    /// The source whose tables need no name before theirs: its name in SQL or its id. One that is live is named here and
    /// queried alone, in the SQL of its database.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// table, csv, json, arrow or parquet; by default a table on a terminal, tab-separated lines in a pipe.
    #[arg(long, value_parser = format)]
    format: Option<QueryFormat>,
    /// Rows at most.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Tell how the query would be done, and do not run it.
    #[arg(long, conflicts_with = "format")]
    explain: bool,
    #[command(flatten)]
    org: OrgOption,
}

/// The forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryFormat {
    /// Drawn for people.
    Table,
    /// RFC 4180 with a header line.
    Csv,
    /// As `POST /v1/query` answers.
    Json,
    /// The Arrow IPC streaming format.
    Arrow,
    /// A Parquet file.
    Parquet,
}

fn format(text: &str) -> Result<QueryFormat, String> {
    match text {
        "table" => Ok(QueryFormat::Table),
        "csv" => Ok(QueryFormat::Csv),
        "json" => Ok(QueryFormat::Json),
        "arrow" => Ok(QueryFormat::Arrow),
        "parquet" => Ok(QueryFormat::Parquet),
        _ => Err("there are table, csv, json, arrow and parquet".to_owned()),
    }
}

fn parameter(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}

/// Runs it.
pub fn run(globals: &Globals, query: &Query) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    let (form, format) = match (query.format, output.form()) {
        (Some(QueryFormat::Arrow | QueryFormat::Parquet), _) if std::io::stdout().is_terminal() => {
            return Err(Failure::usage(
                "That form is no text for a terminal; redirect it to a file, as in `> result.parquet`.",
            ));
        }
        (Some(QueryFormat::Arrow), _) => (None, ResultFormat::Arrow),
        (Some(QueryFormat::Parquet), _) => (None, ResultFormat::Parquet),
        (Some(QueryFormat::Csv), _) => (None, ResultFormat::Csv),
        (Some(QueryFormat::Json), _) | (None, Form::Json) => (Some(Form::Json), ResultFormat::Json),
        (Some(QueryFormat::Table), _) | (None, Form::Table) => (Some(Form::Table), ResultFormat::Json),
        (None, Form::Lines) => (Some(Form::Lines), ResultFormat::Json),
    };
    let sql = match query.sql.as_deref() {
        Some("-") => Some(std::io::read_to_string(std::io::stdin().lock())?),
        other => other.map(str::to_owned),
    };
    with_instance(globals, async |instance| {
        let app = &instance.app;
        let caller = query.org.caller(app)?;
        let request = match &query.saved {
            Some(text) => {
                let saved = app.saved_query_named(&caller, text)?;
                app.saved_request(&saved, query.parameters.iter().cloned().collect(), format)?
            }
            None => {
                let source = match &query.source {
                    Some(text) => Some((IdRef::Number(app.source_named(&caller, text)?.id), text.clone())),
                    None => None,
                };
                let text = sql.map(|sql| Written { sql, parameters: Vec::new() });
                QueryRequest { text, parts: None, source, limit: query.limit, format }
            }
        };
        if query.explain {
            return tell(app.explain_query(&caller, request).await?, output);
        }
        let answer = app.query(&caller, request).await?;
        if answer.truncated {
            remark(&format!("These are the first {} rows, there are more; --limit takes more of them.", answer.rows));
        }
        print(&answer, form, output)
    })
}

/// Prints the plan; as JSON all that is told.
fn tell(explanation: Explanation, output: Output) -> Result<(), Failure> {
    if output.form() == Form::Json {
        return output.json(&serde_json::to_value(QueryExplanation::<Hex>::from(explanation))?);
    }
    explanation.plan.iter().try_for_each(|line| output.line(line))
}

fn print(answer: &QueryAnswer, form: Option<Form>, output: Output) -> Result<(), Failure> {
    let bytes = match &answer.content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::File { path, .. } => std::fs::read(path)?.into(),
    };
    if form.is_none() {
        return output.bytes(&bytes);
    }
    if form == Some(Form::Json) {
        output.bytes(&bytes)?;
        return output.bytes(b"\n");
    }
    let result: Answer = serde_json::from_slice(&bytes)?;
    let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
    let cells: Vec<Vec<String>> = result.rows.iter().map(|row| row.iter().map(Cell::display).collect()).collect();
    if form == Some(Form::Lines) {
        output.lines(&[names.iter().map(|name| (*name).to_owned()).collect()])?;
        return output.lines(&cells);
    }
    let numbers = result.columns.iter().enumerate().filter(|(_, column)| column.kind.is_numeric());
    let numbers: Vec<usize> = numbers.map(|(place, _)| place).collect();
    output.line(&drawn(&names, &cells, &numbers))?;
    output.line(&match cells.len() {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    })
}

/// What is needed of the JSON form of a result.
#[derive(Debug, Deserialize)]
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}
