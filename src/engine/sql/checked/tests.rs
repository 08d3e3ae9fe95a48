//! Wherever whole numbers are computed, a result that has no place is an error, and what has one is as before.

use std::sync::Arc;

use datafusion::arrow::array::Int64Array;
use serde_json::json;

use crate::engine::sql::fixture::Tables;
use crate::worker::protocol::FailureCode;

/// `g` is 1, 1, 2, 2, 3, and `x` the largest number, 1, the smallest, -1, and null.
fn numbers() -> Tables {
    Tables::of([(
        "n",
        vec![
            ("g", Arc::new(Int64Array::from(vec![1, 1, 2, 2, 3]))),
            ("x", Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(1), Some(i64::MIN), Some(-1), None]))),
        ],
    )])
}

#[test]
fn what_has_no_place_in_its_type_is_an_error_wherever_it_is_computed() {
    let numbers = numbers();
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
    let numbers = numbers();
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
