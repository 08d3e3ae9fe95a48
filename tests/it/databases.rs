//! Databases as sources: SQLite, PostgreSQL and MariaDB as they are, read into extracts.

mod agreement;
mod broken;
mod exchanged;
mod faults;
mod growing;
mod held;
mod liars;
mod live;
mod servers;
mod types;

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use self::servers::{PASSWORD, READER, Server, mariadb, postgres};
use crate::actors::Actor;
use crate::answer::Answer;
use crate::binary::{Installation, text};
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";

/// A SQLite file, as another program makes it.
#[expect(clippy::disallowed_methods, reason = "another program's file")]
fn sqlite(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// A body that makes a source of a SQLite file.
fn of_file(name: &str, path: &Path) -> Value {
    json!({"name": name, "kind": "sqlite", "connection": {"path": path}})
}

/// The same source, live.
fn live(mut body: Value) -> Value {
    body["mode"] = json!("live");
    body
}

/// Sends a query to a source.
async fn ask(actor: &Actor, source: &Value, sql: &str) -> Answer {
    actor.post("/v1/query", json!({"sql": sql, "data_source_id": source["id"]})).await
}

/// The rows of a query.
async fn rows(actor: &Actor, sql: &str) -> Value {
    actor.post("/v1/query", json!({"sql": sql})).await.is(200)["rows"].clone()
}

/// A world in which files below a directory may be named.
pub async fn open_world(directory: &Path) -> World {
    World::with(|plot| plot.settings.allowed_dirs = vec![directory.to_owned()]).await
}

const SHOP: &str = "CREATE TABLE orders (id integer PRIMARY KEY, amount decimal(10, 2), day date);
    INSERT INTO orders VALUES (1, 12.50, '2026-04-01'), (2, 7.25, '2026-04-02'), (3, NULL, NULL);
    CREATE TABLE customers (id integer PRIMARY KEY, name varchar(40));
    INSERT INTO customers VALUES (1, 'Zoë'), (2, NULL);";

/// A function of MariaDB's that writes, whoever calls it: nothing but the transaction is in its way.
const SPILL: &str = "
    DELIMITER //
    CREATE FUNCTION spill() RETURNS int BEGIN INSERT INTO orders (id) VALUES (99); RETURN 1; END //
    DELIMITER ;";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_becomes_a_source_of_its_tables_and_queries() {
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let kind = server.kind();
        let database = server.database("shop", SHOP);
        let source = owner.post(SOURCES, server.source(kind, &database)).await.is(201);
        assert_eq!((&source["kind"], &source["mode"]), (&json!(kind), &json!("extract")));
        assert_eq!((&source["has_secret"], &source["notes"]), (&json!(true), &json!([])));
        assert_eq!(source["connection"]["database"], "shop");
        let tables = source["tables"].as_array().unwrap();
        assert_eq!(tables.iter().map(|table| table["name"].clone()).collect::<Vec<_>>(), ["customers", "orders"]);
        let found = rows(&owner, &format!("SELECT id, amount, day FROM {kind}.orders ORDER BY id")).await;
        assert_eq!(found, json!([[1, "12.50", "2026-04-01"], [2, "7.25", "2026-04-02"], [3, null, null]]));
        assert_eq!(
            rows(&owner, &format!("SELECT name FROM {kind}.customers ORDER BY id")).await,
            json!([["Zoë"], [null]])
        );

        // Its own SQL, under a name of its own.
        let mut body = server.source(&format!("{kind} few"), &database);
        body["connection"]["tables"] = json!(["customers"]);
        body["connection"]["queries"] = json!({"Paid Orders": "SELECT id, amount FROM orders WHERE amount > 10; "});
        let source = owner.post(SOURCES, body).await.is(201);
        let told: Vec<_> =
            source["tables"].as_array().unwrap().iter().map(|it| (it["name"].clone(), it["rows"].clone())).collect();
        assert_eq!(told, [(json!("customers"), json!(2)), (json!("paid_orders"), json!(1))]);

        server.run(Some("shop"), "INSERT INTO customers VALUES (3, 'Ada')");
        let id = source["id"].as_str().unwrap();
        let sync = owner.post(&format!("{SOURCES}/{id}/sync"), json!({})).await.is(200);
        assert_eq!(
            (&sync["status"], &sync["unchanged"], &sync["rows"]),
            (&json!("succeeded"), &json!(false), &json!(4))
        );
        assert_eq!(rows(&owner, &format!("SELECT count(*) FROM {kind}_few.customers")).await, json!([[3]]));
    }
    let told = [owner.get(SOURCES).await.text(), owner.get("/v1/audit").await.text()];
    assert!(told.iter().all(|text| !text.contains("opal")), "{told:?}");
    assert!(!world.is_written_down("opal lanterns"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_is_read_where_the_operator_opened_a_directory_and_nowhere_else() {
    let (open, closed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = open_world(open.path()).await;
    let owner = world.owner().await;
    let (inside, outside) = (open.path().join("shop.db"), closed.path().join("shop.db"));
    for path in [&inside, &outside] {
        sqlite(path).execute_batch(SHOP).unwrap();
    }
    let source = owner.post(SOURCES, of_file("Shop", &inside)).await.is(201);
    assert_eq!(rows(&owner, "SELECT sum(amount), max(day) FROM shop.orders").await, json!([[19.75, "2026-04-02"]]));
    assert_eq!(source["connection"]["path"], inside.canonicalize().unwrap().to_str().unwrap());

    let link = open.path().join("link.db");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let own = world.data().join("claribi.db");
    let paths = [
        outside.to_str().unwrap().to_owned(),
        link.to_str().unwrap().to_owned(),
        own.to_str().unwrap().to_owned(),
        format!("{}/../{}/shop.db", open.path().display(), closed.path().file_name().unwrap().display()),
        format!("{}/none.db", open.path().display()),
        open.path().to_str().unwrap().to_owned(),
        "/dev/zero".to_owned(),
        "shop.db".to_owned(),
        String::new(),
    ];
    for path in paths {
        let refusal = owner.post(SOURCES, of_file("Shop", Path::new(&path))).await.refuses(400, "invalid_request");
        assert!(refusal["message"].as_str().unwrap().contains("connection.path"), "{path}: {refusal}");
    }
    // What the file was when it was named is what is read.
    std::fs::remove_file(&inside).unwrap();
    std::os::unix::fs::symlink(&outside, &inside).unwrap();
    let sync = format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap());
    let refusal = owner.post(&sync, json!({})).await.refuses(422, "source_unavailable");
    assert!(refusal["message"].as_str().unwrap().contains("link"), "{refusal}");
    assert_eq!(rows(&owner, "SELECT count(*) FROM shop.orders").await, json!([[3]]));
    // Nor those of this installation, where all is open.
    let world = open_world(Path::new("/")).await;
    let own = world.data().join("claribi.db");
    let refusal = world.owner().await.post(SOURCES, of_file("Own", &own)).await.refuses(400, "invalid_request");
    assert!(refusal["message"].as_str().unwrap().contains("installation itself"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_of_a_source_writes_or_leaves_its_database() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("shop.db");
    sqlite(&path).execute_batch(SHOP).unwrap();
    let other = directory.path().join("other.db");
    sqlite(&other).execute_batch("CREATE TABLE secrets (a)").unwrap();
    let (pg, maria) = (postgres(), mariadb());
    let (in_pg, in_maria) = (pg.database("guarded", SHOP), maria.database("guarded", &format!("{SHOP}{SPILL}")));
    // The reader may write, so that nothing but the transaction holds it back.
    pg.run(Some("guarded"), &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {READER}; CREATE SEQUENCE s; GRANT ALL ON SEQUENCE s TO {READER}"));
    maria.run(None, &format!("GRANT ALL ON guarded.* TO {READER}@'%'; GRANT FILE ON *.* TO {READER}@'%'"));
    let leak = directory.path().join("leak");
    let attach = format!("ATTACH '{}' AS other", other.display());
    let outfile = format!("SELECT 1) AS q INTO OUTFILE '{}' -- ", leak.display());
    let queries = [
        (
            of_file("Shop", &path),
            vec![
                "DELETE FROM orders RETURNING id",
                "SELECT 1; DROP TABLE orders",
                "SELECT 1) ; DROP TABLE orders; --",
                "PRAGMA query_only = 0",
                &attach,
                "SELECT load_extension('x.so')",
                "SELECT * FROM pragma_database_list",
                "SELECT writefile('x', 'y')",
            ],
        ),
        (
            pg.source("Shop", &in_pg),
            vec![
                "DELETE FROM orders RETURNING id",
                "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
                "SELECT 1; DROP TABLE orders",
                "SELECT 1) AS q; COMMIT; DROP TABLE orders; --",
                "SELECT nextval('s')",
                "SELECT pg_read_file('/etc/passwd')",
                "COPY orders TO '/tmp/x'",
                "SET TRANSACTION READ WRITE",
            ],
        ),
        (
            maria.source("Shop", &in_maria),
            vec![
                "DELETE FROM orders RETURNING id",
                "SELECT 1; DROP TABLE orders",
                "SELECT 1) AS q; DROP TABLE orders; -- ",
                &outfile,
                "SET autocommit = 1",
                "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE customers",
                "SELECT spill() AS spilt",
            ],
        ),
    ];
    for (body, tries) in queries {
        for sql in tries {
            let mut body = body.clone();
            body["connection"]["queries"] = json!({"x": sql});
            let refusal = owner.post(SOURCES, body).await;
            assert!(refusal.message().contains("the query"), "{sql}: {}", refusal.text());
            refusal.refuses(422, "source_unavailable");
        }
    }
    let count = "SELECT count(*) FROM orders";
    assert_eq!((pg.run(Some("guarded"), count).trim(), maria.run(Some("guarded"), count).trim()), ("3", "3"));
    let left: i64 = sqlite(&path).query_row(count, [], |row| row.get(0)).unwrap();
    assert!(left == 3 && !leak.exists());
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]), "nothing is left of what failed");
}

/// The command line over an installation, with this environment.
fn claribi(at: &Installation, arguments: &[&str], variables: &[(&str, String)], input: &str) -> (i32, String, String) {
    let output = at.run_with_variables(arguments, variables, input);
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_line_adds_databases_with_the_password_from_elsewhere() {
    let installation = Installation::new();
    let allow = [("CLARIBI_OUTBOUND__ALLOW", "127.0.0.1".to_owned())];
    let url = |server: &Server| {
        let scheme = if server.kind() == "mysql" { "mariadb" } else { "postgresql" };
        format!("{scheme}://{READER}@127.0.0.1:{}/told", server.port)
    };
    for (server, name) in [(postgres(), "P"), (mariadb(), "M")] {
        server.database("told", SHOP);
        let url = url(server);
        let add = ["source", "add", &url, "--name", name, "--tls", "off", "--table", "orders", "--password-stdin"];
        let (code, said, complained) = claribi(&installation, &add, &allow, &format!("{PASSWORD}\n"));
        assert!(code == 0 && said.contains(".orders\t3\tid integer, amount decimal, day date"), "{said}{complained}");
        let name = name.to_lowercase();
        let (code, said, complained) = claribi(&installation, &["source", "sync", &name], &allow, "");
        assert!(code == 0 && said.contains("3 rows"), "{said}{complained}");
    }
    let by_variable = [allow[0].clone(), ("CLARIBI_SOURCE_PASSWORD", PASSWORD.to_owned())];
    let pg = url(postgres());
    let add = ["source", "add", &pg, "--name", "Q", "--tls", "off", "--query", "big=SELECT * FROM orders WHERE id > 1"];
    let (code, said, complained) = claribi(&installation, &add, &by_variable, "");
    assert!(code == 0 && said.contains("q.big\t2\t"), "{said}{complained}");

    // A SQLite file is told by what it begins with, wherever it lies.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.data");
    sqlite(&file).execute_batch(SHOP).unwrap();
    let file = file.to_str().unwrap();
    let (code, said, complained) = claribi(&installation, &["source", "add", file, "--name", "Lite"], &[], "");
    assert!(code == 0 && said.contains("lite.orders\t3\t"), "{said}{complained}");
    let (code, said, complained) = claribi(&installation, &["source", "add", file, "--name", "Now", "--live"], &[], "");
    assert!(code == 0 && said.contains("now.orders\t-\t") && said.contains("query --source now"), "{said}{complained}");
    let count = ["query", "--source", "now", "SELECT count(*) AS n FROM orders"];
    assert_eq!(claribi(&installation, &count, &[], "").1, "n\n3\n");

    let with_password = pg.replace("reader@", "reader:secret@");
    let own = installation.data().join("claribi.db");
    for (arguments, code, words) in [
        (&["source", "add", &with_password, "--name", "x"][..], 2, "--password-stdin"),
        (&["source", "add", &pg, "--name", "x", "--password-stdin"], 2, "one line"),
        (&["source", "add", &pg, "--name", "x", "--tls", "off"], 1, "does not let us in"),
        (&["source", "add", &pg, file, "--name", "x"], 2, "one database"),
        (&["source", "add", "postgres://a@10.0.0.1/b", "--name", "x"], 2, "outbound.allow"),
        (&["source", "add", "postgres://nobody", "--name", "x"], 2, "USER@HOST"),
        (&["source", "add", file, "--name", "x", "--cursor", "orders"], 2, "--cursor"),
        (&["source", "add", file, "--name", "x", "--cursor", "people=id"], 1, "people"),
        (&["source", "add", "Cargo.toml", "--name", "x", "--table", "a"], 2, "databases"),
        (&["source", "add", "https://example.com/a.csv", "--name", "x", "--live"], 2, "databases"),
        (&["source", "add", "sqlite:/nowhere.db", "--name", "x"], 1, "/nowhere.db"),
        (&["source", "add", own.to_str().unwrap(), "--name", "x"], 2, "this installation itself"),
    ] {
        let (found, _, complained) = claribi(&installation, arguments, &allow, "");
        assert!(found == code && complained.contains(words), "{arguments:?}: {found} {complained}");
    }
}
