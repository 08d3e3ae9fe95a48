-- Everything that `claribi.db` holds in the first version. Ids are never reused (AUTOINCREMENT); times are
-- milliseconds since the epoch; uuids are 16 bytes.

CREATE TABLE access_version (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO access_version VALUES (1, 1);

CREATE TABLE organizations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('live', 'sandbox')),
    plan TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'administrator', 'analyst', 'viewer')),
    password TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_org ON users (org_id, id);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    lineage_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    public TEXT NOT NULL UNIQUE CHECK (length(public) = 8),
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    scope TEXT CHECK (scope IN ('read-only', 'read-write')),
    permissions INTEGER NOT NULL,
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    pepper_id INTEGER NOT NULL,
    allowlist TEXT NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    revoke_reason TEXT
) STRICT;
CREATE INDEX api_keys_by_owner ON api_keys (org_id, user_id, id);

-- Whatever decides access raises the version, so that no code path can forget it. Inserts do not: nothing
-- negative is ever cached.
CREATE TRIGGER keys_access AFTER UPDATE OF user_id, environment, scope, permissions, salt, mac, pepper_id, allowlist,
    expires_at, revoked_at ON api_keys
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER keys_gone AFTER DELETE ON api_keys
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER users_access AFTER UPDATE OF org_id, email, role, active, password ON users
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER users_gone AFTER DELETE ON users
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER sessions_access AFTER UPDATE OF expires_at, revoked_at ON sessions
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER sessions_gone AFTER DELETE ON sessions
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER organizations_access AFTER UPDATE OF kind, plan, name ON organizations
BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER organizations_gone AFTER DELETE ON organizations
BEGIN UPDATE access_version SET version = version + 1; END;

CREATE TABLE sources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file')),
    status TEXT NOT NULL CHECK (status IN ('syncing', 'active', 'error')),
    error TEXT,
    extract BLOB CHECK (extract IS NULL OR length(extract) = 16),
    tables TEXT NOT NULL DEFAULT '[]',
    boot TEXT,
    last_synced_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    UNIQUE (org_id, slug)
) STRICT;

CREATE TABLE dashboards (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    refreshed_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX dashboards_by_org ON dashboards (org_id, id);

CREATE TABLE widgets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL,
    dashboard_id INTEGER NOT NULL REFERENCES dashboards (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    source_id INTEGER REFERENCES sources (id) ON DELETE SET NULL,
    sql TEXT NOT NULL,
    target REAL,
    format TEXT NOT NULL,
    position TEXT,
    data TEXT,
    svg TEXT,
    error TEXT
) STRICT;
CREATE INDEX widgets_by_dashboard ON widgets (dashboard_id, place);
CREATE INDEX widgets_by_source ON widgets (source_id);

CREATE TABLE report_templates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('profile', 'dashboard')),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX report_templates_by_org ON report_templates (org_id, id);

CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    template_id INTEGER NOT NULL REFERENCES report_templates (id),
    dashboard_id INTEGER REFERENCES dashboards (id) ON DELETE SET NULL,
    format TEXT NOT NULL CHECK (format IN ('pdf', 'csv', 'json')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX reports_by_org ON reports (org_id, id);
CREATE INDEX reports_by_dashboard ON reports (dashboard_id);

CREATE TABLE report_sources (
    report_id INTEGER NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    source_id INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    PRIMARY KEY (report_id, place)
) STRICT;
CREATE INDEX report_sources_by_source ON report_sources (source_id);

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    report_id INTEGER NOT NULL REFERENCES reports (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id),
    key_id INTEGER,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed')),
    format TEXT NOT NULL CHECK (format IN ('pdf', 'csv', 'json')),
    attempt INTEGER NOT NULL DEFAULT 0,
    boot TEXT,
    reserved INTEGER NOT NULL,
    credits INTEGER,
    error_code TEXT,
    error_message TEXT,
    file_bytes INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
) STRICT;
CREATE INDEX runs_by_report ON runs (report_id, id);
CREATE INDEX runs_open ON runs (id) WHERE status IN ('queued', 'running');

-- Credits: the ledger only grows; the balance is its sum in the present month, kept beside it.
CREATE TABLE balances (
    org_id INTEGER PRIMARY KEY REFERENCES organizations (id),
    month INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    used INTEGER NOT NULL,
    reserved INTEGER NOT NULL CHECK (reserved >= 0)
) STRICT;

CREATE TABLE ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'reserve', 'settle', 'refund', 'expire')),
    amount INTEGER NOT NULL,
    reservation TEXT,
    operation TEXT,
    user_id INTEGER,
    key_id INTEGER
) STRICT;
CREATE INDEX ledger_by_org ON ledger (org_id, id);
CREATE INDEX ledger_by_reservation ON ledger (reservation) WHERE reservation IS NOT NULL;

-- What is reserved now, so that a crash between reserve and settle can be repaired.
CREATE TABLE reservations (
    reservation TEXT PRIMARY KEY,
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    amount INTEGER NOT NULL,
    boot TEXT NOT NULL,
    run_id INTEGER
) STRICT;

CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    org_id INTEGER,
    origin TEXT NOT NULL CHECK (origin IN ('api', 'cli', 'job')),
    actor TEXT NOT NULL,
    request BLOB,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before TEXT,
    after TEXT,
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
