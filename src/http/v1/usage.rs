//! Credits, limits and what calls add up to on the `/v1/` face. Wire types are in `http::wire`, rules in
//! `service::usage`.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{FACE, Id, Tag};
use crate::domain::ledger::LedgerFilter;
use crate::http::audit::EventsReply;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::headroom;
use crate::http::list_query::ListQuery;
use crate::http::reply::Json;
use crate::http::stream::Streaming;
use crate::http::usage_query::{Left, Most, OverTime, UsageQuery};
use crate::http::wire::Listing;
use crate::http::wire::credits::LedgerEntry;
use crate::http::wire::limits::{KeyHeadrooms, Usage};
use crate::http::wire::usage::{UsageOfKeys, UsageOfOperations, UsageOfUsers, UsageSeries};
use crate::service::app::App;

/// The usage of `/v1/`.
pub struct UsageApi(pub App);

#[OpenApi(prefix_path = "/v1/usage", tag = "Tag::Usage")]
impl UsageApi {
    /// Get credits, limits and counts of requests.
    #[oai(path = "/", method = "get", operation_id = "usage_get")]
    async fn get(&self, Credential(caller): Credential) -> Reply<Json<Usage>> {
        Ok(Json(Usage::of(&self.0.usage(&caller)?, FACE)))
    }

    /// Get what calls add up to over time.
    ///
    /// A point for each bucket, also for those without calls. A key sees its own figures, a session those of its user;
    /// whoever may read the audit log or manage all keys sees the organization's.
    #[oai(path = "/series", method = "get", operation_id = "usage_series")]
    async fn series(
        &self,
        Credential(caller): Credential,
        asked: UsageQuery<Id, OverTime>,
    ) -> Reply<Json<UsageSeries>> {
        Ok(Json(self.0.usage_series(&caller, asked.0).await?.into()))
    }

    /// Rank the operations that were called most.
    #[oai(path = "/operations", method = "get", operation_id = "usage_operations")]
    async fn operations(
        &self,
        Credential(caller): Credential,
        asked: UsageQuery<Id, Most>,
    ) -> Reply<Json<UsageOfOperations>> {
        Ok(Json(self.0.usage_of_operations(&caller, asked.0).await?.into()))
    }

    /// Rank the keys that called most.
    #[oai(path = "/keys", method = "get", operation_id = "usage_keys")]
    async fn keys(&self, Credential(caller): Credential, asked: UsageQuery<Id, Most>) -> Reply<Json<UsageOfKeys<Id>>> {
        Ok(Json(self.0.usage_of_keys(&caller, asked.0).await?.into()))
    }

    /// Rank the users who called most, by keys and in sessions.
    #[oai(path = "/users", method = "get", operation_id = "usage_users")]
    async fn users(
        &self,
        Credential(caller): Credential,
        asked: UsageQuery<Id, Most>,
    ) -> Reply<Json<UsageOfUsers<Id>>> {
        Ok(Json(self.0.usage_of_users(&caller, asked.0).await?.into()))
    }

    /// Get what keys have left of their limits now.
    ///
    /// Of the key that is asked for; otherwise a key tells of itself, and a session of the keys that work: its user's, or
    /// the organization's for those who manage them, the newest 100. Asking consumes nothing beyond itself.
    #[oai(path = "/headroom", method = "get", operation_id = "usage_headroom")]
    async fn headroom(
        &self,
        Credential(caller): Credential,
        asked: UsageQuery<Id, Left>,
    ) -> Reply<Json<KeyHeadrooms<Id>>> {
        Ok(Json(self.0.headrooms(&caller, asked.0.key.as_ref())?.into()))
    }

    /// Follow what keys have left of their limits.
    ///
    /// Server-sent events: at first one `headroom` for each key, then one whenever a key has less left or more, looked
    /// for once a second. The stream ends, with an event `end` that has the reason, when the credential is revoked or may
    /// no longer know, and when the server stops.
    #[oai(path = "/headroom/stream", method = "get", operation_id = "usage_follow")]
    async fn follow(
        &self,
        Credential(caller): Credential,
        asked: UsageQuery<Id, Left>,
        seconds: Query<Option<u32>>,
        streaming: Streaming,
    ) -> Reply<EventsReply> {
        headroom::follow::<Id>(&self.0, &caller, asked.0.key, seconds.0, streaming)
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
    ) -> Reply<Json<Listing<LedgerEntry<Id>>>> {
        Ok(Json(self.0.ledger(&caller, &list.0)?.map(LedgerEntry::from).into()))
    }
}
