//! Reports, their templates and runs on the wire.

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{Reference, Spelling, Stamp};
use crate::domain::error::{Error, Result};
use crate::domain::report as domain;
use crate::http::conditional::Tagged;
use crate::http::exchange::Exchange;
use crate::http::face::Face;
use crate::http::reply::CreatedOrAccepted;

/// A report template.
#[derive(Serialize, Object)]
pub struct ReportTemplate<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// What it prints.
    description: String,
    kind: TemplateKind,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> From<domain::ReportTemplate> for ReportTemplate<I> {
    fn from(template: domain::ReportTemplate) -> Self {
        Self {
            id: I::of(template.id, template.uuid),
            name: template.name,
            description: template.description,
            kind: template.kind.into(),
            created_at: template.created_at.into(),
            // Built-in templates do not change.
            updated_at: template.created_at.into(),
        }
    }
}

impl<I: Spelling> Tagged for ReportTemplate<I> {}

/// What a template is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum TemplateKind {
    /// Data sources, named by `data_source_ids`.
    Profile,
    /// A dashboard, named by `dashboard_id`.
    Dashboard,
}

impl From<domain::TemplateKind> for TemplateKind {
    fn from(kind: domain::TemplateKind) -> Self {
        match kind {
            domain::TemplateKind::Profile => Self::Profile,
            domain::TemplateKind::Dashboard => Self::Dashboard,
        }
    }
}

/// The formats of report files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Vector, with selectable text.
    Pdf,
    /// The first table.
    Csv,
    /// Everything.
    Json,
}

impl From<domain::ReportFormat> for OutputFormat {
    fn from(format: domain::ReportFormat) -> Self {
        match format {
            domain::ReportFormat::Pdf => Self::Pdf,
            domain::ReportFormat::Csv => Self::Csv,
            domain::ReportFormat::Json => Self::Json,
        }
    }
}

impl From<OutputFormat> for domain::ReportFormat {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Pdf => Self::Pdf,
            OutputFormat::Csv => Self::Csv,
            OutputFormat::Json => Self::Json,
        }
    }
}

/// A report: a definition that can be run.
#[derive(Serialize, Object)]
pub struct Report<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    template_id: I,
    /// The sources it describes; empty for a dashboard's report.
    data_source_ids: Vec<I>,
    /// The dashboard it prints; null for a report of sources.
    dashboard_id: Option<I>,
    /// The format of runs that ask for none.
    output_format: OutputFormat,
    /// The newest run; null before the first.
    latest_run: Option<Run<I>>,
    created_at: Stamp,
    updated_at: Stamp,
}

impl<I: Spelling> Report<I> {
    /// A report, with links for an exchange.
    pub fn of(report: domain::Report, exchange: &Exchange) -> Self {
        Self {
            id: I::of(report.id, report.uuid),
            name: report.name,
            template_id: I::of(report.template.0, report.template.1),
            data_source_ids: report.sources.into_iter().map(|(id, uuid)| I::of(id, uuid)).collect(),
            dashboard_id: report.dashboard.map(|(id, uuid)| I::of(id, uuid)),
            output_format: report.format.into(),
            latest_run: report.latest_run.map(|run| Run::of(run, exchange)),
            created_at: report.created_at.into(),
            updated_at: report.updated_at.into(),
        }
    }
}

impl<I: Spelling> Tagged for Report<I> {}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum RunStatus {
    /// It waits for its turn.
    Queued,
    /// Its file is being made.
    Running,
    /// Its file is there.
    Succeeded,
    /// It failed; its credits were given back.
    Failed,
}

impl From<domain::RunStatus> for RunStatus {
    fn from(status: domain::RunStatus) -> Self {
        match status {
            domain::RunStatus::Queued => Self::Queued,
            domain::RunStatus::Running => Self::Running,
            domain::RunStatus::Succeeded => Self::Succeeded,
            domain::RunStatus::Failed => Self::Failed,
        }
    }
}

/// One making of a report's file.
#[derive(Serialize, Object)]
pub struct Run<I: Type + ParseFromJSON + ToJSON> {
    run_id: I,
    report_id: I,
    status: RunStatus,
    format: OutputFormat,
    created_at: Stamp,
    started_at: Option<Stamp>,
    finished_at: Option<Stamp>,
    /// Null until the run is over.
    credits_consumed: Option<i64>,
    /// Why it failed; null unless it did.
    error: Option<RunError>,
    /// Where its file is; null until it succeeded.
    download_url: Option<String>,
}

impl<I: Spelling> Run<I> {
    /// A run, with its link for an exchange.
    pub fn of(run: domain::Run, exchange: &Exchange) -> Self {
        Self {
            download_url: download_url::<I>(&run, exchange),
            run_id: I::of(run.id, run.uuid),
            report_id: I::of(run.report.0, run.report.1),
            status: run.status.into(),
            format: run.format.into(),
            created_at: run.created_at.into(),
            started_at: run.started_at.map(Stamp::from),
            finished_at: run.finished_at.map(Stamp::from),
            credits_consumed: run.credits,
            error: run.error.map(|(code, message)| RunError { code, message }),
        }
    }
}

