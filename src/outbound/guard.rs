//! Who may be connected to on behalf of users: one guard for every kind of source, so that none
//! leads inward (server-side request forgery).
//!
//! A host is settled once: its name is resolved, each address is looked at, and whoever connects does so to these
//! addresses and resolves nothing again. So a name that answers differently the second time gains nothing. Addresses
//! in every spelling are read as those who connect read them (the URL standard's).
//!
//! Deliberately not here: requests and redirects ([`super::client`]), and servers that the operator configured, which
//! may be anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use reqwest::{Certificate, Url};

use super::authorities;
use super::resolve::{Failure, Names};
use crate::domain::reach::{Destination, is_public};
use crate::domain::time::monotonic;

/// The guard.
#[derive(Debug)]
pub struct Guard {
    allow: Vec<Destination>,
    names: Names,
    authorities: Vec<Certificate>,
    /// The same in PEM, for workers.
    authorities_pem: String,
    /// With the system's before them, and when these were read: not each time, since there are hundreds.
    trusted_pem: Mutex<Option<(Duration, Arc<str>)>>,
    own: RwLock<Vec<SocketAddr>>,
}

/// What somebody wants to connect for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read a file by HTTP.
    Web,
    /// To read a database.
    Database,
}

/// Ports for files; others take the operator's word. A server behind another port is rarely meant for strangers.
const WEB_PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Databases listen above the ports of the system; services below would be spoken to in a tongue that is not theirs.
const FIRST_DATABASE_PORT: u16 = 1024;

impl Purpose {
    /// Whether a port is for this without the operator's word.
    fn has_port(self, port: u16) -> bool {
        match self {
            Self::Web => WEB_PORTS.contains(&port),
            Self::Database => port >= FIRST_DATABASE_PORT,
        }
    }
}

/// How long it holds what the system trusts.
const TRUSTED_FOR: Duration = Duration::from_secs(3_600);

/// Why a place may not be connected to, for whoever named it: it says nothing of what a name resolved to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not read as a URL.
    #[error("is no URL that can be read.")]
    Unreadable,
    /// Neither `http` nor `https`.
    #[error("must begin with `https://` or `http://`.")]
    Scheme,
    /// A user or a password stands in it.
    #[error("must be without user and password; send them as a header in `secret.headers`.")]
    UserInfo,
    /// A port that is not for this.
    #[error(
        "has the port {0}, which is not open to data sources; whoever operates the server can list it in `outbound.allow`."
    )]
    Port(u16),
    /// Not an address of the public Internet.
    #[error("is not on the public Internet; whoever operates the server can list it in `outbound.allow`.")]
    Inside,
    /// This very server.
    #[error("is this server itself.")]
    Itself,
    /// No such host.
    #[error("has a host that is not known.")]
    Unknown,
    /// The name servers are silent.
    #[error("has a host whose name cannot be resolved now; try again later.")]
    Unresolved,
}

impl Guard {
    /// A guard that lets everybody to public addresses, and to what is listed.
    pub fn new(allow: Vec<Destination>, names: Names) -> Self {
        Self {
            allow,
            names,
            authorities: Vec::new(),
            authorities_pem: String::new(),
            trusted_pem: Mutex::default(),
            own: RwLock::default(),
        }
    }

    /// The same, believing these authorities (PEM) beside those that the system trusts.
    ///
    /// # Errors
    /// Why there is none among them that can be used.
    pub fn trusting(self, pem: &[u8]) -> Result<Self, String> {
        let authorities = Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
        if authorities.is_empty() {
            return Err("it holds none".to_owned());
        }
        let authorities_pem = String::from_utf8_lossy(pem).into_owned();
        Ok(Self { authorities, authorities_pem, trusted_pem: Mutex::default(), ..self })
    }

    /// The authorities that are believed beside those that the system trusts.
    pub(super) fn authorities(&self) -> impl Iterator<Item = Certificate> {
        self.authorities.iter().cloned()
    }

    /// What servers' certificates are checked by, in PEM: what the system trusted within the last hour, and the operator's
    /// own. The same value as long as it is not read anew, for which it waits for the disk.
    pub fn trusted_pem(&self) -> Arc<str> {
        self.trusted_at(monotonic(), authorities::of_the_system)
    }

    fn trusted_at(&self, now: Duration, of_the_system: impl FnOnce() -> String) -> Arc<str> {
        let mut known = self.trusted_pem.lock();
        if let Some((_, pem)) = known.as_ref().filter(|(read, _)| now < *read + TRUSTED_FOR) {
            return pem.clone();
        }
        let system = of_the_system();
        let has_any = !system.is_empty();
        let pem: Arc<str> = (system + &self.authorities_pem).into();
        // Where there are none somebody may be about to install them.
        *known = has_any.then(|| (now, pem.clone()));
        pem
    }

