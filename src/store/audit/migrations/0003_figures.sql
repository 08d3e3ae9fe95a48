-- Calls by key, user and operation, summed over minutes, hours and days (`span`: 60, 3600 or 86400 seconds, beginning at
-- `start`, seconds since the epoch). What belongs to nobody known stands under 0; calls without a key stand under the key
-- 0 by user. Under the key -1 stands each organisation's sum over all keys and users, so that it is read as fast as one
-- key's. The writer of the chain keeps these in memory and brings them here about once a second; the mark `tallied` is
-- the last entry that is in them. Made anew from the chain: an earlier version did not count by user.
DROP TABLE rollups;
CREATE TABLE rollups (
    org_id INTEGER NOT NULL,
    span INTEGER NOT NULL CHECK (span IN (60, 3600, 86400)),
    key_id INTEGER NOT NULL,
    start INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
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
    PRIMARY KEY (org_id, span, key_id, start, user_id, operation)
) STRICT, WITHOUT ROWID;
-- What is past its time.
CREATE INDEX rollups_by_start ON rollups (span, start);
DELETE FROM key_usage;
DELETE FROM marks WHERE name = 'tallied';
