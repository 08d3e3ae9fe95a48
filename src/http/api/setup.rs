//! Setting the installation up on `/api/`: an operation that is there until it has succeeded.

use poem_openapi::OpenApi;

use super::Tag;
use crate::http::body::Body;
use crate::http::fault::Reply;
use crate::http::params::Exchanged;
use crate::http::reply::Json;
use crate::http::wire::session::Tokens;
use crate::http::wire::setup::SetupRequest;
use crate::service::app::App;

/// Setup on `/api/`.
pub struct SetupApi(pub App);

#[OpenApi(prefix_path = "/api/setup", tag = "Tag::Authentication")]
impl SetupApi {
    /// Set the installation up.
    ///
    /// Makes the first organization with its owner, and begins a session of the owner's. The token is what stands behind
    /// `#` in the link that `claribi serve` prints after `claribi init --setup-link`. Works once; then there is nothing
    /// here.
    #[oai(path = "/", method = "post", operation_id = "setup_complete")]
    async fn complete(&self, Body(setup): Body<SetupRequest>, exchange: Exchanged) -> Reply<Json<Tokens>> {
        let (token, setup) = setup.read();
        let (tokens, caller) = self.0.set_up(&token, setup, exchange.0.arrival()).await?;
        let _ = exchange.0.arrived.set(caller);
        Ok(Json(tokens.into()))
    }
}
