//! The data directory: its paths, its lock, its scratch space. The one module that knows its layout.

pub mod left;

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

/// Why a directory cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It was never made.
    #[error("there is no data directory at {0}; make one with `claribi init`, or name another with --data-dir")]
    Missing(PathBuf),
    /// It was made already.
    #[error("there is a data directory at {0} already; use it, or name another with --data-dir")]
    Exists(PathBuf),
    /// It holds other things.
    #[error("{0} is not empty and no data directory of claribi; name another with --data-dir")]
    Occupied(PathBuf),
    /// Another process serves from it.
    #[error("another claribi process uses the data directory at {0}; stop it first")]
    Locked(PathBuf),
    /// Others than its owner may look into it.
    #[error("{0} is open to other users; run `chmod go-rwx` on it")]
    Exposed(PathBuf),
    /// The file system refused.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError + '_ {
    move |error| DataDirError::Io { path: path.to_owned(), error }
}

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// After so long nobody is about to lock a lease any more.
const LEASE_IN_THE_MAKING: Duration = Duration::from_secs(600);

/// Held while this process serves, migrates or runs jobs.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lives as long as its file")] File);

impl DataDir {
    /// Makes a new one: 0700, with everything in it but the databases and secrets.
    pub fn create(path: &Path) -> Result<Self, DataDirError> {
        if path.join("claribi.db").exists() {
            return Err(DataDirError::Exists(path.to_owned()));
        }
        if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(DataDirError::Occupied(path.to_owned()));
        }
        let directory = Self(path.to_owned());
        make(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(at(path))?;
        directory.complete()?;
        Ok(directory)
    }

