//! Files of the sandbox as examples.

use super::world::MADE;
use crate::domain::catalog::CatalogTable;
use crate::domain::import::TextEncoding;
use crate::domain::preview::{ColumnPreview, FileKind, FilePreview, TablePreview};
use crate::domain::profile::{ColumnProfile, TableProfile};
use crate::domain::result::{Cell, Column, ColumnType};
use crate::service::sources::Profiled;

/// What the table of the airlines holds.
pub fn profile() -> Profiled {
    let column = |name: &str, bounds: [&str; 2]| ColumnProfile {
        name: name.to_owned(),
        kind: ColumnType::Text,
        nulls: 0,
        distinct: 16,
        is_estimate: false,
        minimum: Some(Cell::Text(bounds[0].to_owned())),
        maximum: Some(Cell::Text(bounds[1].to_owned())),
        mean: None,
        deviation: None,
        top: vec![(Cell::Text(bounds[0].to_owned()), 1)],
        histogram: Vec::new(),
    };
    let columns =
        vec![column("carrier", ["9E", "YV"]), column("name", ["AirTran Airways Corporation", "Virgin America"])];
    let table = CatalogTable {
        name: "airlines".to_owned(),
        source_name: "airlines".to_owned(),
        description: None,
        hidden: false,
        present: true,
        rows: Some(16),
        bytes: 873,
        loaded_at: Some(MADE),
        file: Some("airlines.csv.zst".to_owned()),
        columns: Vec::new(),
    };
    Profiled { table, profile: TableProfile { name: "airlines".to_owned(), rows: 16, columns, trend: None } }
}

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
