//! `claribi source`: files and databases become tables that can be queried.

mod databases;
mod elsewhere;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use self::databases::DatabaseOptions;
use self::elsewhere::SyncSource;
use super::Globals;
use super::compose::{Instance, with_instance};
use super::failure::Failure;
use super::operator::OrgOption;
use super::output::{Form, Output, drawn, grouped};
use super::previews;
use super::read_as::ReadAs;
use crate::domain::connection::Mode;
use crate::domain::id::IdRef;
use crate::domain::import::FilesMode;
use crate::domain::page::{ListRequest, MAX_SIZE, More};
use crate::domain::source::{Source, SourceTable};
use crate::http::wire::Hex;
use crate::http::wire::source::DataSource;
use crate::service::once::Plain;
use crate::service::sources::{ConnectRequest, Incoming, IncomingFile, IncomingFiles, LookRequest, Progress, notes};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Import files as a data source, or one from the web, or a database: each file or table becomes a table of it.
    #[command(after_help = "\
Examples:
  claribi source add flights.csv.gz --name Flights
  claribi source add orders.csv customers.csv --name \"Acme sales\"
  claribi source add https://data.example.com/rates.csv --name Rates --schedule '0 6 * * 1-5'
  claribi source add /srv/exports/orders.csv --name Orders --by-path --schedule @hourly
  claribi source add postgres://ann@db.example.com/sales --name Sales --password-stdin < file
  claribi source add mariadb://ann@db.example.com/shop --name Shop --live --password-stdin < file
  claribi source add shop.sqlite --name Till --cursor orders=id

Separated values (CSV, TSV), JSON, NDJSON, Parquet, Arrow, XLSX and ODS are read, also with .gz or
.zst; each sheet of a workbook becomes a table of its own. Kinds, separators, types and encodings
are detected. Of databases there are SQLite files, PostgreSQL, MySQL and MariaDB: their tables are
copied, or with --live each query is sent to them.")]
    Add(AddSource),
    /// Look at files, or at one from the web, before they are kept: what would be detected, and the first rows.
    #[command(after_help = "\
Examples:
  claribi source preview orders.csv
  claribi source preview https://data.example.com/rates.csv --separator \";\"
  claribi source preview orders.csv --separator \";\" --type \"Order day=date:%d.%m.%Y\"

The flags of `source add` are tried out here; nothing is kept.")]
    Preview(PreviewFiles),
    /// Replace tables of a data source by files, or add rows to them: tables are matched by name.
    #[command(after_help = "\
Examples:
  claribi source load acme_sales orders.csv
  claribi source load acme_sales orders.csv --append

Files are read as the source's were; flags take the place of all that was said then. What fails
leaves the data as it was.")]
    Load(LoadFiles),
    /// List the data sources.
    List(ListSources),
    /// Show a data source with its tables and columns.
    Show(ShowSource),
    /// Read a data source again that is elsewhere; of a live one, which tables there are.
    Sync(SyncSource),
}

/// `source add`.
#[derive(Debug, Args)]
pub struct AddSource {
    /// The files, or one URL of a file or a database, or one SQLite file.
    #[arg(required = true, value_name = "PATH_OR_URL")]
    paths: Vec<PathBuf>,
    /// What people call the source; its name in SQL is made of it.
    #[arg(long)]
    name: String,
    /// Read the file again from where it lies, with each sync, instead of keeping it as it is now.
    #[arg(long)]
    by_path: bool,
    /// When a URL, a database or a file by its path is read again: minute, hour, day of the month, month, day of the
    /// week; or @daily.
    #[arg(long, value_name = "CRON")]
    schedule: Option<String>,
    /// Whose clocks the schedule goes by, such as Europe/Berlin; by default UTC.
    #[arg(long, value_name = "ZONE", requires = "schedule")]
    time_zone: Option<String>,
    /// Read what opens a URL from standard input: {"headers": {"Authorization": "Bearer …"}}.
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    database: DatabaseOptions,
    #[command(flatten)]
    read_as: ReadAs,
    #[command(flatten)]
    org: OrgOption,
}

/// `source preview`.
#[derive(Debug, Args)]
pub struct PreviewFiles {
    /// The files, or one URL of a file.
    #[arg(required = true, value_name = "PATH_OR_URL")]
    paths: Vec<PathBuf>,
    /// Read what opens a URL from standard input: {"headers": {"Authorization": "Bearer …"}}.
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    read_as: ReadAs,
    #[command(flatten)]
    org: OrgOption,
}

