//! claribi, a self-hosted BI API in one binary.

pub mod domain;
pub mod engine;
pub mod worker;
