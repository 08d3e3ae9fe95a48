//! Servers that refuse, end a session or never end: what was there stays, the reason is told, the next sync is good.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use claribi::outbound::guard::Guard;
use claribi::outbound::resolve::Names;
use serde_json::{Value, json};

use super::servers::{Brand, PASSWORD, READER, mariadb, postgres};
use super::{SHOP, SOURCES, rows};
use crate::patience::{until_so, until_so_here};
use crate::world::World;

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

/// By a file that stays: copied data and queries of live sources are read by workers that find it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_authority_that_the_operator_named_is_believed() {
    for server in [postgres(), mariadb()] {
        let guard = Guard::new(vec!["127.0.0.1".parse().unwrap()], Names::System);
        let guard = guard.trusting(server.certificate().as_bytes()).unwrap();
        let world = World::with(|plot| plot.settings.outbound.guard = Arc::new(guard)).await;
        let owner = world.owner().await;
        let database = server.database("believed", "CREATE TABLE t (a int)");
        for mode in ["extract", "live"] {
            let mut body = server.source(&format!("Believed {mode}"), &database);
            body["connection"]["tls"] = json!("verify");
            body["mode"] = json!(mode);
            owner.post(SOURCES, body).await.is(201);
        }
        let asked = json!({"sql": "SELECT count(*) AS n FROM t", "data_source_id": "ds_2"});
        assert_eq!(owner.post("/v1/query", asked).await.is(200)["rows"], json!([[0]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_end_are_stopped_by_their_number_or_by_the_time() {
    let numbered = World::with(|plot| plot.settings.source_rows = 20_000).await;
    let timed = World::with(|plot| plot.settings.job_timeout = Duration::from_millis(2_500)).await;
    for server in [postgres(), mariadb()] {
        let database = server.database("endless", "CREATE TABLE t (a int)");
        let (endless, silent) = match server.brand {
            Brand::Postgres => ("SELECT generate_series(1, 2000000000) AS n", "SELECT pg_sleep(600)::text AS n"),
            Brand::Mariadb => ("SELECT seq AS n FROM seq_1_to_2000000000", "SELECT SLEEP(600) AS n"),
        };
        for (world, sql, code, words) in [
            (&numbered, endless, "source_unavailable", "more than 20000 rows"),
            (&timed, silent, "query_timeout", "longer"),
        ] {
            let mut body = server.source("Endless", &database);
            body["connection"]["queries"] = json!({"n": sql});
            let owner = world.owner().await;
            let refusal = owner.post(SOURCES, body).await.refuses(422, code);
            assert!(message(&refusal).contains(words), "{:?}: {refusal}", server.brand);
            assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_outgrows_what_may_be_kept_is_stopped_while_it_comes() {
    let world = World::with(|plot| {
        // What ends by one of these is told otherwise.
        (plot.settings.source_rows, plot.settings.job_timeout) = (u64::MAX, Duration::from_hours(1));
        plot.settings.source_quota = 4 << 20;
    });
    let world = world.await;
    let owner = world.owner().await;
    let database = postgres().database("outgrowing", "CREATE TABLE t (a int)");
    let mut body = postgres().source("Outgrowing", &database);
    body["connection"]["queries"] = json!({"n": "SELECT md5(generate_series(1, 2000000000)::text) AS a"});
    let refusal = owner.post(SOURCES, body).await.refuses(409, "conflict");
    assert!(message(&refusal).contains("takes more than the 4194304 bytes"), "{refusal}");
    assert_eq!(owner.get(SOURCES).await.is(200)["data"], json!([]));
    until_so("nothing of it is kept", || world.extracts() == 0).await;
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
        until_so_here("the sync's query", || server.run(None, &end).trim() != "0");
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
