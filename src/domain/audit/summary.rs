//! What is in a block of entries, in a thousand bytes: a Bloom filter over the facts that are searched for, and the
//! oldest and newest instant.
//!
//! It takes the place of an index for each filter. An index costs every call a page for each value it writes; a summary
//! costs a block of a thousand calls one row. Searching reads the summaries and then those blocks that may have it: a
//! summary may say so wrongly, and never the contrary. Deliberately not here: where summaries lie.

use std::net::IpAddr;

use super::entry::{Call, Entry, Word};
use super::filter::Filter;
use super::flood::Flood;
use super::kind::Outcome;

/// Entries of a block.
pub const BLOCK: i64 = 1_024;
/// Bytes of the filter: three and a half of them fit a page of the file with what stands beside.
pub const BYTES: usize = 1_000;
/// Bits for each fact. A block of ordinary calls has a few hundred facts, of which one in a thousand is said wrongly.
const BITS: u64 = 3;

/// Something that is searched for. The order is part of what is stored: a new one goes to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact<'a> {
    /// An organisation.
    Org(i64),
    /// A key.
    Key(i64),
    /// The public characters of a key.
    KeyPrefix([u8; 8]),
    /// A user.
    User(i64),
    /// An operation.
    Operation(&'a str),
    /// An outcome.
    Outcome(Outcome),
    /// A status.
    Status(u16),
    /// An address.
    Address(IpAddr),
    /// What became of a call with this key.
    KeyOutcome(i64, Outcome),
    /// What became of a call of this user.
    UserOutcome(i64, Outcome),
    /// What became of a call of this operation.
    OperationOutcome(&'a str, Outcome),
    /// What was called with this key.
    KeyOperation(i64, &'a str),
}

impl Fact<'_> {
    /// FNV-1a over what it is and says, then mixed: the same in every build, because it is stored.
    fn hash(&self) -> u64 {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        match *self {
            Self::Org(id) => hash.with(&[0]).with(&id.to_le_bytes()),
            Self::Key(id) => hash.with(&[1]).with(&id.to_le_bytes()),
            Self::KeyPrefix(prefix) => hash.with(&[2]).with(&prefix),
            Self::User(id) => hash.with(&[3]).with(&id.to_le_bytes()),
            Self::Operation(name) => hash.with(&[4]).with(name.as_bytes()),
            Self::Outcome(outcome) => hash.with(&[5, outcome as u8]),
            Self::Status(status) => hash.with(&[6]).with(&status.to_le_bytes()),
            Self::Address(IpAddr::V4(address)) => hash.with(&[7]).with(&address.octets()),
            Self::Address(IpAddr::V6(address)) => hash.with(&[8]).with(&address.octets()),
            Self::KeyOutcome(id, outcome) => hash.with(&[9, outcome as u8]).with(&id.to_le_bytes()),
            Self::UserOutcome(id, outcome) => hash.with(&[10, outcome as u8]).with(&id.to_le_bytes()),
            Self::OperationOutcome(name, outcome) => hash.with(&[11, outcome as u8]).with(name.as_bytes()),
            Self::KeyOperation(id, name) => hash.with(&[12]).with(&id.to_le_bytes()).with(name.as_bytes()),
        };
        let mixed = (hash.0 ^ (hash.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }

    /// Which bits stand for it.
    fn bits(&self) -> impl Iterator<Item = usize> + use<> {
        let hash = self.hash();
        let (first, step) = (hash & 0xffff_ffff, hash >> 32 | 1);
        // Below eight times a thousand, hence it fits.
        (0..BITS).map(move |index| usize::try_from(first.wrapping_add(index * step) % (BYTES as u64 * 8)).unwrap_or(0))
    }
}

struct Fnv(u64);

impl Fnv {
    fn with(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }
}

/// The summary of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    bits: Box<[u8; BYTES]>,
    /// The oldest instant of an entry, in milliseconds.
    pub oldest_ms: i64,
    /// The newest.
    pub newest_ms: i64,
}

impl Default for Summary {
    fn default() -> Self {
        Self { bits: Box::new([0; BYTES]), oldest_ms: i64::MAX, newest_ms: i64::MIN }
    }
}

/// The summary of a block that is being filled.
///
/// Most calls say of themselves what an earlier one of their block said, often the last one with their key: what was
/// noted once is not worked out again.
#[derive(Debug)]
pub struct Filling {
    summary: Summary,
    /// By key, some of the last that were noted.
    noted: Box<[Option<Noted>; NOTED]>,
}

/// Keys whose last call is remembered; others are noted anew.
const NOTED: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    caller: Caller,
    address: IpAddr,
    operation: Option<Word>,
}

/// What a call says, but for its address and operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caller {
    org: Option<i64>,
    key: Option<i64>,
    prefix: Option<[u8; 8]>,
    user: Option<i64>,
    outcome: Outcome,
    status: u16,
}

