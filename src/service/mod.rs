//! Use cases, one file per resource. Each takes `&Caller` first and asks for its permission on its first line; one
//! that writes is one `store.write` closure, all or nothing.

pub mod access;
pub mod adopt;
pub mod app;
pub mod audit;
pub mod caller;
mod compose;
pub mod conditions;
pub mod dashboards;
pub mod downloads;
mod effort;
pub mod estimates;
pub mod explain;
pub mod exposure;
pub mod keys;
pub mod limits;
pub mod links;
pub mod load;
mod logins;
pub mod once;
pub mod organizations;
pub mod paging;
pub mod people;
pub mod profile;
pub mod query;
pub mod reports;
mod results;
pub mod running;
pub mod runs;
pub mod sandbox;
pub mod saved_queries;
pub mod sessions;
pub mod setup;
pub mod setup_link;
pub mod sources;
pub mod usage;
pub mod users;
