//! Files of this machine that are read by their paths, again with each sync. They are copied first: whoever may write
//! where they lie can exchange or change them while they are read, and what a worker reads is neither.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::databases::Unread;
use super::fetch::{News, came_before};
use super::files::Progress;
use super::syncs::Lease;
use crate::domain::connection::{Kind, LocalFile};
use crate::domain::error::{Error, Result};
use crate::domain::source::Source;
use crate::service::app::App;

/// What tells one version of a file from the next.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
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

impl App {
    /// Brings the data of a file of this machine, if it is another than the last time.
    pub(super) async fn bring_local_file(
        &self,
        lease: &Lease,
        source: &Source,
        file: &LocalFile,
        progress: &mut Progress,
    ) -> Result<(News, Option<String>)> {
        let _turn = self.fetching.take(lease.org).await?;
        let scratch = self.data.scratch(&format!("sync-{}", lease.sync.prefixed())).map_err(Error::internal)?;
        let path = scratch.path().join("0");
        progress(0.0, 0);
        let (app, from, into) = (self.clone(), PathBuf::from(&file.path), path.clone());
        let (known, limit) = (came_before(source), self.settings.outbound.file_limit);
        let copied = tokio::task::spawn_blocking(move || app.copy_file(&from, &into, limit, known.as_ref())).await;
        let Some(version) = copied.map_err(Error::internal)?? else { return Ok((News::Nothing, None)) };
        self.take_file(lease, source, (path, file.name()), &version, progress).await
    }

    /// Copies a file of this machine, of so many bytes at most; gives how many they are.
    pub(super) async fn copied(&self, file: &LocalFile, into: PathBuf, limit: u64) -> Result<u64> {
        let (app, from) = (self.clone(), PathBuf::from(&file.path));
        let copied = tokio::task::spawn_blocking(move || app.copy_file(&from, &into, limit, None)).await;
        Ok(copied.map_err(Error::internal)??.map_or(0, |version| version.bytes))
    }

    /// Copies the file unless it is the version that is known.
    fn copy_file(&self, from: &Path, into: &Path, limit: u64, known: Option<&Version>) -> Result<Option<Version>> {
        let unavailable = |why: &str| Error::SourceUnavailable(why.to_owned());
        // It was resolved when it was named: what leads elsewhere since then was not meant.
        let settled = self.settle_file(from, Kind::File).map_err(|why| match why {
            Unread::Own => unavailable("The file is of this installation itself; put another there."),
            Unread::File | Unread::Journal => unavailable(
                "There is no file any more where the data source has it, or it is a link now; point it to the file.",
            ),
        })?;
        let [file] = settled.files() else { return Err(Error::internal("one file is several")) };
        let unreadable = |_: io::Error| unavailable("The file cannot be read; see who may read it.");
        let file = file.open().map_err(unreadable)?;
        let version = Version::of(&file.metadata().map_err(unreadable)?);
        if known == Some(&version) {
            return Ok(None);
        }
        if version.bytes > limit {
            return Err(unavailable(&format!("The file is over the limit of {limit} bytes.")));
        }
        let mut out =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(into).map_err(Error::internal)?;
        io::copy(&mut (&file).take(limit), &mut out).map_err(Error::internal)?;
        let same = |file: &File| file.metadata().is_ok_and(|now| Version::of(&now) == version);
        if !same(&file) {
            return Err(unavailable(
                "The file was written to while it was read; sync the data source when it is complete.",
            ));
        }
        Ok(Some(version))
    }
}
