use super::*;
use crate::domain::document::{Block, KpiFigure, KpiValue, Section};
use crate::domain::result::{Cell, Column, ColumnType, Series, Table};
use crate::domain::widget::{Format, WidgetKind};

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn flights(rows: i64) -> Table {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    Table {
        columns: vec![
            column("carrier", ColumnType::Text),
            column("flights", ColumnType::Integer),
            column("delay", ColumnType::Double),
        ],
        rows: (0..rows).map(|i| vec![text(&format!("Carrier{i}x")), Cell::Integer(i), Cell::Double(0.5)]).collect(),
    }
}

fn table_of(table: Table) -> Block {
    Block::Table { title: "Flights by carrier".into(), table, note: Some("All rows.".into()) }
}

fn document(blocks: Vec<Block>) -> Document {
    Document {
        title: "Quarterly figures".into(),
        subtitle: "Second quarter".into(),
        organization: "Acme GmbH".into(),
        generated_at: "2013-07-01T06:30:00Z".into(),
        sections: vec![Section { heading: "Overview".into(), blocks }],
    }
}

fn chart() -> Block {
    let points = (1..=12).map(|m| (text(&format!("2013-{m:02}-01")), Cell::Integer(m * 1000))).collect();
    Block::Chart {
        title: "Revenue by month".into(),
        kind: WidgetKind::LineChart,
        x: ColumnType::Date,
        series: vec![Series { name: "Revenue".into(), points }],
        format: Format::default(),
    }
}

fn everything() -> Document {
    let kpi = |value, target| KpiFigure { label: "Revenue".into(), value, target, format: Format::default() };
    document(vec![
        Block::Text { text: "Revenue grew in every region.\nSecond line.".into() },
        Block::Kpis { kpis: vec![kpi(Some(KpiValue::Number(680_420.0)), Some(1_000_000.0)), kpi(None, None)] },
        chart(),
        table_of(flights(90)),
    ])
}

/// What one of poppler's programs, which tests/run installs, says of a PDF.
fn poppler(program: &str, arguments: &[&str], pdf: &Pdf) -> String {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &pdf.bytes).expect("room for it");
    let mut command = std::process::Command::new(program);
    let said = command.args(arguments).arg(file.path()).args((program == "pdftotext").then_some("-")).output();
    let said = said.unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("UTF-8")
}

/// The text of each page, on one line each, as a reader's program finds it.
fn pages(pdf: &Pdf) -> Vec<String> {
    let words = |page: &str| page.split_whitespace().collect::<Vec<_>>().join(" ");
    // A form feed ends each page.
    poppler("pdftotext", &["-enc", "UTF-8"], pdf).split_terminator('\u{c}').map(words).collect()
}

#[test]
fn a_table_runs_over_pages_with_its_header_on_each() {
    let counts: Vec<u32> =
        [10, 100, 400].map(|rows| write(&document(vec![table_of(flights(rows))])).unwrap().pages).into();
    assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");

    let long = write(&document(vec![table_of(flights(100))])).unwrap();
    let texts = pages(&long);
    assert_eq!(texts.len(), usize::try_from(long.pages).unwrap());
    for page in &texts[1..] {
        assert!(page.contains("carrier") && page.contains("delay"), "{page}");
    }
    let all = texts.join(" ");
    for row in 0..100 {
        assert_eq!(all.matches(&format!("Carrier{row}x")).count(), 1, "row {row}");
    }
}

#[test]
fn each_page_says_the_title_the_organisation_and_its_number() {
    let pdf = write(&everything()).unwrap();
    let texts = pages(&pdf);
    for (index, page) in texts.iter().enumerate() {
        assert!(page.contains("Quarterly figures"), "{page}");
        assert!(page.contains(&format!("Acme GmbH · page {} of {}", index + 1, texts.len())), "{page}");
    }
    assert!(
        texts[0].contains("Second quarter") && texts[0].contains("Generated 1 July 2013, 06:30 UTC"),
        "{}",
        texts[0]
    );
}

#[test]
fn text_can_be_found_and_copied() {
    let all = pages(&write(&everything()).unwrap()).join(" ");
    for words in [
        "Revenue grew in every region.",
        "Second line.",
        "680,420",
        "68 % of 1,000,000",
        "Revenue by month",
        "All rows.",
    ] {
        assert!(all.contains(words), "{words} in {all}");
    }
}

