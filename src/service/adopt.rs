//! Bringing the chain up to date with what changed without a call: commands beside a server, work in the background,
//! and calls that a crash cut off between their two commits.

use std::collections::HashSet;

use serde_json::json;

use super::app::App;
use crate::domain::audit::{Entry, Event};
use crate::domain::error::Result;
use crate::domain::id::RequestId;
use crate::domain::time::Timestamp;
use crate::store::audit::{entries, requests};
use crate::store::main::changes::{self, Change};

/// How many changes are looked at in one go.
const PAGE: u32 = 500;
/// The change up to which everything is in the chain.
const MARK: &str = "adopted_change";

/// Which changes may be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// All that no call covers: no call is under way.
    All,
    /// All that no call covers, of those older than this: none of their calls is under way.
    Before(Timestamp),
    /// Those that never belonged to a call.
    WithoutRequest,
}

impl App {
    /// Appends an event for each change that the chain does not cover. Gives how many.
    pub fn adopt_changes(&self, which: Adopt) -> Result<usize> {
        let Some(appender) = self.store.appender() else { return Ok(0) };
        let mut seen = self.adopted.lock();
        // What was looked at in this run needs no second look: ids only grow, and calls under way are left to their end.
        let mark = self.store.read_audit_now(|db| Ok(entries::mark(db, MARK)?))?;
        let mut position = match which {
            // Of what was looked at in this run, changes of calls were left.
            Adopt::Before(_) => mark,
            Adopt::All | Adopt::WithoutRequest => mark.max(*seen),
        };
        let mut adopted = 0;
        loop {
            let mut page = self.store.read_now(|db| Ok(changes::after(db, position, PAGE)?))?;
            if let Adopt::Before(instant) = which {
                let settled = page.iter().take_while(|change| change.at < instant).count();
                page.truncate(settled);
            }
            let Some(last) = page.last() else { break };
            position = last.id;
            let (mut receipts, mut queued) = (Vec::new(), HashSet::new());
            for change in &page {
                // Equal changes of one millisecond have one digest where an earlier version wrote them.
                if self.is_missing(change, which)? && queued.insert(half_digest(change)) {
                    receipts.push(appender.append(event(change)));
                }
            }
            adopted += receipts.len();
            for receipt in receipts {
                receipt.committed_now()?;
            }
            *seen = position.max(*seen);
            // A change of a call under way must be found again at the next start.
            if which != Adopt::WithoutRequest {
                appender.set_mark(MARK, position);
            }
        }
        Ok(adopted)
    }

    fn is_missing(&self, change: &Change, which: Adopt) -> Result<bool> {
        match (change.request, which) {
            (Some(_), Adopt::WithoutRequest) => Ok(false),
            (Some(request), Adopt::All | Adopt::Before(_)) if self.has_call(RequestId(request))? => Ok(false),
            _ => Ok(!self.store.read_audit_now(|db| Ok(entries::has_adopted(db, &half_digest(change))?))?),
        }
    }

    fn has_call(&self, request: RequestId) -> Result<bool> {
        Ok(self.store.read_audit_now(|db| Ok(requests::find(db, request)?))?.is_some())
    }
}

/// What the chain finds an adopted change by.
fn half_digest(change: &Change) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&change.digest[..16]);
    half
}

fn event(change: &Change) -> Entry {
    Entry::Event(Event {
        at_ms: change.at.millis(),
        org: change.org.map(crate::domain::id::OrgId::raw),
        kind: "change".into(),
        actor: change.actor.clone(),
        detail: json!({"action": change.action, "object": change.object, "origin": change.origin}).to_string(),
        digest: Some(change.digest),
    })
}
