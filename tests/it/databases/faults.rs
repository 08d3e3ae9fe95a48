//! Servers that refuse, vanish, break off or never end: what was there stays, the reason is told, the next sync is good.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::servers::{Brand, PASSWORD, READER, Server, mariadb, postgres};
use super::{SHOP, SOURCES, rows};
use crate::world::World;

/// A way to a server that is cut after so many bytes of answers.
struct Way {
    address: SocketAddr,
    left: Arc<AtomicU64>,
}

impl Way {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way = Self { address: listener.local_addr().unwrap(), left: Arc::new(AtomicU64::new(u64::MAX)) };
        let left = way.left.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (back, to_near, left) = (far.try_clone().unwrap(), near.try_clone().unwrap(), left.clone());
                std::thread::spawn(move || carry(near, far, &AtomicU64::new(u64::MAX)));
                std::thread::spawn(move || carry(back, to_near, &left));
            }
        });
        way
    }

    fn cut_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64) {
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let may = left.load(Ordering::Relaxed).min(length as u64);
        if to.write_all(&buffer[..usize::try_from(may).unwrap()]).is_err() || may < length as u64 {
            break;
        }
        if left.load(Ordering::Relaxed) != u64::MAX {
            left.fetch_sub(may, Ordering::Relaxed);
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn message(refusal: &Value) -> &str {
    refusal["message"].as_str().unwrap()
}

/// Makes the body of a source another one.
type Change<'a> = &'a dyn Fn(&mut Value);

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_or_not_answered_learns_why() {
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let database = server.database("faults", SHOP);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let tries: [(Change<'_>, &str); 8] = [
            (&|body| body["secret"]["password"] = json!("wrong-word-7"), "does not let us in"),
            (&|body| body["secret"] = Value::Null, "does not let us in"),
            (&|body| body["connection"]["user"] = json!("nobody"), "does not let us in"),
            (&|body| body["connection"]["database"] = json!("nowhere"), "nowhere"),
            (&|body| body["connection"]["port"] = json!(nobody), "cannot be reached"),
            (&|body| body["connection"]["tables"] = json!(["missing"]), "missing"),
            (&|body| body["connection"]["tls"] = json!("verify"), "cannot be encrypted"),
            (&|body| body["connection"]["queries"] = json!({"x": "SELEC 1"}), "the query"),
        ];
        for (change, words) in tries {
            let mut body = server.source("Shop", &database);
            change(&mut body);
            let refusal = owner.post(SOURCES, body).await.refuses(422, "source_unavailable");
            assert!(message(&refusal).contains(words), "{:?} {words}: {}", server.brand, message(&refusal));
            assert!(!message(&refusal).contains("wrong-word"), "{refusal}");
        }
        for (field, value) in [("host", json!("10.0.0.1")), ("host", json!("169.254.169.254")), ("port", json!(22))] {
            let mut body = server.source("Shop", &database);
            body["connection"]["host"] = json!("192.0.2.1");
            body["connection"][field] = value;
            let refusal = owner.post(SOURCES, body).await.refuses(400, "invalid_request");
            assert!(message(&refusal).contains("connection.host"), "{refusal}");
        }
    }
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_the_certificate_is_checked_unless_told() {
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let encrypted = match server.brand {
            Brand::Postgres => {
                "SELECT CASE WHEN ssl THEN 'yes' ELSE 'no' END AS tls FROM pg_stat_ssl \
                                WHERE pid = pg_backend_pid()"
            }
            Brand::Mariadb => {
                "SELECT IF(VARIABLE_VALUE = '', 'no', 'yes') AS tls \
                               FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"
            }
        };
        let database = server.database("encrypted", "CREATE TABLE t (a int)");
        let name = server.kind();
        for (mode, authority, expected) in
            [("off", None, "no"), ("require", None, "yes"), ("verify", Some(server.certificate()), "yes")]
        {
            let mut body = server.source(&format!("{name} {mode}"), &database);
            body["connection"]["tls"] = json!(mode);
            body["connection"]["queries"] = json!({"how": encrypted});
            if let Some(pem) = authority {
                body["connection"]["authority"] = json!(pem);
            }
            owner.post(SOURCES, body).await.is(201);
            assert_eq!(
                rows(&owner, &format!("SELECT tls FROM {name}_{mode}.how")).await,
                json!([[expected]]),
                "{mode}"
            );
        }
        // A certificate that is not for the name.
        let mut body = server.source("Other", &database);
        body["connection"]["tls"] = json!("verify");
        body["connection"]["host"] = json!("localhost");
        body["connection"]["authority"] = json!(server.certificate());
        let refusal = owner.post(SOURCES, body).await.refuses(422, "source_unavailable");
        assert!(message(&refusal).contains("cannot be encrypted"), "{refusal}");
    }
}

/// A table of so many rows of about a hundred bytes.
fn long(server: &Server, rows: u32) -> String {
    let word = "'abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz'";
    match server.brand {
        Brand::Postgres => {
            format!("CREATE TABLE long AS SELECT i AS id, {word} AS word FROM generate_series(1, {rows}) i")
        }
        Brand::Mariadb => format!("CREATE TABLE `long` AS SELECT seq AS id, {word} AS word FROM seq_1_to_{rows}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_anywhere_leaves_the_data_of_before() {
    const ROWS: u32 = 5_000;
    let world = World::new().await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let name = server.kind();
        let database = server.database("cut", &long(server, ROWS));
        let way = Way::to(server.port);
        let mut body = server.source(name, &database);
        body["connection"]["port"] = json!(way.address.port());
        let source = owner.post(SOURCES, body).await.is(201);
        let sync = format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap());
        let count = format!("SELECT count(*), count(DISTINCT id) FROM {name}.long");
        let before = rows(&owner, &count).await;
        assert_eq!(before, json!([[ROWS, ROWS]]));
        server.run(
            Some("cut"),
            &format!("DELETE FROM {} WHERE id > 10", if name == "mysql" { "`long`" } else { "long" }),
        );
        server.run(
            Some("cut"),
            &long(server, ROWS)
                .replace("CREATE TABLE long AS", "INSERT INTO long")
                .replace("CREATE TABLE `long` AS", "INSERT INTO `long`"),
        );
        // Before the greeting, within logging in, within the answers to what is asked before the rows, among the rows.
        for bytes in [0, 1, 40, 150, 700, 2_000, 30_000, 250_000] {
            way.cut_after(bytes);
            let refusal = owner.post(&sync, json!({})).await.refuses(422, "source_unavailable");
            assert!(!message(&refusal).is_empty());
            let told = owner.get(&format!("{SOURCES}/{}", source["id"].as_str().unwrap())).await.is(200);
            assert_eq!((&told["status"], &told["last_sync"]["status"]), (&json!("active"), &json!("failed")));
            assert_eq!(told["last_sync"]["reason"], json!(message(&refusal)));
            assert_eq!(rows(&owner, &count).await, before, "{bytes} bytes");
        }
        way.cut_after(u64::MAX);
        owner.post(&sync, json!({})).await.is(200);
        assert_eq!(rows(&owner, &count).await[0][0], json!(ROWS + 10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_end_are_stopped_by_their_number_or_by_the_time() {
    let world = World::with(|plot| {
        plot.settings.source_rows = 20_000;
        plot.settings.job_timeout = Duration::from_millis(2_500);
    });
    let world = world.await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let database = server.database("endless", "CREATE TABLE t (a int)");
        let (endless, silent) = match server.brand {
            Brand::Postgres => ("SELECT generate_series(1, 2000000000) AS n", "SELECT pg_sleep(60)::text AS n"),
            Brand::Mariadb => ("SELECT seq AS n FROM seq_1_to_2000000000", "SELECT SLEEP(60) AS n"),
        };
        for (sql, code, words) in
            [(endless, "source_unavailable", "more than 20000 rows"), (silent, "query_timeout", "longer")]
        {
            let mut body = server.source("Endless", &database);
            body["connection"]["queries"] = json!({"n": sql});
            let refusal = owner.post(SOURCES, body).await.refuses(422, code);
            assert!(message(&refusal).contains(words), "{:?}: {refusal}", server.brand);
        }
    }
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_shut_down_while_it_is_read_fails_the_sync_alone() {
    let world = World::new().await;
    let owner = world.owner().await;
    let server = postgres();
    let database = server.database("killed", "CREATE TABLE t AS SELECT 1 AS n");
    let mut body = server.source("Killed", &database);
    body["connection"]["queries"] = json!({"n": "SELECT n, pg_sleep(n - 1)::text AS slept FROM t"});
    let source = owner.post(SOURCES, body).await.is(201);
    server.run(Some("killed"), "INSERT INTO t VALUES (60)");
    let sync = format!("{SOURCES}/{}/sync", source["id"].as_str().unwrap());
    let ended = tokio::task::spawn_blocking(move || {
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{READER}' \
                           AND datname = 'killed' AND query LIKE '%pg_sleep%' AND state = 'active'"
        );
        while server.run(None, &end).trim() == "0" {}
    });
    let refusal = owner.post(&sync, json!({})).await.refuses(422, "source_unavailable");
    ended.await.unwrap();
    assert!(message(&refusal).contains("broke off"), "{refusal}");
    assert_eq!(rows(&owner, "SELECT count(*) FROM killed.n").await, json!([[1]]));
    server.run(Some("killed"), "DELETE FROM t WHERE n = 60; INSERT INTO t VALUES (1)");
    owner.post(&sync, json!({})).await.is(200);
    assert_eq!(rows(&owner, "SELECT count(*) FROM killed.n").await, json!([[2]]));
    assert!(!world.is_written_down(PASSWORD));
}
