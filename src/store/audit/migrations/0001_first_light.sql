-- The chain of calls and events. `entry` is what was hashed, as it was hashed; the other columns are taken from
-- it for filters. Every call pays for each index, so an index comes with the query that needs it. `request` is the
-- request id of a call, and the first half of the digest of an adopted change.
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    org_id INTEGER,
    lineage_id INTEGER,
    operation TEXT,
    status INTEGER,
    request BLOB,
    entry BLOB NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX entries_by_lineage ON entries (lineage_id, seq) WHERE lineage_id IS NOT NULL;
CREATE UNIQUE INDEX entries_by_request ON entries (request) WHERE request IS NOT NULL;

-- Facts about the use of each key, kept by the writer of the chain and never on a request's path.
CREATE TABLE key_usage (
    key_id INTEGER PRIMARY KEY,
    calls INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    last_operation TEXT NOT NULL,
    last_address TEXT NOT NULL
) STRICT;

-- Calls of each organisation by the hour (milliseconds since the epoch, divided by 3,600,000).
CREATE TABLE org_hours (
    org_id INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (org_id, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
