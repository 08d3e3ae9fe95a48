//! What a source is read with and nobody is shown: a password, or headers. Written once, by whoever sets it; it leaves the
//! server only towards the source.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::Kind;
use crate::domain::error::{Error, Result};

/// A text that is never printed. It can be written to where it is sealed, or to a worker.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Of this text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretText(…)")
    }
}

/// What opens a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Of a database's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// Headers that are sent along to a URL's own origin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretText>,
    /// What a URL asks with: its query and fragment, from their `?` or `#` on. Part of the URL for who sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<SecretText>,
}

/// Headers that belong to the connection and not to who uses it.
const RESERVED: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Credentials {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.password.is_none() && self.headers.is_empty() && self.query.is_none()
    }

    /// Checks that a source of this kind can use them.
    ///
    /// # Errors
    /// Names the field and never what is in it.
    pub fn check(&self, kind: Kind) -> Result<()> {
        let is_server = matches!(kind, Kind::Postgres | Kind::Mysql);
        if self.password.is_some() && !is_server {
            return Err(Error::field(
                "secret.password",
                "is for database servers; a URL takes `secret.headers`, a file of this machine nothing.",
            ));
        }
        if !self.headers.is_empty() && kind != Kind::Url {
            return Err(Error::field(
                "secret.headers",
                "are for URLs; a database server takes `secret.password`, a file of this machine nothing.",
            ));
        }
        if self.password.as_ref().is_some_and(|it| it.expose().len() > 4_000 || it.expose().contains('\0')) {
            return Err(Error::field("secret.password", "must have at most 4000 bytes, and no NUL."));
        }
        if self.headers.len() > 20 {
            return Err(Error::field("secret.headers", "may be 20 at most."));
        }
        self.headers.iter().try_for_each(|(name, value)| check_header(name, value.expose()))
    }
}

fn check_header(name: &str, value: &str) -> Result<()> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
        return Err(Error::field("secret.headers", "has a name that is not one of a header."));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") {
        return Err(Error::field("secret.headers", format!("may not set `{lower}`, which belongs to the connection.")));
    }
    if value.len() > 4_000 || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t') {
        return Err(Error::field(
            "secret.headers",
            format!("has a value for `{lower}` that is too long or not printable ASCII."),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Credentials {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = read(json!({"password": "hunter2", "headers": {"Authorization": "Bearer hunter2"}}));
        let printed = format!("{secret:?} {secret:#?}");
        assert!(!printed.contains("hunter2"), "{printed}");
        assert_eq!(secret.password.unwrap().expose(), "hunter2");
    }

    #[test]
    fn each_kind_takes_its_own_secret() {
        let (password, header) = (read(json!({"password": "p"})), read(json!({"headers": {"X-Token": "t"}})));
        for kind in Kind::ALL {
            assert_eq!(password.check(kind).is_ok(), matches!(kind, Kind::Postgres | Kind::Mysql), "{kind:?}");
            assert_eq!(header.check(kind).is_ok(), kind == Kind::Url, "{kind:?}");
            assert!(Credentials::default().check(kind).is_ok());
        }
        assert!(serde_json::from_value::<Credentials>(json!({"passwort": "p"})).is_err());
    }

    #[test]
    fn headers_of_the_connection_and_odd_ones_are_refused_without_their_value() {
        for (name, value) in [
            ("Host", "hunter2"),
            ("transfer-encoding", "hunter2"),
            ("Proxy-Authorization", "hunter2"),
            ("a b", "hunter2"),
            ("", "hunter2"),
            ("X-Token", "hunter2\r\nX: y"),
            ("X-Token", "hunter2\u{e9}"),
        ] {
            let error = read(json!({"headers": {name: value}})).check(Kind::Url).unwrap_err().to_string();
            assert!(error.contains("secret.headers") && !error.contains("hunter2"), "{error}");
        }
    }
}
