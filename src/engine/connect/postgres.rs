//! PostgreSQL, and what speaks its protocol.
//!
//! Everything is read in one read-only transaction that sees one moment. Values come in the binary format; types that
//! have no counterpart with us are cast to text by the server itself, so none is left out. A table or a query is always
//! asked for as a subquery of ours: what writes, copies or sets cannot stand there.

mod value;

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Column, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::value::{Raw, bound, put};
use super::explain::Lines;
use super::fault::Fault;
use super::rows::Rows;
use super::target::Target;
use super::{Connector, Described, GRACE, as_described, full_name, quoted_by, subquery, title, tls};
use crate::domain::connection::What;
use crate::domain::result::ColumnType;
use crate::engine::control::Control;
use crate::engine::threads::Hands;
use crate::worker::protocol::Server;

/// How long an address may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Has the server end a statement when nobody is there any more to hear its answer.
const LOOKING: &str = "SET client_connection_check_interval = '1s'";
/// Says that a numeric column has no precision of its own.
const UNBOUNDED: i32 = -1;

/// A connection in its transaction.
pub struct Postgres<'a> {
    client: Client,
    /// What moves the bytes.
    driver: AbortHandle,
    hands: &'a Hands,
    control: &'a Control,
}

impl<'a> Postgres<'a> {
    /// Connects to the first address that answers, and begins to read.
    pub fn connect(server: &Server, hands: &'a Hands, control: &'a Control) -> Result<Self, Fault> {
        let (client, driver) = wait(hands, control, connect(server, hands))?;
        let postgres = Self { client, driver, hands, control };
        let begin = begin(control);
        postgres.wait(async {
            // Older servers, and those of some systems, do not look: they go on until the statement's time is over.
            let _ = postgres.client.batch_execute(LOOKING).await;
            postgres.client.batch_execute(&begin).await.map_err(|error| not_let_in(&error))
        })?;
        Ok(postgres)
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        wait(self.hands, self.control, work)
    }

    /// About how many rows the server thinks there are.
    async fn expected(&self, table: &str) -> Option<u64> {
        let sql = "SELECT reltuples::float8 FROM pg_class WHERE oid = to_regclass($1)";
        let rows = self.client.query_opt(sql, &[&table]).await.ok()??;
        let rows: f64 = rows.try_get(0).ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and above zero")]
        (rows >= 1.0).then_some(rows as u64)
    }

    /// The digits before and behind the point of numbers whose column promises nothing.
    async fn digits(&self, from: &str, column: &str, title: &str) -> Result<Target, Fault> {
        let sql = format!(
            "SELECT coalesce(max(length(trunc(abs(q.{column}))::text)), 1)::int4, \
             coalesce(max(scale(q.{column})), 0)::int4 \
             FROM {from} WHERE q.{column}::text ~ '^[-0-9.]+$'"
        );
        let row = self.client.query_one(&sql, &[]).await.map_err(|error| refused(&error, title))?;
        let figure = |index| row.try_get::<_, i32>(index).ok().and_then(|figure| u32::try_from(figure).ok());
        Ok(figure(0).zip(figure(1)).map_or(Target::Text, |(whole, scale)| Target::decimal(whole, scale)))
    }

    async fn describe_columns(&self, what: &What) -> Result<Described, Fault> {
        let title = title(what);
        let (source, expected) = match what {
            What::Table { schema, name } => {
                let name = full_name(schema.as_deref(), name, '"');
                let expected = self.expected(&name).await;
                (name, expected)
            }
            What::Query(sql) => (subquery(sql), None),
        };
        let sql = format!("SELECT * FROM {source} AS q");
        let statement = self.client.prepare(&sql).await.map_err(|error| refused(&error, &title))?;
        // Columns get names of ours, because those of a query may stand in it twice.
        let aliases: Vec<String> = (1..=statement.columns().len()).map(|number| format!("c{number}")).collect();
        let from = match aliases.is_empty() {
            true => format!("{source} AS q"),
            false => format!("{source} AS q({})", aliases.join(", ")),
        };
        let (mut columns, mut selected) = (Vec::with_capacity(aliases.len()), Vec::with_capacity(aliases.len()));
        for (column, alias) in statement.columns().iter().zip(&aliases) {
            let (target, cast) = kind_of(column);
            columns.push((column.name().to_owned(), target));
            selected.push(format!("q.{alias}{cast}"));
        }
        Ok(Described { title, columns, select: selected.join(", "), from, expected, question: None })
    }

