-- Calls of nobody known that leave no entry each, by network, as long as their count is no entry: what `kill -9` must not
-- lose. Written in the commits of entries; when a minute is over its counts become entries and leave this table.
CREATE TABLE floods (
    network TEXT PRIMARY KEY,
    flood BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What is written to a file that could not be written, to see whether it can be again. Empty otherwise.
CREATE TABLE trials (
    id INTEGER PRIMARY KEY,
    filling BLOB NOT NULL
) STRICT;
