//! Lists have the rows that they would have if everything was read, and the plans that leave rows out early are those of
//! which it is known.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, StringArray};
use serde_json::json;

use crate::engine::sql::fixture::Tables;
use crate::worker::protocol::FailureCode;

const ROWS: i64 = 20_000;

/// `sales` in many groups of rows and ten `products`. The `name` of a sale comes after those of products, and the first
/// products are those of the last sales.
fn shop() -> Tables {
    let rows = 0..ROWS;
    let name = |row: i64| format!("s{row:05}");
    Tables::of([
        (
            "sales",
            vec![
                ("id", Arc::new(Int64Array::from_iter_values(rows.clone()))),
                ("product", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| 9 - row * 10 / ROWS)))),
                ("name", Arc::new(StringArray::from_iter_values(rows.clone().map(name)))),
                ("amount", Arc::new(Int64Array::from_iter(rows.map(|row| (row % 9 != 0).then_some(row * 7 % 1_000))))),
            ],
        ),
        (
            "products",
            vec![
                ("product", Arc::new(Int64Array::from_iter_values(0..10))),
                ("name", Arc::new(StringArray::from_iter_values((0..10).map(|row| format!("p{row}"))))),
            ],
        ),
    ])
}

fn leaves_out_early(shop: &Tables, sql: &str) -> bool {
    let steps = shop.steps(sql);
    let is_filtered_later = steps.contains("FilterExec");
    steps.contains("predicate=") && !is_filtered_later
}

#[test]
fn lists_are_those_of_all_rows() {
    let shop = shop();
    for list in [
        "SELECT id, amount FROM SALES ORDER BY amount DESC, id LIMIT 7",
        "SELECT id, amount FROM SALES ORDER BY amount NULLS FIRST, id DESC LIMIT 120",
        "SELECT amount AS id, id AS amount FROM SALES ORDER BY id DESC, amount LIMIT 7",
        "SELECT id + amount AS both FROM SALES WHERE amount > 500 ORDER BY both LIMIT 5",
        "SELECT name FROM SALES WHERE amount IS NOT NULL AND id % 3 = 1 ORDER BY name LIMIT 9",
        "SELECT id FROM (SELECT id, amount FROM SALES ORDER BY amount DESC, id LIMIT 20) t ORDER BY id LIMIT 3",
        "SELECT t.id FROM (SELECT id, amount AS name FROM SALES WHERE amount < 300) t WHERE t.name > 100 ORDER BY t.name, t.id LIMIT 4",
        "SELECT id FROM SALES WHERE amount BETWEEN 10 AND 20 ORDER BY id",
    ] {
        let early = list.replace("SALES", "sales");
        assert!(leaves_out_early(&shop, &early), "{early}\n{}", shop.steps(&early));
        // Put together of two, it is no table's list.
        let late = list.replace("SALES", "(SELECT * FROM sales UNION ALL SELECT * FROM sales WHERE id < 0) AS s");
        assert!(!leaves_out_early(&shop, &late), "{late}\n{}", shop.steps(&late));
        let (early, late) = (shop.ask(&early).unwrap(), shop.ask(&late).unwrap());
        assert!(!early.as_array().unwrap().is_empty(), "{list}");
        assert_eq!(early, late, "{list}");
    }
}

#[test]
fn columns_of_one_name_are_not_taken_for_one_another() {
    let shop = shop();
    let first = json!(vec![json!(["p0", 1]); 30]);
    for sql in [
        "SELECT p.name, s.name, s.id - s.id + 1 FROM sales s JOIN products p ON s.product = p.product ORDER BY p.name LIMIT 30",
        "SELECT p.name, s.name, s.id - s.id + 1 FROM products p JOIN sales s ON s.product = p.product ORDER BY p.name LIMIT 30",
    ] {
        assert!(!leaves_out_early(&shop, sql), "{sql}\n{}", shop.steps(sql));
        let mut rows = shop.ask(sql).unwrap();
        rows.as_array_mut().unwrap().iter_mut().for_each(|row| drop(row.as_array_mut().unwrap().remove(1)));
        assert_eq!(rows, first, "{sql}");
    }
    let sql = "SELECT a.id, b.id FROM sales a JOIN sales b ON a.id = b.id - 500 ORDER BY a.id LIMIT 5";
    assert_eq!(shop.ask(sql).unwrap(), json!([[0, 500], [1, 501], [2, 502], [3, 503], [4, 504]]));
    let sql = "SELECT id, amount AS name FROM (SELECT id, product AS amount FROM sales) t ORDER BY 1 DESC LIMIT 2";
    assert_eq!(shop.ask(sql).unwrap(), json!([[19999, 0], [19998, 0]]));
}

#[test]
fn chance_is_asked_once() {
    let shop = shop();
    for sql in [
        "SELECT r FROM (SELECT id, random() AS r FROM sales) t WHERE r < 0.2 AND r > 0.8",
        "SELECT r FROM (SELECT id, random() AS r FROM sales) t WHERE r < 0.2 AND r > 0.8 ORDER BY r LIMIT 10",
        "SELECT u FROM (SELECT id, uuid() AS u FROM sales) t WHERE u < '2' AND u > '8'",
    ] {
        assert!(!leaves_out_early(&shop, sql), "{sql}\n{}", shop.steps(sql));
        assert_eq!(shop.ask(sql).unwrap(), json!([]), "{sql}");
    }
}

#[test]
fn what_a_subquery_says_is_a_condition_like_others() {
    let shop = shop();
    for (sql, count) in [
        ("SELECT id FROM sales WHERE (SELECT count(*) FROM products) > 5 ORDER BY id LIMIT 3", 3),
        ("SELECT id FROM sales WHERE (SELECT count(*) FROM products) > 50 ORDER BY id LIMIT 3", 0),
        ("SELECT id FROM sales WHERE id IN (SELECT product FROM products) ORDER BY id LIMIT 30", 10),
        ("SELECT id FROM sales WHERE amount > (SELECT max(id) - 19001 FROM sales) ORDER BY id LIMIT 30", 18),
    ] {
        assert_eq!(shop.ask(sql).unwrap().as_array().unwrap().len(), count, "{sql}\n{}", shop.steps(sql));
    }
}

#[test]
fn a_condition_that_fails_says_the_same_early_and_late() {
    let shop = shop();
    for condition in [
        "10 / (product - 9) > 1",
        "id + 9223372036854775800 > 0",
        "CAST(name AS BIGINT) > 1",
        "regexp_like(name, name || '(')",
        "regexp_replace(name, name || '(', 'x') = 'x'",
    ] {
        let early = format!("SELECT id FROM sales WHERE {condition} ORDER BY id LIMIT 3");
        let late = format!("SELECT max(id) FROM sales WHERE {condition}");
        assert!(leaves_out_early(&shop, &early) && !leaves_out_early(&shop, &late), "{condition}");
        let (early, late) = (shop.ask(&early).unwrap_err(), shop.ask(&late).unwrap_err());
        assert_eq!((early.code, &early.message), (FailureCode::InvalidSql, &late.message), "{condition}");
        let is_of_pattern = early.message == "A regular expression cannot be read: unclosed group.";
        assert_eq!(is_of_pattern, condition.starts_with("regexp"), "{}", early.message);
    }
}
