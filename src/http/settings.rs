//! What the HTTP side is told by the composition root.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::listener::Limits;

/// Settings of the HTTP side.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Connections and their deadlines.
    pub limits: Limits,
    /// How clients reach the server, without a trailing slash.
    pub public_url: Option<String>,
    /// Further host names that absolute links may be made of.
    pub hosts: Vec<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest JSON body.
    pub json_limit: u64,
    /// The largest upload.
    pub upload_limit: u64,
    /// The longest pause within a body.
    pub body_timeout: Duration,
    /// Bytes a second below which a body is given up.
    pub body_minimum_rate: u64,
    /// Whether reference and documents are shown to anyone.
    pub public_reference: bool,
    /// Whose dashboards the page at `/` draws, in a sandbox.
    pub sandbox: Option<SandboxPage>,
}

/// What the page of a sandbox shows beside its dashboards.
#[derive(Debug, Clone)]
pub struct SandboxPage {
    /// The user whose eyes the page has.
    pub user: crate::domain::id::UserId,
    /// The ready curl line.
    pub curl: String,
}

impl HttpSettings {
    /// Whether an address is a proxy that is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}
