//! The tables of `audit.db`: rows are appended by one thread and read by anyone.

pub mod appender;
pub mod entries;
pub(in crate::store) mod tally;
pub mod usage;