#[test]
fn characters_that_the_font_lacks_are_still_copied_as_they_were() {
    for text in ["Tokyo is 東", "Tokyo is 東, שלום"] {
        let all = pages(&write(&document(vec![Block::Text { text: text.into() }])).unwrap()).join(" ");
        assert!(all.contains("Tokyo is 東"), "{all}");
    }
}

#[test]
fn fonts_are_embedded_and_nothing_is_an_image() {
    let pdf = write(&everything()).unwrap();
    let listed = poppler("pdffonts", &[], &pdf);
    let fonts: Vec<Vec<&str>> = listed.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(fonts.len(), 2, "regular and bold: {listed}");
    // Name, type (two words), encoding, embedded, subset, with a map to Unicode.
    assert!(fonts.iter().all(|font| font[4..7] == ["yes", "yes", "yes"]), "{listed}");
    assert_eq!(poppler("pdfimages", &["-list"], &pdf).lines().count(), 2, "the head of an empty list");
}

#[test]
fn the_file_carries_its_title_its_date_and_an_entry_for_each_section() {
    let pdf = write(&everything()).unwrap();
    let info = poppler("pdfinfo", &["-isodates"], &pdf);
    let fact = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!((fact("Title:"), fact("Creator:")), ("Quarterly figures", "claribi"));
    assert_eq!(fact("CreationDate:"), "2013-07-01T06:30:00Z");
    let outline = poppler("pdftohtml", &["-xml", "-i", "-stdout"], &pdf);
    assert!(outline.contains(">Overview</item>"), "{outline}");
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    assert_eq!(write(&everything()).unwrap().bytes, write(&everything()).unwrap().bytes);
}

#[test]
fn headings_never_stand_alone_at_the_end_of_a_page() {
    for lines in 20..60 {
        let filler = Section { heading: "First".into(), blocks: vec![Block::Text { text: "line\n".repeat(lines) }] };
        for block in [Block::Text { text: "Body".into() }, chart(), table_of(flights(3))] {
            let mut document = document(Vec::new());
            document.sections = vec![filler.clone(), Section { heading: "Second".into(), blocks: vec![block] }];
            let layout = Layout::of(&document);
            for page in &layout.pages {
                let last = page.pieces.last().map(|placed| &placed.piece);
                assert!(!matches!(last, Some(layout::Piece::Heading(_) | layout::Piece::Title(_))), "{lines} lines");
            }
        }
    }
}

#[test]
fn nothing_is_placed_below_the_margin() {
    let mut document = everything();
    document.sections.push(Section {
        heading: "Long ".repeat(60),
        blocks: vec![Block::Text { text: "word ".repeat(4000) }, chart(), chart()],
    });
    let layout = Layout::of(&document);
    for page in &layout.pages {
        assert!(!page.pieces.is_empty());
        assert!(
            page.pieces.iter().all(|placed| placed.y >= theme::TOP - 1e-9 && placed.y < page.size().1 - theme::FOOT)
        );
    }
}

#[test]
fn odd_documents_are_written_too() {
    let hostile = "a\0b\u{202e}c\u{feff} 漢字 🚀 שלום 12 مرحبا e\u{301} ﷽ \u{10ffff}";
    let wide = Table {
        columns: (0..70).map(|i| Column { name: format!("{hostile}{i}"), kind: ColumnType::Text }).collect(),
        rows: vec![vec![text(hostile); 70], vec![Cell::Null], Vec::new()],
    };
    let none = Table { columns: Vec::new(), rows: Vec::new() };
    let kpi = KpiFigure {
        label: hostile.repeat(9),
        value: Some(KpiValue::Number(f64::NAN)),
        target: Some(f64::INFINITY),
        format: Format::default(),
    };
    let blocks = vec![
        Block::Text { text: String::new() },
        Block::Text { text: hostile.repeat(50) },
        Block::Text { text: "x".repeat(20_000) },
        Block::Kpis { kpis: Vec::new() },
        Block::Kpis { kpis: vec![kpi] },
        table_of(none),
        table_of(flights(0)),
        table_of(wide),
    ];
    let mut odd = document(blocks);
    (odd.title, odd.generated_at) = (hostile.repeat(30), "whenever".into());
    odd.sections.extend((0..60).map(|_| Section { heading: hostile.into(), blocks: Vec::new() }));
    let pdf = write(&odd).unwrap();
    assert_eq!(pages(&pdf).len(), usize::try_from(pdf.pages).unwrap());

    let empty = Document {
        title: String::new(),
        subtitle: String::new(),
        organization: String::new(),
        generated_at: String::new(),
        sections: Vec::new(),
    };
    assert_eq!(write(&empty).unwrap().pages, 1);
}
