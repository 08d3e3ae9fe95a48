-- How users stand, the one-time links by which they choose a password, and the sandbox of an organisation.

DROP TRIGGER users_access;
ALTER TABLE users ADD COLUMN status TEXT NOT NULL DEFAULT 'active'
    CHECK (status IN ('invited', 'active', 'deactivated', 'removed'));
UPDATE users SET status = 'deactivated' WHERE active = 0;
ALTER TABLE users DROP COLUMN active;
CREATE TRIGGER users_access AFTER UPDATE OF org_id, email, first_name, last_name, role, status, password ON users
BEGIN UPDATE access_version SET version = version + 1; END;

-- At most one for each user: a new one takes the place of the one before. The token itself is nowhere.
CREATE TABLE links (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    purpose TEXT NOT NULL CHECK (purpose IN ('invitation', 'reset')),
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Members of the parent are members of its sandbox, with the same role.
ALTER TABLE organizations ADD COLUMN parent_id INTEGER REFERENCES organizations (id);
CREATE UNIQUE INDEX organizations_by_parent ON organizations (parent_id) WHERE parent_id IS NOT NULL;

-- The organisation that a session acts in: its user's own, or that one's sandbox.
ALTER TABLE sessions ADD COLUMN acts_in INTEGER REFERENCES organizations (id);
UPDATE sessions SET acts_in = (SELECT u.org_id FROM users u WHERE u.id = user_id);
CREATE VIEW sessions_of_people AS
    SELECT s.id, s.uuid, s.user_id, s.acts_in, s.created_at, s.expires_at, s.revoked_at, u.org_id
    FROM sessions s JOIN users u ON u.id = s.user_id;
