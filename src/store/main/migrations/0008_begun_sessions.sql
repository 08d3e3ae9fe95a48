-- From where, and with which program, a session was begun: by that its user recognises it. Older ones have neither.

ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
DROP VIEW sessions_of_people;
CREATE VIEW sessions_of_people AS
    SELECT s.id, s.uuid, s.user_id, s.acts_in, s.created_at, s.expires_at, s.revoked_at, s.address, s.user_agent, u.org_id
    FROM sessions s JOIN users u ON u.id = s.user_id;
