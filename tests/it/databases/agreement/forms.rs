//! The sandbox's tables in every form that a source may have, each written here from the same cells of text, so that what
//! claribi reads is never what claribi wrote.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;
use serde_json::Value;

use super::super::servers::{Brand, Server};
use super::super::sqlite;
use crate::chance::asked;
use crate::workbooks::{ods, xlsx};

/// A table: its name, and its columns as they were found in the separated values.
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

/// A column's name and type.
pub type Column = (String, String);

/// Rows that are read of each table; `just agreement` reads all of them.
const ROWS: u64 = 3_000;

/// The lines of a table's file, with its header; where not all are read, some of all parts of it.
pub fn lines(table: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/sandbox/{table}.csv.zst"));
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let most = usize::try_from(asked("CLARIBI_TEST_FLIGHTS").unwrap_or(ROWS)).unwrap();
    let mut lines = text.lines();
    let header = lines.next();
    let step = lines.clone().count().div_ceil(most).max(1);
    header.into_iter().chain(lines.step_by(step)).map(|line| format!("{line}\n")).collect()
}

/// The cells of a table, with nulls; instants without their zone, which is that of all.
fn records(table: &str) -> Vec<Vec<Option<String>>> {
    let text = lines(table);
    let cell = |value: &str| {
        let value = value.strip_suffix('Z').filter(|instant| instant.len() == 19).unwrap_or(value);
        (!matches!(value, "" | "NA")).then(|| value.to_owned())
    };
    let records = csv::Reader::from_reader(text.as_bytes()).into_records();
    records.map(|row| row.unwrap().iter().map(cell).collect()).collect()
}

/// A file of a form: its name, and its bytes.
pub type File = (String, Vec<u8>);

/// Writes a table as a file.
pub type Written = fn(&Table) -> File;

/// The separated values, by tabs.
pub fn tabs(table: &Table) -> File {
    let text = lines(&table.name);
    let mut writer = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).records() {
        writer.write_record(&record.unwrap()).unwrap();
    }
    (format!("{}.tsv", table.name), writer.into_inner().unwrap())
}

/// The columns, of their types.
fn batch(table: &Table) -> RecordBatch {
    let records = records(&table.name);
    let exactly = CastOptions { safe: false, ..CastOptions::default() };
    let columns = table.columns.iter().enumerate().map(|(place, (name, kind))| {
        let text: StringArray = records.iter().map(|row| row[place].as_deref()).collect();
        let kind = match kind.as_str() {
            "integer" => DataType::Int64,
            "double" => DataType::Float64,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => DataType::Utf8,
        };
        let column: ArrayRef = cast_with_options(&(Arc::new(text) as ArrayRef), &kind, &exactly).unwrap();
        (name, column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A Parquet file whose columns have their types.
pub fn parquet(table: &Table) -> File {
    let batch = batch(table);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    (format!("{}.parquet", table.name), writer.into_inner().unwrap())
}

/// An Arrow file, likewise.
pub fn arrow(table: &Table) -> File {
    let batch = batch(table);
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    (format!("{}.arrow", table.name), writer.into_inner().unwrap())
}

/// The rows as objects; numbers as they are spelled in the separated values.
fn objects(table: &Table) -> Vec<String> {
    let object = |record: Vec<Option<String>>| {
        let cells = record.iter().zip(&table.columns).map(|(cell, (name, kind))| {
            let value = match (cell, kind.as_str()) {
                (None, _) => "null".to_owned(),
                (Some(number), "integer" | "double") => number.clone(),
                (Some(text), _) => Value::from(text.as_str()).to_string(),
            };
            format!("\"{name}\":{value}")
        });
        format!("{{{}}}", cells.collect::<Vec<_>>().join(","))
    };
    records(&table.name).into_iter().map(object).collect()
}

/// Objects in lines, compressed.
pub fn json_lines(table: &Table) -> File {
    let text = objects(table).join("\n");
    (format!("{}.ndjson.zst", table.name), zstd::encode_all(text.as_bytes(), 1).unwrap())
}

/// Objects in a list.
pub fn json_list(table: &Table) -> File {
    (format!("{}.json", table.name), format!("[{}]", objects(table).join(",\n")).into_bytes())
}

/// The rows of a sheet, nulls as empty cells.
fn sheet(table: &Table) -> Vec<Vec<String>> {
    let header = table.columns.iter().map(|(name, _)| name.clone()).collect();
    let records = records(&table.name).into_iter();
    let rows = records.map(|row| row.into_iter().map(Option::unwrap_or_default).collect());
    std::iter::once(header).chain(rows).collect()
}

/// An Excel workbook of one sheet.
pub fn excel(table: &Table) -> File {
    (format!("{}.xlsx", table.name), xlsx(&[(table.name.as_str(), sheet(table))]))
}

/// An OpenDocument workbook of one sheet.
pub fn open_document(table: &Table) -> File {
    (format!("{}.ods", table.name), ods(&[(table.name.as_str(), sheet(table))]))
}

/// The statement that makes the table.
fn made(brand: Option<Brand>, table: &Table) -> String {
    let kind = |kind: &str| match (kind, brand) {
        ("integer", _) => "bigint",
        ("double", Some(Brand::Mariadb)) => "double",
        ("double", _) => "double precision",
        ("timestamp", Some(Brand::Mariadb)) => "datetime",
        ("timestamp", _) => "timestamp",
        _ => "text",
    };
    let columns: Vec<_> = table.columns.iter().map(|(name, found)| format!("{name} {}", kind(found))).collect();
    format!("CREATE TABLE {} ({});", table.name, columns.join(", "))
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

/// Makes and fills a database of the server's; gives its name.
pub fn fill(server: &Server, directory: &Path, tables: &[Table]) -> String {
    let mut sql = String::new();
    for table in tables {
        let name = &table.name;
        sql += &made(Some(server.brand), table);
        sql += &match server.brand {
            Brand::Postgres => format!("\nCOPY {name} FROM stdin;\n{}\\.\n", loadable(name)),
            Brand::Mariadb => {
                let path = directory.join(name);
                std::fs::write(&path, loadable(name)).unwrap();
                format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE {name};", path.display())
            }
        };
    }
    server.database("nycflights", &sql)
}

/// Makes and fills a SQLite file.
pub fn fill_file(path: &Path, tables: &[Table]) {
    let mut file = sqlite(path);
    let all = file.transaction().unwrap();
    for table in tables {
        all.execute_batch(&made(None, table)).unwrap();
        let holes = vec!["?"; table.columns.len()].join(", ");
        let mut insert = all.prepare(&format!("INSERT INTO {} VALUES ({holes})", table.name)).unwrap();
        for record in records(&table.name) {
            insert.execute(rusqlite::params_from_iter(record.into_iter().zip(&table.columns).map(bound))).unwrap();
        }
    }
    all.commit().unwrap();
}

/// Numbers as numbers: how SQLite reads decimals that are text is not what is held against others here.
fn bound((cell, (_, kind)): (Option<String>, &Column)) -> rusqlite::types::Value {
    match cell {
        Some(text) if kind == "double" => text.parse::<f64>().unwrap().into(),
        other => other.into(),
    }
}
