//! What the HTTP side is told by the composition root.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use ipnet::IpNet;

use super::cors::Origins;
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
    /// Origins whose pages may call from a browser.
    pub origins: Origins,
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
    /// What shows metrics beside the API; without it they are not there.
    pub metrics_token: Option<MetricsToken>,
    /// Whose dashboards the page at `/` draws, in a sandbox.
    pub sandbox: Option<SandboxPage>,
}

/// Who has it may read metrics.
#[derive(Clone)]
pub struct MetricsToken(String);

impl MetricsToken {
    /// The shortest that cannot be guessed in any time that matters.
    const SHORTEST: usize = 20;

    /// A token as it stands in its file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < Self::SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let shortest = Self::SHORTEST;
            return Err(format!("it must hold one line of at least {shortest} printable characters without blanks"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether that is the token, in a time that tells nothing but lengths.
    pub fn is(&self, text: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), text.as_bytes()).is_ok()
    }
}

impl fmt::Debug for MetricsToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MetricsToken(…)")
    }
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
