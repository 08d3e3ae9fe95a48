//! Workbooks through the real workers. They are written here, entry by entry, from the sandbox's own files.

use std::io::Write;

use serde_json::{Value, json};

use crate::actors::{Actor, Part};
use crate::sources::upload;
use crate::world::World;

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OF: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

/// A file of the sandbox as rows of text, its header first.
fn rows(table: &str) -> Vec<Vec<String>> {
    let path = format!("{}/assets/sandbox/{table}.csv.zst", env!("CARGO_MANIFEST_DIR"));
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// An archive of these files.
pub fn archive(entries: &[(String, String)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in entries {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// What people would type as a number.
fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e'))
}

/// The sheets as an Excel workbook.
pub fn xlsx(sheets: &[(&str, Vec<Vec<String>>)]) -> Vec<u8> {
    let (mut listed, mut related, mut entries) = (String::new(), String::new(), Vec::new());
    for (number, (name, rows)) in sheets.iter().enumerate() {
        let id = number + 1;
        listed += &format!(r#"<sheet name="{name}" sheetId="{id}" r:id="rId{id}"/>"#);
        related += &format!(r#"<Relationship Id="rId{id}" Type="{OF}/worksheet" Target="worksheets/sheet{id}.xml"/>"#);
        let mut data = String::new();
        for row in rows {
            data += "<row>";
            for cell in row {
                data += &match is_number(cell) {
                    true => format!("<c><v>{cell}</v></c>"),
                    false if cell.is_empty() => "<c/>".to_owned(),
                    false => format!(r#"<c t="inlineStr"><is><t>{}</t></is></c>"#, escaped(cell)),
                };
            }
            data += "</row>";
        }
        let sheet = format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData></worksheet>"#);
        entries.push((format!("xl/worksheets/sheet{id}.xml"), sheet));
    }
    let package = |inside: &str| format!(r#"<Relationships xmlns="{PACKAGE}">{inside}</Relationships>"#);
    let root = format!(r#"<Relationship Id="rId1" Type="{OF}/officeDocument" Target="xl/workbook.xml"/>"#);
    let book = format!(r#"<workbook xmlns="{MAIN}" xmlns:r="{OF}"><sheets>{listed}</sheets></workbook>"#);
    entries.push(("_rels/.rels".to_owned(), package(&root)));
    entries.push(("xl/_rels/workbook.xml.rels".to_owned(), package(&related)));
    entries.push(("xl/workbook.xml".to_owned(), book));
    archive(&entries)
}

/// The sheets as an OpenDocument workbook.
pub fn ods(sheets: &[(&str, Vec<Vec<String>>)]) -> Vec<u8> {
    let mut tables = String::new();
    for (name, rows) in sheets {
        tables += &format!(r#"<table:table table:name="{name}">"#);
        for row in rows {
            tables += "<table:table-row>";
            for cell in row {
                tables += &match is_number(cell) {
                    true => format!(r#"<table:table-cell office:value-type="float" office:value="{cell}"/>"#),
                    false => format!(
                        r#"<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>"#,
                        escaped(cell)
                    ),
                };
            }
            tables += "</table:table-row>";
        }
        tables += "</table:table>";
    }
    let content = format!(
        r#"<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"#
    );
    archive(&[("content.xml".to_owned(), content)])
}

async fn all(owner: &Actor, table: &str) -> Value {
    let sql = format!("SELECT * FROM {table}");
    let mut answer = owner.post("/v1/query", json!({"sql": sql, "limit": 10_000})).await.is(200);
    answer["elapsed_ms"].take();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_agree_with_separated_values_to_the_last_digit() {
    let world = World::new().await;
    let owner = world.owner().await;
    let tables = ["airlines", "airports"];
    let sheets = tables.map(|table| (table, rows(table)));
    for table in tables {
        let path = format!("{}/assets/sandbox/{table}.csv.zst", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        upload(&owner, &format!("csv {table}"), &format!("{table}.csv.zst"), &bytes).await.is(201);
    }
    for (name, file, bytes) in [("xlsx", "nyc.xlsx", xlsx(&sheets)), ("ods", "nyc.ods", ods(&sheets))] {
        let source = upload(&owner, name, file, &bytes).await.is(201);
        let made: Vec<&Value> = source["tables"].as_array().unwrap().iter().map(|table| &table["name"]).collect();
        assert_eq!(made, ["nyc_airlines", "nyc_airports"]);
        for table in tables {
            let (expected, found) =
                (all(&owner, &format!("csv_{table}.{table}")).await, all(&owner, &format!("{name}.nyc_{table}")).await);
            assert_eq!(found["columns"], expected["columns"], "{name} {table}");
            assert!(found == expected, "{name} {table} differs");
        }
    }
    let one = upload(&owner, "One", "airlines.xlsx", &xlsx(&sheets[..1])).await.is(201);
    assert_eq!(one["tables"][0]["name"], "airlines", "a single sheet is called as its file");
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_that_are_none_are_refused_and_leave_nothing() {
    let world = World::new().await;
    let owner = world.owner().await;
    let far = |cell: &str| {
        let sheet =
            format!(r#"<worksheet xmlns="{MAIN}"><sheetData><row r="1048576">{cell}</row></sheetData></worksheet>"#);
        let rows = vec![("S", vec![vec!["a".to_owned()]])];
        let whole = xlsx(&rows);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(whole)).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let mut entries = Vec::new();
        for name in names {
            let text = std::io::read_to_string(archive.by_name(&name).unwrap()).unwrap();
            entries.push((name.clone(), if name.contains("worksheets/") { sheet.clone() } else { text }));
        }
        self::archive(&entries)
    };
    let blank = " ".repeat(64 << 20);
    for (name, bytes) in [
        ("far", far(r#"<c r="XFD1048576"><v>1</v></c>"#)),
        ("farther", far(r#"<c r="ZZZZZ1"><v>1</v></c>"#)),
        ("no cell", far(r#"<c r="A1"><v>1</v>"#)),
        ("bomb", archive(&[("xl/workbook.xml".to_owned(), blank)])),
        ("nothing", archive(&[("readme.txt".to_owned(), "hello".to_owned())])),
        ("cut", xlsx(&[("S", rows("airlines"))])[..600].to_vec()),
    ] {
        let refusal =
            owner.upload("/v1/data-sources", &[Part::Field("name", name), Part::File("b.xlsx", &bytes)]).await;
        let refusal = refusal.refuses(422, "invalid_file");
        assert!(refusal["message"].as_str().unwrap().contains("`b.xlsx`"), "{name}: {refusal}");
    }
    assert_eq!(owner.get("/v1/data-sources").await.is(200)["data"], json!([]));
}
