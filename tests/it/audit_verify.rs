//! The log tells of whatever was done to it, entry by entry; and what was kept long enough goes without a trace being
//! lost of that.

use std::time::Duration;

use claribi::domain::audit::{Call, CheckpointKind, Entry, Event, Signed, chain};
use claribi::service::adopt::Adopt;
use claribi::service::app::App;
use claribi::service::audit::{Extent, Fault, Finding, Verified};
use claribi::store::audit::checkpoints;
use claribi::store::audit::entries;
use claribi::store::audit::verify::Flaw;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use serde_json::json;

use crate::world::{Background, World};

const LIST: &str = "/v1/dashboards";

/// A world with a few calls of each kind, signed at their end, that stands still.
async fn signed_world() -> World {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    let owner = world.owner().await;
    adopt(&world, Adopt::All).await;
    owner.post(LIST, json!({"name": "x"})).await.is(201);
    owner.get(LIST).await.is(200);
    world.anonymous().get(LIST).await.refuses(401, "credentials_missing");
    world.owner_session().await.get("/v1/nothing").await.refuses(404, "not_found");
    checkpoint(&world).await;
    world
}

async fn blocking<T: Send + 'static>(world: &World, work: impl FnOnce(&App) -> T + Send + 'static) -> T {
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || work(&app)).await.unwrap()
}

async fn adopt(world: &World, which: Adopt) -> usize {
    blocking(world, move |app| app.adopt_changes(which)).await.unwrap()
}

async fn checkpoint(world: &World) {
    blocking(world, App::checkpoint).await.unwrap();
}

fn verified(world: &World, extent: Extent) -> Verified {
    world.app.verify_audit(extent, |_| ()).unwrap()
}

fn finding(world: &World) -> Option<(i64, Fault)> {
    verified(world, Extent::default()).finding.map(|Finding { seq, fault }| (seq, fault))
}

/// Somebody with a program of their own.
fn intruder(world: &World) -> Connection {
    #[expect(clippy::disallowed_methods, reason = "the test is somebody else's program")]
    Connection::open(world.data().join("audit.db")).unwrap()
}

