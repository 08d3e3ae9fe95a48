//! Reports: templates, definitions and runs.

use uuid::Uuid;

use super::code::Code;
use super::error::Error;
use super::id::{DashboardId, DashboardKind, IdRef, ReportId, RunId, Source, SourceId, Template, TemplateId, UserId};
use super::page::{Entry, Times};
use super::time::Timestamp;

/// What a built-in template does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemplateKind {
    /// Describes the tables and columns of data sources.
    Profile,
    /// Prints a dashboard.
    Dashboard,
}

impl TemplateKind {
    /// All kinds, in the order in which an organisation gets them.
    pub const ALL: [Self; 2] = [Self::Profile, Self::Dashboard];

    /// As the store and the wire spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Dashboard => "dashboard",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The template's name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Profile => "Data source profile",
            Self::Dashboard => "Dashboard report",
        }
    }

    /// The template's description.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Profile => "Rows, columns, missing values, distributions, top values and a trend of data sources.",
            Self::Dashboard => "The widgets of a dashboard as of its last refresh.",
        }
    }
}

/// A template.
#[derive(Debug, Clone)]
pub struct ReportTemplate {
    /// Its row.
    pub id: TemplateId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// What it prints.
    pub description: String,
    /// What it does.
    pub kind: TemplateKind,
    /// When the organisation got it.
    pub created_at: Timestamp,
}

impl Entry for ReportTemplate {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn updated_at(&self) -> Timestamp {
        self.created_at
    }
}

/// What narrows a list of report templates.
#[derive(Debug, Clone, Default, Hash)]
pub struct ReportTemplateFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of their name, in any case.
    pub q: Option<String>,
    /// What they do.
    pub kind: Option<TemplateKind>,
}

/// The formats of a report file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportFormat {
    /// Vector, selectable text, embedded fonts.
    Pdf,
    /// The first table section.
    Csv,
    /// Everything.
    Json,
}

impl ReportFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pdf, Self::Csv, Self::Json];

    /// The name on the wire, and the file's extension.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// The format of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// The media type of the file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// A report: a definition that can be run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its row.
    pub id: ReportId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its template.
    pub template: (TemplateId, Uuid, TemplateKind),
    /// The sources it reads, for a profile.
    pub sources: Vec<(SourceId, Uuid)>,
    /// The dashboard it prints.
    pub dashboard: Option<(DashboardId, Uuid)>,
    /// The format of runs that ask for none.
    pub format: ReportFormat,
    /// Its newest run.
    pub latest_run: Option<Run>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its definition last changed.
    pub updated_at: Timestamp,
    /// Raised by each change and each run.
    pub version: i64,
}

impl Entry for Report {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// What narrows a list of reports.
#[derive(Debug, Clone, Default, Hash)]
pub struct ReportFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of their name, in any case.
    pub q: Option<String>,
    /// How their newest run stands.
    pub status: Option<RunStatus>,
    /// Their template.
    pub template: Option<IdRef<Template>>,
    /// The dashboard they print.
    pub dashboard: Option<IdRef<DashboardKind>>,
}

/// A report as a client asks for it, with the ids as they were spelled.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// Its name; made from template and subject when absent.
    pub name: Option<String>,
    /// Its template.
    pub template: (IdRef<Template>, String),
    /// Its sources.
    pub sources: Vec<(IdRef<Source>, String)>,
    /// Its dashboard.
    pub dashboard: Option<(IdRef<DashboardKind>, String)>,
    /// Its format.
    pub format: ReportFormat,
}

/// A change of a report: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ReportPatch {
    /// Its name.
    pub name: Option<String>,
    /// The format of runs that ask for none.
    pub format: Option<ReportFormat>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It waits for a worker.
    Queued,
    /// It is made.
    Running,
    /// Its file is there.
    Succeeded,
    /// It failed; its credits were given back.
    Failed,
}

impl RunStatus {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed];

    /// As the store and the wire spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing more will come of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// One making of a report's file.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its row.
    pub id: RunId,
    /// Its id on `/api/v1/`, and the name of its directory.
    pub uuid: Uuid,
    /// The report.
    pub report: (ReportId, Uuid),
    /// How it stands.
    pub status: RunStatus,
    /// The format of its file.
    pub format: ReportFormat,
    /// Who asked for it.
    pub requested_by: UserId,
    /// Credits it has taken; `None` until it is over.
    pub credits: Option<i64>,
    /// Credits reserved for it.
    pub reserved: i64,
    /// Why it failed: code and sentence.
    pub error: Option<(String, String)>,
    /// The length of its file.
    pub file_bytes: Option<u64>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When a worker took it.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

impl Entry for Run {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &'static str {
        ""
    }

    fn updated_at(&self) -> Timestamp {
        self.created_at
    }
}

/// What narrows a list of runs.
#[derive(Debug, Clone, Default, Hash)]
pub struct RunFilter {
    /// When they were asked for.
    pub times: Times,
    /// How they stand.
    pub status: Option<RunStatus>,
    /// The format of their file.
    pub format: Option<ReportFormat>,
}

impl Run {
    /// Why it failed, when it did.
    pub fn failure(&self) -> Option<Error> {
        let (code, message) = self.error.as_ref().filter(|_| self.status == RunStatus::Failed)?;
        let code = Code::parse(code).unwrap_or(Code::Internal);
        Some(Error::Recorded { code, message: message.clone() })
    }

    /// When its file is expected: half a minute after it was asked for, as most take seconds.
    pub fn estimated_ready_at(&self) -> Timestamp {
        self.created_at.plus(std::time::Duration::from_secs(30))
    }
}
