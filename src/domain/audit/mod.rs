//! The audit log: what an entry says, how entries are chained, signed and summed up for searching. Appending, reading
//! and keeping them is the store's.

pub mod admissions;
pub mod chain;
pub mod checkpoint;
pub mod clip;
pub mod entry;
pub mod filter;
pub mod flood;
pub mod kind;
pub mod latency;
pub mod summary;
mod wire;

pub use admissions::{Admissions, Admitted};
pub use chain::{GENESIS, Hash, Verifier};
pub use checkpoint::{Checkpoint, CheckpointKind, Signed, Signer};
pub use entry::{Call, Entry, Event};
pub use filter::Filter;
pub use flood::Flood;
pub use kind::{Method, Outcome};
pub use summary::{Filling, Summary};
