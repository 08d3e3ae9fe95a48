//! That a database is read of the files that it was settled to be of, though SQLite opens them by their names.
//!
//! Where the kernel has Landlock, nothing else can be opened at all. Where it has not, and because one lock is not many,
//! what SQLite has opened is looked at before anything is read for anybody; and a copy is taken of the files themselves.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::domain::connection::SqliteFile;
use crate::engine::connect::fault::Fault;
use crate::worker::protocol::{DESCRIPTORS, SettledFile};

/// How a journal ends that is one of several of the same transaction: before it stands the name of yet another file,
/// which SQLite would read and remove.
const OF_SEVERAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Where a database says how it is read: 2 where it has a write-ahead log.
const READ_VERSION: usize = 19;

/// The regular files that this process has open: descriptor, device and inode.
pub struct Descriptors(BTreeSet<(u32, u64, u64)>);

impl Descriptors {
    /// Those of this moment. They are asked for one by one, for a confined process cannot list them.
    pub fn now() -> Result<Self, Fault> {
        let find = |number: u32| match fs::metadata(format!("/proc/self/fd/{number}")) {
            Ok(found) if found.is_file() => Some((number, found.dev(), found.ino())),
            _ => None,
        };
        // Where nothing is said of any, not even of the socket that the job came by, nothing can be known.
        fs::metadata("/proc/self/fd/0").map_err(|error| unknown(&error))?;
        Ok(Self((0..DESCRIPTORS).filter_map(find).collect()))
    }

    /// Fails unless the database is what was opened since then, and nothing but it and its journals.
    pub fn check(&self, before: &Self, path: &Path, files: &[SettledFile]) -> Result<(), Fault> {
        let opened = |file: &SettledFile| self.0.iter().any(|(_, device, inode)| file.is(*device, *inode));
        let mut new = self.0.difference(&before.0);
        let is_known = new.all(|(_, device, inode)| files.iter().any(|file| file.is(*device, *inode)));
        match is_known && files.iter().any(|file| file.path == path && opened(file)) {
            true => Ok(()),
            false => Err(exchanged()),
        }
    }
}

/// The file by a name that has SQLite make no shared memory beside it.
pub fn as_uri(path: &Path) -> Result<String, Fault> {
    let path = path.to_str().ok_or_else(|| Fault::NoDatabase("its name is not Unicode".to_owned()))?;
    let mut uri = "file:".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str("?readonly_shm=1");
    Ok(uri)
}

/// Whether SQLite would make a write-ahead log beside the file to read it.
pub fn lacks_its_log(path: &Path, files: &[SettledFile]) -> Result<bool, Fault> {
    let [_, wal, ..] = SqliteFile::all_of(path);
    if files.iter().any(|file| file.path == wal) {
        return Ok(false);
    }
    let mut head = Vec::new();
    let read = find(path, files)?.open().and_then(|file| file.take(100).read_to_end(&mut head));
    read.map_err(|error| unread(&error))?;
    Ok(head.get(READ_VERSION) == Some(&2))
}

/// Copies the file with what belongs to it; nobody may change it meanwhile.
pub fn copy(path: &Path, files: &[SettledFile], copy: &Path) -> Result<(), Fault> {
    // What lies in shared memory is made anew.
    let [main, wal, _, journal] = SqliteFile::all_of(path);
    let [main_copy, wal_copy, _, journal_copy] = SqliteFile::all_of(copy);
    let mut opened = vec![(find(&main, files)?.open().map_err(|error| unread(&error))?, &main_copy)];
    for (journal, copy) in [(&wal, &wal_copy), (&journal, &journal_copy)] {
        match files.iter().find(|file| file.path == *journal) {
            Some(file) => opened.push((file.open().map_err(|error| unread(&error))?, copy)),
            None if journal.symlink_metadata().is_ok() => return Err(exchanged()),
            None => {}
        }
    }
    let copied = || {
        let before = state(&opened)?;
        for (file, copy) in &opened {
            io::copy(&mut &*file, &mut File::create(copy)?)?;
        }
        io::Result::Ok(state(&opened)? == before)
    };
    if !copied().map_err(|error| unread(&error))? {
        return Err(exchanged());
    }
    if names_another(&journal_copy).map_err(|error| unread(&error))? {
        let several = "it is one of several files of a transaction that was broken off; open it once with the program \
                       that writes it";
        return Err(Fault::NoDatabase(several.to_owned()));
    }
    Ok(())
}

/// Length and last change of each.
fn state(files: &[(File, &PathBuf)]) -> io::Result<Vec<(u64, SystemTime)>> {
    let of = |file: &File| file.metadata().and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
    files.iter().map(|(file, _)| of(file)).collect()
}

/// Whether the journal, which may not be there, names a further file.
fn names_another(journal: &Path) -> io::Result<bool> {
    let Ok(mut journal) = File::open(journal) else { return Ok(false) };
    let mut end = [0; OF_SEVERAL.len()];
    if journal.metadata()?.len() < end.len() as u64 {
        return Ok(false);
    }
    journal.seek(SeekFrom::End(-8))?;
    journal.read_exact(&mut end)?;
    Ok(end == OF_SEVERAL)
}

fn find<'f>(path: &Path, files: &'f [SettledFile]) -> Result<&'f SettledFile, Fault> {
    files.iter().find(|file| file.path == path).ok_or_else(exchanged)
}

fn exchanged() -> Fault {
    Fault::Lost("another program changed the file meanwhile".to_owned())
}

fn unread(error: &io::Error) -> Fault {
    // What the system does not say is said of files that are others now.
    if error.raw_os_error().is_none() || error.kind() == io::ErrorKind::NotFound {
        return exchanged();
    }
    Fault::NoDatabase(format!("it cannot be opened ({error})"))
}

fn unknown(error: &io::Error) -> Fault {
    Fault::Lost(format!("this machine does not tell which files are open ({error})"))
}

#[cfg(test)]
mod tests;
