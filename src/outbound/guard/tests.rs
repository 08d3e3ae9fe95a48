//! Which hosts and URLs the guard lets through, against those of people who mean no good.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

fn guard(allow: &[&str]) -> Guard {
    let names = |host: &str| match host {
        "inside.example" => vec!["10.0.0.7".parse().unwrap()],
        "mixed.example" => vec!["10.0.0.7".parse().unwrap(), "8.8.8.8".parse().unwrap()],
        "mapped.example" => vec!["::ffff:127.0.0.1".parse().unwrap()],
        "gone.example" => Vec::new(),
        _ => vec!["8.8.8.8".parse().unwrap()],
    };
    Guard::new(allow.iter().map(|text| text.parse().unwrap()).collect(), Names::Given(Arc::new(names)))
}

#[test]
fn the_certificates_of_the_system_are_read_once_an_hour_and_as_long_as_there_are_none() {
    let pem = guard(&[]).trusted_pem();
    assert!(pem.is_empty() || pem.contains("BEGIN CERTIFICATE"));
    let guard = guard(&[]);
    let asked = |seconds: u64, system: &str| guard.trusted_at(Duration::from_secs(seconds), || system.to_owned());
    assert_eq!(&*asked(10, ""), "");
    let first = asked(11, "first");
    assert_eq!(&*first, "first");
    assert!(Arc::ptr_eq(&first, &asked(3_610, "second")));
    assert_eq!(&*asked(3_611, "second"), "second");
}

/// What others have been fooled by: each must be refused before anybody connects.
const HOSTILE: &[&str] = &[
    // Other schemes.
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stat",
    "ftp://example.com/a.csv",
    "unix:/var/run/docker.sock",
    "jar:http://example.com!/",
    "data:text/csv,a,b",
    "ldap://127.0.0.1/",
    "javascript:alert(1)",
    "ws://example.com/",
    "about:blank",
    "http:///etc/passwd",
    "http://",
    "https://",
    "//example.com/a",
    "example.com/a.csv",
    "",
    " ",
    "http://\u{0}/",
    // Loopback in every spelling.
    "http://127.0.0.1/",
    "http://127.0.0.1:80/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://0177.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://127.1.1.1/",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://a.localhost/",
    "http://0/",
    "http://0.0.0.0/",
    "http://0x0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://\u{2460}\u{2461}\u{2466}.\u{2460}/",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
    "http://127\u{3002}0\u{3002}0\u{3002}1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%2f@example.com/",
    "http://ⓛocalhost/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1/",
    // What is around.
    "http://10.0.0.1/",
    "http://172.16.5.4/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://3232235521/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    // What clouds tell their machines.
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    // Users, ports, and what reads differently to different readers.
    "http://a@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://me:secret@example.com/",
    "http://example.com:@10.0.0.1/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:6379/",
    "http://example.com:2375/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com:a/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://[127.0.0.1]/",
    "http://[::1",
    "http://exa mple.com/",
    "http://1.2.3.4.5/",
    "http://256.0.0.1/",
    "http://0x100000000/",
    "http://example..com./..",
    "http://..",
    "http://xn--/",
];

#[tokio::test]
async fn hostile_urls_are_refused_before_anybody_connects() {
    assert!(HOSTILE.len() >= 60);
    let guard = guard(&[]);
    let mut through = Vec::new();
    for text in HOSTILE {
        if let Ok(url) = guard.url(text)
            && let Ok(addresses) = guard.settle_url(&url).await
        {
            through.push(format!("{text} as {url} to {addresses:?}"));
        }
    }
    assert!(through.is_empty(), "{}", through.join("\n"));
}

#[tokio::test]
async fn names_that_stand_for_what_is_inside_are_refused() {
    let guard = guard(&[]);
    let settle = async |host: &str| guard.settle(host, 443, Purpose::Web).await;
    assert_eq!(settle("inside.example").await, Err(Refusal::Inside));
    assert_eq!(settle("mapped.example").await, Err(Refusal::Inside));
    assert_eq!(settle("gone.example").await, Err(Refusal::Unknown));
    assert_eq!(settle("mixed.example").await, Ok(vec!["8.8.8.8:443".parse().unwrap()]));
    assert_eq!(settle("EXAMPLE.com.").await, Ok(vec!["8.8.8.8:443".parse().unwrap()]));
}

