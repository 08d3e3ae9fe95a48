//! Making the file of a run: queries and one rendering in workers, then one transaction.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::app::App;
use super::caller::{Caller, Identity, Who};
use super::compose;
use super::reports::work::in_format;
use super::sources::error_of;
use crate::datadir::DataDir;
use crate::datadir::left::{self, MOST_TOLD};
use crate::domain::access::Permission;
use crate::domain::credits::{Pdf, Work};
use crate::domain::document::Document;
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardKind, IdRef, OrgId, Report as ReportKind, UserId};
use crate::domain::profile::Profile;
use crate::domain::report::{Report, ReportFormat, TemplateKind};
use crate::domain::window::Limits;
use crate::store::main::access::{self, Holder};
use crate::store::main::runs::{self, Ending, Leased, Turn};
use crate::store::main::{credits, reports};
use crate::worker::pool::{Errand, Reach};
use crate::worker::protocol::{Job, Outcome};

impl App {
    /// Takes a queued run, if there is one; `last` is whose the one before was.
    pub async fn lease_run(&self, turn: Turn, last: OrgId) -> Result<Option<Leased>> {
        let (boot, now) = (self.boot.clone(), self.clock.now());
        self.store.write(move |tx| Ok(runs::lease(tx, (turn, last), &boot, now)?)).await
    }

    /// Makes the file of a leased run and ends the run, whatever happens.
    pub async fn execute_run(&self, leased: Leased) -> Result<()> {
        let Leased { org, run } = leased;
        let made = self.make_file(org, &run).await;
        let now = self.clock.now();
        let caller = Caller::without_request(self.identity_of_member(org, run.requested_by)?, now);
        let (ending, cost) = match made {
            Ok((bytes, work)) => (Ending::File(bytes), Some(self.settings.credits.cost(in_format(work, run.format)))),
            Err(error) => {
                if let Some(cause) = error.cause() {
                    tracing::error!(run = %run.id.prefixed(), %cause, "a report run failed");
                }
                (Ending::Failed(error.code().as_str().to_owned(), error.to_string()), None)
            }
        };
        let id = run.id;
        self.store
            .write(move |tx| {
                let credits = match cost {
                    Some(cost) => credits::settle(tx, &id.prefixed(), cost, now)?,
                    None => {
                        credits::refund(tx, &id.prefixed(), now)?;
                        0
                    }
                };
                runs::finish(tx, org, id, &ending, credits, now)?;
                let status = if matches!(ending, Ending::File(_)) { "succeeded" } else { "failed" };
                caller.record(
                    tx,
                    "run.finish",
                    &id.prefixed(),
                    None,
                    Some(json!({"status": status, "credits": credits})),
                )
            })
            .await?;
        // Nobody may be waiting.
        let _ = self.finished.send(id);
        Ok(())
    }

    /// The identity of a user as they are now, for work in their name in their own organisation.
    pub fn identity_of_user(&self, user: UserId) -> Result<Arc<Identity>> {
        self.at_work(self.store.read_now(|db| Ok(access::user(db, user)?))?)
    }

    /// The same in an organisation that they are a member of.
    fn identity_of_member(&self, org: OrgId, user: UserId) -> Result<Arc<Identity>> {
        self.at_work(self.store.read_now(|db| Ok(access::member(db, org, user)?))?)
    }

    fn at_work(&self, holder: Option<Holder>) -> Result<Arc<Identity>> {
        let holder = holder.ok_or_else(|| Error::internal("a run of a user who is gone"))?;
        let plan = self.plan(&holder.plan)?;
        Ok(Arc::new(Identity {
            who: Who::Job,
            permissions: holder.role.permissions(),
            holder,
            plan,
            limits: Limits::default(),
        }))
    }

    async fn make_file(&self, org: OrgId, run: &crate::domain::report::Run) -> Result<(u64, Work)> {
        let identity = self.identity_of_member(org, run.requested_by)?;
        if !identity.holder.active {
            return Err(Error::Conflict(
                "The user who asked for this run was deactivated; let another user run the report.".to_owned(),
            ));
        }
        let caller = Caller::without_request(identity, self.clock.now());
        caller.require(Permission::ReportsGenerate)?;
        let report = self.store.read_now(|db| Ok(reports::find(db, caller.org(), &IdRef::Number(run.report.0))?))?;
        let report = report.ok_or_else(|| Error::not_found::<ReportKind>(run.report.0.prefixed()))?;
        let (document, rows) = self.compose(&caller, &report).await?;
        let work = Work::Report { sections: document.sections.len() as u64, rows, pdf: Pdf::NotMade };
        let bytes = self.write_file(&caller, run, &document).await?;
        Ok((bytes, work))
    }

