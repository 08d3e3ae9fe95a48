-- Orders of the lists that grow large. The order of creation is that of the ids, which `…_by_org` has.

CREATE INDEX dashboards_by_update ON dashboards (org_id, updated_at, id);
CREATE INDEX dashboards_by_name ON dashboards (org_id, name COLLATE NOCASE, id);
CREATE INDEX reports_by_update ON reports (org_id, updated_at, id);
CREATE INDEX reports_by_name ON reports (org_id, name COLLATE NOCASE, id);
