//! How files are read when they are not left to detection, what they look like before they are kept, and what of hostile
//! ones is left: nothing.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::answer::Answer;
use crate::binary::{Installation, text};
use crate::sources::sales;
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";
const PREVIEW: &str = "/v1/data-sources/preview";
/// Semicolons, a line before the header, days as people write them.
const RECEIPTS: &[u8] = b"printed by the till\nid;day;paid;sum\n007;31.01.2026;yes;1.50\n008;?;no;-0.125\n";

async fn with_options(owner: &Actor, bytes: &[u8], options: &Value) -> Answer {
    let options = options.to_string();
    let parts = [Part::Field("name", "Receipts"), Part::Field("options", &options), Part::File("till.csv", bytes)];
    owner.upload(SOURCES, &parts).await
}

/// What is left of uploads and sources.
fn left(world: &World) -> Vec<PathBuf> {
    let data = &world.app.data;
    let places = [data.sources(), data.uploads(), data.tmp()];
    let files = world.files().into_iter().map(|(path, _)| path);
    files.filter(|path| places.iter().any(|place| path.starts_with(place))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_goes_before_what_is_detected() {
    let world = World::new().await;
    let owner = world.owner().await;
    let options = json!({
        "separator": ";", "skip_lines": 1, "nulls": ["?"], "encoding": "utf-8", "header": true, "quote": null,
        "columns": {"id": {"type": "text"}, "sum": {"type": "text"}},
        "files": {"till.csv": {"columns": {
            "day": {"type": "date", "format": "%d.%m.%Y"}, "paid": {"type": "boolean"}, "sum": {"type": "decimal"}}}},
    });
    let source = with_options(&owner, RECEIPTS, &options).await.is(201);
    let types: Vec<&Value> =
        source["tables"][0]["columns"].as_array().unwrap().iter().map(|column| &column["type"]).collect();
    assert_eq!(types, ["text", "date", "boolean", "decimal"]);
    let rows = owner.post("/v1/query", json!({"sql": "SELECT * FROM receipts.till ORDER BY id"})).await.is(200);
    assert_eq!(rows["rows"], json!([["007", "2026-01-31", true, "1.500"], ["008", null, false, "-0.125"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_are_none_or_contradict_themselves_or_the_file_are_named() {
    let world = World::new().await;
    let owner = world.owner().await;
    for (options, code, field) in [
        (json!({"seperator": ";"}), "unknown_field", "options.seperator"),
        (json!({"columns": {"id": {"kind": "text"}}}), "unknown_field", "options.columns.id.kind"),
        (json!({"separator": ";;"}), "invalid_request", "options.separator"),
        (json!({"separator": 5}), "invalid_request", "options.separator"),
        (json!({"quote": ";", "separator": ";"}), "invalid_request", "options.quote"),
        (json!({"encoding": "ebcdic"}), "invalid_request", "options.encoding"),
        (json!({"skip_lines": -1}), "invalid_request", "options.skip_lines"),
        (json!({"columns": {"id": {"type": "varchar"}}}), "invalid_request", "options.columns.id.type"),
        (json!({"columns": {"id": {"type": "text", "format": "%Y"}}}), "invalid_request", "options.columns.id.format"),
        (json!({"files": {"other.csv": {}}}), "invalid_request", "options.files.other.csv"),
        (json!({"sheet": "Sheet1"}), "invalid_request", "options"),
        (json!({"columns": {"no such column": {"type": "text"}}}), "invalid_request", "options"),
        (json!([]), "invalid_request", "options"),
    ] {
        let refusal = with_options(&owner, RECEIPTS, &options).await.refuses(400, code);
        assert_eq!(refusal["field"], field, "{options}: {refusal}");
    }
    let parts = [Part::Field("name", "x"), Part::Field("options", "{"), Part::File("a.csv", b"a\n1\n")];
    assert_eq!(owner.upload(SOURCES, &parts).await.refuses(400, "invalid_request")["field"], "options");
    let twice = [Part::Field("options", "{}"), Part::Field("options", "{}"), Part::File("a.csv", b"a\n1\n")];
    assert_eq!(owner.upload(PREVIEW, &twice).await.refuses(400, "invalid_request")["field"], "options");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    assert_eq!(left(&world), [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_value_widens_its_column_or_is_told_with_its_line() {
    let world = World::new().await;
    let owner = world.owner().await;
    let mut file = b"n\n".to_vec();
    (0..30_000).for_each(|_| file.extend_from_slice(b"1\n"));
    file.extend_from_slice(b"many\n");
    let refusal = with_options(&owner, &file, &json!({"columns": {"n": {"type": "integer"}}})).await;
    let refusal = refusal.refuses(422, "invalid_file");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("`many` in line 30002 of column `n`"), "{message}");
    assert_eq!(left(&world), [] as [PathBuf; 0]);
    let widened = with_options(&owner, &file, &json!({})).await.is(201);
    assert_eq!(
        (&widened["tables"][0]["rows"], &widened["tables"][0]["columns"][0]["type"]),
        (&json!(30_001), &json!("text"))
    );
    let found = owner.post("/v1/query", json!({"sql": "SELECT n FROM receipts.till WHERE n <> '1'"})).await.is(200);
    assert_eq!(found["rows"], json!([["many"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_what_would_be_and_keeps_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    let options = r#"{"files": {"till.csv": {"skip_lines": 1, "columns": {"id": {"type": "text"}}}}}"#;
    let parts =
        [Part::Field("options", options), Part::File("till.csv", RECEIPTS), Part::File("b.json", b"{\"a\": 1}")];
    let seen = owner.upload(PREVIEW, &parts).await.is(200);
    let till = &seen["files"][0];
    assert_eq!(
        (&till["file"], &till["kind"], &till["separator"], &till["quote"], &till["encoding"], &till["header"]),
        (&json!("till.csv"), &json!("csv"), &json!(";"), &json!("\""), &json!("utf-8"), &json!(true))
    );
    let table = &till["tables"][0];
    assert_eq!((&table["name"], &table["sampled_rows"]), (&json!("till"), &json!(2)));
    assert_eq!(table["columns"][0], json!({"name": "id", "type": "text", "nulls": 0, "samples": ["007", "008"]}));
    assert_eq!(table["rows"][1], json!(["008", "?", "no", "-0.125"]));
    assert_eq!((&seen["files"][1]["kind"], &seen["files"][1]["header"]), (&json!("json"), &Value::Null));
    assert_eq!(owner.upload("/api/data-sources/preview/", &parts).await.is(200), seen);
    owner.upload(PREVIEW, &[Part::File("a.csv", b"")]).await.refuses(422, "invalid_file");
    owner.upload(PREVIEW, &[Part::Field("name", "x")]).await.refuses(400, "invalid_request");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    assert_eq!(left(&world), [] as [PathBuf; 0]);
    assert!(world.calls().iter().all(|call| call.changes.is_empty()));
}

fn gzipped(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write(&mut encoder);
    encoder.finish().unwrap()
}

/// The resident memory of this process, which is the server's: its workers are others.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_refused_and_leave_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let before = left(&world);
    let parquet = {
        let request = owner.request("POST", "/v1/query").header("accept", "application/vnd.apache.parquet");
        request.json(&json!({"sql": "SELECT * FROM sales.orders"})).send().await.body
    };
    let changed = |from_end: usize, bytes: &[u8]| {
        let mut changed = parquet.clone();
        let at = changed.len() - from_end;
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let chunk = vec![b'x'; 1 << 20];
    let corpus: Vec<(&str, &str, Vec<u8>)> = vec![
        (
            "a quarter of a gigabyte in a line",
            "a.csv.gz",
            gzipped(|out| (0..256).for_each(|_| out.write_all(&chunk).unwrap())),
        ),
        (
            "long text in JSON",
            "a.json.gz",
            gzipped(|out| {
                out.write_all(b"{\"a\": \"").unwrap();
                (0..32).for_each(|_| out.write_all(&chunk).unwrap());
            }),
        ),
        (
            "much of nothing",
            "a.csv.gz",
            gzipped(|out| {
                let zeros = vec![0; 1 << 20];
                out.write_all(b"a\n").unwrap();
                (0..64).for_each(|_| out.write_all(&zeros).unwrap());
            }),
        ),
        ("a hundred thousand columns", "a.csv", vec!["c"; 100_000].join(",").into_bytes()),
        ("a hundred thousand fields", "a.json", {
            let fields: Vec<String> = (0..100_000).map(|number| format!("\"f{number}\": 1")).collect();
            format!("{{{}}}", fields.join(", ")).into_bytes()
        }),
        ("ragged rows", "a.csv", b"a,b\n1,2\n1,2,3\n".to_vec()),
        ("deep JSON", "a.json", format!("{{\"a\": {}", "[".repeat(1 << 20)).into_bytes()),
        ("a quote that never ends", "a.csv", [b"a,b\n1,\"".as_slice(), &chunk].concat()),
        ("a picture called a table", "a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("a program called a workbook", "a.xlsx", b"\x7fELF\x02\x01\x01\0\0\0\0\0".to_vec()),
        ("a database", "a.csv", b"SQLite format 3\0\x10\0\x01\x01".to_vec()),
        ("Parquet cut short", "a.parquet", parquet[..parquet.len() - 9].to_vec()),
        ("Parquet with a footer of four gigabytes", "a.parquet", changed(8, &u32::MAX.to_le_bytes())),
        ("Parquet with a footer of nothing", "a.parquet", changed(8, &0_u32.to_le_bytes())),
        ("Parquet whose footer is noise", "a.parquet", changed(80, &[0xff; 70])),
        ("Parquet that is a mark alone", "a.parquet", b"PAR1PAR1".to_vec()),
        ("Arrow that is a mark alone", "a.arrow", b"ARROW1\0\0".to_vec()),
        ("a stream of Arrow of four gigabytes", "a.arrows", b"\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec()),
        ("gzip cut short", "a.csv.gz", gzipped(|out| out.write_all(&chunk).unwrap())[..40].to_vec()),
        (
            "gzip in gzip",
            "a.csv.gz",
            gzipped(|out| out.write_all(&gzipped(|out| out.write_all(b"a\n1\n").unwrap())).unwrap()),
        ),
        ("zstd of a window of gigabytes", "a.csv.zst", b"\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00".to_vec()),
    ];
    let resting = resident();
    for (what, file, bytes) in &corpus {
        for (place, parts) in [
            (SOURCES, vec![Part::Field("name", "Hostile"), Part::File(file, bytes)]),
            (PREVIEW, vec![Part::File(file, bytes)]),
        ] {
            let answer = owner.upload(place, &parts).await;
            assert_eq!(answer.status, 422, "{what} at {place}: {}", answer.text());
            assert!(["invalid_file", "query_too_large"].contains(&answer.code().as_str()), "{what}: {}", answer.text());
            assert!(!answer.text().contains(world.data().to_str().unwrap()), "{what}: {}", answer.text());
        }
    }
    for name in ["../../etc/passwd", "/etc/passwd", "..\\..\\a.csv", "a\u{202e}vsc.csv", "CON", "-rf"] {
        let answer = owner.upload(PREVIEW, &[Part::File(name, b"a\n1\n")]).await;
        let seen = answer.is(200);
        let table = seen["files"][0]["tables"][0]["name"].as_str().unwrap().to_owned();
        assert!(table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}: {table}");
        assert!(!seen["files"][0]["file"].as_str().unwrap().contains(['/', '\\']), "{seen}");
    }
    let grown = resident().saturating_sub(resting);
    assert!(grown < 64 << 20, "the server grew by {grown} bytes");
    assert_eq!(left(&world), before);
    assert_eq!(owner.get(SOURCES).await.is(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn the_command_line_reads_as_told_and_looks_before_it_keeps() {
    let installation = Installation::new();
    let directory = installation.data().parent().unwrap().to_owned();
    let file = directory.join("till.csv");
    std::fs::write(&file, RECEIPTS).unwrap();
    let path = file.to_str().unwrap();
    let flags =
        ["--separator", ";", "--skip-lines", "1", "--null", "?", "--type", "id=text", "--type", "day=date:%d.%m.%Y"];
    let run = |before: &[&str]| installation.run(&[before, &flags].concat());
    let seen = run(&["--json", "source", "preview", path]);
    assert!(seen.status.success(), "{}", text(&seen.stderr));
    let seen: Value = serde_json::from_str(text(&seen.stdout).trim()).unwrap();
    assert_eq!(
        seen["files"][0]["tables"][0]["columns"][1],
        json!({"name": "day", "type": "date", "nulls": 1, "samples": ["2026-01-31"]})
    );
    let lines = run(&["source", "preview", path]);
    assert!(text(&lines.stdout).starts_with("till\tid\ttext\t0\t007, 008\n"), "{}", text(&lines.stdout));
    assert_eq!(text(&installation.run(&["source", "list"]).stdout), "");
    let added = run(&["--json", "source", "add", path, "--name", "Till"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let wrong = installation.run(&["source", "add", path, "--name", "x", "--type", "id=varchar"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
    let contradicted = installation.run(&["source", "add", path, "--name", "x", "--quote", ";", "--separator", ";"]);
    assert!(text(&contradicted.stderr).contains("--quote is the separator too"), "{}", text(&contradicted.stderr));
    let gone = installation.run(&["source", "preview", directory.to_str().unwrap()]);
    assert_eq!(gone.status.code(), Some(2));
}
