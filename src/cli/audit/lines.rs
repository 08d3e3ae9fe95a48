//! `claribi audit export` and `follow`: entries as lines, all there are or as they come.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::which::Which;
use crate::cli::Globals;
use crate::cli::compose::{Instance, inspect, with_instance};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::domain::audit::Filter;
use crate::domain::page::Order;
use crate::http::wire::Hex;
use crate::http::wire::audit::{csv_heading, csv_line, json_line};
use crate::service::app::App;
use crate::service::audit::Record;
use crate::store::audit::entries;

/// Entries that are read at a time.
const PART: usize = 1_024;
/// Entries that are looked at at a time.
const LOOKS: i64 = 65_536;
/// How often a log that somebody else writes is looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// `audit export`.
#[derive(Debug, Args)]
pub struct ExportAudit {
    /// A line of JSON for each entry, or CSV with a heading.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// Where to write it; by default standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Ndjson,
    Csv,
}

/// `audit follow`.
#[derive(Debug, Args)]
pub struct FollowAudit {
    #[command(flatten)]
    which: Which,
}

/// Writes all entries, oldest first.
pub fn export(globals: &Globals, asked: &ExportAudit) -> Result<(), Failure> {
    with_instance(globals, async |instance: &Instance| {
        let app = &instance.app;
        let filter = asked.which.filter(app)?;
        match &asked.output {
            Some(path) => write_all(app, filter, asked.format, BufWriter::new(std::fs::File::create(path)?)).await,
            None => write_all(app, filter, asked.format, BufWriter::new(std::io::stdout().lock())).await,
        }
    })
}

async fn write_all(app: &App, filter: Filter, format: Format, mut out: impl Write) -> Result<(), Failure> {
    if format == Format::Csv {
        out.write_all(csv_heading().as_bytes())?;
    }
    let (last, mut after) = (app.store.read_audit_now(|db| Ok(entries::head(db)?.0))?, None);
    loop {
        let (records, next) = app.audit_part(filter.clone(), Order::default(), after, PART, LOOKS).await?;
        for record in records.into_iter().filter(|record| record.seq <= last) {
            let line = if format == Format::Csv { csv_line::<Hex>(record) } else { json_line::<Hex>(record) };
            out.write_all(line.as_bytes())?;
        }
        match next.filter(|next| *next < last) {
            Some(next) => after = Some(next),
            None => return Ok(out.flush()?),
        }
    }
}

/// Writes entries as they come, until it is stopped.
pub fn follow(globals: &Globals, asked: &FollowAudit) -> Result<(), Failure> {
    let output = Output::new(globals.json);
    inspect(globals, |app| {
        let filter = asked.which.filter(app)?;
        let mut after = app.store.read_audit_now(|db| Ok(entries::head(db)?.0))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            loop {
                let end = app.store.read_audit_now(|db| Ok(entries::head(db)?.0))?;
                let (records, next) =
                    app.audit_part(filter.clone(), Order::default(), Some(after), PART, LOOKS).await?;
                let last = records.last().map(|record| record.seq);
                after = next.unwrap_or_else(|| after.max(end).max(last.unwrap_or(0)));
                for record in records {
                    print(globals.json, record, output)?;
                }
                if next.is_none() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        })
    })
}

fn print(json: bool, record: Record, output: Output) -> Result<(), Failure> {
    if json {
        return output.bytes(json_line::<Hex>(record).as_bytes());
    }
    output.lines(&[super::row(&record)])
}
