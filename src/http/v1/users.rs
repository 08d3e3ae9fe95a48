//! Users and their sessions on the `/v1/` face. Wire types are in `http::wire`, rules in `service::users`, `links`,
//! `profile` and `sessions`.

use poem_openapi::OpenApi;

use super::{Id, Tag};
use crate::domain::id::{Session as SessionOf, User as UserOf};
use crate::domain::session::SessionFilter;
use crate::domain::user::UserFilter;
use crate::http::body::Body;
use crate::http::credential::Credential;
use crate::http::fault::Reply;
use crate::http::list_query::ListQuery;
use crate::http::params::{Exchanged, Named};
use crate::http::reply::{Changed, Created, Json, One};
use crate::http::wire::session::Session;
use crate::http::wire::user::{EmailChange, NewUser, OneTimeLink, PasswordChange, ProfilePatch, User, UserPatch};
use crate::http::wire::{Deleted, Listing, Nothing, Spelling};
use crate::service::app::App;

/// The users of `/v1/`.
pub struct UsersApi(pub App);

#[OpenApi(prefix_path = "/v1/users", tag = "Tag::Users")]
impl UsersApi {
    /// Get the caller's own user.
    #[oai(path = "/me", method = "get", operation_id = "users_me")]
    async fn me(&self, Credential(caller): Credential) -> Reply<One<User<Id>>> {
        Ok(One(self.0.own_user(&caller)?.into()))
    }

    /// Change the caller's own names.
    #[oai(path = "/me", method = "patch", operation_id = "users_me_update")]
    async fn update_me(
        &self,
        Credential(caller): Credential,
        Body(patch): Body<ProfilePatch>,
    ) -> Reply<Changed<User<Id>>> {
        Ok(Changed(self.0.update_profile(&caller, patch.into()).await?.into()))
    }

    /// Change the caller's own password.
    ///
    /// Other sessions end; keys go on.
    #[oai(path = "/me/password", method = "post", operation_id = "users_me_password")]
    async fn password(
        &self,
        Credential(caller): Credential,
        Body(change): Body<PasswordChange>,
        exchange: Exchanged,
    ) -> Reply<Json<User<Id>>> {
        let (current, new) = change.read();
        Ok(Json(self.0.change_password(&caller, exchange.0.address, current, new).await?.into()))
    }

    /// Change the caller's own e-mail, which is also the login.
    #[oai(path = "/me/email", method = "post", operation_id = "users_me_email")]
    async fn email(
        &self,
        Credential(caller): Credential,
        Body(change): Body<EmailChange>,
        exchange: Exchanged,
    ) -> Reply<Json<User<Id>>> {
        let (current, email) = change.read();
        Ok(Json(self.0.change_email(&caller, exchange.0.address, current, &email).await?.into()))
    }

