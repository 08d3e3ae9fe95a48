//! Adding up before joining ("eager aggregation": Yan and Larson, VLDB 1995): a query that joins many rows to few and adds
//! up columns of the many by columns of the few adds them up by the join's keys first. Each of the few then meets one row
//! for each of its keys instead of thousands.
//!
//! Dashboards ask this of every star schema: sales by the category of their product. What is added up first is the partial
//! state that stages of an aggregation hand to each other, so that averages come out right too, and a row that meets two of
//! the few counts twice, as it would have.
//!
//! It would take longer where nearly all keys are different, or where the few are but a small part of what the many point
//! to, so it is done only where [`keys`] knows that neither is so. Sums of doubles are rounded in another order by it, as
//! they are by each other number of cores.

mod keys;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, JoinType, Result};
use datafusion::datasource::physical_plan::{FileGroup, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, StatisticsArgs, StatisticsContext};

use self::keys::{FEW, Keys};

/// Rows of the many, at least, for one of the few and for each different key: with less there is little to be had.
const MANY_TO_FEW: usize = 16;
/// Different keys of the many, at most, for one of the few: with more, most of them may meet none.
const KEYS_TO_FEW: usize = 4;
/// What may be added up in parts: nothing of it depends on an order or on what else there is.
const DIVISIBLE: [&str; 5] = ["avg", "count", "max", "min", "sum"];

type Expression = Arc<dyn PhysicalExpr>;

/// The engine's own rules and this one: after the sides of joins are settled, before rows are distributed for them.
pub fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let settled = rules.iter().position(|rule| rule.name() == "join_selection").map_or(rules.len(), |at| at + 1);
    rules.insert(settled, Arc::new(EagerAggregation::default()));
    rules
}

#[derive(Debug, Default)]
struct EagerAggregation {
    keys: Keys,
}

