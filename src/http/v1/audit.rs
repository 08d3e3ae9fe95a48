//! The audit log on the `/v1/` face. Wire types are in `http::wire::audit`, rules in `service::audit`.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{Id, Tag};
use crate::domain::audit::filter::AuditFilter;
use crate::domain::id::AuditEntry as EntryOf;
use crate::http::audit::{self, EventsReply, ExportFormat, ExportReply};
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::{Filtered, ListQuery};
use crate::http::params::Named;
use crate::http::reply::{Json, One};
use crate::http::stream::Streaming;
use crate::http::wire::Listing;
use crate::http::wire::audit::AuditEntry;
use crate::service::app::App;

/// The audit log of `/v1/`.
pub struct AuditApi(pub App);

#[OpenApi(prefix_path = "/v1/audit", tag = "Tag::Audit")]
impl AuditApi {
    /// List the entries of the audit log.
    ///
    /// Each call of the organization is one, and each change that no call made. A page may have fewer entries than
    /// `limit`, and a cursor, when few of many entries meet the filters, or when
    /// what they changed is long.
    #[oai(path = "/", method = "get", operation_id = "audit_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, AuditFilter>,
    ) -> Reply<Json<Listing<AuditEntry<Id>>>> {
        let page = self.0.audit_entries(&caller, &list.0).await?;
        Ok(Json(page.map(AuditEntry::from).into()))
    }

    /// Follow the audit log as it grows.
    ///
    /// Server-sent events: each entry is one, with its number as `id` and the entry as JSON. A client that comes back
    /// with `Last-Event-ID` goes on behind that entry. The stream ends, with an event `end` that has the reason, when the
    /// credential is revoked or may no longer read the log, and when the server stops.
    #[oai(path = "/stream", method = "get", operation_id = "audit_follow")]
    async fn follow(
        &self,
        Credential(caller): Credential,
        filter: Filtered<Id, AuditFilter>,
        seconds: Query<Option<u32>>,
        streaming: Streaming,
    ) -> Reply<EventsReply> {
        audit::follow::<Id>(&self.0, &caller, &filter.0, seconds.0, streaming)
    }

    /// Export the audit log.
    ///
    /// All entries that meet the filters, oldest first: a line of JSON for each, or CSV with a heading. The answer is
    /// written while it is sent; one that breaks off is cut, without the chunk that ends it.
    #[oai(path = "/export", method = "get", operation_id = "audit_export")]
    async fn export(
        &self,
        Credential(caller): Credential,
        filter: Filtered<Id, AuditFilter>,
        format: Query<Option<ExportFormat>>,
        streaming: Streaming,
    ) -> Reply<ExportReply> {
        audit::export::<Id>(&self.0, &caller, &filter.0, format.0, streaming)
    }

    /// Get an entry of the audit log.
    #[oai(path = "/:id", method = "get", operation_id = "audit_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<EntryOf>) -> Reply<One<AuditEntry<Id>>> {
        Ok(One(self.0.audit_entry(&caller, &id.id, &id.spelled)?.into()))
    }
}
