//! A report as a list of blocks, ready to be laid out: what the service composes and `render` draws.

use serde::{Deserialize, Serialize};

use super::result::{ColumnType, Series, Table};
use super::widget::{Format, WidgetKind};

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// On the title page, in the header of each page, and in the file's metadata.
    pub title: String,
    /// Under the title.
    pub subtitle: String,
    /// The organisation whose report it is.
    pub organization: String,
    /// RFC 3339, UTC; printed on the title page.
    pub generated_at: String,
    /// The sections, each with an entry in the outline.
    pub sections: Vec<Section>,
}

/// A heading and what stands below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// Its blocks, from top to bottom.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    /// A paragraph of running text.
    Text {
        /// Plain text; line breaks are kept.
        text: String,
    },
    /// Figures beside one another, wrapped to rows of four at most.
    Kpis {
        /// The figures.
        kpis: Vec<KpiFigure>,
    },
    /// A line or bar chart.
    Chart {
        /// Above the chart.
        title: String,
        /// `LineChart` or `BarChart`.
        kind: WidgetKind,
        /// The type of x, which decides between a scale and categories.
        x: ColumnType,
        /// The series.
        series: Vec<Series>,
        /// How the y axis writes its numbers.
        #[serde(default)]
        format: Format,
    },
    /// A table that may run over pages; its header is repeated on each.
    Table {
        /// Above the table.
        title: String,
        /// What it shows.
        table: Table,
        /// A note below, such as "the first 1,000 of 336,776 rows".
        note: Option<String>,
    },
}

/// One figure of a KPI row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiFigure {
    /// What it is.
    pub label: String,
    /// The number, or text where it is not one; `None` prints a dash.
    pub value: Option<KpiValue>,
    /// The target, drawn as progress.
    pub target: Option<f64>,
    /// How number and target are written.
    #[serde(default)]
    pub format: Format,
}

/// The value of a KPI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KpiValue {
    /// A number, written by the figure's format.
    Number(f64),
    /// Any other cell, written as it is.
    Text(String),
}
