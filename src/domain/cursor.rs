//! Cursors: where a list goes on, in a text that means nothing to its bearer and cannot be altered by them.
//!
//! A cursor carries the sort keys of the last row. Its tag (HMAC-SHA256, 16 bytes) also covers the organisation, the
//! order and the filter, which the reader of a cursor knows from the request: a cursor that is used with other ones
//! is refused as a forged one is.
//!
//! Deliberately not here: the secret, what the keys mean to SQL, and the error a bad cursor becomes.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: u8 = 1;
const TAG_LENGTH: usize = 16;
const INTEGER: u8 = 0;
const TEXT: u8 = 1;

/// No longer text is looked at, in bytes. Leaves room for 3,000 bytes of sort keys.
pub const MAX_LENGTH: usize = 4096;

/// The value of a sort column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// An id, a count, or an instant in milliseconds.
    Integer(i64),
    /// A name.
    Text(String),
}

/// The end of a page, and the list it is a page of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<'a> {
    /// The organisation whose rows are listed.
    pub org: i64,
    /// The name of the order, such as `created_at`.
    pub order: &'a str,
    /// A hash over the filters in a canonical form.
    pub filter_hash: u64,
    /// The sort keys of the last row, as many as the order has.
    pub keys: &'a [SortKey],
}

/// Writes a cursor as base64url without padding.
pub fn encode(secret: &[u8], cursor: &Cursor<'_>) -> String {
    let mut payload = vec![VERSION];
    for key in cursor.keys {
        match key {
            SortKey::Integer(value) => {
                payload.push(INTEGER);
                payload.extend_from_slice(&value.to_be_bytes());
            }
            SortKey::Text(value) => {
                payload.push(TEXT);
                payload.extend_from_slice(&length_of(value.as_bytes()));
                payload.extend_from_slice(value.as_bytes());
            }
        }
    }
    let tag = tag(secret, cursor.org, cursor.order, cursor.filter_hash, &payload);
    payload.extend_from_slice(&tag);
    URL_SAFE_NO_PAD.encode(payload)
}

/// Reads the sort keys of a cursor that was made under this secret for this organisation, order and filter; of any
/// other text, nothing.
pub fn decode(secret: &[u8], text: &str, org: i64, order: &str, filter_hash: u64) -> Option<Vec<SortKey>> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (payload, given) = bytes.split_at_checked(bytes.len().checked_sub(TAG_LENGTH)?)?;
    verify_slices_are_equal(&tag(secret, org, order, filter_hash, payload), given).ok()?;

    let (&version, mut rest) = payload.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut keys = Vec::new();
    while let Some((&kind, after)) = rest.split_first() {
        rest = after;
        keys.push(match kind {
            INTEGER => SortKey::Integer(i64::from_be_bytes(take(&mut rest)?)),
            TEXT => {
                let length = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
                let (text, after) = rest.split_at_checked(length)?;
                rest = after;
                SortKey::Text(std::str::from_utf8(text).ok()?.to_owned())
            }
            _ => return None,
        });
    }
    Some(keys)
}

fn tag(secret: &[u8], org: i64, order: &str, filter_hash: u64, payload: &[u8]) -> [u8; TAG_LENGTH] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(&org.to_be_bytes());
    context.update(&filter_hash.to_be_bytes());
    context.update(&length_of(order.as_bytes()));
    context.update(order.as_bytes());
    context.update(payload);
    let mut tag = [0; TAG_LENGTH];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG_LENGTH]);
    tag
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

/// A length as four bytes. Sort keys and order names are far shorter than what would not fit.
fn length_of(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const SECRET: &[u8] = b"thirty-two bytes of test secret!";

    fn keys() -> Vec<SortKey> {
        vec![SortKey::Text("Q2 Revenue".into()), SortKey::Integer(42)]
    }

    fn golden() -> String {
        encode(SECRET, &Cursor { org: 7, order: "name", filter_hash: 99, keys: &keys() })
    }

    #[test]
    fn a_cursor_leads_back_to_its_keys_and_shows_no_organisation() {
        assert_eq!(decode(SECRET, &golden(), 7, "name", 99), Some(keys()));
        assert!(golden().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(URL_SAFE_NO_PAD.decode(golden()).unwrap().len(), 1 + (1 + 4 + 10) + (1 + 8) + TAG_LENGTH);
    }

    #[test]
    fn another_organisation_order_filter_or_secret_refuses_it() {
        assert_eq!(decode(SECRET, &golden(), 8, "name", 99), None);
        assert_eq!(decode(SECRET, &golden(), 7, "created_at", 99), None);
        assert_eq!(decode(SECRET, &golden(), 7, "name", 98), None);
        assert_eq!(decode(b"another", &golden(), 7, "name", 99), None);
    }

    #[test]
    fn every_single_changed_character_is_refused() {
        for position in 0..golden().len() {
            for other in "ABab01-_=. é".chars() {
                let mut changed = golden();
                changed.replace_range(position..=position, &other.to_string());
                assert_eq!(decode(SECRET, &changed, 7, "name", 99).is_some(), changed == golden());
            }
        }
    }

    #[test]
    fn texts_of_other_lengths_are_refused() {
        let golden = golden();
        assert_eq!(decode(SECRET, "", 7, "name", 99), None);
        assert_eq!(decode(SECRET, &golden[..golden.len() - 4], 7, "name", 99), None);
        assert_eq!(decode(SECRET, &format!("{golden}AAAA"), 7, "name", 99), None);
        let long = [SortKey::Text("x".repeat(MAX_LENGTH))];
        let long = encode(SECRET, &Cursor { org: 7, order: "name", filter_hash: 99, keys: &long });
        assert_eq!(decode(SECRET, &long, 7, "name", 99), None);
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn a_cursor_that_was_altered_anyhow_is_none(
            position in any::<prop::sample::Index>(),
            put in "[A-Za-z0-9_=-]{0,6}",
            taken in 0..6_usize,
        ) {
            let golden = golden();
            let start = position.index(golden.len());
            let end = (start + taken).min(golden.len());
            let altered = format!("{}{put}{}", &golden[..start], &golden[end..]);
            prop_assert_eq!(decode(SECRET, &altered, 7, "name", 99).is_some(), altered == golden);
        }

        #[test]
        fn any_keys_come_back(
            org in any::<i64>(),
            filter_hash in any::<u64>(),
            order in "[a-z_]{0,12}",
            keys in prop::collection::vec(
                prop_oneof![any::<i64>().prop_map(SortKey::Integer), ".{0,60}".prop_map(SortKey::Text)], 0..5),
        ) {
            let text = encode(SECRET, &Cursor { org, order: &order, filter_hash, keys: &keys });
            prop_assert_eq!(decode(SECRET, &text, org, &order, filter_hash), Some(keys));
        }

        #[test]
        fn any_text_can_be_read(text in "[A-Za-z0-9_-]{0,200}") {
            prop_assert_eq!(decode(SECRET, &text, 1, "name", 0), None);
        }
    }
}
