//! Reports: definitions, runs and their files. How a run is made is in
//! [`super::runs`], its files are in [`super::downloads`].

pub(super) mod work;

use serde_json::json;

use self::work::Planned;
use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::once::{Answer, Effect};
use crate::domain::access::Permission;
use crate::domain::credits::Work;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Report as ReportKind, ReportId, Run as RunKind, RunId, Template};
use crate::domain::org::name;
use crate::domain::page::{ListRequest, Page};
use crate::domain::report::{
    NewReport, Report, ReportFilter, ReportFormat, ReportPatch, ReportTemplate, ReportTemplateFilter, Run, RunFilter,
};
use crate::store::Tx;
use crate::store::main::credits::{self, Taking};
use crate::store::main::reports::StoredReport;
use crate::store::main::runs::NewRun;
use crate::store::main::{reports, runs, templates};

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
                let run = app.queue(tx, &writer, (report, new.format), work, "reports_generate")?;
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
                let work = work::of_report(tx, &writer, &report)?;
                let form = (report.id, format.unwrap_or(report.format));
                let id = app.queue(tx, &writer, form, work, "reports_run")?;
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
                credits::refund_queued(tx, writer.org(), found.id, writer.at)?;
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
        let Planned { template, title, sources, dashboard, work } = work::planned(tx, caller, new)?;
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

    /// Queues a run, with the credits it is expected to take reserved.
    fn queue(
        &self,
        tx: &Tx<'_>,
        caller: &Caller,
        (report, format): (ReportId, ReportFormat),
        work: Work,
        operation: &'static str,
    ) -> Result<RunId> {
        let estimate = self.settings.credits.cost(work::in_format(work, format));
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
        let taking = Taking { reservation: run.prefixed(), run: Some(run), ..self.taking(caller, operation) };
        credits::reserve(tx, &taking, estimate, caller.at)?;
        let after = json!({"report": report.prefixed(), "format": format.as_str(), "reserved": estimate});
        caller.record(tx, "run.create", &run.prefixed(), None, Some(after))?;
        Ok(run)
    }
}
