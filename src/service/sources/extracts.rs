//! Extracts in the making: a worker writes them, and is looked at while it does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::failure::error_of;
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SourceId};
use crate::service::app::App;
use crate::store::main::sources;
use crate::worker::pool::{Done, Errand, Reach};
use crate::worker::protocol::{Job, Outcome};

/// After so long it is looked at again what a worker has written.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Where a worker makes an extract, below its own directory.
const EXTRACT: &str = "extract";

impl App {
    /// Has a worker make an extract, which is called off once it takes more than its organisation may keep, or the disk
    /// is nearly full. `job` is given the directory that it goes to, which is there; so is `take`, with what came of it.
    ///
    /// # Errors
    /// `Conflict` and `StorageUnavailable` for those, and what the job itself fails with.
    pub(super) async fn make_extract<T>(
        &self,
        (org, source): (OrgId, SourceId),
        (errand, reach): (&Errand, &Reach),
        job: impl FnOnce(PathBuf) -> Job,
        progress: &mut (dyn FnMut(f64, u64) + Send),
        take: impl FnOnce(Outcome, &Path) -> io::Result<T>,
    ) -> Result<T> {
        let kept = self.store.read_now(|db| Ok(sources::kept_bytes(db, org, Some(source))?))?;
        let most = self.settings.source_quota.saturating_sub(kept);
        let place = OnceLock::new();
        let begin = |scratch: &Path| {
            let into = scratch.join(EXTRACT);
            // Where this fails, the worker says so.
            let _ = std::fs::create_dir(&into);
            let _ = place.set(into.clone());
            job(into)
        };
        let end = |done: Done, scratch: &Path| take(done.outcome, &scratch.join(EXTRACT));
        tokio::select! {
            done = self.pool.background(errand, reach, begin, progress, end) => done.map_err(error_of),
            refusal = self.until_full(&place, most) => Err(refusal),
        }
    }

    /// Waits until a directory takes more than it may, or the disk is nearly full.
    async fn until_full(&self, place: &OnceLock<PathBuf>, most: u64) -> Error {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let Some(place) = place.get() else { continue };
            if let Err(refusal) = self.check_disk() {
                return refusal;
            }
            let place = place.clone();
            let bytes = tokio::task::spawn_blocking(move || kept(&place)).await.unwrap_or_default();
            if bytes > most {
                return Error::Conflict(format!(
                    "The data takes more than the {most} bytes that the organization's other data sources leave; bring \
                     less of it, delete one, or raise `sources.quota`."
                ));
            }
        }
    }
}

/// Bytes of what an extract has so far. Files that it is made by lie beside and go.
fn kept(extract: &Path) -> u64 {
    let files = std::fs::read_dir(extract).into_iter().flatten().flatten();
    let tables = files.filter(|file| Path::new(&file.file_name()).extension().is_some_and(|it| it == "parquet"));
    tables.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
