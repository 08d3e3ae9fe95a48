//! Dashboards and their widgets.

use serde_json::value::RawValue;
use uuid::Uuid;

use super::error::{Error, Result};
use super::id::{DashboardId, IdRef, Source, SourceId, Widget as WidgetOf, WidgetId};
use super::org::name;
use super::page::{Entry, Times};
use super::time::Timestamp;
use super::widget::{Format, WidgetKind};

/// The most widgets of a dashboard.
pub const WIDGET_LIMIT: usize = 100;

/// A dashboard, with its widgets where they were asked for.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// Its row.
    pub id: DashboardId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// What it is about; may be empty.
    pub description: String,
    /// When its results were last computed.
    pub refreshed_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its definition last changed.
    pub updated_at: Timestamp,
    /// Raised by each change of definition or results.
    pub version: i64,
    /// The widgets, in their order; empty in lists.
    pub widgets: Vec<Widget>,
}

impl Entry for Dashboard {
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

/// What narrows a list of dashboards.
#[derive(Debug, Clone, Default, Hash)]
pub struct DashboardFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of their name, in any case.
    pub q: Option<String>,
}

/// A widget.
#[derive(Debug, Clone)]
pub struct Widget {
    /// Its row.
    pub id: WidgetId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// What it shows.
    pub kind: WidgetKind,
    /// Its title.
    pub title: String,
    /// The source that its query reads; `None` when the source is gone.
    pub source: Option<SourceRef>,
    /// Its query.
    pub sql: String,
    /// A KPI's target.
    pub target: Option<f64>,
    /// How its numbers are written.
    pub format: Format,
    /// Where it stands on the page; opaque to the server.
    pub position: Option<Position>,
    /// The JSON of [`super::result::WidgetData`] of the last refresh that succeeded.
    pub data: Option<Box<RawValue>>,
    /// A chart's drawing of that refresh.
    pub svg: Option<String>,
    /// Why the last refresh failed.
    pub error: Option<WidgetError>,
}

/// A source as its uses name it.
#[derive(Debug, Clone, Copy)]
pub struct SourceRef {
    /// Its row.
    pub id: SourceId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
}

/// Where a widget stands, in units of the page's grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Column, from zero.
    pub x: u16,
    /// Row, from zero.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

/// Why a widget has no fresh data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WidgetError {
    /// A code of the table in [`super::code`].
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// A widget as a client asks for it.
#[derive(Debug, Clone)]
pub struct NewWidget {
    /// An existing widget that this replaces.
    pub id: Option<IdRef<WidgetOf>>,
    /// What it shows.
    pub kind: WidgetKind,
    /// Its title.
    pub title: String,
    /// Its source, and as the client spelled it.
    pub source: (IdRef<Source>, String),
    /// Its query.
    pub sql: String,
    /// A KPI's target.
    pub target: Option<f64>,
    /// How its numbers are written.
    pub format: Format,
    /// Where it stands.
    pub position: Option<Position>,
}

/// A dashboard as a client asks for it.
#[derive(Debug, Clone)]
pub struct NewDashboard {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its widgets.
    pub widgets: Vec<NewWidget>,
}

/// A change of a dashboard: what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct DashboardPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// A new list of widgets.
    pub widgets: Option<Vec<NewWidget>>,
}

impl NewDashboard {
    /// Checks lengths and counts, and trims names.
    pub fn checked(mut self, sql_limit: u64) -> Result<Self> {
        self.name = name("name", &self.name, 200)?;
        check_description(&self.description)?;
        self.widgets = check_widgets(self.widgets, sql_limit)?;
        Ok(self)
    }
}

impl DashboardPatch {
    /// Checks lengths and counts, and trims names.
    pub fn checked(mut self, sql_limit: u64) -> Result<Self> {
        self.name = self.name.map(|text| name("name", &text, 200)).transpose()?;
        if let Some(description) = &self.description {
            check_description(description)?;
        }
        self.widgets = self.widgets.map(|widgets| check_widgets(widgets, sql_limit)).transpose()?;
        Ok(self)
    }
}

/// Checks what something is about.
pub(super) fn check_description(text: &str) -> Result<()> {
    if text.chars().count() > 2_000 {
        return Err(Error::field("description", "may have 2000 characters at most."));
    }
    if text.chars().any(|character| character.is_control() && character != '\n' && character != '\t') {
        return Err(Error::field(
            "description",
            "must not contain control characters other than line breaks and tabs.",
        ));
    }
    Ok(())
}

fn check_widgets(widgets: Vec<NewWidget>, sql_limit: u64) -> Result<Vec<NewWidget>> {
    if widgets.len() > WIDGET_LIMIT {
        return Err(Error::field("widgets", format!("may have {WIDGET_LIMIT} entries at most.")));
    }
    widgets.into_iter().enumerate().map(|(index, widget)| check_widget(widget, index, sql_limit)).collect()
}

fn check_widget(mut widget: NewWidget, index: usize, sql_limit: u64) -> Result<NewWidget> {
    let field = |name: &str| format!("widgets[{index}].{name}");
    widget.title = name(&field("title"), &widget.title, 200)?;
    check_sql(&field("query.sql"), &widget.sql, sql_limit)?;
    if widget.target.is_some_and(|target| !target.is_finite()) {
        return Err(Error::field(field("target"), "must be a finite number."));
    }
    if widget.target.is_some() && widget.kind != WidgetKind::Kpi {
        return Err(Error::field(field("target"), "belongs to widgets of the type kpi; leave it out."));
    }
    let format = &widget.format;
    if format.decimals.is_some_and(|decimals| decimals > 6) {
        return Err(Error::field(field("format.decimals"), "must be 0 to 6."));
    }
    let letters = |text: &String| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if format.currency.as_ref().is_some_and(|currency| !letters(currency)) {
        return Err(Error::field(field("format.currency"), "must be an ISO 4217 code such as USD."));
    }
    if format.unit.as_ref().is_some_and(|unit| unit.chars().count() > 20 || unit.chars().any(char::is_control)) {
        return Err(Error::field(field("format.unit"), "may have 20 characters at most."));
    }
    Ok(widget)
}

/// Checks the length of a query's text.
pub fn check_sql(field: &str, sql: &str, limit: u64) -> Result<()> {
    if sql.trim().is_empty() {
        return Err(Error::field(field, "is empty; write one SELECT."));
    }
    if sql.len() as u64 > limit {
        return Err(Error::field(field, format!("is longer than {limit} bytes.")));
    }
    Ok(())
}
