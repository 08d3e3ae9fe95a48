//! Names of hosts to addresses, without the C library: a static program has no resolver of it.
//!
//! Deliberately not here: whether an address may be connected to, which is [`super::guard`]'s to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;

/// The longest that a name may take, with all servers and attempts.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that one server is waited for.
const ONE_SERVER: Duration = Duration::from_secs(3);

/// Tells the addresses of a host.
#[derive(Clone)]
pub enum Names {
    /// `/etc/hosts`, and the name servers of `/etc/resolv.conf`. Both are read for each name: they change while a server
    /// runs, and names are rare.
    System,
    /// Something else that knows.
    Given(Known),
}

/// Tells the addresses of a name.
pub type Known = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Why a host has no address. In words for the log: they may name servers of the network.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such name, or it has no address.
    #[error("there is no host of that name")]
    Unknown,
    /// The name servers do not answer, or not to the question.
    #[error("names cannot be resolved: {0}")]
    Unresolved(String),
}

impl Names {
    /// The addresses of a host, each once: of an address itself, of `localhost` the loopback ones.
    pub async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let bare = host.trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = bare.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        if bare == "localhost" || bare.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let mut found = match self {
            Self::Given(known) => known(&bare),
            Self::System => {
                let asked = tokio::time::timeout(PATIENCE, ask(host)).await;
                asked.map_err(|_| Failure::Unresolved("no answer in time".to_owned()))??
            }
        };
        let mut seen = std::collections::HashSet::new();
        found.retain(|address| seen.insert(*address));
        if found.is_empty() { Err(Failure::Unknown) } else { Ok(found) }
    }
}

async fn ask(host: &str) -> Result<Vec<IpAddr>, Failure> {
    let failed = |error: hickory_resolver::net::NetError| Failure::Unresolved(error.to_string());
    let mut builder = TokioResolver::builder_tokio().map_err(failed)?;
    builder.options_mut().timeout = ONE_SERVER;
    match builder.build().map_err(failed)?.lookup_ip(host).await {
        Ok(found) => Ok(found.iter().collect()),
        Err(error) if error.is_no_records_found() => Err(Failure::Unknown),
        Err(error) => Err(failed(error)),
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::System => "System",
            Self::Given(_) => "Given(…)",
        })
    }
}
