//! What is asked for goes before what is detected; what does not fit is told and never dropped.

use super::*;

fn read(bytes: &[u8], options: &str) -> Result<(String, String), Failure> {
    let import = Import::new();
    let mut file = import.file(bytes);
    file.options = serde_json::from_str(options).unwrap();
    file.options.check(&["sales.csv"]).unwrap();
    import.run_file(file, Options::default()).map(|(table, batches)| lines(&table, &batches))
}

fn taken(bytes: &[u8], options: &str) -> (String, String) {
    read(bytes, options).unwrap()
}

fn refused(bytes: &[u8], options: &str) -> String {
    let failure = read(bytes, options).unwrap_err();
    assert!(matches!(failure.code, FailureCode::InvalidFile | FailureCode::InvalidOptions), "{failure:?}");
    failure.message
}

#[test]
fn separators_quotes_and_lines_to_skip_are_followed() {
    let file = b"made by hand\nand kept\na:b\n'x:1':2\n";
    let options = r#"{"separator": ":", "quote": "'", "skip_lines": 2}"#;
    assert_eq!(taken(file, options), ("a:text b:integer".into(), "x:1|2".into()));
    assert_eq!(taken(b"a,b\n\"x,2\n", r#"{"quote": ""}"#).1, "\"x|2");
    assert!(refused(b"a,b\n1,2\n1\n", r#"{"skip_lines": 1}"#).contains("1 field in line 3 where the header has 2"));
    assert!(refused(b"a,b\n", r#"{"skip_lines": 9}"#).contains("empty"));
}

#[test]
fn apostrophes_around_fields_are_found() {
    assert_eq!(imported(b"'a','b'\n'x, y',1\n"), ("a:text b:integer".into(), "x, y|1".into()));
    assert_eq!(imported(b"a,b\nit's,1\n").1, "it's|1");
    assert_eq!(imported(b"a,b\n\"'x'\",1\n").1, "'x'|1");
}

#[test]
fn a_first_row_of_values_is_no_header() {
    assert_eq!(
        imported(b"1,2013-01-01\n2,2013-01-02\n"),
        ("column_1:integer column_2:date".into(), "1|2013-01-01\n2|2013-01-02".into())
    );
    assert_eq!(imported(b"country,2013\nx,1\n").0, "country:text 2013:integer");
    assert_eq!(taken(b"2012,2013\n1,2\n", r#"{"header": true}"#), ("2012:integer 2013:integer".into(), "1|2".into()));
    assert_eq!(taken(b"a,b\n", r#"{"header": false}"#), ("column_1:text column_2:text".into(), "a|b".into()));
}

#[test]
fn what_stands_for_a_missing_value_can_be_said() {
    assert_eq!(
        taken(b"a,b\n?,NA\n1,\n", r#"{"nulls": ["?"]}"#),
        ("a:integer b:text".into(), "\u{2205}|NA\n1|\u{2205}".into())
    );
    assert_eq!(taken(br#"[{"a": "?"}, {"a": ""}]"#, r#"{"nulls": ["?"]}"#).1, "\u{2205}\n\u{2205}");
}

#[test]
fn types_that_are_asked_for_are_given() {
    let options = r#"{"columns": {"code": {"type": "text"}, "price": {"type": "decimal"}, "paid": {"type": "boolean"},
        "day": {"type": "date", "format": "%d.%m.%Y"}, "at": {"type": "time"}}}"#;
    let file =
        b"code;price;paid;day;at;n\n007;1.5;yes;31.01.2013;13:45;1\n8;NA;no;-;;2\n9;-0.125;1;01.02.2013;00:00:01;3\n";
    let (columns, rows) = taken(file, options);
    assert_eq!(columns, "code:text price:decimal paid:boolean day:date at:time n:integer");
    assert_eq!(
        rows,
        "007|1.500|true|2013-01-31|13:45:00|1\n8|\u{2205}|false|\u{2205}|\u{2205}|2\n9|-0.125|true|2013-02-01|00:00:01|3"
    );
    let json = br#"{"n": "12", "p": 1.25, "t": 5}"#;
    let options = r#"{"columns": {"n": {"type": "integer"}, "p": {"type": "decimal"}, "t": {"type": "text"}}}"#;
    assert_eq!(taken(json, options), ("n:integer p:decimal t:text".into(), "12|1.25|5".into()));
}

#[test]
fn a_value_that_contradicts_its_type_is_told_with_its_line() {
    let mut file = b"n,x\n".to_vec();
    for _ in 0..20_000 {
        file.extend_from_slice(b"1,y\n");
    }
    file.extend_from_slice(b"many,y\n");
    let said = refused(&file, r#"{"columns": {"n": {"type": "integer"}}}"#);
    assert!(said.contains("`many` in line 20002 of column `n`") && said.contains("as integer"), "{said}");
    let said = refused(b"{\"n\": 1}\n{\"n\": \"x\"}\n", r#"{"columns": {"n": {"type": "integer"}}}"#);
    assert!(said.contains("in line 2 of column `n`"), "{said}");
    let said = refused(b"p\n1e5\n", r#"{"columns": {"p": {"type": "decimal"}}}"#);
    assert!(said.contains("`1e5` in line 2"), "{said}");
}

#[test]
fn encodings_are_held_to() {
    assert_eq!(taken(b"n\nZo\xeb\n", r#"{"encoding": "windows-1252"}"#).1, "Zo\u{eb}");
    let said = refused(b"n\nx\nZo\xeb\n", r#"{"encoding": "utf-8"}"#);
    assert!(said.contains("not UTF-8 in line 3"), "{said}");
    assert!(refused(b"n\xe4me\n1\n", r#"{"encoding": "utf-8"}"#).contains("line 1"));
}

#[test]
fn options_that_a_file_has_no_use_for_are_refused_by_name() {
    for (bytes, options, named) in [
        (b"a\n1\n".as_slice(), r#"{"sheet": "A"}"#, "`sheet`"),
        (b"{\"a\": 1}", r#"{"separator": ";"}"#, "`separator`"),
        (b"{\"a\": 1}", r#"{"header": true}"#, "`header`"),
        (b"PAR1", r#"{"nulls": ["x"]}"#, "`nulls`"),
        (b"ARROW1", r#"{"columns": {"a": {"type": "text"}}}"#, "`columns`"),
        (b"a\n1\n", r#"{"columns": {"b": {"type": "text"}}}"#, "`b`"),
        (b"{\"a\": 1}", r#"{"columns": {"b": {"type": "text"}}}"#, "`b`"),
    ] {
        let failure = read(bytes, options).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidOptions, "{failure:?}");
        assert!(failure.message.contains(named) && failure.message.contains("`sales.csv`"), "{}", failure.message);
    }
}

#[test]
fn a_preview_tells_what_was_detected_and_keeps_nothing() {
    let import = Import::new();
    let mut text = String::from("name;n;day\n");
    (0..1_500).for_each(|row| text.push_str(&format!("x{};{row};2013-01-01\n", row % 3)));
    text.push_str("late;x;\n");
    let file = import.file(&gzip(text.as_bytes()));
    let scratch = import.directory.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let (_keep, canceled) = watch::channel(false);
    let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
    let previews = preview(&[file], &scratch, Options::default(), &control).unwrap();
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    let [found] = previews.as_slice() else { panic!("{previews:?}") };
    assert_eq!((found.kind, found.compression.as_deref(), found.header), (FileKind::Csv, Some("gzip"), Some(true)));
    assert_eq!((found.separator.as_deref(), found.quote.as_deref()), (Some(";"), Some("\"")));
    assert_eq!(found.encoding, Some(crate::domain::import::TextEncoding::Utf8));
    let [table] = found.tables.as_slice() else { panic!("{found:?}") };
    assert_eq!((table.name.as_str(), table.sampled_rows, table.rows.len()), ("sales", 1_000, 10));
    assert_eq!(table.columns[0].samples, ["x0", "x1", "x2"]);
    assert_eq!(table.columns[1].column.kind, ColumnType::Integer);
    assert_eq!(table.rows[1], [Some("x1".to_owned()), Some("1".to_owned()), Some("2013-01-01".to_owned())]);
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
}