impl PhysicalOptimizerRule for EagerAggregation {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_up(|node| {
            let eager = match node.downcast_ref::<AggregateExec>() {
                // What cannot be added up first is added up later, as without this rule.
                Some(sums) => self.eager(sums).unwrap_or_default(),
                None => None,
            };
            Ok(eager.map_or_else(|| Transformed::no(node), Transformed::yes))
        });
        rewritten.data()
    }

    fn name(&self) -> &str {
        "eager_aggregation"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl EagerAggregation {
    /// The same sums, added up before the join below them; none where that is not possible or not worth it.
    fn eager(&self, sums: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(below) = Below::of(sums) else { return Ok(None) };
        let parts: Option<Vec<_>> = sums.aggr_expr().iter().map(|sum| below.part(sum)).collect();
        let groups = sums.group_expr().expr().iter().map(|(group, name)| Some((below.group(group)?, name.clone())));
        let (Some(parts), Some(groups)) = (parts, groups.collect::<Option<Vec<_>>>()) else { return Ok(None) };
        if !self.is_many_to_few(&below)? {
            return Ok(None);
        }
        let joined = below.joined(parts)?;
        let by_group = groups.iter().enumerate().map(|(at, (_, name))| named(name, at)).collect();
        let schema = joined.schema();
        let states = below.of_few + below.keys.len()..schema.fields().len();
        let states = states.map(|at| named(schema.field(at).name(), at));
        // The projection has the columns of the sums in their places, from which the second stage takes how its rows are
        // distributed.
        let second = AggregateExec::try_new(
            AggregateMode::PartialReduce,
            PhysicalGroupBy::new_single(by_group),
            sums.aggr_expr().to_vec(),
            vec![None; sums.aggr_expr().len()],
            Arc::new(ProjectionExec::try_new(groups.into_iter().chain(states), joined)?),
            sums.input_schema(),
        )?;
        // What comes after it reads columns by their place and type.
        let is_same = second.schema().fields() == sums.schema().fields();
        Ok(is_same.then(|| Arc::new(second) as Arc<dyn ExecutionPlan>))
    }

    /// Whether the join's right side, whose rows pass by, has many for each that its left side keeps and for each different
    /// key, and whether most of the keys may be among the left side's: how many rows that has must be known, since a filter
    /// may leave so few that most of the many would be added up for nothing.
    fn is_many_to_few(&self, below: &Below) -> Result<bool> {
        let rows = |side: &Arc<dyn ExecutionPlan>| {
            let known = StatisticsContext::new().compute(side.as_ref(), &StatisticsArgs::new())?;
            Ok::<_, DataFusionError>(known.num_rows)
        };
        let (left, right) = (below.join.left(), below.join.right());
        let (Precision::Exact(few), many) = (rows(left)?, rows(right)?) else { return Ok(false) };
        let most = many.get_value().map_or(0, |many| (many / MANY_TO_FEW).min(FEW));
        if few.max(1) > most {
            return Ok(false);
        }
        let of_many = below.keys.iter().map(Column::index);
        let Some(keys) = self.different(right, of_many).filter(|keys| *keys <= most) else { return Ok(false) };
        let of_few = below.join.on().iter().filter_map(|(key, _)| Some(key.downcast_ref::<Column>()?.index()));
        // Where it is not known they may all be different.
        let meeting = self.different(left, of_few).map_or(few, |different| few.min(different));
        Ok(*below.join.join_type() == JoinType::Right || keys / KEYS_TO_FEW <= meeting)
    }

    /// How many different rows there are in these columns of the plan's rows, at most.
    fn different(&self, plan: &Arc<dyn ExecutionPlan>, mut columns: impl Iterator<Item = usize>) -> Option<usize> {
        columns.try_fold(1_usize, |different, column| {
            let (extract, column) = origin(plan, column)?;
            different.checked_mul(self.keys.of(&extract, &column)?)
        })
    }
}

/// The extract that a column of the plan's rows is read from, and what it is called there, if nothing is computed with it.
fn origin(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<(PathBuf, String)> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let below = projection.expr().get(column)?.expr.downcast_ref::<Column>()?;
        return origin(projection.input(), below.index());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let below = filter.projection().as_ref().map_or(Some(&column), |kept| kept.get(column))?;
        return origin(filter.input(), *below);
    }
    let (scan, source) = plan.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<ParquetSource>()?;
    let mut files = scan.file_groups.iter().flat_map(FileGroup::iter);
    let (Some(extract), None) = (files.next(), files.next()) else { return None };
    let read = source.projection()?.as_ref().get(column)?.expr.downcast_ref::<Column>()?;
    Some((Path::new("/").join(extract.object_meta.location.as_ref()), read.name().to_owned()))
}

/// Whether a sum of sums is the sum.
fn is_divisible(sum: &AggregateFunctionExpr) -> bool {
    let is_plain = !sum.is_distinct() && !sum.ignore_nulls() && sum.order_bys().is_empty();
    is_plain && DIVISIBLE.contains(&sum.fun().name())
}

fn named(name: &str, at: usize) -> (Expression, String) {
    (Arc::new(Column::new(name, at)), name.to_owned())
}

/// The expression with others in place of its columns; none where there is none for one of them.
fn with_columns(expression: Expression, mut other: impl FnMut(&Column) -> Option<Expression>) -> Option<Expression> {
    let mut is_whole = true;
    let replaced = expression.transform_up(|part| {
        let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
        match other(column) {
            Some(other) => Ok(Transformed::yes(other)),
            None => {
                is_whole = false;
                Ok(Transformed::no(part))
            }
        }
    });
    replaced.data().ok().filter(|_| is_whole)
}

/// What the sums read: a join of few rows with many, whose columns come in another order perhaps, and computed on.
struct Below<'p> {
    projections: Vec<&'p ProjectionExec>,
    join: &'p HashJoinExec,
    /// How many columns the few have. Those of the many come after them.
    of_few: usize,
    /// The columns of the many that are joined by.
    keys: Vec<Column>,
}

