//! From a profile or a dashboard to the document that a report prints. Words and order; no layout.

use crate::domain::dashboard::{Dashboard, Widget};
use crate::domain::document::{Block, Document, KpiFigure, KpiValue, Section};
use crate::domain::profile::{ColumnProfile, Profile, TableProfile};
use crate::domain::report::TemplateKind;
use crate::domain::result::{Cell, Column, ColumnType, Series, Table, WidgetData};
use crate::domain::time::Timestamp;
use crate::domain::widget::{Format, FormatStyle, WidgetKind};

/// Numeric columns whose distribution is drawn, for each table.
const HISTOGRAMS: usize = 4;

/// The report of profiled sources.
pub(super) fn profile(title: &str, org: &str, profiles: &[(String, Profile)], now: Timestamp) -> Document {
    let sections = profiles.iter().flat_map(|(source, profile)| {
        let several = profiles.len() > 1;
        profile.tables.iter().map(move |table| {
            let heading = if several { format!("{source}: {}", table.name) } else { table.name.clone() };
            Section { heading, blocks: table_blocks(table) }
        })
    });
    let names: Vec<&str> = profiles.iter().map(|(source, _)| source.as_str()).collect();
    Document {
        title: title.to_owned(),
        subtitle: format!("{} of {}", TemplateKind::Profile.title(), names.join(", ")),
        organization: org.to_owned(),
        generated_at: now.to_string(),
        sections: sections.collect(),
    }
}

fn table_blocks(table: &TableProfile) -> Vec<Block> {
    let columns = table.columns.len() as u64;
    let missing: u64 = table.columns.iter().map(|column| column.nulls).sum();
    let cells = table.rows.saturating_mul(columns);
    let mut blocks = vec![Block::Kpis {
        kpis: vec![
            figure("Rows", number(table.rows), Format::default()),
            figure("Columns", number(columns), Format::default()),
            figure("Missing values", number(missing), Format::default()),
            figure(
                "Cells filled",
                if cells == 0 { 1.0 } else { 1.0 - number(missing) / number(cells) },
                Format { style: FormatStyle::Percent, decimals: Some(2), ..Format::default() },
            ),
        ],
    }];
    if let Some(trend) = &table.trend {
        let points = trend.points.iter().map(|(start, rows)| (Cell::Text(start.clone()), integer(*rows))).collect();
        blocks.push(Block::Chart {
            title: format!("Rows by {} of {}", trend.grain, trend.column),
            kind: WidgetKind::LineChart,
            x: ColumnType::Date,
            series: vec![Series { name: "rows".to_owned(), points }],
            format: Format::default(),
        });
    }
    blocks.push(Block::Table { title: "Columns".to_owned(), table: column_table(table), note: None });
    let is_drawn = |column: &&ColumnProfile| column.kind.is_numeric() && column.histogram.len() > 1;
    let drawn = table.columns.iter().filter(is_drawn).take(HISTOGRAMS);
    blocks.extend(drawn.map(histogram));
    let frequent = frequent_table(table);
    if !frequent.rows.is_empty() {
        blocks.push(Block::Table {
            title: "Most frequent values".to_owned(),
            table: frequent,
            note: Some("Up to ten values of each column that has few enough to count.".to_owned()),
        });
    }
    blocks
}

fn column_table(table: &TableProfile) -> Table {
    let rows = table.columns.iter().map(|column| {
        vec![
            Cell::Text(column.name.clone()),
            Cell::Text(column.kind.as_str().to_owned()),
            integer(column.nulls),
            integer(column.distinct),
            shown(column.minimum.as_ref()),
            shown(column.maximum.as_ref()),
            column.mean.map_or(Cell::Null, rounded),
            column.deviation.map_or(Cell::Null, rounded),
        ]
    });
    Table {
        columns: columns(&[
            ("Column", ColumnType::Text),
            ("Type", ColumnType::Text),
            ("Missing", ColumnType::Integer),
            ("Distinct", ColumnType::Integer),
            ("Minimum", ColumnType::Text),
            ("Maximum", ColumnType::Text),
            ("Mean", ColumnType::Double),
            ("Deviation", ColumnType::Double),
        ]),
        rows: rows.collect(),
    }
}

fn frequent_table(table: &TableProfile) -> Table {
    let total = number(table.rows).max(1.0);
    let rows = table.columns.iter().flat_map(|column| {
        column.top.iter().map(move |(value, count)| {
            let value = if *value == Cell::Null { "(missing)".to_owned() } else { value.display() };
            let share = Format { style: FormatStyle::Percent, decimals: Some(1), ..Format::default() };
            vec![
                Cell::Text(column.name.clone()),
                Cell::Text(value),
                integer(*count),
                Cell::Text(share.apply(number(*count) / total)),
            ]
        })
    });
    Table {
        columns: columns(&[
            ("Column", ColumnType::Text),
            ("Value", ColumnType::Text),
            ("Rows", ColumnType::Integer),
            ("Share", ColumnType::Text),
        ]),
        rows: rows.collect(),
    }
}

