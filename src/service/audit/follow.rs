//! The log as it grows, and all of it: what streams of it are made of.

use futures_util::Stream;
use serde_json::json;
use tokio::sync::watch;

use super::list::Record;
use crate::domain::access::Permission;
use crate::domain::audit::filter::AuditFilter;
use crate::domain::audit::{Entry, Event, Filter};
use crate::domain::error::{Error, Result};
use crate::domain::id::RequestId;
use crate::domain::page::Order;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::store::Appender;
use crate::store::audit::entries;

/// Entries that are read at a time.
const PART: usize = 256;
/// Entries that are looked at at a time.
const LOOKS: i64 = 16 * 1_024;
/// Entries come many a second at times: whoever follows is told of them together.
const TOGETHER: std::time::Duration = std::time::Duration::from_millis(50);

/// How a stream ended, for the log.
#[derive(Debug, Clone, Copy)]
pub struct StreamEnd {
    /// The call that opened it.
    pub request: RequestId,
    /// The call's operation.
    pub operation: &'static str,
    /// `complete`, `client`, `shutdown`, or the code of what ended it.
    pub reason: &'static str,
    /// Bytes that were sent.
    pub bytes: u64,
    /// How long it was open.
    pub millis: u128,
}

/// For how long somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until everything is read that there is.
    UntilRead,
    /// Until they have enough.
    ForMore,
}

/// Someone who reads on along the log.
struct Reading {
    app: App,
    filter: Filter,
    after: i64,
    /// The last entry that is wanted; none for who waits for more.
    last: Option<i64>,
    committed: Option<watch::Receiver<i64>>,
}

impl App {
    /// The entries after this one, or those that come from now on, as they come; an empty part is no end.
    pub fn follow_audit(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
        after: Option<i64>,
        patience: Patience,
    ) -> Result<impl Stream<Item = Result<Vec<Record>>> + Send + use<>> {
        caller.require(Permission::AuditRead)?;
        let committed = self.store.appender().map(Appender::committed).ok_or(Error::AuditUnavailable)?;
        let end = self.store.read_audit_now(|db| Ok(entries::head(db)?.0))?;
        // Nobody has had what is not there yet.
        let after = after.map_or(end, |after| after.min(end));
        let filter = self.audit_filter(caller, filter)?;
        let (last, committed) = match patience {
            Patience::UntilRead => (Some(end), None),
            Patience::ForMore => (None, Some(committed)),
        };
        Ok(Reading { app: self.clone(), filter, after, last, committed }.parts())
    }

    /// All entries that there are now, oldest first.
    pub fn export_audit(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
    ) -> Result<impl Stream<Item = Result<Vec<Record>>> + Send + use<>> {
        caller.require(Permission::AuditRead)?;
        let last = self.store.read_audit_now(|db| Ok(entries::head(db)?.0))?;
        let filter = self.audit_filter(caller, filter)?;
        Ok(Reading { app: self.clone(), filter, after: 0, last: Some(last), committed: None }.parts())
    }

    /// Writes down how a stream ended.
    pub fn note_stream_end(&self, caller: &Caller, end: &StreamEnd) {
        let Some(appender) = self.store.appender() else { return };
        let detail = json!({
            "request_id": end.request.to_string(),
            "operation": end.operation,
            "reason": end.reason,
            "bytes": end.bytes,
            "seconds": u64::try_from(end.millis / 1_000).unwrap_or(u64::MAX),
        });
        appender.append_unwatched(Entry::Event(Event {
            at_ms: self.clock.now().millis(),
            org: Some(caller.org().raw()),
            kind: "stream_end".into(),
            actor: caller.actor(),
            detail: detail.to_string(),
            digest: None,
        }));
    }
}

impl Reading {
    fn parts(self) -> impl Stream<Item = Result<Vec<Record>>> + Send + use<> {
        futures_util::stream::try_unfold(self, |mut reading| async move {
            Ok(reading.part().await?.map(|records| (records, reading)))
        })
    }

    /// What comes next; `None` at the end of what is wanted.
    async fn part(&mut self) -> Result<Option<Vec<Record>>> {
        loop {
            if self.last.is_some_and(|last| self.after >= last) {
                return Ok(None);
            }
            // Before it is read what there is: what comes meanwhile is then news.
            let end = match &mut self.committed {
                Some(committed) => *committed.borrow_and_update(),
                None => self.last.unwrap_or(self.after),
            };
            let filter = self.filter.clone();
            let (mut records, next) =
                self.app.audit_part(filter, Order::default(), Some(self.after), PART, LOOKS).await?;
            let looked = next.unwrap_or_else(|| records.last().map_or(end, |record| record.seq.max(end)));
            self.after = self.after.max(looked);
            if let Some(last) = self.last {
                records.retain(|record| record.seq <= last);
            }
            if !records.is_empty() || next.is_some() {
                return Ok(Some(records));
            }
            let Some(committed) = &mut self.committed else { return Ok(None) };
            if committed.changed().await.is_err() {
                return Ok(None);
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }
}