impl<I: Spelling> Tagged for Run<I> {}

/// Why a run failed.
#[derive(Serialize, Object)]
pub struct RunError {
    code: String,
    message: String,
}

/// Where the file of a run is, in the face's own spelling. The external face knows no runs: there it is the report's
/// latest file.
fn download_url<I: Spelling>(run: &domain::Run, exchange: &Exchange) -> Option<String> {
    if run.status != domain::RunStatus::Succeeded {
        return None;
    }
    let origin = exchange.origin.get().map_or("", String::as_str);
    let (base, slash) = (I::FACE.base(), I::FACE.slash());
    Some(match I::FACE {
        Face::External => format!("{origin}{base}/reports/{}/download{slash}", I::of(run.report.0, run.report.1)),
        Face::Platform | Face::V1 => format!("{origin}{base}/runs/{}/download{slash}", I::of(run.id, run.uuid)),
    })
}

/// A report to be made.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewReport {
    template_id: Reference,
    /// The sources that a profile describes; 20 at most.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    data_source_ids: Option<Vec<Reference>>,
    /// The dashboard that is printed.
    #[serde(default)]
    dashboard_id: Option<Reference>,
    /// `pdf` by default.
    #[serde(default)]
    output_format: Option<OutputFormat>,
    /// 1 to 200 characters; made of template and subject by default.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
}

impl NewReport {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face) -> domain::NewReport {
        domain::NewReport {
            name: self.name,
            template: self.template_id.read(face),
            sources: self.data_source_ids.unwrap_or_default().into_iter().map(|id| id.read(face)).collect(),
            dashboard: self.dashboard_id.map(|id| id.read(face)),
            format: self.output_format.unwrap_or(OutputFormat::Pdf).into(),
        }
    }
}

/// A change of a report: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct ReportPatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    /// The format of runs that ask for none.
    #[serde(default)]
    output_format: Option<OutputFormat>,
}

impl ReportPatch {
    /// What a client asks for.
    pub fn read(self) -> Result<domain::ReportPatch> {
        if self.name.is_none() && self.output_format.is_none() {
            return Err(Error::nothing_to_change());
        }
        Ok(domain::ReportPatch { name: self.name, format: self.output_format.map(Into::into) })
    }
}

/// A report that was made.
#[derive(Serialize, Object)]
pub struct Generated<I: Type + ParseFromJSON + ToJSON> {
    report_id: I,
    run_id: I,
    status: RunStatus,
    output_format: OutputFormat,
    /// Null while the run goes on.
    credits_consumed: Option<i64>,
    /// Where the file is; null while the run goes on.
    download_url: Option<String>,
}

impl<I: Spelling> Generated<I> {
    /// 201 with the file, 202 when the run goes on. What it cost is noted.
    ///
    /// # Errors
    /// What the run failed with.
    pub fn of(run: domain::Run, exchange: &Exchange) -> Result<CreatedOrAccepted<Self>> {
        if let Some(error) = run.failure() {
            return Err(error);
        }
        exchange.charge(run.credits.unwrap_or(0));
        let generated = Self {
            download_url: download_url::<I>(&run, exchange),
            report_id: I::of(run.report.0, run.report.1),
            run_id: I::of(run.id, run.uuid),
            // To those who wait, a run that has not begun is on its way like one that has.
            status: if run.status.is_final() { run.status.into() } else { RunStatus::Running },
            output_format: run.format.into(),
            credits_consumed: run.credits,
        };
        if run.status.is_final() {
            Ok(CreatedOrAccepted::Created(generated))
        } else {
            Ok(CreatedOrAccepted::Accepted(generated))
        }
    }
}

/// How a report is to be run.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The report's own by default.
    #[serde(default)]
    format: Option<OutputFormat>,
}

impl RunRequest {
    /// The format that is asked for.
    pub fn format(&self) -> Option<domain::ReportFormat> {
        self.format.map(domain::ReportFormat::from)
    }
}

/// A run that was queued.
#[derive(Serialize, Object)]
pub struct QueuedRun<I: Type + ParseFromJSON + ToJSON> {
    run_id: I,
    /// Always `queued`; ask for the run to learn how it stands.
    status: RunStatus,
    /// When its file is expected; an estimate.
    estimated_ready_at: Stamp,
}

impl<I: Spelling> From<domain::Run> for QueuedRun<I> {
    fn from(run: domain::Run) -> Self {
        let estimated_ready_at = run.estimated_ready_at().into();
        Self { run_id: I::of(run.id, run.uuid), status: RunStatus::Queued, estimated_ready_at }
    }
}
