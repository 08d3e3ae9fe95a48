//! What dictionaries tell of columns, and what they do not.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use super::*;

/// As extracts are written, with row groups of a hundred rows.
fn extract(columns: Vec<(&str, ArrayRef)>) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)));
    let batch = batch.unwrap();
    let properties =
        WriterProperties::builder().set_compression(Compression::LZ4_RAW).set_max_row_group_row_count(Some(100));
    let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn different_values_of_all_row_groups_are_counted_once() {
    let rows = 0..1_000_i32;
    let file = extract(vec![
        ("text", Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("p{}", row % 7))))),
        ("new in each group", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| i64::from(row / 50))))),
        ("date", Arc::new(Date32Array::from_iter_values(rows.clone().map(|row| row % 31)))),
        ("price", Arc::new(Decimal128Array::from_iter_values(rows.clone().map(|row| i128::from(row % 3))))),
        (
            "empty",
            Arc::new(StringArray::from_iter_values(rows.clone().map(|row| ["", "x"][usize::from(row % 2 == 1)]))),
        ),
        (
            "with null",
            Arc::new(Int64Array::from_iter(rows.clone().map(|row| (row % 3 != 0).then_some(i64::from(row % 4))))),
        ),
        ("only null", Arc::new(StringArray::from_iter(rows.clone().map(|_| None::<&str>)))),
        ("weight", Arc::new(Float64Array::from_iter_values(rows.clone().map(f64::from)))),
        ("flag", Arc::new(BooleanArray::from_iter(rows.map(|row| Some(row % 2 == 0))))),
    ]);
    let keys = Keys::default();
    let told = |column: &str| keys.of(file.path(), column);
    assert_eq!(told("text"), Some(7));
    assert_eq!(told("new in each group"), Some(20));
    assert_eq!(told("date"), Some(31));
    assert_eq!(told("empty"), Some(2));
    assert_eq!(told("with null"), Some(4));
    assert_eq!(told("only null"), Some(0));
    assert_eq!(told("weight"), Some(1_000));
    // Of these the dictionaries, if there are any, are not read.
    assert_eq!(told("price"), None);
    assert_eq!(told("flag"), None);
    assert_eq!(told("there is none"), None);
}

#[test]
fn too_many_values_are_not_told() {
    let most = i64::try_from(FEW).unwrap();
    for (values, told) in [(most, Some(FEW)), (most + 1, None)] {
        let file = extract(vec![("k", Arc::new(Int64Array::from_iter_values(0..values)))]);
        assert_eq!(Keys::default().of(file.path(), "k"), told);
    }
    // So large that the dictionary of a group has no place for all of them.
    let large = (0..100).map(|row| format!("{row}{}", "x".repeat(50_000)));
    let file = extract(vec![("k", Arc::new(StringArray::from_iter_values(large)))]);
    assert_eq!(Keys::default().of(file.path(), "k"), None);
}

#[test]
fn files_without_columns_to_read_tell_nothing() {
    let empty = extract(vec![("k", Arc::new(Int64Array::from_iter_values(0..0)))]);
    assert_eq!(Keys::default().of(empty.path(), "k"), Some(0));
    let other = NamedTempFile::new().unwrap();
    std::fs::write(other.path(), "no extract").unwrap();
    assert_eq!(Keys::default().of(other.path(), "k"), None);
    assert_eq!(Keys::default().of(Path::new("/nowhere"), "k"), None);
}

#[test]
fn what_was_read_is_remembered() {
    let file = extract(vec![("k", Arc::new(Int64Array::from_iter_values(0..3)))]);
    let keys = Keys::default();
    assert_eq!(keys.of(file.path(), "k"), Some(3));
    let path = file.path().to_owned();
    drop(file);
    assert_eq!(keys.of(&path, "k"), Some(3));
}
