//! Running sums are the same by a key and by columns, and a key is made where several columns say who is whose peer.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::json;

use crate::engine::sql::fixture::Tables;

const ROWS: i64 = 10_000;

/// Rows in no order, with peers, nulls, and zeros of both signs.
fn sales() -> Tables {
    let mixed = |row: i64| (row * 7_919) % ROWS;
    let column =
        |of: fn(i64) -> Option<i64>| Arc::new(Int64Array::from_iter((0..ROWS).map(|row| of(mixed(row))))) as ArrayRef;
    let text = (0..ROWS).map(|row| (mixed(row) % 11 != 3).then(|| format!("w{}", mixed(row) % 23)));
    let sign = (0..ROWS).map(|row| [0.0, -0.0, 1.5, f64::NAN][usize::try_from(mixed(row) % 4).unwrap()]);
    Tables::of([(
        "sales",
        vec![
            ("id", column(Some)),
            ("region", column(|row| Some(row % 5))),
            ("day", column(|row| (row % 13 != 0).then_some(row % 90))),
            ("word", Arc::new(StringArray::from_iter(text))),
            ("sign", Arc::new(Float64Array::from_iter_values(sign))),
            ("amount", column(|row| (row % 7 != 0).then_some(row % 1_000))),
        ],
    )])
}

/// How windows are divided and sorted.
const ORDERS: &[(&str, &str)] = &[
    ("PARTITION BY region", "day, word"),
    ("PARTITION BY region", "day DESC, word DESC NULLS LAST, sign"),
    ("PARTITION BY region, word", "day NULLS FIRST, sign DESC"),
    ("", "word, day"),
    ("PARTITION BY day % 4", "upper(word), day + 1, sign"),
];

#[test]
fn running_sums_are_the_same_by_a_key_and_by_columns() {
    let sales = sales();
    for sums in ["sum(amount)", "count(*)", "min(word)", "count(amount)", "max(amount)"] {
        for (partition, order) in ORDERS {
            let keyed = format!("SELECT id, {sums} OVER ({partition} ORDER BY {order}) AS s FROM sales");
            assert!(sales.steps(&keyed).contains("as peers"), "{keyed}\n{}", sales.steps(&keyed));
            let places = format!("SELECT *, dense_rank() OVER ({partition} ORDER BY {order}) AS place FROM sales");
            let plain = format!("SELECT id, {sums} OVER ({partition} ORDER BY place) AS s FROM ({places}) p");
            assert!(!sales.steps(&plain).contains("as peers"), "{plain}");
            let both = format!("SELECT id, s, count(*) AS n FROM ({keyed} UNION ALL {plain}) u GROUP BY id, s");
            let found = sales.ask(&format!("SELECT count(*), min(n) FROM ({both}) t")).unwrap();
            assert_eq!((&found[0][0], &found[0][1]), (&json!(ROWS), &json!(2)), "{keyed}");
        }
    }
}

/// A window with a condition has the engine's own search.
#[test]
fn running_sums_are_those_of_the_engine() {
    let sales = sales();
    for (partition, order) in ORDERS {
        let sums = |condition: &str| {
            let running = |sum: &str| format!("{sum} {condition} OVER ({partition} ORDER BY {order})");
            let windows = format!("{} AS s, {} AS n", running("sum(amount)"), running("count(*)"));
            let sums = "sum(s % 1009 * (id % 97 + 1)), sum(n % 1013 * (id % 89 + 1)), count(s)";
            format!("SELECT {sums} FROM (SELECT id, {windows} FROM sales) t")
        };
        let (keyed, own) = (sums(""), sums("FILTER (WHERE id >= 0)"));
        assert!(sales.steps(&keyed).contains("as peers") && !sales.steps(&own).contains("as peers"), "{keyed}");
        assert_eq!(sales.ask(&keyed).unwrap(), sales.ask(&own).unwrap(), "{keyed}");
    }
}

#[test]
fn several_windows_have_their_own_and_other_columns_stay_in_their_places() {
    let sales = sales();
    let sql = "SELECT id, sum(amount) OVER w AS a, row_number() OVER (PARTITION BY region ORDER BY day, word, id) AS n, \
               count(*) OVER (PARTITION BY region ORDER BY day DESC, id DESC) AS b, word, \
               sum(amount) OVER (PARTITION BY region ORDER BY day, word ROWS UNBOUNDED PRECEDING) IS NULL AS c \
               FROM sales WINDOW w AS (PARTITION BY region ORDER BY day, word)";
    assert!(sales.steps(sql).contains("as peers"), "{}", sales.steps(sql));
    let all =
        format!("SELECT count(*), count(DISTINCT id), max(b), max(n), sum(n) = sum(b), count(word) FROM ({sql}) t");
    let words = sales.ask("SELECT count(word) FROM sales").unwrap()[0][0].clone();
    assert_eq!(sales.ask(&all).unwrap(), json!([[ROWS, ROWS, ROWS / 5, ROWS / 5, true, words]]));
}

#[test]
fn windows_of_one_column_of_rows_or_with_conditions_are_as_they_were() {
    let sales = sales();
    for sql in [
        "SELECT sum(amount) OVER (PARTITION BY region ORDER BY day) FROM sales",
        "SELECT sum(amount) OVER (PARTITION BY region ORDER BY day, word ROWS UNBOUNDED PRECEDING) FROM sales",
        "SELECT sum(amount) OVER (ORDER BY day, word RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM sales",
        "SELECT sum(amount) FILTER (WHERE day > 3) OVER (PARTITION BY region ORDER BY day, word) FROM sales",
        "SELECT row_number() OVER (PARTITION BY region ORDER BY day, word) FROM sales",
    ] {
        assert!(!sales.steps(sql).contains("as peers"), "{sql}\n{}", sales.steps(sql));
        assert!(sales.ask(&format!("SELECT count(*) FROM ({sql}) t")).is_ok(), "{sql}");
    }
    // In the same order with a window that has none, it keeps its condition.
    let two = "SELECT max(a) - max(b) FROM (SELECT count(*) FILTER (WHERE id < 10) OVER (ORDER BY day, id) AS a, \
               count(*) OVER (ORDER BY day, id) AS b FROM sales) t";
    assert_eq!(sales.ask(two).unwrap(), json!([[10 - ROWS]]));
}
