//! What leaves the server for other machines. Each connection goes to an address that was resolved here.

pub mod redis;
