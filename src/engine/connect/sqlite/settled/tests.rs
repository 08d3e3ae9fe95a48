use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::watch;

use super::super::Sqlite;
use super::*;
use crate::engine::control::Control;
use crate::worker::protocol::Settled;

/// A directory with two databases, in which people put things after the server has looked.
struct Place {
    _directory: TempDir,
    path: PathBuf,
    other: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "another program's file")]
fn sqlite(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (path, other) = (root.join("mine.db"), root.join("other.db"));
        for path in [&path, &other] {
            drop(sqlite(path, "CREATE TABLE t (a); INSERT INTO t VALUES (1)"));
        }
        Self { _directory: directory, path, other }
    }

    fn file(&self, index: usize) -> PathBuf {
        SqliteFile::all_of(&self.path)[index].clone()
    }

    fn settled(&self) -> Settled {
        Settled::of(SqliteFile::all_of(&self.path)).unwrap()
    }

    /// What a reader says of it; on this thread nothing is confined.
    fn fault(&self, settled: &Settled) -> Fault {
        let scratch = tempfile::tempdir().unwrap();
        let control = Control::new(watch::channel(false).1, Duration::from_secs(60), Arc::new(|_, _| {}));
        match Sqlite::open(&self.path, settled.files(), scratch.path(), &control) {
            Ok(_) => panic!("it was read"),
            Err(fault) => fault,
        }
    }
}

#[test]
fn a_file_that_was_exchanged_for_another_is_not_read() {
    let place = Place::new();
    let settled = place.settled();
    fs::rename(&place.other, &place.path).unwrap();
    assert!(matches!(place.fault(&settled), Fault::Lost(_) | Fault::NoDatabase(_)));

    let place = Place::new();
    let settled = place.settled();
    fs::remove_file(&place.path).unwrap();
    symlink(&place.other, &place.path).unwrap();
    assert!(matches!(place.fault(&settled), Fault::Lost(_) | Fault::NoDatabase(_)));
}

#[test]
fn what_was_opened_is_compared_with_what_was_settled() {
    let place = Place::new();
    let settled = place.settled();
    let [file] = settled.files() else { panic!("{settled:?}") };
    let before = Descriptors([(0, 1, 1)].into());
    let opened = |more: &[(u32, u64, u64)]| Descriptors(before.0.iter().chain(more).copied().collect());
    let (mine, foreign) = ((3, file.device, file.inode), (4, file.device, file.inode + 1));
    assert!(opened(&[mine]).check(&before, &place.path, settled.files()).is_ok());
    assert!(opened(&[]).check(&before, &place.path, settled.files()).is_err());
    assert!(opened(&[foreign]).check(&before, &place.path, settled.files()).is_err());
    assert!(opened(&[mine, foreign]).check(&before, &place.path, settled.files()).is_err());
    let open = File::open(&place.path).unwrap();
    let listed = Descriptors::now().unwrap();
    assert!(listed.0.iter().any(|(_, device, inode)| file.is(*device, *inode)));
    drop(open);
}

#[test]
fn a_log_that_came_or_was_exchanged_since_then_is_not_read() {
    let place = Place::new();
    let kept = sqlite(&place.path, "PRAGMA journal_mode = wal; INSERT INTO t VALUES (2)");
    let settled = place.settled();
    assert_eq!(settled.files().len(), 3);
    let of_other = sqlite(&place.other, "PRAGMA journal_mode = wal; INSERT INTO t VALUES (3)");
    fs::copy(format!("{}-wal", place.other.display()), place.file(3)).unwrap();
    fs::rename(place.file(3), place.file(1)).unwrap();
    assert!(matches!(place.fault(&settled), Fault::Lost(_) | Fault::NoDatabase(_)));
    drop((kept, of_other));

    let place = Place::new();
    drop(sqlite(&place.path, "PRAGMA journal_mode = wal; INSERT INTO t VALUES (2)"));
    let settled = place.settled();
    assert_eq!(settled.files().len(), 1);
    symlink(&place.other, place.file(1)).unwrap();
    assert!(matches!(place.fault(&settled), Fault::Lost(_)));
}

/// SQLite would read the file that the journal names, and remove it.
#[test]
fn a_journal_that_names_a_further_file_is_not_followed() {
    let place = Place::new();
    let named = place.other.to_str().unwrap().as_bytes();
    let sum = named.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let length = u32::try_from(named.len()).unwrap();
    let mut journal = OF_SEVERAL.to_vec();
    for field in [0_u32, 7, 2, 512, 4_096] {
        journal.extend(field.to_be_bytes());
    }
    journal.resize(512, 0);
    journal.extend(1_u32.to_be_bytes());
    journal.extend(named);
    journal.extend(length.to_be_bytes().into_iter().chain(sum.to_be_bytes()).chain(OF_SEVERAL));
    fs::write(place.file(3), journal).unwrap();
    let fault = place.fault(&place.settled());
    assert!(matches!(&fault, Fault::NoDatabase(said) if said.contains("several files")), "{fault:?}");
    assert!(place.other.exists());
}

#[test]
fn a_name_is_a_uri_whatever_stands_in_it() {
    assert_eq!(as_uri(Path::new("/a b/c?d#e%f.db")).unwrap(), "file:/a%20b/c%3fd%23e%25f.db?readonly_shm=1");
}
