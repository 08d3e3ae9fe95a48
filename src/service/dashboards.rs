//! Dashboards: create, list, get, update, delete, refresh.

use serde_json::json;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::once::Answer;
use super::query::Allowance;
use super::sources::{error_of, failure_of};
use crate::datadir::left::{self, MOST_TOLD};
use crate::domain::access::Permission;
use crate::domain::connection::Mode;
use crate::domain::credits::Work;
use crate::domain::dashboard::{
    Dashboard, DashboardFilter, DashboardPatch, NewDashboard, NewWidget, Widget, WidgetError,
};
use crate::domain::error::{Error, Result};
use crate::domain::id::{
    DashboardId, DashboardKind, IdRef, Source as SourceKind, SourceId, Widget as WidgetOf, WidgetId,
};
use crate::domain::page::{ListRequest, Page};
use crate::domain::time::Timestamp;
use crate::store::main::credits::{self, Taking};
use crate::store::main::dashboards::{self, LastResult, Refreshed, StoredWidget};
use crate::store::main::sources;
use crate::store::{Reader, Tx};
use crate::worker::pool::Errand;
use crate::worker::protocol::{Job, Outcome, QueryLimits, TableFile, WidgetOutcome, WidgetQuery};

/// What a refresh did.
#[derive(Debug)]
pub struct Refresh {
    /// The dashboard, with its new results.
    pub dashboard: Dashboard,
    /// When its results were computed.
    pub refreshed_at: Timestamp,
    /// What it cost.
    pub credits: i64,
    /// How many widgets have no fresh data.
    pub failed: usize,
}

impl App {
    /// A page of dashboards, without their widgets.
    pub fn dashboards(&self, caller: &Caller, request: &ListRequest<DashboardFilter>) -> Result<Page<Dashboard>> {
        caller.require(Permission::DashboardsRead)?;
        let org = caller.org();
        self.page(
            caller,
            "dashboards",
            request,
            |db, filter, slice| Ok(dashboards::list(db, org, filter, slice)?),
            |db, filter| Ok(dashboards::count(db, org, filter)?),
        )
    }

    /// One dashboard with the results of its last refresh.
    pub fn dashboard(&self, caller: &Caller, id: &IdRef<DashboardKind>, spelled: &str) -> Result<Dashboard> {
        caller.require(Permission::DashboardsRead)?;
        self.find_dashboard(caller, id, spelled)
    }

    /// One widget of a dashboard.
    pub fn widget(
        &self,
        caller: &Caller,
        (dashboard, dashboard_spelled): (&IdRef<DashboardKind>, &str),
        (widget, widget_spelled): (&IdRef<WidgetOf>, &str),
    ) -> Result<Widget> {
        caller.require(Permission::DashboardsRead)?;
        let dashboard = self.find_dashboard(caller, dashboard, dashboard_spelled)?;
        let found = self.store.read_now(|db| Ok(dashboards::find_widget(db, caller.org(), dashboard.id, widget)?))?;
        found.ok_or_else(|| Error::not_found::<WidgetOf>(widget_spelled))
    }

    pub(super) fn find_dashboard(
        &self,
        caller: &Caller,
        id: &IdRef<DashboardKind>,
        spelled: &str,
    ) -> Result<Dashboard> {
        let found = self.store.read_now(|db| Ok(dashboards::find(db, caller.org(), id)?))?;
        found.ok_or_else(|| Error::not_found::<DashboardKind>(spelled))
    }

