//! The same data through every kind of file and of database gives the same answers, and these are what SQLite computes:
//! not the one that claribi reads tables from, but one that is asked here, over the same cells.
//!
//! `CLARIBI_TEST_FLIGHTS` says how many rows are read of each table; `just agreement` takes all of them.

mod forms;

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::forms::{File, Table, Written, fill, fill_file, lines};
use super::servers::{mariadb, postgres};
use super::{SOURCES, of_file, rows, sqlite};
use crate::actors::{Actor, Part};
use crate::connected::of_url;
use crate::web::{Page, Site};
use crate::world::World;

const TABLES: [&str; 5] = ["flights", "weather", "planes", "airports", "airlines"];

/// A question: `$` is the schema and its point, where one is needed.
struct Question {
    /// As it is sent to claribi.
    ours: String,
    /// As SQLite has it.
    lites: String,
}

impl Question {
    /// One that both understand.
    fn of(text: impl Into<String>) -> Self {
        let ours = text.into();
        Self { lites: ours.clone(), ours }
    }
}

/// Questions that every database understands.
const SHARED: [&str; 3] = [
    "SELECT month, count(*), count(dep_delay), min(dep_delay), max(arr_delay) FROM $flights GROUP BY month ORDER BY month",
    "SELECT a.name, count(f.tailnum), count(DISTINCT f.dest), max(f.distance) FROM $flights f JOIN $airlines a \
     ON f.carrier = a.carrier GROUP BY a.name ORDER BY 2 DESC, 1",
    "SELECT origin, min(temp), max(temp), count(wind_gust) FROM $weather GROUP BY origin ORDER BY origin",
];

/// Questions of what was copied: what people ask, and of each column all that can be told of it exactly.
fn questions(tables: &[Table]) -> Vec<Question> {
    let humid = |sum: &str| format!("SELECT origin, count(humid), {sum} FROM $weather GROUP BY origin ORDER BY origin");
    let mut questions: Vec<Question> = SHARED.map(Question::of).into();
    questions.extend(
        [
            "SELECT month, count(*), sum(dep_delay), avg(arr_delay), max(time_hour) FROM $flights GROUP BY month \
             ORDER BY month",
            "SELECT a.name, count(f.tailnum), count(DISTINCT f.dest), sum(f.distance) FROM $flights f JOIN $airlines a \
             ON f.carrier = a.carrier GROUP BY a.name ORDER BY 2 DESC, 1",
            "SELECT engine, count(*), count(year), min(year), max(seats), sum(speed) FROM $planes GROUP BY engine \
             ORDER BY engine NULLS LAST",
            "SELECT tzone, count(*), min(lat), max(lon), sum(alt), min(name) FROM $airports GROUP BY tzone \
             ORDER BY tzone NULLS LAST",
        ]
        .map(Question::of),
    );
    questions.push(Question {
        ours: humid("sum(CAST(humid AS DECIMAL(20, 6)))"),
        // It has no exact numbers but whole ones.
        lites: humid(
            "printf('%d.%06d', sum(CAST(round(humid * 1000000) AS integer)) / 1000000, \
             sum(CAST(round(humid * 1000000) AS integer)) % 1000000)",
        ),
    });
    questions.extend(tables.iter().map(|table| {
        let told = table.columns.iter().map(|(name, kind)| {
            let sum = if kind == "integer" { format!(", sum({name})") } else { String::new() };
            format!("count({name}), count(DISTINCT {name}), min({name}), max({name}){sum}")
        });
        Question::of(format!("SELECT count(*), {} FROM ${}", told.collect::<Vec<_>>().join(", "), table.name))
    }));
    questions
}

/// The rows of an answer.
#[derive(Deserialize)]
struct Answered {
    /// As they were sent: to read numbers would be to round them.
    rows: Box<RawValue>,
}

/// The rows that claribi answers, letter by letter.
async fn sent(owner: &Actor, query: Value) -> String {
    let answer = owner.post("/v1/query", query).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answered: Answered = serde_json::from_slice(&answer.body).unwrap();
    answered.rows.get().to_owned()
}

/// The rows that SQLite answers, spelled as ours are.
fn computed(file: &rusqlite::Connection, sql: &str) -> String {
    let mut statement = file.prepare(&sql.replace('$', "")).unwrap();
    let columns = statement.column_count();
    let cell = |value: ValueRef<'_>| match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).unwrap();
            // It has no instants either; ours tell their zone.
            let is_instant = text.len() == 19 && text.as_bytes()[10] == b'T';
            json!(if is_instant { format!("{text}Z") } else { text.to_owned() })
        }
        ValueRef::Blob(_) => panic!("there are none"),
    };
    let rows = statement.query_map([], |row| (0..columns).map(|place| Ok(cell(row.get_ref(place)?))).collect());
    let rows = rows.unwrap().collect::<rusqlite::Result<Vec<Vec<Value>>>>().unwrap();
    Value::from(rows).to_string()
}

/// A source of files.
async fn uploaded(owner: &Actor, name: &str, files: &[File]) -> Value {
    let mut parts = vec![Part::Field("name", name)];
    parts.extend(files.iter().map(|(name, bytes)| Part::File(name, bytes)));
    owner.upload(SOURCES, &parts).await.is(201)
}

