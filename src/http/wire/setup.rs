//! Setting an installation up, on the wire.

use poem_openapi::Object;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::service::setup_link as service;

/// The first organization and its owner.
// Deliberately without `Debug`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// What stands behind `#` in the setup link.
    token: String,
    /// The organization's name.
    organization: String,
    /// The owner's e-mail, which is also the login.
    email: String,
    /// The owner's password: at least 12 characters.
    password: String,
}

impl SetupRequest {
    /// The token, and what was chosen.
    pub fn read(self) -> (Zeroizing<String>, service::SetupRequest) {
        let Self { token, organization, email, password } = self;
        (token.into(), service::SetupRequest { organization, email, password: password.into() })
    }
}