    /// Makes a dashboard. Saving a query takes the permission to run one.
    pub async fn create_dashboard<A: Answer>(
        &self,
        caller: &Caller,
        new: NewDashboard,
        answer: impl FnOnce(Dashboard) -> A + Send + 'static,
    ) -> Result<A> {
        caller.require(Permission::DashboardsCreate)?;
        let new = new.checked(self.settings.sql_limit)?;
        if !new.widgets.is_empty() {
            caller.require(Permission::AnalyticsQuery)?;
        }
        let writer = caller.clone();
        let (uuid, app) = (self.entropy.uuid(caller.at), self.clone());
        self.store
            .write(move |tx| {
                let org = writer.org();
                let id = dashboards::create(tx, org, uuid, &new.name, &new.description, writer.at)?;
                for (place, widget) in new.widgets.iter().enumerate() {
                    if widget.id.is_some() {
                        return Err(Error::field(
                            format!("widgets[{place}].id"),
                            "is the server's to give; leave it out.",
                        ));
                    }
                    let stored = app.stored_widget(tx, &writer, widget)?;
                    dashboards::add_widget(tx, org, id, place, &stored)?;
                }
                let after = json!({"name": new.name, "widgets": new.widgets.len()});
                writer.record(tx, "dashboard.create", &id.prefixed(), None, Some(after))?;
                writer.answer(tx, answer(stored_dashboard(tx, &writer, id)?))
            })
            .await
    }

    fn stored_widget(
        &self,
        db: &Reader<'_, crate::store::Main>,
        caller: &Caller,
        widget: &NewWidget,
    ) -> Result<StoredWidget> {
        let (source, spelled) = &widget.source;
        let found = sources::find(db, caller.org(), source)?;
        let source = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
        if source.mode == Mode::Live {
            let reason = format!(
                "is of `{}`, which is live; widgets are drawn of data that is here, so copy it by a source that is not.",
                source.slug
            );
            return Err(Error::field("query.data_source_id", reason));
        }
        Ok(StoredWidget {
            uuid: self.entropy.uuid(caller.at),
            kind: widget.kind,
            title: widget.title.clone(),
            source: source.id,
            sql: widget.sql.clone(),
            target: widget.target,
            format: widget.format.clone(),
            position: widget.position,
        })
    }

    /// Changes a dashboard: what is absent stays; a list of widgets replaces the list, entries with a known id keep it.
    pub async fn update_dashboard(
        &self,
        caller: &Caller,
        id: &IdRef<DashboardKind>,
        spelled: &str,
        patch: DashboardPatch,
    ) -> Result<Dashboard> {
        caller.require(Permission::DashboardsUpdate)?;
        let patch = patch.checked(self.settings.sql_limit)?;
        if patch.widgets.as_ref().is_some_and(|widgets| !widgets.is_empty()) {
            caller.require(Permission::AnalyticsQuery)?;
        }
        let (writer, app, id, spelled) = (caller.clone(), self.clone(), *id, spelled.to_owned());
        let dashboard = self
            .store
            .write(move |tx| {
                let org = writer.org();
                let found = dashboards::find(tx, org, &id)?;
                let found = found.ok_or_else(|| Error::not_found::<DashboardKind>(spelled))?;
                writer.expects(Standing::Dashboard(&found))?;
                let before =
                    json!({"name": found.name, "description": found.description, "widgets": found.widgets.len()});
                let name = patch.name.as_deref().unwrap_or(&found.name);
                let description = patch.description.as_deref().unwrap_or(&found.description);
                dashboards::update(tx, org, found.id, name, description, writer.at)?;
                if let Some(widgets) = &patch.widgets {
                    app.replace_widgets(tx, &writer, &found, widgets)?;
                }
                let count = patch.widgets.as_ref().map_or(found.widgets.len(), Vec::len);
                let after = json!({"name": name, "description": description, "widgets": count});
                writer.record(tx, "dashboard.update", &found.id.prefixed(), Some(before), Some(after))?;
                Ok(found.id)
            })
            .await?;
        self.find_dashboard(caller, &IdRef::Number(dashboard), &dashboard.prefixed())
    }

