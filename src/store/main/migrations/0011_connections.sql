-- Sources that are elsewhere: where, how they are opened (sealed), when they are read again, and what came of it.

ALTER TABLE sources ADD COLUMN source_kind TEXT NOT NULL DEFAULT 'file'
    CHECK (source_kind IN ('file', 'url', 'sqlite', 'postgres', 'mysql'));
ALTER TABLE sources DROP COLUMN kind;
ALTER TABLE sources RENAME COLUMN source_kind TO kind;
ALTER TABLE sources ADD COLUMN mode TEXT NOT NULL DEFAULT 'extract' CHECK (mode IN ('extract', 'live'));
-- JSON without secrets; none of files.
ALTER TABLE sources ADD COLUMN connection TEXT;
ALTER TABLE sources ADD COLUMN secret BLOB;
-- JSON of what the connector wants to know the next time, such as the tag of a file.
ALTER TABLE sources ADD COLUMN state TEXT;
ALTER TABLE sources ADD COLUMN schedule TEXT;
ALTER TABLE sources ADD COLUMN time_zone TEXT CHECK ((schedule IS NULL) = (time_zone IS NULL));
ALTER TABLE sources ADD COLUMN next_sync_at INTEGER;
CREATE INDEX sources_by_next_sync ON sources (next_sync_at) WHERE next_sync_at IS NOT NULL;

CREATE TABLE syncs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    source_id INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    "trigger" TEXT NOT NULL CHECK ("trigger" IN ('create', 'api', 'cli', 'schedule')),
    status TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    attempt INTEGER NOT NULL,
    unchanged INTEGER NOT NULL DEFAULT 0,
    "rows" INTEGER,
    bytes INTEGER,
    code TEXT,
    reason TEXT CHECK ((code IS NULL) = (reason IS NULL)),
    -- The server or command that it goes on in.
    boot TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX syncs_by_source ON syncs (source_id, id);
-- One at a time.
CREATE UNIQUE INDEX syncs_running ON syncs (source_id) WHERE status = 'running';
