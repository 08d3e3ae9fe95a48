-- What requests with an Idempotency-Key did: a row is written by the transaction of the effect, so there is none for
-- work that was never committed. It holds the answer, or, until there is one, what the work goes on with: whatever
-- ends without success takes its row along.

CREATE TABLE idempotency (
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    -- A lineage of keys, or the negative of a user's id.
    owner INTEGER NOT NULL,
    path TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created_at INTEGER NOT NULL,
    run_id INTEGER REFERENCES runs (id) ON DELETE CASCADE,
    source_id INTEGER REFERENCES sources (id) ON DELETE CASCADE,
    status INTEGER,
    body BLOB,
    PRIMARY KEY (org_id, owner, path, key),
    CHECK ((run_id IS NOT NULL) + (source_id IS NOT NULL) + (status IS NOT NULL AND body IS NOT NULL) = 1)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX idempotency_by_run ON idempotency (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX idempotency_by_source ON idempotency (source_id) WHERE source_id IS NOT NULL;
