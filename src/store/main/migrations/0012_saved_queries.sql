-- Queries that are kept: run by their name, their results cached.
CREATE TABLE saved_queries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- One that is gone is named on: ids are never given again, and the query says what it lacks.
    source_id INTEGER,
    source_uuid BLOB CHECK ((source_id IS NULL) = (source_uuid IS NULL)),
    -- SQL, or JSON of a query of parts.
    sql TEXT,
    parts TEXT CHECK ((sql IS NULL) <> (parts IS NULL)),
    row_limit INTEGER,
    -- JSON of what stands for `$1`, `$2`, …
    parameters TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX saved_queries_by_org ON saved_queries (org_id, id);
CREATE INDEX saved_queries_by_update ON saved_queries (org_id, updated_at, id);
CREATE INDEX saved_queries_by_name ON saved_queries (org_id, name COLLATE NOCASE, id);