    async fn explain(&self, described: &Described, into: &mut Lines) -> Result<(), Fault> {
        let refused = |error: &Error| refused(error, &described.title);
        let sql = format!("EXPLAIN {}", described.statement(""));
        let statement = self.client.prepare(&sql).await.map_err(|error| refused(&error))?;
        let values = bound(described.values(), statement.params().len())?;
        let rows = self.client.query_raw(&statement, values).await.map_err(|error| refused(&error))?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| refused(&error))? {
            if !into.push(row.try_get(0).map_err(|error| refused(&error))?) {
                break;
            }
        }
        Ok(())
    }

    async fn pour(
        &self,
        described: &Described,
        since: Option<(usize, &Value)>,
        into: &mut dyn Rows,
    ) -> Result<(), Fault> {
        let title = &described.title;
        let condition = match since {
            Some((column, Value::String(value))) => since_value(column, described.columns[column].1, value),
            _ => String::new(),
        };
        let sql = described.statement(&condition);
        let statement = self.client.prepare(&sql).await.map_err(|error| refused(&error, title))?;
        let values = bound(described.values(), statement.params().len())?;
        as_described(statement.columns().len(), described)?;
        let rows = self.client.query_raw(&statement, values).await.map_err(|error| refused(&error, title))?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| refused(&error, title))? {
            for (index, column) in row.columns().iter().enumerate() {
                let Raw(bytes) = row.try_get(index).map_err(|error| refused(&error, title))?;
                put(into, index, column.type_(), bytes)?;
            }
            if into.end_row()?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Postgres<'_> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connector for Postgres<'_> {
    fn tables(&mut self) -> Result<Vec<(Option<String>, String)>, Fault> {
        // What a name without a schema finds; parts of a table come with it, and views only when they are named.
        let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition \
                   AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
                   AND pg_table_is_visible(c.oid) AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname";
        let rows = self
            .wait(async { self.client.query(sql, &[]).await.map_err(|error| refused(&error, "the list of tables")) })?;
        let name = |row: &tokio_postgres::Row| row.try_get(0).map(|name| (None, name));
        rows.iter().map(name).collect::<Result<_, _>>().map_err(|error| refused(&error, "the list of tables"))
    }

    fn describe(&mut self, what: &What) -> Result<Described, Fault> {
        self.wait(self.describe_columns(what))
    }

    fn measure(&mut self, described: &mut Described) -> Result<(), Fault> {
        let Described { title, columns, from, .. } = described;
        for (number, (_, target)) in (1..).zip(columns) {
            if *target == Target::Nothing {
                *target = self.wait(self.digits(from, &format!("c{number}"), title))?;
            }
        }
        Ok(())
    }

    fn unmeasured(&self) -> ColumnType {
        ColumnType::Decimal
    }

    fn plan(&mut self, described: &Described, into: &mut Lines) -> Result<(), Fault> {
        self.wait(self.explain(described, into))
    }

    fn greatest(&mut self, described: &Described, column: usize) -> Result<Option<Value>, Fault> {
        let sql = format!("SELECT max(q.c{})::text FROM {}", column + 1, described.from);
        let row = self.wait(async {
            self.client.query_one(&sql, &[]).await.map_err(|error| refused(&error, &described.title))
        })?;
        let value: Option<String> = row.try_get(0).map_err(|error| refused(&error, &described.title))?;
        Ok(value.map(Value::from))
    }

    fn rows_at(&mut self, described: &Described, column: usize, value: &Value) -> Result<u64, Fault> {
        let Some(value) = value.as_str() else { return Ok(0) };
        let (name, value) = (format!("q.c{}", column + 1), quoted_by(value, '\''));
        let spelled = match described.columns[column].1 {
            Target::Text => format!(" AND {name}::text COLLATE \"C\" = {value}"),
            _ => String::new(),
        };
        let sql = format!("SELECT count(*) FROM {} WHERE {name} = {value}{spelled}", described.from);
        let row = self.wait(async {
            self.client.query_one(&sql, &[]).await.map_err(|error| refused(&error, &described.title))
        })?;
        let rows: i64 = row.try_get(0).map_err(|error| refused(&error, &described.title))?;
        Ok(rows.cast_unsigned())
    }

    fn rows(
        &mut self,
        described: &Described,
        since: Option<(usize, &Value)>,
        into: &mut dyn Rows,
    ) -> Result<(), Fault> {
        self.wait(self.pour(described, since, into))
    }
}

/// Runs the work on this thread until it is done or the job has to stop.
fn wait<T>(hands: &Hands, control: &Control, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    hands.wait(async {
        tokio::select! {
            done = work => done,
            failure = control.stopped() => Err(Fault::Stopped(failure)),
        }
    })
}

async fn connect(server: &Server, hands: &Hands) -> Result<(Client, AbortHandle), Fault> {
    let stream = reach(server).await?;
    let mut config = Config::new();
    config.user(&server.user).dbname(&server.database).application_name("claribi");
    if let Some(password) = &server.password {
        config.password(password.expose());
    }
    let entered = async {
        match tls::config(server)? {
            None => enter(config.ssl_mode(SslMode::Disable), stream, NoTls, hands).await,
            Some(encrypted) => {
                let name = ServerName::try_from(server.host.as_str());
                name.map_err(|error| Fault::Tls(error.to_string()))?;
                let tls =
                    MakeTlsConnect::<TcpStream>::make_tls_connect(&mut MakeRustlsConnect::new(encrypted), &server.host);
                let tls = tls.map_err(|error| Fault::Tls(error.to_string()))?;
                enter(config.ssl_mode(SslMode::Require), stream, tls, hands).await
            }
        }
    };
    tokio::time::timeout(3 * ANSWER, entered).await.map_err(|_| Fault::Unreachable("it does not answer".to_owned()))?
}

async fn enter<T>(config: &Config, stream: TcpStream, tls: T, hands: &Hands) -> Result<(Client, AbortHandle), Fault>
where
    T: TlsConnect<TcpStream>,
    T::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = config.connect_raw(stream, tls).await.map_err(|error| not_let_in(&error))?;
    let driver = hands.spawn(async move {
        // Whoever waits for an answer learns that it ended, and why.
        let _ = connection.await;
    });
    Ok((client, driver))
}

