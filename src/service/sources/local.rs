//! Files of this machine that are read by their paths, again with each sync. They are copied first: whoever may write
//! where they lie can exchange or change them while they are read, and what a worker reads is neither.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Room;
use super::databases::Unread;
use super::fetch::{News, came_before};
use super::files::Progress;
use super::syncs::Lease;
use crate::domain::connection::{Kind, LocalFile};
use crate::domain::error::{Error, Result};
use crate::domain::source::Source;
use crate::service::app::App;

/// Bytes that are copied at a time.
const LOT: usize = 1 << 20;

/// What tells one version of a file from the next.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    device: u64,
    inode: u64,
    bytes: u64,
    /// When its content was changed, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// When anything of it was: whoever sets the other time sets this one to now.
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Has a copy end that nobody waits for any more.
struct Waited(Arc<AtomicBool>);

impl Drop for Waited {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl App {
    /// Brings the data of a file of this machine, if it is another than the last time.
    pub(super) async fn bring_local_file(
        &self,
        lease: &Lease,
        source: &Source,
        file: &LocalFile,
        progress: &mut Progress,
    ) -> Result<(News, Option<String>)> {
        let _turn = self.copying.take(lease.org).await?;
        let scratch = self.data.scratch(&format!("sync-{}", lease.sync.prefixed())).map_err(Error::internal)?;
        let path = scratch.path().join("0");
        progress(0.0, 0);
        let known = (self.settings.job_timeout, came_before(source));
        let (copied, _) = self.copied(file, &path, known, None).await?;
        let Some(version) = copied else { return Ok((News::Nothing, None)) };
        self.take_file(lease, source, (path, file.name()), &version, progress).await
    }

    /// Copies a file of this machine unless it is the version that is known; its bytes are counted in the room, which comes
    /// back. A file system that hangs is waited for no longer than the deadline.
    pub(super) async fn copied(
        &self,
        file: &LocalFile,
        into: &Path,
        (deadline, known): (Duration, Option<Version>),
        mut room: Option<Room>,
    ) -> Result<(Option<Version>, Option<Room>)> {
        let (app, from, into) = (self.clone(), PathBuf::from(&file.path), into.to_owned());
        let waited = Waited(Arc::default());
        let is_late = waited.0.clone();
        let copying = tokio::task::spawn_blocking(move || {
            let count = |bytes| match is_late.load(Ordering::Relaxed) {
                true => Err(late()),
                false => room.as_mut().map_or(Ok(()), |room| room.take(bytes)),
            };
            let copied = app.copy_file(&from, &into, known.as_ref(), count)?;
            Ok((copied, room))
        });
        let copied = tokio::time::timeout(deadline, copying).await;
        copied.map_err(|_| late())?.map_err(Error::internal)?
    }

    /// Copies the file unless it is the version that is known.
    fn copy_file(
        &self,
        from: &Path,
        into: &Path,
        known: Option<&Version>,
        mut count: impl FnMut(u64) -> Result<()>,
    ) -> Result<Option<Version>> {
        // It was resolved when it was named: what leads elsewhere since then was not meant.
        let settled = self.settle_file(from, Kind::File).map_err(|why| match why {
            Unread::Own => unavailable("The file is of this installation itself; put another there."),
            Unread::File | Unread::Journal => unavailable(
                "There is no file any more where the data source has it, or it is a link now; point it to the file.",
            ),
        })?;
        let [file] = settled.files() else { return Err(Error::internal("one file is several")) };
        let unreadable = |_: io::Error| unavailable("The file cannot be read; see who may read it.");
        let mut file = file.open().map_err(unreadable)?;
        let version = Version::of(&file.metadata().map_err(unreadable)?);
        if known == Some(&version) {
            return Ok(None);
        }
        let limit = self.settings.outbound.file_limit;
        let mut out =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(into).map_err(Error::internal)?;
        let (mut lot, mut bytes) = (vec![0; LOT], 0);
        loop {
            let read = file.read(&mut lot).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            if bytes > limit {
                return Err(unavailable(&format!(
                    "The file is over the limit of {limit} bytes; split it, or raise `outbound.file_limit`."
                )));
            }
            count(read as u64)?;
            out.write_all(&lot[..read]).map_err(Error::internal)?;
        }
        let is_same = file.metadata().is_ok_and(|now| Version::of(&now) == version) && bytes == version.bytes;
        let torn = "The file was written to while it was read; try again when it is complete.";
        if is_same { Ok(Some(version)) } else { Err(unavailable(torn)) }
    }
}

fn late() -> Error {
    unavailable("The file did not come in time; try again, or see whether its disk answers.")
}

fn unavailable(why: &str) -> Error {
    Error::SourceUnavailable(why.to_owned())
}
