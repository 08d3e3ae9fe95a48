//! What queries may ask, what they are told, and how results are written.

mod fuzzed;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
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
fn json_keeps_what_numbers_would_lose() {
    let shop = Shop::open();
    let (outcome, body) = shop.run(shop.job("SELECT * FROM orders ORDER BY id")).unwrap();
    let columns = r#"[{"name":"id","type":"integer"},{"name":"amount","type":"double"},{"name":"Country","type":"text"},{"name":"paid","type":"boolean"}]"#;
    let rows = r#"[[1,1.5,"DE",true],[2,null,"=1+1",false],["9007199254740993",null,"",null]]"#;
    let start = format!(r#"{{"columns":{columns},"rows":{rows},"row_count":3,"truncated":false,"elapsed_ms":"#);
    assert!(body.starts_with(&start) && body.ends_with('}'), "{body}");
    assert_eq!((outcome.rows, outcome.rows_scanned, outcome.truncated), (3, 3, false));
    assert_eq!(
        shop.rows(
            "SELECT DATE '2013-01-31', TIME '13:45:00', TIMESTAMP '2013-01-31 10:00:00', \
             TIMESTAMP '2013-01-31T10:00:00.250+01:00', CAST(1.50 AS DECIMAL(9,2)), CAST(1 AS REAL), NULL, \
             make_array(1, 2), 18446744073709551615"
        ),
        json!([[
            "2013-01-31",
            "13:45:00",
            "2013-01-31T10:00:00Z",
            "2013-01-31T09:00:00.25Z",
            "1.50",
            1.0,
            null,
            "[1, 2]",
            "18446744073709551615"
        ]])
    );
}

#[test]
fn columns_without_a_name_are_called_as_they_were_written() {
    let shop = Shop::open();
    let names = |sql: &str| {
        let (outcome, _) = shop.run(shop.job(sql)).unwrap();
        outcome.columns.into_iter().map(|column| column.name).collect::<Vec<_>>().join(" ; ")
    };
    assert_eq!(names("SELECT 1, 'a', id + 1, count(*) OVER () FROM orders"), "1 ; 'a' ; id + 1 ; count(*) OVER ()");
    assert_eq!(
        names("SELECT 1, *, 2 AS two, avg(id) OVER () FROM orders"),
        "1 ; id ; amount ; Country ; paid ; two ; avg(id) OVER ()"
    );
    assert_eq!(names("SELECT o.id, country FROM orders o UNION ALL SELECT 1, 'x'"), "id ; Country");
    assert_eq!(names("(SELECT 1) UNION SELECT 2"), "1");
}

#[test]
fn csv_is_quoted_and_never_a_formula() {
    let shop = Shop::open();
    let mut job = shop.job("SELECT id - 2 AS n, \"Country\", paid FROM orders ORDER BY id");
    job.format = ResultFormat::Csv;
    let (_, body) = shop.run(job).unwrap();
    assert_eq!(body, "n,Country,paid\r\n-1,DE,true\r\n0,'=1+1,false\r\n9007199254740991,\"\",\r\n");
    let mut job = shop.job("SELECT name FROM customers");
    job.format = ResultFormat::Csv;
    assert_eq!(shop.run(job).unwrap().1, "name\r\n\"Ann, \"\"A\"\"\"\r\n'-Bob\r\n");
}

/// Programs get the types that readers of these forms know, and the names that people see.
#[test]
fn arrow_and_parquet_hold_what_the_json_holds() {
    let shop = Shop::open();
    let sql = "SELECT \"Country\", id + 1, amount, NULL AS nothing FROM orders ORDER BY id";
    let body = |format, rows, bytes| {
        let mut job = QueryJob { format, ..shop.job(sql) };
        (job.limits.rows, job.limits.bytes) = (rows, bytes);
        shop.bytes(job)
    };
    let read = |format, rows| -> Vec<RecordBatch> {
        let bytes = body(format, rows, 1 << 20).unwrap().1;
        match format {
            ResultFormat::Arrow => StreamReader::try_new(&bytes[..], None).unwrap().map(Result::unwrap).collect(),
            _ => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
                reader.build().unwrap().map(Result::unwrap).collect()
            }
        }
    };
    for format in [ResultFormat::Arrow, ResultFormat::Parquet] {
        let batches = read(format, 100);
        let schema = batches[0].schema();
        let fields: Vec<_> = schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let expected = [
            ("Country", &DataType::Utf8),
            ("id + 1", &DataType::Int64),
            ("amount", &DataType::Float64),
            ("nothing", &DataType::Utf8),
        ];
        assert_eq!(fields, expected, "{format:?}");
        let whole = concat_batches(&schema, &batches).unwrap();
        assert_eq!(whole.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("DE"), Some("=1+1"), Some("")]);
        assert_eq!(whole.column(1).as_primitive::<Int64Type>().values(), &[2, 3, 9_007_199_254_740_994]);
        assert_eq!((whole.num_rows(), whole.column(2).null_count(), whole.column(3).null_count()), (3, 1, 3));
        assert_eq!(read(format, 2).iter().map(RecordBatch::num_rows).sum::<usize>(), 2, "{format:?}");
        assert_eq!(body(format, 100, 100).unwrap_err().code, FailureCode::TooLarge, "{format:?}");
    }
}

