//! What leaves the server for other machines. Each connection goes to an address that was resolved here.

mod authorities;
pub mod client;
pub mod guard;
pub mod redis;
pub mod resolve;
