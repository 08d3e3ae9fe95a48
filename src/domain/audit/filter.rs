//! Which entries of the log are asked for. What a filter leaves open it lets through; what it names must be there.

use std::net::IpAddr;

use super::entry::{Call, Entry};
use super::flood::Flood;
use super::kind::Outcome;
use super::summary::Fact;
use crate::domain::id::{IdRef, Key};
use crate::domain::key::Owner;
use crate::domain::page::Times;
use crate::domain::time::Timestamp;

/// What entries must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    /// Of this organisation.
    pub org: Option<i64>,
    /// Calls with this key.
    pub key: Option<i64>,
    /// Calls with a key of these public characters, known or not.
    pub key_prefix: Option<[u8; 8]>,
    /// Calls of this user.
    pub user: Option<i64>,
    /// Calls of this operation.
    pub operation: Option<String>,
    /// Calls with this outcome.
    pub outcome: Option<Outcome>,
    /// Calls with a status from the first to the last of these.
    pub status: Option<(u16, u16)>,
    /// Calls from this address.
    pub address: Option<IpAddr>,
    /// The call with this request id.
    pub request: Option<[u8; 16]>,
    /// From this instant on, in milliseconds.
    pub from_ms: Option<i64>,
    /// Before this instant, in milliseconds.
    pub before_ms: Option<i64>,
}

impl Filter {
    /// Whether an entry is one of them.
    pub fn admits(&self, entry: &Entry) -> bool {
        let (at, org) = (entry.at_ms(), entry.org());
        let in_time = self.from_ms.is_none_or(|from| at >= from) && self.before_ms.is_none_or(|before| at < before);
        let theirs = self.org.is_none_or(|wanted| org == Some(wanted));
        let call = match entry {
            Entry::Call(call) => self.admits_call(call),
            Entry::Event(_) => !self.is_for_calls(),
            Entry::Flood(flood) => self.admits_flood(flood),
        };
        in_time && theirs && call
    }

    fn admits_call(&self, call: &Call) -> bool {
        fits(self.key, call.key_id)
            && fits(self.key_prefix, call.key_prefix)
            && fits(self.user, call.user)
            && fits(self.operation.as_deref(), call.operation.as_deref())
            && fits(self.outcome, Some(call.outcome))
            && self.status.is_none_or(|(first, last)| (first..=last).contains(&call.status))
            && fits(self.address, Some(call.address))
            && fits(self.request, Some(call.request_id))
    }

    /// Of counted calls no more is known than from where they came and what became of them.
    fn admits_flood(&self, flood: &Flood) -> bool {
        fits(self.address, Some(flood.address))
            && self.outcome.is_none_or(|outcome| flood.has(outcome))
            && self.key.is_none()
            && self.key_prefix.is_none()
            && self.user.is_none()
            && self.operation.is_none()
            && self.status.is_none()
            && self.request.is_none()
    }

    /// Whether it names what calls alone have.
    fn is_for_calls(&self) -> bool {
        self.key.is_some()
            || self.key_prefix.is_some()
            || self.user.is_some()
            || self.operation.is_some()
            || self.outcome.is_some()
            || self.status.is_some()
            || self.address.is_some()
            || self.request.is_some()
    }

    /// What a block of entries must have for one of them to be among these.
    pub fn facts(&self) -> Vec<Fact<'_>> {
        let single = self.status.filter(|(first, last)| first == last).map(|(status, _)| status);
        let known = self.outcome.or_else(|| {
            let (first, last) = self.status?;
            outcome_of(first).filter(|outcome| outcome_of(last) == Some(*outcome))
        });
        let mut facts = Vec::new();
        facts.extend(self.org.map(Fact::Org));
        facts.extend(self.key.map(Fact::Key));
        facts.extend(self.key_prefix.map(Fact::KeyPrefix));
        facts.extend(self.user.map(Fact::User));
        facts.extend(self.operation.as_deref().map(Fact::Operation));
        facts.extend(known.map(Fact::Outcome));
        facts.extend(single.map(Fact::Status));
        facts.extend(self.address.map(Fact::Address));
        if let Some(outcome) = known {
            facts.extend(self.key.map(|key| Fact::KeyOutcome(key, outcome)));
            facts.extend(self.user.map(|user| Fact::UserOutcome(user, outcome)));
            facts.extend(self.operation.as_deref().map(|operation| Fact::OperationOutcome(operation, outcome)));
        }
        facts
            .extend(self.key.zip(self.operation.as_deref()).map(|(key, operation)| Fact::KeyOperation(key, operation)));
        facts
    }
}

fn fits<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> bool {
    wanted.is_none() || wanted == found
}

/// What became of every call with this status, where that is certain.
fn outcome_of(status: u16) -> Option<Outcome> {
    (500..600).contains(&status).then_some(Outcome::Server)
}

/// What is asked of the log on the wire: names that are still to be looked up.
#[derive(Debug, Clone, Hash, Default)]
pub struct AuditFilter {
    /// When entries were made.
    pub times: Times,
    /// With which key.
    pub key: Option<IdRef<Key>>,
    /// With a key of which public characters, known or not.
    pub key_prefix: Option<[u8; 8]>,
    /// Of which user.
    pub user: Option<Owner>,
    /// Of which operation.
    pub operation: Option<&'static str>,
    /// With which outcome.
    pub outcome: Option<Outcome>,
    /// With a status from the first to the last of these.
    pub status: Option<(u16, u16)>,
    /// From which address.
    pub address: Option<IpAddr>,
    /// With which request id.
    pub request: Option<[u8; 16]>,
}

