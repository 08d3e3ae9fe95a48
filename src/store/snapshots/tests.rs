//! Reads see what was committed, all of one moment, and what is kept for them holds nobody up.

use std::path::Path;

use crate::domain::error::Result;
use crate::domain::time::{Clock, monotonic};
use crate::store::{OnFailure, Role, Store, StoreSettings, Tx, watch};

fn open(directory: &Path, role: Role) -> Store {
    let settings = StoreSettings { audit_fsync: false, audit_failure: OnFailure::Refuse, readers: 2 };
    Store::open(directory, directory, role, settings, &Clock::System).unwrap()
}

fn with_notes(directory: &Path) -> Store {
    let store = open(directory, Role::Owner);
    store.write_now(|tx| run(tx, "CREATE TABLE notes (text TEXT)")).unwrap();
    store
}

fn run(tx: &Tx<'_>, sql: &str) -> Result<()> {
    tx.prepare(sql)?.execute([])?;
    Ok(())
}

fn note(store: &Store) {
    store.write_now(|tx| run(tx, "INSERT INTO notes VALUES (hex(randomblob(32768)))")).unwrap();
}

fn notes(store: &Store) -> i64 {
    store.read_now(|db| Ok(db.prepare("SELECT count(*) FROM notes")?.query_row([], |row| row.get(0))?)).unwrap()
}

/// Whether all of the log could be taken over into the file.
fn can_begin_anew(directory: &Path) -> bool {
    let other = crate::store::pool::open_reader(&directory.join("claribi.db")).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    let busy: bool = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    !busy
}

#[test]
fn a_read_sees_all_that_was_committed_here_and_what_others_committed_as_soon_as_a_look_is_due() {
    let directory = tempfile::tempdir().unwrap();
    let store = with_notes(directory.path());
    let beside = open(directory.path(), Role::Guest);
    for round in 0..20 {
        assert_eq!(notes(&store), 2 * round);
        note(&store);
        assert_eq!(notes(&store), 2 * round + 1);
        note(&beside);
        let committed = monotonic();
        while monotonic() - committed <= watch::FRESH {
            std::thread::yield_now();
        }
        assert_eq!(notes(&store), 2 * round + 2);
    }
}

#[test]
fn all_statements_of_a_read_see_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let store = with_notes(directory.path());
    // The second begins while nothing is kept.
    for before in 0..2 {
        let beside = store.clone();
        let counts = store.read_now(|db| {
            let mut count = db.prepare("SELECT count(*) FROM notes")?;
            let first: i64 = count.query_row([], |row| row.get(0))?;
            note(&beside);
            Ok((first, count.query_row([], |row| row.get(0))?))
        });
        assert_eq!(counts.unwrap(), (before, before));
        store.let_go();
    }
    assert_eq!(notes(&store), 2);
}

#[test]
fn snapshots_that_are_kept_do_not_make_the_log_grow() {
    let directory = tempfile::tempdir().unwrap();
    let store = with_notes(directory.path());
    for _ in 0..400 {
        note(&store);
        notes(&store);
    }
    let [log, _] = store.load().wal_bytes;
    // SQLite takes it over at a thousand pages of 4 KiB; 400 notes are 26 MB.
    assert!(log < 8 << 20, "{log} bytes");
}

#[test]
fn a_snapshot_is_kept_until_it_is_let_go_and_a_command_keeps_none() {
    let directory = tempfile::tempdir().unwrap();
    let store = with_notes(directory.path());
    note(&store);
    notes(&store);
    assert!(!can_begin_anew(directory.path()), "nothing is kept");
    store.let_go();
    assert!(can_begin_anew(directory.path()));
    let command = open(directory.path(), Role::Guest);
    note(&command);
    notes(&command);
    assert!(can_begin_anew(directory.path()));
}