#[tokio::test]
async fn the_operator_opens_hosts_networks_and_ports() {
    let open = guard(&["inside.example:5432", "192.168.0.0/16", "127.0.0.1:8123", "files.example:9000"]);
    let settle = async |host: &str, port| open.settle(host, port, Purpose::Web).await;
    assert!(settle("inside.example", 5432).await.is_ok());
    assert_eq!(settle("inside.example", 443).await, Err(Refusal::Inside));
    assert!(settle("192.168.7.7", 9).await.is_ok() && settle("::ffff:192.168.7.7", 9).await.is_ok());
    assert!(settle("127.0.0.1", 8123).await.is_ok() && settle("localhost", 8123).await.is_ok());
    assert_eq!(settle("127.0.0.1", 8124).await, Err(Refusal::Inside));
    assert!(settle("files.example", 9000).await.is_ok());
    assert_eq!(settle("files.example", 9001).await, Err(Refusal::Port(9001)));
    assert_eq!(guard(&[]).settle("example.com", 22, Purpose::Database).await, Err(Refusal::Port(22)));
    assert!(guard(&[]).settle("example.com", 5432, Purpose::Database).await.is_ok());
}

#[tokio::test]
async fn this_server_is_no_source_of_itself() {
    for (listen, allow) in [("127.0.0.1:8080", "127.0.0.0/8"), ("0.0.0.0:8080", "127.0.0.0/8"), ("[::]:8080", "::1")] {
        let guard = guard(&[allow, "127.0.0.0/8"]);
        guard.listens_on(listen.parse().unwrap());
        assert_eq!(guard.settle("127.0.0.1", 8080, Purpose::Web).await, Err(Refusal::Itself), "{listen}");
        assert!(guard.settle("127.0.0.1", 8081, Purpose::Web).await.is_ok());
    }
}

#[tokio::test]
async fn a_name_that_answers_differently_the_second_time_gains_nothing() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let names = move |_: &str| match count.fetch_add(1, Ordering::Relaxed) {
        0 => vec!["8.8.8.8".parse().unwrap()],
        _ => vec!["127.0.0.1".parse().unwrap()],
    };
    let guard = Guard::new(Vec::new(), Names::Given(Arc::new(names)));
    let first = guard.settle("rebind.example", 443, Purpose::Web).await;
    assert_eq!(first, Ok(vec!["8.8.8.8:443".parse().unwrap()]));
    assert_eq!(guard.settle("rebind.example", 443, Purpose::Web).await, Err(Refusal::Inside));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_text_leads_inside(text in "(https?|HTTP|ftp|file)?:?[/\\\\]{0,3}[a-z0-9.\\[\\]:@%#?x]{0,40}(/[a-z]{0,4})?") {
        let guard = guard(&[]);
        if let Ok(url) = guard.url(&text) {
            let host = url.host_str().unwrap();
            let bare = host.trim_matches(['[', ']']);
            prop_assert!(matches!(url.scheme(), "http" | "https"));
            prop_assert!(url.username().is_empty() && url.password().is_none());
            if let Ok(address) = bare.parse::<IpAddr>() {
                prop_assert!(is_public(address), "{text} leads to {address}");
            }
            // Read again it is the same place.
            prop_assert_eq!(guard.url(url.as_str()).unwrap(), url);
        }
    }

    #[test]
    fn no_spelling_of_an_address_leads_inside(bits in any::<u32>(), spelling in 0..5u8) {
        let address = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        let host = match spelling {
            0 => address.to_string(),
            1 => bits.to_string(),
            2 => format!("{bits:#x}"),
            3 => format!("0{a:o}.{b:#x}.{}", u32::from(c) << 8 | u32::from(d)),
            _ => format!("[::ffff:{address}]"),
        };
        prop_assert_eq!(guard(&[]).url(&format!("http://{host}/")).is_ok(), is_public(address.into()), "{}", host);
        prop_assert_eq!(guard(&[]).host(&host, 5432, Purpose::Database).is_ok(), is_public(address.into()), "{}", host);
    }
}