    fn replace_widgets(&self, tx: &Tx<'_>, caller: &Caller, found: &Dashboard, widgets: &[NewWidget]) -> Result<()> {
        let org = caller.org();
        let mut kept = Vec::with_capacity(widgets.len());
        for (place, widget) in widgets.iter().enumerate() {
            let stored = self.stored_widget(tx, caller, widget)?;
            let Some(id) = &widget.id else {
                kept.push(dashboards::add_widget(tx, org, found.id, place, &stored)?);
                continue;
            };
            let old = found.widgets.iter().find(|old| IdRef::Number(old.id) == *id || IdRef::Uuid(old.uuid) == *id);
            let old = old.ok_or_else(|| {
                Error::field(format!("widgets[{place}].id"), "is no widget of this dashboard; leave it out to add one.")
            })?;
            if kept.contains(&old.id) {
                return Err(Error::field(format!("widgets[{place}].id"), "stands in the list twice."));
            }
            let same = old.sql == stored.sql
                && old.kind == stored.kind
                && old.source.is_some_and(|source| source.id == stored.source);
            let result = if same { LastResult::Keeps } else { LastResult::Forgets };
            dashboards::replace_widget(tx, org, old.id, place, &stored, result)?;
            kept.push(old.id);
        }
        for old in found.widgets.iter().filter(|old| !kept.contains(&old.id)) {
            dashboards::remove_widget(tx, org, old.id)?;
        }
        Ok(())
    }

    /// Takes a dashboard away.
    pub async fn delete_dashboard(
        &self,
        caller: &Caller,
        id: &IdRef<DashboardKind>,
        spelled: &str,
    ) -> Result<Dashboard> {
        caller.require(Permission::DashboardsDelete)?;
        let (writer, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        self.store
            .write(move |tx| {
                let found = dashboards::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<DashboardKind>(spelled))?;
                writer.expects(Standing::Dashboard(&found))?;
                dashboards::delete(tx, writer.org(), found.id)?;
                let before = json!({"name": found.name, "widgets": found.widgets.len()});
                writer.record(tx, "dashboard.delete", &found.id.prefixed(), Some(before), None)?;
                Ok(found)
            })
            .await
    }

    /// Recomputes all widgets: the estimate is reserved before, the measured cost settled after, all of it given back
    /// when the refresh as a whole fails. A widget that fails keeps its last data beside its error.
    pub async fn refresh_dashboard<A: Answer>(
        &self,
        caller: &Caller,
        id: &IdRef<DashboardKind>,
        spelled: &str,
        answer: impl FnOnce(Refresh) -> A + Send + 'static,
    ) -> Result<A> {
        caller.require(Permission::DashboardsRefresh)?;
        let dashboard = self.find_dashboard(caller, id, spelled)?;
        let estimate = self.settings.credits.cost(self.work_of_refresh(caller, &dashboard)?);
        let taking = Taking { dashboard: Some(dashboard.id), ..self.taking(caller, "dashboards_refresh") };
        let (reservation, at) = (taking.reservation.clone(), caller.at);
        self.store.write(move |tx| credits::reserve(tx, &taking, estimate, at)).await?;
        let done = self.refresh_reserved(caller, &dashboard, reservation.clone(), answer).await;
        if done.is_err() {
            self.give_back(reservation).await;
        }
        done
    }

    /// Computes all widgets, and keeps their results and what they cost, all or nothing.
    async fn refresh_reserved<A: Answer>(
        &self,
        caller: &Caller,
        dashboard: &Dashboard,
        reservation: String,
        answer: impl FnOnce(Refresh) -> A + Send + 'static,
    ) -> Result<A> {
        let (tables, _) = self.all_table_files(caller)?;
        let (results, rows) = self.compute_widgets(caller, dashboard, tables).await?;
        let (writer, now) = (caller.clone(), self.clock.now());
        let cost = self.settings.credits.cost(Work::Refresh { widgets: results.len() as u64, rows });
        let failed = results.iter().filter(|(_, _, result)| matches!(result, Refreshed::Failed(_))).count();
        let (count, id) = (results.len(), dashboard.id);
        self.store
            .write(move |tx| {
                dashboards::store_results(tx, writer.org(), id, &results, now)?;
                let credits = credits::settle(tx, &reservation, cost, now)?;
                let after = json!({"widgets": count, "failed": failed, "credits": credits});
                writer.record(tx, "dashboard.refresh", &id.prefixed(), None, Some(after))?;
                let dashboard = stored_dashboard(tx, &writer, id)?;
                writer.answer(tx, answer(Refresh { dashboard, refreshed_at: now, credits, failed }))
            })
            .await
    }

