//! How a database would answer a query, in its own words: nothing is asked of it but that.
//!
//! It is told of the same statement, in the same transaction, as [`super::ask()`] would send.

use std::time::Duration;

use super::fault::Fault;
use super::target::Target;
use super::{Question, guarded, names, open};
use crate::domain::result::Column;
use crate::engine::control::Control;
use crate::engine::threads::Hands;
use crate::worker::protocol::{ExplainLiveJob, Explained, Failure};

/// The longest plan that is told, in bytes.
const LONGEST: usize = 256 << 10;

/// The lines of a plan, up to [`LONGEST`].
#[derive(Default)]
pub struct Lines {
    lines: Vec<String>,
    bytes: usize,
    is_cut: bool,
}

impl Lines {
    /// Adds a line. Tells whether there is room for another.
    pub fn push(&mut self, line: String) -> bool {
        self.bytes += line.len() + 1;
        self.is_cut |= self.bytes > LONGEST;
        if !self.is_cut {
            self.lines.push(line);
        }
        !self.is_cut
    }
}

/// Has the database tell how it would answer the query.
pub fn explain(job: ExplainLiveJob, hands: &Hands, control: &Control) -> Result<Explained, Failure> {
    let control = control.within(Duration::from_millis(job.limits.millis));
    guarded(|| tell(job, hands, &control)).map_err(Fault::of_query)
}

fn tell(job: ExplainLiveJob, hands: &Hands, control: &Control) -> Result<Explained, Fault> {
    let ExplainLiveJob { database, sql, parameters, limits, scratch } = job;
    let mut connector = open(&database, &scratch, hands, control)?;
    let described = connector.ask(Question { sql, values: parameters, rows: limits.rows })?;
    let columns = names(&described)?.into_iter().zip(&described.columns).map(|(name, (_, target))| {
        let kind = if *target == Target::Nothing { connector.unmeasured() } else { target.column_type() };
        Column { name, kind }
    });
    let columns = columns.collect();
    let mut told = Lines::default();
    connector.plan(&described, &mut told)?;
    Ok(Explained { columns, reads: Vec::new(), plan: told.lines, is_cut: told.is_cut })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_while_there_is_room() {
        let mut told = Lines::default();
        assert!(told.push("x".repeat(LONGEST - 3)) && told.push("y".to_owned()));
        assert!(!told.push(String::new()) && told.is_cut);
        assert_eq!(told.lines.len(), 2);
    }
}
