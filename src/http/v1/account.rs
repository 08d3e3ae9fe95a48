//! The caller on the `/v1/` face: its credential, its user and organization.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{Id, Tag};
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::params::Exchanged;
use crate::http::reply::{Changed, Created, Json, One};
use crate::http::wire::organization::{NewSandbox, Organization, OrganizationPatch};
use crate::http::wire::session::Verification;
use crate::service::app::App;

/// The account of `/v1/`.
pub struct AccountApi(pub App);

#[OpenApi(prefix_path = "/v1", tag = "Tag::Account")]
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

    /// Get the caller's organization with its plan and credits.
    #[oai(path = "/organization", method = "get", operation_id = "organization_get")]
    async fn organization(&self, Credential(caller): Credential) -> Reply<One<Organization<Id>>> {
        Ok(One(self.0.own_organization(&caller)?.into()))
    }

    /// Rename the organization.
    #[oai(path = "/organization", method = "patch", operation_id = "organization_update")]
    async fn rename(
        &self,
        Credential(caller): Credential,
        Body(patch): Body<OrganizationPatch>,
    ) -> Reply<Changed<Organization<Id>>> {
        Ok(Changed(self.0.rename_organization(&caller, &patch.name).await?.into()))
    }

    /// Make the organization's sandbox.
    ///
    /// A second organization for trying things out, with `test` keys, with sources, dashboards, keys and credits of its
    /// own, and with the same people in the same roles. `POST /api/auth/sandbox/` begins a session in it.
    #[oai(path = "/organization/sandbox", method = "post", operation_id = "organization_sandbox")]
    async fn sandbox(
        &self,
        Credential(caller): Credential,
        Body(new): Body<NewSandbox>,
    ) -> Reply<Created<Organization<Id>>> {
        Ok(Created(self.0.make_sandbox(&caller, new.name).await?.into()))
    }
}
