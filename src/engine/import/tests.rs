//! What files become, and which are refused.

mod appended;
mod formats;
mod fuzzed;
mod options;
mod workbooks;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::domain::import::ImportOptions;
use crate::domain::result::ColumnType;
use crate::worker::protocol::FailureCode;

struct Import {
    directory: TempDir,
}

impl Import {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self, bytes: &[u8]) -> ImportFile {
        let path = self.directory.path().join("upload");
        fs::write(&path, bytes).unwrap();
        ImportFile { path, name: "sales.csv".into(), table: "sales".into(), options: ImportOptions::default() }
    }

    fn run_with(&self, bytes: &[u8], options: Options) -> Result<(ImportedTable, Vec<RecordBatch>), Failure> {
        self.run_file(self.file(bytes), options)
    }

    fn run_file(&self, file: ImportFile, options: Options) -> Result<(ImportedTable, Vec<RecordBatch>), Failure> {
        let into = self.directory.path().join("into");
        fs::create_dir_all(&into).unwrap();
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
        match run(&[file], &into, None, options, &control) {
            Ok(mut tables) => {
                let extract = File::open(into.join("sales.parquet")).unwrap();
                assert_eq!(extract.metadata().unwrap().len(), tables[0].bytes);
                let reader = ParquetRecordBatchReaderBuilder::try_new(extract).unwrap().build().unwrap();
                Ok((tables.remove(0), reader.map(Result::unwrap).collect()))
            }
            Err(failure) => {
                assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "nothing is left behind");
                assert!(!failure.message.contains(self.directory.path().to_str().unwrap()), "{}", failure.message);
                Err(failure)
            }
        }
    }

    fn run(&self, bytes: &[u8]) -> Result<(ImportedTable, Vec<RecordBatch>), Failure> {
        self.run_with(bytes, Options::default())
    }
}

/// Imports the bytes and writes them out again, a line per row; nulls are `∅`.
fn imported(bytes: &[u8]) -> (String, String) {
    let (table, batches) = Import::new().run(bytes).unwrap();
    lines(&table, &batches)
}

fn lines(table: &ImportedTable, batches: &[RecordBatch]) -> (String, String) {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("{}:{}", column.name, column.kind.as_str())).collect();
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cell = |array: &Arc<dyn Array>| {
                if array.is_null(row) { "∅".to_owned() } else { array_value_to_string(array, row).unwrap() }
            };
            lines.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
        }
    }
    assert_eq!(lines.len() as u64, table.rows);
    (columns.join(" "), lines.join("\n"))
}

fn refused(bytes: &[u8]) -> String {
    let failure = Import::new().run(bytes).unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidFile, "{}", failure.message);
    assert!(failure.message.contains("`sales.csv`"), "{}", failure.message);
    failure.message
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_column_gets_its_type_and_nulls_stay_nulls() {
    let (columns, rows) = imported(
        b"b,i,d,t,s,x,code,nothing\n\
          true,1,1.5,2013-01-31,2013-01-31T10:00:00Z,hi,007,NA\n\
          NA,NA,NA,NULL,N/A,-,,-\n\
          false,-2,3,2012-02-29,2013-01-31 11:00:00+01:00,\"a, \"\"b\"\"\nc\",1,\n",
    );
    assert_eq!(columns, "b:boolean i:integer d:double t:date s:timestamp x:text code:text nothing:text");
    assert_eq!(
        rows,
        "true|1|1.5|2013-01-31|2013-01-31T10:00:00|hi|007|∅\n∅|∅|∅|∅|∅|∅|∅|∅\n\
         false|-2|3.0|2012-02-29|2013-01-31T10:00:00|a, \"b\"\nc|1|∅"
    );
}

