//! Wherever whole numbers are computed, a result that has no place is an error, and what has one is as before.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::engine::control::Control;
use crate::engine::sql::query;
use crate::engine::sql::session::{Engine, Settings};
use crate::engine::threads::Threads;
use crate::worker::protocol::{Failure, FailureCode, QueryJob, QueryLimits, ResultFormat, TableFile};

/// `t.n`: `g` is 1, 1, 2, 2, 3, and `x` the largest number, 1, the smallest, -1, and null.
struct Numbers {
    directory: TempDir,
    engine: Arc<Engine>,
    threads: Option<Threads>,
}

impl Numbers {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("g", Arc::new(Int64Array::from(vec![1, 1, 2, 2, 3]))),
            ("x", Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(1), Some(i64::MIN), Some(-1), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = std::fs::File::create(directory.path().join("n")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let threads = Threads::start(2).unwrap();
        let settings = Settings { cores: 2, scratch: None };
        let engine = Arc::new(Engine::new(settings, threads.hands()).unwrap());
        Self { directory, engine, threads: Some(threads) }
    }

    fn ask(&self, sql: &str) -> Result<Value, Failure> {
        let path = self.directory.path().join("n");
        let job = QueryJob {
            tables: vec![TableFile { source: "t".into(), table: "n".into(), path, columns: Vec::new() }],
            source: Some("t".into()),
            live: Vec::new(),
            sql: sql.into(),
            parameters: Vec::new(),
            limits: QueryLimits {
                rows: 100,
                bytes: 1 << 20,
                memory_bytes: 64 << 20,
                spill_bytes: 1 << 20,
                millis: 60_000,
            },
            format: ResultFormat::Json,
            into: self.directory.path().join("result"),
        };
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_secs(60), Arc::new(|_, _| {}));
        let (_, body) = self.threads.as_ref().unwrap().watch(query::run(self.engine.clone(), job, &control))?;
        Ok(serde_json::from_slice::<Value>(&body).unwrap()["rows"].take())
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.threads.take().into_iter().for_each(Threads::abandon);
    }
}

#[test]
fn what_has_no_place_in_its_type_is_an_error_wherever_it_is_computed() {
    let numbers = Numbers::new();
    for sql in [
        "SELECT 9223372036854775807 + 1",
        "SELECT -9223372036854775807 - 2",
        "SELECT 3037000500 * 3037000500",
        "SELECT x + 1 FROM n",
        "SELECT 1 + x FROM n",
        "SELECT x - 1 FROM n",
        "SELECT x * 2 FROM n",
        "SELECT x + x FROM n",
        "SELECT -x FROM n",
        "SELECT abs(x) FROM n",
        "SELECT g FROM n WHERE x + g > 0",
        "SELECT g FROM n GROUP BY g HAVING max(x) + 1 > 0",
        "SELECT x + 1 AS y, count(*) FROM n GROUP BY 1",
        "SELECT max(x + 1) FROM n",
        "SELECT count(*) FILTER (WHERE x + 1 > 0) FROM n",
        "SELECT sum(x * 2) OVER (ORDER BY g) FROM n",
        "SELECT lag(x + 1) OVER (ORDER BY g) FROM n",
        "SELECT a.g FROM n a JOIN n b ON a.x + 1 = b.x",
        "SELECT a.g FROM n a JOIN n b ON a.g = b.g AND a.x + 1 > b.g",
        "SELECT g FROM n ORDER BY x + 1",
        "SELECT (SELECT max(b.x + 1) FROM n b WHERE b.g = a.g) FROM n a",
        "SELECT g FROM n WHERE g IN (SELECT x + 1 FROM n)",
        "SELECT CASE WHEN g > 0 THEN x + 1 END FROM n",
        "WITH y AS (SELECT x + 1 AS z FROM n) SELECT count(z) FROM y",
        "SELECT x + 1 FROM n UNION ALL SELECT g FROM n",
        "SELECT arrow_cast(127, 'Int8') + arrow_cast(1, 'Int8')",
        "SELECT sum(x) FROM n WHERE g = 1",
        "SELECT g, sum(x) FROM n GROUP BY g",
        "SELECT sum(x) OVER (ORDER BY g) FROM n WHERE g = 1",
        "SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM n WHERE g = 2",
        "SELECT sum(DISTINCT x) FROM n WHERE g = 1",
        "SELECT sum(DISTINCT x), count(*) FROM n WHERE g = 1",
        "SELECT g, sum(DISTINCT x), count(DISTINCT g) FROM n GROUP BY g",
        "SELECT sum(DISTINCT x) OVER () FROM n WHERE g = 1",
        "SELECT sum(DISTINCT x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM n WHERE g = 1",
        "SELECT CAST(1e30 AS BIGINT)",
    ] {
        let told = numbers.ask(sql);
        let failure = told.map_or_else(|failure| failure, |rows| panic!("{sql} is {rows}"));
        assert_eq!(failure.code, FailureCode::InvalidSql, "{sql}: {failure:?}");
        assert!(
            failure.message.contains("range")
                || failure.message.contains("overflow")
                || failure.message.contains("cast"),
            "{sql}: {failure:?}"
        );
    }
}

