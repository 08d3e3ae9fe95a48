//! The sandbox: a server with data and dashboards worth looking at, made anew by one command.

pub mod acme;
pub mod showcase;
