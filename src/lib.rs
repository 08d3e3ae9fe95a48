//! claribi, a self-hosted BI API in one binary.

pub mod cli;
pub mod config;
pub mod datadir;
pub mod domain;
pub mod engine;
pub mod http;
pub mod jobs;
pub mod keyring;
mod memory;
pub mod outbound;
pub mod render;
pub mod service;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod worker;