#[test]
fn what_has_its_place_is_as_before() {
    let numbers = Numbers::new();
    for (sql, rows) in [
        ("SELECT 1 + 2 * 3 - 4, -(5), 7 / 2, 7 % 4", json!([[3, -5, 3, 3]])),
        ("SELECT g + 1, -g, g * g - g FROM n WHERE g > 1 ORDER BY g LIMIT 1", json!([[3, -2, 2]])),
        ("SELECT sum(g), sum(x) FROM n WHERE x IS NULL", json!([[3, null]])),
        // The condition before keeps the division from the rows that it would fail on.
        ("SELECT g FROM n WHERE g <> 1 AND 6 / (g - 1) = 3", json!([[3]])),
        ("SELECT sum(x) FROM n WHERE g > 5", json!([[null]])),
        // The parts of a sum may be larger than the sum.
        ("SELECT sum(x) FROM n", json!([[-1]])),
        ("SELECT sum(x - 1) FROM n WHERE x > 0", json!([["9223372036854775806"]])),
        (
            "SELECT g, sum(x) FROM n WHERE x IN (1, -1) OR x IS NULL GROUP BY g ORDER BY g",
            json!([[1, 1], [2, -1], [3, null]]),
        ),
        ("SELECT sum(x) FILTER (WHERE g = 2 AND x > -2), sum(DISTINCT g) FROM n", json!([[-1, 6]])),
        (
            "SELECT g, sum(g) OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM n ORDER BY g, 2",
            json!([[1, 1], [1, 2], [2, 3], [2, 4], [3, 5]]),
        ),
        ("SELECT sum(DISTINCT g), count(*), sum(DISTINCT x) FROM n", json!([[6, 5, -1]])),
        ("SELECT sum(DISTINCT arrow_cast(g, 'UInt64')), count(*) FROM n", json!([[6, 5]])),
        ("SELECT sum(DISTINCT x), count(*) FROM n WHERE x IS NULL", json!([[null, 1]])),
        (
            "SELECT g, sum(DISTINCT g), count(*) FROM (SELECT g FROM n UNION ALL SELECT g FROM n) GROUP BY g ORDER BY g",
            json!([[1, 1, 4], [2, 2, 4], [3, 3, 2]]),
        ),
        (
            "SELECT g, sum(DISTINCT g) OVER (ORDER BY g ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM n ORDER BY g, 2",
            json!([[1, 1], [1, 1], [2, 2], [2, 3], [3, 5]]),
        ),
        ("SELECT sum(length) FROM (SELECT character_length('abc') AS length FROM n)", json!([[15]])),
        ("SELECT x + 0.5 FROM n WHERE g = 1 AND x = 1", json!([[1.5]])),
        ("SELECT sum(g + 0.25) FROM n", json!([[10.25]])),
        ("SELECT DATE '2026-01-01' + INTERVAL '1 day', 1 + null", json!([["2026-01-02", null]])),
        ("SELECT a.g FROM n a JOIN n b ON a.g + 1 = b.g AND b.x = -1 GROUP BY a.g", json!([[1]])),
        ("SELECT \"g + 1\" FROM (SELECT g + 1 AS \"g + 1\" FROM n) WHERE \"g + 1\" = 4", json!([[4]])),
    ] {
        let told = numbers.ask(sql).unwrap_or_else(|failure| panic!("{sql}: {failure:?}"));
        assert_eq!(told, rows, "{sql}");
    }
}
