//! Taking over what a worker left: whoever has taken a worker over may have put something else in a file's place, which
//! would lead the server where the worker may not go. What is taken is a plain file of one name, under a name that the
//! worker cannot reach any more, or nothing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Bytes of JSON that the server reads of a worker at once, at most: more than any profile, preview or set of widgets has.
pub const MOST_TOLD: u64 = 256 << 20;

/// Reads a file that has at most so many bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let length = plain(&file.metadata()?)?;
    if length > most {
        return Err(io::Error::other("a worker left more than it may"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may still grow.
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Moves a file to where no worker reaches; its length.
pub fn take(made: &Path, target: &Path) -> io::Result<u64> {
    fs::rename(made, target)?;
    // After it was moved: before that, it could be exchanged for another.
    fs::symlink_metadata(target).and_then(|found| plain(&found)).inspect_err(|_| discard(target))
}

/// The same for a directory of nothing but files, whole and durable.
pub fn take_all(made: &Path, target: &Path) -> io::Result<()> {
    fs::rename(made, target)?;
    let look = || {
        if !fs::symlink_metadata(target)?.is_dir() {
            return Err(io::Error::other("a worker left something else in the place of a directory"));
        }
        for entry in fs::read_dir(target)? {
            plain(&entry?.metadata()?)?;
        }
        Ok(())
    };
    look().inspect_err(|_| discard(target))?;
    target.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Removes what was taken and is not wanted, whatever it is.
fn discard(target: &Path) {
    let _ = fs::remove_file(target).or_else(|_| fs::remove_dir_all(target));
}

/// The length of a plain file that has one name.
fn plain(found: &Metadata) -> io::Result<u64> {
    if found.is_file() && found.nlink() == 1 {
        Ok(found.len())
    } else {
        Err(io::Error::other("a worker left something else in the place of a file"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_file_of_one_name_is_taken_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let (outside, made, target) =
            (directory.path().join("outside"), directory.path().join("made"), directory.path().join("target"));
        fs::write(&outside, "of others").unwrap();
        let refuses = || {
            assert!(read(&made, 100).is_err());
            assert!(take(&made, &target).is_err());
            assert!(fs::symlink_metadata(&target).is_err());
        };
        symlink(&outside, &made).unwrap();
        refuses();
        fs::hard_link(&outside, &made).unwrap();
        refuses();
        mknodat(CWD, &made, FileType::Fifo, Mode::RWXU, 0).unwrap();
        refuses();
        fs::create_dir(&made).unwrap();
        symlink(&outside, made.join("result")).unwrap();
        refuses();
        assert_eq!(fs::read(&outside).unwrap(), b"of others");
        fs::write(&made, "of its own").unwrap();
        assert_eq!(read(&made, 100).unwrap(), b"of its own");
        assert!(read(&made, 9).is_err());
        assert_eq!(take(&made, &target).unwrap(), 10);
    }

    #[test]
    fn a_directory_is_taken_when_each_of_its_files_is_plain() {
        let directory = tempfile::tempdir().unwrap();
        let (made, target) = (directory.path().join("made"), directory.path().join("target"));
        let make = |with_link: bool| {
            fs::create_dir(&made).unwrap();
            fs::write(made.join("flights.parquet"), "rows").unwrap();
            if with_link {
                symlink("/etc/passwd", made.join("airlines.parquet")).unwrap();
            }
        };
        make(true);
        assert!(take_all(&made, &target).is_err());
        assert!(!target.exists());
        make(false);
        take_all(&made, &target).unwrap();
        assert_eq!(fs::read(target.join("flights.parquet")).unwrap(), b"rows");
        symlink(&target, &made).unwrap();
        assert!(take_all(&made, &directory.path().join("other")).is_err());
        assert!(target.join("flights.parquet").exists());
    }
}
