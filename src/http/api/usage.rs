//! Credits, limits and what calls add up to on the `/api/` face. Wire types are in `http::wire`, rules in
//! `service::usage`.

use poem_openapi::OpenApi;

use super::{FACE, Id, Tag};
use crate::domain::ledger::LedgerFilter;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::Exchanged;
use crate::http::reply::Json;
use crate::http::wire::Counted;
use crate::http::wire::credits::LedgerEntry;
use crate::http::wire::limits::Usage;
use crate::service::app::App;

/// The usage of `/api/`.
pub struct UsageApi(pub App);

#[OpenApi(prefix_path = "/api/usage", tag = "Tag::Usage")]
impl UsageApi {
    /// Get credits, limits and counts of requests.
    #[oai(path = "/", method = "get", operation_id = "usage_get")]
    async fn get(&self, Credential(caller): Credential) -> Reply<Json<Usage>> {
        Ok(Json(Usage::of(&self.0.usage(&caller)?, FACE)))
    }

    /// List the ledger of credits.
    ///
    /// What was granted, held, taken and given back, for whom and for what; it only grows. A month is entered with its
    /// first movement: what was left expires, and the plan's allowance is granted.
    #[oai(path = "/ledger", method = "get", operation_id = "usage_ledger")]
    async fn ledger(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, LedgerFilter>,
        exchange: Exchanged,
    ) -> Reply<Json<Counted<LedgerEntry<Id>>>> {
        let page = self.0.ledger(&caller, &list.0)?;
        Ok(Json(Counted::of(page.map(LedgerEntry::from), &exchange.0)))
    }
}
