//! claribi, a self-hosted BI API in one binary.

pub mod domain;
pub mod render;
pub mod worker;
