//! MySQL and MariaDB.
//!
//! Everything is read in one read-only transaction that sees one moment, where the tables' storage engine has such. What
//! is copied is asked for as a subquery of ours: what writes, loads or sets cannot stand there. Files of
//! ours that a server asks for (`LOCAL INFILE`) it never gets. What only locks is not sent (`guard`), and a query that is
//! called off is ended on the server too.

mod guard;
mod value;

use std::time::Duration;

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, Error, OptsBuilder, Params, SslOpts, Statement};
use serde_json::Value;

use super::explain::Lines;
use super::fault::Fault;
use super::rows::Rows;
use super::target::Target;
use super::{Connector, Described, GRACE, Question, as_described, full_name, quoted_by, subquery, title, tls, unended};
use crate::domain::connection::{Tls, What};
use crate::engine::control::Control;
use crate::engine::threads::Hands;
use crate::worker::protocol::Server;

/// How long a server may take to let us in.
const ANSWER: Duration = Duration::from_secs(30);
/// How long ending a query on the server may take: the server of ours waits little longer for a worker that it calls off.
const ENDING: Duration = Duration::from_millis(400);
/// The longest row, in bytes.
const LONGEST_ROW: usize = 64 << 20;
/// The number of the character set of what is no text.
const BINARY: u16 = 63;
/// Errors of the server that say that it ends: shutdown, killed connection, lost connection.
const ENDED: [u16; 4] = [1_053, 1_077, 1_317, 1_927];

/// What a server calls a connection.
#[derive(PartialEq, Eq)]
struct Thread {
    number: u64,
    /// Which server it is: another one may answer at the same address.
    host: String,
}

/// A connection in its transaction.
pub struct Mysql<'a> {
    /// `None` once it is given back.
    connection: Option<Conn>,
    /// By what it is ended, where that is known.
    thread: Option<Thread>,
    /// The question that it was asked, prepared.
    asked: Option<Statement>,
    server: Server,
    hands: &'a Hands,
    control: &'a Control,
}

impl<'a> Mysql<'a> {
    /// Connects to the first address that answers, and begins to read.
    pub fn connect(server: &Server, hands: &'a Hands, control: &'a Control) -> Result<Self, Fault> {
        let mut mysql = Self { connection: None, thread: None, asked: None, server: server.clone(), hands, control };
        let connection = mysql.wait(async |_| enter(server).await)?;
        mysql.connection = Some(connection);
        let millis = (control.left() + GRACE).as_millis();
        mysql.wait(async |connection| begin(open(connection)?, millis).await)?;
        mysql.thread = mysql.wait(async |connection| Ok(thread(open(connection)?).await))?;
        Ok(mysql)
    }

    /// Runs the work on this thread until it is done or the job has to stop.
    fn wait<T>(&mut self, work: impl AsyncFnOnce(&mut Option<Conn>) -> Result<T, Fault>) -> Result<T, Fault> {
        let Self { connection, hands, control, .. } = self;
        let done = hands.wait(async {
            tokio::select! {
                done = work(connection) => done,
                failure = control.stopped() => Err(Fault::Stopped(failure)),
            }
        });
        if let Err(Fault::Stopped(_)) = &done
            && let Some(thread) = self.thread.take()
        {
            // Where this fails, the server ends the statement when its time is over.
            let _ = self.hands.wait(async { tokio::time::timeout(ENDING, end(&self.server, &thread)).await });
        }
        done
    }
}

impl Drop for Mysql<'_> {
    fn drop(&mut self) {
        // The connection says goodbye on a task of its own.
        let _entered = self.hands.enter();
        drop(self.connection.take());
    }
}

