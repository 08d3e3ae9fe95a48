//! Names in queries, what a new extract does to them, and what is refused.

use uuid::Uuid;

use super::*;
use crate::domain::connection::{Kind, Mode};
use crate::domain::error::{Error, Result};
use crate::domain::id::SourceId;
use crate::domain::import::ImportOptions;
use crate::domain::source::SourceStatus;

/// A source of these tables with these columns, of which nothing is said.
fn source(tables: &[(&str, &[&str])]) -> Source {
    let column = |name: &&str| SourceColumn {
        column: Column { name: (*name).to_owned(), kind: ColumnType::Text },
        nullable: false,
    };
    let table = |(name, columns): &(&str, &[&str])| SourceTable {
        name: (*name).to_owned(),
        rows: Some(1),
        bytes: 10,
        loaded_at: None,
        file: None,
        columns: columns.iter().map(column).collect(),
    };
    Source {
        id: SourceId::new(1),
        uuid: Uuid::nil(),
        name: "Shop".to_owned(),
        slug: "shop".to_owned(),
        kind: Kind::File,
        mode: Mode::Extract,
        connection: None,
        has_secret: false,
        state: None,
        schedule: None,
        next_sync_at: None,
        paused: None,
        status: SourceStatus::Active,
        error: None,
        extract: None,
        tables: tables.iter().map(table).collect(),
        words: Vec::new(),
        options: ImportOptions::default(),
        last_synced_at: None,
        last_sync: None,
        created_at: Timestamp::from_seconds(0),
        updated_at: Timestamp::from_seconds(0),
        version: 1,
    }
}

fn named(name: Option<&str>) -> WordsChange {
    WordsChange { name: Some(name.map(str::to_owned)), ..WordsChange::default() }
}

fn hidden(hidden: bool) -> WordsChange {
    WordsChange { hidden: Some(hidden), ..WordsChange::default() }
}

fn of_columns(columns: &[(&str, WordsChange)]) -> TableChange {
    let columns = columns.iter().map(|(column, words)| ((*column).to_owned(), words.clone())).collect();
    TableChange { table: WordsChange::default(), columns }
}

/// The source after the change of its table.
fn change(source: &Source, table: &str, change: &TableChange) -> Result<Source> {
    let table = source.find_table(table).unwrap();
    let entries = change.applied(source, &table)?;
    let others = source.words.iter().filter(|entry| entry.table != table.source_name).cloned();
    Ok(Source { words: others.chain(entries).collect(), ..source.clone() })
}

