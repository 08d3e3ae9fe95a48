//! Files and options that nobody thought of: each is read, or refused in words, and nothing panics. Of files that are
//! well-formed no row is lost, and no cell is another one.

use proptest::prelude::*;

use super::*;
use crate::domain::import::{ColumnOptions, TextEncoding};
use crate::testing::cases;

/// What separated values are made of, and what breaks them.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[a-z0-9]{1,6}".prop_map(String::into_bytes),
        8 => prop::sample::select(vec![",", ";", "\t", "|", "\n", "\r\n", "\n", ","]).prop_map(|text| text.as_bytes().to_vec()),
        3 => prop::sample::select(vec![
            "\"", "'", "\"\"", "NA", "NULL", "-", "true", "2013-01-31", "31.01.2013", "2013-01-31T10:00:00Z", "12:30", "1.5",
            "1,5", "-0", "1e400", "9223372036854775808", "0.1234567890123456789", "007", "#", " ", "\u{feff}", "é", "\0", "\r",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn spelling() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        4 => Just(None),
        4 => prop::sample::select(vec![",", ";", "\t", "|", "\"", "'", "", "a", "\n"]).prop_map(|text| Some(text.to_owned())),
        1 => ".{0,3}".prop_map(Some),
    ]
}

fn column() -> impl Strategy<Value = (String, ColumnOptions)> {
    let format = prop_oneof![
        Just(None),
        prop::sample::select(vec!["%d.%m.%Y", "%Y-%m-%d", "%H:%M", "%", "%Q", "x"])
            .prop_map(|text| Some(text.to_owned())),
    ];
    let name = prop_oneof!["[a-z0-9]{1,3}", Just("column_1".to_owned())];
    (name, prop::sample::select(&ColumnType::ALL[..]), format)
        .prop_map(|(name, kind, format)| (name, ColumnOptions { kind, format }))
}

fn options() -> impl Strategy<Value = ImportOptions> {
    let encodings = [TextEncoding::Utf8, TextEncoding::Utf16Le, TextEncoding::Utf16Be, TextEncoding::Windows1252];
    (
        (spelling(), spelling(), prop::option::of(prop::sample::select(encodings.to_vec()))),
        (any::<Option<bool>>(), prop::option::of(prop_oneof![0..4_u64, Just(1_000_000)])),
        prop::option::of(prop::collection::vec("[a-z0-9?-]{0,3}", 0..3)),
        prop::collection::btree_map("[a-z0-9]{1,3}", Just(()), 0..1),
        prop::collection::vec(column(), 0..3),
    )
        .prop_map(|((separator, quote, encoding), (header, skip_lines), nulls, _, columns)| ImportOptions {
            separator,
            quote,
            encoding,
            header,
            skip_lines,
            nulls,
            columns: columns.into_iter().collect(),
            ..ImportOptions::default()
        })
}

/// Rows of cells as people fill them, with separators, quotes and line breaks among the letters.
fn cells() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof![4 => "[a-z0-9]{1,6}", 3 => "[ -~éß\n]{0,8}", 1 => Just(String::new())];
    (1..6_usize).prop_flat_map(move |width| prop::collection::vec(prop::collection::vec(cell.clone(), width), 1..60))
}

/// Rows of words and numbers alone, which leave no doubt about separators and quotes.
fn plain_cells() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof!["[a-z]{2,6}", "[1-9][0-9]{0,4}"];
    (1..6_usize).prop_flat_map(move |width| prop::collection::vec(prop::collection::vec(cell.clone(), width), 1..60))
}

/// The rows as a file, below a header.
fn written(rows: &[Vec<String>], separator: u8) -> Vec<u8> {
    let mut writer = ::csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
    writer.write_record((0..rows[0].len()).map(|place| format!("c{place}"))).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    writer.into_inner().unwrap()
}

/// The cells that were read, as text.
fn read(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    let cell = |column: &Arc<dyn Array>, row| column.is_valid(row).then(|| array_value_to_string(column, row).unwrap());
    rows.map(|(batch, row)| batch.columns().iter().map(|column| cell(column, row)).collect()).collect()
}

/// Holds that a refusal is one that people may read.
fn told(failure: &Failure) -> Result<(), TestCaseError> {
    let codes = [FailureCode::InvalidFile, FailureCode::InvalidOptions, FailureCode::TooLarge];
    prop_assert!(codes.contains(&failure.code), "{failure:?}");
    prop_assert!(failure.message.len() < 2_000, "{failure:?}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_file_with_any_options_is_read_or_refused_in_words(bytes in text(), options in options()) {
        if options.check(&["sales.csv"]).is_err() {
            return Ok(());
        }
        let import = Import::new();
        let file = ImportFile { options, ..import.file(&bytes) };
        match import.run_file(file.clone(), Options::default()) {
            Ok((table, batches)) => {
                let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                prop_assert_eq!(rows as u64, table.rows);
                let lines = bytes.iter().filter(|byte| [b'\n', b'\r'].contains(byte)).count();
                prop_assert!(rows <= lines + 1, "{} rows of {} lines", rows, lines);
                for (column, told) in batches.iter().flat_map(|batch| batch.columns().iter().zip(&table.columns)) {
                    prop_assert!(told.nullable || column.null_count() == 0, "{told:?} has nulls");
                }
            }
            Err(failure) => told(&failure)?,
        }
        let scratch = import.directory.path().join("scratch");
        fs::create_dir_all(&scratch).unwrap();
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
        if let Err(failure) = preview(&[file], &scratch, Options::default(), &control) {
            told(&failure)?;
        }
        prop_assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "a preview leaves nothing");
    }

    #[test]
    fn of_a_well_formed_file_every_cell_is_there(rows in cells(), separator in prop::sample::select(&b",;\t|"[..])) {
        let text = ColumnOptions { kind: ColumnType::Text, format: None };
        let options = ImportOptions {
            separator: Some(char::from(separator).to_string()),
            quote: Some("\"".to_owned()),
            header: Some(true),
            nulls: Some(Vec::new()),
            columns: (0..rows[0].len()).map(|place| (format!("c{place}"), text.clone())).collect(),
            ..ImportOptions::default()
        };
        let import = Import::new();
        let file = ImportFile { options, ..import.file(&written(&rows, separator)) };
        let (table, batches) = import.run_file(file, Options::default()).map_err(|it| TestCaseError::fail(it.message))?;
        let given: Vec<Vec<Option<String>>> =
            rows.into_iter().map(|row| row.into_iter().map(|cell| Some(cell).filter(|cell| !cell.is_empty())).collect()).collect();
        prop_assert_eq!(table.rows, given.len() as u64);
        prop_assert_eq!(read(&batches), given);
    }

    #[test]
    fn of_a_file_that_is_left_to_detection_no_row_is_lost(
        rows in plain_cells(), separator in prop::sample::select(&b",;\t|"[..]),
    ) {
        let read = Import::new().run(&written(&rows, separator));
        let (table, _) = read.map_err(|it| TestCaseError::fail(it.message))?;
        // Among words alone a header may be one of the rows.
        let has_header = table.columns[0].name == "c0";
        prop_assert_eq!((table.rows, table.columns.len()), ((rows.len() + usize::from(!has_header)) as u64, rows[0].len()));
    }
}
