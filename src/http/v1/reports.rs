//! Reports on the `/v1/` face. Wire types are in `http::wire::report`, rules in `service::reports`.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{FACE, Id, Tag};
use crate::domain::id::{Report as ReportOf, Template};
use crate::domain::report::{ReportFilter, ReportTemplateFilter, RunFilter};
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::download::FileReply;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::{Exchanged, Named};
use crate::http::reply::{Accepted, Changed, Created, CreatedOrAccepted, Json, One};
use crate::http::wire::credits::Estimate;
use crate::http::wire::report::{
    Generated, NewReport, QueuedRun, Report, ReportPatch, ReportTemplate, Run, RunRequest,
};
use crate::http::wire::{Deleted, Listing, Spelling};
use crate::service::app::App;

/// The reports of `/v1/`.
pub struct ReportsApi(pub App);

#[OpenApi(prefix_path = "/v1/reports", tag = "Tag::Reports")]
impl ReportsApi {
    /// List reports.
    #[oai(path = "/", method = "get", operation_id = "reports_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, ReportFilter>,
        exchange: Exchanged,
    ) -> Reply<Json<Listing<Report<Id>>>> {
        let page = self.0.reports(&caller, &list.0)?;
        Ok(Json(page.map(|report| Report::of(report, &exchange.0)).into()))
    }

    /// Create a report without running it.
    #[oai(path = "/", method = "post", operation_id = "reports_create")]
    async fn create(
        &self,
        Credential(caller): Credential,
        Body(new): Body<NewReport>,
        exchange: Exchanged,
    ) -> Reply<Created<Report<Id>>> {
        let answer = move |report| Created(Report::of(report, &exchange.0));
        Ok(self.0.create_report(&caller, new.read(FACE), answer).await?)
    }

    /// Create a report, run it, and wait for its file.
    ///
    /// Costs credits. Answers 202 when the file takes longer than two minutes; the run then goes on. A client that leaves
    /// cancels nothing.
    #[oai(path = "/generate", method = "post", operation_id = "reports_generate")]
    async fn generate(
        &self,
        Credential(caller): Credential,
        Body(new): Body<NewReport>,
        exchange: Exchanged,
    ) -> Reply<CreatedOrAccepted<Generated<Id>>> {
        let run = self.0.generate_report(&caller, new.read(FACE)).await?;
        let run = self.0.wait_for_run(&caller, run.id).await?;
        Ok(self.0.answer(&caller, Generated::of(run, &exchange.0)?).await?)
    }

    /// Estimate what a report would cost.
    ///
    /// Costs nothing and makes nothing; refuses what making the report would refuse. Making it reserves as much, and
    /// takes what is measured then, at most that.
    #[oai(path = "/generate/estimate", method = "post", operation_id = "reports_generate_estimate")]
    async fn estimate_new(&self, Credential(caller): Credential, Body(new): Body<NewReport>) -> Reply<Json<Estimate>> {
        Ok(Json(self.0.estimate_report(&caller, &new.read(FACE), FACE.surface())?.into()))
    }

    /// Get a report with its newest run.
    #[oai(path = "/:id", method = "get", operation_id = "reports_get")]
    async fn get(
        &self,
        Credential(caller): Credential,
        id: Named<ReportOf>,
        exchange: Exchanged,
    ) -> Reply<One<Report<Id>>> {
        Ok(One(Report::of(self.0.report(&caller, &id.id, &id.spelled)?, &exchange.0)))
    }

    /// Change a report's name and the format of its runs.
    #[oai(path = "/:id", method = "patch", operation_id = "reports_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<ReportOf>,
        Body(patch): Body<ReportPatch>,
        exchange: Exchanged,
    ) -> Reply<Changed<Report<Id>>> {
        let report = self.0.update_report(&caller, &id.id, &id.spelled, patch.read()?).await?;
        Ok(Changed(Report::of(report, &exchange.0)))
    }

    /// Delete a report with its runs and files.
    #[oai(path = "/:id", method = "delete", operation_id = "reports_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<ReportOf>) -> Reply<Json<Deleted<Id>>> {
        let deleted = self.0.delete_report(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(deleted.id, deleted.uuid))))
    }

    /// Run a report in the background.
    ///
    /// Costs credits: they are reserved now and settled when the run is over.
    #[oai(path = "/:id/run", method = "post", operation_id = "reports_run")]
    async fn run(
        &self,
        Credential(caller): Credential,
        id: Named<ReportOf>,
        Body(request): Body<RunRequest>,
    ) -> Reply<Accepted<QueuedRun<Id>>> {
        let answer = |run| Accepted(QueuedRun::from(run));
        Ok(self.0.run_report(&caller, &id.id, &id.spelled, request.format(), answer).await?)
    }

    /// Estimate what a run of a report would cost.
    ///
    /// Costs nothing. The run itself reserves as much, and takes what is measured then, at most that.
    #[oai(path = "/:id/run/estimate", method = "post", operation_id = "reports_run_estimate")]
    async fn estimate(
        &self,
        Credential(caller): Credential,
        id: Named<ReportOf>,
        Body(request): Body<RunRequest>,
    ) -> Reply<Json<Estimate>> {
        Ok(Json(self.0.estimate_run(&caller, &id.id, &id.spelled, request.format(), FACE.surface())?.into()))
    }

    /// List the runs of a report.
    #[oai(path = "/:id/runs", method = "get", operation_id = "runs_list")]
    async fn runs(
        &self,
        Credential(caller): Credential,
        id: Named<ReportOf>,
        list: ListQuery<Id, RunFilter>,
        exchange: Exchanged,
    ) -> Reply<Json<Listing<Run<Id>>>> {
        let page = self.0.runs(&caller, &id.id, &id.spelled, &list.0)?;
        Ok(Json(page.map(|run| Run::of(run, &exchange.0)).into()))
    }

    /// Download the file of the newest run that succeeded.
    #[oai(path = "/:id/download", method = "get", operation_id = "reports_download")]
    async fn download(
        &self,
        Credential(caller): Credential,
        id: Named<ReportOf>,
        section: Query<Option<u32>>,
        exchange: Exchanged,
    ) -> Reply<FileReply> {
        Ok(FileReply::of(self.0.report_file(&caller, &id.id, &id.spelled, section.0)?, &exchange.0).await?)
    }
}

/// The report templates of `/v1/`.
pub struct ReportTemplatesApi(pub App);

#[OpenApi(prefix_path = "/v1/report-templates", tag = "Tag::Reports")]
impl ReportTemplatesApi {
    /// List report templates.
    #[oai(path = "/", method = "get", operation_id = "report_templates_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, ReportTemplateFilter>,
    ) -> Reply<Json<Listing<ReportTemplate<Id>>>> {
        let page = self.0.report_templates(&caller, &list.0)?;
        Ok(Json(page.map(ReportTemplate::from).into()))
    }

    /// Get a report template.
    #[oai(path = "/:id", method = "get", operation_id = "report_templates_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<Template>) -> Reply<One<ReportTemplate<Id>>> {
        Ok(One(self.0.report_template(&caller, &id.id, &id.spelled)?.into()))
    }
}
