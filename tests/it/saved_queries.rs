//! Saved queries: kept under a name, run by it, their results cached.
