//! The tables of `claribi.db`, a file each. Every function names its organisation, except those of `instance`
//! and the purge of `idempotency`.

pub mod access;
pub mod catalog;
pub mod changes;
pub mod connections;
pub mod credits;
pub mod dashboards;
pub mod idempotency;
pub mod instance;
pub mod keys;
pub mod ledger;
pub mod links;
pub mod logins;
pub mod reports;
pub mod runs;
pub mod saved_queries;
pub mod sessions;
pub mod sources;
pub mod syncs;
pub mod templates;
pub mod users;
