//! What a report will be made of: its subject, and the work that its run is expected to be.

use crate::domain::connection::Mode;
use crate::domain::credits::{Pdf, Work};
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardId, DashboardKind, IdRef, Source as SourceKind, SourceId, Template};
use crate::domain::org::name;
use crate::domain::report::{NewReport, Report, ReportFormat, ReportTemplate, TemplateKind};
use crate::domain::source::{Source, SourceStatus};
use crate::service::caller::Caller;
use crate::store::main::{dashboards, sources, templates};
use crate::store::{Main, Reader};

/// The most sources of a profile.
const SOURCE_LIMIT: usize = 20;

/// A report that can be made.
pub(in crate::service) struct Planned {
    /// Its template.
    pub template: ReportTemplate,
    /// Its name: the one it was given, or one of template and subject.
    pub title: String,
    /// The sources that are profiled.
    pub sources: Vec<SourceId>,
    /// The dashboard that is printed.
    pub dashboard: Option<DashboardId>,
    /// What its run is expected to be, in a format that costs nothing more.
    pub work: Work,
}

type Subject = (Vec<SourceId>, Option<DashboardId>, String, Work);

/// Checks a report that is asked for, and plans it.
pub(in crate::service) fn planned(db: &Reader<'_, Main>, caller: &Caller, new: &NewReport) -> Result<Planned> {
    let template = templates::find(db, caller.org(), &new.template.0)?;
    let template = template.ok_or_else(|| Error::not_found::<Template>(&new.template.1))?;
    let (sources, dashboard, subject, work) = match template.kind {
        TemplateKind::Profile => profiled(db, caller, new)?,
        TemplateKind::Dashboard => printed(db, caller, new)?,
    };
    let title = match &new.name {
        Some(text) => name("name", text, 200)?,
        None => format!("{}: {subject}", template.name).chars().take(200).collect(),
    };
    Ok(Planned { template, title, sources, dashboard, work })
}

/// What a run of a report is expected to be, in a format that costs nothing more.
pub(in crate::service) fn of_report(db: &Reader<'_, Main>, caller: &Caller, report: &Report) -> Result<Work> {
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

/// The same work in a format.
pub(in crate::service) fn in_format(work: Work, format: ReportFormat) -> Work {
    match work {
        Work::Report { sections, rows, .. } => {
            Work::Report { sections, rows, pdf: if format == ReportFormat::Pdf { Pdf::Made } else { Pdf::NotMade } }
        }
        other => other,
    }
}

/// The subject of a profile: sources that have data.
fn profiled(db: &Reader<'_, Main>, caller: &Caller, new: &NewReport) -> Result<Subject> {
    if new.dashboard.is_some() {
        return Err(Error::field("dashboard_id", "does not belong to this template; give `data_source_ids`."));
    }
    if new.sources.is_empty() || new.sources.len() > SOURCE_LIMIT {
        return Err(Error::field("data_source_ids", format!("must name 1 to {SOURCE_LIMIT} data sources.")));
    }
    let mut found: Vec<Source> = Vec::with_capacity(new.sources.len());
    for (id, spelled) in &new.sources {
        let source = sources::find(db, caller.org(), id)?.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
        if source.status != SourceStatus::Active {
            return Err(Error::NotReady(format!(
                "The data source `{}` has no data yet; wait until it is active.",
                source.slug
            )));
        }
        if source.mode == Mode::Live {
            let reason = format!("names `{}`, which is live: no data of it is here to be profiled.", source.slug);
            return Err(Error::field("data_source_ids", reason));
        }
        if !found.iter().any(|other| other.id == source.id) {
            found.push(source);
        }
    }
    let names: Vec<&str> = found.iter().map(|source| source.name.as_str()).collect();
    Ok((found.iter().map(|source| source.id).collect(), None, names.join(", "), profile_work(found.iter())))
}

fn profile_work<'s>(sources: impl Iterator<Item = &'s Source>) -> Work {
    let (mut sections, mut rows) = (0, 0);
    for table in sources.flat_map(Source::visible_tables) {
        sections += 1;
        rows += table.rows.unwrap_or(0);
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
