//! SQLite files in a directory that others may write to: what they put beside a file, or in its place, leads nowhere
//! else.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, RenameFlags, mknodat, renameat_with};
use serde_json::{Value, json};

use super::{SHOP, SOURCES, ask, live, of_file, open_world, sqlite};
use crate::actors::Actor;
use crate::patience::until;
use crate::running::roomy;
use crate::world::World;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

/// Makes a live source of the file.
async fn made(owner: &Actor, path: &Path) -> Value {
    owner.post(SOURCES, live(of_file("Shop", path))).await.is(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn journals_beside_a_sqlite_file_that_are_links_or_no_files_are_not_read() {
    let (open, closed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = open_world(open.path()).await;
    let owner = world.owner().await;
    let (path, victim) = (open.path().join("shop.db"), closed.path().join("victim.db"));
    sqlite(&path).execute_batch(SHOP).unwrap();
    // A victim whose whole content lies in its log, and a file of the same beginning whose log is a link to that.
    let held = sqlite(&victim);
    held.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE secrets AS SELECT 'opal' AS a",
    )
    .unwrap();
    let crafted = open.path().join("crafted.db");
    std::fs::copy(&victim, &crafted).unwrap();
    symlink(beside(&victim, "-wal"), beside(&crafted, "-wal")).unwrap();
    for mode in [of_file("Crafted", &crafted), live(of_file("Crafted", &crafted))] {
        let refusal = owner.post(SOURCES, mode).await.refuses(400, "invalid_request");
        assert!(refusal["message"].as_str().unwrap().contains("journal"), "{refusal}");
    }
    let source = made(&owner, &path).await;
    for suffix in ["-wal", "-shm", "-journal"] {
        let log = beside(&victim, "-wal");
        let beside = beside(&path, suffix);
        let pipe = || mknodat(CWD, &beside, FileType::Fifo, 0o600.into(), 0).unwrap();
        let link = || symlink(&log, &beside).unwrap();
        for put in [&link as &dyn Fn(), &pipe, &|| std::fs::create_dir(&beside).unwrap()] {
            put();
            let refusal = ask(&owner, &source, "SELECT * FROM orders").await.refuses(422, "source_unavailable");
            assert!(refusal["message"].as_str().unwrap().contains("journal"), "{suffix}: {refusal}");
            drop(std::fs::remove_file(&beside).or_else(|_| std::fs::remove_dir(&beside)));
        }
    }
    ask(&owner, &source, "SELECT * FROM orders").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_installation_are_not_read_under_another_name() {
    let world = World::with(|plot| plot.settings.allowed_dirs = vec!["/".into()]).await;
    let owner = world.owner().await;
    let parent = world.data().parent().unwrap().to_owned();
    let open = tempfile::tempdir_in(parent).unwrap();
    let (path, shop) = (open.path().join("own.db"), open.path().join("shop.db"));
    sqlite(&shop).execute_batch(SHOP).unwrap();
    let source = made(&owner, &shop).await;
    let backup = world.data().join("backups/old.db");
    std::fs::copy(&shop, &backup).unwrap();
    for own in [world.data().join("claribi.db"), world.data().join("audit.db"), backup] {
        std::fs::hard_link(&own, &path).unwrap();
        let refusal = owner.post(SOURCES, of_file("Own", &path)).await.refuses(400, "invalid_request");
        assert!(refusal["message"].as_str().unwrap().contains("installation itself"), "{refusal}");
        std::fs::remove_file(&path).unwrap();
    }
    // A log of ours beside a file of theirs, and a file of ours in the place of theirs.
    std::fs::hard_link(world.data().join("claribi.db-wal"), beside(&shop, "-wal")).unwrap();
    ask(&owner, &source, "SELECT * FROM users").await.refuses(422, "source_unavailable");
    std::fs::remove_file(beside(&shop, "-wal")).unwrap();
    std::fs::remove_file(&shop).unwrap();
    std::fs::hard_link(world.data().join("claribi.db"), &shop).unwrap();
    let refusal = ask(&owner, &source, "SELECT * FROM users").await.refuses(422, "source_unavailable");
    assert!(refusal["message"].as_str().unwrap().contains("installation itself"), "{refusal}");
}

/// The kernel swaps the two in one step, over and over, while queries come.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_turns_into_a_link_and_back_gives_its_own_rows_or_an_error() {
    let (open, closed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::with(|plot| {
        plot.settings.allowed_dirs = vec![open.path().to_owned()];
        roomy(plot);
    })
    .await;
    let owner = world.owner().await;
    let (path, victim) = (open.path().join("shop.db"), closed.path().join("victim.db"));
    sqlite(&path).execute_batch("CREATE TABLE t AS SELECT 'mine' AS a").unwrap();
    sqlite(&victim).execute_batch("CREATE TABLE t AS SELECT 'opal' AS a").unwrap();
    let source = made(&owner, &path).await;
    let (link, file) = (open.path().join("link"), open.path().join("file"));
    symlink(&victim, &link).unwrap();
    std::fs::copy(&victim, &file).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flips = std::thread::spawn({
        let (path, stop) = (path.clone(), stop.clone());
        move || {
            let swap = || renameat_with(CWD, &path, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            while !stop.load(Ordering::Relaxed) {
                swap();
                std::thread::park_timeout(Duration::from_millis(3));
                swap();
                std::thread::park_timeout(Duration::from_millis(3));
            }
        }
    });
    let (mut read, mut refused) = (0, 0);
    until("rows as well as errors", async || {
        let answer = ask(&owner, &source, "SELECT a FROM t").await;
        if answer.status == 200 {
            assert_eq!(answer.is(200)["rows"], json!([["mine"]]));
            read += 1;
        } else {
            answer.refuses(422, "source_unavailable");
            refused += 1;
        }
        (read > 0 && refused > 0 && read + refused >= 30).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    flips.join().unwrap();
    assert_eq!(ask(&owner, &source, "SELECT a FROM t").await.is(200)["rows"], json!([["mine"]]));
    // Another file in its place is another team's own business: it is settled anew.
    std::fs::rename(&file, &path).unwrap();
    assert_eq!(ask(&owner, &source, "SELECT a FROM t").await.is(200)["rows"], json!([["opal"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_sqlite_file_leaves_nothing_beside_it() {
    let open = tempfile::tempdir().unwrap();
    let world = open_world(open.path()).await;
    let owner = world.owner().await;
    let mut made_here = Vec::new();
    for (name, mode) in [("at rest ü.db", "wal"), ("sh op?mode=rw#1%41.db", "delete")] {
        let path = open.path().join(name);
        sqlite(&path).execute_batch(&format!("PRAGMA journal_mode = {mode}; {SHOP}")).unwrap();
        let mut body = live(of_file("Shop", &path));
        body["name"] = json!(format!("Shop {mode}"));
        let source = owner.post(SOURCES, body).await.is(201);
        assert_eq!(ask(&owner, &source, "SELECT count(*) FROM orders").await.is(200)["rows"], json!([[3]]));
        made_here.push(path);
    }
    let mut left: Vec<_> = std::fs::read_dir(open.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, made_here);
}

/// Whatever a file says of itself, its reader has no more than its worker may have, and the server stays whole.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_sqlite_files_are_read_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let world = open_world(directory.path()).await;
    let owner = world.owner().await;
    let path = directory.path().join("shop.db");
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)";
    let made = format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO orders {rows} SELECT i, hex(i) FROM n"
    );
    sqlite(&path).execute_batch(&made).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let pages = (0..whole.len()).step_by(4096).flat_map(|page| [page, page + 3, page + 5, page + 9, page + 4000]);
    let places = (16..100).step_by(7).chain(pages);
    let damaged = places.flat_map(|at| [0xff, 0x01].map(|bits| (at, bits))).map(|(at, bits)| {
        let mut bytes = whole.clone();
        bytes[at] ^= bits;
        bytes
    });
    for (number, bytes) in damaged.chain([whole[..whole.len() / 2].to_vec(), whole[..100].to_vec()]).enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let answer = owner.post(SOURCES, of_file(&format!("Shop {number}"), &path)).await;
        let is_told = [201, 422].contains(&answer.status) || answer.code() == "invalid_request";
        assert!(is_told, "{number}: {} {}", answer.status, answer.text());
    }
    std::fs::write(&path, &whole).unwrap();
    owner.post(SOURCES, of_file("Whole", &path)).await.is(201);
    assert_eq!(super::rows(&owner, "SELECT count(*), max(id) FROM whole.orders").await, json!([[500, 500]]));
}
