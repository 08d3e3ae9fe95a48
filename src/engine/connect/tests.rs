//! Files of SQLite become extracts; servers are tried in `tests/it`.
