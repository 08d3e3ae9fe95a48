//! `claribi report`: the file of a report, without a server or beside one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::Globals;
use super::compose::{Instance, with_instance};
use super::failure::Failure;
use super::operator::OrgOption;
use super::output::{Form, Output, grouped};
use crate::domain::id::{BareIntegers, DashboardKind, IdRef, OrgId};
use crate::domain::page::{ListRequest, MAX_SIZE, More};
use crate::domain::report::{NewReport, ReportFormat, ReportTemplate, Run, RunStatus, TemplateKind};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::query::Content;
use crate::store::Role;
use crate::store::main::runs::Turn;

/// How often a run that a server makes is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// After so many looks it is asked whether the server is still there.
const LOOKS: u32 = 10;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Make a report of data sources or of a dashboard, and write its file.
    #[command(after_help = "\
Examples:
  claribi report generate --source flights -o flights.pdf
  claribi report generate --dashboard d_1 --format csv -o quarter.csv")]
    Generate(GenerateReport),
}

/// `report generate`.
#[derive(Debug, Args)]
pub struct GenerateReport {
    #[command(flatten)]
    subject: Subject,
    /// pdf, csv or json; by default, what the file's name says, or pdf.
    #[arg(long, value_parser = format)]
    format: Option<ReportFormat>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The report's title.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    org: OrgOption,
}

/// What a report is of.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// A data source to describe, by its name in SQL or its id; may be given several times.
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// A dashboard to print, by id or name.
    #[arg(long, value_name = "DASHBOARD")]
    dashboard: Option<String>,
}

fn format(text: &str) -> Result<ReportFormat, String> {
    ReportFormat::parse(text).ok_or_else(|| "there are pdf, csv and json".to_owned())
}

/// Runs one.
pub fn run(globals: &Globals, command: &ReportCommand) -> Result<(), Failure> {
    let ReportCommand::Generate(generate) = command;
    let output = Output::new(globals.json);
    check_target(&generate.output)?;
    with_instance(globals, async |instance| {
        let app = &instance.app;
        let caller = generate.org.caller(app)?;
        let format = generate.format.unwrap_or_else(|| format_of(&generate.output));
        let new = NewReport { name: generate.name.clone(), format, ..asked(app, &caller, &generate.subject)? };
        let spinner = ProgressBar::new_spinner().with_message("making the report");
        spinner.enable_steady_tick(Duration::from_millis(100));
        let made = make(instance, &caller, new).await;
        spinner.finish_and_clear();
        let run = made?;
        let bytes = save(app, &caller, &run, &generate.output)?;
        match output.form() {
            Form::Json => output.json(&described(&run)),
            Form::Lines => output.lines(&[vec![generate.output.display().to_string(), bytes.to_string()]]),
            Form::Table => output.line(&format!(
                "{}: {} bytes, {} credits ({}, {}).",
                generate.output.display(),
                grouped(bytes),
                run.credits.unwrap_or(0),
                run.report.0.prefixed(),
                run.id.prefixed()
            )),
        }
    })
}

/// Before the work, so that it is not done for nothing.
fn check_target(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Failure::usage(format!("{shown} is a directory; name the file to write")));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
            Err(Failure::usage(format!("there is no directory {}; make it first", parent.display())))
        }
        _ => Ok(()),
    }
}

fn format_of(path: &Path) -> ReportFormat {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ReportFormat::parse(&extension.to_lowercase()).unwrap_or(ReportFormat::Pdf)
}

fn asked(app: &App, caller: &Caller, subject: &Subject) -> Result<NewReport, Failure> {
    let kind = if subject.dashboard.is_some() { TemplateKind::Dashboard } else { TemplateKind::Profile };
    let (mut sources, mut dashboard) = (Vec::new(), None);
    for text in &subject.sources {
        sources.push((IdRef::Number(app.source_named(caller, text)?.id), text.clone()));
    }
    if let Some(text) = &subject.dashboard {
        dashboard = Some((dashboard_named(app, caller, text)?, text.clone()));
    }
    let template = template(app, caller, kind)?;
    let template = (IdRef::Number(template.id), template.id.prefixed());
    Ok(NewReport { name: None, template, sources, dashboard, format: ReportFormat::Pdf })
}

