//! Letting go of entries that were kept for as long as they had to be.
//!
//! In this order, each committed before the next: what changed and no call covers is adopted, an event says what goes, a
//! seal signs the hash at the cut, the entries go. Cut off anywhere, the next time goes on there.

use std::time::Duration;

use serde_json::json;

use crate::domain::audit::{CheckpointKind, Entry, Event};
use crate::domain::error::{Error, Result};
use crate::domain::time::Timestamp;
use crate::service::adopt::Adopt;
use crate::service::app::App;
use crate::store::audit::{blocks, checkpoints, entries};

/// A change that is older belongs to no call that is under way.
const SETTLED: Duration = Duration::from_secs(86_400);

impl App {
    /// Lets go of what is older than the setting says, in whole blocks. Blocks.
    pub fn forget_entries(&self) -> Result<()> {
        let Some(appender) = self.store.appender() else { return Ok(()) };
        let now = self.clock.now();
        let cut = before(now, self.settings.audit.retention);
        let (last, seal, first) = self.store.read_audit_now(|db| {
            let seal = checkpoints::newest(db, CheckpointKind::Seal)?.map_or(0, |signed| signed.checkpoint.seq);
            Ok((blocks::older_than(db, cut.millis())?.unwrap_or(0), seal, entries::first(db)?))
        })?;
        let seal = if last > seal { self.seal(first.unwrap_or(0), last, now)? } else { seal };
        while !self.store.read_audit_now(|db| Ok(checkpoints::is_forgotten(db, seal)?))? {
            checkpoints::forget(appender, seal).committed_now()?;
        }
        Ok(())
    }

    fn seal(&self, first: i64, last: i64, now: Timestamp) -> Result<i64> {
        let Some(appender) = self.store.appender() else { return Err(Error::AuditUnavailable) };
        // The call that covers a change may be about to go.
        self.adopt_changes(Adopt::Before(before(now, SETTLED)))?;
        let hash = self.store.read_audit_now(|db| Ok(entries::hash_of(db, last)?))?;
        let hash = hash.ok_or_else(|| Error::internal(format!("the audit log has no entry {last}")))?;
        let event = Event {
            at_ms: now.millis(),
            org: None,
            kind: "retention".into(),
            actor: "server".to_owned(),
            detail: json!({"first": first, "last": last, "hash": hex::encode(hash)}).to_string(),
            digest: None,
        };
        appender.append(Entry::Event(event)).committed_now()?;
        checkpoints::insert(appender, self.sign(CheckpointKind::Seal, last, hash)?).committed_now()?;
        tracing::info!(first, last, "entries of the audit log were kept long enough and go");
        Ok(last)
    }
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(span))
}
