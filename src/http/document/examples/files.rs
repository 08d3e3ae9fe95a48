//! Files of the sandbox as examples.

use crate::domain::import::TextEncoding;
use crate::domain::preview::{ColumnPreview, FileKind, FilePreview, TablePreview};
use crate::domain::result::{Column, ColumnType};

/// The file of the airlines, looked at.
pub fn preview() -> FilePreview {
    let rows = [("9E", "Endeavor Air Inc."), ("AA", "American Airlines Inc.")];
    let column = |name: &str, samples: [&str; 2]| ColumnPreview {
        column: Column { name: name.to_owned(), kind: ColumnType::Text },
        nulls: 0,
        samples: samples.map(str::to_owned).into(),
    };
    FilePreview {
        file: "airlines.csv".to_owned(),
        kind: FileKind::Csv,
        compression: None,
        separator: Some(",".to_owned()),
        quote: Some("\"".to_owned()),
        encoding: Some(TextEncoding::Utf8),
        header: Some(true),
        tables: vec![TablePreview {
            name: "airlines".to_owned(),
            sampled_rows: 16,
            columns: vec![column("carrier", rows.map(|row| row.0)), column("name", rows.map(|row| row.1))],
            rows: rows.map(|(carrier, name)| vec![Some(carrier.to_owned()), Some(name.to_owned())]).into(),
        }],
        warnings: Vec::new(),
    }
}
