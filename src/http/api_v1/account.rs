//! The caller on the `/api/v1/` face: its credential, its limits and credits.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{FACE, Id, Tag};
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::params::Exchanged;
use crate::http::reply::Json;
use crate::http::wire::limits::Usage;
use crate::http::wire::session::Verification;
use crate::service::app::App;

/// The account of `/api/v1/`.
pub struct AccountApi(pub App);

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Account")]
impl AccountApi {
    /// Verify a credential.
    ///
    /// Tells what it is, what it may do now, and what is left of its limits. With `explain` it also tells whether that
    /// call would be allowed now, and which of scope, role, plan, address and limit refuses it; with `address`, whether
    /// it would be if it came from there.
    #[oai(path = "/auth/verify", method = "get", operation_id = "auth_verify")]
    async fn verify(
        &self,
        Credential(caller): Credential,
        explain: Query<Option<String>>,
        address: Query<Option<String>>,
        exchange: Exchanged,
    ) -> Reply<Json<Verification<Id>>> {
        let question = exchange.0.question(explain.0.as_deref(), address.0.as_deref())?;
        Ok(Json(Verification::of(&caller, self.0.verify(&caller, question)?)))
    }

    /// Get credits, limits and counts of requests.
    #[oai(path = "/usage", method = "get", operation_id = "usage_get")]
    async fn usage(&self, Credential(caller): Credential) -> Reply<Json<Usage>> {
        Ok(Json(Usage::of(&self.0.usage(&caller)?, FACE)))
    }
}
