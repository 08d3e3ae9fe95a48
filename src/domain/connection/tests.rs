//! What connections are read of, what they refuse, and where their secrets may go.

mod fuzzed;

use serde_json::json;

use super::*;

fn refused(kind: Kind, fields: Value) -> String {
    Connection::parse(kind, fields).unwrap_err().to_string()
}

#[test]
fn a_connection_is_read_checked_and_written_as_it_was() {
    for (kind, fields) in [
        (Kind::Url, json!({"url": "https://example.com/a.csv"})),
        (Kind::Url, json!({"url": "HTTP://example.com/a.csv?x=1", "file": "orders.csv.gz"})),
        (Kind::File, json!({"path": "/srv/exports/orders.csv.gz", "file": "orders.csv.gz"})),
        (Kind::Sqlite, json!({"path": "/srv/a.db", "tables": ["a"], "cursor": {"a": "id"}})),
        (Kind::Postgres, json!({"host": "db", "database": "shop", "user": "bi", "tls": "verify"})),
        (
            Kind::Mysql,
            json!({"host": "2001:db8::1", "port": 3307, "database": "shop", "user": "bi", "tls": "off",
                   "tables": ["orders"], "queries": {"big": "SELECT 1"}, "cursor": {"big": "id"}}),
        ),
    ] {
        let parsed = Connection::parse(kind, fields.clone()).unwrap();
        assert_eq!((parsed.kind(), parsed.fields()), (kind, fields));
    }
}

#[test]
fn each_mistake_is_named_by_its_field() {
    let server = |more: Value| {
        let mut fields = json!({"host": "db", "database": "shop", "user": "bi"});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refused(Kind::Postgres, fields)
    };
    for (said, field) in [
        (refused(Kind::File, json!({})), "connection.path"),
        (refused(Kind::File, json!({"path": "orders.csv"})), "connection.path"),
        (refused(Kind::File, json!({"path": "/srv/../orders.csv"})), "connection.path"),
        (refused(Kind::File, json!({"path": "/srv/orders.csv", "tables": ["a"]})), "connection.tables"),
        (refused(Kind::Url, json!({})), "connection.url"),
        (refused(Kind::Url, json!([])), "connection"),
        (refused(Kind::Url, json!({"url": 5})), "connection.url"),
        (refused(Kind::Url, json!({"url": "ftp://example.com/a"})), "connection.url"),
        (refused(Kind::Url, json!({"url": "file:///etc/passwd"})), "connection.url"),
        (refused(Kind::Url, json!({"url": "https://me:secret@example.com/"})), "connection.url"),
        (refused(Kind::Url, json!({"url": "https://example.com/\r\nx"})), "connection.url"),
        (refused(Kind::Url, json!({"url": "https://example.com", "host": "a"})), "connection.host"),
        (refused(Kind::Sqlite, json!({"path": "a.db"})), "connection.path"),
        (refused(Kind::Sqlite, json!({"path": "/srv/../etc/shadow"})), "connection.path"),
        (server(json!({"password": "hunter2"})), "connection.password"),
        (server(json!({"host": "db:5432/x"})), "connection.host"),
        (server(json!({"host": "/var/run/postgresql"})), "connection.host"),
        (server(json!({"host": "a,b"})), "connection.host"),
        (server(json!({"port": 0})), "connection.port"),
        (server(json!({"port": 70000})), "connection.port"),
        (server(json!({"tls": "maybe"})), "connection.tls"),
        (server(json!({"authority": "no"})), "connection.authority"),
        (server(json!({"tables": ["a b", "a_b"]})), "connection.tables"),
        (server(json!({"tables": [""]})), "connection.tables"),
        (server(json!({"queries": {"a": " "}})), "connection.queries"),
        (server(json!({"tables": ["a"], "cursor": {"b": "id"}})), "connection.cursor"),
    ] {
        assert!(said.contains(&format!("`{field}`")) && !said.contains("hunter2"), "{field}: {said}");
    }
}

#[test]
fn what_is_read_has_names_of_ours() {
    let fields = json!({"host": "db", "database": "shop", "user": "bi", "tables": ["sales.Order Lines", "users"],
        "queries": {"top": "SELECT 1"}, "cursor": {"users": "id"}});
    let readings = Connection::parse(Kind::Postgres, fields).unwrap().readings();
    let schema = Some("sales".to_owned());
    assert_eq!(readings[0].table, "sales_order_lines");
    assert_eq!(readings[0].what, What::Table { schema, name: "Order Lines".into() });
    assert_eq!((readings[1].table.as_str(), readings[1].cursor.as_deref()), ("users", Some("id")));
    assert_eq!(readings[2].what, What::Query("SELECT 1".into()));
    let all = json!({"host": "db", "database": "shop", "user": "bi"});
    assert!(Connection::parse(Kind::Mysql, all).unwrap().readings().is_empty());
}

#[test]
fn a_secret_stays_with_the_server_that_it_was_given_for() {
    let at = |url: &str| Connection::parse(Kind::Url, json!({"url": url})).unwrap();
    assert!(at("https://a.example/x").shares_secret_with(&at("https://A.example/y?z")));
    assert!(!at("https://a.example/x").shares_secret_with(&at("https://b.example/x")));
    assert!(!at("https://a.example/x").shares_secret_with(&at("http://a.example/x")));
    let server = |host: &str, tls: &str| {
        let fields = json!({"host": host, "database": "shop", "user": "bi", "tls": tls});
        Connection::parse(Kind::Postgres, fields).unwrap()
    };
    assert!(server("db", "verify").shares_secret_with(&server("db", "verify")));
    assert!(!server("db", "verify").shares_secret_with(&server("evil", "verify")));
    assert!(!server("db", "verify").shares_secret_with(&server("db", "off")));
}
