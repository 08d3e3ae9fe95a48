//! What queries may ask, what they are told, and how results are written.

mod fuzzed;
mod results;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::query;
use super::session::{Engine, Settings};
use crate::engine::control::Control;
use crate::engine::threads::Threads;
use crate::worker::protocol::{
    Failure, FailureCode, Position, QueryJob, QueryLimits, QueryOutcome, ResultFormat, TableFile,
};

const LIMITS: QueryLimits =
    QueryLimits { rows: 100, bytes: 1 << 20, memory_bytes: 64 << 20, spill_bytes: 1 << 20, millis: 300_000 };

struct Shop {
    directory: TempDir,
    engine: Arc<Engine>,
    threads: Option<Threads>,
    tables: Vec<TableFile>,
}

impl Shop {
    /// `shop.orders`, `shop.customers` and `other.orders`.
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // A path with every character that a pattern or a URL would take for its own.
        let folder = directory.path().join("sales [2013] 100%? *");
        fs::create_dir(&folder).unwrap();
        let orders: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2, 9_007_199_254_740_993]))),
            ("amount", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None]))),
            ("Country", Arc::new(StringArray::from(vec![Some("DE"), Some("=1+1"), Some("")]))),
            ("paid", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ];
        let customers: Vec<(&str, ArrayRef)> = vec![("name", Arc::new(StringArray::from(vec!["Ann, \"A\"", "-Bob"])))];
        let save = |name: &str, columns: Vec<(&str, ArrayRef)>| -> PathBuf {
            let path = folder.join(name);
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            path
        };
        let table = |source: &str, table: &str, path: PathBuf| TableFile {
            columns: Vec::new(),
            source: source.into(),
            table: table.into(),
            path,
        };
        let tables = vec![
            table("shop", "orders", save("orders.parquet", orders)),
            table("shop", "customers", save("customers.parquet", customers.clone())),
            table("other", "orders", save("others.parquet", customers)),
        ];
        let settings = Settings { cores: 2, scratch: Some(directory.path().to_owned()) };
        let threads = Threads::start(2).unwrap();
        let engine = Arc::new(Engine::new(settings, threads.hands()).unwrap());
        Self { engine, threads: Some(threads), directory, tables }
    }

    fn threads(&self) -> &Threads {
        self.threads.as_ref().unwrap()
    }

    fn job(&self, sql: &str) -> QueryJob {
        QueryJob {
            tables: self.tables.clone(),
            source: Some("shop".into()),
            live: Vec::new(),
            sql: sql.into(),
            parameters: Vec::new(),
            limits: LIMITS,
            format: ResultFormat::Json,
            into: self.directory.path().join("result"),
        }
    }

    fn run(&self, job: QueryJob) -> Result<(QueryOutcome, String), Failure> {
        self.bytes(job).map(|(outcome, body)| (outcome, String::from_utf8(body).unwrap()))
    }

    fn bytes(&self, job: QueryJob) -> Result<(QueryOutcome, Vec<u8>), Failure> {
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
        let result = self.threads().watch(query::run(self.engine.clone(), job, &control));
        if let Err(failure) = &result {
            let message = &failure.message;
            assert!(!message.contains(self.directory.path().to_str().unwrap()), "a path leaks: {message}");
            for noise in ["DataFusion", "datafusion", "Utf8", "Int64", "::", "claribi.", ".parquet", "Error during"] {
                assert!(!message.contains(noise), "{noise} leaks: {message}");
            }
        }
        result
    }

    fn rows(&self, sql: &str) -> Value {
        let (_, body) = self.run(self.job(sql)).unwrap_or_else(|failure| panic!("{sql}: {failure:?}"));
        serde_json::from_str::<Value>(&body).unwrap()["rows"].take()
    }

    fn refused(&self, sql: &str) -> Failure {
        match self.run(self.job(sql)) {
            Ok((_, body)) => panic!("{sql} was answered: {body}"),
            Err(failure) => {
                assert_eq!(failure.code, FailureCode::InvalidSql, "{sql}: {}", failure.message);
                failure
            }
        }
    }
}

impl Drop for Shop {
    /// A query that was stopped may still hold a thread; the test does not wait for it.
    fn drop(&mut self) {
        self.threads.take().unwrap().abandon();
    }
}

