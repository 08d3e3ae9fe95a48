//! The sandbox's dashboards, as plain data: what they are called, what they ask and where each widget stands.
//!
//! Who creates and refreshes them is the business of [`super`]. Each query orders its rows to the last, so that every
//! sandbox draws the same charts.

use crate::domain::widget::{FormatStyle, WidgetKind};

mod flights;
mod marketing;
mod revenue;

/// The dashboards in the order in which they are created; the first is the one that a new user is shown.
pub const SHOWCASES: &[Showcase] = &[revenue::SHOWCASE, marketing::SHOWCASE, flights::SHOWCASE];

/// A dashboard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Showcase {
    /// Its name.
    pub name: &'static str,
    /// What it is about, and where its data are from.
    pub description: &'static str,
    /// Its widgets, in their order.
    pub widgets: &'static [ShowcaseWidget],
}

/// A widget of a [`Showcase`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShowcaseWidget {
    /// What it shows.
    pub kind: WidgetKind,
    /// Its title.
    pub title: &'static str,
    /// The slug of the source that it asks.
    pub source: &'static str,
    /// Its query. A KPI is the first cell; a chart has x first and then a number for each series.
    pub sql: &'static str,
    /// What a KPI should reach.
    pub target: Option<f64>,
    /// How its numbers are written.
    pub style: FormatStyle,
    /// The ISO 4217 code of its numbers.
    pub currency: Option<&'static str>,
    /// What stands behind its numbers.
    pub unit: Option<&'static str>,
    /// Digits behind the point.
    pub decimals: Option<u8>,
    /// Column, row, width and height on a grid of [`COLUMNS`] columns.
    pub position: (u16, u16, u16, u16),
}

/// How many columns the grid has that widgets stand on.
pub const COLUMNS: u16 = 12;

impl ShowcaseWidget {
    /// A widget whose numbers are written plainly.
    const fn new(
        kind: WidgetKind,
        title: &'static str,
        source: &'static str,
        position: (u16, u16, u16, u16),
        sql: &'static str,
    ) -> Self {
        let (target, style) = (None, FormatStyle::Number);
        let sql = sql.trim_ascii();
        Self { kind, title, source, sql, target, style, currency: None, unit: None, decimals: None, position }
    }

    /// With numbers in dollars.
    const fn dollars(self, decimals: u8) -> Self {
        Self { style: FormatStyle::Currency, currency: Some("USD"), decimals: Some(decimals), ..self }
    }

    /// With numbers in hundredths, of which 1 is the whole.
    const fn percent(self, decimals: u8) -> Self {
        Self { style: FormatStyle::Percent, decimals: Some(decimals), ..self }
    }

    /// With numbers in minutes.
    const fn minutes(self) -> Self {
        Self { unit: Some("min"), decimals: Some(1), ..self }
    }

    /// With a number to reach.
    const fn target(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }
}

#[cfg(test)]
mod tests;
