//! How far the reading of a database is: tables that are done, and rows of the one at hand.

use super::fault::Fault;
use crate::engine::control::Control;

/// The progress of a job.
pub struct Progress<'a> {
    control: &'a Control,
    tables: usize,
    done: usize,
    /// Rows of the tables that are done.
    rows: u64,
}

impl<'a> Progress<'a> {
    /// Of so many tables none is read.
    pub fn new(control: &'a Control, tables: usize) -> Self {
        Self { control, tables: tables.max(1), done: 0, rows: 0 }
    }

    /// Tells that so many rows of about that many were read, and fails when the job has to stop.
    #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
    pub fn tell(&self, rows: u64, expected: Option<u64>) -> Result<(), Fault> {
        self.control.check()?;
        let part = expected.filter(|expected| *expected > 0).map_or(0.5, |expected| rows as f64 / expected as f64);
        let fraction = (self.done as f64 + part.min(0.99)) / self.tables as f64;
        self.control.progress(fraction, self.rows + rows);
        Ok(())
    }

    /// The next table.
    pub fn next(&mut self, rows: u64) {
        self.done += 1;
        self.rows += rows;
    }

    /// Rows of the tables that are done.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}