impl Connector for Mysql<'_> {
    fn tables(&mut self) -> Result<Vec<(Option<String>, String)>, Fault> {
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
                   AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name";
        let names: Vec<String> = self.wait(async |connection| {
            let names = open(connection)?.query(sql).await;
            names.map_err(|error| refused(&error, "the list of tables"))
        })?;
        Ok(names.into_iter().map(|name| (None, name)).collect())
    }

    fn describe(&mut self, what: &What) -> Result<Described, Fault> {
        if let What::Query(sql) = what {
            guard::check(sql).map_err(Fault::NotSent)?;
        }
        let title = title(what);
        let (source, known) = match what {
            What::Table { schema, name } => (full_name(schema.as_deref(), name, '`'), Some((schema.clone(), name))),
            What::Query(sql) => (subquery(sql), None),
        };
        let from = format!("{source} AS q");
        let (columns, expected) = self.wait(async |connection| {
            let connection = open(connection)?;
            let statement = connection.prep(format!("SELECT * FROM {from}")).await;
            let statement = statement.map_err(|error| refused(&error, &title))?;
            let columns = statement.columns();
            let columns = columns.iter().map(|column| (column.name_str().into_owned(), kind_of(column))).collect();
            let expected = match known {
                Some((schema, name)) => {
                    let sql = "SELECT table_rows FROM information_schema.tables \
                               WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
                    let rows = connection.exec_first::<Option<u64>, _, _>(sql, (schema, name)).await;
                    rows.ok().flatten().flatten()
                }
                None => None,
            };
            Ok((columns, expected))
        })?;
        Ok(Described { title, columns, select: "*".to_owned(), from, expected, question: None })
    }

    /// The query is sent as it is, because as a subquery it would lose its order. What cannot stand as one is refused
    /// before: that leaves nothing but a query.
    fn ask(&mut self, question: Question) -> Result<Described, Fault> {
        let Described { title, from, .. } = self.describe(&What::Query(question.sql.clone()))?;
        let question = Question { sql: unended(&question.sql).to_owned(), ..question };
        let (sql, rows) = (&question.sql, question.rows);
        let statement = self.wait(async |connection| {
            let connection = open(connection)?;
            let limited = connection.query_drop(format!("SET SESSION sql_select_limit = {rows}")).await;
            limited.map_err(|error| refused(&error, &title))?;
            connection.prep(sql).await.map_err(|error| refused(&error, &title))
        })?;
        let columns = statement.columns();
        let columns = columns.iter().map(|column| (column.name_str().into_owned(), kind_of(column))).collect();
        self.asked = Some(statement);
        Ok(Described { title, columns, select: String::new(), from, expected: None, question: Some(question) })
    }

    /// The columns of its table of steps differ from server to server, so each value has its name.
    fn plan(&mut self, described: &Described, into: &mut Lines) -> Result<(), Fault> {
        let Described { title, question, .. } = described;
        let sql = format!("EXPLAIN {}", question.as_ref().map_or("", |question| &question.sql));
        self.wait(async |connection| {
            let connection = open(connection)?;
            let statement = connection.prep(sql).await.map_err(|error| refused(&error, title))?;
            let values = value::bound(described.values(), usize::from(statement.num_params()))?;
            let steps = connection.exec_iter(statement, values).await;
            let mut steps = steps.map_err(|error| refused(&error, title))?;
            while let Some(step) = steps.next().await.map_err(|error| refused(&error, title))? {
                let columns = step.columns_ref().iter().enumerate();
                let told = columns.filter_map(|(index, column)| {
                    Some(format!("{}: {}", column.name_str(), value::text(step.as_ref(index)?)?))
                });
                if !into.push(told.collect::<Vec<_>>().join(", ")) {
                    // What else would come goes with the connection.
                    return Ok(());
                }
            }
            steps.drop_result().await.map_err(|error| refused(&error, title))
        })
    }

    fn greatest(&mut self, described: &Described, column: usize) -> Result<Option<Value>, Fault> {
        let Described { columns, from, title, .. } = described;
        let sql = format!("SELECT CAST(MAX(q.{}) AS CHAR) FROM {from}", quoted_by(&columns[column].0, '`'));
        let value: Option<Option<String>> = self.wait(async |connection| {
            open(connection)?.query_first(sql).await.map_err(|error| refused(&error, title))
        })?;
        Ok(value.flatten().map(Value::from))
    }

    fn rows_at(&mut self, described: &Described, column: usize, value: &Value) -> Result<u64, Fault> {
        let Described { columns, from, title, .. } = described;
        let (name, target) = &columns[column];
        let (condition, parameters) = at_value(&qualified(name), *target, value.as_str().unwrap_or_default());
        let sql = format!("SELECT COUNT(*) FROM {from}{condition}");
        let rows: Option<u64> = self.wait(async |connection| {
            open(connection)?.exec_first(sql, parameters).await.map_err(|error| refused(&error, title))
        })?;
        Ok(rows.unwrap_or_default())
    }

    fn rows(
        &mut self,
        described: &Described,
        since: Option<(usize, &Value)>,
        into: &mut dyn Rows,
    ) -> Result<(), Fault> {
        let Described { columns, title, .. } = described;
        let (condition, parameters) = since.map_or((String::new(), Params::Empty), |(column, value)| {
            let (name, target) = &columns[column];
            since_value(&qualified(name), *target, value.as_str().unwrap_or_default())
        });
        let asked = described.question.as_ref().and(self.asked.clone());
        self.wait(async |connection| {
            let connection = open(connection)?;
            let statement = match asked {
                Some(statement) => Ok(statement),
                None => connection.prep(described.statement(&condition)).await,
            };
            let statement = statement.map_err(|error| refused(&error, title))?;
            let parameters = match since {
                Some(_) => parameters,
                None => value::bound(described.values(), usize::from(statement.num_params()))?,
            };
            let rows = connection.exec_iter(statement, parameters).await;
            let mut rows = rows.map_err(|error| refused(&error, title))?;
            while let Some(row) = rows.next().await.map_err(|error| refused(&error, title))? {
                as_described(row.columns_ref().len(), described)?;
                for (index, column) in row.columns_ref().iter().enumerate() {
                    value::put(into, index, column, row.as_ref(index));
                }
                if into.end_row()?.is_break() {
                    // What else would come goes with the connection.
                    return Ok(());
                }
            }
            rows.drop_result().await.map_err(|error| refused(&error, title))
        })
    }
}

