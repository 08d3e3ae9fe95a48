//! The files of runs, ready to be sent. A CSV file holds one table, so a report with several has a file for each; the
//! other formats are whole in one.

use std::path::PathBuf;

use super::app::App;
use super::caller::Caller;
use super::query::Content;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Report as ReportKind, Run as RunKind};
use crate::domain::report::{Report, ReportFormat, Run, RunStatus};
use crate::store::main::runs;

/// A file, ready to be sent.
#[derive(Debug)]
pub struct Download {
    /// The file.
    pub content: Content,
    /// What it is.
    pub format: ReportFormat,
    /// A name for it, without directory.
    pub name: String,
    /// Names these very bytes: files of runs never change.
    pub tag: String,
}

impl App {
    /// The file of a run; `section` chooses among the tables of a CSV, from one.
    pub fn run_file(
        &self,
        caller: &Caller,
        id: &IdRef<RunKind>,
        spelled: &str,
        section: Option<u32>,
    ) -> Result<Download> {
        let run = self.run(caller, id, spelled)?;
        let report = self.find_report(caller, &IdRef::Number(run.report.0), spelled)?;
        self.download(&report, &run, section)
    }

    /// The file of the newest run that has one.
    pub fn report_file(
        &self,
        caller: &Caller,
        id: &IdRef<ReportKind>,
        spelled: &str,
        section: Option<u32>,
    ) -> Result<Download> {
        let report = self.report(caller, id, spelled)?;
        let run = self.store.read_now(|db| Ok(runs::latest_file(db, caller.org(), report.id)?))?;
        let run = run.ok_or_else(|| {
            Error::NotReady("No run of this report has succeeded yet; run it, and ask again when it has.".to_owned())
        })?;
        self.download(&report, &run, section)
    }

    fn download(&self, report: &Report, run: &Run, section: Option<u32>) -> Result<Download> {
        let (RunStatus::Succeeded, Some(length)) = (run.status, run.file_bytes) else {
            return Err(Error::NotReady(match run.status {
                RunStatus::Failed => "The run failed, so it has no file; its `error` says why.".to_owned(),
                _ => "The run is not over yet; ask for it again until its status is `succeeded`.".to_owned(),
            }));
        };
        let section = section.unwrap_or(1);
        let (path, length) = match section {
            1 => (self.data.run_file(run.uuid, run.format.as_str()), length),
            _ => self.further_section(run, section)?,
        };
        let stem = crate::domain::source::sql_name(&report.name).replace('_', "-");
        let (name, tag) = match section {
            1 => (stem, run.uuid.simple().to_string()),
            _ => (format!("{stem}-{section}"), format!("{}-{section}", run.uuid.simple())),
        };
        Ok(Download {
            content: Content::File { path, length, holder: None },
            format: run.format,
            name: format!("{name}.{}", run.format.as_str()),
            tag,
        })
    }

    /// A table of a CSV behind the first, with its length.
    fn further_section(&self, run: &Run, section: u32) -> Result<(PathBuf, u64)> {
        if run.format != ReportFormat::Csv {
            return Err(Error::parameter(
                "section",
                "chooses among the tables of a CSV file; other formats have all in one.",
            ));
        }
        let path = self.data.run_section(run.uuid, section);
        match std::fs::metadata(&path) {
            Ok(found) => Ok((path, found.len())),
            Err(_) => Err(Error::parameter("section", "must be 1 to the number of the report's tables.")),
        }
    }
}
