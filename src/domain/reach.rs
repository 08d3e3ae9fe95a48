//! Where this server may connect to on behalf of its users: public addresses, and what the operator lists besides
//! (a source that points inward would read what its owner cannot).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// Something that the operator allows: a name, an address or a network, with a port or with all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A host by its name, whatever that stands for.
    Name(String),
    /// Addresses.
    Network(IpNet),
}

impl Destination {
    /// Whether it lists a host of this name with this port.
    pub fn has_name(&self, name: &str, port: u16) -> bool {
        matches!(&self.place, Place::Name(listed) if listed == name) && self.has_port(port)
    }

    /// Whether it lists this address with this port.
    pub fn has_address(&self, address: IpAddr, port: u16) -> bool {
        matches!(&self.place, Place::Network(network) if network.contains(&address.to_canonical()))
            && self.has_port(port)
    }

    /// Whether it lists addresses.
    pub fn is_network(&self) -> bool {
        matches!(self.place, Place::Network(_))
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|listed| listed == port)
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal = || {
            format!(
                "`{text}` is nothing to connect to: write a host's name, an address or a network, with a port or \
                 without, such as `db.internal`, `10.0.0.5:5432` or `10.0.0.0/8`"
            )
        };
        if let Some(network) = network(text) {
            return Ok(Self { place: Place::Network(network), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|it| *it > 0).ok_or_else(refusal)?)),
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Some(network) = network(bare) {
            return Ok(Self { place: Place::Network(network), port });
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        // A name that ends in a number would be read as an address by whoever connects.
        let ends_in_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > 253 || ends_in_number || !name.split('.').all(is_label) {
            return Err(refusal());
        }
        Ok(Self { place: Place::Name(name), port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Name(name) => name.clone(),
            Place::Network(network) if network.prefix_len() < network.max_prefix_len() => network.to_string(),
            Place::Network(network) => network.addr().to_string(),
        };
        match self.port {
            Some(port) if place.contains(':') => write!(out, "[{place}]:{port}"),
            Some(port) => write!(out, "{place}:{port}"),
            None => out.write_str(&place),
        }
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether an address is one of the public Internet: neither of this machine, nor of a network around it, nor of a
/// special purpose (RFC 6890 and its registries), nor an IPv4 address in the clothing of a transition.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// `(network, length of its prefix)`.
const SPECIAL_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // A public address at which a cloud answers its machines about themselves.
    ([168, 63, 129, 16], 32),
    // Groups, what is reserved, and everybody.
    ([224, 0, 0, 0], 3),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !SPECIAL_V4.iter().any(|(network, length)| {
        let network = u32::from_be_bytes(*network);
        (bits ^ network) >> (32 - length) == 0
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match segments {
        // NAT64 by the well-known prefix: the network translates, so it is as public as what it stands for.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // Teredo, ORCHID, benchmarks and others of the IETF; examples; 6to4; more examples; AS112.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x2002, ..] | [0x3fff, 0..=0xfff, ..] | [0x2620, 0x4f, 0x8000, ..] => false,
        // Global unicast is all that is given out; loopback, mapped, unique local, link-local and groups are not in it.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_or_special_are_not_public() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_destination_is_read_and_written_alike() {
        for text in ["db.internal", "db:5432", "10.0.0.5", "10.0.0.5:5432", "10.0.0.0/8", "fd00::/8", "::1", "[::1]:80"]
        {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        for text in
            ["", "db:", "db:0", "db:99999", "https://db", "a b", "127.1", "0x7f.1", "*.internal", "db:80:90", "[::1"]
        {
            let read = text.parse::<Destination>();
            // `0x7f.1` ends in a number and is refused with the others.
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }

    #[test]
    fn a_destination_has_what_it_lists_and_nothing_else() {
        let of = |text: &str| text.parse::<Destination>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(of("DB.internal.").has_name("db.internal", 1) && !of("db.internal").has_name("xdb.internal", 1));
        assert!(of("db:5432").has_name("db", 5432) && !of("db:5432").has_name("db", 5433));
        assert!(of("10.0.0.0/8").has_address(address("10.9.8.7"), 80));
        assert!(of("10.0.0.0/8").has_address(address("::ffff:10.9.8.7"), 80));
        assert!(!of("10.0.0.0/8").has_address(address("11.0.0.1"), 80));
        assert!(!of("10.0.0.5:80").has_address(address("10.0.0.5"), 81));
        assert!(!of("10.0.0.5").has_name("10.0.0.5", 80));
    }
}
