//! Rows that are added to a table which is there.

use super::*;
use crate::worker::protocol::BaseTable;

/// Makes `sales` of the first file and adds the second.
fn added(first: &[u8], second: &[u8], options: &str) -> Result<(String, String), Failure> {
    let import = Import::new();
    let (table, _) = import.run(first).unwrap();
    let base = import.directory.path().join("base.parquet");
    fs::rename(import.directory.path().join("into/sales.parquet"), &base).unwrap();
    let bases = [BaseTable { path: base, table }];
    let mut file = import.file(second);
    file.options = serde_json::from_str(options).unwrap();
    let into = import.directory.path().join("into");
    let (_keep, canceled) = watch::channel(false);
    let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
    let tables = run(&[file], &into, Some(&bases), Options::default(), &control);
    let left = fs::read_dir(&into).unwrap().count();
    assert_eq!(left, tables.as_ref().map_or(0, Vec::len), "nothing else is left");
    let table = tables?.remove(0);
    let extract = File::open(into.join("sales.parquet")).unwrap();
    assert_eq!(extract.metadata().unwrap().len(), table.bytes);
    let reader = ParquetRecordBatchReaderBuilder::try_new(extract).unwrap().build().unwrap();
    Ok(lines(&table, &reader.map(Result::unwrap).collect::<Vec<_>>()))
}

#[test]
fn rows_stand_behind_those_that_were_there_under_the_same_columns() {
    let (columns, rows) = added(b"a,b,c\n1,x,0.5\n", b"c;a\n2;3\n", "{}").unwrap();
    assert_eq!(columns, "a:integer b:text c:double");
    assert_eq!(rows, "1|x|0.5\n3|\u{2205}|2.0");
    let (columns, rows) = added(b"a,b,c\n1,x,0.5\n", b"{\"b\": \"y\", \"a\": 2}", "{}").unwrap();
    assert_eq!((columns.as_str(), rows.as_str()), ("a:integer b:text c:double", "1|x|0.5\n2|y|\u{2205}"));
}

#[test]
fn codes_and_dates_are_read_as_what_they_are_added_to() {
    let text = added(b"code\nx7\n", b"code\n007\n", "{}").unwrap();
    assert_eq!(text, ("code:text".into(), "x7\n007".into()));
    let said = added(b"n\n7\n", b"n\n8\n007\n", "{}").unwrap_err().message;
    assert!(said.contains("`007` in line 3 of column `n`"), "{said}");
    let mixed = added(b"at\n2013-01-01T10:00:00Z\n", b"at\n2013-01-02\n", "{}").unwrap();
    assert_eq!(mixed.1, "2013-01-01T10:00:00\n2013-01-02T00:00:00");
    let exact = r#"{"columns": {"p": {"type": "decimal"}}}"#;
    assert!(added(b"p\n1.5\n", b"p\n0.125\n", exact).unwrap_err().message.contains("another type"));
}

#[test]
fn what_does_not_fit_the_table_is_refused() {
    assert!(added(b"a\n1\n", b"a,b\n1,2\n", "{}").unwrap_err().message.contains("the column `b`"));
    assert!(added(b"a\n1\n", b"a\nx\n", "{}").unwrap_err().message.contains("`x` in line 2"));
    let import = Import::new();
    let file = import.file(b"a\n1\n");
    let into = import.directory.path().join("into");
    fs::create_dir(&into).unwrap();
    let (_keep, canceled) = watch::channel(false);
    let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
    let said = run(&[file], &into, Some(&[]), Options::default(), &control).unwrap_err().message;
    assert!(said.contains("the table `sales`"), "{said}");
}
