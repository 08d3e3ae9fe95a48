//! What workbooks become, and which are refused. They are made here, entry by entry.

use zip::write::SimpleFileOptions;

use super::*;

/// An archive of these files.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An Excel workbook with these sheets, each its name and the inside of its `sheetData`. Style 1 is a day, 2 an
/// instant, 3 a length of time.
fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OF: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let numbered = || sheets.iter().enumerate().map(|(place, (name, _))| (place + 1, *name));
    let listed: String =
        numbered().map(|(id, name)| format!(r#"<sheet name="{name}" sheetId="{id}" r:id="rId{id}"/>"#)).collect();
    let related: String = numbered()
        .map(|(id, _)| {
            format!(r#"<Relationship Id="rId{id}" Type="{OF}/worksheet" Target="worksheets/sheet{id}.xml"/>"#)
        })
        .collect();
    let texts = ["name", "n", "shared & more"].map(|text| format!("<si><t>{}</t></si>", text.replace('&', "&amp;")));
    let mut entries = vec![
        (
            "_rels/.rels".to_owned(),
            format!(
                r#"<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{OF}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(r#"<workbook xmlns="{MAIN}" xmlns:r="{OF}"><sheets>{listed}</sheets></workbook>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(r#"<Relationships xmlns="{PACKAGE}">{related}</Relationships>"#),
        ),
        ("xl/sharedStrings.xml".to_owned(), format!(r#"<sst xmlns="{MAIN}">{}</sst>"#, texts.concat())),
        (
            "xl/styles.xml".to_owned(),
            format!(
                r#"<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="46"/></cellXfs></styleSheet>"#
            ),
        ),
    ];
    for (id, (_, data)) in sheets.iter().enumerate() {
        let sheet = format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData></worksheet>"#);
        entries.push((format!("xl/worksheets/sheet{}.xml", id + 1), sheet));
    }
    let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    archive(&entries)
}

/// An OpenDocument workbook of these tables.
fn ods(tables: &str) -> Vec<u8> {
    let content = format!(
        r#"<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x" xmlns:calcext="c"><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"#
    );
    archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", b"<manifest/>"),
    ])
}

fn text(at: &str, text: &str) -> String {
    format!(r#"<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

fn cell(kind: &str, value: &str, rest: &str) -> String {
    format!(r#"<table:table-cell office:value-type="{kind}" office:{value}"{rest}/>"#)
}

#[test]
fn cells_have_the_types_that_they_show() {
    let header: String = ["A1", "B1", "C1", "D1", "E1", "F1", "G1"].iter().map(|at| text(at, &at[..1])).collect();
    let rows = format!(
        r#"<row r="1">{header}</row>
        <row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>0.1</v></c><c r="C2" t="b"><v>1</v></c><c r="D2" s="1"><v>41275</v></c><c r="E2" s="2"><v>41275.5</v></c><c r="F2" t="s"><v>2</v></c><c r="G2" t="e"><v>#N/A</v></c></row>
        <row r="5"><c r="A5"><v>9007199254740991</v></c><c r="B5"><f>A5*2</f><v>2</v></c><c r="D5" s="1"><v>41276</v></c><c r="E5" s="1"><v>41276</v></c>{}<c r="G5"><v>7</v></c></row>"#,
        text("F5", "NA")
    );
    let (columns, lines) = imported(&xlsx(&[("Sheet1", &rows)]));
    assert_eq!(columns, "A:integer B:double C:boolean D:date E:timestamp F:text G:integer");
    assert_eq!(
        lines,
        "1|0.1|true|2013-01-01|2013-01-01T12:00:00|shared & more|\u{2205}\n\
         9007199254740991|2.0|\u{2205}|2013-01-02|2013-01-02T00:00:00|\u{2205}|7"
    );
}

#[test]
fn the_same_cells_are_the_same_in_open_document() {
    let table = [
        r#"<table:table table:name="Sheet1"><table:table-column table:number-columns-repeated="16384"/>"#,
        r#"<table:table-header-rows><table:table-row>"#,
        &["A", "B", "C", "D", "E", "F", "G"].map(|name| format!(r#"<table:table-cell office:value-type="string"><text:p>{name}</text:p></table:table-cell>"#)).concat(),
        r#"</table:table-row></table:table-header-rows><table:table-row>"#,
        &cell("float", r#"value="1"#, ""),
        &cell("percentage", r#"value="0.1"#, ""),
        &cell("boolean", r#"boolean-value="true"#, ""),
        &cell("date", r#"date-value="2013-01-01"#, ""),
        &cell("date", r#"date-value="2013-01-01T12:00:00"#, ""),
        r#"<table:table-cell office:value-type="string"><office:annotation><text:p>a note</text:p></office:annotation><text:p>shared<text:s/>&amp;</text:p><text:p>more</text:p></table:table-cell>"#,
        r##"<table:table-cell table:formula="of:=NA()" office:value-type="string" office:string-value="" calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>"##,
        r#"<table:table-cell table:number-columns-repeated="16377"/></table:table-row>"#,
        r#"<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>"#,
        r#"<table:table-row table:number-rows-repeated="2">"#,
        &cell("float", r#"value="2"#, r#" table:number-columns-repeated="2""#),
        r#"<table:covered-table-cell office:value-type="boolean" office:boolean-value="true"/></table:table-row>"#,
        r#"<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>"#,
    ]
    .concat();
    let (columns, lines) = imported(&ods(&table));
    assert_eq!(columns, "A:integer B:double C:boolean D:date E:timestamp F:text G:text");
    let rest = "\u{2205}|\u{2205}|\u{2205}|\u{2205}|\u{2205}";
    assert_eq!(
        lines,
        format!("1|0.1|true|2013-01-01|2013-01-01T12:00:00|shared &\nmore|\u{2205}\n2|2.0|{rest}\n2|2.0|{rest}")
    );
}

#[test]
fn mixed_columns_widen_and_times_are_times() {
    let rows = format!(
        r#"<row r="1">{}{}{}{}</row><row r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>41275</v></c><c r="C2" s="3"><v>0.5</v></c><c r="D2" s="3"><v>1.5</v></c></row>
        <row r="3">{}<c r="B3"><v>5</v></c><c r="C3" s="2"><v>0.25</v></c><c r="D3" s="3"><v>0.5</v></c></row>"#,
        text("A1", "a"),
        text("B1", "b"),
        text("C1", "c"),
        text("D1", "d"),
        text("A3", "x")
    );
    let (columns, lines) = imported(&xlsx(&[("Sheet1", &rows)]));
    assert_eq!(columns, "a:text b:text c:time d:text");
    assert_eq!(lines, "1|2013-01-01|12:00:00|36:00:00\nx|5|06:00:00|12:00:00");
}

#[test]
fn tables_are_found_under_titles_and_off_the_corner() {
    let rows = format!(
        r#"<row r="2">{}</row><row r="4">{}{}{}</row><row r="5"><c r="C5"><v>1</v></c><c r="D5"><v>2</v></c><c r="F5"><v>3</v></c></row>"#,
        text("C2", "Sales of 2013"),
        text("C4", "a"),
        text("D4", "a"),
        text("E4", "c")
    );
    let book = xlsx(&[("Sheet1", &rows)]);
    assert_eq!(imported(&book), ("a:integer a_2:integer c:text column_4:integer".into(), "1|2|\u{2205}|3".into()));
    let plain = r#"<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>"#;
    assert_eq!(imported(&xlsx(&[("Sheet1", plain)])), ("column_1:integer column_2:integer".into(), "1|2".into()));
}

#[test]
fn each_sheet_with_data_becomes_a_table() {
    let rows = format!(r#"<row r="1">{}</row><row r="2"><c r="A2"><v>1</v></c></row>"#, text("A1", "a"));
    let book = xlsx(&[("First", &rows), ("Empty", ""), ("Q 2", &rows), ("Q-2", &rows)]);
    let names = |options: &str| {
        let import = Import::new();
        let mut file = import.file(&book);
        file.options = serde_json::from_str(options).unwrap();
        let into = import.directory.path().join("into");
        fs::create_dir(&into).unwrap();
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_secs(600), Arc::new(|_, _| {}));
        let tables = run(&[file], &into, None, Options::default(), &control)?;
        assert_eq!(fs::read_dir(&into).unwrap().count(), tables.len());
        Ok::<_, Failure>(tables.into_iter().map(|table| table.name).collect::<Vec<_>>())
    };
    assert_eq!(names("{}").unwrap(), ["sales_first", "sales_q_2", "sales_q_2_2"]);
    assert_eq!(names(r#"{"sheet": "Q 2"}"#).unwrap(), ["sales"]);
    let unknown = names(r#"{"sheet": "Q3"}"#).unwrap_err();
    assert_eq!(unknown.code, FailureCode::InvalidOptions);
    assert!(unknown.message.contains("`Q3`") && unknown.message.contains("`Q 2`"), "{}", unknown.message);
    assert!(names(r#"{"columns": {"b": {"type": "text"}}}"#).unwrap_err().message.contains("`b`"));
    assert!(names(r#"{"sheet": "Empty"}"#).unwrap_err().message.contains("is empty"));
}

#[test]
fn bombs_far_cells_and_lies_are_refused() {
    let far = |at: &str| {
        xlsx(&[("Sheet1", &format!(r#"<row r="1"><c r="A1"><v>1</v></c></row><row>{}</row>"#, text(at, "x")))])
    };
    assert!(refused(&far("XFD1048576")).contains("more than 2000 columns"));
    let zeros = vec![b' '; 40 << 20];
    let bomb = archive(&[("xl/workbook.xml", b"<workbook/>"), ("xl/media/picture", &zeros)]);
    assert!(bomb.len() < 100_000 && refused(&bomb).contains("more than 200 times its size"));
    let mut lying = bomb.clone();
    // The length that the directory states is made small; what is unpacked is counted.
    let real = u32::try_from(zeros.len()).unwrap().to_le_bytes();
    while let Some(at) = lying.windows(4).position(|four| four == real) {
        lying[at..at + 4].copy_from_slice(&7_u32.to_le_bytes());
    }
    assert!(refused(&lying).contains("`sales.csv`"));
    let many: Vec<String> = (0..1_001).map(|number| format!("xl/{number}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    assert!(refused(&archive(&many)).contains("more than 1000 files"));
    let repeated = |cells: &str| {
        ods(&format!(
            r#"<table:table table:name="S"><table:table-row table:number-rows-repeated="1048576"><table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="{cells}"/></table:table-row></table:table>"#
        ))
    };
    assert!(refused(&repeated("16384")).contains("more than 2000 columns"));
    assert!(refused(&repeated("2000")).contains("more than 50000000 cells"));
    assert!(refused(&repeated("4294967295")).contains("more than 2000 columns"));
    assert!(refused(&repeated("-1")).contains("does not read as an ODS workbook"));
}

#[test]
fn what_is_no_workbook_is_refused() {
    assert!(refused(&archive(&[("a.txt", b"x")])).contains("is a zip archive"));
    assert!(refused(&archive(&[("xl/workbook.bin", b"x")])).contains("XLSB"));
    let whole = xlsx(&[("Sheet1", &format!(r#"<row r="1">{}</row>"#, text("A1", "a")))]);
    for end in [whole.len() / 3, whole.len() / 2, whole.len() - 5] {
        assert!(refused(&whole[..end]).contains("damaged or cut short"));
    }
    // Laughing entities: none is ever replaced by more than a character.
    let laughs = br#"<!DOCTYPE s [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;">]><office:document-content><table:table table:name="S"><table:table-row><table:table-cell office:value-type="string"><text:p>&b;</text:p></table:table-cell></table:table-row></table:table></office:document-content>"#;
    assert!(refused(&archive(&[("content.xml", laughs)])).contains("damaged or cut short"));
    let cut = br#"<table:table table:name="S"><table:table-row>"#;
    assert!(refused(&archive(&[("content.xml", cut)])).contains("damaged or cut short"));
    assert!(refused(&xlsx(&[("Sheet1", "")])).contains("is empty"));
    let backwards = r#"<row r="5"><c r="A5"><v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>"#;
    assert!(refused(&xlsx(&[("Sheet1", backwards)])).contains("damaged or cut short"));
}

#[test]
fn a_workbook_may_be_compressed_once_more() {
    let rows = format!(r#"<row r="1">{}</row><row r="2"><c r="A2"><v>1</v></c></row>"#, text("A1", "a"));
    assert_eq!(imported(&gzip(&xlsx(&[("Sheet1", &rows)]))), ("a:integer".into(), "1".into()));
}

#[test]
fn types_that_are_asked_for_hold_in_sheets() {
    let rows = format!(
        r#"<row r="1">{}{}</row><row r="2"><c r="A2"><v>1.25</v></c>{}</row><row r="3"><c r="A3"><v>2</v></c>{}</row>"#,
        text("A1", "p"),
        text("B1", "d"),
        text("B2", "31.01.2013"),
        text("B3", "soon")
    );
    let import = Import::new();
    let mut file = import.file(&xlsx(&[("Sheet1", &rows)]));
    file.options =
        serde_json::from_str(r#"{"columns": {"p": {"type": "decimal"}, "d": {"type": "date", "format": "%d.%m.%Y"}}}"#)
            .unwrap();
    let failure = import.run_file(file.clone(), Options::default()).unwrap_err();
    assert!(failure.message.contains("`soon` in line 3 of column `d`"), "{}", failure.message);
    file.options.nulls = Some(vec!["soon".to_owned()]);
    let (table, batches) = import.run_file(file, Options::default()).unwrap();
    assert_eq!(lines(&table, &batches), ("p:decimal d:date".into(), "1.25|2013-01-31\n2.00|\u{2205}".into()));
}