    /// Tells where this server listens: it is no source of itself.
    pub fn listens_on(&self, address: SocketAddr) {
        self.own.write().push(address);
    }

    /// Reads a URL and refuses what can be refused by looking at it.
    pub fn url(&self, text: &str) -> Result<Url, Refusal> {
        let url = Url::parse(text).map_err(|_| Refusal::Unreadable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        // What takes the standard's leniency to read, others read otherwise: `http:///a`, `http:a`, `http:\\a`.
        let is_plain = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with(['/', '\\']));
        if !is_plain {
            return Err(Refusal::Unreadable);
        }
        let (host, port) = place(&url)?;
        self.look(&host, port, Purpose::Web)?;
        Ok(url)
    }

    /// Refuses what can be refused by looking at a host and a port.
    pub fn host(&self, host: &str, port: u16, purpose: Purpose) -> Result<(), Refusal> {
        self.look(&spelled(host)?, port, purpose)
    }

    /// The addresses of a host that may be connected to now. Nobody resolves the name again.
    pub async fn settle(&self, host: &str, port: u16, purpose: Purpose) -> Result<Vec<SocketAddr>, Refusal> {
        let host = spelled(host)?;
        self.look(&host, port, purpose)?;
        let found = self.names.lookup(&host).await.map_err(|failure| match failure {
            Failure::Unknown => Refusal::Unknown,
            Failure::Unresolved(reason) => {
                tracing::warn!(reason, "a host of a data source cannot be resolved");
                Refusal::Unresolved
            }
        })?;
        let checked = found.into_iter().map(|address| self.check(&host, address, port, purpose).map(|()| address));
        let (open, closed): (Vec<_>, Vec<_>) = checked.partition(Result::is_ok);
        match closed.into_iter().find_map(Result::err) {
            Some(refusal) if open.is_empty() => Err(refusal),
            _ => Ok(open.into_iter().flatten().map(|address| SocketAddr::new(address, port)).collect()),
        }
    }

    /// The addresses that a URL may be fetched from now.
    pub async fn settle_url(&self, url: &Url) -> Result<Vec<SocketAddr>, Refusal> {
        let (host, port) = place(url)?;
        self.settle(&host, port, Purpose::Web).await
    }

    fn look(&self, host: &str, port: u16, purpose: Purpose) -> Result<(), Refusal> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.check(host, address, port, purpose);
        }
        if host == "localhost" || host.ends_with(".localhost") {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let [four, six] = both.map(|address| self.check(host, address, port, purpose));
            return four.or(six);
        }
        // What a name stands for may be listed, which is known when it is resolved.
        let may_be_listed = self.allow.iter().any(|listed| listed.has_name(host, port) || listed.is_network());
        if purpose.has_port(port) || may_be_listed { Ok(()) } else { Err(Refusal::Port(port)) }
    }

    fn check(&self, host: &str, address: IpAddr, port: u16, purpose: Purpose) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if self.is_own(address, port) {
            return Err(Refusal::Itself);
        }
        if self.allow.iter().any(|listed| listed.has_name(host, port) || listed.has_address(address, port)) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(Refusal::Inside);
        }
        if purpose.has_port(port) { Ok(()) } else { Err(Refusal::Port(port)) }
    }

    /// Whether this server listens there.
    fn is_own(&self, address: IpAddr, port: u16) -> bool {
        let own = self.own.read();
        let mut here = own.iter().filter(|own| own.port() == port);
        here.any(|own| own.ip() == address || (own.ip().is_unspecified() && is_of_this_machine(address)))
    }
}

/// Whether the system would send to this address from itself. No packet leaves for that.
fn is_of_this_machine(address: IpAddr) -> bool {
    if address.is_loopback() || address.is_unspecified() {
        return true;
    }
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let from = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address)
}

/// Host and port of a URL.
fn place(url: &Url) -> Result<(String, u16), Refusal> {
    let host = url.host_str().ok_or(Refusal::Unreadable)?;
    let port = url.port_or_known_default().filter(|port| *port > 0).ok_or(Refusal::Unreadable)?;
    Ok((spelled(host)?, port))
}

/// A host in one spelling: an address without brackets, or a name in lower case and ASCII without its last dot.
fn spelled(host: &str) -> Result<String, Refusal> {
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    let parsed = Url::parse(&format!("http://{host}/")).map_err(|_| Refusal::Unreadable)?;
    let is_bare = parsed.port().is_none() && parsed.path() == "/" && parsed.username().is_empty();
    let found = parsed.host_str().filter(|_| is_bare).ok_or(Refusal::Unreadable)?;
    let bare = found.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical().to_string()),
        Err(_) => {
            let name = bare.strip_suffix('.').unwrap_or(bare);
            if name.split('.').any(str::is_empty) { Err(Refusal::Unreadable) } else { Ok(name.to_owned()) }
        }
    }
}

#[cfg(test)]
mod tests;
