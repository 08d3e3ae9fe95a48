//! Dashboards on the wire. Their widgets are in [`super::widget`].

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use serde::{Deserialize, Serialize};

use super::widget::{NewWidget, Widget};
use super::{Spelling, Stamp};
use crate::domain::dashboard as domain;
use crate::domain::error::{Error, Result};
use crate::http::conditional::Tagged;
use crate::http::exchange::Exchange;
use crate::http::face::Face;
use crate::service::dashboards as service;

/// A dashboard without its widgets.
#[derive(Serialize, Object)]
pub struct DashboardSummary<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// What it is about; may be empty.
    description: String,
    created_at: Stamp,
    /// When the definition last changed.
    updated_at: Stamp,
    /// When the results were last computed; null before the first refresh.
    refreshed_at: Option<Stamp>,
}

impl<I: Spelling> From<domain::Dashboard> for DashboardSummary<I> {
    fn from(dashboard: domain::Dashboard) -> Self {
        Self {
            id: I::of(dashboard.id, dashboard.uuid),
            name: dashboard.name,
            description: dashboard.description,
            created_at: dashboard.created_at.into(),
            updated_at: dashboard.updated_at.into(),
            refreshed_at: dashboard.refreshed_at.map(Stamp::from),
        }
    }
}

/// A dashboard with the results of its last refresh.
#[derive(Serialize, Object)]
pub struct Dashboard<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    name: String,
    /// What it is about; may be empty.
    description: String,
    created_at: Stamp,
    /// When the definition last changed.
    updated_at: Stamp,
    /// When the results were last computed; null before the first refresh.
    refreshed_at: Option<Stamp>,
    /// The widgets, in their order.
    widgets: Vec<Widget<I>>,
}

impl<I: Spelling> From<domain::Dashboard> for Dashboard<I> {
    fn from(mut dashboard: domain::Dashboard) -> Self {
        let widgets = std::mem::take(&mut dashboard.widgets).into_iter().map(Widget::from).collect();
        let DashboardSummary { id, name, description, created_at, updated_at, refreshed_at } = dashboard.into();
        Self { id, name, description, created_at, updated_at, refreshed_at, widgets }
    }
}

impl<I: Spelling> Tagged for Dashboard<I> {}

/// A dashboard to be made.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewDashboard {
    /// 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// 2,000 characters at most.
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
    /// The widgets, in their order; 100 at most.
    #[serde(default)]
    #[oai(validator(max_items = 100))]
    widgets: Option<Vec<NewWidget>>,
}

impl NewDashboard {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face) -> Result<domain::NewDashboard> {
        let widgets = self.widgets.unwrap_or_default().into_iter().map(|widget| widget.read(face)).collect();
        Ok(domain::NewDashboard { name: self.name, description: self.description.unwrap_or_default(), widgets })
    }
}

/// A change of a dashboard: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct DashboardPatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
    /// Replaces the list; entries with a known `id` keep it.
    #[serde(default)]
    #[oai(validator(max_items = 100))]
    widgets: Option<Vec<NewWidget>>,
}

impl DashboardPatch {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face) -> Result<domain::DashboardPatch> {
        if self.name.is_none() && self.description.is_none() && self.widgets.is_none() {
            return Err(Error::nothing_to_change());
        }
        let widgets = self.widgets.map(|widgets| widgets.into_iter().map(|widget| widget.read(face)).collect());
        Ok(domain::DashboardPatch { name: self.name, description: self.description, widgets })
    }
}

/// A change of what a dashboard is called: what is absent stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "DashboardPatch")]
pub struct DashboardLabelPatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    description: Option<String>,
}

impl DashboardLabelPatch {
    /// What a client asks for.
    pub fn read(self) -> Result<domain::DashboardPatch> {
        // Of the fields that are looked at, none names an id: the face does not matter.
        DashboardPatch { name: self.name, description: self.description, widgets: None }.read(Face::External)
    }
}

/// What a refresh did.
#[derive(Serialize, Object)]
pub struct Refreshed<I: Type + ParseFromJSON + ToJSON> {
    dashboard_id: I,
    refreshed_at: Stamp,
    credits_consumed: i64,
    /// Widgets whose last data stays, beside their error.
    widgets_failed: u64,
}

impl<I: Spelling> Refreshed<I> {
    /// What a refresh did. What it cost is noted.
    pub fn of(refresh: service::Refresh, exchange: &Exchange) -> Self {
        exchange.charge(refresh.credits);
        Self {
            dashboard_id: I::of(refresh.dashboard.id, refresh.dashboard.uuid),
            refreshed_at: refresh.refreshed_at.into(),
            credits_consumed: refresh.credits,
            widgets_failed: refresh.failed as u64,
        }
    }
}
