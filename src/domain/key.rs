//! An API key as a row: what it may do, until when, and how it stands (PRODUCT 8.3). Its text is in [`super::key_text`].

use ipnet::{IpNet, Ipv4Net};
use uuid::Uuid;

use super::access::Grant;
use super::error::{Error, Result};
use super::id::{IdRef, KeyId, User, UserId};
use super::key_text::Environment;
use super::page::{Entry, Times};
use super::time::Timestamp;

const DAY: i64 = 86_400_000;
/// Days after which a key is called old.
pub const OLD_DAYS: i64 = 90;
/// Days without use after which a key is called stale.
pub const STALE_DAYS: i64 = 90;
/// Days before its expiry from which a key is called expiring.
pub const EXPIRING_DAYS: i64 = 14;
/// The most entries of an allowlist.
pub const ALLOWLIST_LIMIT: usize = 64;

/// A key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its row.
    pub id: KeyId,
    /// Its id on `/api/v1/`.
    pub uuid: Uuid,
    /// Shared by a key and those it was rotated into: limits and usage count for the lineage.
    pub lineage: i64,
    /// Whose rights it has.
    pub owner: UserId,
    /// The owner's e-mail.
    pub owner_email: String,
    /// What its owner calls it.
    pub name: String,
    /// The eight public characters.
    pub public: String,
    /// Live or test.
    pub environment: Environment,
    /// What it was given.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Networks it may be used from; empty: from anywhere.
    pub allowlist: Vec<IpNet>,
}

impl Entry for Key {
    fn row(&self) -> i64 {
        self.id.raw()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn updated_at(&self) -> Timestamp {
        self.created_at
    }
}

/// What narrows a list of API keys.
#[derive(Debug, Clone, Default, Hash)]
pub struct KeyFilter {
    /// When they were made and changed.
    pub times: Times,
    /// A part of their name, in any case.
    pub q: Option<String>,
    /// How they stand.
    pub status: Option<Status>,
    /// Live or test.
    pub environment: Option<Environment>,
    /// Whose they are.
    pub user: Option<Owner>,
}

/// A user as a filter names one.
#[derive(Debug, Clone, Hash)]
pub enum Owner {
    /// By an id.
    Id(IdRef<User>),
    /// By the e-mail, in lower case.
    Email(String),
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It works.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expired, Self::Revoked];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Key {
    /// How it stands at `now`: rejected at the very instant it expires.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.revoked_at.is_some() {
            return Status::Revoked;
        }
        match self.expires_at {
            Some(end) if end <= now => Status::Expired,
            _ => Status::Active,
        }
    }

    /// What to look at: `expiring`, `stale`, `old`.
    pub fn flags(&self, now: Timestamp, last_used: Option<Timestamp>) -> Vec<&'static str> {
        if self.status(now) != Status::Active {
            return Vec::new();
        }
        let mut flags = Vec::new();
        if self.expires_at.is_some_and(|end| end.millis() - now.millis() <= EXPIRING_DAYS * DAY) {
            flags.push("expiring");
        }
        if now.millis() - last_used.unwrap_or(self.created_at).millis() >= STALE_DAYS * DAY {
            flags.push("stale");
        }
        if self.age_days(now) >= OLD_DAYS {
            flags.push("old");
        }
        flags
    }

    /// Whole days since it was made.
    pub fn age_days(&self, now: Timestamp) -> i64 {
        (now.millis() - self.created_at.millis()).max(0) / DAY
    }

    /// `claribi_sk_live_` and the eight public characters.
    pub fn prefix(&self) -> String {
        format!("{}{}", self.environment.key_prefix(), self.public)
    }
}

/// Reads an allowlist: addresses and CIDR networks without host bits, each at most once.
pub fn allowlist(entries: &[String]) -> Result<Vec<IpNet>> {
    if entries.len() > ALLOWLIST_LIMIT {
        return Err(Error::field("ip_allowlist", format!("may have {ALLOWLIST_LIMIT} entries at most.")));
    }
    entries.iter().enumerate().map(|(index, text)| network(text, index)).collect()
}

fn network(text: &str, index: usize) -> Result<IpNet> {
    let field = || format!("ip_allowlist[{index}]");
    let wrong = || Error::field(field(), "must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32.");
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => IpNet::from(text.parse::<std::net::IpAddr>().map_err(|_| wrong())?),
    };
    if network.addr() != network.network() {
        return Err(Error::field(field(), format!("has bits set behind its prefix; write {}.", network.trunc())));
    }
    Ok(unmapped(network))
}

/// Networks of IPv4 addresses that are spelled as IPv6 ones (`::ffff:198.51.100.0/120`), in the spelling in which
/// addresses are compared.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let plain = mapped.addr().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    plain.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}