fn count(world: &World) -> i64 {
    world.app.store.read_audit_now(|db| Ok(entries::head(db)?.0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_log_is_right_up_to_its_signed_end_and_goes_on_to_be() {
    let world = signed_world().await;
    let found = verified(&world, Extent::default());
    assert_eq!((found.finding, found.last, found.entries), (None, count(&world), found.last.unsigned_abs()));
    let newest = found.newest.unwrap();
    assert_eq!((newest.checkpoint.seq, newest.checkpoint.kind), (found.last, CheckpointKind::Head));
    let kept = Signed::parse(&std::fs::read_to_string(world.data().join("audit.head")).unwrap()).unwrap();
    assert_eq!(kept, newest);
    world.anonymous().get(LIST).await.refuses(401, "credentials_missing");
    let (from, to) = (Some(2), Some(found.last));
    let part = verified(&world, Extent { from, to, known: Some(newest) });
    assert_eq!((part.finding, part.after, part.last, part.checkpoints), (None, 1, found.last, 1));
    let world = world.restarted().await;
    assert_eq!(finding(&world), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_flipped_byte_of_any_column_of_an_entry_is_found_where_it_is() {
    let world = signed_world().await;
    let intruder = intruder(&world);
    let mut flips = 0;
    for seq in 1..=count(&world) {
        for column in ["at", "org_id", "lineage_id", "operation", "status", "request", "entry", "hash"] {
            let select = format!("SELECT {column} FROM entries WHERE seq = ?1");
            let right: Value = intruder.query_row(&select, [seq], |row| row.get(0)).unwrap();
            for wrong in flipped(&right) {
                let update = format!("UPDATE entries SET {column} = ?1 WHERE seq = ?2");
                // Some flips are refused by the schema: what cannot be stored cannot be there.
                if intruder.execute(&update, params![wrong, seq]).is_err() {
                    continue;
                }
                flips += 1;
                assert_eq!(finding(&world).map(|found| found.0), Some(seq), "{column}: {right:?} {wrong:?}");
                intruder.execute(&update, params![right, seq]).unwrap();
            }
        }
    }
    assert_eq!(finding(&world), None);
    assert!(flips > 800, "{flips}");
}

/// A value with each of its bytes flipped in turn, or with something where nothing was.
fn flipped(value: &Value) -> Vec<Value> {
    let each = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let flip = |index: usize| {
            let mut bytes = bytes.to_vec();
            bytes[index] ^= 1 << (index % 7);
            bytes
        };
        (0..bytes.len()).map(flip).collect()
    };
    match value {
        Value::Null => vec![Value::Integer(1), Value::Text("x".into()), Value::Blob(vec![1])],
        Value::Integer(number) => each(&number.to_be_bytes())
            .into_iter()
            .map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()).into())
            .collect(),
        Value::Text(text) => {
            each(text.as_bytes()).into_iter().filter_map(|bytes| Some(String::from_utf8(bytes).ok()?.into())).collect()
        }
        Value::Blob(bytes) => each(bytes).into_iter().map(Value::Blob).collect(),
        Value::Real(_) => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_exchanged_and_cut_off_entries_are_named() {
    let world = signed_world().await;
    let last = count(&world);
    for (change, expected) in [
        ("DELETE FROM entries WHERE seq = 1".to_owned(), (1, Fault::Entry(Flaw::Missing))),
        ("DELETE FROM entries WHERE seq = 3".to_owned(), (3, Fault::Entry(Flaw::Missing))),
        (format!("DELETE FROM entries WHERE seq > {}", last - 2), (last - 1, Fault::Cut)),
        ("DELETE FROM entries".to_owned(), (1, Fault::Cut)),
        (
            "UPDATE entries SET seq = -1 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3;
             UPDATE entries SET seq = 3 WHERE seq = -1"
                .to_owned(),
            (2, Fault::Entry(Flaw::Broken)),
        ),
    ] {
        with_change(&world, &change, || assert_eq!(finding(&world), Some(expected), "{change}"));
    }
    // Cut together with the checkpoints that tell of it: the one beside the file still does.
    let cut = format!("DELETE FROM entries WHERE seq = {last}; DELETE FROM checkpoints");
    with_change(&world, &cut, || assert_eq!(finding(&world), Some((last, Fault::Cut))));
    // Without that too, one that was kept elsewhere does.
    let known = Signed::parse(&std::fs::read_to_string(world.data().join("audit.head")).unwrap());
    std::fs::remove_file(world.data().join("audit.head")).unwrap();
    with_change(&world, &cut, || {
        assert_eq!(finding(&world), None, "nobody can tell from what is left");
        let found = verified(&world, Extent { known, ..Extent::default() });
        assert_eq!(found.finding, Some(Finding { seq: last, fault: Fault::Cut }));
    });
}

/// Does something to the file, looks, and undoes it.
fn with_change(world: &World, change: &str, look: impl FnOnce()) {
    let intruder = intruder(world);
    let tables = ["entries", "checkpoints", "blocks"];
    for table in tables {
        intruder.execute_batch(&format!("CREATE TEMP TABLE kept_{table} AS SELECT * FROM main.{table}")).unwrap();
    }
    intruder.execute_batch(change).unwrap();
    look();
    for table in tables {
        let undo = format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM kept_{table}");
        intruder.execute_batch(&undo).unwrap();
    }
    assert_eq!(finding(world), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_made_anew_with_right_hashes_does_not_agree_with_what_was_signed() {
    let world = signed_world().await;
    let last = count(&world);
    let links = world.app.store.read_audit_now(|db| Ok(entries::after(db, 0, 100)?)).unwrap();
    let mut changes = String::new();
    let mut head = chain::GENESIS;
    for link in links {
        let Some(Entry::Call(call)) = link.entry() else {
            head = chain::link(&head, &link.encoded);
            continue;
        };
        let mut bytes = Vec::new();
        Call { latency_us: call.latency_us + 1, ..*call }.encode(&mut bytes);
        head = chain::link(&head, &bytes);
        let (entry, hash) = (hex::encode(bytes), hex::encode(head));
        changes.push_str(&format!("UPDATE entries SET entry = x'{entry}', hash = x'{hash}' WHERE seq = {};", link.seq));
    }
    with_change(&world, &changes, || assert_eq!(finding(&world), Some((last, Fault::Contradicted))));
    let forged = "UPDATE checkpoints SET hash = zeroblob(32)";
    with_change(&world, forged, || assert_eq!(finding(&world), Some((last, Fault::Forged))));
    std::fs::write(world.data().join("audit.head"), "claribi").unwrap();
    assert_eq!(finding(&world), Some((0, Fault::HeadFile)));
}

/// Appends events until the log has as many entries.
async fn fill(world: &World, upto: i64) {
    let (at_ms, appender) = (world.app.clock.now().millis(), world.app.store.appender().unwrap().clone());
    let event = |number: i64| {
        let (kind, actor) = ("test".into(), "tests".to_owned());
        Entry::Event(Event { at_ms, org: Some(number % 3), kind, actor, detail: "{}".to_owned(), digest: None })
    };
    let receipts: Vec<_> = (count(world)..upto).map(|number| appender.append(event(number))).collect();
    for receipt in receipts {
        receipt.committed().await.unwrap();
    }
}

/// Calls of everyone by the day, as they stand in the file.
fn counted(world: &World) -> i64 {
    let sum = "SELECT sum(ok) FROM rollups WHERE span = 86400 AND key_id >= 0 AND org_id = 1 AND user_id >= 0";
    intruder(world).query_row(sum, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_goes_under_a_seal_and_the_rest_can_be_checked() {
    let quiet = |plot: &mut crate::world::Plot| {
        plot.background = Background::LeftLying;
        plot.settings.audit.retention = Duration::from_secs(48 * 3_600);
    };
    let world = World::with(quiet).await;
    let owner = world.owner().await;
    owner.post(LIST, json!({"name": "x"})).await.is(201);
    fill(&world, 2_500).await;
    world.pass(49 * 3_600);
    // What adds up to blocks is in the file.
    let world = world.restarted().await;
    let owner = world.bearer(owner.secret());
    owner.get(LIST).await.is(200);
    let before = counted(&world);

    blocking(&world, App::forget_entries).await.unwrap();
    let first = || world.app.store.read_audit_now(|db| Ok(entries::first(db)?)).unwrap();
    assert_eq!(first(), Some(2_048), "two blocks are older, the third has an entry that is not");
    let seal =
        world.app.store.read_audit_now(|db| Ok(checkpoints::newest(db, CheckpointKind::Seal)?)).unwrap().unwrap();
    assert_eq!(seal.checkpoint.seq, 2_047);
    let kept = world.app.store.read_audit_now(|db| Ok(entries::after(db, 2_047, 10_000)?)).unwrap();
    let event = kept.iter().filter_map(|link| match link.entry() {
        Some(Entry::Event(event)) if event.kind == "retention" => Some(event),
        _ => None,
    });
    let details: Vec<serde_json::Value> = event.map(|event| serde_json::from_str(&event.detail).unwrap()).collect();
    assert_eq!(details, [json!({"first": 1, "last": 2_047, "hash": hex::encode(seal.checkpoint.hash)})]);

    blocking(&world, App::forget_entries).await.unwrap();
    checkpoint(&world).await;
    let found = verified(&world, Extent::default());
    assert_eq!((found.finding, found.after, found.entries), (None, 2_047, (count(&world) - 2_047).unsigned_abs()));
    assert_eq!(
        adopt(&world, Adopt::All).await,
        0,
        "the call that covered a change is gone, and it is not adopted anew"
    );
    let calls = counted(&world);
    assert!(calls >= before && before > 0, "what calls add up to stays: {calls} of {before}");
    with_change(&world, "DELETE FROM entries WHERE seq = 2048", || {
        assert_eq!(finding(&world), Some((2_048, Fault::Entry(Flaw::Missing))));
    });
    with_change(&world, "UPDATE checkpoints SET at = at + 1 WHERE kind = 'seal'", || {
        assert_eq!(finding(&world), Some((2_047, Fault::Forged)));
    });
    let world = world.restarted().await;
    assert_eq!(finding(&world), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summaries_for_searching_are_checked_too_and_made_anew_where_they_are_missing() {
    let world = World::with(|plot| plot.background = Background::LeftLying).await;
    fill(&world, 3_000).await;
    let world = world.restarted().await;
    let blocks = || -> i64 { intruder(&world).query_row("SELECT count(*) FROM blocks", [], |row| row.get(0)).unwrap() };
    assert_eq!(blocks(), 2);
    for change in [
        "UPDATE blocks SET facts = zeroblob(1000) WHERE first = 1024",
        "UPDATE blocks SET newest = newest - 1 WHERE first = 1024",
        "UPDATE blocks SET last = last + 1 WHERE first = 1024",
    ] {
        with_change(&world, change, || {
            assert_eq!(finding(&world), Some((2_047, Fault::Entry(Flaw::Summary))), "{change}");
        });
    }
    intruder(&world).execute_batch("DELETE FROM blocks WHERE first = 1024").unwrap();
    let world = world.restarted().await;
    let blocks: i64 = intruder(&world).query_row("SELECT count(*) FROM blocks", [], |row| row.get(0)).unwrap();
    assert_eq!((blocks, finding(&world)), (2, None));
}
