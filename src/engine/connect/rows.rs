//! Where a connector puts the rows that it reads.

use std::ops::ControlFlow;

use super::fault::Fault;
use super::notes::Note;
use super::target::Cell;

/// Receives rows cell by cell.
pub trait Rows {
    /// Puts in the next cell of a row.
    fn cell(&mut self, index: usize, cell: Cell<'_>);

    /// Puts in a cell that is not what the database has.
    fn changed(&mut self, index: usize, note: Note, cell: Cell<'_>);

    /// Puts in text of which nobody promised that it is Unicode.
    fn text(&mut self, index: usize, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.cell(index, Cell::Text(text)),
            Err(_) => self.changed(index, Note::NotUnicode, Cell::Text(&String::from_utf8_lossy(bytes))),
        }
    }

    /// Ends a row that every column has a cell of. Breaks where no further one is wanted.
    fn end_row(&mut self) -> Result<ControlFlow<()>, Fault>;
}
