//! Who is at the other end: through which proxy, over HTTPS or not, for which host.

use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, Uri};

use super::settings::HttpSettings;
use crate::domain::error::{Error, Result};

/// The other end.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address, past trusted proxies; the nearest one that can be read where the client's own cannot.
    pub address: IpAddr,
    /// Whether `address` is the client's own: no list of networks holds one that is not known.
    pub is_known: bool,
    /// Scheme and host as it reached us, for absolute links.
    pub origin: String,
}

/// Looks at peer and headers.
///
/// # Errors
/// `HttpsRequired` for plain HTTP from elsewhere than loopback or a trusted proxy that says `https`;
/// `MisdirectedRequest` for a host that is none of ours on a direct connection, which is how a page in somebody's
/// browser would reach a server on loopback (DNS rebinding).
pub fn client(peer: IpAddr, headers: &HeaderMap, uri: &Uri, settings: &HttpSettings) -> (Client, Result<()>) {
    let peer = peer.to_canonical();
    let proxied = settings.trusts(peer) && headers.contains_key("x-forwarded-proto");
    let host = uri.authority().map(http::uri::Authority::as_str).or_else(|| header(headers, HOST.as_str()));
    let (address, is_known) = if settings.trusts(peer) { forwarded_for(peer, headers, settings) } else { (peer, true) };
    let scheme = if proxied { "https" } else { "http" };
    let origin = match &settings.public_url {
        Some(url) => url.clone(),
        None => format!("{scheme}://{}", host.unwrap_or("localhost")),
    };
    let verdict = if proxied {
        // Every line and every entry must say so: each is a hop, and one in the clear is enough for others to read along.
        let mut hops =
            headers.get_all("x-forwarded-proto").iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        if hops.all(|hop| hop.trim_ascii().eq_ignore_ascii_case(b"https")) { Ok(()) } else { Err(Error::HttpsRequired) }
    } else if !peer.is_loopback() {
        Err(Error::HttpsRequired)
    } else if headers.get_all(HOST).iter().any(|host| !host.to_str().is_ok_and(|host| is_ours(host, settings)))
        || host.is_some_and(|host| !is_ours(host, settings))
    {
        Err(Error::MisdirectedRequest)
    } else {
        Ok(())
    };
    (Client { address, is_known, origin }, verdict)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok())
}

/// Walks `X-Forwarded-For` from its end over every line, past proxies that are trusted, to the first that is not. Gives
/// it, and whether everything up to it could be read. RFC 7239's `Forwarded` is not looked at: a proxy that adds to the
/// one header passes the other on as the client wrote it.
fn forwarded_for(peer: IpAddr, headers: &HeaderMap, settings: &HttpSettings) -> (IpAddr, bool) {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut nearest = peer;
    for entry in entries {
        // What cannot be read ends the walk: nothing before it can be believed.
        let Some(address) = std::str::from_utf8(entry).ok().and_then(parse_address) else { return (nearest, false) };
        nearest = address;
        if !settings.trusts(address) {
            break;
        }
    }
    (nearest, true)
}

/// An address as proxies write it: plain, with a port, or in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::from);
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

