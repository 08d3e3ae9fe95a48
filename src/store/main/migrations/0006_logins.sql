-- What login protection remembers. Accounts are keyed hashes of what was typed, whether there is such a user or not;
-- networks are 4 bytes of IPv4 or 8 of IPv6. Rows go when their time is over.

CREATE TABLE login_failures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL CHECK (length(account) = 16),
    network BLOB NOT NULL CHECK (length(network) IN (4, 8)),
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX login_failures_by_account ON login_failures (account, at);
CREATE INDEX login_failures_by_network ON login_failures (network, at);
CREATE INDEX login_failures_by_age ON login_failures (at);

-- From where each account was logged into.
CREATE TABLE login_networks (
    account BLOB NOT NULL CHECK (length(account) = 16),
    network BLOB NOT NULL CHECK (length(network) IN (4, 8)),
    at INTEGER NOT NULL,
    PRIMARY KEY (account, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_networks_by_age ON login_networks (at);