/// Rows by the hundred thousand are written beside the frame, in the same form.
#[test]
fn a_long_result_is_whole_in_every_form() {
    let shop = Shop::open();
    for format in [ResultFormat::Json, ResultFormat::Csv, ResultFormat::Arrow, ResultFormat::Parquet] {
        let mut job = QueryJob {
            format,
            ..shop.job("SELECT n, concat('text ', n, ' ', random()) FROM (SELECT unnest(range(0, 60000)) AS n)")
        };
        (job.limits.rows, job.limits.bytes) = (1 << 20, 64 << 20);
        let into = job.into.clone();
        let (outcome, inline) = shop.bytes(job).unwrap();
        assert_eq!((outcome.rows, inline.len()), (60_000, 0), "{format:?}");
        let bytes = fs::read(into).unwrap();
        assert_eq!(outcome.file_bytes, Some(bytes.len() as u64), "{format:?}");
        let rows = match format {
            ResultFormat::Json => serde_json::from_slice::<Value>(&bytes).unwrap()["rows"].as_array().unwrap().len(),
            ResultFormat::Csv => bytes.iter().filter(|byte| **byte == b'\n').count() - 1,
            ResultFormat::Arrow => {
                StreamReader::try_new(&bytes[..], None).unwrap().map(|batch| batch.unwrap().num_rows()).sum()
            }
            ResultFormat::Parquet => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
                reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum()
            }
        };
        assert_eq!(rows, 60_000, "{format:?}");
    }
}

#[test]
fn results_are_cut_at_their_rows_and_refused_past_their_bytes() {
    let shop = Shop::open();
    let mut job = shop.job("SELECT id FROM orders ORDER BY id");
    job.limits.rows = 2;
    let (outcome, _) = shop.run(job).unwrap();
    assert_eq!((outcome.rows, outcome.truncated), (2, true));
    let mut job = shop.job("SELECT repeat('x', 2000) FROM orders");
    job.limits.bytes = 5_000;
    assert_eq!(shop.run(job).unwrap_err().code, FailureCode::TooLarge);
    let mut job = shop.job("SELECT unnest(range(1, 5000000)) AS n ORDER BY n DESC");
    job.limits.memory_bytes = 1 << 20;
    assert_eq!(shop.run(job).unwrap_err().code, FailureCode::TooLarge);
}

#[test]
fn a_query_that_explodes_ends_at_its_deadline() {
    let shop = Shop::open();
    let series = "(SELECT unnest(range(1, 100000)) AS n)";
    let mut job = shop.job(&format!("SELECT count(*) FROM {series} a, {series} b, {series} c WHERE a.n + b.n > c.n"));
    job.limits.millis = 200;
    assert_eq!(shop.run(job).unwrap_err().code, FailureCode::Timeout);
}
