-- What people say of tables and columns, by the names that these have in their source: it holds for each new extract.

CREATE TABLE catalog (
    id INTEGER PRIMARY KEY,
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    source_id INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    "table" TEXT NOT NULL,
    -- None where the table itself is meant.
    "column" TEXT,
    -- In queries, where that is not its own.
    name TEXT,
    description TEXT,
    hidden INTEGER NOT NULL CHECK (hidden IN (0, 1))
) STRICT;
CREATE INDEX catalog_by_source ON catalog (source_id, "table");

-- Why the last time of a schedule was passed over, as a code.
ALTER TABLE sources ADD COLUMN paused TEXT;

-- Tables say when their data came, now that those of one source come at different times.
UPDATE sources SET tables = (
    SELECT json_group_array(json_set(value, '$.loaded_at', strftime('%Y-%m-%dT%H:%M:%SZ', last_synced_at / 1000, 'unixepoch'))
        ORDER BY key) FROM json_each(sources.tables)
) WHERE last_synced_at IS NOT NULL AND tables <> '[]';
