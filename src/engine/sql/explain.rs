//! What a query would do: its plan, settled and optimised, and never run.
//!
//! It is the logical plan that is told. A physical one names files; of this one the tables are outlines, which have the
//! columns that queries see and nothing below them, so neither paths nor the names of what is hidden can be in it.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;

use super::query::hinted;
use super::session::Engine;
use crate::engine::control::Control;
use crate::worker::protocol::{ExplainJob, Explained, Failure, TableRead};

/// The longest plan that is told, in bytes: that of a query which repeats itself can be far longer than its text.
const LONGEST: usize = 256 << 10;

/// Plans the query and tells how it would run.
pub async fn run(engine: Arc<Engine>, job: ExplainJob, control: &Control) -> Result<Explained, Failure> {
    let control = control.within(Duration::from_millis(job.limits.millis));
    let (sql, live) = (job.sql.clone(), job.live.clone());
    let hands = engine.hands.clone();
    let told = hands.run(async move { tell(&engine, &job).await }, control.stopped()).await;
    told.map_err(|failure| hinted(failure, &sql, &live))
}

async fn tell(engine: &Engine, job: &ExplainJob) -> Result<Explained, Failure> {
    let session = engine.outline(&job.tables, job.source.as_deref(), &job.limits).await?;
    let (plan, columns) = session.optimized(&job.sql, &job.parameters, job.limits.rows).await?;
    let reads = reads(&plan, job.source.as_deref()).map_err(|error| session.failure(&error))?;
    let mut text = Clipped::default();
    // It fails where the text is cut, and nowhere else.
    let is_cut = write!(text, "{}", plan.display_indent()).is_err();
    Ok(Explained { columns, reads, plan: text.0.lines().map(str::to_owned).collect(), is_cut })
}

/// The tables below a plan, each with all that is read of it.
fn reads(plan: &LogicalPlan, source: Option<&str>) -> Result<Vec<TableRead>, DataFusionError> {
    let mut reads: Vec<TableRead> = Vec::new();
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(TreeNodeRecursion::Continue) };
        // What a recursive query has so far is scanned too, and is no table, though it may be called as one.
        if source_as_provider(&scan.source)?.downcast_ref::<EmptyTable>().is_none() {
            return Ok(TreeNodeRecursion::Continue);
        }
        let columns = scan.projected_schema.fields().iter().map(|field| field.name().clone());
        let (slug, table) = named(&scan.table_name, source);
        let known = reads.iter().position(|read| (read.source.as_str(), read.table.as_str()) == (slug, table));
        let index = known.unwrap_or_else(|| {
            reads.push(TableRead { source: slug.to_owned(), table: table.to_owned(), columns: Vec::new() });
            reads.len() - 1
        });
        for column in columns {
            if !reads[index].columns.contains(&column) {
                reads[index].columns.push(column);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reads)
}

fn named<'a>(table: &'a TableReference, source: Option<&'a str>) -> (&'a str, &'a str) {
    (table.schema().or(source).unwrap_or_default(), table.table())
}

/// Text up to [`LONGEST`], at which writing fails.
#[derive(Default)]
struct Clipped(String);

impl Write for Clipped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_says_so() {
        let mut text = Clipped("x".repeat(LONGEST - 1));
        assert!(text.write_str("").is_ok() && text.write_str("ä").is_err());
        assert_eq!(text.0.len(), LONGEST - 1);
        assert!(text.write_str("a").is_ok() && text.write_str("b").is_err());
    }
}
