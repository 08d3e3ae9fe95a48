-- The ledger tells of each entry what it was for, who wanted it, and what was left after it. It only grows, and no
-- balance falls below zero, whatever a program asks for.
INSERT INTO ledger (at, org_id, kind, amount)
    SELECT month, org_id, 'grant', used + reserved - granted FROM balances WHERE granted < used + reserved;
UPDATE balances SET granted = max(granted, used + reserved);

CREATE TABLE new_ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id INTEGER NOT NULL REFERENCES organizations (id),
    created_at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'reserve', 'settle', 'refund', 'expire')),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    balance INTEGER NOT NULL,
    reservation TEXT,
    operation TEXT,
    user_id INTEGER,
    key_id INTEGER,
    run_id INTEGER,
    dashboard_id INTEGER,
    operator TEXT
) STRICT;
INSERT INTO new_ledger (id, org_id, created_at, kind, amount, balance, reservation, operation, user_id, key_id)
    SELECT id, org_id, at, kind, amount,
        sum(CASE WHEN kind IN ('grant', 'refund') THEN amount WHEN kind = 'settle' THEN 0 ELSE -amount END)
            OVER (PARTITION BY org_id ORDER BY id),
        reservation, operation, user_id, key_id
    FROM ledger ORDER BY id;
DROP TABLE ledger;
ALTER TABLE new_ledger RENAME TO ledger;
CREATE INDEX ledger_by_org ON ledger (org_id, id);
CREATE INDEX ledger_by_reservation ON ledger (reservation) WHERE reservation IS NOT NULL;
-- What was spent, by time.
CREATE INDEX ledger_settled ON ledger (org_id, created_at) WHERE kind = 'settle';
CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE ON ledger BEGIN
    SELECT raise(ABORT, 'the ledger only grows');
END;
CREATE TRIGGER ledger_is_not_shortened BEFORE DELETE ON ledger BEGIN
    SELECT raise(ABORT, 'the ledger only grows');
END;

CREATE TABLE new_balances (
    org_id INTEGER PRIMARY KEY REFERENCES organizations (id),
    month INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    used INTEGER NOT NULL CHECK (used >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    CHECK (granted - used - reserved >= 0)
) STRICT;
INSERT INTO new_balances SELECT org_id, month, granted, used, reserved FROM balances;
DROP TABLE balances;
ALTER TABLE new_balances RENAME TO balances;