    /// List the organization's users.
    #[oai(path = "/", method = "get", operation_id = "users_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, UserFilter>,
    ) -> Reply<Json<Listing<User<Id>>>> {
        let page = self.0.users(&caller, &list.0)?;
        Ok(Json(page.map(User::from).into()))
    }

    /// Invite a user.
    ///
    /// Takes every permission that the user gets. The link of the invitation is in this answer and nowhere else; until a
    /// password was chosen by it, the user cannot come in.
    #[oai(path = "/", method = "post", operation_id = "users_create")]
    async fn create(
        &self,
        Credential(caller): Credential,
        Body(new): Body<NewUser>,
        exchange: Exchanged,
    ) -> Reply<Created<User<Id>>> {
        let kept = |user| Created(User::<Id>::withheld(user));
        Ok(Created(User::invited(self.0.invite(&caller, new.into(), kept).await?, &exchange.0)))
    }

    /// Get a user.
    #[oai(path = "/:id", method = "get", operation_id = "users_get")]
    async fn get(&self, Credential(caller): Credential, id: Named<UserOf>) -> Reply<One<User<Id>>> {
        Ok(One(self.0.user(&caller, &id.id, &id.spelled)?.into()))
    }

    /// Change a user's role and names.
    ///
    /// Takes every permission that the user has and gets. The last owner stays one.
    #[oai(path = "/:id", method = "patch", operation_id = "users_update")]
    async fn update(
        &self,
        Credential(caller): Credential,
        id: Named<UserOf>,
        Body(patch): Body<UserPatch>,
    ) -> Reply<Changed<User<Id>>> {
        Ok(Changed(self.0.update_user(&caller, &id.id, &id.spelled, patch.into()).await?.into()))
    }

    /// Remove a user.
    ///
    /// Sessions end, keys are revoked, name and e-mail are forgotten. What the user made stays. The last owner cannot be
    /// removed.
    #[oai(path = "/:id", method = "delete", operation_id = "users_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<UserOf>) -> Reply<Json<Deleted<Id>>> {
        let removed = self.0.remove_user(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(removed.id, removed.uuid))))
    }

    /// Keep a user out.
    ///
    /// Sessions end for good; keys are refused until the user is reactivated. The second time it is the same answer.
    #[oai(path = "/:id/deactivate", method = "post", operation_id = "users_deactivate")]
    async fn deactivate(
        &self,
        Credential(caller): Credential,
        id: Named<UserOf>,
        _body: Body<Nothing>,
    ) -> Reply<Json<User<Id>>> {
        Ok(Json(self.0.deactivate_user(&caller, &id.id, &id.spelled).await?.into()))
    }

    /// Let a deactivated user in again.
    ///
    /// The second time it is the same answer.
    #[oai(path = "/:id/reactivate", method = "post", operation_id = "users_reactivate")]
    async fn reactivate(
        &self,
        Credential(caller): Credential,
        id: Named<UserOf>,
        _body: Body<Nothing>,
    ) -> Reply<Json<User<Id>>> {
        Ok(Json(self.0.reactivate_user(&caller, &id.id, &id.spelled).await?.into()))
    }

    /// Invite a user again who has not chosen a password yet.
    ///
    /// The link before is worth nothing from now on.
    #[oai(path = "/:id/invitation", method = "post", operation_id = "users_invite")]
    async fn invite(
        &self,
        Credential(caller): Credential,
        id: Named<UserOf>,
        exchange: Exchanged,
        _body: Body<Nothing>,
    ) -> Reply<Created<User<Id>>> {
        Ok(Created(User::invited(self.0.invite_again(&caller, &id.id, &id.spelled).await?, &exchange.0)))
    }

    /// Make a link by which a user chooses another password.
    ///
    /// Takes every permission that the user has. The present password stays until the link is used; then all sessions end.
    #[oai(path = "/:id/reset-password", method = "post", operation_id = "users_reset_password")]
    async fn reset_password(
        &self,
        Credential(caller): Credential,
        id: Named<UserOf>,
        exchange: Exchanged,
        _body: Body<Nothing>,
    ) -> Reply<Created<OneTimeLink>> {
        Ok(Created(OneTimeLink::of(&self.0.offer_reset(&caller, &id.id, &id.spelled).await?, &exchange.0)))
    }
}

/// The sessions of `/v1/`.
pub struct SessionsApi(pub App);

#[OpenApi(prefix_path = "/v1/sessions", tag = "Tag::Users")]
impl SessionsApi {
    /// List sessions that have not ended.
    ///
    /// One's own, or those of a user whom one may manage.
    #[oai(path = "/", method = "get", operation_id = "sessions_list")]
    async fn list(
        &self,
        Credential(caller): Credential,
        list: ListQuery<Id, SessionFilter>,
    ) -> Reply<Json<Listing<Session<Id>>>> {
        let page = self.0.sessions(&caller, &list.0)?.map(|session| Session::of(&session, &caller));
        Ok(Json(page.into()))
    }

    /// End a session at once.
    ///
    /// One's own, or one of a user whom one may manage; ending the present one logs out.
    #[oai(path = "/:id", method = "delete", operation_id = "sessions_delete")]
    async fn delete(&self, Credential(caller): Credential, id: Named<SessionOf>) -> Reply<Json<Deleted<Id>>> {
        let ended = self.0.end_session(&caller, &id.id, &id.spelled).await?;
        Ok(Json(Deleted::of(Id::of(ended.id, ended.uuid))))
    }
}
