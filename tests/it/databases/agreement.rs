//! The same data through files and every kind of database gives the same answers.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::servers::{Brand, Server, mariadb, postgres};
use super::{SOURCES, of_file, open_world, rows, sqlite};
use crate::actors::{Actor, Part};

const TABLES: [&str; 5] = ["flights", "weather", "planes", "airports", "airlines"];

/// Names and types of a table's columns.
type Columns = Vec<(String, String)>;

/// Rows that are read of each table; `just agreement` reads all of them.
#[expect(clippy::disallowed_methods, reason = "the recipe's choice, not a setting")]
fn most() -> usize {
    std::env::var("CLARIBI_TEST_FLIGHTS").map_or(40_000, |text| text.parse().unwrap())
}

/// The lines of a file, with its header.
fn lines(table: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/sandbox/{table}.csv.zst"));
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    String::from_utf8(text).unwrap().lines().take(1 + most()).map(|line| format!("{line}\n")).collect()
}

/// A source of the files, and what their columns were found to be.
async fn of_files(owner: &Actor) -> Vec<(String, Columns)> {
    let files = TABLES.map(|table| (format!("{table}.csv"), lines(table)));
    let mut parts = vec![Part::Field("name", "CSV")];
    parts.extend(files.iter().map(|(name, text)| Part::File(name, text.as_bytes())));
    let source = owner.upload(SOURCES, &parts).await.is(201);
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let columns = |table: &Value| {
        let columns = table["columns"].as_array().unwrap();
        columns.iter().map(|column| (word(&column["name"]), word(&column["type"]))).collect()
    };
    source["tables"].as_array().unwrap().iter().map(|table| (word(&table["name"]), columns(table))).collect()
}

/// The rows of a file, with nulls.
fn records(table: &str) -> Vec<Vec<Option<String>>> {
    let text = lines(table);
    let cell = |value: &str| {
        let value = value.strip_suffix('Z').filter(|instant| instant.len() == 19).unwrap_or(value);
        (!matches!(value, "" | "NA")).then(|| value.to_owned())
    };
    let records = csv::Reader::from_reader(text.as_bytes()).into_records();
    records.map(|row| row.unwrap().iter().map(cell).collect()).collect()
}

/// As servers load it: separated by tabs, `\N` of nulls.
fn loadable(table: &str) -> String {
    let mut lines = String::new();
    for record in records(table) {
        let cell = |cell: &Option<String>| cell.as_ref().map_or(r"\N".to_owned(), |cell| cell.replace('\\', r"\\"));
        let cells: Vec<_> = record.iter().map(cell).collect();
        writeln!(lines, "{}", cells.join("\t")).unwrap();
    }
    lines
}

/// The statement that makes the table.
fn made(brand: Option<Brand>, table: &str, columns: &Columns) -> String {
    let kind = |kind: &str| match (kind, brand) {
        ("integer", _) => "bigint",
        ("double", Some(Brand::Mariadb)) => "double",
        ("double", _) => "double precision",
        ("timestamp", Some(Brand::Mariadb)) => "datetime",
        ("timestamp", _) => "timestamp",
        _ => "text",
    };
    let columns: Vec<_> = columns.iter().map(|(name, found)| format!("{name} {}", kind(found))).collect();
    format!("CREATE TABLE {table} ({});", columns.join(", "))
}

fn fill(server: &Server, directory: &Path, tables: &[(String, Columns)]) -> String {
    let mut sql = String::new();
    for (table, columns) in tables {
        sql += &made(Some(server.brand), table, columns);
        sql += &match server.brand {
            Brand::Postgres => format!("\nCOPY {table} FROM stdin;\n{}\\.\n", loadable(table)),
            Brand::Mariadb => {
                let path = directory.join(table);
                std::fs::write(&path, loadable(table)).unwrap();
                format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE {table};", path.display())
            }
        };
    }
    server.database("nycflights", &sql)
}

fn fill_file(path: &Path, tables: &[(String, Columns)]) {
    let mut file = sqlite(path);
    let all = file.transaction().unwrap();
    for (table, columns) in tables {
        all.execute_batch(&made(None, table, columns)).unwrap();
        let holes = vec!["?"; columns.len()].join(", ");
        let mut insert = all.prepare(&format!("INSERT INTO {table} VALUES ({holes})")).unwrap();
        for record in records(table) {
            insert.execute(rusqlite::params_from_iter(record.into_iter().zip(columns).map(bound))).unwrap();
        }
    }
    all.commit().unwrap();
}