    /// Opens one that was made before.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        if !path.join("claribi.db").is_file() {
            return Err(DataDirError::Missing(path.to_owned()));
        }
        let directory = Self(path.to_owned());
        directory.complete()?;
        // The databases are as readable as the directory that they lie in.
        for path in [path.to_owned(), directory.secrets()] {
            let mode = std::fs::metadata(&path).map_err(at(&path))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(DataDirError::Exposed(path));
            }
        }
        Ok(directory)
    }

    fn complete(&self) -> Result<(), DataDirError> {
        for path in
            [self.secrets(), self.sources(), self.results(), self.uploads(), self.backups(), self.cache(), self.tmp()]
        {
            make(&path)?;
        }
        Ok(())
    }

    /// Takes the lock, or says who has it.
    pub fn lock(&self) -> Result<Lock, DataDirError> {
        let path = self.0.join("lock");
        let file =
            OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Locked(self.0.clone())),
            Err(TryLockError::Error(error)) => Err(at(&path)(error)),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Whether a file is one of its own, under whatever name it was found.
    ///
    /// # Errors
    /// When the directory cannot be looked through.
    pub fn owns(&self, file: &Metadata) -> io::Result<bool> {
        let mut open = vec![self.0.clone()];
        while let Some(directory) = open.pop() {
            let entries = match std::fs::read_dir(directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                // What is gone meanwhile was another, for this one is there.
                let Ok((entry, found)) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) else {
                    continue;
                };
                if (found.dev(), found.ino()) == (file.dev(), file.ino()) {
                    return Ok(true);
                }
                // The databases and their journals lie at the top: these are never missed, even where the directory is
                // mounted twice. A file with one name is none of those below.
                if found.is_dir() && file.nlink() > 1 {
                    open.push(entry);
                }
            }
        }
        Ok(false)
    }

    /// Secrets, for their owner alone.
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// The newest checkpoint of the audit log, outside of the file that it tells of.
    pub fn audit_head(&self) -> PathBuf {
        self.0.join("audit.head")
    }

    /// Puts a small text where a file of ours lies, whole: whoever reads finds the old one or the new one.
    pub fn replace(&self, target: &Path, text: &str) -> io::Result<()> {
        let mut name = target.as_os_str().to_owned();
        name.push(".new");
        let scratch = PathBuf::from(name);
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&scratch)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(scratch, target)
    }

    /// Extracts: `<organisation>/<source>/<extract>/<table>.parquet`.
    pub fn sources(&self) -> PathBuf {
        self.0.join("sources")
    }

    /// Files of report runs: `<run>/…`.
    pub fn results(&self) -> PathBuf {
        self.0.join("results")
    }

    /// Results of saved queries: `<organisation>/<source>/…`. What is missing there is computed again.
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// For uploaded files that are to be kept; so far none is.
    pub fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }

    /// Copies of the databases.
    pub fn backups(&self) -> PathBuf {
        self.0.join("backups")
    }

    /// The certificates that this machine trusts, for workers, alone in their directory.
    pub fn trusted(&self) -> PathBuf {
        self.0.join("trusted").join("authorities.pem")
    }

    /// Keeps these: whoever reads finds the old ones or the new ones.
    pub fn keep_trusted(&self, pem: &str) -> io::Result<()> {
        let path = self.trusted();
        let directory = path.parent().unwrap_or(&self.0);
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // Commands beside a server write the same, each under a name of its own.
        let making = directory.join(format!("{}.new", std::process::id()));
        std::fs::write(&making, pem)?;
        std::fs::rename(making, path)
    }

    /// Scratch space on the same file system, emptied at start of what no living process holds.
    pub fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// The extracts of an organisation: all that a query worker of its may read.
    pub fn org_sources(&self, org: Uuid) -> PathBuf {
        self.sources().join(org.to_string())
    }

    /// The extract of a source.
    pub fn extract(&self, org: Uuid, source: Uuid, extract: Uuid) -> PathBuf {
        self.org_sources(org).join(source.to_string()).join(extract.to_string())
    }

    /// The file of a run.
    pub fn run_file(&self, run: Uuid, extension: &str) -> PathBuf {
        self.results().join(run.to_string()).join(format!("report.{extension}"))
    }

    /// The file of a run's table, counted from one; the first is the run's file.
    pub fn run_section(&self, run: Uuid, section: u32) -> PathBuf {
        self.results().join(run.to_string()).join(Self::section_name(section))
    }

    /// The name of that file.
    pub fn section_name(section: u32) -> String {
        if section == 1 { "report.csv".to_owned() } else { format!("report.{section}.csv") }
    }

    /// Moves a directory from the scratch space, whole and durable, to `target`, whose parent is made when it is missing.
    pub fn adopt(&self, scratch: &Path, target: &Path) -> io::Result<()> {
        let parent = target.parent().unwrap_or(&self.0);
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        left::take_all(scratch, target)
    }

    /// Marks an extract that nothing points at any more: the collector counts its age from here, so that whoever began
    /// to read it can end.
    pub fn retire(extract: &Path, at: SystemTime) {
        // Without the mark it is collected earlier.
        let _ = File::open(extract).and_then(|directory| directory.set_modified(at));
    }

    /// A new scratch directory, removed when the returned value goes. It is locked for as long as this process lives and
    /// has it, so that a server that starts beside a command leaves it alone.
    pub fn scratch(&self, name: &str) -> Result<Scratch, DataDirError> {
        let path = self.tmp().join(name);
        make(&path)?;
        let held = File::open(&path).map_err(at(&path))?;
        // Where it cannot be locked it is as safe as it can be there.
        let _ = held.try_lock();
        Ok(Scratch { path, _held: held })
    }

    /// Bytes that are free for us on the disk where the directory lies.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.0)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// A lease of a process: a file that is locked for as long as it lives, whatever ends it.
    pub fn hold_lease(&self, process: &str) -> io::Result<Lease> {
        let directory = self.leases();
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let (making, path) = (directory.join(format!("{process}.new")), directory.join(process));
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&making)?;
        file.try_lock()?;
        // Only now under its name: nobody finds it without its lock.
        std::fs::rename(&making, &path)?;
        Ok(Lease { path, _locked: file })
    }

    /// Whether a process held a lease and is no more. Of one that never held any, nothing is known.
    pub fn is_abandoned(&self, process: &str) -> bool {
        File::open(self.leases().join(process)).is_ok_and(|file| file.try_lock().is_ok())
    }

    /// Whether a process holds a lease: it lives.
    pub fn is_alive(&self, process: &str) -> bool {
        File::open(self.leases().join(process)).is_ok_and(|file| is_held(&file))
    }

    /// Removes the lease of a process that is no more.
    pub fn forget_lease(&self, process: &str) {
        // One that stays says again that its process is no more.
        let _ = std::fs::remove_file(self.leases().join(process));
    }

    /// Removes the leases of all processes that are no more; for the holder of the lock at its start.
    pub fn forget_leases(&self, now: SystemTime) {
        let entries = std::fs::read_dir(self.leases()).into_iter().flatten().flatten();
        // One that is being made is not locked for a moment.
        let is_being_made = |entry: &std::fs::DirEntry, name: &str| {
            let age = || now.duration_since(entry.metadata().ok()?.modified().ok()?).ok();
            name.ends_with(".new") && age().is_none_or(|age| age < LEASE_IN_THE_MAKING)
        };
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            (!is_being_made(&entry, &name)).then_some(name)
        });
        names.filter(|name| self.is_abandoned(name)).for_each(|process| self.forget_lease(&process));
    }

    fn leases(&self) -> PathBuf {
        self.0.join("leases")
    }

    /// Empties the scratch space but for what processes that live have in it; for the holder of the lock at its start.
    pub fn empty_tmp(&self) -> Result<(), DataDirError> {
        let tmp = self.tmp();
        for entry in std::fs::read_dir(&tmp).map_err(at(&tmp))? {
            let path = entry.map_err(at(&tmp))?.path();
            let removed = match std::fs::symlink_metadata(&path) {
                Ok(found) if !found.is_dir() => std::fs::remove_file(&path),
                Ok(_) if File::open(&path).is_ok_and(|held| is_held(&held)) => Ok(()),
                Ok(_) => std::fs::remove_dir_all(&path),
                Err(error) => Err(error),
            };
            // Commands end meanwhile, and take theirs with them.
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Says for as long as it is there that its process lives.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    _locked: File,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A directory of one job.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Locked for as long as it is in use.
    _held: File,
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already when it was moved; what cannot be removed goes at the next start.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Whether somebody has locked it.
fn is_held(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn make(path: &Path) -> Result<(), DataDirError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}
