//! Files that say of themselves what their columns are.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, Decimal256Array, DictionaryArray, Float32Array, Int32Array, RecordBatch,
    StringArray, Time32SecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use datafusion::arrow::array::{ListArray, types::Int32Type};
use datafusion::arrow::datatypes::i256;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::parquet::arrow::ArrowWriter;

use super::{Options, gzip, imported, refused};

#[test]
fn objects_become_rows() {
    let lines = br#"{"day":"2026-01-31","n":1,"who":"Ann","ok":true}
{"n":2.5,"day":"2026-02-01","who":null}

{"who":"-","n":3,"more":{"a":[1, 2]},"ok":false}
"#;
    let columns = "day:date n:double who:text ok:boolean more:text";
    let rows = "2026-01-31|1.0|Ann|true|\u{2205}\n2026-02-01|2.5|\u{2205}|\u{2205}|\u{2205}\n\u{2205}|3.0|-|false|{\"a\":[1, 2]}";
    assert_eq!(imported(lines), (columns.to_owned(), rows.to_owned()));
    let list = String::from_utf8_lossy(lines).trim().replace("\n\n", "\n").replace("}\n{", "},\n  {");
    assert_eq!(imported(format!("\u{feff}[{list}]").as_bytes()), (columns.to_owned(), rows.to_owned()));
    assert_eq!(imported(&gzip(lines)), (columns.to_owned(), rows.to_owned()));
}

/// What JSON says of a value goes before what its text looks like.
#[test]
fn json_keeps_what_it_says() {
    let (columns, rows) = imported(
        br#"[{"zip":"01234","mixed":1,"at":"2026-01-31T12:00:00+01:00","big":9007199254740993,"empty":"","d":""},
             {"zip":"5","mixed":"x","at":"2026-02-01","big":1.5,"empty":"NA","d":"2026-01-01","":7}]"#,
    );
    assert_eq!(columns, "zip:text mixed:text at:timestamp big:text empty:text d:date column_7:integer");
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!(lines[0], "01234|1|2026-01-31T11:00:00|9007199254740993||\u{2205}|\u{2205}");
    assert_eq!(lines[1], "5|x|2026-02-01T00:00:00|1.5|NA|2026-01-01|7");
}

#[test]
fn json_that_is_none_is_refused_by_its_line() {
    for (text, words) in [
        ("{\"a\":1}\n{\"a\":}\n", "begins in line 2"),
        ("{\"a\":1}\n\n7\n", "line 3 that is no object"),
        ("{\"a\":1}\n{\"a\":1,\"b\":2,\"a\":3}\n", "field `a` twice in the object that begins in line 2"),
        ("[{\"a\":1},\n[1]]", "line 2 that is no object"),
        ("[{\"a\":1}", "cut short"),
        ("{\"a\":1", "cut short"),
        ("{\"a\":\"}", "cut short"),
        ("[]", "empty"),
        ("{}", "empty"),
        ("{\"a\":01}", "begins in line 1"),
        ("{\"a\":\"\u{1}\"}", "begins in line 1"),
        ("{\"a\":1]", "begins in line 1"),
    ] {
        let message = refused(text.as_bytes());
        assert!(message.contains(words), "{text}: {message}");
    }
    // As deep as would exhaust a stack: what is nested is text, and nothing goes down into it.
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(imported(deep.as_bytes()).0, "a:text");
    let many: Vec<String> = (0..2_001).map(|number| format!("\"c{number}\":1")).collect();
    assert!(refused(format!("{{{}}}", many.join(",")).as_bytes()).contains("more than 2000 columns"));
}

fn batch() -> RecordBatch {
    let instants = TimestampNanosecondArray::from(vec![Some(1_767_225_600_123_456_789), None]);
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("small", Arc::new(Int32Array::from(vec![Some(-1), None]))),
        ("large", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("real", Arc::new(Float32Array::from(vec![0.5, -2.0]))),
        ("fare", Arc::new(Decimal128Array::from(vec![12_345, -5]).with_precision_and_scale(9, 2).unwrap())),
        ("at", Arc::new(instants.clone())),
        ("zoned", Arc::new(instants.with_timezone("America/New_York"))),
        ("clock", Arc::new(Time32SecondArray::from(vec![3_661, 0]))),
        ("word", Arc::new(["a", "b"].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("raw", Arc::new(BinaryArray::from(vec![&b"text"[..], b"\xff\x00"]))),
        ("list", Arc::new(lists)),
        ("word", Arc::new(StringArray::from(vec!["NA", ""]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn values_that_their_type_has_not_got_are_told_and_not_made_null() {
    let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, i64::MAX]));
    let message = refused(&parquet(&RecordBatch::try_from_iter([("at", far)]).unwrap()));
    assert!(message.contains("column `at` that no timestamp can be"), "{message}");
    // Nobody has the last one.
    let instants = TimestampSecondArray::from(vec![0, i64::MAX]);
    let one: ArrayRef = Arc::new(DictionaryArray::try_new(Int32Array::from(vec![0]), Arc::new(instants)).unwrap());
    let file = arrow_file(&RecordBatch::try_from_iter([("at", one)]).unwrap());
    assert_eq!(imported(&file), ("at:timestamp".to_owned(), "1970-01-01T00:00:00".to_owned()));
    let values = BinaryArray::from(vec![&b"text"[..], b"\xff"]);
    let keys = Int32Array::from(vec![0, 1]);
    let bytes: ArrayRef = Arc::new(DictionaryArray::try_new(keys, Arc::new(values)).unwrap());
    let file = arrow_file(&RecordBatch::try_from_iter([("bytes", bytes)]).unwrap());
    assert_eq!(imported(&file), ("bytes:text".to_owned(), "text\n\\xff".to_owned()));
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn files_of_columns_keep_their_types_as_far_as_tables_have_them() {
    let columns = "small:integer large:decimal real:double fare:decimal at:timestamp zoned:timestamp clock:time \
                   word:text raw:text list:text word_2:text";
    let at = "2026-01-01T00:00:00.123456";
    let rows = format!(
        "-1|18446744073709551615|0.5|123.45|{at}|{at}|01:01:01|a|text|[1, null]|NA\n\
         \u{2205}|0|-2.0|-0.05|\u{2205}|\u{2205}|00:00:00|b|\\xff00|\u{2205}|"
    );
    let batch = batch();
    for bytes in [parquet(&batch), arrow_file(&batch), arrow_stream(&batch), gzip(&parquet(&batch))] {
        assert_eq!(imported(&bytes), (columns.to_owned(), rows.clone()));
    }
}

#[test]
fn what_is_wrong_with_files_of_columns_is_told() {
    let batch = batch();
    for whole in [parquet(&batch), arrow_file(&batch), arrow_stream(&batch)] {
        let cut = refused(&whole[..whole.len() / 2]);
        assert!(cut.contains("damaged or cut short"), "{cut}");
    }
    let wide = Decimal256Array::from(vec![i256::from_i128(1)]).with_precision_and_scale(50, 2).unwrap();
    let wide: Vec<(&str, ArrayRef)> = vec![("wide", Arc::new(wide))];
    let message = refused(&parquet(&RecordBatch::try_from_iter(wide).unwrap()));
    assert!(message.contains("`wide`"), "{message}");
    let bomb = gzip(&parquet(&batch));
    let failure = super::Import::new().run_with(&bomb, Options { decompressed_bytes: 100 }).unwrap_err();
    assert!(failure.message.contains("more than 100 bytes"), "{}", failure.message);
}
