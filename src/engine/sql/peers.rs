//! Running sums find the peers of a row by one key.
//!
//! `sum(x) OVER (PARTITION BY p ORDER BY a, b)` has the same value for all rows with the same `a` and `b`, its peers (SQL:2003,
//! 4.14). The engine looks for the last one by comparing rows column by column, scalar by scalar, three times for each row:
//! with four columns that is half of the time of a window. So, once a plan is made and its rows are sorted, the columns are
//! encoded as one key of bytes that compare as the rows do, by the kernel that sorts use, and the window is told to find
//! peers by it. How rows are distributed and sorted stays as it is, so this has to come last: the plan is not looked at again.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{BinaryViewArray, RecordBatch};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, WindowExpr};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};

/// What the column of keys is called. It is found by its place.
const KEY: &str = "peers";

/// Whether the windows of an optimised plan are such that they can be [told](told) of keys: none has a condition of its own,
/// which a window that is planned does not show.
pub fn can_be_told(plan: &LogicalPlan) -> bool {
    let (mut any, mut all) = (false, true);
    let looked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Window(window) = node {
            any = true;
            all &= window.window_expr.iter().all(|expression| !has_condition(expression));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    looked.is_ok() && any && all
}

fn has_condition(expression: &Expr) -> bool {
    let found =
        expression.exists(|part| Ok(matches!(part, Expr::WindowFunction(window) if window.params.filter.is_some())));
    found.unwrap_or(true)
}

/// The plan whose windows find peers by a key, where several columns say which rows they are.
pub fn told(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let told = plan.transform_up(|node| {
        let keyed = match node.downcast_ref::<BoundedWindowAggExec>() {
            // What cannot be told of a key compares columns.
            Some(window) if window.input_order_mode == InputOrderMode::Sorted => keyed(window).unwrap_or_default(),
            _ => None,
        };
        Ok(keyed.map_or_else(|| Transformed::no(node), Transformed::yes))
    });
    told.data()
}

/// The same window over its input with a key; the key is left out of what it gives.
fn keyed(window: &BoundedWindowAggExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (input, columns) = (window.input(), window.input().schema());
    let Some(key) = window.window_expr().iter().find_map(|running| PeerKey::of(running.as_ref(), &columns)) else {
        return Ok(None);
    };
    let at = columns.fields().len();
    let sorted = PhysicalSortExpr { expr: Arc::new(Column::new(KEY, at)), options: SortOptions::default() };
    let told = window.window_expr().iter().map(|running| by_key(running, &key, &sorted)).collect();
    let columns = named(&columns).chain([(Arc::new(key) as Arc<dyn PhysicalExpr>, KEY.to_owned())]);
    let with_key = Arc::new(ProjectionExec::try_new(columns, input.clone())?);
    let can_repartition = !window.partition_keys().is_empty();
    let told = BoundedWindowAggExec::try_new(told, with_key, window.input_order_mode.clone(), can_repartition)?;
    let schema = told.schema();
    let kept = named(&schema).enumerate().filter(|(place, _)| *place != at).map(|(_, column)| column);
    let kept = ProjectionExec::try_new(kept, Arc::new(told))?;
    let is_same = kept.schema().fields() == window.schema().fields();
    Ok(is_same.then(|| Arc::new(kept) as Arc<dyn ExecutionPlan>))
}

/// The columns of a schema, under their names.
fn named(schema: &Schema) -> impl Iterator<Item = (Arc<dyn PhysicalExpr>, String)> + '_ {
    schema.fields().iter().enumerate().map(|(at, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        (column, field.name().clone())
    })
}

/// The expression of a window by this key, if the key is of its columns.
fn by_key(running: &Arc<dyn WindowExpr>, key: &PeerKey, sorted: &PhysicalSortExpr) -> Arc<dyn WindowExpr> {
    match aggregate(running.as_ref()).filter(|_| running.order_by() == key.order) {
        None => running.clone(),
        Some(aggregate) => Arc::new(PlainAggregateWindowExpr::new(
            Arc::new(aggregate.get_aggregate_expr().clone()),
            running.partition_by(),
            std::slice::from_ref(sorted),
            running.get_window_frame().clone(),
            None,
        )),
    }
}

/// What adds up from the first row of its partition to the last peer of each.
fn aggregate(running: &dyn WindowExpr) -> Option<&PlainAggregateWindowExpr> {
    let WindowFrame { units, start_bound, end_bound, .. } = running.get_window_frame().as_ref();
    let is_running =
        *units == WindowFrameUnits::Range && start_bound.is_unbounded() && *end_bound == WindowFrameBound::CurrentRow;
    running.as_any().downcast_ref().filter(|_| is_running)
}

/// Bytes that compare as the rows do.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PeerKey {
    order: Vec<PhysicalSortExpr>,
}

impl PeerKey {
    /// The key of a window's rows; none where there is one column only, or of types without such bytes.
    fn of(running: &dyn WindowExpr, input: &Schema) -> Option<Self> {
        let order = running.order_by();
        aggregate(running).filter(|_| order.len() > 1)?;
        let key = Self { order: order.to_vec() };
        RowConverter::supports_fields(&key.fields(input).ok()?).then_some(key)
    }

    fn fields(&self, input: &Schema) -> Result<Vec<SortField>> {
        let field = |by: &PhysicalSortExpr| Ok(SortField::new_with_options(by.expr.data_type(input)?, by.options));
        self.order.iter().map(field).collect()
    }
}

impl PhysicalExpr for PeerKey {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::BinaryView)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let columns =
            self.order.iter().map(|by| by.expr.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let keys = RowConverter::new(self.fields(&batch.schema())?)?.convert_columns(&columns)?;
        // As views, so that batches of the same peers are put together without copying their keys.
        Ok(ColumnarValue::Array(Arc::new(BinaryViewArray::from(&keys.try_into_binary()?))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.order.iter().map(|by| &by.expr).collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let order = self.order.iter().zip(children);
        let order = order.map(|(by, expr)| PhysicalSortExpr { expr, options: by.options }).collect();
        Ok(Arc::new(Self { order }))
    }

    fn fmt_sql(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order: Vec<String> = self.order.iter().map(ToString::to_string).collect();
        write!(out, "{KEY}({})", order.join(", "))
    }
}

#[cfg(test)]
mod tests;
