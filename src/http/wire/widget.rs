//! Widgets on the wire.

use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Reference, Spelling};
use crate::domain::dashboard as domain;
use crate::domain::result::WidgetData;
use crate::domain::widget as kinds;
use crate::http::conditional::Tagged;
use crate::http::face::Face;
use crate::http::reply::Raw;

/// A widget with the data of its last refresh that succeeded.
#[derive(Serialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Widget<I: Type + ParseFromJSON + ToJSON> {
    id: I,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: WidgetType,
    title: String,
    /// A KPI's value: the first cell of its query; null before the first refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Raw>,
    /// A KPI's target.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_if_it_is")]
    target: Option<f64>,
    /// A chart's series, `{name, points: [[x, y], …]}` for each column behind the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Raw>,
    /// A table's columns, `{name, type}` each.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Raw>,
    /// A table's rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Raw>,
    /// How numbers are written for people.
    format: Format,
    /// Where it stands on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    query: WidgetQuery<I>,
    /// Why the last refresh gave no data; null when it did.
    #[oai(skip_serializing_if_is_none = false)]
    error: Option<WidgetError>,
}

impl<I: Spelling> From<domain::Widget> for Widget<I> {
    fn from(widget: domain::Widget) -> Self {
        let kind = WidgetType::from(widget.kind);
        let data = widget.data.as_ref().and_then(|json| serde_json::from_str::<Fragments<'_>>(json.get()).ok());
        let fragment = |pick: fn(&Fragments<'_>) -> Option<Box<RawValue>>, wanted: bool| {
            wanted.then(|| Raw(data.as_ref().and_then(pick).unwrap_or_else(null)))
        };
        let chart = matches!(kind, WidgetType::LineChart | WidgetType::BarChart);
        Self {
            id: I::of(widget.id, widget.uuid),
            kind,
            title: widget.title,
            value: fragment(|data| data.value.map(ToOwned::to_owned), kind == WidgetType::Kpi),
            target: widget.target,
            series: fragment(|data| data.series.map(ToOwned::to_owned), chart),
            columns: fragment(|data| data.columns.map(ToOwned::to_owned), kind == WidgetType::Table),
            rows: fragment(|data| data.rows.map(ToOwned::to_owned), kind == WidgetType::Table),
            format: widget.format.into(),
            position: widget.position.map(Position::from),
            query: WidgetQuery {
                data_source_id: widget.source.map(|source| I::of(source.id, source.uuid)),
                sql: widget.sql,
            },
            error: widget.error.map(|error| WidgetError { code: error.code, message: error.message }),
        }
    }
}

impl<I: Spelling> Tagged for Widget<I> {}

/// A whole number without a point, as people and the product's own samples write a target.
fn whole_if_it_is<S: serde::Serializer>(number: &Option<f64>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Some(number) if number.fract() == 0.0 && number.abs() < EXACT => serializer.serialize_i64(*number as i64),
        Some(number) => serializer.serialize_f64(*number),
        None => serializer.serialize_none(),
    }
}

/// Stored data taken apart without being read: it goes out as it was written.
#[derive(Deserialize)]
struct Fragments<'j> {
    #[serde(borrow)]
    value: Option<&'j RawValue>,
    #[serde(borrow)]
    series: Option<&'j RawValue>,
    #[serde(borrow)]
    columns: Option<&'j RawValue>,
    #[serde(borrow)]
    rows: Option<&'j RawValue>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// What a widget shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum WidgetType {
    /// One number with an optional target.
    Kpi,
    /// Lines over the first column.
    LineChart,
    /// Bars over the first column.
    BarChart,
    /// Rows as they are.
    Table,
}

impl From<kinds::WidgetKind> for WidgetType {
    fn from(kind: kinds::WidgetKind) -> Self {
        match kind {
            kinds::WidgetKind::Kpi => Self::Kpi,
            kinds::WidgetKind::LineChart => Self::LineChart,
            kinds::WidgetKind::BarChart => Self::BarChart,
            kinds::WidgetKind::Table => Self::Table,
        }
    }
}

