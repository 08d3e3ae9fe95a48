//! Room on the disk: what an organisation may keep, what of it may be on its way, and how much stays free for all.
//!
//! What is kept is bounded by `sources.quota`, asked before data is brought and again before it is pointed at. What is on
//! its way counts as it is written, until it was read or given up. With what was replaced, and goes some minutes later,
//! it may take as much again. What workers make of it is looked at
//! while they do (`extracts`).

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::datadir::Scratch;
use crate::domain::error::{Error, Result};
use crate::domain::id::{OrgId, SourceId};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::store::main::sources;
use crate::store::{Main, Reader};

/// Uploads of one organisation that are under way at a time, those included that were sent and wait to be read.
const UPLOADS_OF_ONE: usize = 32;
/// After so many bytes the disk is looked at again.
const LOOK_EVERY: u64 = 4 << 20;

/// What all organisations have on its way.
#[derive(Clone, Default)]
pub struct Arriving(Arc<Mutex<HashMap<OrgId, Load>>>);

#[derive(Default)]
struct Load {
    uploads: usize,
    bytes: u64,
}

/// A directory for what is on its way, and what that takes of its organisation's room.
pub struct Room {
    scratch: Scratch,
    claim: Option<Claim>,
}

/// An upload of an organisation, given back when it is dropped.
struct Claim {
    app: App,
    org: OrgId,
    /// What it has written.
    bytes: u64,
    /// What the organisation may have on its way.
    most: u64,
    /// What was written since the disk was looked at.
    unseen: u64,
}

impl App {
    /// Room for an upload of the caller's organisation.
    ///
    /// # Errors
    /// `Conflict` when the organisation keeps all that it may, `TooManyOpen` for one upload too many,
    /// `StorageUnavailable` when the disk is nearly full.
    pub(super) async fn upload_room(&self, caller: &Caller) -> Result<Room> {
        let (org, org_uuid) = (caller.org(), caller.identity().holder.org_uuid);
        let kept = self.check_quota(org)?;
        // First, because that bounds how often the disk is looked at.
        let mut claim = Claim::of(self, org)?;
        let directory = self.data.org_sources(org_uuid);
        let stored = tokio::task::spawn_blocking(move || taken(&directory)).await.map_err(Error::internal)?.max(kept);
        let quota = self.settings.source_quota;
        claim.most = (quota - kept).min(quota.saturating_mul(2).saturating_sub(stored));
        let name = format!("upload-{}", self.entropy.uuid(caller.at).simple());
        let scratch = self.data.scratch(&name).map_err(Error::internal)?;
        Ok(Room { scratch, claim: Some(claim) })
    }

    /// Refuses to bring more when an organisation keeps all that it may, or the disk is nearly full. Gives what it keeps.
    pub(super) fn check_quota(&self, org: OrgId) -> Result<u64> {
        self.check_disk()?;
        let used = self.store.read_now(|db| Ok(sources::kept_bytes(db, org, None)?))?;
        if used < self.settings.source_quota {
            return Ok(used);
        }
        Err(Error::Conflict(format!(
            "The organization's data sources take {used} bytes, which is all it may keep; delete one, or raise `sources.quota`."
        )))
    }

    /// Refuses data that is here when it does not fit beside what the organisation's other sources keep.
    pub(super) fn check_fits(&self, db: &Reader<'_, Main>, org: OrgId, source: SourceId, bytes: u64) -> Result<()> {
        let (others, quota) = (sources::kept_bytes(db, org, Some(source))?, self.settings.source_quota);
        if others.saturating_add(bytes) <= quota {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "The data takes {bytes} bytes and that of the organization's other data sources {others}, which is more than \
             the {quota} that it may keep; delete one, or raise `sources.quota`."
        )))
    }

    /// Refuses to write what can be left when the disk is nearly full: what is free then is for what cannot.
    pub(super) fn check_disk(&self) -> Result<()> {
        match self.data.free_bytes() {
            Ok(free) if free < self.settings.free_disk => Err(Error::StorageUnavailable(
                format!("{free} bytes are free on the disk of the data directory, less than `sources.free_disk`")
                    .into(),
            )),
            // What cannot be told refuses nobody.
            _ => Ok(()),
        }
    }

    /// Bytes that a query may spill: of what is free and need not stay so, a share, since others may do the same.
    pub(in crate::service) fn spill(&self) -> u64 {
        let free = self.data.free_bytes().unwrap_or(u64::MAX);
        let share = free.saturating_sub(self.settings.free_disk) / self.pool.width().max(1);
        self.settings.query.spill_bytes.min(share)
    }
}

/// Bytes of all files below a directory: a file with several names once.
fn taken(directory: &Path) -> u64 {
    let (mut open, mut seen, mut bytes) = (vec![directory.to_owned()], HashSet::new(), 0);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => open.push(entry.path()),
                Ok(found) if seen.insert(found.ino()) => bytes += found.len(),
                _ => {}
            }
        }
    }
    bytes
}

impl Room {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Refuses what is announced to be more than there is room for, before it is sent.
    ///
    /// # Errors
    /// `Conflict`.
    pub fn announce(&self, bytes: u64) -> Result<()> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let under_way = claim.app.arriving.0.lock().get(&claim.org).map_or(0, |load| load.bytes);
        claim.check(under_way.saturating_add(bytes))
    }

    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    /// `Conflict` when they are more than the organisation has room for, `StorageUnavailable` when the disk is nearly full.
    pub fn take(&mut self, bytes: u64) -> Result<()> {
        self.claim.as_mut().map_or(Ok(()), |claim| claim.take(bytes))
    }
}

/// Of files that are counted nowhere: those of the server itself.
impl From<Scratch> for Room {
    fn from(scratch: Scratch) -> Self {
        Self { scratch, claim: None }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Room").field(&self.path()).finish()
    }
}

impl Claim {
    fn of(app: &App, org: OrgId) -> Result<Self> {
        let mut all = app.arriving.0.lock();
        let load = all.entry(org).or_default();
        if load.uploads >= UPLOADS_OF_ONE {
            return Err(Error::TooManyOpen { what: "uploads of this organization", limit: UPLOADS_OF_ONE });
        }
        load.uploads += 1;
        Ok(Self { app: app.clone(), org, bytes: 0, most: 0, unseen: 0 })
    }

    fn check(&self, under_way: u64) -> Result<()> {
        if under_way <= self.most {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "The organization's uploads that are under way would take {under_way} bytes, and it has room for {}; send \
             less or later, delete a data source, or raise `sources.quota`.",
            self.most
        )))
    }

    fn take(&mut self, bytes: u64) -> Result<()> {
        self.unseen += bytes;
        if self.unseen >= LOOK_EVERY {
            self.unseen = 0;
            self.app.check_disk()?;
        }
        let mut all = self.app.arriving.0.lock();
        let load = all.entry(self.org).or_default();
        self.check(load.bytes.saturating_add(bytes))?;
        load.bytes += bytes;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut all = self.app.arriving.0.lock();
        if let Some(load) = all.get_mut(&self.org) {
            load.uploads -= 1;
            load.bytes -= self.bytes;
            if load.uploads == 0 {
                all.remove(&self.org);
            }
        }
    }
}
