//! How many connections each address has open. The addresses of requests (behind proxies) are not known here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

/// The count of open connections by address.
#[derive(Clone)]
pub(super) struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limit: usize,
    unlimited: Vec<IpNet>,
}

/// One connection's share of its address; given back when dropped.
pub(super) struct Share {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    origin: IpAddr,
}

impl Addresses {
    /// No connection yet, at most `limit` for each address that is not in one of the other networks.
    pub(super) fn new(limit: usize, unlimited: Vec<IpNet>) -> Self {
        Self { open: Arc::default(), limit, unlimited }
    }

    /// Counts one more connection from `address`, or says that it has its share already.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Share> {
        let origin = origin(address);
        let mut open = self.open.lock();
        let count = open.entry(origin).or_insert(0);
        if *count >= self.limit && !self.unlimited.iter().any(|network| network.contains(&address.to_canonical())) {
            return None;
        }
        *count += 1;
        Some(Share { open: Arc::clone(&self.open), origin })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        let Entry::Occupied(mut entry) = open.entry(self.origin) else { return };
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

/// Who shares one count: an IPv4 address, also when it comes mapped into IPv6, or an IPv6 /64, which is what one
/// customer of a provider gets.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_at_its_limit_enters_again_after_one_of_its_connections_ended() {
        let addresses = Addresses::new(2, Vec::new());
        let first = addresses.enter(address("192.0.2.1")).unwrap();
        let _second = addresses.enter(address("192.0.2.1")).unwrap();
        assert!(addresses.enter(address("192.0.2.1")).is_none());
        assert!(addresses.enter(address("192.0.2.2")).is_some());
        drop(first);
        assert!(addresses.enter(address("192.0.2.1")).is_some());
    }

    #[test]
    fn a_proxy_has_as_many_connections_as_its_clients_need() {
        let addresses = Addresses::new(1, vec!["192.0.2.0/28".parse().unwrap()]);
        let proxied: Vec<_> = (0..3).map(|_| addresses.enter(address("::ffff:192.0.2.1")).unwrap()).collect();
        let _direct = addresses.enter(address("192.0.2.16")).unwrap();
        assert!(addresses.enter(address("192.0.2.16")).is_none());
        drop(proxied);
        assert_eq!(addresses.open.lock().len(), 1);
    }

    #[test]
    fn addresses_without_connections_take_no_memory() {
        let addresses = Addresses::new(1, Vec::new());
        let share = addresses.enter(address("192.0.2.1"));
        assert_eq!(addresses.open.lock().len(), 1);
        drop(share);
        assert_eq!(addresses.open.lock().len(), 0);
    }

    #[test]
    fn mapped_ipv4_counts_as_ipv4_and_an_ipv6_network_counts_as_one() {
        assert_eq!(origin(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_eq!(origin(address("2001:db8:1:2:3::4")), origin(address("2001:db8:1:2:ffff::1")));
        assert_ne!(origin(address("2001:db8:1:2::1")), origin(address("2001:db8:1:3::1")));
    }
}
