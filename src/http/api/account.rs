//! The caller on the `/api/` face: its user and organization, its limits and credits.

use poem_openapi::OpenApi;

use super::{FACE, Id, Tag};
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::reply::{Json, One};
use crate::http::wire::limits::Usage;
use crate::http::wire::organization::Organization;
use crate::http::wire::user::User;
use crate::service::app::App;

/// The account of `/api/`.
pub struct AccountApi(pub App);

#[OpenApi(prefix_path = "/api", tag = "Tag::Account")]
impl AccountApi {
    /// Get credits, limits and counts of requests.
    #[oai(path = "/usage", method = "get", operation_id = "usage_get")]
    async fn usage(&self, Credential(caller): Credential) -> Reply<Json<Usage>> {
        Ok(Json(Usage::of(&self.0.usage(&caller)?, FACE)))
    }

    /// Get the caller's own user.
    #[oai(path = "/users/me", method = "get", operation_id = "users_me")]
    async fn me(&self, Credential(caller): Credential) -> Reply<One<User<Id>>> {
        Ok(One(self.0.own_user(&caller)?.into()))
    }

    /// Get the caller's organization with its plan and credits.
    #[oai(path = "/organization", method = "get", operation_id = "organization_get")]
    async fn organization(&self, Credential(caller): Credential) -> Reply<One<Organization<Id>>> {
        Ok(One(self.0.own_organization(&caller)?.into()))
    }
}