/// `source load`.
#[derive(Debug, Args)]
pub struct LoadFiles {
    /// The source, by its name in SQL or its id.
    source: String,
    /// The files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Add the rows to the tables, instead of replacing these.
    #[arg(long)]
    append: bool,
    #[command(flatten)]
    read_as: ReadAs,
    #[command(flatten)]
    org: OrgOption,
}

/// `source list`.
#[derive(Debug, Args)]
pub struct ListSources {
    #[command(flatten)]
    org: OrgOption,
}

/// `source show`.
#[derive(Debug, Args)]
pub struct ShowSource {
    /// The source, by its name in SQL or its id.
    source: String,
    #[command(flatten)]
    org: OrgOption,
}

/// Runs one.
pub fn run(globals: &Globals, command: SourceCommand) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    // Before anything is opened: a file that is not there is the command's fault.
    let files = match &command {
        SourceCommand::Add(add) => match elsewhere::connect_request(add)? {
            Some(request) => return with_instance(globals, async |it| run_connect(it, add, request, output).await),
            None => incoming(&add.paths, &add.read_as)?,
        },
        SourceCommand::Preview(look) => match elsewhere::look_request(look)? {
            Some(request) => return with_instance(globals, async |it| run_look(it, look, request, output).await),
            None => incoming(&look.paths, &look.read_as)?,
        },
        SourceCommand::Load(load) => IncomingFiles {
            options: Some(load.read_as.options()?).filter(|options| !options.is_empty()),
            ..incoming(&load.paths, &load.read_as)?
        },
        SourceCommand::List(_) | SourceCommand::Show(_) | SourceCommand::Sync(_) => incoming(&[], &ReadAs::default())?,
    };
    with_instance(globals, async |instance| match &command {
        SourceCommand::Add(add) => run_add(instance, add, files, output).await,
        SourceCommand::Preview(look) => {
            let caller = look.org.caller(&instance.app)?;
            previews::print(&instance.app.preview_files(&caller, files).await?, output)
        }
        SourceCommand::Load(load) => run_load(instance, load, files, output).await,
        SourceCommand::Sync(sync) => elsewhere::run_sync(instance, sync, output).await,
        SourceCommand::List(list) => run_list(instance, list, output),
        SourceCommand::Show(show) => {
            let source = instance.app.source_named(&show.org.caller(&instance.app)?, &show.source)?;
            print(&source, output)
        }
    })
}