impl Default for Filling {
    fn default() -> Self {
        Self { summary: Summary::default(), noted: Box::new([const { None }; NOTED]) }
    }
}

impl Filling {
    /// Takes an entry in.
    pub fn add(&mut self, entry: &Entry) {
        self.summary.add_instant(entry);
        match entry {
            Entry::Call(call) => self.add_call(call),
            Entry::Flood(flood) => self.summary.add_flood(flood),
            Entry::Event(event) => event.org.into_iter().for_each(|org| self.summary.note(Fact::Org(org))),
        }
    }

    fn add_call(&mut self, call: &Call) {
        let place = call.key_id.unwrap_or(0).unsigned_abs() % NOTED as u64;
        let Some(noted) = usize::try_from(place).ok().and_then(|place| self.noted.get_mut(place)) else { return };
        let caller = Caller {
            org: call.org,
            key: call.key_id,
            prefix: call.key_prefix,
            user: call.user,
            outcome: call.outcome,
            status: call.status,
        };
        let before = noted.as_ref().filter(|noted| noted.caller == caller);
        let is_elsewhere = before.is_none_or(|noted| noted.address != call.address);
        let is_other = before.is_none_or(|noted| noted.operation != call.operation);
        if before.is_none() {
            self.summary.note_caller(&caller);
        }
        if is_elsewhere {
            self.summary.note(Fact::Address(call.address));
        }
        if is_other && let Some(operation) = call.operation.as_deref() {
            self.summary.note_operation(operation, &caller);
        }
        if is_elsewhere || is_other {
            *noted = Some(Noted { caller, address: call.address, operation: call.operation.clone() });
        }
    }

    /// The summary of what was taken in.
    pub fn into_summary(self) -> Summary {
        self.summary
    }
}

impl Summary {
    fn add_instant(&mut self, entry: &Entry) {
        let at = entry.at_ms();
        (self.oldest_ms, self.newest_ms) = (self.oldest_ms.min(at), self.newest_ms.max(at));
    }

    fn note_caller(&mut self, caller: &Caller) {
        let outcome = caller.outcome;
        self.note(Fact::Status(caller.status));
        self.note(Fact::Outcome(outcome));
        caller.org.into_iter().for_each(|org| self.note(Fact::Org(org)));
        caller.prefix.into_iter().for_each(|prefix| self.note(Fact::KeyPrefix(prefix)));
        if let Some(user) = caller.user {
            self.note(Fact::User(user));
            self.note(Fact::UserOutcome(user, outcome));
        }
        if let Some(key) = caller.key {
            self.note(Fact::Key(key));
            self.note(Fact::KeyOutcome(key, outcome));
        }
    }

    fn note_operation(&mut self, operation: &str, caller: &Caller) {
        self.note(Fact::Operation(operation));
        self.note(Fact::OperationOutcome(operation, caller.outcome));
        caller.key.into_iter().for_each(|key| self.note(Fact::KeyOperation(key, operation)));
    }

    fn add_flood(&mut self, flood: &Flood) {
        self.note(Fact::Address(flood.address));
        Outcome::ALL.into_iter().filter(|outcome| flood.has(*outcome)).for_each(|outcome| {
            self.note(Fact::Outcome(outcome));
        });
    }

    fn note(&mut self, fact: Fact<'_>) {
        for bit in fact.bits() {
            self.bits[bit / 8] |= 1 << (bit % 8);
        }
    }

    /// The filter as it is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bits[..]
    }

    /// Whether the block may have an entry that the filter admits.
    pub fn may_have(&self, filter: &Filter) -> bool {
        Sought::new(filter).may_be_in(self.bytes(), self.oldest_ms, self.newest_ms)
    }
}