fn open(connection: &mut Option<Conn>) -> Result<&mut Conn, Fault> {
    connection.as_mut().ok_or_else(|| Fault::Lost("the connection is closed".to_owned()))
}

async fn enter(server: &Server) -> Result<Conn, Fault> {
    match tokio::time::timeout(ANSWER, Conn::new(options(server)?)).await {
        Ok(connection) => connection.map_err(|error| not_let_in(&error)),
        Err(_) => Err(Fault::Unreachable("it does not answer".to_owned())),
    }
}

/// What the server calls this connection, where it says so. One that says something else than it did at first has another
/// server behind it, whose numbers are not to be guessed.
async fn thread(connection: &mut Conn) -> Option<Thread> {
    let asked = "SELECT CONNECTION_ID(), CONCAT_WS(' ', @@hostname, @@port, @@server_id)";
    let (number, host): (u64, String) = connection.query_first(asked).await.ok()??;
    (number == u64::from(connection.id())).then_some(Thread { number, host })
}

/// Ends what runs on a connection, by another one to the same server.
async fn end(server: &Server, running: &Thread) -> Option<()> {
    let mut connection = Conn::new(options(server).ok()?).await.ok()?;
    if thread(&mut connection).await?.host == running.host {
        connection.query_drop(format!("KILL QUERY {}", running.number)).await.ok()?;
    }
    connection.disconnect().await.ok()
}

fn options(server: &Server) -> Result<OptsBuilder, Fault> {
    let password = server.password.as_ref().map(|password| password.expose().to_owned());
    Ok(OptsBuilder::default()
        .ip_or_hostname(server.host.clone())
        .resolved_ips(Some(server.addresses.clone()))
        .tcp_port(server.port)
        .user(Some(server.user.clone()))
        .pass(password)
        .db_name(Some(server.database.clone()))
        .ssl_opts(encryption(server)?)
        // A server on this machine would otherwise be spoken to by its socket, which the sandbox does not show.
        .prefer_socket(Some(false))
        .stmt_cache_size(Some(0))
        .max_allowed_packet(Some(LONGEST_ROW))
        .wait_timeout(Some(28_800)))
}

fn encryption(server: &Server) -> Result<Option<SslOpts>, Fault> {
    Ok(match server.tls {
        Tls::Off => None,
        Tls::Require => {
            Some(SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
        }
        Tls::Verify => {
            let trusted = tls::trusted(server)?.into_iter().map(|certificate| certificate.to_vec().into());
            Some(SslOpts::default().with_disable_built_in_roots(true).with_root_certs(trusted.collect()))
        }
    })
}

/// Begins the transaction, and says how values are to be written in it.
async fn begin(connection: &mut Conn, millis: u128) -> Result<(), Fault> {
    let version: Option<String> =
        connection.query_first("SELECT VERSION()").await.map_err(|error| not_let_in(&error))?;
    let limit = if version.is_some_and(|version| version.contains("MariaDB")) {
        format!("SET SESSION max_statement_time = {}", millis.div_ceil(1_000).max(1))
    } else {
        format!("SET SESSION max_execution_time = {}", millis.clamp(1, 4_294_967_295))
    };
    // Servers that are older than these limits are stopped by the deadline alone.
    let _ = connection.query_drop(limit).await;
    for statement in [
        "SET SESSION time_zone = '+00:00', sql_mode = '', net_write_timeout = 600",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ] {
        connection.query_drop(statement).await.map_err(|error| refused(&error, "anything"))?;
    }
    Ok(())
}

/// What a column becomes.
fn kind_of(column: &Column) -> Target {
    let is_unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY if column.column_length() == 1 => Target::Boolean,
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG
        | ColumnType::MYSQL_TYPE_YEAR => Target::Integer,
        ColumnType::MYSQL_TYPE_BIT => match column.column_length() {
            1 => Target::Boolean,
            _ => Target::Integer,
        },
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => decimal(column, is_unsigned),
        ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => Target::Double,
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Target::Date,
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => Target::Time,
        ColumnType::MYSQL_TYPE_DATETIME
        | ColumnType::MYSQL_TYPE_DATETIME2
        | ColumnType::MYSQL_TYPE_TIMESTAMP
        | ColumnType::MYSQL_TYPE_TIMESTAMP2 => Target::Timestamp,
        _ => Target::Text,
    }
}

