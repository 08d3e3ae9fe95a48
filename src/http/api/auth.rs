//! Sessions and the caller's status on the platform face.

use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::{Id, Tag};
use crate::domain::user::Purpose;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::params::Exchanged;
use crate::http::reply::Json;
use crate::http::wire::Nothing;
use crate::http::wire::session::{AccessToken, LoginRequest, RefreshRequest, Status, Tokens, Verification};
use crate::http::wire::user::{ChosenPassword, User};
use crate::service::app::App;

/// Authentication on `/api/`.
pub struct AuthApi(pub App);

#[OpenApi(prefix_path = "/api/auth", tag = "Tag::Authentication")]
impl AuthApi {
    /// Log in.
    ///
    /// Gives an access token for an hour and a refresh token for seven days.
    #[oai(path = "/login", method = "post", operation_id = "auth_login")]
    async fn login(&self, Body(login): Body<LoginRequest>, exchange: Exchanged) -> Reply<Json<Tokens>> {
        let (email, password) = login.read();
        let (tokens, caller) = self.0.login(&email, password, exchange.0.arrival()).await?;
        let _ = exchange.0.arrived.set(caller);
        Ok(Json(tokens.into()))
    }

    /// Get a new access token.
    ///
    /// The refresh token stays as it is.
    #[oai(path = "/token/refresh", method = "post", operation_id = "auth_refresh")]
    async fn refresh(&self, Body(request): Body<RefreshRequest>) -> Reply<Json<AccessToken>> {
        Ok(Json(AccessToken { access: self.0.refresh_session(&request.refresh)? }))
    }

    /// Begin a session in the organization's sandbox.
    ///
    /// A session acts in one organization for good: these tokens act in the sandbox, with the same role.
    #[oai(path = "/sandbox", method = "post", operation_id = "auth_sandbox")]
    async fn sandbox(
        &self,
        Credential(caller): Credential,
        _body: Body<Nothing>,
        exchange: Exchanged,
    ) -> Reply<Json<Tokens>> {
        Ok(Json(self.0.enter_sandbox(&caller, exchange.0.arrival()).await?.into()))
    }

    /// Accept an invitation by choosing a password.
    ///
    /// The token is what stands behind `#` in the link. It works once.
    #[oai(path = "/accept-invitation", method = "post", operation_id = "auth_accept_invitation")]
    async fn accept_invitation(
        &self,
        Body(chosen): Body<ChosenPassword>,
        exchange: Exchanged,
    ) -> Reply<Json<User<Id>>> {
        choose(&self.0, Purpose::Invitation, chosen, &exchange).await
    }

    /// Choose another password by the link of a reset.
    ///
    /// The token is what stands behind `#` in the link. It works once. All sessions end; keys go on.
    #[oai(path = "/reset-password", method = "post", operation_id = "auth_reset_password")]
    async fn reset_password(&self, Body(chosen): Body<ChosenPassword>, exchange: Exchanged) -> Reply<Json<User<Id>>> {
        choose(&self.0, Purpose::Reset, chosen, &exchange).await
    }

    /// Get the caller's user and organization.
    #[oai(path = "/status", method = "get", operation_id = "auth_status")]
    async fn status(&self, Credential(caller): Credential) -> Reply<Json<Status<Id>>> {
        Ok(Json(Status::of(&caller, &self.0.own_balance(&caller)?)))
    }

    /// Verify a credential.
    ///
    /// Tells what it is, what it may do now, and what is left of its limits. With `explain` it also tells whether that
    /// call would be allowed now, and which of scope, role, plan, address and limit refuses it; with `address`, whether
    /// it would be if it came from there.
    #[oai(path = "/verify", method = "get", operation_id = "auth_verify")]
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
}

async fn choose(app: &App, purpose: Purpose, chosen: ChosenPassword, exchange: &Exchanged) -> Reply<Json<User<Id>>> {
    let (token, password) = chosen.read();
    let (user, caller) = app.choose_password(purpose, &token, password, exchange.0.request).await?;
    let _ = exchange.0.arrived.set(caller);
    Ok(Json(user.into()))
}