impl From<WidgetType> for kinds::WidgetKind {
    fn from(kind: WidgetType) -> Self {
        match kind {
            WidgetType::Kpi => Self::Kpi,
            WidgetType::LineChart => Self::LineChart,
            WidgetType::BarChart => Self::BarChart,
            WidgetType::Table => Self::Table,
        }
    }
}

/// The query of a widget.
#[derive(Serialize, Object)]
pub struct WidgetQuery<I: Type + ParseFromJSON + ToJSON> {
    /// The source whose tables need no schema; null when the source is gone.
    data_source_id: Option<I>,
    /// One SELECT.
    sql: String,
}

/// Why a widget has no fresh data.
#[derive(Serialize, Object)]
pub struct WidgetError {
    code: String,
    message: String,
}

/// How numbers are written for people; the data stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, default)]
#[oai(rename = "FormatRequest", default)]
pub struct Format {
    style: FormatStyle,
    /// ISO 4217, such as USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    currency: Option<String>,
    /// Written behind the number, such as `min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    unit: Option<String>,
    /// Digits after the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none, validator(maximum(value = "6")))]
    decimals: Option<u8>,
}

/// The styles of numbers.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum FormatStyle {
    /// Grouped digits.
    #[default]
    Number,
    /// With the currency's sign or code.
    Currency,
    /// Hundredfold, with a percent sign.
    Percent,
}

impl From<kinds::Format> for Format {
    fn from(format: kinds::Format) -> Self {
        let style = match format.style {
            kinds::FormatStyle::Number => FormatStyle::Number,
            kinds::FormatStyle::Currency => FormatStyle::Currency,
            kinds::FormatStyle::Percent => FormatStyle::Percent,
        };
        Self { style, currency: format.currency, unit: format.unit, decimals: format.decimals }
    }
}

impl From<Format> for kinds::Format {
    fn from(format: Format) -> Self {
        let style = match format.style {
            FormatStyle::Number => Self::default().style,
            FormatStyle::Currency => kinds::FormatStyle::Currency,
            FormatStyle::Percent => kinds::FormatStyle::Percent,
        };
        Self { style, currency: format.currency, unit: format.unit, decimals: format.decimals }
    }
}

/// Where a widget stands, in units of the page's grid.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "PositionRequest")]
pub struct Position {
    x: u16,
    y: u16,
    width: u16,
    height: u16,
}

impl From<domain::Position> for Position {
    fn from(domain::Position { x, y, width, height }: domain::Position) -> Self {
        Self { x, y, width, height }
    }
}

/// A widget to be made, or to replace one.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewWidget {
    /// An existing widget of the dashboard that this replaces; in changes only.
    #[serde(default)]
    id: Option<Reference>,
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: WidgetType,
    /// 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    title: String,
    query: NewWidgetQuery,
    /// A KPI's target.
    #[serde(default)]
    target: Option<f64>,
    #[serde(default)]
    format: Option<Format>,
    #[serde(default)]
    position: Option<Position>,
}

/// The query of a new widget.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewWidgetQuery {
    /// The source whose tables need no schema.
    data_source_id: Reference,
    /// One SELECT. A KPI takes the first cell; charts take the first column as x and each further one as a series.
    #[oai(validator(min_length = 1))]
    sql: String,
}

impl NewWidget {
    /// What a client asks for, by a face's rules.
    pub fn read(self, face: Face) -> domain::NewWidget {
        domain::NewWidget {
            id: self.id.map(|id| id.read(face).0),
            kind: self.kind.into(),
            title: self.title,
            source: self.query.data_source_id.read(face),
            sql: self.query.sql,
            target: self.target,
            format: self.format.unwrap_or_default().into(),
            position: self.position.map(|Position { x, y, width, height }| domain::Position { x, y, width, height }),
        }
    }
}

/// Checks at compile time that stored data has the fields that are taken out of it.
const _: fn(WidgetData) = |data| match data {
    WidgetData::Table(table) => drop((table.columns, table.rows)),
    WidgetData::Chart { x: _, series } => drop(series),
    WidgetData::Kpi { value } => drop(value),
};