fn histogram(column: &ColumnProfile) -> Block {
    let bound = |cell: &Cell| cell.number().map_or_else(|| cell.display(), |low| Format::default().apply(low));
    let points = column.histogram.iter().map(|bin| (Cell::Text(bound(&bin.from)), integer(bin.rows)));
    Block::Chart {
        title: format!("Distribution of {}", column.name),
        kind: WidgetKind::BarChart,
        x: ColumnType::Text,
        series: vec![Series { name: "rows".to_owned(), points: points.collect() }],
        format: Format::default(),
    }
}

/// The report of a dashboard, as of its last refresh.
pub(super) fn dashboard(title: &str, org: &str, dashboard: &Dashboard, now: Timestamp) -> Document {
    let figures: Vec<KpiFigure> =
        dashboard.widgets.iter().filter(|widget| widget.kind == WidgetKind::Kpi).map(kpi).collect();
    let mut sections = Vec::new();
    if !figures.is_empty() {
        sections.push(Section { heading: "Key figures".to_owned(), blocks: vec![Block::Kpis { kpis: figures }] });
    }
    let others = dashboard.widgets.iter().filter(|widget| widget.kind != WidgetKind::Kpi);
    sections.extend(others.map(|widget| Section { heading: widget.title.clone(), blocks: widget_blocks(widget) }));
    let refreshed = match dashboard.refreshed_at {
        Some(at) => format!("as of its refresh at {at}"),
        None => "not refreshed yet".to_owned(),
    };
    Document {
        title: title.to_owned(),
        subtitle: format!("Dashboard “{}”, {refreshed}", dashboard.name),
        organization: org.to_owned(),
        generated_at: now.to_string(),
        sections,
    }
}

fn kpi(widget: &Widget) -> KpiFigure {
    let value = match data(widget) {
        Some(WidgetData::Kpi { value }) => match value.number() {
            Some(number) => Some(KpiValue::Number(number)),
            None if value == Cell::Null => None,
            None => Some(KpiValue::Text(value.display())),
        },
        _ => None,
    };
    KpiFigure { label: widget.title.clone(), value, target: widget.target, format: widget.format.clone() }
}

fn widget_blocks(widget: &Widget) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(error) = &widget.error {
        blocks.push(Block::Text { text: format!("Not refreshed: {}", error.message) });
    }
    match data(widget) {
        Some(WidgetData::Table(table)) => {
            // The section's heading says what it is.
            blocks.push(Block::Table { title: String::new(), table, note: None });
        }
        Some(WidgetData::Chart { x, series }) => blocks.push(Block::Chart {
            title: String::new(),
            kind: widget.kind,
            x,
            series,
            format: widget.format.clone(),
        }),
        Some(WidgetData::Kpi { .. }) => {}
        None => blocks.push(Block::Text { text: "There is no data yet; refresh the dashboard.".to_owned() }),
    }
    blocks
}

fn data(widget: &Widget) -> Option<WidgetData> {
    widget.data.as_ref().and_then(|json| serde_json::from_str(json.get()).ok())
}

fn columns(names: &[(&str, ColumnType)]) -> Vec<Column> {
    names.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind }).collect()
}

fn figure(label: &str, value: f64, format: Format) -> KpiFigure {
    KpiFigure { label: label.to_owned(), value: Some(KpiValue::Number(value)), target: None, format }
}

/// As text: a column of bounds holds numbers, dates and names.
fn shown(bound: Option<&Cell>) -> Cell {
    bound.map_or(Cell::Null, |cell| Cell::Text(cell.display()))
}

fn rounded(value: f64) -> Cell {
    Cell::Double((value * 1_000.0).round() / 1_000.0)
}

fn integer(value: u64) -> Cell {
    i64::try_from(value).map_or_else(|_| Cell::Text(value.to_string()), Cell::Integer)
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// The tables of a document as comma-separated values, in their order: a CSV report's sections.
pub(super) fn csv_tables(document: &Document) -> Result<Vec<Vec<u8>>, csv::Error> {
    let tables = document.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
        Block::Table { table, .. } => Some(table),
        _ => None,
    });
    tables.map(csv_of).collect()
}

fn csv_of(table: &Table) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| guarded(&column.name)))?;
    for row in &table.rows {
        writer.write_record(row.iter().map(|cell| match cell {
            Cell::Text(text) => guarded(text),
            other => other.display(),
        }))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, "CSV Injection").
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err() {
        return format!("'{text}");
    }
    text.to_owned()
}
