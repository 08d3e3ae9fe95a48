//! Where data comes from when it is elsewhere, and what opens it, on the wire.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::connection::{self, Credentials, SecretText};

/// Where data is: `url`, with `file`, of a file on the web; `path`, with `file`, of a file of the server's machine; `path` of a SQLite file; `host`, `port`, `database`, `user`,
/// `tls` and `authority` of a database server; and `tables`, `queries` and `cursor` of all databases. Everybody who may read
/// data sources sees it.
#[derive(Debug, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(skip_serializing_if_is_none)]
pub struct Connection {
    /// `https://` or `http://`, without user and password. The values of its query are sealed like a `secret`, and shown as
    /// `***`; a URL that is sent with these masks keeps them, as long as the names and the server are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 4000))]
    url: Option<String>,
    /// What the file is called, which names its table; the last part of its path by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 200))]
    file: Option<String>,
    /// A file or a SQLite file of the server's machine, by its whole path: below the directories that the operator opened in
    /// `sources.allowed_dirs`. Links are followed when it is named, and not again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 1000))]
    path: Option<String>,
    /// The name or address of a database server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 255))]
    host: Option<String>,
    /// Its port; 5432 for `postgres` and 3306 for `mysql` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(minimum(value = "1"), maximum(value = "65535")))]
    port: Option<u16>,
    /// The database on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 1000))]
    database: Option<String>,
    /// Who reads there; the password goes into `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 1000))]
    user: Option<String>,
    /// How the connection to it is protected; `verify` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
    /// Certificates in PEM that its own is checked by, instead of those that the server's machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(min_length = 1, max_length = 100000))]
    authority: Option<String>,
    /// The tables to read, `name` or `schema.name`; all that the user may read unless tables or queries
    /// are named; more than 500 have to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(validator(max_items = 1000))]
    tables: Option<Vec<String>>,
    /// Queries in the database's own SQL, by the name of the table that each becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queries: Option<BTreeMap<String, String>>,
    /// By table or query, a column that only grows: later syncs read the rows from its greatest value on, and those that
    /// have none, and add them to what is there. Other rows that are changed or deleted meanwhile, or that come later
    /// with a smaller value, are not seen; after a change of `connection` everything is read anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<BTreeMap<String, String>>,
}

/// How the connection to a database server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, and the server's certificate is one for its name.
    Verify,
}

impl Connection {
    /// The fields, as the domain reads them.
    pub fn fields(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Of a source that has one.
    pub fn of(connection: &connection::Connection) -> Option<Self> {
        serde_json::from_value(connection.shown()).ok()
    }
}

/// What opens a data source. It is kept sealed and never shown.
// Without `Debug`: it has secrets.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// Of a URL: headers that are sent to its own origin, and to no other that it redirects to; 20 at most.
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    /// Of a database server: the password of its user.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 4000))]
    password: Option<String>,
}

impl NewSecret {
    /// As the domain has it.
    pub fn read(self) -> Credentials {
        let headers = self.headers.unwrap_or_default().into_iter();
        let headers = headers.map(|(name, value)| (name, SecretText::new(value))).collect();
        Credentials { password: self.password.map(SecretText::new), headers, query: None }
    }
}
