//! What a filter can tell from the bytes of a call without reading all of them: most entries that are looked at while
//! searching are others, and reading one whole means a handful of texts of its own.

use std::net::IpAddr;

use super::super::filter::Filter;
use super::super::wire::Reader;
use super::{ADDRESS_V6, ADMITTED, CALL, KEY, KEY_PREFIX, LINEAGE, OBJECT, ORG, SESSION, USER, VERSION, optional};

impl Filter {
    /// Whether an entry with these bytes may be one of them. What cannot be told here, it may: [`Filter::admits`] has
    /// the last word.
    pub fn may_admit(&self, encoded: &[u8]) -> bool {
        self.glance(encoded).unwrap_or(true)
    }

    /// Reads in the order in which [`super::Call::encode`] writes. `None` for what is no call, or cannot be read.
    fn glance(&self, encoded: &[u8]) -> Option<bool> {
        fn fits<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let mut reader = Reader::new(encoded);
        if reader.array()? != [VERSION, CALL] {
            return None;
        }
        let present = reader.unsigned()?;
        let at_ms = i64::from_be_bytes(reader.array()?);
        let request = reader.array()?;
        let [_face, _method, outcome] = reader.array()?;
        let status = reader.unsigned()?;
        if self.from_ms.is_some_and(|from| at_ms < from)
            || self.before_ms.is_some_and(|before| at_ms >= before)
            || self.outcome.is_some_and(|wanted| wanted as u8 != outcome)
            || self.status.is_some_and(|(first, last)| !(first.into()..=last.into()).contains(&status))
            || !fits(self.request, Some(request))
        {
            return Some(false);
        }
        let _credits = reader.signed()?;
        let [_latency, _bytes_in, _bytes_out] = [reader.unsigned()?, reader.unsigned()?, reader.unsigned()?];
        let address = match present & ADDRESS_V6 {
            0 => IpAddr::from(reader.array::<4>()?),
            _ => IpAddr::from(reader.array::<16>()?),
        };
        if !fits(self.address, Some(address)) {
            return Some(false);
        }
        let mut number = |bit| optional(present & bit, || reader.signed());
        let _admitted = number(ADMITTED)?;
        let (org, key, _lineage, _session, user, _object) =
            (number(ORG)?, number(KEY)?, number(LINEAGE)?, number(SESSION)?, number(USER)?, number(OBJECT)?);
        let key_prefix = optional(present & KEY_PREFIX, || reader.array())?;
        Some(fits(self.org, org) && fits(self.key, key) && fits(self.user, user) && fits(self.key_prefix, key_prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::typical;
    use super::super::{Call, Entry, Event};
    use super::*;
    use crate::domain::audit::Outcome;

    fn bytes(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_glance_tells_what_reading_all_of_it_tells() {
        let least = Call {
            admitted_at_ms: None,
            org: None,
            key_id: None,
            lineage: None,
            key_prefix: None,
            user: None,
            object_id: None,
            address: "2001:db8::1".parse().unwrap(),
            ..typical()
        };
        let session = Call { session: Some(3), key_id: None, key_prefix: None, ..typical() };
        let any = Filter::default;
        let of = |call: &Call| {
            [
                Filter { org: call.org, ..any() },
                Filter { key: call.key_id, ..any() },
                Filter { key_prefix: call.key_prefix, ..any() },
                Filter { user: call.user, ..any() },
                Filter { outcome: Some(call.outcome), ..any() },
                Filter { status: Some((call.status, call.status)), ..any() },
                Filter { status: Some((100, call.status - 1)), ..any() },
                Filter { status: Some((call.status + 1, 599)), ..any() },
                Filter { address: Some(call.address), ..any() },
                Filter { request: Some(call.request_id), ..any() },
                Filter { from_ms: Some(call.at_ms), ..any() },
                Filter { from_ms: Some(call.at_ms + 1), ..any() },
                Filter { before_ms: Some(call.at_ms), ..any() },
                Filter { before_ms: Some(call.at_ms + 1), ..any() },
            ]
        };
        let strange = Filter { key: Some(-7), user: Some(i64::MAX), outcome: Some(Outcome::Gone), ..Filter::default() };
        let calls = [typical(), least, session];
        for filter in calls.iter().flat_map(of).chain([strange, any()]) {
            for call in &calls {
                let entry = Entry::Call(Box::new(call.clone()));
                assert_eq!(filter.may_admit(&bytes(&entry)), filter.admits(&entry), "{filter:?} {call:?}");
            }
        }
    }

    #[test]
    fn what_is_no_call_or_cannot_be_read_is_left_to_who_reads_all_of_it() {
        let event = Event {
            at_ms: 5,
            org: Some(1),
            kind: "change".into(),
            actor: "server".into(),
            detail: "{}".into(),
            digest: None,
        };
        let filter = Filter { key: Some(99), ..Filter::default() };
        assert!(filter.may_admit(&bytes(&Entry::Event(event))));
        let whole = bytes(&Entry::Call(Box::new(typical())));
        assert!(!filter.may_admit(&whole));
        for end in 0..20 {
            assert!(filter.may_admit(&whole[..end]), "{end}");
        }
    }
}