    /// Gives back what was reserved for work that came to nothing. Where even that fails, the next start does it.
    async fn give_back(&self, reservation: String) {
        let now = self.clock.now();
        if let Err(error) = self.store.write(move |tx| Ok(credits::refund(tx, &reservation, now)?)).await {
            tracing::error!(?error, "credits of a failed refresh are given back at the next start only");
        }
    }

    async fn compute_widgets(
        &self,
        caller: &Caller,
        dashboard: &Dashboard,
        tables: Vec<TableFile>,
    ) -> Result<(Vec<(WidgetId, String, Refreshed)>, u64)> {
        if dashboard.widgets.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let widgets = dashboard
            .widgets
            .iter()
            .map(|widget| {
                Ok(WidgetQuery {
                    widget: widget.id.raw(),
                    kind: widget.kind,
                    source: self.slug(caller, widget.source.map(|source| source.id))?,
                    sql: widget.sql.clone(),
                    title: widget.title.clone(),
                    format: widget.format.clone(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let allowance = self.allowance(caller);
        let limits = QueryLimits { spill_bytes: self.spill(), ..allowance.limits };
        let errand = Errand { deadline: self.settings.job_timeout, ..self.query_errand(caller) };
        let (outcomes, rows) = self
            .pool
            .query(
                &errand,
                |scratch| Job::Refresh { tables, widgets, limits, into: scratch.join("widgets.json") },
                |done, scratch| {
                    let Outcome::Refreshed { rows_scanned } = done.outcome else {
                        return Err(std::io::Error::other("a refresh gave another outcome"));
                    };
                    let path = scratch.join("widgets.json");
                    let outcomes: Vec<WidgetOutcome> = serde_json::from_slice(&left::read(&path, MOST_TOLD)?)?;
                    std::fs::remove_file(path)?;
                    Ok((outcomes, rows_scanned))
                },
            )
            .await
            .map_err(error_of)?;
        let results = dashboard
            .widgets
            .iter()
            .zip(outcomes)
            .map(|(widget, outcome)| Ok((widget.id, widget.sql.clone(), refreshed(outcome, &allowance)?)));
        Ok((results.collect::<Result<_>>()?, rows))
    }

    fn slug(&self, caller: &Caller, source: Option<SourceId>) -> Result<Option<String>> {
        let Some(source) = source else { return Ok(None) };
        let found = self.store.read_now(|db| Ok(sources::find(db, caller.org(), &IdRef::Number(source))?))?;
        Ok(found.map(|source| source.slug))
    }

    /// All dashboards of an organisation with their widgets: for the sandbox's page.
    pub fn showcase(&self, caller: &Caller) -> Result<Vec<Dashboard>> {
        let page = self.dashboards(caller, &ListRequest::after(None, 20))?;
        page.items.iter().map(|dashboard| self.find_dashboard(caller, &IdRef::Number(dashboard.id), "")).collect()
    }
}

/// The dashboard as this transaction leaves it.
fn stored_dashboard(tx: &Tx<'_>, caller: &Caller, id: DashboardId) -> Result<Dashboard> {
    let found = dashboards::find(tx, caller.org(), &IdRef::Number(id))?;
    found.ok_or_else(|| Error::not_found::<DashboardKind>(id.prefixed()))
}

fn refreshed(outcome: WidgetOutcome, allowance: &Allowance) -> Result<Refreshed> {
    Ok(match outcome.result {
        Ok(data) => Refreshed::Data(serde_json::to_string(&data).map_err(Error::internal)?, outcome.svg),
        Err(failure) => {
            let error = failure_of(allowance.told_of(failure));
            if let Some(cause) = error.cause() {
                tracing::error!(%cause, "a widget failed");
            }
            Refreshed::Failed(WidgetError { code: error.code().as_str().to_owned(), message: error.to_string() })
        }
    })
}
