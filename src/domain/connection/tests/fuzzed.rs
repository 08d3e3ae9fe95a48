//! Connections that nobody thought of: each is read and written as it was, or refused in words that name a field; no word
//! of a secret is taken where it would be shown.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::testing::cases;

/// What fields may hold at all.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("x".repeat(5_000))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(".{0,4}", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Names of tables and columns.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["orders", "public.orders", "a b", "a_b", "Über", "1st", ".", "a.b.c", "select"]).prop_map(str::to_owned),
        1 => ".{0,6}",
    ]
}

/// A field, and what often stands in it.
fn field() -> BoxedStrategy<(String, Value)> {
    let texts = |name: &'static str, texts: &[&'static str]| {
        let known = select(texts.to_vec()).prop_map(Value::from);
        prop_oneof![6 => known, 1 => anything()].prop_map(move |value| (name.to_owned(), value)).boxed()
    };
    let pairs = |name: &'static str| {
        btree_map(names(), names(), 0..3).prop_map(move |map| (name.to_owned(), json!(map))).boxed()
    };
    let urls = [
        "https://example.com/a.csv",
        "HTTP://example.com:81/a?x=1#y",
        "https://me:opal@example.com/",
        "https://example.com\\@inside/",
        "ftp://example.com/",
        "https://",
        "//a",
    ];
    let hosts = ["db", "10.0.0.1", "::1", "[::1]", "a,b", "db:5432", "/tmp", "db/x", "me@db", "d b", "Ünïcode.example"];
    prop_oneof![
        texts("url", &urls),
        texts("file", &["a.csv", "a.csv.gz", "../a", ""]),
        texts("path", &["/srv/a.db", "a.db", "/srv/../etc", "/", "/srv/a\0b"]),
        texts("host", &hosts),
        prop_oneof![0..70_000_i64, Just(-1)].prop_map(|port| ("port".to_owned(), json!(port))),
        texts("database", &["shop", "", "a b"]),
        texts("user", &["bi", " ", "me:opal"]),
        texts("tls", &["off", "require", "verify", "maybe"]),
        texts("authority", &["-----BEGIN CERTIFICATE-----\nx", "none"]),
        vec(names(), 0..4).prop_map(|tables| ("tables".to_owned(), json!(tables))),
        pairs("queries"),
        pairs("cursor"),
        texts("password", &["opal"]),
        (".{0,6}", anything()),
    ]
    .boxed()
}

/// What is sent: often what a kind needs, with other fields beside.
fn sent() -> impl Strategy<Value = Value> {
    let base = select(vec![
        json!({}),
        json!({"url": "https://example.com/a.csv"}),
        json!({"path": "/srv/a.db"}),
        json!({"host": "db", "database": "shop", "user": "bi"}),
    ]);
    let object = (base, vec(field(), 0..4)).prop_map(|(mut base, fields)| {
        base.as_object_mut().unwrap().extend(fields);
        base
    });
    prop_oneof![12 => object, 1 => anything()]
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_connection_is_read_as_it_is_written_or_refused_by_its_field(kind in select(&Kind::ALL[..]), sent in sent()) {
        let parsed = match Connection::parse(kind, sent.clone()) {
            Ok(parsed) => parsed,
            Err(Error::UnknownField(field)) => {
                prop_assert!(field.starts_with("connection."), "{field}");
                return Ok(());
            }
            Err(Error::InvalidField { field, reason }) => {
                prop_assert!(field == "kind" || field.split('.').next() == Some("connection"), "{field}");
                prop_assert!(!reason.is_empty());
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(parsed.kind(), kind);
        prop_assert_eq!(&Connection::parse(kind, parsed.fields()).unwrap(), &parsed);
        prop_assert!(parsed.shares_secret_with(&parsed));
        prop_assert!(sent.get("password").is_none(), "passwords are no part of it");
        if let Connection::Url(file) = &parsed {
            prop_assert!(!file.url.contains("opal"), "{}", file.url);
        }
        if let Some((host, port)) = parsed.server() {
            prop_assert!(port > 0 && !host.is_empty() && !host.contains(['/', '@', ',', ' ', '\\']), "{host}");
        }
        let readings = parsed.readings();
        let tables: std::collections::BTreeSet<&str> = readings.iter().map(|reading| reading.table.as_str()).collect();
        prop_assert_eq!(tables.len(), readings.len(), "each becomes a table of its own");
        prop_assert!(tables.iter().all(|table| !table.is_empty()));
        for mode in Mode::ALL {
            if parsed.check_mode(mode).is_ok() && mode == Mode::Live {
                let are_tables = readings.iter().all(|reading| matches!(reading.what, What::Table { .. }));
                prop_assert!(are_tables, "a live source is read of tables alone");
            }
        }
    }
}