#[test]
fn nothing_but_one_query_is_accepted() {
    let shop = Shop::open();
    for (sql, needle) in [
        ("", "empty"),
        ("  -- nothing\n", "empty"),
        ("COPY (SELECT 1) TO 'leak.csv'", "COPY"),
        ("COPY orders TO 'leak.csv'", "COPY"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("EXPLAIN ANALYZE SELECT * FROM orders", "EXPLAIN"),
        ("SHOW TABLES", "SHOW"),
        ("SHOW ALL", "SHOW"),
        ("DESCRIBE orders", "DESCRIBE"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT 1; DROP TABLE orders", "one statement"),
        ("SELECT 1 /* ; */; /* x */ COPY orders TO 'x'", "one statement"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("CREATE VIEW x AS SELECT 1", "CREATE"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", ""),
        ("DROP TABLE orders", "DROP"),
        ("INSERT INTO orders VALUES (1)", "INSERT"),
        ("UPDATE orders SET id = 1", "UPDATE"),
        ("DELETE FROM orders", "DELETE"),
        ("WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x", "INSERT"),
        ("/* SELECT */ TRUNCATE TABLE orders", "TRUNCATE"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("EXECUTE p", "EXECUTE"),
        ("BEGIN", "BEGIN"),
        ("SELECT * INTO x FROM orders", "INTO"),
        ("SELECT * FROM orders FOR UPDATE", "lock"),
        ("SELECT * FROM '/etc/passwd'", "files cannot be read"),
        ("SELECT * FROM \"/etc/passwd\"", "files cannot be read"),
        ("SELECT * FROM 'file:///etc/passwd'", "files cannot be read"),
        ("SELECT * FROM information_schema.tables", "no table `information_schema.tables`"),
        ("SELECT * FROM information_schema.df_settings", "no table"),
        ("SELECT * FROM claribi.shop.orders", "source.table"),
        ("SELECT * FROM generate_series(1, 10)", "FROM"),
        ("SELECT * FROM range(10)", "FROM"),
        ("SELECT * FROM read_csv('/etc/passwd')", "FROM"),
        ("SELECT * FROM parquet_metadata('x')", "FROM"),
        ("SELECT input_file_name() FROM orders", "no function `input_file_name`"),
        ("SELECT version()", "no function `version`"),
        ("SELECT read_file('x')", "no function `read_file`"),
        ("SELECT @@version", ""),
    ] {
        let failure = shop.refused(sql);
        assert!(failure.message.contains(needle), "{sql}: {}", failure.message);
    }
    assert_eq!(fs::read_dir(shop.directory.path()).unwrap().count(), 1, "only the extracts' folder");
}

#[test]
fn tables_have_their_source_before_them_and_those_of_the_chosen_source_need_not() {
    let shop = Shop::open();
    assert_eq!(shop.rows("SELECT count(*) FROM orders"), json!([[3]]));
    assert_eq!(shop.rows("SELECT count(*) FROM shop.orders"), json!([[3]]));
    assert_eq!(shop.rows("SELECT count(*) FROM other.orders"), json!([[2]]));
    assert_eq!(shop.rows("VALUES (1), (2)"), json!([[1], [2]]));
    assert_eq!(shop.rows("WITH o AS (SELECT id FROM orders) SELECT max(id) FROM o"), json!([["9007199254740993"]]));
    let mut job = shop.job("SELECT count(*) FROM orders");
    job.source = None;
    let failure = shop.run(job).unwrap_err();
    assert!(failure.message.contains("did you mean `shop.orders`"), "{}", failure.message);
}

#[test]
fn mistakes_are_answered_with_the_place_and_what_was_probably_meant() {
    let shop = Shop::open();
    let told = |sql: &str| {
        let failure = shop.refused(sql);
        (failure.message, failure.position.map(|Position { line, column }| (line, column)))
    };
    assert_eq!(
        told("SELECT amout FROM orders"),
        ("There is no column `amout`; did you mean `amount`?".into(), Some((1, 8)))
    );
    assert_eq!(
        told("SELECT *\nFROM ordes"),
        ("There is no table `ordes`; did you mean `orders`?".into(), Some((2, 6)))
    );
    let (message, _) = told("SELECT zzz FROM customers");
    assert_eq!(message, "There is no column `zzz`; the columns here are `name`.");
    let (message, position) = told("SELEC 1");
    assert!(message.starts_with("The SQL has a syntax error: expected"), "{message}");
    assert_eq!(position, Some((1, 1)));
    let (message, _) = told("SELECT cuont(*) FROM orders");
    assert_eq!(message, "There is no function `cuont`; did you mean `count`?");
    let (message, _) = told("SELECT id / 0 FROM orders");
    assert!(message.contains("divided by zero"), "{message}");
    let (message, _) = told("SELECT CAST(\"Country\" AS INT) FROM orders");
    assert!(message.contains("The query fails on the data: Cannot cast"), "{message}");
    let (message, _) = told("SELECT id, count(*) FROM orders");
    assert!(message.contains("GROUP BY"), "{message}");
    let (message, _) = told("SELECT sum(\"Country\") FROM orders");
    assert!(message.contains("sum"), "{message}");
    let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    assert!(told(&deep).0.contains("nested too deeply"));
}

#[test]
fn columns_with_capitals_are_found_without_quotes() {
    let shop = Shop::open();
    let expected = json!([["DE"]]);
    assert_eq!(shop.rows("SELECT Country FROM orders WHERE id = 1"), expected);
    assert_eq!(shop.rows("SELECT country FROM orders o WHERE o.COUNTRY = 'DE'"), expected);
    assert_eq!(shop.rows("SELECT ID, \"Country\" FROM orders WHERE Id = 1"), json!([[1, "DE"]]));
    assert_eq!(shop.rows("SELECT name AS country FROM customers ORDER BY Country LIMIT 1"), json!([["-Bob"]]));
}

#[test]
fn parameters_stand_for_values() {
    let shop = Shop::open();
    let mut job = shop.job("SELECT $1 || 'x' AS a, id FROM orders WHERE id > $2 AND paid = $3");
    job.parameters = vec![json!("it's"), json!(1), json!(false)];
    let (_, body) = shop.run(job).unwrap();
    assert!(body.contains("[\"it'sx\",2]"), "{body}");
    let mut missing = shop.job("SELECT $1, $2");
    missing.parameters = vec![json!(1)];
    assert!(shop.run(missing).unwrap_err().message.contains("`$2`"));
    let mut list = shop.job("SELECT $1");
    list.parameters = vec![json!([1])];
    assert!(shop.run(list).unwrap_err().message.contains("Parameter 1"));
}

#[test]
fn a_query_that_explodes_ends_at_its_deadline() {
    let shop = Shop::open();
    let series = "(SELECT unnest(range(1, 100000)) AS n)";
    let mut job = shop.job(&format!("SELECT count(*) FROM {series} a, {series} b, {series} c WHERE a.n + b.n > c.n"));
    job.limits.millis = 200;
    assert_eq!(shop.run(job).unwrap_err().code, FailureCode::Timeout);
}
