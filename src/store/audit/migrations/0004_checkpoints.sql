-- Signed hashes of the chain: where it ended at a time (`head`), and what may be gone (`seal`).
CREATE TABLE checkpoints (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('head', 'seal')),
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (seq, kind)
) STRICT, WITHOUT ROWID;

-- What is in each whole block of entries, for searching: see `domain::audit::summary`. Made by the writer of the chain,
-- and made anew from it for what an earlier version wrote.
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    facts BLOB NOT NULL
) STRICT;
