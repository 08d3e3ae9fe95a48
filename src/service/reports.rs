//! Reports: definitions, runs and their files (PRODUCT 8.5). How a run is made is in
//! [`super::runs`], its files are in [`super::downloads`].

use serde_json::json;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::once::{Answer, Effect};
use crate::domain::access::Permission;
use crate::domain::credits::{Pdf, Work};
use crate::domain::error::{Error, Result};
use crate::domain::id::{
    DashboardKind, IdRef, Report as ReportKind, ReportId, Run as RunKind, RunId, Source as SourceKind, Template,
};
use crate::domain::org::name;
use crate::domain::page::{ListRequest, Page};
use crate::domain::report::{
    NewReport, Report, ReportFilter, ReportFormat, ReportPatch, ReportTemplate, ReportTemplateFilter, Run, RunFilter,
    TemplateKind,
};
use crate::domain::source::SourceStatus;
use crate::store::main::reports::StoredReport;
use crate::store::main::runs::NewRun;
use crate::store::main::{credits, dashboards, reports, runs, sources, templates};
use crate::store::{Main, Reader, Tx};

/// The most sources of a profile.
const SOURCE_LIMIT: usize = 20;

impl App {
    /// The report templates.
    pub fn report_templates(
        &self,
        caller: &Caller,
        request: &ListRequest<ReportTemplateFilter>,
    ) -> Result<Page<ReportTemplate>> {
        caller.require(Permission::ReportsRead)?;
        let org = caller.org();
        self.page(
            caller,
            "report templates",
            request,
            |db, filter, slice| Ok(templates::list(db, org, filter, slice)?),
            |db, filter| Ok(templates::count(db, org, filter)?),
        )
    }

    /// One report template.
    pub fn report_template(&self, caller: &Caller, id: &IdRef<Template>, spelled: &str) -> Result<ReportTemplate> {
        caller.require(Permission::ReportsRead)?;
        let found = self.store.read_now(|db| Ok(templates::find(db, caller.org(), id)?))?;
        found.ok_or_else(|| Error::not_found::<Template>(spelled))
    }

    /// A page of reports.
    pub fn reports(&self, caller: &Caller, request: &ListRequest<ReportFilter>) -> Result<Page<Report>> {
        caller.require(Permission::ReportsRead)?;
        let org = caller.org();
        self.page(
            caller,
            "reports",
            request,
            |db, filter, slice| Ok(reports::list(db, org, filter, slice)?),
            |db, filter| Ok(reports::count(db, org, filter)?),
        )
    }

    /// One report.
    pub fn report(&self, caller: &Caller, id: &IdRef<ReportKind>, spelled: &str) -> Result<Report> {
        caller.require(Permission::ReportsRead)?;
        self.find_report(caller, id, spelled)
    }

    pub(super) fn find_report(&self, caller: &Caller, id: &IdRef<ReportKind>, spelled: &str) -> Result<Report> {
        let found = self.store.read_now(|db| Ok(reports::find(db, caller.org(), id)?))?;
        found.ok_or_else(|| Error::not_found::<ReportKind>(spelled))
    }

    /// Makes a definition that can be run.
    pub async fn create_report<A: Answer>(
        &self,
        caller: &Caller,
        new: NewReport,
        answer: impl FnOnce(Report) -> A + Send + 'static,
    ) -> Result<A> {
        caller.require(Permission::ReportsGenerate)?;
        let (writer, app) = (caller.clone(), self.clone());
        self.store
            .write(move |tx| {
                let (id, _) = app.insert_report(tx, &writer, &new)?;
                let report = reports::find(tx, writer.org(), &IdRef::Number(id))?;
                let report = report.ok_or_else(|| Error::not_found::<ReportKind>(id.prefixed()))?;
                writer.answer(tx, answer(report))
            })
            .await
    }

    /// Changes a definition: what is absent stays. Files that were made before stay as they are.
    pub async fn update_report(
        &self,
        caller: &Caller,
        id: &IdRef<ReportKind>,
        spelled: &str,
        patch: ReportPatch,
    ) -> Result<Report> {
        caller.require(Permission::ReportsGenerate)?;
        let title = patch.name.as_deref().map(|text| name("name", text, 200)).transpose()?;
        let (writer, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        let report = self
            .store
            .write(move |tx| {
                let found = reports::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<ReportKind>(spelled))?;
                writer.expects(Standing::Report(&found))?;
                let (title, format) = (title.as_deref().unwrap_or(&found.name), patch.format.unwrap_or(found.format));
                reports::update(tx, writer.org(), found.id, title, format, writer.at)?;
                let before = json!({"name": found.name, "format": found.format.as_str()});
                let after = json!({"name": title, "format": format.as_str()});
                writer.record(tx, "report.update", &found.id.prefixed(), Some(before), Some(after))?;
                Ok(found.id)
            })
            .await?;
        self.find_report(caller, &IdRef::Number(report), &report.prefixed())
    }

