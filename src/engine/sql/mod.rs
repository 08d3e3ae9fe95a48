//! Read-only SQL over extracts: what may be asked, who sees which tables, what it may cost, and how results are
//! written.
//!
//! The walls, in the order a query meets them: [`guard`] takes exactly one query and nothing else; [`session`] holds
//! the caller's tables alone, and the functions of [`functions`] alone; the plan is verified once more; memory, spill,
//! rows, bytes and time are limited; and no error leaves but through [`errors`].

mod checked;
mod eager;
pub mod encode;
mod errors;
pub mod explain;
mod functions;
mod guard;
mod listing;
mod names;
mod parameters;
mod peers;
pub mod query;
pub mod refresh;
pub mod session;
pub mod value;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