/// The length of an exact number counts its sign and its point.
fn decimal(column: &Column, is_unsigned: bool) -> Target {
    let scale = u32::from(column.decimals());
    let besides = u32::from(!is_unsigned) + u32::from(scale > 0);
    let precision = column.column_length().saturating_sub(besides).max(scale);
    match Target::decimal(precision - scale, scale) {
        // Sums promise more digits than they have.
        Target::Text if scale <= 38 => Target::decimal(38 - scale, scale),
        target => target,
    }
}

/// A column of what is read.
fn qualified(column: &str) -> String {
    format!("q.{}", quoted_by(column, '`'))
}

/// A value in a condition: exact numbers are written out, because a text would make floating point ones of both sides.
/// With its parameters, as often as it stands there.
fn valued(target: Target, value: &str, times: usize) -> (&str, Params) {
    let is_exact = matches!(target, Target::Integer | Target::Decimal { .. } | Target::Boolean);
    match is_exact && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') {
        true => (value, Params::Empty),
        false => ("?", Params::Positional(vec![value.into(); times])),
    }
}

/// A text as its bytes, which no collation makes equal to others.
fn bytes_of(text: &str) -> String {
    format!("CAST(CONVERT({text} USING utf8mb4) AS BINARY)")
}

/// The condition that a column is at a value, beyond it, or null.
fn since_value(column: &str, target: Target, value: &str) -> (String, Params) {
    if target == Target::Text {
        let (value, parameters) = valued(target, value, 3);
        let other = format!("({column} = {value} AND {} <> {})", bytes_of(column), bytes_of(value));
        return (format!(" WHERE {column} >= {value} AND NOT {other} OR {column} IS NULL"), parameters);
    }
    let (value, parameters) = valued(target, value, 1);
    let is_day = matches!(target, Target::Date | Target::Timestamp);
    // Days that are none are null with us.
    let zero = if is_day { format!(" OR {column} < '0001-01-01'") } else { String::new() };
    (format!(" WHERE {column} >= {value} OR {column} IS NULL{zero}"), parameters)
}

/// The condition that a column has a value, in this spelling.
fn at_value(column: &str, target: Target, value: &str) -> (String, Params) {
    if target == Target::Text {
        let (value, parameters) = valued(target, value, 2);
        let spelled = format!("{} = {}", bytes_of(column), bytes_of(value));
        return (format!(" WHERE {column} = {value} AND {spelled}"), parameters);
    }
    let (value, parameters) = valued(target, value, 1);
    (format!(" WHERE {column} = {value}"), parameters)
}

fn said(error: &Error) -> String {
    match error {
        Error::Server(said) => said.message.clone(),
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn not_let_in(error: &Error) -> Fault {
    use mysql_async::{DriverError, IoError};
    match error {
        Error::Io(IoError::Tls(error)) => Fault::Tls(error.to_string()),
        Error::Io(IoError::Io(error)) if is_of_tls(error) => Fault::Tls(error.to_string()),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Fault::Tls("the server cannot".to_owned()),
        Error::Io(IoError::Io(error)) => Fault::Unreachable(error.to_string()),
        Error::Server(_) => Fault::NotLetIn(said(error)),
        other => Fault::Unreachable(said(other)),
    }
}

/// Whether the encryption failed, which the library tells as an error of the stream.
fn is_of_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}

fn refused(error: &Error, what: &str) -> Fault {
    match error {
        Error::Server(server) if !ENDED.contains(&server.code) => {
            Fault::Refused { what: what.to_owned(), said: said(error) }
        }
        other => Fault::Lost(said(other)),
    }
}
