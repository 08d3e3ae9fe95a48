//! Which queries leave rows out while they read: those that list rows of one table.
//!
//! Of these the scan evaluates the conditions, and, of a sorted list with an end, what a row must be to have a place in it
//! still: it reads the other columns of the rows that are left and of no others. A sort of ten million rows by one of eight
//! columns takes a third of its time so.
//!
//! The engine would do as much below joins and computed columns. There it takes columns for one another that have the same
//! name (a list that is sorted by `p.name` lost rows by their `s.name`), and asks chance twice (`r < 0.2` of a column
//! `random() AS r` became a second draw), so that rows are wrong; and a join that looks each row up as it is read and again
//! as it is joined takes twice its time. So only plans are trusted with it that have none of this.

use std::collections::HashSet;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The most that a scan keeps of the columns that its conditions have read, which no pool counts.
const KEPT: usize = 16 << 20;

/// Nothing is left out before it is joined, computed or sorted, but for what statistics say of the query's own conditions.
pub fn nothing_beforehand(options: &mut ConfigOptions) {
    options.execution.parquet.pushdown_filters = false;
    options.execution.parquet.max_predicate_cache_size = Some(KEPT);
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
}

/// What conditions and the end of a sorted list leave out is left out while it is read: for plans that are
/// [plain](is_plain).
pub fn leave_out_beforehand(options: &mut ConfigOptions) {
    options.execution.parquet.pushdown_filters = true;
    options.optimizer.enable_topk_dynamic_filter_pushdown = true;
}

/// Whether an optimised plan lists rows of one table, under names that are theirs alone, and says the same of a row however
/// often it is asked.
pub fn is_plain(plan: &LogicalPlan) -> bool {
    let is_step = matches!(
        plan,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::TableScan(_)
    );
    let mut names = HashSet::new();
    is_step
        && plan.schema().fields().iter().all(|field| names.insert(field.name().as_str()))
        && !plan.expressions().iter().any(|expression| expression.is_volatile() || asks(expression))
        && plan.inputs().into_iter().all(is_plain)
}

/// Whether a query stands within an expression.
fn asks(expression: &Expr) -> bool {
    let found = expression.exists(|part| {
        Ok(matches!(part, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)))
    });
    found.unwrap_or(true)
}

#[cfg(test)]
mod tests;