/// A connection to the first address that takes one.
async fn reach(server: &Server) -> Result<TcpStream, Fault> {
    let mut last = "its name has no address".to_owned();
    for address in &server.addresses {
        match tokio::time::timeout(ANSWER, TcpStream::connect(SocketAddr::new(*address, server.port))).await {
            Ok(Ok(stream)) => {
                // Only a matter of speed.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "it does not answer".to_owned(),
        }
    }
    Err(Fault::Unreachable(last))
}

/// Begins the transaction, and says how values are to be written in it.
fn begin(control: &Control) -> String {
    let millis = (control.left() + GRACE).as_millis().clamp(1, 2_147_483_647);
    format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = 30000; \
         SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; \
         SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on"
    )
}

/// The condition that a column is at a value, beyond it, or null. Without a type, the text is read as one of the column's.
fn since_value(column: usize, target: Target, value: &str) -> String {
    let (column, value) = (format!("q.c{}", column + 1), quoted_by(value, '\''));
    let other = match target {
        Target::Text => format!(" AND NOT ({column} = {value} AND {column}::text COLLATE \"C\" <> {value})"),
        _ => String::new(),
    };
    format!(" WHERE {column} >= {value}{other} OR {column} IS NULL")
}

/// What a column becomes, and the cast with which it is asked for.
fn kind_of(column: &Column) -> (Target, &'static str) {
    match *column.type_() {
        Type::BOOL => (Target::Boolean, ""),
        Type::INT2 | Type::INT4 | Type::INT8 => (Target::Integer, ""),
        Type::OID => (Target::Integer, "::int8"),
        Type::FLOAT4 | Type::FLOAT8 => (Target::Double, ""),
        Type::NUMERIC if column.type_modifier() == UNBOUNDED => (Target::Nothing, ""),
        Type::NUMERIC => (numeric(column.type_modifier()), ""),
        Type::MONEY => (Target::Decimal { precision: 19, scale: 2 }, "::numeric"),
        Type::DATE => (Target::Date, ""),
        Type::TIME => (Target::Time, ""),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => (Target::Timestamp, ""),
        Type::TEXT | Type::VARCHAR => (Target::Text, ""),
        _ => (Target::Text, "::text"),
    }
}

/// The digits of a numeric column: precision and scale stand in its modifier, four bytes on, the scale in eleven bits
/// with a sign since PostgreSQL 15.
fn numeric(modifier: i32) -> Target {
    let packed = modifier.wrapping_sub(4);
    let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1_024) - 1_024);
    match (u32::try_from(precision), u32::try_from(scale)) {
        (Ok(precision), Ok(scale)) if modifier != UNBOUNDED && scale <= precision => {
            Target::decimal(precision - scale, scale)
        }
        // More zeros than digits, on either side of the point: rare enough to be read as text where it is not exact.
        (Ok(precision), Ok(scale)) if modifier != UNBOUNDED => Target::decimal(0, precision.max(scale)),
        (Ok(precision), Err(_)) => Target::decimal(precision + scale.unsigned_abs(), 0),
        _ => Target::Text,
    }
}

fn said(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => error.source().map_or_else(|| error.to_string(), ToString::to_string),
    }
}

fn not_let_in(error: &Error) -> Fault {
    if error.as_db_error().is_some() {
        return Fault::NotLetIn(said(error));
    }
    let is_tls = error.to_string().contains("TLS");
    let is_io = error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>);
    match (is_tls, is_io || error.is_closed()) {
        (true, _) => Fault::Tls(said(error)),
        (false, true) => Fault::Unreachable(said(error)),
        // A password that is asked for and not given, for example.
        (false, false) => Fault::NotLetIn(said(error)),
    }
}

fn refused(error: &Error, what: &str) -> Fault {
    let ended = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    match error.code() {
        Some(code) if !ended.contains(code) => Fault::Refused { what: what.to_owned(), said: said(error) },
        _ => Fault::Lost(said(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_number_stand_in_its_modifier() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(numeric(modifier(10, 2)), Target::Decimal { precision: 10, scale: 2 });
        assert_eq!(numeric(modifier(38, 38)), Target::Decimal { precision: 38, scale: 38 });
        assert_eq!(numeric(modifier(3, 5)), Target::Decimal { precision: 5, scale: 5 });
        assert_eq!(numeric(modifier(2, -3)), Target::Decimal { precision: 5, scale: 0 });
        assert_eq!(numeric(modifier(50, 10)), Target::Text);
        assert_eq!(numeric(i32::MIN), Target::Text, "whatever a server says");
    }
}
