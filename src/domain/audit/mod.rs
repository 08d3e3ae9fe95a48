//! The audit log: what an entry says and how entries are chained. Appending, reading and keeping them is the store's.

pub mod chain;
pub mod entry;
pub mod kind;
pub mod latency;
mod wire;

pub use chain::{GENESIS, Hash, Verifier};
pub use entry::{Call, Entry, Event};
pub use kind::{Method, Outcome};
