//! What has no counterpart with us arrives as text, and what contradicts its column makes that wider; none is left out.

use serde_json::{Value, json};

use super::servers::{mariadb, postgres};
use super::{SOURCES, of_file, open_world, rows, sqlite};
use crate::world::World;

/// Columns of a source's only table: name and type.
fn columns(source: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let columns = source["tables"][0]["columns"].as_array().unwrap();
    columns.iter().map(|column| (word(&column["name"]), word(&column["type"]))).collect()
}

/// Checks each column of a table: its type, and its values in the order of `id`.
async fn check(owner: &crate::actors::Actor, source: &Value, table: &str, expected: &[(&str, &str, Value)]) {
    let found = columns(source);
    for (name, kind, values) in expected {
        let column = found.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {found:?}"));
        let rows = rows(owner, &format!("SELECT \"{name}\" FROM {table} ORDER BY id")).await;
        let rows: Vec<_> = rows.as_array().unwrap().iter().map(|row| row[0].clone()).collect();
        assert_eq!((column.1.as_str(), &json!(rows)), (*kind, values), "{name}");
    }
    assert_eq!(found.len(), expected.len() + 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_postgresql_arrives() {
    let (world, server) = (World::new().await, postgres());
    let owner = world.owner().await;
    server.database(
        "kinds",
        "CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TYPE pair AS (a int, b text);
         CREATE TABLE \"Odd Name\" (id int, b bool, s int2, l int8, r float4, d float8, exact numeric(10, 2),
           free numeric, huge numeric(60, 0), nan numeric(6, 2), t text, c char(4), u uuid, j jsonb, e mood, day date,
           never date, clock time, \"at\" timestamp, \"to\" timestamp, zoned timestamptz, bytes bytea, list int[],
           span int4range, gap interval, host inet, pairs pair, cash money, \"The \"\"odd\"\" one\" text, zone timetz);
         INSERT INTO \"Odd Name\" VALUES
           (1, true, -32768, 9223372036854775807, 0.1, 'NaN', 12.50, 1.5, 1e59::numeric, 'NaN', E'tab\\tü', 'ab',
            '00000000-0000-0000-0000-000000000001', '{\"a\": [1]}', 'ok', '2013-01-31', 'infinity', '13:45:00.25',
            '2013-01-31 13:45:00', '-infinity', '2013-01-31 13:45:00+02', '\\x00ff', '{1,2}', '[1,5)', '1 day 02:00',
            '10.0.0.1', '(1,x)', 12.5, 'quoted', '13:45:00+02'),
           (2, NULL, NULL, NULL, NULL, 'Infinity', NULL, -1234567.00000001, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL,
            '2013-01-01', '24:00:00', NULL, '2013-01-01', '0044-03-15 BC', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL)",
    );
    let mut body = server.source("pg", "kinds");
    body["connection"]["tables"] = json!(["public.Odd Name"]);
    let source = owner.post(SOURCES, body).await.is(201);
    assert_eq!(source["tables"][0]["name"], "public_odd_name");
    let expected = [
        ("b", "boolean", json!([true, null])),
        ("s", "integer", json!([-32_768, null])),
        ("l", "integer", json!(["9223372036854775807", null])),
        ("r", "double", json!([0.1, null])),
        ("d", "double", json!([null, null])),
        ("exact", "decimal", json!(["12.50", null])),
        ("free", "decimal", json!(["1.50000000", "-1234567.00000001"])),
        ("huge", "text", json!([format!("1{}", "0".repeat(59)), null])),
        ("nan", "text", json!(["NaN", "1.00"])),
        ("t", "text", json!(["tab\tü", null])),
        ("c", "text", json!(["ab", null])),
        ("u", "text", json!(["00000000-0000-0000-0000-000000000001", null])),
        ("j", "text", json!(["{\"a\": [1]}", null])),
        ("e", "text", json!(["ok", null])),
        ("day", "date", json!(["2013-01-31", null])),
        ("never", "date", json!(["9999-12-31", "2013-01-01"])),
        ("clock", "text", json!(["13:45:00.250", "24:00:00"])),
        ("at", "timestamp", json!(["2013-01-31T13:45:00Z", null])),
        ("to", "timestamp", json!(["0001-01-01T00:00:00Z", "2013-01-01T00:00:00Z"])),
        ("zoned", "text", json!(["2013-01-31 11:45:00", "-0043-03-15 00:00:00"])),
        ("bytes", "text", json!(["\\x00ff", null])),
        ("list", "text", json!(["{1,2}", null])),
        ("span", "text", json!(["[1,5)", null])),
        ("gap", "text", json!(["1 day 02:00:00", null])),
        ("host", "text", json!(["10.0.0.1/32", null])),
        ("pairs", "text", json!(["(1,x)", null])),
        ("cash", "decimal", json!(["12.50", null])),
        ("The \"odd\" one", "text", json!(["quoted", null])),
        ("zone", "text", json!(["13:45:00+02", null])),
    ];
    let quoted = expected.map(|(name, kind, values)| (name, kind, values));
    let plain: Vec<_> = quoted.iter().filter(|(name, ..)| !name.contains('"')).cloned().collect();
    let found = columns(&source);
    assert!(found.contains(&("The \"odd\" one".to_owned(), "text".to_owned())), "{found:?}");
    let odd = rows(&owner, "SELECT \"The \"\"odd\"\" one\" FROM pg.public_odd_name ORDER BY id").await;
    assert_eq!(odd, json!([["quoted"], [null]]));
    let mut without = source.clone();
    without["tables"][0]["columns"].as_array_mut().unwrap().retain(|it| !it["name"].as_str().unwrap().contains('"'));
    check(&owner, &without, "pg.public_odd_name", &plain).await;
    let notes = source["notes"].to_string();
    assert!(
        notes.contains("`public_odd_name.never`: 1 infinite") && notes.contains("`public_odd_name.to`: 1 infinite"),
        "{notes}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mariadb_arrives() {
    let (world, server) = (World::new().await, mariadb());
    let owner = world.owner().await;
    server.database(
        "kinds",
        "SET sql_mode = '';
         CREATE TABLE kinds (id int, flag tinyint(1), tiny tinyint, big bigint unsigned, amount decimal(12, 3),
           wide decimal(65, 10), r float, d double, bits bit(9), one bit(1), y year, day date, zero date,
           clock time(3), span time, at datetime(6), stamp timestamp NULL, j json, e enum('a', 'b'), s set('x', 'y'),
           c char(4), t text, bytes blob, fixed binary(3), p point);
         INSERT INTO kinds VALUES
           (1, 1, -128, 18446744073709551615, 12.5, 1e50, 0.1, 0.2, 257, 1, 2013, '2013-01-31', '0000-00-00',
            '13:45:00.25', '838:59:59', '2013-01-31 13:45:00.5', '2013-01-31 13:45:00', '{\"a\": 1}', 'b', 'x,y', 'ab',
            'zoë 😀', x'00ff', x'616263', NULL),
           (2, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2013-02-28', NULL, '-01:00:00', NULL,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    let source = owner.post(SOURCES, server.source("maria", "kinds")).await.is(201);
    let expected = [
        ("flag", "boolean", json!([true, null])),
        ("tiny", "integer", json!([-128, null])),
        ("big", "decimal", json!(["18446744073709551615", "1"])),
        ("amount", "decimal", json!(["12.500", null])),
        ("wide", "text", json!([format!("1{}.0000000000", "0".repeat(50)), null])),
        ("r", "double", json!([0.1, null])),
        ("d", "double", json!([0.2, null])),
        ("bits", "integer", json!([257, null])),
        ("one", "boolean", json!([true, null])),
        ("y", "integer", json!([2_013, null])),
        ("day", "date", json!(["2013-01-31", null])),
        ("zero", "date", json!([null, "2013-02-28"])),
        ("clock", "time", json!(["13:45:00.25", null])),
        ("span", "text", json!(["838:59:59", "-01:00:00"])),
        ("at", "timestamp", json!(["2013-01-31T13:45:00.5Z", null])),
        ("stamp", "timestamp", json!(["2013-01-31T13:45:00Z", null])),
        ("j", "text", json!(["{\"a\": 1}", null])),
        ("e", "text", json!(["b", null])),
        ("s", "text", json!(["x,y", null])),
        ("c", "text", json!(["ab", null])),
        ("t", "text", json!(["zoë 😀", null])),
        ("bytes", "text", json!(["\\x00ff", null])),
        ("fixed", "text", json!(["\\x616263", null])),
        ("p", "text", json!([null, null])),
    ];
    check(&owner, &source, "maria.kinds", &expected).await;
    assert_eq!(source["notes"].as_array().unwrap().len(), 1, "{}", source["notes"]);
    assert!(source["notes"][0].as_str().unwrap().contains("`kinds.zero`: 1 values that are no day"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_sqlite_that_contradicts_its_column_widens_it() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("kinds.db");
    let file = sqlite(&path);
    file.execute_batch(
        "CREATE TABLE kinds (id integer PRIMARY KEY, whole integer, mixed integer, flag boolean, price numeric, day date,
           half date, at datetime, clock time, word varchar(3), bytes blob, anything, broken text);
         INSERT INTO kinds VALUES
           (1, 7, 7, 1, 1, '2013-01-31', '2013-01-31', '2013-01-31 13:45:00', '13:45', 'abcdef', x'00ff', 1, 'ok'),
           (2, NULL, 'n/a', 0, 2.5, NULL, '2013-01-31 10:00:00', '2013-01-31T13:45:00Z', NULL, NULL, NULL, NULL, NULL),
           (3, -7, 8.5, 1, 3, '2013-02-01', NULL, NULL, '23:59:59.5', 5, 'text', 'two', CAST(x'41ff' AS text));
         CREATE VIEW few AS SELECT id FROM kinds;
         CREATE TABLE \"Odd \"\"Name\" (a, A2);",
    )
    .unwrap();
    drop(file);
    let source = owner.post(SOURCES, of_file("lite", &path)).await.is(201);
    let expected = [
        ("whole", "integer", json!([7, null, -7])),
        ("mixed", "text", json!(["7", "n/a", "8.5"])),
        ("flag", "boolean", json!([true, false, true])),
        ("price", "double", json!([1.0, 2.5, 3.0])),
        ("day", "date", json!(["2013-01-31", null, "2013-02-01"])),
        ("half", "timestamp", json!(["2013-01-31T00:00:00Z", "2013-01-31T10:00:00Z", null])),
        ("at", "timestamp", json!(["2013-01-31T13:45:00Z", "2013-01-31T13:45:00Z", null])),
        ("clock", "time", json!(["13:45:00", null, "23:59:59.5"])),
        ("word", "text", json!(["abcdef", null, "5"])),
        ("bytes", "text", json!(["\\x00ff", null, "text"])),
        ("anything", "text", json!(["1", null, "two"])),
        ("broken", "text", json!(["ok", null, "A\u{fffd}"])),
    ];
    check(&owner, &source, "lite.kinds", &expected).await;
    let names: Vec<_> = source["tables"].as_array().unwrap().iter().map(|table| table["name"].clone()).collect();
    assert_eq!(names, ["kinds", "odd_name"], "views are read when they are named");
    assert!(source["notes"][0].as_str().unwrap().contains("U+FFFD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_in_use_is_read_with_what_stands_in_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("busy.db");
    let file = sqlite(&path);
    file.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    owner.post(SOURCES, of_file("busy", &path)).await.is(201);
    file.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(rows(&owner, "SELECT count(*) FROM busy.t").await, json!([[1]]), "what is not committed is not there");
    file.execute_batch("COMMIT").unwrap();
    owner.post("/v1/data-sources/ds_1/sync", json!({})).await.is(200);
    assert_eq!(rows(&owner, "SELECT count(*) FROM busy.t").await, json!([[2]]));

    // A copy that was taken of a running program: the log is there, and nobody has it open.
    let copy = directory.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let with = |path: &std::path::Path| format!("{}{suffix}", path.display());
        std::fs::copy(with(&path), with(&copy)).unwrap();
    }
    let before = std::fs::read(&copy).unwrap();
    owner.post(SOURCES, of_file("copy", &copy)).await.is(201);
    assert_eq!(rows(&owner, "SELECT count(*) FROM copy.t").await, json!([[2]]));
    assert_eq!(std::fs::read(&copy).unwrap(), before, "and it stays as it is");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "copy.db-shm"), "{left:?}");
}
