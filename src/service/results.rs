//! Results of saved queries that are kept: files in the data directory, named by what they are the results of.
//!
//! **Invariant:** a name says all that its result depends on: the organisation, the extracts, the text, the values, the
//! limits, the form, and this program. Nothing is ever made stale by forgetting to remove it; what is removed makes room,
//! or is gone with its source. A file has its name when all of it is on the disk, so a crash leaves nothing half-read.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use serde::Serialize;
use uuid::Uuid;

use super::query::{Content, QueryAnswer};
use crate::datadir::DataDir;
use crate::domain::error::Error;
use crate::worker::pool::Refused;

/// Results up to this many bytes are read into memory; larger ones are sent from their file.
const READ: u64 = 256 << 10;
/// The directory of results that more than one source went into.
const ALL: &str = "all";

/// A query under way, for all who wait for it.
pub type Flight = BoxFuture<'static, Result<QueryAnswer, Refused>>;

/// What a result is the result of.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    directory: PathBuf,
}

impl Key {
    /// Of what `all` says, within an organisation and below the source that it is of.
    pub fn of(org: Uuid, source: Option<Uuid>, all: &impl Serialize) -> Result<Self, Error> {
        let text =
            serde_json::to_vec(&(org.as_bytes(), source.as_ref().map(Uuid::as_bytes), all)).map_err(Error::internal)?;
        let name = hex::encode(digest(&SHA256, &text));
        Ok(Self { name, directory: below(org, source) })
    }

    /// Names the result to clients, who cannot tell from it what it is made of.
    pub fn tag(&self) -> &str {
        &self.name[..32]
    }
}

fn below(org: Uuid, source: Option<Uuid>) -> PathBuf {
    PathBuf::from(org.to_string()).join(source.map_or_else(|| ALL.to_owned(), |source| source.to_string()))
}

/// The kept results.
pub struct Results {
    root: PathBuf,
    limit: u64,
    /// `None` until it is first asked for.
    kept: Mutex<Option<Kept>>,
    flights: Mutex<HashMap<String, WeakShared<Flight>>>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<String, Entry>,
    /// By when they were last asked for.
    by_use: BTreeMap<u64, String>,
    bytes: u64,
    uses: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    path: PathBuf,
    length: u64,
    rows: u64,
    truncated: bool,
    used: u64,
}

impl Results {
    /// Those below a directory, of so many bytes in all; none where that is 0.
    pub fn new(root: PathBuf, limit: u64) -> Self {
        Self { root, limit, kept: Mutex::new(None), flights: Mutex::default() }
    }

    /// Whether any are kept here.
    pub fn keeps_any(&self) -> bool {
        self.limit > 0
    }

    /// The result, if it is kept. Waits for the disk; the first time for all that lies there.
    pub fn find(&self, key: &Key, data: &DataDir, scratch: &str) -> Option<QueryAnswer> {
        if !self.keeps_any() {
            return None;
        }
        let entry = self.with(|kept| kept.use_of(&key.name))?;
        match entry.content(data, scratch) {
            Ok(content) => {
                Some(QueryAnswer { content, rows: entry.rows, truncated: entry.truncated, is_lasting: true })
            }
            Err(error) => {
                // It made room meanwhile, or somebody tidied up.
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "a kept result cannot be read");
                }
                self.with(|kept| kept.forget(&key.name));
                None
            }
        }
    }

    /// Keeps a result. What it takes the room of is forgotten. Waits for the disk.
    pub fn keep(&self, key: &Key, answer: &QueryAnswer) -> io::Result<()> {
        let length = answer.content.length();
        if !self.keeps_any() || length > self.limit {
            return Ok(());
        }
        let directory = self.root.join(&key.directory);
        std::fs::create_dir_all(&directory)?;
        let cut = if answer.truncated { "cut" } else { "all" };
        let path = directory.join(format!("{}-{}-{cut}", key.name, answer.rows));
        let new = directory.join(format!("{}.new", key.name));
        write(&new, &answer.content).and_then(|()| std::fs::rename(&new, &path)).inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        })?;
        let entry = Entry { path, length, rows: answer.rows, truncated: answer.truncated, used: 0 };
        self.with(|kept| {
            kept.add(key.name.clone(), entry);
            kept.make_room(self.limit);
        });
        Ok(())
    }

    /// Forgets what a source went into. Waits for the disk.
    pub fn forget_source(&self, org: Uuid, source: Uuid) {
        let gone = [below(org, Some(source)), below(org, None)].map(|directory| self.root.join(directory));
        // Who keeps none may work beside a server whose files the others are.
        if self.keeps_any() {
            self.with(|kept| {
                let names = kept.files.iter().filter(|(_, entry)| gone.iter().any(|gone| entry.path.starts_with(gone)));
                let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
                names.iter().for_each(|name| kept.forget(name));
            });
        }
        for directory in gone {
            let _ = std::fs::remove_dir_all(directory);
        }
    }

    /// Removes what an earlier run left: for the holder of the data directory's lock that keeps none. Waits for the disk.
    pub fn remove_all(&self) {
        for organisation in within(self.root.clone()) {
            let _ = std::fs::remove_dir_all(organisation);
        }
    }

    /// Has one query run for all who ask for its result at the same time: it goes on as long as one of them waits.
    pub async fn together(&self, key: &Key, begin: impl FnOnce() -> Flight) -> Result<QueryAnswer, Refused> {
        let flight: Shared<Flight> = {
            let mut flights = self.flights.lock();
            let under_way = flights.get(&key.name).and_then(WeakShared::upgrade);
            under_way.unwrap_or_else(|| {
                let flight = begin().shared();
                flights.retain(|_, flight| flight.upgrade().is_some());
                flights.extend(flight.downgrade().map(|flight| (key.name.clone(), flight)));
                flight
            })
        };
        flight.await
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(self.kept.lock().get_or_insert_with(|| Kept::found(&self.root, self.limit)))
    }
}