    /// Makes a definition and queues its first run, all or nothing. A request that did so before goes on with its run.
    pub async fn generate_report(&self, caller: &Caller, new: NewReport) -> Result<Run> {
        caller.require(Permission::ReportsGenerate)?;
        if let Some(Effect::Run(run)) = caller.begun() {
            return self.find_run(caller, &IdRef::Number(run), &run.prefixed());
        }
        let (writer, app) = (caller.clone(), self.clone());
        let run = self
            .store
            .write(move |tx| {
                let (report, work) = app.insert_report(tx, &writer, &new)?;
                let run = app.queue(tx, &writer, report, new.format, work)?;
                writer.begin(tx, Effect::Run(run))?;
                Ok(run)
            })
            .await?;
        self.queued.notify_one();
        self.find_run(caller, &IdRef::Number(run), &run.prefixed())
    }

    /// Queues a run of a report.
    pub async fn run_report<A: Answer>(
        &self,
        caller: &Caller,
        id: &IdRef<ReportKind>,
        spelled: &str,
        format: Option<ReportFormat>,
        answer: impl FnOnce(Run) -> A + Send + 'static,
    ) -> Result<A> {
        caller.require(Permission::ReportsGenerate)?;
        let (writer, app, id, spelled) = (caller.clone(), self.clone(), *id, spelled.to_owned());
        let answer = self
            .store
            .write(move |tx| {
                let report = reports::find(tx, writer.org(), &id)?;
                let report = report.ok_or_else(|| Error::not_found::<ReportKind>(spelled))?;
                let work = app.expected_work(tx, &writer, &report)?;
                let id = app.queue(tx, &writer, report.id, format.unwrap_or(report.format), work)?;
                let run = runs::find(tx, writer.org(), &IdRef::Number(id))?;
                writer.answer(tx, answer(run.ok_or_else(|| Error::not_found::<RunKind>(id.prefixed()))?))
            })
            .await?;
        self.queued.notify_one();
        Ok(answer)
    }

    /// Waits until a run is over, or as long as `generate` may wait; gives it as it stands then.
    pub async fn wait_for_run(&self, caller: &Caller, run: RunId) -> Result<Run> {
        let mut finished = self.finished.subscribe();
        let wait = async {
            loop {
                let found = self.find_run(caller, &IdRef::Number(run), &run.prefixed())?;
                if found.status.is_final() {
                    return Ok(found);
                }
                // Lagging behind only means to look again.
                while finished.recv().await.is_ok_and(|over| over != run) {}
            }
        };
        match tokio::time::timeout(self.settings.generate_wait, wait).await {
            Ok(found) => found,
            Err(_) => self.find_run(caller, &IdRef::Number(run), &run.prefixed()),
        }
    }

    /// A page of a report's runs.
    pub fn runs(
        &self,
        caller: &Caller,
        report: &IdRef<ReportKind>,
        spelled: &str,
        request: &ListRequest<RunFilter>,
    ) -> Result<Page<Run>> {
        let (org, report) = (caller.org(), self.report(caller, report, spelled)?.id);
        self.page(
            caller,
            ("runs", report),
            request,
            |db, filter, slice| Ok(runs::list(db, org, report, filter, slice)?),
            |db, filter| Ok(runs::count(db, org, report, filter)?),
        )
    }

    /// One run.
    pub fn run(&self, caller: &Caller, id: &IdRef<RunKind>, spelled: &str) -> Result<Run> {
        caller.require(Permission::ReportsRead)?;
        self.find_run(caller, id, spelled)
    }

    fn find_run(&self, caller: &Caller, id: &IdRef<RunKind>, spelled: &str) -> Result<Run> {
        let found = self.store.read_now(|db| Ok(runs::find(db, caller.org(), id)?))?;
        found.ok_or_else(|| Error::not_found::<RunKind>(spelled))
    }

