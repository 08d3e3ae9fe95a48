//! Connections that are cut after any number of bytes, and servers that are killed while they are read: what was there
//! stays whole, the reason is told, the next sync is good.
//!
//! `CLARIBI_TEST_CUTS` (12) says how often each connection is cut, `CLARIBI_TEST_CUT_SEED` repeats the places of an earlier
//! run.

use serde_json::{Value, json};

use super::servers::{Brand, Server, mariadb, postgres};
use super::{SOURCES, rows};
use crate::actors::Actor;
use crate::chance::{Chance, asked};
use crate::patience::until_so_here;
use crate::running::roomy;
use crate::way::Way;
use crate::world::World;

/// Rows of the table that is read.
const ROWS: u64 = 5_000;
/// What answers have at least while rows are still to come: the greeting and the session, far less than the rows.
const EARLY: u64 = 4_000;

/// A table of rows of about a hundred bytes.
fn long(server: &Server) -> String {
    let word = "'abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz' AS word";
    match server.brand {
        Brand::Postgres => format!("CREATE TABLE t AS SELECT i AS id, {word} FROM generate_series(1, {ROWS}) i"),
        Brand::Mariadb => format!("CREATE TABLE t AS SELECT seq AS id, {word} FROM seq_1_to_{ROWS}"),
    }
}

/// A source's rows, counted in ways that no part of them would pass.
async fn counted(owner: &Actor, slug: &str) -> Value {
    rows(owner, &format!("SELECT count(*), count(DISTINCT id), max(id), sum(length(word)) FROM {slug}.t")).await
}

/// What these are of the first so many rows.
fn whole(rows: u64) -> Value {
    json!([[rows, rows, rows, rows * 80]])
}

/// Holds that a refused sync is told of, and that its source is as it was.
async fn assert_failed(owner: &Actor, id: &str, refusal: &Value) {
    assert!(refusal["message"].as_str().is_some_and(|words| words.len() > 20), "{refusal}");
    let told = owner.get(&format!("{SOURCES}/{id}")).await.is(200);
    assert_eq!((&told["status"], &told["last_sync"]["status"]), (&json!("active"), &json!("failed")));
    assert_eq!(told["last_sync"]["reason"], refusal["message"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_anywhere_leaves_the_data_of_before() {
    let mut chance = Chance::told_by("CLARIBI_TEST_CUT_SEED");
    let cuts = asked("CLARIBI_TEST_CUTS").unwrap_or(12);
    let world = World::with(roomy).await;
    let owner = world.owner().await;
    for server in [postgres(), mariadb()] {
        let name = server.kind();
        let database = server.database("cut", &long(server));
        let way = Way::to(([127, 0, 0, 1], server.port).into());
        let mut body = server.source(name, &database);
        body["connection"]["port"] = json!(way.address.port());
        let source = owner.post(SOURCES, body).await.is(201);
        let id = source["id"].as_str().unwrap();
        let sync = format!("{SOURCES}/{id}/sync");
        let before = way.passed();
        owner.post(&sync, json!({})).await.is(200);
        let all = way.passed() - before;
        let (mut there, mut failed) = (ROWS, 0);
        for number in 1..=cuts {
            // There is one row more each time, so that what is new can be told from what was there.
            let now = ROWS + number;
            server.run(Some("cut"), &format!("INSERT INTO t SELECT {now}, word FROM t WHERE id = 1"));
            // Every other one before the rows, where answers are short and of many kinds.
            let bytes = chance.below(if number % 2 == 0 { all } else { EARLY });
            way.cut_after(bytes);
            let answer = owner.post(&sync, json!({})).await;
            way.cut_after(u64::MAX);
            if answer.status == 200 {
                assert!(bytes > all * 9 / 10, "{name}: a sync without the rows beyond {bytes} of {all} bytes");
                there = now;
            } else {
                assert_failed(&owner, id, &answer.refuses(422, "source_unavailable")).await;
                failed += 1;
            }
            assert_eq!(counted(&owner, name).await, whole(there), "{name} after {bytes} of {all} bytes");
        }
        assert!(failed >= cuts / 2, "{failed} of {cuts}");
        owner.post(&sync, json!({})).await.is(200);
        assert_eq!(counted(&owner, name).await, whole(ROWS + cuts));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_is_read_fails_the_sync_alone() {
    let world = World::new().await;
    let owner = world.owner().await;
    for brand in [Brand::Postgres, Brand::Mariadb] {
        let mut server = Server::start(brand);
        let name = server.kind();
        let database = server.database("killed", &long(&server));
        // A row is told when its pause is over.
        server.run(Some("killed"), "ALTER TABLE t ADD COLUMN pause int DEFAULT 0");
        let (slow, asleep) = match brand {
            Brand::Postgres => ("pg_sleep(pause)::text", "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
            Brand::Mariadb => ("SLEEP(pause)", "FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'"),
        };
        let slow = format!("SELECT id, word, {slow} AS slept FROM t");
        let mut body = server.source(name, &database);
        body["connection"]["queries"] = json!({"t": slow});
        let source = owner.post(SOURCES, body).await.is(201);
        let id = source["id"].as_str().unwrap();
        let sync = format!("{SOURCES}/{id}/sync");
        assert_eq!(counted(&owner, name).await, whole(ROWS));

        server.run(Some("killed"), &format!("INSERT INTO t SELECT {ROWS} + 1, word, 600 FROM t WHERE id = 1"));
        let asleep = format!("SELECT count(*) {asleep}");
        let killed = tokio::task::spawn_blocking(move || {
            until_so_here("the sync's query", || server.run(None, &asleep).trim() == "1");
            server.kill();
            server
        });
        let refusal = owner.post(&sync, json!({})).await.refuses(422, "source_unavailable");
        server = killed.await.unwrap();
        assert_failed(&owner, id, &refusal).await;
        assert_eq!(counted(&owner, name).await, whole(ROWS), "{name}");
        // As long as it is away, syncs say so.
        let refusal = owner.post(&sync, json!({})).await.refuses(422, "source_unavailable");
        assert_failed(&owner, id, &refusal).await;
        assert!(refusal["message"].as_str().unwrap().contains("cannot be reached"), "{refusal}");

        server.restart();
        server.run(Some("killed"), "UPDATE t SET pause = 0");
        owner.post(&sync, json!({})).await.is(200);
        assert_eq!(counted(&owner, name).await, whole(ROWS + 1), "{name}");
    }
}
