-- The admitted requests of each caller (a lineage of keys, or a session as the negative of its id), for its windows after
-- a restart: about one row a second in which it came, with the requests of the entries up to `last`. `newest` is the
-- limiter's instant of the newest, in milliseconds. This takes the place of an index of all entries by caller, which
-- cost each call a page of its own when many callers came in turns.
CREATE TABLE admissions (
    lineage_id INTEGER NOT NULL,
    last INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    requests BLOB NOT NULL,
    PRIMARY KEY (lineage_id, last)
) STRICT, WITHOUT ROWID;
-- What is past its time.
CREATE INDEX admissions_by_newest ON admissions (newest);
DROP INDEX entries_by_lineage;

-- A call is found by the instant that its request id begins with; only of events, which are few, the half digest is
-- looked up.
DROP INDEX entries_by_request;
CREATE UNIQUE INDEX entries_by_adoption ON entries (request) WHERE request IS NOT NULL AND status IS NULL;
CREATE INDEX blocks_by_time ON blocks (newest, oldest);