    /// Takes a report away with its runs and their files.
    pub async fn delete_report(&self, caller: &Caller, id: &IdRef<ReportKind>, spelled: &str) -> Result<Report> {
        caller.require(Permission::ReportsDelete)?;
        let (writer, id, spelled, data) = (caller.clone(), *id, spelled.to_owned(), self.data.clone());
        self.store
            .write(move |tx| {
                let found = reports::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<ReportKind>(spelled))?;
                writer.expects(Standing::Report(&found))?;
                let files = runs::uuids(tx, writer.org(), found.id)?;
                reports::delete(tx, writer.org(), found.id)?;
                writer.record(tx, "report.delete", &found.id.prefixed(), Some(json!({"name": found.name})), None)?;
                tx.after_commit(move || {
                    for run in files {
                        // A directory that stays behind is collected later: nothing points at it.
                        let _ = std::fs::remove_dir_all(data.results().join(run.to_string()));
                    }
                });
                Ok(found)
            })
            .await
    }

    fn insert_report(&self, tx: &Tx<'_>, caller: &Caller, new: &NewReport) -> Result<(ReportId, Work)> {
        let org = caller.org();
        let template = templates::find(tx, org, &new.template.0)?;
        let template = template.ok_or_else(|| Error::not_found::<Template>(&new.template.1))?;
        let (sources, dashboard, subject, work) = match template.kind {
            TemplateKind::Profile => profiled(tx, caller, new)?,
            TemplateKind::Dashboard => printed(tx, caller, new)?,
        };
        let title = match &new.name {
            Some(text) => name("name", text, 200)?,
            None => format!("{}: {subject}", template.name).chars().take(200).collect(),
        };
        let stored = StoredReport {
            uuid: self.entropy.uuid(caller.at),
            name: title,
            template: template.id,
            sources,
            dashboard,
            format: new.format,
        };
        let id = reports::create(tx, org, &stored, caller.at)?;
        let after = json!({"name": stored.name, "template": template.kind.as_str(), "format": stored.format.as_str()});
        caller.record(tx, "report.create", &id.prefixed(), None, Some(after))?;
        Ok((id, work))
    }

    fn expected_work(&self, db: &Reader<'_, Main>, caller: &Caller, report: &Report) -> Result<Work> {
        match report.template.2 {
            TemplateKind::Profile => {
                let mut found = Vec::new();
                for (id, _) in &report.sources {
                    found.extend(sources::find(db, caller.org(), &IdRef::Number(*id))?);
                }
                Ok(profile_work(found.iter()))
            }
            TemplateKind::Dashboard => {
                let widgets = match report.dashboard {
                    Some((id, _)) => dashboards::widgets(db, caller.org(), id)?.len(),
                    None => 0,
                };
                Ok(Work::Report { sections: widgets as u64, rows: 0, pdf: Pdf::NotMade })
            }
        }
    }

    /// Queues a run, with the credits it is expected to take reserved.
    fn queue(&self, tx: &Tx<'_>, caller: &Caller, report: ReportId, format: ReportFormat, work: Work) -> Result<RunId> {
        let estimate = self.settings.credits.cost(in_format(work, format));
        let identity = caller.identity();
        let new = NewRun {
            uuid: self.entropy.uuid(caller.at),
            report,
            format,
            user: identity.holder.user,
            key: identity.key().map(|key| key.id),
            reserved: estimate,
        };
        let run = runs::create(tx, caller.org(), &new, caller.at)?;
        let mut taking = self.taking(identity, "reports_run", Some(run), caller.at);
        taking.reservation = run.prefixed();
        credits::reserve(tx, &taking, estimate, caller.at)?;
        let after = json!({"report": report.prefixed(), "format": format.as_str(), "reserved": estimate});
        caller.record(tx, "run.create", &run.prefixed(), None, Some(after))?;
        Ok(run)
    }
}

/// The same work in a format.
pub(super) fn in_format(work: Work, format: ReportFormat) -> Work {
    match work {
        Work::Report { sections, rows, .. } => {
            Work::Report { sections, rows, pdf: if format == ReportFormat::Pdf { Pdf::Made } else { Pdf::NotMade } }
        }
        other => other,
    }
}

type Subject = (Vec<crate::domain::id::SourceId>, Option<crate::domain::id::DashboardId>, String, Work);

/// The subject of a profile: sources that have data.
fn profiled(db: &Reader<'_, Main>, caller: &Caller, new: &NewReport) -> Result<Subject> {
    if new.dashboard.is_some() {
        return Err(Error::field("dashboard_id", "does not belong to this template; give `data_source_ids`."));
    }
    if new.sources.is_empty() || new.sources.len() > SOURCE_LIMIT {
        return Err(Error::field("data_source_ids", format!("must name 1 to {SOURCE_LIMIT} data sources.")));
    }
    let mut found = Vec::with_capacity(new.sources.len());
    for (id, spelled) in &new.sources {
        let source = sources::find(db, caller.org(), id)?.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
        if source.status != SourceStatus::Active {
            return Err(Error::NotReady(format!(
                "The data source `{}` has no data yet; wait until it is active.",
                source.slug
            )));
        }
        if !found.iter().any(|other: &crate::domain::source::Source| other.id == source.id) {
            found.push(source);
        }
    }
    let names: Vec<&str> = found.iter().map(|source| source.name.as_str()).collect();
    Ok((found.iter().map(|source| source.id).collect(), None, names.join(", "), profile_work(found.iter())))
}

fn profile_work<'s>(sources: impl Iterator<Item = &'s crate::domain::source::Source>) -> Work {
    let (mut sections, mut rows) = (0, 0);
    for table in sources.flat_map(|source| &source.tables) {
        sections += 1;
        rows += table.rows;
    }
    Work::Report { sections, rows, pdf: Pdf::NotMade }
}

/// The subject of a dashboard's report.
fn printed(db: &Reader<'_, Main>, caller: &Caller, new: &NewReport) -> Result<Subject> {
    if !new.sources.is_empty() {
        return Err(Error::field("data_source_ids", "does not belong to this template; give `dashboard_id`."));
    }
    let Some((id, spelled)) = &new.dashboard else {
        return Err(Error::field("dashboard_id", "is missing; name the dashboard to print."));
    };
    let found = dashboards::find(db, caller.org(), id)?.ok_or_else(|| Error::not_found::<DashboardKind>(spelled))?;
    let work = Work::Report { sections: found.widgets.len() as u64, rows: 0, pdf: Pdf::NotMade };
    Ok((Vec::new(), Some(found.id), found.name, work))
}
