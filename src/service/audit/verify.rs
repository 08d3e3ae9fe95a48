//! Checking the audit log: from its beginning, or from the seal behind which entries are gone, to its end, with every
//! checkpoint on the way: those in the file, the one beside it, and one that was kept elsewhere.

use crate::domain::audit::checkpoint::PublicKey;
use crate::domain::audit::{CheckpointKind, GENESIS, Hash, Signed};
use crate::domain::error::{Error, Result};
use crate::service::app::App;
use crate::store::audit::verify::{Flaw, Walk};
use crate::store::audit::{checkpoints, entries};

/// What is to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    /// From this entry on; by default from the first that is kept.
    pub from: Option<i64>,
    /// Up to this one; by default the last.
    pub to: Option<i64>,
    /// A checkpoint that was kept elsewhere.
    pub known: Option<Signed>,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    /// Entries that are right.
    pub entries: u64,
    /// The entry behind which it began.
    pub after: i64,
    /// The last entry that is right, and its hash.
    pub last: i64,
    /// That entry's hash.
    pub hash: Hash,
    /// Checkpoints that agree.
    pub checkpoints: usize,
    /// The newest of them.
    pub newest: Option<Signed>,
    /// What is wrong first.
    pub finding: Option<Finding>,
}

/// Something wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The entry at which it shows.
    pub seq: i64,
    /// What it is.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An entry.
    Entry(Flaw),
    /// The log ends before this entry, and a checkpoint is of a later one.
    Cut,
    /// A checkpoint of this entry was signed, and not for the hash that it has.
    Contradicted,
    /// A checkpoint of this entry that this installation has not signed.
    Forged,
    /// The text beside the file is no checkpoint.
    HeadFile,
}

impl Fault {
    /// What is wrong, in words that follow "entry 7".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entry(Flaw::Missing) => "is missing",
            Self::Entry(Flaw::Broken) => "does not follow the one before: one of the two was changed or exchanged",
            Self::Entry(Flaw::Unreadable) => "is no entry that this version can read",
            Self::Entry(Flaw::Copies) => "is not what stands beside it for searching",
            Self::Entry(Flaw::Summary) => "ends a block whose summary for searching was changed",
            Self::Cut => "is missing, and a checkpoint says that the log went on: its end was cut off",
            Self::Contradicted => "is not the one whose hash a checkpoint signed: the log was made anew",
            Self::Forged => "has a checkpoint that this installation did not sign",
            Self::HeadFile => "cannot be compared with the file audit.head, which is no checkpoint",
        }
    }
}

impl App {
    /// Checks the log, telling how many entries were checked from time to time. Blocks.
    pub fn verify_audit(&self, extent: Extent, mut progress: impl FnMut(u64)) -> Result<Verified> {
        loop {
            let seal = self.seal_of_audit()?;
            let verified = self.verify_from(extent, seal, &mut progress)?;
            // A server may have let go of entries meanwhile: then it is looked at again from the new beginning.
            if verified.finding.is_none() || self.seal_of_audit()? == seal {
                return Ok(verified);
            }
        }
    }

    fn seal_of_audit(&self) -> Result<Option<Signed>> {
        self.store.read_audit_now(|db| Ok(checkpoints::newest(db, CheckpointKind::Seal)?))
    }

    fn verify_from(&self, extent: Extent, seal: Option<Signed>, progress: &mut impl FnMut(u64)) -> Result<Verified> {
        let keys = self.audit_keys()?;
        let sealed = seal.map_or((0, GENESIS), |signed| (signed.checkpoint.seq, signed.checkpoint.hash));
        let start = match extent.from.map(|from| from - 1).filter(|before| *before > sealed.0) {
            None => Some(sealed),
            Some(before) => {
                self.store.read_audit_now(|db| Ok(entries::hash_of(db, before)?))?.map(|hash| (before, hash))
            }
        };
        let mut verified = Verified::begun(start.unwrap_or(sealed));
        if start.is_none() {
            return Ok(verified.with(extent.from.unwrap_or(0) - 1, Fault::Entry(Flaw::Missing)));
        }
        if let Some(forged) = seal.filter(|seal| !seal.is_by(&keys)) {
            return Ok(verified.with(forged.checkpoint.seq, Fault::Forged));
        }
        let anchors = match self.anchors(extent, verified.after, &keys)? {
            Ok(anchors) => anchors,
            Err(finding) => return Ok(verified.with(finding.seq, finding.fault)),
        };
        let mut walk = Walk::after(verified.after, verified.hash);
        for anchor in anchors {
            if let Some(fault) = self.walk(&mut walk, anchor.checkpoint.seq, &mut verified, progress)? {
                return Ok(verified.with(verified.last + 1, fault));
            }
            if verified.last < anchor.checkpoint.seq {
                let end = self.store.read_audit_now(|db| Ok(entries::head(db)?.0))?;
                let fault = if end > verified.last { Fault::Entry(Flaw::Missing) } else { Fault::Cut };
                return Ok(verified.with(verified.last + 1, fault));
            }
            if verified.hash != anchor.checkpoint.hash {
                return Ok(verified.with(verified.last, Fault::Contradicted));
            }
            verified.checkpoints += 1;
            verified.newest = Some(anchor);
        }
        match self.walk(&mut walk, extent.to.unwrap_or(i64::MAX), &mut verified, progress)? {
            Some(fault) => Ok(verified.with(verified.last + 1, fault)),
            None => Ok(verified),
        }
    }

    /// The checkpoints on the way, in order.
    fn anchors(
        &self,
        extent: Extent,
        after: i64,
        keys: &[PublicKey],
    ) -> Result<std::result::Result<Vec<Signed>, Finding>> {
        let to = extent.to.unwrap_or(i64::MAX);
        let mut anchors = self.store.read_audit_now(|db| Ok(checkpoints::between(db, after, to)?))?;
        match std::fs::read_to_string(self.data.audit_head()) {
            Ok(text) => match Signed::parse(&text) {
                Some(signed) => anchors.push(signed),
                None => return Ok(Err(Finding { seq: 0, fault: Fault::HeadFile })),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::internal(error)),
        }
        anchors.extend(extent.known);
        anchors.retain(|signed| (after.max(1)..=to).contains(&signed.checkpoint.seq));
        anchors.sort_by_key(|signed| (signed.checkpoint.seq, signed.checkpoint.at_ms));
        anchors.dedup();
        let forged = anchors.iter().find(|signed| !signed.is_by(keys));
        Ok(forged
            .map_or(Ok(anchors.clone()), |signed| Err(Finding { seq: signed.checkpoint.seq, fault: Fault::Forged })))
    }

    fn walk(
        &self,
        walk: &mut Walk,
        last: i64,
        verified: &mut Verified,
        progress: &mut impl FnMut(u64),
    ) -> Result<Option<Fault>> {
        loop {
            let went = self.store.read_audit_now(|db| Ok(walk.go_on(db, last)?))?;
            let (seq, hash) = walk.position();
            (verified.last, verified.hash, verified.entries) = (seq, *hash, walk.checked());
            progress(verified.entries);
            match went {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(flaw) => return Ok(Some(Fault::Entry(flaw))),
            }
        }
    }
}

impl Verified {
    fn begun((after, hash): (i64, Hash)) -> Self {
        Self { entries: 0, after, last: after, hash, checkpoints: 0, newest: None, finding: None }
    }

    fn with(self, seq: i64, fault: Fault) -> Self {
        Self { finding: Some(Finding { seq, fault }), ..self }
    }
}