/// A filter as it is asked of many summaries.
#[derive(Debug)]
pub struct Sought {
    bits: Vec<usize>,
    from_ms: i64,
    before_ms: i64,
}

impl Sought {
    /// What the filter asks.
    pub fn new(filter: &Filter) -> Self {
        Self {
            bits: filter.facts().iter().flat_map(Fact::bits).collect(),
            from_ms: filter.from_ms.unwrap_or(i64::MIN),
            before_ms: filter.before_ms.unwrap_or(i64::MAX),
        }
    }

    /// Whether a block with this summary may have what is sought.
    pub fn may_be_in(&self, bits: &[u8], oldest_ms: i64, newest_ms: i64) -> bool {
        newest_ms >= self.from_ms
            && oldest_ms < self.before_ms
            && self.bits.iter().all(|bit| bits.get(bit / 8).is_none_or(|byte| byte & (1 << (bit % 8)) != 0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::audit::entry::tests::typical;

    fn call(index: i64) -> Entry {
        let call = Call {
            at_ms: 1_000 + index,
            org: Some(1 + index % 3),
            key_id: Some(10 + index % 40),
            user: Some(index % 20),
            operation: Some(Word::Owned(format!("operation_{}", index % 30))),
            outcome: if index % 100 == 0 { Outcome::Server } else { Outcome::Ok },
            status: if index % 100 == 0 { 500 } else { 200 },
            ..typical()
        };
        Entry::Call(Box::new(call))
    }

    #[test]
    fn an_ordinary_block_says_wrongly_once_in_some_hundred_times_that_it_has_something() {
        let mut filling = Filling::default();
        let entries: Vec<Entry> = (0..BLOCK).map(call).collect();
        entries.iter().for_each(|entry| filling.add(entry));
        let summary = filling.into_summary();
        for (index, entry) in entries.iter().enumerate() {
            let Entry::Call(call) = entry else { continue };
            let filter = Filter {
                key: call.key_id,
                operation: call.operation.clone().map(Word::into_owned),
                ..Filter::default()
            };
            assert!(summary.may_have(&filter), "{index}: what is there is never denied");
        }
        let wrong =
            (100_000..110_000).filter(|user| summary.may_have(&Filter { user: Some(*user), ..Filter::default() }));
        assert!(wrong.count() < 100);
        assert!(!summary.may_have(&Filter { from_ms: Some(1_000 + BLOCK), ..Filter::default() }));
        assert!(!summary.may_have(&Filter { before_ms: Some(1_000), ..Filter::default() }));
        assert!(!summary.may_have(&Filter { key: Some(11), outcome: Some(Outcome::Server), ..Filter::default() }));
    }

    proptest! {
        #[test]
        fn a_summary_says_of_many_calls_what_it_says_of_each(
            made in prop::collection::vec((0..3_i64, 0..200_i64, 0..3_i64, 0..4_u8, 0..5_u8), 1..200),
        ) {
            let made = made.into_iter().map(|(org, key, user, operation, address)| {
                let outcome = if address == 0 { Outcome::Server } else { Outcome::Ok };
                Entry::Call(Box::new(Call {
                    org: (org > 0).then_some(org),
                    key_id: (key > 0).then_some(key),
                    user: (user > 0).then_some(user),
                    operation: (operation > 0).then(|| Word::Owned(format!("operation_{operation}"))),
                    address: IpAddr::from([10, 0, 0, address]),
                    outcome,
                    ..typical()
                }))
            });
            let (mut together, mut each) = (Filling::default(), Summary::default());
            for entry in made {
                together.add(&entry);
                let mut alone = Filling::default();
                alone.add(&entry);
                let alone = alone.into_summary();
                each.bits.iter_mut().zip(alone.bits.iter()).for_each(|(sum, bits)| *sum |= bits);
                (each.oldest_ms, each.newest_ms) = (alone.oldest_ms, alone.newest_ms);
            }
            prop_assert_eq!(together.into_summary(), each);
        }
    }

    #[test]
    fn what_is_stored_means_the_same_in_every_version() {
        let bits: Vec<usize> = [Fact::Key(7), Fact::Operation("keys_list")].iter().flat_map(Fact::bits).collect();
        assert_eq!(bits, STORED);
    }

    const STORED: [usize; 6] = [799, 3626, 6453, 7040, 5653, 4266];
}
