//! claribi, a self-hosted BI API in one binary.

pub mod config;
pub mod domain;
pub mod store;
pub mod worker;
