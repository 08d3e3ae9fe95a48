-- Changes are looked up by what the audit log carries of them.
CREATE INDEX changes_by_digest ON changes (digest);
