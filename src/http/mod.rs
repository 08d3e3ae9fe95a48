//! The HTTP side of the house: connections, the edge, the three faces, and what is embedded for browsers.

pub mod assets;
pub mod listener;
