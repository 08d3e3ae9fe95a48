-- The life of keys: rotation, limits of their own, reminders.

-- A key has one successor at most. Until `grace_until` the older of the two works too.
ALTER TABLE api_keys ADD COLUMN predecessor_id INTEGER REFERENCES api_keys (id);
ALTER TABLE api_keys ADD COLUMN grace_until INTEGER;
ALTER TABLE api_keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
ALTER TABLE api_keys ADD COLUMN reminder_days INTEGER CHECK (reminder_days IN (30, 60, 90));
ALTER TABLE api_keys ADD COLUMN reminder_at INTEGER CHECK ((reminder_at IS NULL) = (reminder_days IS NULL));
CREATE UNIQUE INDEX api_keys_by_predecessor ON api_keys (predecessor_id) WHERE predecessor_id IS NOT NULL;
CREATE INDEX api_keys_by_lineage ON api_keys (lineage_id);

-- What is cached of a key is its name too, which can be changed now.
DROP TRIGGER keys_access;
CREATE TRIGGER keys_access AFTER UPDATE OF user_id, lineage_id, name, environment, scope, permissions, salt, mac,
    pepper_id, allowlist, expires_at, revoked_at, grace_until, limits ON api_keys
BEGIN UPDATE access_version SET version = version + 1; END;
