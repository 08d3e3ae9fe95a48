//! An API key as a row: what it may do, until when, and how it stands. Its text is in [`super::key_text`].

use ipnet::{IpNet, Ipv4Net};
use uuid::Uuid;

use super::access::Grant;
use super::error::{Error, Result};
use super::id::{IdRef, KeyId, User, UserId};
use super::key_text::Environment;
use super::page::{Entry, Times};
use super::time::Timestamp;
use super::window::Limits;

/// Milliseconds of a day.
pub const DAY: i64 = 86_400_000;
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
    /// Limits of its own, below those of the plan.
    pub limits: Limits,
    /// When its owner is reminded of it.
    pub reminder: Option<Reminder>,
    /// The rotation that it is, or was, part of.
    pub rotation: Option<Rotation>,
}

/// A key on its way to a successor, as either of the two knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The key that took over from this one.
    pub successor: Option<(KeyId, Uuid)>,
    /// The key that this one took over from.
    pub predecessor: Option<(KeyId, Uuid)>,
    /// Until when the older one works, or worked: from this instant on it is refused.
    pub grace_until: Timestamp,
}

/// An interval at which the owner is reminded of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// 30, 60 or 90.
    pub days: u32,
    /// When it was due first.
    pub first: Timestamp,
}

impl Reminder {
    /// The intervals there are.
    pub const DAYS: [u32; 3] = [30, 60, 90];

    /// A reminder every so many days from `now` on.
    ///
    /// # Errors
    /// `InvalidField` for an interval that there is not.
    pub fn every(days: u32, now: Timestamp) -> Result<Self> {
        if !Self::DAYS.contains(&days) {
            return Err(Error::field("reminder_days", "must be 30, 60 or 90."));
        }
        Ok(Self { days, first: Timestamp::from_millis(now.millis() + i64::from(days) * DAY) })
    }

    /// When it is due next.
    pub fn next(self, now: Timestamp) -> Timestamp {
        let (span, late) = (i64::from(self.days) * DAY, now.millis() - self.first.millis());
        let passed = if late < 0 { 0 } else { late / span + 1 };
        Timestamp::from_millis(self.first.millis() + passed * span)
    }
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
    /// How they stand, or what is to be looked at of them.
    pub status: Option<Sought>,
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
    /// It has a successor, and works until the grace is over.
    Rotating,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Status {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rotating => "rotating",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What to look at of a key that is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flag {
    /// It expires within [`EXPIRING_DAYS`].
    Expiring,
    /// It was not used for [`STALE_DAYS`].
    Stale,
    /// It is [`OLD_DAYS`] old or older.
    Old,
}

impl Flag {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiring => "expiring",
            Self::Stale => "stale",
            Self::Old => "old",
        }
    }
}

/// What a list of keys can be narrowed to: the keys that stand so, or the active ones with this flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sought {
    /// Keys that stand so.
    Status(Status),
    /// Active keys with this flag.
    Flag(Flag),
}

impl Sought {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Status(Status::Active),
        Self::Status(Status::Rotating),
        Self::Flag(Flag::Expiring),
        Self::Status(Status::Expired),
        Self::Status(Status::Revoked),
        Self::Flag(Flag::Stale),
        Self::Flag(Flag::Old),
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Flag(flag) => flag.as_str(),
        }
    }
}

impl Key {
    /// How it stands at `now`: rejected at the very instant it expires.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.revoked_at.is_some() {
            return Status::Revoked;
        }
        match self.ends_at() {
            Some(end) if end <= now => Status::Expired,
            _ if self.successor().is_some() => Status::Rotating,
            _ => Status::Active,
        }
    }

    /// From this instant on it is refused: its expiry, or the end of its grace if that comes first.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let grace = self.rotation.filter(|rotation| rotation.successor.is_some()).map(|rotation| rotation.grace_until);
        [self.expires_at, grace].into_iter().flatten().min()
    }

    /// The key that took over from it.
    pub fn successor(&self) -> Option<(KeyId, Uuid)> {
        self.rotation.and_then(|rotation| rotation.successor)
    }

    /// What to look at.
    pub fn flags(&self, now: Timestamp, last_used: Option<Timestamp>) -> Vec<Flag> {
        if self.status(now) != Status::Active {
            return Vec::new();
        }
        let mut flags = Vec::new();
        if self.expires_at.is_some_and(|end| end.millis() - now.millis() <= EXPIRING_DAYS * DAY) {
            flags.push(Flag::Expiring);
        }
        if now.millis() - last_used.unwrap_or(self.created_at).millis() >= STALE_DAYS * DAY {
            flags.push(Flag::Stale);
        }
        if self.age_days(now) >= OLD_DAYS {
            flags.push(Flag::Old);
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

/// Whether all of an allowlist lies within another one, of which an empty one is the whole world.
pub fn is_within(allowlist: &[IpNet], other: &[IpNet]) -> bool {
    let covered = |network: &IpNet| other.iter().any(|wider| wider.contains(network));
    other.is_empty() || (!allowlist.is_empty() && allowlist.iter().all(covered))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_list_is_within_another_when_each_of_its_networks_is() {
        let (office, host) = (networks(&["203.0.113.0/24", "2001:db8::/32"]), networks(&["203.0.113.9/32"]));
        assert!(is_within(&host, &office) && is_within(&office, &office) && is_within(&office, &[]));
        assert!(!is_within(&office, &host) && !is_within(&[], &office));
        assert!(!is_within(&networks(&["203.0.113.9/32", "192.0.2.1/32"]), &office));
        assert!(is_within(&[], &[]));
    }

    #[test]
    fn a_reminder_is_due_at_every_interval_and_never_in_the_past() {
        let start = Timestamp::parse("2026-04-06T09:00:00Z").unwrap();
        let reminder = Reminder::every(30, start).unwrap();
        let after = |days: i64| reminder.next(Timestamp::from_millis(start.millis() + days * DAY)).to_string();
        assert_eq!([after(0), after(29)], ["2026-05-06T09:00:00Z"; 2]);
        assert_eq!([after(30), after(59)], ["2026-06-05T09:00:00Z"; 2]);
        assert!(Reminder::every(45, start).is_err());
    }
}