fn incoming(paths: &[PathBuf], read_as: &ReadAs) -> Result<IncomingFiles, Failure> {
    let files = paths.iter().map(|path| incoming_file(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(IncomingFiles { files, options: Some(read_as.options()?), holder: None })
}

fn incoming_file(path: &Path) -> Result<IncomingFile, Failure> {
    let shown = path.display();
    // Workers stand elsewhere, so they need the whole name.
    let whole = path.canonicalize().map_err(|error| Failure::failed(format!("{shown} cannot be read: {error}")))?;
    if !whole.is_file() {
        return Err(Failure::usage(format!("{shown} is no file; name the files themselves")));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(IncomingFile { path: whole, name: name.unwrap_or_else(|| "file".to_owned()) })
}

async fn run_add(instance: &Instance, add: &AddSource, files: IncomingFiles, output: Output) -> Result<(), Failure> {
    let caller = add.org.caller(&instance.app)?;
    let incoming = Incoming { name: add.name.clone(), slug: None, files };
    let bar = bar();
    let source = instance.app.create_source(&caller, incoming, None, progress(&bar)).await;
    bar.finish_and_clear();
    print(&source?, output)
}

async fn run_load(instance: &Instance, load: &LoadFiles, files: IncomingFiles, output: Output) -> Result<(), Failure> {
    let caller = load.org.caller(&instance.app)?;
    let source = instance.app.source_named(&caller, &load.source)?;
    let mode = if load.append { FilesMode::Append } else { FilesMode::Replace };
    let id = IdRef::Number(source.id);
    let bar = bar();
    let named = (&id, load.source.as_str());
    let loaded = instance.app.put_files(&caller, named, (files, mode), progress(&bar), Plain).await;
    bar.finish_and_clear();
    let Plain(source) = loaded?;
    print(&source, output)
}

async fn run_connect(
    instance: &Instance,
    add: &AddSource,
    request: ConnectRequest,
    output: Output,
) -> Result<(), Failure> {
    let caller = add.org.caller(&instance.app)?;
    let bar = bar();
    let source = instance.app.connect_source(&caller, request, None, progress(&bar)).await;
    bar.finish_and_clear();
    print(&source.map_err(elsewhere::told)?, output)
}

async fn run_look(
    instance: &Instance,
    look: &PreviewFiles,
    request: LookRequest,
    output: Output,
) -> Result<(), Failure> {
    let caller = look.org.caller(&instance.app)?;
    let room = instance.app.begin_preview(&caller).await?;
    let seen = instance.app.preview_place(&caller, request, room).await;
    previews::print(&seen.map_err(elsewhere::told)?, output)
}

/// Drawn on standard error when that is a terminal, and nowhere otherwise.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1_000);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn progress(bar: &ProgressBar) -> Progress {
    let bar = bar.clone();
    Box::new(move |fraction, rows| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1000")]
        bar.set_position((fraction.clamp(0.0, 1.0) * 1_000.0) as u64);
        bar.set_message(format!("{} rows", grouped(rows)));
    })
}

fn run_list(instance: &Instance, list: &ListSources, output: Output) -> Result<(), Failure> {
    let caller = list.org.caller(&instance.app)?;
    let (mut sources, mut cursor) = (Vec::new(), None);
    loop {
        let page = instance.app.sources(&caller, &ListRequest::after(cursor, MAX_SIZE))?;
        sources.extend(page.items);
        cursor = match page.more {
            More::Cursor(Some(next)) => Some(next),
            _ => break,
        };
    }
    let rows: Vec<Vec<String>> = sources.iter().map(row).collect();
    let heading = ["id", "name", "in SQL", "status", "tables", "rows", "last synced"];
    output.rows(&heading, &rows, || sources.iter().map(described).collect())
}

fn row(source: &Source) -> Vec<String> {
    let rows: u64 = source.visible_tables().iter().filter_map(|table| table.rows).sum();
    vec![
        source.id.prefixed(),
        source.name.clone(),
        source.slug.clone(),
        source.status.as_str().to_owned(),
        source.visible_tables().len().to_string(),
        rows.to_string(),
        source.last_synced_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
    ]
}

/// A source with its tables, and a query to go on with.
fn print(source: &Source, output: Output) -> Result<(), Failure> {
    let tables = source.visible_tables();
    match output.form() {
        Form::Json => return output.json(&described(source)),
        Form::Lines => {
            let rows: Vec<Vec<String>> = tables
                .iter()
                .map(|table| {
                    vec![
                        format!("{}.{}", source.slug, table.name),
                        counted(table, |rows| rows.to_string()),
                        columns(table, ", "),
                    ]
                })
                .collect();
            output.lines(&rows)?;
        }
        Form::Table => {
            let id = source.id.prefixed();
            output.line(&format!("{} ({id}, in SQL {}) is {}.\n", source.name, source.slug, source.status.as_str()))?;
            let rows: Vec<Vec<String>> = tables
                .iter()
                .map(|table| vec![table.name.clone(), counted(table, grouped), columns(table, "\n")])
                .collect();
            output.line(&drawn(&["table", "rows", "columns"], &rows, &[1]))?;
            notes(source).iter().try_for_each(|note| output.line(note))?;
        }
    }
    match (&source.error, tables.first()) {
        (Some(error), _) => output.line(error),
        (None, Some(table)) if output.form() == Form::Table => {
            output.line(&format!("\nTry:\n  {}", ready_query(source, table)))
        }
        (None, Some(table)) => output.line(&ready_query(source, table)),
        (None, None) => Ok(()),
    }
}

/// How many rows a table has; nobody here knows that of a live one.
fn counted(table: &SourceTable, written: impl Fn(u64) -> String) -> String {
    table.rows.map_or_else(|| "-".to_owned(), written)
}

fn ready_query(source: &Source, table: &SourceTable) -> String {
    if source.mode == Mode::Live {
        return format!("claribi query --source {} \"SELECT * FROM {} LIMIT 10\"", source.slug, table.name);
    }
    format!("claribi query \"SELECT * FROM {}.{} LIMIT 10\"", source.slug, table.name)
}

fn columns(table: &SourceTable, between: &str) -> String {
    let columns = table.columns.iter().map(|found| format!("{} {}", found.column.name, found.column.kind.as_str()));
    columns.collect::<Vec<_>>().join(between)
}

/// As `/v1/` has it.
fn described(source: &Source) -> Value {
    // Texts, numbers, lists and maps by text can always be written.
    serde_json::to_value(DataSource::<Hex>::from(source.clone())).unwrap_or_default()
}