impl AuditFilter {
    /// Everything that needs no looking up.
    pub fn plain(&self) -> Filter {
        Filter {
            key_prefix: self.key_prefix,
            operation: self.operation.map(str::to_owned),
            outcome: self.outcome,
            status: self.status,
            address: self.address,
            request: self.request,
            from_ms: self.times.created_after.map(Timestamp::millis),
            before_ms: self.times.created_before.map(Timestamp::millis),
            ..Filter::default()
        }
    }
}

/// A status, or all of a hundred: `404`, `4xx`.
pub fn status(text: &str) -> Option<(u16, u16)> {
    if let Some(hundred) = text.strip_suffix("xx") {
        let hundred: u16 = hundred.parse().ok().filter(|hundred| (1..=5).contains(hundred))?;
        return Some((hundred * 100, hundred * 100 + 99));
    }
    let status: u16 = text.parse().ok().filter(|status| (100..600).contains(status) && text.len() == 3)?;
    Some((status, status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::entry::Event;
    use crate::domain::audit::entry::tests::typical;
    use crate::domain::audit::summary::Filling;

    #[test]
    fn each_condition_admits_what_it_names_and_nothing_else() {
        let call = typical();
        let entry = Entry::Call(Box::new(call.clone()));
        let (right, wrong): (Vec<Filter>, Vec<Filter>) = [
            (Filter { org: Some(1), ..Filter::default() }, Filter { org: Some(2), ..Filter::default() }),
            (Filter { key: call.key_id, ..Filter::default() }, Filter { key: Some(99), ..Filter::default() }),
            (
                Filter { key_prefix: call.key_prefix, ..Filter::default() },
                Filter { key_prefix: Some([b'x'; 8]), ..Filter::default() },
            ),
            (Filter { user: call.user, ..Filter::default() }, Filter { user: Some(99), ..Filter::default() }),
            (
                Filter { operation: Some("dashboards_list".into()), ..Filter::default() },
                Filter { operation: Some("dashboards_get".into()), ..Filter::default() },
            ),
            (
                Filter { outcome: Some(Outcome::Ok), ..Filter::default() },
                Filter { outcome: Some(Outcome::Gone), ..Filter::default() },
            ),
            (
                Filter { status: Some((200, 299)), ..Filter::default() },
                Filter { status: Some((400, 499)), ..Filter::default() },
            ),
            (
                Filter { address: Some(call.address), ..Filter::default() },
                Filter { address: Some([10, 0, 0, 1].into()), ..Filter::default() },
            ),
            (
                Filter { request: Some(call.request_id), ..Filter::default() },
                Filter { request: Some([0; 16]), ..Filter::default() },
            ),
            (
                Filter { from_ms: Some(call.at_ms), ..Filter::default() },
                Filter { before_ms: Some(call.at_ms), ..Filter::default() },
            ),
        ]
        .into_iter()
        .unzip();
        let mut filling = Filling::default();
        filling.add(&entry);
        let summary = filling.into_summary();
        for filter in right {
            assert!(filter.admits(&entry), "{filter:?}");
            assert!(summary.may_have(&filter), "{filter:?}");
        }
        for filter in wrong {
            assert!(!filter.admits(&entry), "{filter:?}");
        }
        assert!(Filter::default().admits(&entry));
    }

    #[test]
    fn a_status_is_three_digits_or_a_hundred_of_them() {
        assert_eq!((status("404"), status("4xx")), (Some((404, 404)), Some((400, 499))));
        for text in ["", "40", "0404", "+404", "600", "0xx", "6xx", "xx", "4XX", "four"] {
            assert_eq!(status(text), None, "{text}");
        }
    }

    #[test]
    fn floods_are_told_by_time_address_and_outcome() {
        let address = [203, 0, 113, 9].into();
        let flood = Entry::Flood(Flood::of_call(5, address, Outcome::Refused));
        let mut filling = Filling::default();
        filling.add(&flood);
        let summary = filling.into_summary();
        for filter in [
            Filter::default(),
            Filter { address: Some(address), outcome: Some(Outcome::Refused), ..Filter::default() },
            Filter { from_ms: Some(5), before_ms: Some(6), ..Filter::default() },
        ] {
            assert!(filter.admits(&flood) && summary.may_have(&filter), "{filter:?}");
        }
        for filter in [
            Filter { outcome: Some(Outcome::Ok), ..Filter::default() },
            Filter { address: Some([10, 0, 0, 1].into()), ..Filter::default() },
            Filter { org: Some(1), ..Filter::default() },
            Filter { status: Some((401, 401)), ..Filter::default() },
            Filter { operation: Some("dashboards_list".into()), ..Filter::default() },
            Filter { request: Some([0; 16]), ..Filter::default() },
        ] {
            assert!(!filter.admits(&flood), "{filter:?}");
        }
    }

    #[test]
    fn events_are_told_by_time_and_organisation_alone() {
        let event = Event {
            at_ms: 5,
            org: Some(1),
            kind: "change".into(),
            actor: "server".into(),
            detail: "{}".into(),
            digest: None,
        };
        let event = Entry::Event(event);
        assert!(Filter { org: Some(1), from_ms: Some(5), before_ms: Some(6), ..Filter::default() }.admits(&event));
        assert!(!Filter { user: Some(1), ..Filter::default() }.admits(&event));
        assert!(!Filter { org: Some(2), ..Filter::default() }.admits(&event));
    }
}