/// Numbers as numbers: how SQLite reads decimals that are text is not what is held against others here.
fn bound((cell, (_, kind)): (Option<String>, &(String, String))) -> rusqlite::types::Value {
    match cell {
        Some(text) if kind == "double" => text.parse::<f64>().unwrap().into(),
        other => other.into(),
    }
}

/// Questions about a source; `$` is its schema.
const QUESTIONS: [&str; 5] = [
    "SELECT month, count(*), sum(dep_delay), avg(arr_delay), max(time_hour) FROM $.flights GROUP BY month ORDER BY month",
    "SELECT a.name, count(f.tailnum), count(DISTINCT f.dest), sum(f.distance) FROM $.flights f JOIN $.airlines a \
     ON f.carrier = a.carrier GROUP BY a.name ORDER BY 2 DESC, 1",
    "SELECT origin, min(temp), max(temp), sum(CAST(humid AS DECIMAL(20, 6))), count(wind_gust) FROM $.weather \
     GROUP BY origin ORDER BY origin",
    "SELECT engine, count(*), count(year), min(year), max(seats), sum(speed) FROM $.planes GROUP BY engine ORDER BY 1",
    "SELECT tzone, count(*), min(lat), max(lon), sum(alt), min(name) FROM $.airports GROUP BY tzone ORDER BY 1",
];

/// Questions that every database understands; `$` is the schema and its point, where one is needed.
const SHARED: [&str; 3] = [
    "SELECT month, count(*), count(dep_delay), min(dep_delay), max(arr_delay) FROM $flights GROUP BY month ORDER BY month",
    "SELECT a.name, count(f.tailnum), count(DISTINCT f.dest), max(f.distance) FROM $flights f JOIN $airlines a \
     ON f.carrier = a.carrier GROUP BY a.name ORDER BY 2 DESC, 1",
    "SELECT origin, min(temp), max(temp), count(wind_gust) FROM $weather GROUP BY origin ORDER BY origin",
];

/// A source that is live answers as the extract of it does.
async fn agrees_live(owner: &Actor, mut body: Value) {
    body["mode"] = json!("live");
    body["name"] = json!(format!("{} live", body["name"].as_str().unwrap()));
    let source = owner.post(SOURCES, body).await.is(201);
    for question in SHARED {
        let asked = json!({"sql": question.replace('$', ""), "data_source_id": source["id"]});
        let live = owner.post("/v1/query", asked).await.is(200)["rows"].clone();
        assert_eq!(live, rows(owner, &question.replace('$', "csv.")).await, "{}: {question}", source["slug"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flights_agree_to_the_last_digit_through_files_and_every_database() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let tables = of_files(&owner).await;
    let path = directory.path().join("flights.db");
    let (pg, maria) = (postgres(), mariadb());
    std::thread::scope(|scope| {
        let filled = scope.spawn(|| fill(pg, directory.path(), &tables));
        scope.spawn(|| fill_file(&path, &tables));
        fill(maria, directory.path(), &tables);
        filled.join().unwrap();
    });
    let expected: Vec<Value> = {
        let mut answers = Vec::new();
        for question in QUESTIONS {
            answers.push(rows(&owner, &question.replace('$', "csv")).await);
        }
        answers
    };
    let bodies = [of_file("lite", &path), pg.source("pg", "nycflights"), maria.source("maria", "nycflights")];
    for body in bodies {
        let slug = body["name"].as_str().unwrap().to_owned();
        agrees_live(&owner, body.clone()).await;
        let source = owner.post(SOURCES, body).await.is(201);
        for (table, columns) in &tables {
            let mut found = source["tables"].as_array().unwrap().iter();
            let found = found.find(|found| found["name"] == json!(table)).unwrap();
            let kinds = |found: &Value| (found["name"].clone(), found["type"].clone());
            let found: Vec<_> = found["columns"].as_array().unwrap().iter().map(kinds).collect();
            let wanted: Vec<_> = columns.iter().map(|(name, kind)| (json!(name), json!(kind))).collect();
            assert_eq!(found, wanted, "{slug}.{table}");
            let differing =
                format!("SELECT count(*) FROM (SELECT * FROM csv.{table} EXCEPT SELECT * FROM {slug}.{table})");
            assert_eq!(rows(&owner, &differing).await, json!([[0]]), "{slug}.{table}");
        }
        for (question, expected) in QUESTIONS.iter().zip(&expected) {
            assert_eq!(&rows(&owner, &question.replace('$', &slug)).await, expected, "{slug}: {question}");
        }
    }
}
