//! Calls of nobody known that leave no entry each: they are counted by the minute and the network that they came from.
//!
//! Who decides that a call is one of a flood is the service; that no count is lost is the store's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::entry::{Entry, FLOOD, VERSION};
use super::kind::Outcome;
use super::wire::{Reader, put_signed, put_unsigned};

const MINUTE_MS: i64 = 60_000;

/// Calls from one network in one minute that left no entry each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// When the first of them came, in milliseconds since 1970.
    pub at_ms: i64,
    /// When the last of them came.
    pub until_ms: i64,
    /// The address of the first.
    pub address: IpAddr,
    /// How many, by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Bytes of their bodies.
    pub bytes_in: u64,
    /// Bytes of their answers.
    pub bytes_out: u64,
}

/// What counts together: an IPv4 address, or the /64 of an IPv6 one, of which one client has them all.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// The minute that an instant lies in.
pub const fn minute(at_ms: i64) -> i64 {
    at_ms.div_euclid(MINUTE_MS)
}

impl Default for Flood {
    fn default() -> Self {
        let address = Ipv4Addr::UNSPECIFIED.into();
        Self { at_ms: 0, until_ms: 0, address, outcomes: [0; Outcome::ALL.len()], bytes_in: 0, bytes_out: 0 }
    }
}

impl Flood {
    /// A single call.
    pub fn of_call(at_ms: i64, address: IpAddr, outcome: Outcome) -> Self {
        let mut flood = Self { at_ms, until_ms: at_ms, address, ..Self::default() };
        flood.outcomes[outcome as usize] = 1;
        flood
    }

    /// How many calls.
    pub fn calls(&self) -> u64 {
        self.outcomes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether one of them had this outcome.
    pub fn has(&self, outcome: Outcome) -> bool {
        self.outcomes[outcome as usize] > 0
    }

    /// Takes in what came from the same network in the same minute.
    pub fn add(&mut self, other: &Self) {
        self.at_ms = self.at_ms.min(other.at_ms);
        self.until_ms = self.until_ms.max(other.until_ms);
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count = count.saturating_add(more);
        }
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }

    /// Appends the count's bytes to `out`, as [`Entry::encode`] does.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, FLOOD, u8::from(self.address.is_ipv6())]);
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        put_signed(out, self.until_ms.wrapping_sub(self.at_ms));
        match self.address {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
        }
        for number in self.outcomes.into_iter().chain([self.bytes_in, self.bytes_out]) {
            put_unsigned(out, number);
        }
    }

    /// Reads a count from an entry's bytes; `None` for bytes of anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match Entry::decode(bytes)? {
            Entry::Flood(flood) => Some(flood),
            Entry::Call(_) | Entry::Event(_) => None,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let is_v6 = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let at_ms = i64::from_be_bytes(reader.array()?);
        let until_ms = at_ms.wrapping_add(reader.signed()?);
        let address = if is_v6 { IpAddr::from(reader.array::<16>()?) } else { IpAddr::from(reader.array::<4>()?) };
        let mut outcomes = [0; Outcome::ALL.len()];
        for count in &mut outcomes {
            *count = reader.unsigned()?;
        }
        Some(Self { at_ms, until_ms, address, outcomes, bytes_in: reader.unsigned()?, bytes_out: reader.unsigned()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_one_network_and_minute_add_up() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut sum = Flood::of_call(70_000, address("203.0.113.9"), Outcome::Refused);
        sum.bytes_out = 5;
        let more = Flood { bytes_in: 3, ..Flood::of_call(60_500, address("203.0.113.9"), Outcome::Client) };
        sum.add(&more);
        sum.add(&more);
        assert_eq!((sum.at_ms, sum.until_ms, sum.calls()), (60_500, 70_000, 3));
        assert_eq!((sum.bytes_in, sum.bytes_out), (6, 5));
        assert!(sum.has(Outcome::Refused) && sum.has(Outcome::Client) && !sum.has(Outcome::Ok));
        assert_eq!((minute(59_999), minute(60_000), minute(-1)), (0, 1, -1));
    }

    #[test]
    fn an_address_in_other_clothes_and_the_rest_of_a_64_are_the_same_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("::ffff:203.0.113.9"), of("203.0.113.9"));
        assert_ne!(of("203.0.113.10"), of("203.0.113.9"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
