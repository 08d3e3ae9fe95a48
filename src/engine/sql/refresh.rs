//! The widgets of a dashboard: each query's result in the form its kind of widget shows.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use futures_util::StreamExt;

use super::session::Engine;
use super::value::Cells;
use crate::domain::result::{Cell, Column, Series, Table, WidgetData};
use crate::domain::widget::WidgetKind;
use crate::engine::control::Control;
use crate::engine::{defect, internal};
use crate::worker::protocol::{Failure, FailureCode, QueryLimits, TableFile, WidgetOutcome, WidgetQuery};

/// Points of all series of a chart have at most so many places on the x axis.
const CHART_ROWS: u64 = 10_000;
/// Rows of a table.
const TABLE_ROWS: u64 = 1_000;

/// Bytes of all results together: they are kept with the dashboard and sent to each reader.
const TOTAL_BYTES: usize = 8 << 20;

/// The results in the widgets' order, and the rows read from extracts. A widget that fails does not fail the others;
/// only when the whole job has to stop does it fail.
pub async fn run(
    engine: &Arc<Engine>,
    tables: Vec<TableFile>,
    widgets: Vec<WidgetQuery>,
    limits: QueryLimits,
    control: &Control,
) -> Result<(Vec<WidgetOutcome>, u64), Failure> {
    let tables: Arc<[TableFile]> = tables.into();
    let (count, mut rows_scanned, mut bytes) = (widgets.len(), 0, 0);
    let mut outcomes = Vec::with_capacity(count);
    for widget in widgets {
        control.check()?;
        let id = widget.widget;
        let own = control.within(Duration::from_millis(limits.millis));
        let (hands, engine, tables) = (&engine.hands, engine.clone(), tables.clone());
        let work = async move { compute(&engine, &tables, &widget, &limits).await };
        let result = hands.run(work, own.stopped()).await.map(|(data, scanned)| {
            rows_scanned += scanned;
            data
        });
        if result.as_ref().is_err_and(|failure| failure.code == FailureCode::Canceled) {
            control.check()?;
        }
        let result = result.and_then(|data| {
            bytes += serde_json::to_vec(&data).map_err(|error| internal("a result cannot be written", &error))?.len();
            if bytes <= TOTAL_BYTES { Ok(data) } else { Err(too_large()) }
        });
        outcomes.push(WidgetOutcome { widget: id, result, svg: None });
        #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
        control.progress(outcomes.len() as f64 / count as f64, rows_scanned);
    }
    Ok((outcomes, rows_scanned))
}

async fn compute(
    engine: &Engine,
    tables: &[TableFile],
    widget: &WidgetQuery,
    limits: &QueryLimits,
) -> Result<(WidgetData, u64), Failure> {
    let session = engine.session(tables, widget.source.as_deref(), limits).await?;
    let rows = match widget.kind {
        WidgetKind::Kpi => 1,
        WidgetKind::LineChart | WidgetKind::BarChart => CHART_ROWS,
        WidgetKind::Table => TABLE_ROWS,
    };
    let mut running = session.start(&widget.sql, &[], rows.min(limits.rows)).await?;
    let columns = std::mem::take(&mut running.columns);
    if matches!(widget.kind, WidgetKind::LineChart | WidgetKind::BarChart) {
        check_chart(&columns)?;
    }
    let mut result = Table { columns, rows: Vec::new() };
    let mut bytes = 0;
    while let Some(batch) = running.stream.next().await {
        let batch = batch.map_err(|error| session.failure(&error))?;
        bytes += batch.get_array_memory_size() as u64;
        if bytes > limits.bytes {
            return Err(too_large());
        }
        push_rows(&mut result, &batch)?;
    }
    Ok((shape(widget.kind, result)?, running.rows_scanned()))
}

/// Adds the batch's rows to the table.
pub(crate) fn push_rows(table: &mut Table, batch: &RecordBatch) -> Result<(), Failure> {
    let columns: Vec<Cells> = batch
        .columns()
        .iter()
        .map(Cells::new)
        .collect::<Result<_, _>>()
        .map_err(|error| internal("a result cannot be read", &error))?;
    let row = |row: usize| columns.iter().map(|column| column.get(row).into_cell()).collect();
    table.rows.extend((0..batch.num_rows()).map(row));
    Ok(())
}

fn too_large() -> Failure {
    let message = "The results of the dashboard's widgets are too large; aggregate, or select fewer columns or rows.";
    Failure::new(FailureCode::TooLarge, message)
}

fn check_chart(columns: &[Column]) -> Result<(), Failure> {
    let invalid = |message: String| Err(Failure::new(FailureCode::InvalidSql, message));
    let Some((_, series)) = columns.split_first().filter(|(_, series)| !series.is_empty()) else {
        return invalid("A chart needs two columns or more: select x first, then a number for each series.".into());
    };
    match series.iter().find(|column| !column.kind.is_numeric()) {
        Some(column) => invalid(format!(
            "The series `{}` is {}, not a number; select x first, then only numbers.",
            column.name,
            column.kind.as_str()
        )),
        None => Ok(()),
    }
}

fn shape(kind: WidgetKind, table: Table) -> Result<WidgetData, Failure> {
    match kind {
        WidgetKind::Table => Ok(WidgetData::Table(table)),
        WidgetKind::Kpi => {
            let value = table.rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or(Cell::Null);
            Ok(WidgetData::Kpi { value })
        }
        WidgetKind::LineChart | WidgetKind::BarChart => {
            let Some((x, numbers)) = table.columns.split_first() else {
                return Err(defect("a chart without x"));
            };
            let series = |(position, column): (usize, &Column)| Series {
                name: column.name.clone(),
                points: table
                    .rows
                    .iter()
                    .filter_map(|row| Some((row.first()?.clone(), row.get(position + 1)?.clone())))
                    .collect(),
            };
            Ok(WidgetData::Chart { x: x.kind, series: numbers.iter().enumerate().map(series).collect() })
        }
    }
}