impl<'p> Below<'p> {
    fn of(sums: &'p AggregateExec) -> Option<Self> {
        let group = sums.group_expr();
        let is_plain = *sums.mode() == AggregateMode::Partial
            && sums.limit_options().is_none()
            && sums.filter_expr().iter().all(Option::is_none)
            && group.is_single()
            && !group.is_true_no_grouping();
        if !is_plain || !sums.aggr_expr().iter().all(|sum| is_divisible(sum)) {
            return None;
        }
        let (mut projections, mut input) = (Vec::new(), sums.input());
        while let Some(projection) = input.downcast_ref::<ProjectionExec>() {
            projections.push(projection);
            input = projection.input();
        }
        let join = input.downcast_ref::<HashJoinExec>()?;
        // Of the many those are left that meet one of the few, or all: rows with the same keys share their lot.
        let is_by_key = matches!(join.join_type(), JoinType::Inner | JoinType::Right) && join.filter().is_none();
        if !is_by_key || join.fetch().is_some() {
            return None;
        }
        let (columns, mut keys) = (join.right().schema(), Vec::new());
        for (_, of_many) in join.on() {
            let key = of_many.downcast_ref::<Column>()?;
            // Zero has two signs, which are one group and two keys.
            if columns.field(key.index()).data_type().is_floating() {
                return None;
            }
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        Some(Self { projections, join, of_few: join.left().schema().fields().len(), keys })
    }

    /// The expression over what the join has before columns are left out.
    fn over_join(&self, expression: &Expression) -> Option<Expression> {
        let mut over = expression.clone();
        for projection in &self.projections {
            over = with_columns(over, |column| Some(projection.expr().get(column.index())?.expr.clone()))?;
        }
        let Some(kept) = &self.join.projection else { return Some(over) };
        with_columns(over, |column| Some(Arc::new(Column::new(column.name(), *kept.get(column.index())?))))
    }

    /// The sum as one over the many, if it is of theirs alone. Of theirs nothing is computed for it: that could fail for a
    /// row that meets none of the few.
    fn part(&self, sum: &AggregateFunctionExpr) -> Option<Arc<AggregateFunctionExpr>> {
        let of_many = |argument: &Expression| {
            let over = self.over_join(argument)?;
            let is_there = over.is::<Column>() || over.is::<Literal>();
            let moved = with_columns(over, |column| {
                let at = column.index().checked_sub(self.of_few)?;
                Some(Arc::new(Column::new(column.name(), at)))
            });
            moved.filter(|_| is_there)
        };
        let arguments = sum.expressions().iter().map(of_many).collect::<Option<_>>()?;
        sum.with_new_expressions(arguments, Vec::new()).map(Arc::new)
    }

    /// What is grouped by, over the columns of the few and the keys, if it is of those alone.
    fn group(&self, expression: &Expression) -> Option<Expression> {
        let over = self.over_join(expression).filter(|over| !is_volatile(over))?;
        with_columns(over, |column| match column.index().checked_sub(self.of_few) {
            None => Some(Arc::new(column.clone())),
            Some(at) => self.key(at, self.of_few),
        })
    }

    /// The key that is this column of the many, where the keys begin at `first`.
    fn key(&self, at: usize, first: usize) -> Option<Expression> {
        let place = self.keys.iter().position(|key| key.index() == at)?;
        Some(Arc::new(Column::new(self.keys[place].name(), first + place)))
    }

    /// The few joined with parts of the many: the columns of the few, the keys, the states of the parts.
    fn joined(&self, parts: Vec<Arc<AggregateFunctionExpr>>) -> Result<Arc<dyn ExecutionPlan>> {
        let many = self.join.right();
        let by_key = self.keys.iter().map(|key| named(key.name(), key.index())).collect();
        let (by_key, unfiltered) = (PhysicalGroupBy::new_single(by_key), vec![None; parts.len()]);
        let first =
            AggregateExec::try_new(AggregateMode::Partial, by_key, parts, unfiltered, many.clone(), many.schema())?;
        let on = self.join.on().iter().map(|(of_few, of_many)| {
            let key = with_columns(of_many.clone(), |column| self.key(column.index(), 0));
            (of_few.clone(), key.unwrap_or_else(|| of_many.clone()))
        });
        let on = on.collect();
        let builder = self.join.builder().with_new_children(vec![self.join.left().clone(), Arc::new(first)])?;
        builder.with_on(on).with_projection(None).recompute_properties().build_exec()
    }
}

#[cfg(test)]
mod tests;