/// What a source's tables are.
fn tables_of(source: &Value) -> Vec<Table> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let tables = source["tables"].as_array().unwrap().iter().map(|table| {
        let columns = table["columns"].as_array().unwrap();
        let columns = columns.iter().map(|column| (word(&column["name"]), word(&column["type"]))).collect();
        Table { name: word(&table["name"]), columns }
    });
    let mut tables: Vec<Table> = tables.collect();
    tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    tables
}

/// A source has the tables of the separated values, with the same columns and the same rows, and answers as SQLite does.
async fn agrees(owner: &Actor, source: &Value, tables: &[Table], expected: &[(Question, String)]) {
    let slug = source["slug"].as_str().unwrap();
    let found = tables_of(source);
    let shape = |tables: &[Table]| -> Vec<_> {
        tables.iter().map(|table| (table.name.clone(), table.columns.clone())).collect()
    };
    assert_eq!(shape(&found), shape(tables), "{slug}");
    for Table { name, .. } in tables {
        for (one, other) in [("csv", slug), (slug, "csv")] {
            let beyond =
                format!("SELECT count(*) FROM (SELECT * FROM {one}.{name} EXCEPT SELECT * FROM {other}.{name})");
            assert_eq!(rows(owner, &beyond).await, json!([[0]]), "rows of {one}.{name} that {other} has not");
        }
    }
    for (question, answer) in expected {
        let asked = question.ours.replace('$', &format!("{slug}."));
        assert_eq!(&sent(owner, json!({"sql": asked})).await, answer, "{slug}: {asked}");
    }
}

/// A source that is live answers so too.
async fn agrees_live(owner: &Actor, mut body: Value, file: &rusqlite::Connection) {
    body["mode"] = json!("live");
    body["name"] = json!(format!("{} live", body["name"].as_str().unwrap()));
    let source = owner.post(SOURCES, body).await.is(201);
    for question in SHARED {
        let asked = json!({"sql": question.replace('$', ""), "data_source_id": source["id"]});
        assert_eq!(sent(owner, asked).await, computed(file, question), "{}: {question}", source["slug"]);
    }
}

/// A world in which all flights have room and time.
async fn roomy_world(directory: &Path) -> World {
    const LONG: Duration = Duration::from_secs(3_600);
    let world = World::with(|plot| {
        plot.settings.allowed_dirs = vec![directory.to_owned()];
        (plot.settings.job_timeout, plot.settings.upload_wait) = (LONG, LONG);
        plot.settings.query.millis = 3_600_000;
        plot.settings.query.memory_bytes = 1 << 30;
        plot.settings.query.spill_bytes = 4 << 30;
        plot.settings.source_quota = 8 << 30;
        plot.settings.outbound.file_limit = 1 << 30;
        plot.http.upload_limit = 1 << 30;
    });
    world.await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flights_agree_to_the_last_digit_through_every_kind_of_file_and_database() {
    let directory = tempfile::tempdir().unwrap();
    let world = roomy_world(directory.path()).await;
    let owner = world.owner().await;
    let separated = TABLES.map(|table| (format!("{table}.csv"), lines(table).into_bytes()));
    let csv = uploaded(&owner, "csv", &separated).await;
    let tables = tables_of(&csv);
    let path = directory.path().join("flights.db");
    let (pg, maria) = (postgres(), mariadb());
    std::thread::scope(|scope| {
        let filled = scope.spawn(|| fill(pg, directory.path(), &tables));
        scope.spawn(|| fill_file(&path, &tables));
        fill(maria, directory.path(), &tables);
        filled.join().unwrap();
    });
    let file = sqlite(&path);
    let expected: Vec<_> = questions(&tables)
        .into_iter()
        .map(|question| {
            let answer = computed(&file, &question.lites);
            (question, answer)
        })
        .collect();
    agrees(&owner, &csv, &tables, &expected).await;
    let kinds: [(&str, Written); 7] = [
        ("tsv", forms::tabs),
        ("parquet", forms::parquet),
        ("arrow", forms::arrow),
        ("ndjson", forms::json_lines),
        ("json", forms::json_list),
        ("xlsx", forms::excel),
        ("ods", forms::open_document),
    ];
    for (kind, written) in kinds {
        let files: Vec<File> = tables.iter().map(written).collect();
        agrees(&owner, &uploaded(&owner, kind, &files).await, &tables, &expected).await;
    }
    // One file from the web, since a source of a URL has one.
    let site = Site::open().await;
    let url = site.put("/flights.csv", Page::File(lines("flights")));
    let web = owner.post(SOURCES, of_url("web", &url)).await.is(201);
    let flights = tables_of(&csv).into_iter().filter(|table| table.name == "flights").collect::<Vec<_>>();
    agrees(&owner, &web, &flights, &[]).await;
    for body in [of_file("lite", &path), pg.source("pg", "nycflights"), maria.source("maria", "nycflights")] {
        agrees_live(&owner, body.clone(), &file).await;
        agrees(&owner, &owner.post(SOURCES, body).await.is(201), &tables, &expected).await;
    }
}
