//! Quantities with a unit, and addresses, as they are written in the configuration.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::reach;

/// A number of bytes, such as `1 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// A length of time, such as `30s`; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

/// An address and port to listen on; `localhost` is the loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// A network, or one address as the network of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpNet);

/// Something that data sources may be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination(pub reach::Destination);

/// An absolute `http` or `https` address without path, query or trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Where a Redis server is, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

/// The origin of web pages, spelled as browsers send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];
const PERIODS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Size {
    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Period {
    /// As the standard library's duration.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In milliseconds, for rules that count in them.
    pub fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Network {
    /// Whether the address is in the network. An IPv4 address in IPv6 clothing is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl PublicUrl {
    /// Without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RedisUrl {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl WebOrigin {
    /// As browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        quantity(text, &SIZES).map(Self).ok_or_else(|| {
            format!(
                "`{text}` is no size: write a whole number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as `1 MiB`"
            )
        })
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        quantity(text, &PERIODS)
            .filter(|millis| *millis > 0)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| {
                format!("`{text}` is no duration: write a whole number above 0 and ms, s, m, h or d, such as `30s`")
            })
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok());
        address.map(Self).ok_or_else(|| {
            format!("`{text}` is no address to listen on: write an IP address or `localhost`, and a port, such as `127.0.0.1:8080`")
        })
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map(Self).ok_or_else(|| {
            format!("`{text}` is neither an address nor a network: write one such as `10.0.0.5` or `10.0.0.0/8`")
        })
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal =
            || format!("`{text}` is no public address: write a scheme and a host, such as `https://bi.example.com`");
        let url: http::Uri = text.parse().map_err(|_| refusal())?;
        let web = matches!(url.scheme_str(), Some("http" | "https"));
        let bare = url.path_and_query().is_none_or(|path| path == "/");
        let named = url.host().is_some_and(|host| !host.is_empty()) && !text.contains('@');
        if web && bare && named { Ok(Self(text.trim_end_matches('/').to_owned())) } else { Err(refusal()) }
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What is wrong is not repeated: it may hold a password.
        let refusal = "it has to be the address of a Redis server, such as `redis://10.0.0.5:6379/0`, \
                       `rediss://user@redis.internal:6379` or `redis+unix:///run/redis/redis.sock`";
        let (scheme, rest) = text.split_once("://").ok_or(refusal)?;
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        if user.contains(':') || rest.contains('?') {
            return Err("it must not hold a password; put that in a file and name it in \
                        `limits.redis_password_file`"
                .to_owned());
        }
        let is_known = matches!(scheme, "redis" | "rediss" | "redis+unix");
        if is_known && !rest.is_empty() { Ok(Self(text.to_owned())) } else { Err(refusal.to_owned()) }
    }
}

impl FromStr for WebOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal = || {
            format!(
                "`{text}` is no origin as browsers send it: write a scheme, a host in lower case and a port unless it is \
                 the usual one, and nothing after it, such as `https://app.example.com`"
            )
        };
        let (scheme, authority) = text.split_once("://").ok_or_else(refusal)?;
        let parsed: http::uri::Authority = authority.parse().map_err(|_| refusal())?;
        let usual = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(refusal()),
        };
        let host = parsed.host();
        let is_host = !host.is_empty()
            && host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'[' | b']'));
        let spelled = match parsed.port_u16() {
            Some(port) if port == usual => return Err(refusal()),
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        if is_host && spelled == text { Ok(Self(spelled)) } else { Err(refusal()) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = largest(self.0, &SIZES).unwrap_or(("B", 1));
        write!(formatter, "{} {unit}", self.0 / factor)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, factor) = largest(millis, &PERIODS).unwrap_or(("ms", 1));
        write!(formatter, "{}{unit}", millis / factor)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// All of them are read from and written as text.
macro_rules! as_text {
    ($($kind:ty),+) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

as_text!(Size, Period, Listen, Network, Destination, PublicUrl, RedisUrl, WebOrigin);

/// A whole number, perhaps a space, and one of the units in any case.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The largest unit of which the amount is a whole multiple.
fn largest<'a>(amount: u64, units: &[(&'a str, u64)]) -> Option<(&'a str, u64)> {
    units.iter().copied().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor))
}
