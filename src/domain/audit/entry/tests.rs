use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::domain::audit::chain::{GENESIS, link};

pub fn typical() -> Call {
    Call {
        at_ms: 1_800_000_000_123,
        admitted_at_ms: Some(1_800_000_000_123),
        request_id: [7; 16],
        org: Some(1),
        key_id: Some(3),
        lineage: Some(3),
        key_prefix: Some(*b"Ab3dE5gH"),
        session: None,
        user: Some(2),
        role: Some(Word::Borrowed("analyst")),
        face: 2,
        method: Method::Get,
        operation: Some(Word::Borrowed("dashboards_list")),
        object_id: None,
        status: 200,
        code: None,
        outcome: Outcome::Ok,
        class: Class::General,
        credits: 0,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        latency_us: 412,
        bytes_in: 0,
        bytes_out: 2_048,
        user_agent: Some("curl/8.5.0".into()),
        replayed: false,
        changes: Vec::new(),
    }
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    entry.encode(&mut out);
    out
}

fn word() -> impl Strategy<Value = Word> {
    "[a-z_é]{0,20}".prop_map(Word::Owned)
}

fn call() -> impl Strategy<Value = Call> {
    let who = (
        of(any::<i64>()),
        of(any::<i64>()),
        of(any::<i64>()),
        of("[0-9A-Za-z]{8}"),
        of(any::<i64>()),
        of(any::<i64>()),
    );
    let what = (of(word()), any::<u8>(), 0..8usize, of(word()), of(any::<i64>()), any::<u16>(), of(word()), 0..6usize);
    let cost = (any::<(bool, bool)>(), any::<i64>(), any::<IpAddr>(), any::<u32>(), any::<u64>(), any::<u64>());
    let rest = (of(".{0,40}"), prop::collection::vec(any::<[u8; 32]>(), 0..4));
    ((any::<i64>(), of(any::<i64>()), any::<[u8; 16]>()), who, what, cost, rest).prop_map(
        |(when, who, what, cost, rest)| Call {
            at_ms: when.0,
            admitted_at_ms: when.1,
            request_id: when.2,
            org: who.0,
            key_id: who.1,
            lineage: who.2,
            key_prefix: who.3.map(|text| text.as_bytes().try_into().unwrap()),
            session: who.4,
            user: who.5,
            role: what.0,
            face: what.1,
            method: Method::ALL[what.2],
            operation: what.3,
            object_id: what.4,
            status: what.5,
            code: what.6,
            outcome: Outcome::ALL[what.7],
            class: if cost.0.0 { Class::Generation } else { Class::General },
            credits: cost.1,
            address: cost.2,
            latency_us: cost.3,
            bytes_in: cost.4,
            bytes_out: cost.5,
            user_agent: rest.0,
            replayed: cost.0.1,
            changes: rest.1,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let parts = (any::<i64>(), of(any::<i64>()), word(), ".{0,20}", ".{0,60}", of(any::<[u8; 32]>()));
    parts.prop_map(|(at_ms, org, kind, actor, detail, digest)| Event { at_ms, org, kind, actor, detail, digest })
}

fn flood() -> impl Strategy<Value = Flood> {
    let parts = (any::<[i64; 2]>(), any::<IpAddr>(), any::<[u64; 6]>(), any::<[u64; 2]>());
    parts.prop_map(|([at_ms, until_ms], address, outcomes, [bytes_in, bytes_out])| Flood {
        at_ms,
        until_ms,
        address,
        outcomes,
        bytes_in,
        bytes_out,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        call().prop_map(|call| Entry::Call(Box::new(call))),
        event().prop_map(Entry::Event),
        flood().prop_map(Entry::Flood)
    ]
}

#[test]
fn a_typical_call_takes_a_hundred_bytes_and_a_full_buffer_is_not_grown() {
    let mut out = Vec::with_capacity(512);
    for _ in 0..100 {
        out.clear();
        typical().encode(&mut out);
    }
    assert!(out.len() <= 100, "{}", out.len());
    assert_eq!(out.capacity(), 512);
}

#[test]
fn the_bytes_of_version_one_never_change() {
    // What a released version wrote must verify and read for ever: a change here is a new version of the encoding.
    let mut out = Vec::new();
    typical().encode(&mut out);
    let golden = "0101af17000001a3185c507b07070707070707070707070707070707020000c801009c030080107f0000010002060604416233644535674807616e616c7973740f64617368626f617264735f6c6973740a6375726c2f382e352e3000";
    assert_eq!(hex::encode(out), golden);
}

#[test]
fn unknown_versions_kinds_and_trailing_bytes_are_not_read() {
    let bytes = encoded(&Entry::Call(Box::new(typical())));
    assert!(Entry::decode(&bytes).is_some());
    assert_eq!(Entry::decode(&[]), None);
    for (position, value) in [(0, 2), (1, 4)] {
        let mut other = bytes.clone();
        other[position] = value;
        assert_eq!(Entry::decode(&other), None);
    }
    assert_eq!(Entry::decode(&[&bytes[..], &[0]].concat()), None);
    assert_eq!(Entry::decode(&bytes[..bytes.len() - 1]), None);
}

#[test]
fn a_user_agent_is_kept_without_credentials_and_cut_between_characters() {
    assert_eq!(user_agent("curl claribi_sk_live_Ab3dE5gH0123"), "curl claribi_[masked]");
    let kept = user_agent(&"é".repeat(300));
    assert_eq!(kept.len(), USER_AGENT_LENGTH);
    assert_eq!(user_agent(&format!("x{}", "é".repeat(300))).len(), USER_AGENT_LENGTH - 1);
}

#[test]
fn methods_are_known_by_their_names() {
    assert!(Method::ALL.into_iter().all(|method| Method::of(method.as_str()) == method));
    assert_eq!(Method::of("BREW"), Method::Other);
}

#[test]
fn both_kinds_of_address_come_back_as_they_were() {
    for address in
        [IpAddr::V4(Ipv4Addr::BROADCAST), IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()), Ipv6Addr::LOCALHOST.into()]
    {
        let call = Entry::Call(Box::new(Call { address, ..typical() }));
        assert_eq!(Entry::decode(&encoded(&call)), Some(call));
    }
}

proptest! {
    #[test]
    fn every_entry_comes_back_from_its_bytes(entry in entry()) {
        prop_assert_eq!(Entry::decode(&encoded(&entry)), Some(entry));
    }

    #[test]
    fn two_entries_have_the_same_bytes_only_if_they_are_the_same(one in entry(), other in entry()) {
        prop_assert_eq!(encoded(&one) == encoded(&other), one == other);
    }

    #[test]
    fn text_moved_from_one_field_to_the_next_gives_other_bytes(text in "[a-z]{1,12}", at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let split = |at: usize| {
            let (actor, detail) = text.split_at(at);
            let kind = Word::Borrowed("change");
            Entry::Event(Event { at_ms: 0, org: None, kind, actor: actor.into(), detail: detail.into(), digest: None })
        };
        let (at, to) = (at.index(text.len()), to.index(text.len()));
        prop_assert_eq!(encoded(&split(at)) == encoded(&split(to)), at == to);
    }

    #[test]
    fn any_flipped_bit_changes_the_hash_and_is_read_as_another_entry_or_none(entry in entry(), byte in any::<prop::sample::Index>(), bit in 0..8u8) {
        let bytes = encoded(&entry);
        let mut flipped = bytes.clone();
        flipped[byte.index(bytes.len())] ^= 1 << bit;
        prop_assert_ne!(link(&GENESIS, &flipped), link(&GENESIS, &bytes));
        if let Some(other) = Entry::decode(&flipped) {
            prop_assert_ne!(&other, &entry);
            prop_assert_eq!(encoded(&other), flipped);
        }
    }

    #[test]
    fn bytes_that_are_read_are_the_bytes_that_are_written(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 1..=3u8) {
        let bytes = [&[VERSION, kind][..], &bytes].concat();
        if let Some(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(encoded(&entry), bytes);
        }
    }
}