fn template(app: &App, caller: &Caller, kind: TemplateKind) -> Result<ReportTemplate, Failure> {
    let page = app.report_templates(caller, &ListRequest::after(None, MAX_SIZE))?;
    let found = page.items.into_iter().find(|template| template.kind == kind);
    found.ok_or_else(|| Failure::failed("the built-in report templates are missing; restore claribi.db from a backup"))
}

fn dashboard_named(app: &App, caller: &Caller, text: &str) -> Result<IdRef<DashboardKind>, Failure> {
    let id = IdRef::parse(text, BareIntegers::Accepted);
    if !matches!(id, IdRef::Unknown) {
        return Ok(id);
    }
    let mut cursor = None;
    loop {
        let page = app.dashboards(caller, &ListRequest::after(cursor, MAX_SIZE))?;
        if let Some(found) = page.items.iter().find(|dashboard| dashboard.name.eq_ignore_ascii_case(text)) {
            return Ok(IdRef::Number(found.id));
        }
        cursor = match page.more {
            More::Cursor(Some(next)) => Some(next),
            _ => {
                return Err(Failure::failed(format!(
                    "there is no dashboard `{text}`; name one by its id or whole name"
                )));
            }
        };
    }
}

/// Queues the run and sees it through: with the lock it is made here, beside a server by the server.
async fn make(instance: &Instance, caller: &Caller, new: NewReport) -> Result<Run, Failure> {
    let app = &instance.app;
    if instance.role == Role::Owner {
        app.recover().await?;
    }
    let queued = app.generate_report(caller, new).await?;
    let run = match instance.role {
        Role::Owner => make_here(app, caller, queued).await?,
        Role::Guest => wait_for_server(app, caller, queued).await?,
    };
    match (run.status, &run.error) {
        (RunStatus::Succeeded, _) => Ok(run),
        (_, Some((code, reason))) => Err(Failure::failed(format!("the report failed ({code}): {reason}"))),
        (_, None) => Err(Failure::failed("the report failed; the server's log says why")),
    }
}

/// Makes the queued runs, as a server would, up to this one: a stopped server may have left some.
async fn make_here(app: &App, caller: &Caller, queued: Run) -> Result<Run, Failure> {
    let mut last = OrgId::new(0);
    loop {
        let run = app.run(caller, &IdRef::Number(queued.id), &queued.id.prefixed())?;
        if run.status.is_final() {
            return Ok(run);
        }
        match app.lease_run(Turn::Anyone, last).await? {
            Some(leased) => {
                last = leased.org;
                app.execute_run(leased).await?;
            }
            None => return Ok(run),
        }
    }
}

async fn wait_for_server(app: &App, caller: &Caller, queued: Run) -> Result<Run, Failure> {
    let mut looks = 0;
    loop {
        let run = app.run(caller, &IdRef::Number(queued.id), &queued.id.prefixed())?;
        if run.status.is_final() {
            return Ok(run);
        }
        looks += 1;
        // A lock that can be had is held by nobody, who would make the run.
        if looks % LOOKS == 0 && app.data.lock().is_ok() {
            return Err(Failure::failed(format!(
                "the server stopped before the report was made; it makes {} when it starts again",
                run.id.prefixed()
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Copies the run's file to where it was asked for.
fn save(app: &App, caller: &Caller, run: &Run, target: &Path) -> Result<u64, Failure> {
    let download = app.run_file(caller, &IdRef::Number(run.id), &run.id.prefixed(), None)?;
    let write = || match &download.content {
        Content::Bytes(bytes) => io::copy(&mut bytes.as_ref(), &mut File::create(target)?),
        Content::File { path, .. } => io::copy(&mut File::open(path)?, &mut File::create(target)?),
    };
    write().map_err(|error| Failure::failed(format!("{} cannot be written: {error}", target.display())))
}

/// As the `/v1/` face spells it.
fn described(run: &Run) -> Value {
    json!({
        "report_id": run.report.0.prefixed(),
        "run_id": run.id.prefixed(),
        "status": run.status.as_str(),
        "output_format": run.format.as_str(),
        "credits_consumed": run.credits,
        "bytes": run.file_bytes,
        "finished_at": run.finished_at,
    })
}
