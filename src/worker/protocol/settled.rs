//! Files of this machine that people named: which ones they are is settled once, and nothing else is read in their place,
//! whatever has come to lie under their names since.
//!
//! Whoever may write where such a file lies may put a link or another file there at any moment, and SQLite opens files
//! by their names. So a file is known by its device and its number there (inode), found by walking down from the root
//! without following a link, and each later opening is compared with these. While a job runs the server holds the file
//! itself, so that its number is given to no other. The walk is made of `openat` alone, one directory after another:
//! that is as strict as `openat2` with `RESOLVE_NO_SYMLINKS`, and there on every kernel and under every filter.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

/// A regular file, and where it lay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledFile {
    /// Its path, from the root and without links.
    pub path: PathBuf,
    /// The device that it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// Files that are held for as long as this lives.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    files: Vec<SettledFile>,
    held: Arc<Vec<File>>,
}

impl Settled {
    /// Settles files; of those after the first, any may be missing.
    ///
    /// # Errors
    /// The path that is no regular file, or that goes through a link, and what the system says of it.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, (PathBuf, io::Error)> {
        let (mut files, mut held) = (Vec::new(), Vec::new());
        for path in paths {
            match walk(&path, OFlags::PATH).and_then(|file| Ok((file.metadata()?, file))) {
                Ok((metadata, file)) if metadata.is_file() => {
                    files.push(SettledFile { path, device: metadata.dev(), inode: metadata.ino() });
                    held.push(file);
                }
                Ok(_) => return Err((path, io::Error::other("it is no regular file"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !files.is_empty() => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(Self { files, held: Arc::new(held) })
    }

    /// The files that are there.
    pub fn files(&self) -> &[SettledFile] {
        &self.files
    }

    /// What is known of each.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn metadata(&self) -> io::Result<Vec<Metadata>> {
        self.held.iter().map(File::metadata).collect()
    }
}

impl SettledFile {
    /// The file, for a rule about it and not to be read.
    ///
    /// # Errors
    /// When something else lies there now.
    pub fn hold(&self) -> io::Result<File> {
        self.found(OFlags::PATH)
    }

    /// The file, to be read.
    ///
    /// # Errors
    /// When something else lies there now, or it cannot be read.
    pub fn open(&self) -> io::Result<File> {
        // Something else may be a pipe that nobody writes to, which is not waited for.
        self.found(OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// Whether this is the file.
    pub fn is(&self, device: u64, inode: u64) -> bool {
        (self.device, self.inode) == (device, inode)
    }

    fn found(&self, how: OFlags) -> io::Result<File> {
        let file = walk(&self.path, how)?;
        let metadata = file.metadata()?;
        match metadata.is_file() && self.is(metadata.dev(), metadata.ino()) {
            true => Ok(file),
            false => Err(io::Error::other("another file lies there now")),
        }
    }
}

/// Opens what lies at a path from the root; a link on the way, or at its end, is an error or is what is opened.
fn walk(path: &Path, how: OFlags) -> io::Result<File> {
    let never = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names = path.components().peekable();
    if names.next() != Some(Component::RootDir) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path does not begin at the root"));
    }
    let mut place = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | never, Mode::empty())?;
    while let Some(name) = names.next() {
        let Component::Normal(name) = name else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path goes back up"));
        };
        let how = if names.peek().is_none() { how } else { OFlags::PATH | OFlags::DIRECTORY };
        place = openat(&place, name, how | never, Mode::empty())?;
    }
    Ok(File::from(place))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_opened_as_long_as_it_is_the_same_and_no_link_leads_there() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir(root.join("deep")).unwrap();
        let (path, other) = (root.join("deep/a"), root.join("b"));
        fs::write(&path, "mine").unwrap();
        fs::write(&other, "other").unwrap();
        let settled = Settled::of([path.clone(), root.join("missing")]).unwrap();
        let [file] = settled.files() else { panic!("{settled:?}") };
        let mut text = String::new();
        file.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "mine");
        assert!(file.hold().is_ok());

        fs::rename(&other, &path).unwrap();
        assert!(file.open().is_err() && file.hold().is_err(), "another file");
        fs::remove_file(&path).unwrap();
        fs::write(&other, "other").unwrap();
        symlink(&other, &path).unwrap();
        assert!(file.open().is_err() && file.hold().is_err(), "a link");
        assert!(Settled::of([path.clone()]).is_err());
        fs::rename(root.join("deep"), root.join("away")).unwrap();
        symlink(root.join("away"), root.join("deep")).unwrap();
        assert!(Settled::of([root.join("deep/a")]).is_err(), "a link on the way");
    }

    #[test]
    fn what_is_no_regular_file_is_not_settled_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let pipe = root.join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [pipe.clone(), root.clone(), root.join("missing"), "/dev/zero".into(), "relative".into()] {
            assert_eq!(Settled::of([path.clone()]).unwrap_err().0, path);
        }
        let metadata = fs::metadata(&pipe).unwrap();
        let exchanged = SettledFile { path: pipe, device: metadata.dev(), inode: metadata.ino() };
        assert!(exchanged.open().is_err());
    }
}
