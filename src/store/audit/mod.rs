//! The tables of `audit.db`: rows are appended by one thread and read by anyone.

pub mod admissions;
pub mod appender;
pub mod blocks;
pub mod checkpoints;
pub mod entries;
mod floods;
pub mod requests;
pub mod search;
pub(in crate::store) mod tally;
pub mod usage;
pub mod verify;
