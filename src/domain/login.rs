//! How many failed logins are borne, of whom and from where, before further ones have to wait.
//!
//! Who guesses is slowed down by account and address, by account, and by address. Who logs in from an address that has
//! succeeded for the account before waits for none of that: strangers cannot lock an owner out.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::hmac;

/// Failures of one account from an address that has succeeded for it, in [`KNOWN_WINDOW`].
pub const KNOWN_FAILURES: u32 = 10;
/// That address waits a minute at most.
pub const KNOWN_WINDOW: Duration = Duration::from_secs(60);
/// How long an address that has succeeded is remembered.
pub const KNOWN_FOR: Duration = Duration::from_secs(180 * 86_400);

/// Failures that are borne within a window of time.
#[derive(Debug, Clone, Copy)]
pub struct LoginLimits {
    /// The window.
    pub window: Duration,
    /// Of one account from one address.
    pub failures: u32,
    /// Of one account from all addresses that never succeeded for it.
    pub failures_per_account: u32,
    /// Of all accounts from one address.
    pub failures_per_address: u32,
}

/// Whom an attempt is for and where it comes from, as both are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A keyed hash of the account's e-mail: what people type there by mistake is not kept.
    pub account: [u8; 16],
    /// The address; of IPv6 the first 64 bits, which are one customer's.
    pub network: Vec<u8>,
}

impl Origin {
    /// The origin of an attempt. The e-mail may be anything: accounts that do not exist are counted too, so that a
    /// refusal tells nothing of which do.
    pub fn new(secret: &[u8; 32], email: &str, address: IpAddr) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), email.trim().to_lowercase().as_bytes());
        let mut account = [0; 16];
        account.copy_from_slice(&tag.as_ref()[..16]);
        Self { account, network: network(address) }
    }
}

fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(email: &str, address: &str) -> Origin {
        Origin::new(&[7; 32], email, address.parse().unwrap())
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_an_ipv4_address_is_one_however_it_is_written() {
        assert_eq!(origin("a@b", "2001:db8:1:2::3"), origin("a@b", "2001:db8:1:2:ffff::4"));
        assert_ne!(origin("a@b", "2001:db8:1:2::3"), origin("a@b", "2001:db8:1:3::3"));
        assert_eq!(origin("a@b", "203.0.113.9"), origin("a@b", "::ffff:203.0.113.9"));
        assert_ne!(origin("a@b", "203.0.113.9"), origin("a@b", "203.0.113.8"));
    }

    #[test]
    fn an_account_is_one_in_every_spelling_of_its_address() {
        assert_eq!(origin(" Ada@Example.com", "::1"), origin("ada@example.com ", "::1"));
        assert_ne!(origin("ada@example.com", "::1").account, origin("bob@example.com", "::1").account);
    }
}
