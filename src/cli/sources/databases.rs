//! Sources of databases: how they are named on the command line, and what is read of them.

use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::domain::connection::{Credentials, Kind, Mode, SecretText};

/// The longest password, in bytes: those of clouds are signed texts.
const PASSWORD: u64 = 4_000;
/// Where a password may stand besides standard input.
const VARIABLE: &str = "CLARIBI_SOURCE_PASSWORD";
/// What files of SQLite begin with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What is read of a database.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Databases")]
pub struct DatabaseOptions {
    /// A table to read, `name` or `schema.name`; by default all that the user may read, 500 at most.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,
    /// A query to read, in the database's own SQL, by the name of the table that it becomes.
    #[arg(long = "query", value_name = "NAME=SQL")]
    queries: Vec<String>,
    /// A column of a table that only grows: later syncs read what is at its greatest value or beyond.
    #[arg(long = "cursor", value_name = "TABLE=COLUMN")]
    cursors: Vec<String>,
    /// Copy nothing: send each query to the database, in its own SQL.
    #[arg(long)]
    live: bool,
    /// How the connection to a database server is protected: not at all, encrypted whoever answers, or, by default, only
    /// where the server's certificate is one for its name.
    #[arg(long, value_name = "MODE")]
    tls: Option<TlsMode>,
    /// A file of certificates in PEM that the database server's own is checked by, instead of the system's.
    #[arg(long, value_name = "FILE")]
    authority: Option<std::path::PathBuf>,
    /// Read the password of the database's user from standard input; otherwise CLARIBI_SOURCE_PASSWORD is it.
    #[arg(long)]
    password_stdin: bool,
}

/// How a connection is protected: not at all, whoever answers, or by a certificate for the server's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TlsMode {
    Off,
    Require,
    Verify,
}

impl DatabaseOptions {
    /// Whether any of them was given.
    pub fn is_given(&self) -> bool {
        let lists = [&self.tables, &self.queries, &self.cursors];
        lists.iter().any(|list| !list.is_empty())
            || self.tls.is_some()
            || self.authority.is_some()
            || self.password_stdin
            || self.live
    }

    /// How queries reach the data.
    pub fn mode(&self) -> Mode {
        if self.live { Mode::Live } else { Mode::Extract }
    }

    /// Kind, connection and secret of a database; `None` for what names none.
    pub fn read(&self, named: &Path) -> Result<Option<(Kind, Value, Credentials)>, Failure> {
        if let Some((kind, place)) = named.to_str().and_then(server) {
            let mut fields = self.fields(url(place)?)?;
            fields.extend(
                self.tls.and_then(|tls| tls.to_possible_value()).map(|tls| ("tls".to_owned(), json!(tls.get_name()))),
            );
            if let Some(path) = &self.authority {
                let pem = std::fs::read_to_string(path)
                    .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
                fields.insert("authority".to_owned(), json!(pem));
            }
            let credentials = Credentials { password: self.password()?, ..Credentials::default() };
            return Ok(Some((kind, Value::Object(fields), credentials)));
        }
        let Some(path) = file(named) else { return Ok(None) };
        if self.tls.is_some() || self.authority.is_some() || self.password_stdin {
            return Err(Failure::usage("--tls, --authority and --password-stdin are for database servers"));
        }
        let whole = path.canonicalize();
        let whole = whole.map_err(|error| Failure::failed(format!("{} cannot be read: {error}", path.display())))?;
        let fields = self.fields(Map::from_iter([("path".to_owned(), json!(whole))]))?;
        Ok(Some((Kind::Sqlite, Value::Object(fields), Credentials::default())))
    }

    fn fields(&self, mut fields: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
        if !self.tables.is_empty() {
            fields.insert("tables".to_owned(), json!(self.tables));
        }
        for (name, flag, given) in [("queries", "--query", &self.queries), ("cursor", "--cursor", &self.cursors)] {
            let pairs = given.iter().map(|text| match text.split_once('=') {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), json!(value))),
                _ => Err(Failure::usage(format!("{flag} takes a name and a value, such as `{flag} orders=id`"))),
            });
            let pairs = pairs.collect::<Result<Map<_, _>, _>>()?;
            if !pairs.is_empty() {
                fields.insert(name.to_owned(), Value::Object(pairs));
            }
        }
        Ok(fields)
    }

    /// The password: arguments stand in lists of processes.
    fn password(&self) -> Result<Option<SecretText>, Failure> {
        if !self.password_stdin {
            #[expect(clippy::disallowed_methods, reason = "a secret of this command, and no setting")]
            let given = std::env::var(VARIABLE).ok().filter(|password| !password.is_empty());
            return Ok(given.map(SecretText::new));
        }
        if std::io::stdin().is_terminal() {
            let typed = dialoguer::Password::new().with_prompt("Password of the database's user").interact();
            let typed = typed.map_err(|error| Failure::failed(format!("the password could not be read: {error}")))?;
            return Ok(Some(SecretText::new(typed)));
        }
        let mut text = Zeroizing::new(String::new());
        let read = std::io::stdin().lock().take(PASSWORD + 3).read_to_string(&mut text);
        read.map_err(|_| Failure::usage("the password on standard input is not UTF-8 text"))?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if line.is_empty() || line.contains('\n') {
            return Err(Failure::usage("standard input must be the password alone, in one line"));
        }
        Ok(Some(SecretText::new(line.to_owned())))
    }
}

