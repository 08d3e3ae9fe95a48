//! What is added up before a join is what would have been added up after it, and it is where that helps and nowhere else.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::json;

use crate::engine::sql::fixture::Tables;
use crate::worker::protocol::FailureCode;

/// Eight hundred sales of products that are null now and then, or unknown; four products, of which one is there twice and
/// none has no key.
fn shop() -> Tables {
    shop_on(2)
}

fn shop_on(cores: usize) -> Tables {
    let rows = 0..800_i64;
    let product = |row: i64| (row % 7 != 0).then(|| format!("p{}", row % 5));
    let amount = |row: i64| (row % 11 != 0).then_some(row * 3 - 100);
    let tables: [(&str, Vec<(&str, ArrayRef)>); 2] = [
        (
            "sales",
            vec![
                ("id", Arc::new(Int64Array::from_iter_values(rows.clone()))),
                ("product", Arc::new(StringArray::from_iter(rows.clone().map(product)))),
                ("shelf", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row % 2)))),
                ("amount", Arc::new(Int64Array::from_iter(rows.clone().map(amount)))),
                ("weight", Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| row as f64 / 4.0)))),
                (
                    "sign",
                    Arc::new(Float64Array::from_iter_values(rows.map(|row| if row % 2 == 0 { 0.0 } else { -0.0 }))),
                ),
            ],
        ),
        (
            "products",
            vec![
                ("product", Arc::new(StringArray::from(vec![Some("p0"), Some("p1"), Some("p1"), Some("p2"), None]))),
                ("shelf", Arc::new(Int64Array::from(vec![0, 1, 2, 0, 1]))),
                ("kind", Arc::new(StringArray::from(vec![Some("tea"), Some("tea"), Some("cup"), None, Some("lid")]))),
            ],
        ),
    ];
    Tables::on(cores, tables)
}

const SUMS: &str = "sum(s.amount) AS a, count(*) AS b, count(s.amount) AS c, min(s.product) AS d, max(s.weight) AS e, \
                    avg(s.weight) AS f, sum(s.weight) AS g";

/// Queries that are added up before their join; `SUMS` stands for all sums of the columns.
const EAGER: &[&str] = &[
    "SELECT p.kind, SUMS FROM sales s JOIN products p ON s.product = p.product GROUP BY p.kind ORDER BY 1",
    "SELECT p.kind, SUMS FROM products p JOIN sales s ON s.product = p.product GROUP BY p.kind ORDER BY 1",
    "SELECT upper(p.kind), SUMS FROM sales s JOIN products p USING (product) GROUP BY 1 ORDER BY 1",
    "SELECT s.product, p.kind, SUMS FROM sales s JOIN products p ON s.product = p.product GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT p.kind, SUMS FROM sales s LEFT JOIN products p ON s.product = p.product GROUP BY p.kind ORDER BY 1",
    "SELECT p.kind, SUMS FROM sales s JOIN products p ON s.product = p.product AND s.shelf = p.shelf GROUP BY p.kind \
     ORDER BY 1",
    "SELECT p.kind, SUMS FROM sales s JOIN products p ON s.product = p.product WHERE s.amount > 20 \
     GROUP BY p.kind ORDER BY 1",
    "SELECT p.kind, SUMS FROM sales s JOIN products p ON s.product = lower(p.product) GROUP BY p.kind ORDER BY 1",
    "SELECT p.kind, SUMS FROM sales s JOIN products p ON s.product = p.product GROUP BY p.kind HAVING count(*) > 30 \
     ORDER BY 1",
];

#[test]
fn sums_before_a_join_are_those_after_it() {
    [1, 2, 4].map(shop_on).iter().for_each(sums_agree);
}

fn sums_agree(shop: &Tables) {
    for sql in EAGER {
        let eager = sql.replace("SUMS", SUMS);
        assert!(shop.steps(&eager).contains("mode=PartialReduce"), "{eager}\n{}", shop.steps(&eager));
        // What is computed is not added up before.
        let lazy = sql.replace("SUMS", &format!("{SUMS}, sum(s.amount + 0) AS h"));
        assert!(!shop.steps(&lazy).contains("mode=PartialReduce"), "{lazy}");
        let (eager, mut lazy) = (shop.ask(&eager).unwrap(), shop.ask(&lazy).unwrap());
        for row in lazy.as_array_mut().unwrap() {
            row.as_array_mut().unwrap().pop();
        }
        assert!(!eager.as_array().unwrap().is_empty(), "{sql}");
        assert_eq!(eager, lazy, "{sql}");
    }
}

#[test]
fn ends_of_lists_of_groups_are_theirs() {
    let shop = shop();
    for (sql, rows) in [
        (
            "SELECT p.kind, max(s.id) FROM sales s JOIN products p ON s.product = p.product WHERE s.id < 796 GROUP BY 1 \
             ORDER BY 2 DESC LIMIT 2",
            json!([["tea", 795], [null, 792]]),
        ),
        (
            "SELECT p.shelf, min(s.id) FROM sales s JOIN products p ON s.product = p.product AND s.shelf = p.shelf GROUP BY 1 \
             ORDER BY 2 LIMIT 1",
            json!([[1, 1]]),
        ),
    ] {
        assert!(shop.steps(sql).contains("mode=PartialReduce"), "{sql}\n{}", shop.steps(sql));
        assert_eq!(shop.ask(sql).unwrap(), rows, "{sql}");
    }
}