fn visible(source: &Source) -> String {
    let tables = source.visible_tables().into_iter().map(|table| {
        let columns: Vec<_> = table.columns.into_iter().map(|column| column.column.name).collect();
        format!("{}({})", table.name, columns.join(" "))
    });
    tables.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_renamed_and_hidden_is_seen_so_and_back_again() {
    let shop = source(&[("orders", &["id", "amt"]), ("people", &["id"])]);
    let words = TableChange {
        table: named(Some("sales")),
        columns: vec![("amt".into(), named(Some("Amount (EUR)"))), ("id".into(), hidden(true))],
    };
    let shop = change(&shop, "orders", &words).unwrap();
    assert_eq!(visible(&shop), "sales(Amount (EUR)), people(id)");
    let shop = change(&shop, "people", &TableChange { table: hidden(true), columns: Vec::new() }).unwrap();
    assert_eq!(visible(&shop), "sales(Amount (EUR))");
    let back = TableChange {
        table: named(None),
        columns: vec![("Amount (EUR)".into(), named(None)), ("id".into(), hidden(false))],
    };
    let shop = change(&shop, "sales", &back).unwrap();
    assert_eq!(visible(&shop), "orders(id amt)");
    let shop = change(&shop, "people", &TableChange { table: hidden(false), columns: Vec::new() }).unwrap();
    assert!(shop.words.is_empty(), "nothing is left of what was taken back: {:?}", shop.words);
}

#[test]
fn a_name_that_another_has_is_refused_in_any_case_of_letters() {
    let shop = source(&[("orders", &["id", "amt"]), ("people", &["id"])]);
    for taken in ["ID", "id"] {
        let refused = change(&shop, "orders", &of_columns(&[("amt", named(Some(taken)))]));
        assert!(matches!(refused, Err(Error::Conflict(_))), "{taken}");
    }
    let table = TableChange { table: named(Some("people")), columns: Vec::new() };
    assert!(matches!(change(&shop, "orders", &table), Err(Error::Conflict(_))));
    let both = of_columns(&[("amt", named(Some("id"))), ("id", named(Some("amt")))]);
    let swapped = change(&shop, "orders", &both).unwrap();
    assert_eq!(visible(&swapped), "orders(amt id), people(id)");
    let freed = change(&shop, "orders", &of_columns(&[("id", named(Some("key")))])).unwrap();
    let given = change(&freed, "orders", &of_columns(&[("amt", named(Some("id")))])).unwrap();
    assert_eq!(visible(&given), "orders(key id), people(id)");
    let back = change(&given, "orders", &of_columns(&[("key", named(None))]));
    assert!(matches!(back, Err(Error::Conflict(_))), "its own name is another's now");
}

#[test]
fn words_hold_for_what_comes_and_wait_for_what_has_vanished() {
    let shop = source(&[("orders", &["id", "amt"])]);
    let words = of_columns(&[("amt", named(Some("amount")))]);
    let shop = change(&shop, "orders", &words).unwrap();
    let next = Source { tables: source(&[("orders", &["id", "amount", "amt"])]).tables, ..shop.clone() };
    assert_eq!(visible(&next), "orders(id amount_2 amount)", "queries keep their meaning; the newcomer makes way");
    let changed = change(&next, "orders", &of_columns(&[("id", named(Some("key")))])).unwrap();
    assert_eq!(visible(&changed), "orders(key amount_2 amount)", "which keeps nobody from other changes");
    let without = Source { tables: source(&[("orders", &["id"])]).tables, ..shop.clone() };
    let table = without.find_table("orders").unwrap();
    let gone = table.columns.last().unwrap();
    assert_eq!((gone.name.as_str(), gone.source_name.as_str(), gone.found), ("amount", "amt", None));
    assert_eq!(visible(&without), "orders(id)");
    let refused = change(&without, "orders", &of_columns(&[("id", named(Some("amount")))]));
    assert!(matches!(refused, Err(Error::Conflict(_))), "the name is kept for it");
    let forgotten = change(&without, "orders", &of_columns(&[("amt", named(None))])).unwrap();
    assert_eq!(forgotten.find_table("orders").unwrap().columns.len(), 1);
    let empty = Source { tables: Vec::new(), ..shop };
    let table = empty.find_table("orders").unwrap();
    assert!(!table.present && table.columns.len() == 1 && visible(&empty).is_empty());
}

#[test]
fn something_is_left_to_see_and_words_are_words() {
    let shop = source(&[("orders", &["id", "amt"])]);
    let all = of_columns(&[("id", hidden(true)), ("amt", hidden(true))]);
    assert!(matches!(change(&shop, "orders", &all), Err(Error::Conflict(_))));
    let one = change(&shop, "orders", &of_columns(&[("id", hidden(true))])).unwrap();
    let without = Source { tables: source(&[("orders", &["id"])]).tables, ..one };
    assert_eq!(visible(&without), "", "a table of which a sync left nothing to see is none");
    for name in ["Orders", "2013", "a b", "a__b", "", "_a", "ä"] {
        let table = TableChange { table: named(Some(name)), columns: Vec::new() };
        assert!(matches!(change(&shop, "orders", &table), Err(Error::InvalidField { .. })), "{name:?}");
    }
    for name in ["", " ", "a\nb", &"x".repeat(201)] {
        let refused = change(&shop, "orders", &of_columns(&[("id", named(Some(name)))]));
        assert!(matches!(refused, Err(Error::InvalidField { .. })), "{name:?}");
    }
    let twice = of_columns(&[("id", hidden(true)), ("id", hidden(false))]);
    assert!(matches!(change(&shop, "orders", &twice), Err(Error::InvalidField { .. })));
    let unknown = of_columns(&[("nothing", hidden(true))]);
    assert!(matches!(change(&shop, "orders", &unknown), Err(Error::InvalidField { .. })));
    let live = Source { mode: Mode::Live, ..source(&[("orders", &["id", "amt"])]) };
    let refused = |table: WordsChange, amt: WordsChange| {
        let columns = vec![("id".to_owned(), WordsChange::default()), ("amt".to_owned(), amt)];
        match change(&live, "orders", &TableChange { table, columns }) {
            Err(Error::InvalidField { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(hidden(true), named(None)), "hidden");
    assert_eq!(refused(named(None), hidden(true)), "columns[1].hidden");
    assert_eq!(refused(WordsChange::default(), named(Some("amount"))), "columns[1].name");
}