impl Kept {
    /// What an earlier run of the server left. Files that are no whole results are removed.
    fn found(root: &Path, limit: u64) -> Self {
        let mut found: Vec<(SystemTime, String, Entry)> = Vec::new();
        for path in files(root) {
            let read = std::fs::metadata(&path).ok().zip(named(&path));
            match read {
                Some((metadata, (name, rows, truncated))) => {
                    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let entry = Entry { length: metadata.len(), path, rows, truncated, used: 0 };
                    found.push((modified, name, entry));
                }
                None => drop(std::fs::remove_file(path)),
            }
        }
        found.sort_by_key(|(modified, ..)| *modified);
        let mut kept = Self::default();
        found.into_iter().for_each(|(_, name, entry)| kept.add(name, entry));
        kept.make_room(limit);
        kept
    }

    fn use_of(&mut self, name: &str) -> Option<Entry> {
        let entry = self.files.get_mut(name)?;
        self.uses += 1;
        self.by_use.remove(&entry.used);
        entry.used = self.uses;
        self.by_use.insert(self.uses, name.to_owned());
        Some(entry.clone())
    }

    fn add(&mut self, name: String, entry: Entry) {
        // The same result again: the file has been replaced, if it has the same name.
        if let Some(old) = self.take(&name).filter(|old| old.path != entry.path) {
            let _ = std::fs::remove_file(old.path);
        }
        self.uses += 1;
        self.bytes += entry.length;
        self.by_use.insert(self.uses, name.clone());
        self.files.insert(name, Entry { used: self.uses, ..entry });
    }

    fn take(&mut self, name: &str) -> Option<Entry> {
        let entry = self.files.remove(name)?;
        self.by_use.remove(&entry.used);
        self.bytes -= entry.length;
        Some(entry)
    }

    fn forget(&mut self, name: &str) {
        if let Some(entry) = self.take(name) {
            let _ = std::fs::remove_file(entry.path);
        }
    }

    fn make_room(&mut self, limit: u64) {
        while self.bytes > limit {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
    }
}

impl Entry {
    /// The bytes, or another name of the file: the first one may be taken away while it is sent.
    fn content(&self, data: &DataDir, scratch: &str) -> io::Result<Content> {
        if self.length <= READ {
            return Ok(Content::Bytes(std::fs::read(&self.path)?.into()));
        }
        let holder = data.scratch(scratch).map_err(io::Error::other)?;
        let path = holder.path().join("result");
        std::fs::hard_link(&self.path, &path)?;
        Ok(Content::File { path, length: self.length, holder: Some(holder.into()) })
    }
}

/// Has a result at a path, whole and for its owner alone.
fn write(path: &Path, content: &Content) -> io::Result<()> {
    match content {
        Content::Bytes(bytes) => {
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
            file.write_all(bytes)?;
            file.sync_all()
        }
        Content::File { path: made, .. } => {
            std::fs::hard_link(made, path)?;
            let file = File::open(path)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.sync_all()
        }
    }
}

/// What the name of a whole result says: `<key>-<rows>-<all|cut>`.
fn named(path: &Path) -> Option<(String, u64, bool)> {
    let mut parts = path.file_name()?.to_str()?.split('-');
    let (key, rows, cut, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let truncated = match (cut, rest) {
        ("all", None) => false,
        ("cut", None) => true,
        _ => return None,
    };
    (key.len() == 64).then_some((key.to_owned(), rows.parse().ok()?, truncated))
}

/// The files below the organisations' directories, of their sources.
fn files(root: &Path) -> Vec<PathBuf> {
    within(root.to_owned()).flat_map(within).flat_map(within).collect()
}

fn within(directory: PathBuf) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests;