#[test]
fn a_row_that_meets_two_counts_twice() {
    let shop = shop();
    let rows = "SELECT p.kind, count(*), sum(s.shelf) FROM sales s JOIN products p ON s.product = p.product \
                WHERE s.id % 5 = 1 GROUP BY p.kind ORDER BY 1";
    assert!(shop.steps(rows).contains("mode=PartialReduce"), "{}", shop.steps(rows));
    // Of 160 rows that leave one over five, the 23 that seven divides have no product; every other one has shelf 1.
    assert_eq!(shop.ask(rows).unwrap(), json!([["cup", 137, 68], ["tea", 137, 68]]));
}

#[test]
fn what_depends_on_more_than_the_key_is_added_up_after_the_join() {
    no_first_step(
        &shop(),
        &[
            "SELECT p.kind, count(DISTINCT s.amount) FROM sales s JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT p.kind, sum(s.amount) FILTER (WHERE s.id > 3) FROM sales s JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT p.kind, sum(p.shelf) FROM sales s JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT s.shelf, sum(s.amount) FROM sales s JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT p.kind, sum(s.amount) FROM sales s JOIN products p ON s.product = p.product AND s.id > p.shelf GROUP BY 1",
            "SELECT p.kind, sum(s.amount) FROM sales s RIGHT JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT p.kind, sum(s.amount) FROM sales s FULL JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT p.kind, array_agg(s.amount) FROM sales s JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT random(), sum(s.amount) FROM sales s JOIN products p ON s.product = p.product GROUP BY 1",
            "SELECT sum(s.amount) FROM sales s JOIN products p ON s.product = p.product",
            "SELECT p.kind, sum(s.amount) FROM sales s JOIN products p ON s.product = p.product WHERE p.shelf = 1 GROUP BY 1",
            "SELECT p.kind, sum(s.amount) FROM sales s JOIN products p ON s.sign = p.shelf / 1e0 GROUP BY 1",
            // What is joined by is computed: nothing tells how many there are.
            "SELECT p.kind, sum(s.amount) FROM sales s JOIN products p ON lower(s.product) = p.product GROUP BY 1",
            // Not many to few.
            "SELECT p.shelf, sum(s.amount) FROM sales s JOIN sales p ON s.product = p.product GROUP BY 1",
        ],
    );
}

fn no_first_step(tables: &Tables, queries: &[&str]) {
    for sql in queries {
        assert!(!tables.steps(sql).contains("mode=PartialReduce"), "{sql}\n{}", tables.steps(sql));
    }
}

#[test]
fn where_keys_are_many_or_meet_few_nothing_is_added_up_before_the_join() {
    let rows = 0..5_000_i64;
    let column = |of: fn(i64) -> i64| Arc::new(Int64Array::from_iter_values(rows.clone().map(of))) as ArrayRef;
    let numbers = |end| Arc::new(Int64Array::from_iter_values(0..end)) as ArrayRef;
    let tables = Tables::of([
        (
            "many",
            vec![
                ("id", column(|row| row)),
                ("most", column(|row| row % 4_000)),
                ("some", column(|row| row % 400)),
                ("less", column(|row| row % 200)),
                ("few", column(|row| row % 40)),
            ],
        ),
        ("twenty", vec![("k", numbers(20)), ("g", numbers(20))]),
        ("three_hundred", vec![("k", numbers(300)), ("g", numbers(300))]),
        ("of_one", vec![("k", Arc::new(Int64Array::from_value(7, 100)) as ArrayRef), ("g", numbers(100))]),
    ]);
    let asked =
        |key: &str, of: &str| format!("SELECT f.g, sum(m.id) FROM many m JOIN {of} f ON m.{key} = f.k GROUP BY f.g");
    for sql in [
        asked("few", "twenty"),
        asked("less", "three_hundred"),
        // Every row is there, whether it meets one or not.
        asked("less", "twenty").replace("JOIN", "LEFT JOIN"),
    ] {
        assert!(tables.steps(&sql).contains("mode=PartialReduce"), "{sql}\n{}", tables.steps(&sql));
    }
    let lazy = [
        // Nearly every row has a key of its own.
        asked("id", "twenty"),
        asked("most", "three_hundred"),
        // Twelve rows have the same.
        asked("some", "three_hundred"),
        // Most of the keys are not among the twenty.
        asked("less", "twenty"),
        asked("less", "of_one"),
    ];
    no_first_step(&tables, &lazy.each_ref().map(String::as_str));
}

#[test]
fn a_sum_without_a_place_is_refused_and_its_parts_may_have_none() {
    let large = |row: i64| if row % 2 == 0 { i64::MAX - row } else { i64::MIN + row };
    let tables = Tables::of([
        (
            "many",
            vec![
                ("k", Arc::new(Int64Array::from_iter_values((0..200).map(|row| row % 4)))),
                ("x", Arc::new(Int64Array::from_iter_values((0..200).map(large)))),
            ],
        ),
        ("few", vec![("k", Arc::new(Int64Array::from(vec![0, 1]))), ("g", Arc::new(Int64Array::from(vec![1, 1])))]),
        ("one", vec![("k", Arc::new(Int64Array::from(vec![2]))), ("g", Arc::new(Int64Array::from(vec![1])))]),
    ]);
    let sql = "SELECT f.g, sum(m.x) FROM many m JOIN few f ON m.k = f.k GROUP BY f.g";
    assert!(tables.steps(sql).contains("mode=PartialReduce"));
    assert_eq!(tables.ask(sql).unwrap(), json!([[1, 0]]), "the sum of either key alone has no place");
    let failure = tables.ask(&sql.replace("few", "one")).unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidSql, "{failure:?}");
}
