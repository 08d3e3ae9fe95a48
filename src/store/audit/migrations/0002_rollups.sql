-- Calls by key and operation, summed over minutes, hours and days (`span`: 60, 3600 or 86400 seconds, beginning at
-- `start`, seconds since the epoch). What belongs to nobody known stands under 0. The writer of the chain keeps these
-- in memory and brings them here about once a second; the mark `tallied` is the last entry that is in them.
CREATE TABLE rollups (
    org_id INTEGER NOT NULL,
    span INTEGER NOT NULL CHECK (span IN (60, 3600, 86400)),
    start INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    operation TEXT NOT NULL,
    ok INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    limited INTEGER NOT NULL,
    client INTEGER NOT NULL,
    server INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    latency BLOB NOT NULL,
    PRIMARY KEY (org_id, span, start, key_id, operation)
) STRICT, WITHOUT ROWID;

-- Made anew from the chain: an earlier version counted otherwise.
DROP TABLE org_hours;
DELETE FROM key_usage;