fn is_ours(host: &str, settings: &HttpSettings) -> bool {
    let name = without_port(host);
    let loopback = name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    let public = settings
        .public_url
        .as_deref()
        .and_then(|url| url.split_once("://"))
        .map(|(_, rest)| without_port(rest.split('/').next().unwrap_or(rest)));
    loopback
        || settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
        || public.is_some_and(|known| known.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::listener::Limits;

    fn settings(proxies: &[&str]) -> HttpSettings {
        HttpSettings {
            limits: Limits::default(),
            public_url: None,
            hosts: vec!["bi.internal".to_owned()],
            trusted_proxies: proxies.iter().map(|text| text.parse().unwrap()).collect(),
            origins: super::super::cors::Origins::default(),
            json_limit: 1,
            upload_limit: 1,
            body_timeout: Duration::from_secs(1),
            body_minimum_rate: 1,
            public_reference: true,
            metrics_token: None,
            sandbox: None,
        }
    }

    fn ask(peer: &str, headers: &[(&'static str, &str)], settings: &HttpSettings) -> (IpAddr, Result<()>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let (client, verdict) = client(peer.parse().unwrap(), &map, &Uri::from_static("/"), settings);
        (client.address, verdict)
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        let none = settings(&[]);
        assert!(ask("127.0.0.1", &[("host", "localhost:8080")], &none).1.is_ok());
        assert!(ask("::ffff:127.0.0.1", &[("host", "[::1]:8080")], &none).1.is_ok());
        assert!(matches!(ask("192.0.2.7", &[], &none).1, Err(Error::HttpsRequired)));
        let forged = [("x-forwarded-proto", "https"), ("x-forwarded-for", "127.0.0.1")];
        assert!(matches!(ask("192.0.2.7", &forged, &none).1, Err(Error::HttpsRequired)));
    }

    #[test]
    fn a_trusted_proxy_must_say_https_itself() {
        let proxy = settings(&["192.0.2.7/32", "127.0.0.1/32"]);
        let says =
            |proto: &str| ask("192.0.2.7", &[("x-forwarded-proto", proto), ("x-forwarded-for", "203.0.113.9")], &proxy);
        assert!(says("https").1.is_ok());
        assert_eq!(says("https").0, "203.0.113.9".parse::<IpAddr>().unwrap());
        assert!(matches!(says("http").1, Err(Error::HttpsRequired)));
        for clear in ["https, http", "http, https", "https,", ""] {
            assert!(matches!(says(clear).1, Err(Error::HttpsRequired)), "{clear}");
        }
        assert!(says("https, HTTPS").1.is_ok());
        assert!(matches!(ask("192.0.2.7", &[], &proxy).1, Err(Error::HttpsRequired)));
        assert!(matches!(ask("127.0.0.1", &[("x-forwarded-proto", "http")], &proxy).1, Err(Error::HttpsRequired)));
    }

    #[test]
    fn forwarded_addresses_are_walked_from_their_end_past_trusted_proxies() {
        let proxies = settings(&["10.0.0.0/8"]);
        let asked = |lines: &[&'static str]| {
            let mut headers = vec![("x-forwarded-proto", "https")];
            headers.extend(lines.iter().map(|line| ("x-forwarded-for", *line)));
            ask("10.0.0.1", &headers, &proxies).0.to_string()
        };
        assert_eq!(asked(&["1.1.1.1, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(asked(&["1.1.1.1", "203.0.113.9", "10.0.0.2"]), "203.0.113.9");
        assert_eq!(asked(&["1.1.1.1, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(asked(&["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(asked(&[]), "10.0.0.1");
    }

    #[test]
    fn an_address_that_cannot_be_read_leaves_the_client_unknown() {
        let proxies = settings(&["10.0.0.0/8"]);
        let asked = |line: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-proto", "https".parse().unwrap());
            headers.append("x-forwarded-for", line.try_into().unwrap());
            let (client, _) = client("10.0.0.1".parse().unwrap(), &headers, &Uri::from_static("/"), &proxies);
            (client.address.to_string(), client.is_known)
        };
        let known = [
            (&b"203.0.113.9:4711"[..], "203.0.113.9"),
            (b"[2001:db8::9]:443", "2001:db8::9"),
            (b"[2001:db8::9]", "2001:db8::9"),
            (b" ::ffff:203.0.113.9 ", "203.0.113.9"),
            (b"unknown, 203.0.113.9", "203.0.113.9"),
            (b"10.0.0.3", "10.0.0.3"),
        ];
        for (line, address) in known {
            assert_eq!(asked(line), (address.to_owned(), true), "{}", String::from_utf8_lossy(line));
        }
        for line in [&b"unknown"[..], b"_hidden", b"fe80::1%eth0", b"203.0.113.009", b"3405803785", b"", b"\xff", b","]
        {
            assert_eq!(asked(line), ("10.0.0.1".to_owned(), false), "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(asked(b"203.0.113.9, for=10.0.0.4, 10.0.0.2"), ("10.0.0.2".to_owned(), false));
    }

    #[test]
    fn the_header_of_rfc_7239_is_not_believed() {
        let headers = [("x-forwarded-proto", "https"), ("forwarded", "for=198.51.100.4;proto=https")];
        let (address, verdict) = ask("10.0.0.1", &headers, &settings(&["10.0.0.0/8"]));
        assert_eq!(address.to_string(), "10.0.0.1");
        assert!(verdict.is_ok());
        assert!(matches!(ask("10.0.0.1", &headers[1..], &settings(&["10.0.0.0/8"])).1, Err(Error::HttpsRequired)));
    }

    #[test]
    fn a_foreign_host_on_loopback_is_misdirected() {
        let none = settings(&[]);
        let asked = |host: &'static str| ask("127.0.0.1", &[("host", host)], &none).1;
        assert!(matches!(asked("evil.example"), Err(Error::MisdirectedRequest)));
        assert!(matches!(asked("localhost.evil.example"), Err(Error::MisdirectedRequest)));
        assert!(asked("bi.internal:8080").is_ok());
        let two = [("host", "evil.example"), ("host", "localhost")];
        assert!(matches!(ask("127.0.0.1", &two, &none).1, Err(Error::MisdirectedRequest)), "every line is looked at");
    }
}
