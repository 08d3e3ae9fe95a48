//! The caller on the `/api/` face: its user and organization.

use poem_openapi::OpenApi;

use super::{Id, Tag};
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::reply::{Changed, Created, One};
use crate::http::wire::organization::{NewSandbox, Organization, OrganizationPatch};
use crate::service::app::App;

/// The account of `/api/`.
pub struct AccountApi(pub App);

#[OpenApi(prefix_path = "/api", tag = "Tag::Account")]
impl AccountApi {
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