#[test]
fn a_value_past_the_sample_still_decides_the_type() {
    let mut file = String::from("n,late,odd\n");
    for row in 0..10_005 {
        file.push_str(&format!("{row},NA,{row}\n"));
    }
    file.push_str("1.5,2013-01-01,x\n");
    let (table, batches) = Import::new().run(file.as_bytes()).unwrap();
    let kinds: Vec<ColumnType> = table.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnType::Double, ColumnType::Date, ColumnType::Text]);
    assert_eq!(table.rows, 10_006);
    assert_eq!(batches.iter().map(|batch| batch.column(1).null_count()).sum::<usize>() as u64, 10_005);
    assert_eq!(table.columns.iter().map(|column| column.nullable).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn separators_are_found() {
    for separator in [",", ";", "\t", "|"] {
        let file = ["a", "b", "c\n1,5", "2", "x y\n"].join(separator);
        let file = if separator == "," { file.replace("1,5", "15") } else { file };
        assert_eq!(imported(file.as_bytes()).0.split(' ').count(), 3, "{separator:?}");
    }
    assert_eq!(imported(b"alone\n1\n2").1, "1\n2");
}

#[test]
fn encodings_are_told_by_their_bytes() {
    let text = "näme,größe\nZoë,1\nŁódź,2\n";
    let expected = ("näme:text größe:integer".to_owned(), "Zoë|1\nŁódź|2".to_owned());
    assert_eq!(imported(text.as_bytes()), expected);
    assert_eq!(imported(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), expected);
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(imported(&little), expected);
    assert_eq!(imported(&big), expected);
    assert_eq!(imported(&[b"\xff\xfe".as_slice(), &little].concat()), expected);
    assert_eq!(imported(&[b"\xfe\xff".as_slice(), &big].concat()), expected);
    assert_eq!(imported(b"n\xe4me\nZo\xeb\n\x80 5\n"), ("näme:text".into(), "Zoë\n€ 5".into()));
}

#[test]
fn a_late_byte_of_windows_1252_is_read_as_such() {
    let mut file = b"name,n\n".to_vec();
    for _ in 0..60_000 {
        file.extend_from_slice(b"plain,1\n");
    }
    file.extend_from_slice(b"Zo\xeb,2\n");
    let (table, batches) = Import::new().run(&file).unwrap();
    assert_eq!(table.rows, 60_001);
    let last = batches.last().unwrap();
    assert_eq!(array_value_to_string(last.column(0), last.num_rows() - 1).unwrap(), "Zoë");
}

#[test]
fn compressed_files_are_read_whatever_they_are_called() {
    let plain = b"a,b\n1,x\n2,y\n";
    assert_eq!(imported(&gzip(plain)), imported(plain));
    assert_eq!(imported(&[gzip(b"a,b\n1,x\n"), gzip(b"2,y\n")].concat()), imported(plain));
    assert_eq!(imported(&zstd::encode_all(plain.as_slice(), 3).unwrap()), imported(plain));
}

#[test]
fn headers_become_distinct_names_and_rows_may_be_none() {
    assert_eq!(imported(b"a,,a,a_2,B c,a\n").0, "a:text column_2:text a_3:text a_2:text B c:text a_4:text");
    assert_eq!(imported(b"a,b\r\n1,2\r\n\r\n3,4").1, "1|2\n3|4");
    let (long, cut) = ("é".repeat(5_000), "é".repeat(200));
    assert_eq!(imported(format!("{long}1,{long}2\n").as_bytes()).0, format!("{cut}:text {cut}_2:text"));
}

#[test]
fn damaged_files_are_refused_with_what_to_do() {
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"\n\n\r\n").contains("empty"));
    assert!(refused(b"a,b\n1,2\n1,2,3\n").contains("3 fields in line 3 where the header has 2"));
    assert!(refused(b"a,b\r\n1,\"x\r\ny\"\r\n\r\n1\r\n").contains("1 field in line 5 where the header has 2"));
    assert!(refused(b"a,b\n1,\"2\n3,4\n").contains("starts in line 2"));
    assert!(refused(b"a,b\n1,2\0\n").contains("byte 7 is 0x00"));
    assert!(refused(b"a,b\n\xff,\x01\n").contains("byte 6 is 0x01"));
    assert!(refused(b"PK\x03\x04whatever").contains("workbook"), "an archive cut off");
    let wide = vec!["c"; 2_001].join(",");
    assert!(refused(wide.as_bytes()).contains("more than 2000 columns"));
    let long = format!("a,b\n1,{}\n", "x".repeat((1 << 20) + 1));
    assert!(refused(long.as_bytes()).contains("row that starts in line 2"));
    let noise: String = (0..50_000_u64).map(|row| format!("{row},{}\n", row * 7_919 % 10_007)).collect();
    let packed = gzip(noise.as_bytes());
    assert!(refused(&packed[..packed.len() / 2]).contains("does not decompress as gzip"));
    let wrong_sum = packed.len() - 6;
    assert!(
        refused(&[&packed[..wrong_sum], &[!packed[wrong_sum]], &packed[wrong_sum + 1..]].concat()).contains("gzip")
    );
    let packed = zstd::encode_all(noise.as_bytes(), 3).unwrap();
    assert!(refused(&packed[..packed.len() / 2]).contains("does not decompress as zstd"));
}

#[test]
fn a_small_file_that_unpacks_to_too_much_is_refused() {
    let bomb = gzip(&[b"a\n".as_slice(), &b"1\n".repeat(2 << 20)].concat());
    let failure = Import::new().run_with(&bomb, Options { decompressed_bytes: 1 << 20 }).unwrap_err();
    assert_eq!(failure.code, FailureCode::InvalidFile);
    assert!(failure.message.contains("more than 1048576 bytes"), "{}", failure.message);
}

#[test]
fn a_canceled_import_leaves_nothing() {
    let import = Import::new();
    let file = import.file(&[b"a\n".as_slice(), &b"1\n".repeat(100_000)].concat());
    let into = import.directory.path().join("into");
    fs::create_dir(&into).unwrap();
    let (_keep, canceled) = watch::channel(true);
    let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
    let failure = run(&[file], &into, None, Options::default(), &control).unwrap_err();
    assert_eq!(failure.code, FailureCode::Canceled);
    assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
}
