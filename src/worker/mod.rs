//! The worker: a child process of the same binary in which queries, parsing and rendering run.
//!
//! The server holds a [`pool`]; `cli/worker` calls the [`child`]. Neither side trusts the other's process to live.

pub mod child;
pub mod lane;
mod metronome;
pub mod pool;
pub mod protocol;
pub mod sandbox;
