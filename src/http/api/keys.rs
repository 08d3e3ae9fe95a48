//! API keys on the `/api/` face. Wire types are in `http::wire::key`, rules in `service::keys`.

use poem_openapi::OpenApi;

use super::{Id, Tag};
use crate::domain::id::Key as KeyOf;
use crate::domain::key::KeyFilter;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::{Exchanged, Named};
use crate::http::reply::{Changed, Created, Json, One};
use crate::http::wire::key::{
    Key, KeyActivity, KeyPatch, LeakReport, NewKey, Received, RevokeAllRequest, RevokeRequest, RevokedKeys,
    RotateRequest,
};
use crate::http::wire::{Counted, Deleted, Spelling};
use crate::service::app::App;

/// The keys of `/api/`.
pub struct KeysApi(pub App);

#[OpenApi(prefix_path = "/api/api-keys", tag = "Tag::Keys")]
impl KeysApi {
    /// List API keys.
    ///
    /// One's own; those who manage all keys see the organization's.
    #[oai(path = "/", method = "get", operation_id = "keys_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, KeyFilter>,
        exchange: Exchanged,
    ) -> Reply<Json<Counted<Key<Id>>>> {
        let page = self.0.keys(&caller, &list.0)?;
        Ok(Json(Counted::of(page.map(|key| Key::of(key, caller.at)), &exchange.0)))
    }

    /// Create an API key.
    ///
    /// The key itself is in this answer and nowhere else.
    #[oai(path = "/", method = "post", operation_id = "keys_create")]
    async fn create(&self, Credential(caller): Credential, Body(new): Body<NewKey>) -> Reply<Created<Key<Id>>> {
        let kept = move |view| Created(Key::<Id>::withheld(view, caller.at));
        Ok(Created(Key::made(self.0.create_key(&caller, new.into(), kept).await?, caller.at)))
    }

    /// Get an API key.
    #[oai(path = "/:id", method = "get", operation_id = "keys_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<KeyOf>) -> Reply<One<Key<Id>>> {
        Ok(One(Key::of(self.0.key(&caller, &id.id, &id.spelled)?, caller.at)))
    }

    /// Change an API key that still works.
    ///
    /// Its name, expiry, networks and reminder. It can be given fewer permissions, never more.
    #[oai(path = "/:id", method = "patch", operation_id = "keys_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<KeyOf>,
        Body(patch): Body<KeyPatch>,
    ) -> Reply<Changed<Key<Id>>> {
        let key = self.0.update_key(&caller, &id.id, &id.spelled, patch.into()).await?;
        Ok(Changed(Key::of(key, caller.at)))
    }

    /// Rotate an API key into a new one.
    ///
    /// The new key has the same name, rights, networks and limits, and is valid for as long as the older one was made
    /// for; what counts against limits and as usage goes with the pair. The older one works for a grace period.
    #[oai(path = "/:id/rotate", method = "post", operation_id = "keys_rotate")]
    async fn rotate(
        &self,
        Credential(caller): Credential,
        id: Named<KeyOf>,
        Body(request): Body<RotateRequest>,
    ) -> Reply<Created<Key<Id>>> {
        let kept = move |view| Created(Key::<Id>::withheld(view, caller.at));
        let made = self.0.rotate_key(&caller, &id.id, &id.spelled, request.grace(), kept).await?;
        Ok(Created(Key::made(made, caller.at)))
    }

    /// Revoke all of one's API keys at once.
    ///
    /// The calling key is one of them; sessions go on.
    #[oai(path = "/revoke-all", method = "post", operation_id = "keys_revoke_all")]
    async fn revoke_all(
        &self,
        Credential(caller): Credential,
        Body(request): Body<RevokeAllRequest>,
    ) -> Reply<Json<RevokedKeys>> {
        let (reach, reason) = request.read();
        let revoked = self.0.revoke_keys(&caller, reach, reason).await?;
        Ok(Json(RevokedKeys { revoked: revoked as u64 }))
    }

    /// Report a leaked API key, which revokes it at once.
    ///
    /// For whoever finds one. The answer is the same whatever becomes of it; reports are limited by address.
    #[oai(path = "/report-leak", method = "post", operation_id = "keys_report_leak")]
    async fn report_leak(&self, Body(report): Body<LeakReport>, exchange: Exchanged) -> Reply<Json<Received>> {
        let (text, exchange) = (report.read(), exchange.0);
        self.0.report_leak(text.as_ref(), exchange.request, exchange.address, exchange.at).await?;
        Ok(Json(Received { received: true }))
    }

    /// Get what an API key was used for.
    ///
    /// Counts are rolling: those of 24 hours to the minute, those of 7 and 30 days to the hour.
    #[oai(path = "/:id/activity", method = "get", operation_id = "keys_activity")]
    async fn activity(&self, Credential(caller): Credential, id: Named<KeyOf>) -> Reply<Json<KeyActivity>> {
        Ok(Json(self.0.key_activity(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Revoke an API key at once, with a reason.
    ///
    /// The second time it is the same answer.
    #[oai(path = "/:id/revoke", method = "post", operation_id = "keys_revoke")]
    async fn revoke(
        &self,
        Credential(caller): Credential,
        id: Named<KeyOf>,
        Body(request): Body<RevokeRequest>,
    ) -> Reply<Changed<Key<Id>>> {
        let key = self.0.revoke_key(&caller, &id.id, &id.spelled, request.reason).await?;
        Ok(Changed(Key::of(key, caller.at)))
    }

    /// Revoke an API key at once.
    ///
    /// The key stays in the list, as revoked. The second time it is the same answer.
    #[oai(path = "/:id", method = "delete", operation_id = "keys_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<KeyOf>) -> Reply<Json<Deleted<Id>>> {
        let view = self.0.revoke_key(&caller, &id.id, &id.spelled, None).await?;
        Ok(Json(Deleted::of(Id::of(view.key.id, view.key.uuid))))
    }
}