    async fn compose(&self, caller: &Caller, report: &Report) -> Result<(Document, u64)> {
        let org = caller.identity().holder.org_name.clone();
        match report.template.2 {
            TemplateKind::Profile => {
                let (mut profiles, mut rows) = (Vec::new(), 0);
                for (id, _) in &report.sources {
                    let source = self.find_source(caller.org(), &IdRef::Number(*id), &id.prefixed())?;
                    let (profile, scanned) = self.profile(caller, &source).await?;
                    rows += scanned;
                    profiles.push((source.name, profile));
                }
                if profiles.is_empty() {
                    return Err(Error::Conflict("The data sources of this report are gone; delete it.".to_owned()));
                }
                Ok((compose::profile(&report.name, &org, &profiles, caller.at), rows))
            }
            TemplateKind::Dashboard => {
                let Some((id, _)) = report.dashboard else {
                    return Err(Error::not_found::<DashboardKind>("of this report"));
                };
                let dashboard = self.find_dashboard(caller, &IdRef::Number(id), &id.prefixed())?;
                Ok((compose::dashboard(&report.name, &org, &dashboard, caller.at), 0))
            }
        }
    }

    async fn profile(&self, caller: &Caller, source: &crate::domain::source::Source) -> Result<(Profile, u64)> {
        let tables = self.table_files(caller.identity().holder.org_uuid, source);
        let spill_bytes = self.spill();
        self.pool
            .background(
                &self.report_errand(caller),
                &Reach::default(),
                |scratch| Job::Profile { tables, spill_bytes, into: scratch.join("profile.json") },
                &mut |_, _| {},
                |done, scratch| {
                    let Outcome::Profiled { rows_scanned } = done.outcome else {
                        return Err(std::io::Error::other("a profile gave another outcome"));
                    };
                    Ok((serde_json::from_slice(&left::read(&scratch.join("profile.json"), MOST_TOLD)?)?, rows_scanned))
                },
            )
            .await
            .map_err(error_of)
    }

    fn report_errand(&self, caller: &Caller) -> Errand {
        Errand { deadline: self.settings.job_timeout, ..self.query_errand(caller) }
    }

    async fn write_file(&self, caller: &Caller, run: &crate::domain::report::Run, document: &Document) -> Result<u64> {
        let scratch = self.data.scratch(&format!("run-{}", run.uuid.simple())).map_err(Error::internal)?;
        let made = scratch.path().join("made");
        std::fs::create_dir_all(&made).map_err(Error::internal)?;
        let file = made.join(format!("report.{}", run.format.as_str()));
        match run.format {
            ReportFormat::Json => {
                let bytes = serde_json::to_vec_pretty(document).map_err(Error::internal)?;
                write(&file, &bytes).map_err(Error::internal)?;
            }
            ReportFormat::Csv => {
                let tables = compose::csv_tables(document).map_err(Error::internal)?;
                if tables.is_empty() {
                    return Err(Error::Conflict(
                        "The report has no table, so there is nothing for a CSV file; choose pdf or json.".to_owned(),
                    ));
                }
                for (section, table) in (1..).zip(&tables) {
                    write(&made.join(DataDir::section_name(section)), table).map_err(Error::internal)?;
                }
            }
            ReportFormat::Pdf => self.render(caller, scratch.path(), document, &file).await?,
        }
        let length = std::fs::metadata(&file).map_err(Error::internal)?.len();
        let target = self.data.results().join(run.uuid.to_string());
        let _ = std::fs::remove_dir_all(&target);
        self.data.adopt(&made, &target).map_err(Error::internal)?;
        Ok(length)
    }

    async fn render(&self, caller: &Caller, scratch: &Path, document: &Document, file: &Path) -> Result<()> {
        let written = scratch.join("document.json");
        let bytes = serde_json::to_vec(document).map_err(Error::internal)?;
        std::fs::write(&written, bytes).map_err(Error::internal)?;
        let errand =
            Errand { org: caller.org().raw(), read: vec![written.clone()], deadline: self.settings.job_timeout };
        self.pool
            .background(
                &errand,
                &Reach::default(),
                |scratch| Job::Render { document: written, into: scratch.join("report.pdf") },
                &mut |_, _| {},
                |_, scratch| left::take(&scratch.join("report.pdf"), file).map(drop),
            )
            .await
            .map_err(error_of)
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
