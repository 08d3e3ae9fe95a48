//! The promises of the product, each tested over HTTP against a whole installation.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod actors;
mod answer;
mod tools;
mod world;

mod account;
mod audit;
mod bad_input;
mod binary;
mod clients;
mod compression;
mod conditional;
mod cors;
mod coverage;
mod dashboards;
mod documented;
mod duplicates;
mod edge;
mod errors;
mod fuzzed;
mod isolation;
mod keys;
mod known;
mod limits;
mod lists;
mod logins;
mod metrics;
mod once;
mod openapi;
mod paging;
mod paging_property;
mod plans;
mod queries;
mod ranges;
mod readme;
mod refusals;
mod reports;
mod sandbox;
mod setup;
mod sources;
mod tidy;
mod tokens;
mod transport;
