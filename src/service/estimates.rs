//! What work would cost and whether it would be begun now. An estimate is made of the same figures as the reservation
//! that the work itself begins with, and costs nothing.

use super::app::App;
use super::caller::Caller;
use super::reports::work;
use crate::domain::access::Permission;
use crate::domain::credits::{Estimate, Obstacle, Work};
use crate::domain::dashboard::Dashboard;
use crate::domain::error::{Error, Result};
use crate::domain::id::{DashboardKind, IdRef, Report as ReportKind};
use crate::domain::report::{NewReport, ReportFormat};
use crate::domain::source::Source;
use crate::domain::window::{Class, Surface};
use crate::store::main::{reports, sources};

impl App {
    /// What a refresh of a dashboard would cost.
    pub fn estimate_refresh(
        &self,
        caller: &Caller,
        id: &IdRef<DashboardKind>,
        spelled: &str,
        surface: Surface,
    ) -> Result<Estimate> {
        caller.require(Permission::DashboardsRefresh)?;
        let dashboard = self.find_dashboard(caller, id, spelled)?;
        self.estimate(caller, self.work_of_refresh(caller, &dashboard)?, surface)
    }

    /// What a run of a report would cost, in its own format by default.
    pub fn estimate_run(
        &self,
        caller: &Caller,
        id: &IdRef<ReportKind>,
        spelled: &str,
        format: Option<ReportFormat>,
        surface: Surface,
    ) -> Result<Estimate> {
        caller.require(Permission::ReportsGenerate)?;
        let expected = self.store.read_now(|db| {
            let report = reports::find(db, caller.org(), id)?;
            let report = report.ok_or_else(|| Error::not_found::<ReportKind>(spelled))?;
            Ok(work::in_format(work::of_report(db, caller, &report)?, format.unwrap_or(report.format)))
        })?;
        self.estimate(caller, expected, surface)
    }

    /// What a report that is not made yet would cost with its first run.
    pub fn estimate_report(&self, caller: &Caller, new: &NewReport, surface: Surface) -> Result<Estimate> {
        caller.require(Permission::ReportsGenerate)?;
        let planned = self.store.read_now(|db| work::planned(db, caller, new))?;
        self.estimate(caller, work::in_format(planned.work, new.format), surface)
    }

    fn estimate(&self, caller: &Caller, work: Work, surface: Surface) -> Result<Estimate> {
        let factors = &self.settings.credits;
        let (cost, remaining) = (factors.cost(work), self.balance(caller)?.remaining());
        let headroom = self.headroom(caller.identity())?;
        // In the order in which a request meets them.
        let full = headroom.and_then(|headroom| headroom.full(Class::Generation, surface)).map(|_| Obstacle::Limit);
        let short = (cost > remaining).then_some(Obstacle::Credits);
        Ok(Estimate { cost, parts: factors.parts(work), remaining, refused_by: full.or(short) })
    }

    /// What a refresh is expected to be: of each widget, the largest table of its source.
    pub(super) fn work_of_refresh(&self, caller: &Caller, dashboard: &Dashboard) -> Result<Work> {
        let mut rows = 0;
        for source in dashboard.widgets.iter().filter_map(|widget| widget.source) {
            let found = self.store.read_now(|db| Ok(sources::find(db, caller.org(), &IdRef::Number(source.id))?))?;
            let largest = found.iter().flat_map(Source::visible_tables).filter_map(|table| table.rows).max();
            rows += largest.unwrap_or(0);
        }
        Ok(Work::Refresh { widgets: dashboard.widgets.len() as u64, rows })
    }
}