/// Whether the text is meant as a database.
pub fn is_named(named: &Path) -> bool {
    named.to_str().is_some_and(|text| server(text).is_some()) || file(named).is_some()
}

/// The kind of a server's URL, and what stands behind its scheme.
fn server(text: &str) -> Option<(Kind, &str)> {
    let (scheme, place) = text.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" => Some((Kind::Postgres, place)),
        "mysql" | "mariadb" => Some((Kind::Mysql, place)),
        _ => None,
    }
}

/// The SQLite file that is named: by `sqlite:`, or by what it begins with.
fn file(named: &Path) -> Option<std::path::PathBuf> {
    if let Some(path) = named.to_str().and_then(|text| text.strip_prefix("sqlite:")) {
        return Some(path.strip_prefix("//").unwrap_or(path).into());
    }
    let mut head = [0; MAGIC.len()];
    let mut file = std::fs::File::open(named).ok().filter(|_| named.is_file())?;
    file.read_exact(&mut head).ok()?;
    (head == MAGIC).then(|| named.to_owned())
}

/// The fields of `user@host:port/database`.
fn url(place: &str) -> Result<Map<String, Value>, Failure> {
    const FORM: &str = "a database is named as postgres://USER@HOST:PORT/DATABASE or mysql://USER@HOST:PORT/DATABASE";
    let wrong = || Failure::usage(FORM);
    if place.contains(['?', '#']) {
        return Err(Failure::usage(format!("{FORM}, without `?`; --tls and the other flags say the rest")));
    }
    let (authority, database) = place.split_once('/').ok_or_else(wrong)?;
    let (user, host) = authority.rsplit_once('@').ok_or_else(wrong)?;
    if user.contains(':') {
        return Err(Failure::usage(format!(
            "the URL must be without password, which would stand in lists of processes; use --password-stdin or {VARIABLE}"
        )));
    }
    let bracketed = host.rfind(']').unwrap_or(0);
    let (host, port) = match host[bracketed..].rsplit_once(':') {
        Some((_, port)) => (&host[..host.len() - port.len() - 1], Some(port.parse::<u16>().map_err(|_| wrong())?)),
        None => (host, None),
    };
    let decoded = |text: &str| decoded(text).filter(|text| !text.is_empty()).ok_or_else(wrong);
    let mut fields = Map::new();
    fields.insert("host".to_owned(), json!(host));
    fields.extend(port.map(|port| ("port".to_owned(), json!(port))));
    fields.insert("database".to_owned(), json!(decoded(database)?));
    fields.insert("user".to_owned(), json!(decoded(user)?));
    Ok(fields)
}

/// A text with its `%41`s as what they stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                u8::from_str_radix(std::str::from_utf8(&[*high, *low]).ok()?, 16).ok()?
            }
            (b'%', _) => return None,
            (byte, _) => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_by_a_url_without_a_password() {
        let fields = url("ada@db.example.com:5433/sales").ok().map(Value::Object);
        assert_eq!(fields, Some(json!({"host": "db.example.com", "port": 5433, "database": "sales", "user": "ada"})));
        let fields = url("a%40b@[::1]/q%20a").ok().map(Value::Object);
        assert_eq!(fields, Some(json!({"host": "[::1]", "database": "q a", "user": "a@b"})));
        for wrong in
            ["db/sales", "ada@db", "ada@db:x/sales", "ada:secret@db/sales", "ada@db/sales?sslmode=off", "ada@db/"]
        {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert_eq!(server("MariaDB://a@b/c"), Some((Kind::Mysql, "a@b/c")));
        assert_eq!(server("https://a@b/c"), None);
    }
}
