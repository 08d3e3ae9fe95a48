//! What the audit log records: one [`Call`] for each request, [`Event`]s for what no request did, and [`Flood`]s for
//! requests of nobody known that are only counted.
//!
//! The encoding is versioned and canonical: an entry has exactly one spelling, and only that one is read. It is what
//! the chain hashes and what is kept; columns beside it are copies for searching. No body, no query value and no key
//! beyond its public part ever gets in.

use std::borrow::Cow;
use std::net::IpAddr;

use super::chain::Hash;
use super::flood::Flood;
use super::kind::{Method, Outcome};
use super::wire::{Reader, put_bytes, put_signed, put_unsigned};
use crate::domain::key_text;
use crate::domain::window::Class;

mod glance;
#[cfg(test)]
pub(crate) mod tests;

pub(super) const VERSION: u8 = 1;
const CALL: u8 = 1;
const EVENT: u8 = 2;
pub(super) const FLOOD: u8 = 3;

/// The longest user agent that is kept, in bytes.
pub const USER_AGENT_LENGTH: usize = 256;

/// A word of ours: static where the server writes it, owned where the log is read.
pub type Word = Cow<'static, str>;

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A request.
    Call(Box<Call>),
    /// Anything else.
    Event(Event),
    /// Requests that left no entry each.
    Flood(Flood),
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it arrived, in milliseconds since 1970.
    pub at_ms: i64,
    /// The limiter's instant, if the request passed the windows and counts in them.
    pub admitted_at_ms: Option<i64>,
    /// The UUIDv7; printed as `req_` and 32 hexadecimal digits.
    pub request_id: [u8; 16],
    /// The caller's organisation.
    pub org: Option<i64>,
    /// The key that was used.
    pub key_id: Option<i64>,
    /// The key's lineage, which it shares with those it was rotated from and to.
    pub lineage: Option<i64>,
    /// The public characters of the key that was presented, known or not.
    pub key_prefix: Option<[u8; 8]>,
    /// The session that was used.
    pub session: Option<i64>,
    /// The user of the session, or the owner of the key.
    pub user: Option<i64>,
    /// That user's role at the time.
    pub role: Option<Word>,
    /// The number of the face.
    pub face: u8,
    /// The method as it was sent.
    pub method: Method,
    /// The operation; none for a path that is no operation's.
    pub operation: Option<Word>,
    /// The object in the path.
    pub object_id: Option<i64>,
    /// The HTTP status.
    pub status: u16,
    /// The error's code.
    pub code: Option<Word>,
    /// What became of it.
    pub outcome: Outcome,
    /// The class of its operation, whether it was admitted or not.
    pub class: Class,
    /// Credits it cost.
    pub credits: i64,
    /// The client's address.
    pub address: IpAddr,
    /// From the head's arrival to the answer's head.
    pub latency_us: u32,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// As [`user_agent`] gives it.
    pub user_agent: Option<String>,
    /// Whether it was answered with what an earlier request with its Idempotency-Key was answered with.
    pub replayed: bool,
    /// The digests of the changes it made.
    pub changes: Vec<Hash>,
}

/// Something that happened outside a request, or after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened, in milliseconds since 1970; not when it was noticed.
    pub at_ms: i64,
    /// The organisation it concerns; none for the installation's own.
    pub org: Option<i64>,
    /// What happened, such as `change`, `gap`, `stream_end`.
    pub kind: Word,
    /// Who did it, such as `cli:alice`, `job:retention`, `server`.
    pub actor: String,
    /// A JSON object with the rest.
    pub detail: String,
    /// The digest of the change that it adopts.
    pub digest: Option<Hash>,
}

/// A user agent as it may be kept: credentials masked, at most [`USER_AGENT_LENGTH`] bytes.
pub fn user_agent(sent: &str) -> String {
    let mut kept = key_text::scrub(sent).into_owned();
    kept.truncate(kept.floor_char_boundary(USER_AGENT_LENGTH));
    kept
}

impl Entry {
    /// When it happened, in milliseconds since 1970.
    pub const fn at_ms(&self) -> i64 {
        match self {
            Self::Call(call) => call.at_ms,
            Self::Event(event) => event.at_ms,
            Self::Flood(flood) => flood.at_ms,
        }
    }

    /// The organisation that it concerns.
    pub const fn org(&self) -> Option<i64> {
        match self {
            Self::Call(call) => call.org,
            Self::Event(event) => event.org,
            Self::Flood(_) => None,
        }
    }

    /// Appends the entry's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Call(call) => call.encode(out),
            Self::Event(event) => event.encode(out),
            Self::Flood(flood) => flood.encode(out),
        }
    }

    /// Reads an entry; `None` for bytes that [`Entry::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return None;
        }
        let entry = match reader.byte()? {
            CALL => Self::Call(Box::new(Call::read(&mut reader)?)),
            EVENT => Self::Event(Event::read(&mut reader)?),
            FLOOD => Self::Flood(Flood::read(&mut reader)?),
            _ => return None,
        };
        reader.end()?;
        Some(entry)
    }
}

// Which of a call's optional values follow, one bit each, in the order in which they follow.
const ADMITTED: u64 = 1;
const ORG: u64 = 1 << 1;
const KEY: u64 = 1 << 2;
const LINEAGE: u64 = 1 << 3;
const SESSION: u64 = 1 << 4;
const USER: u64 = 1 << 5;
const OBJECT: u64 = 1 << 6;
const KEY_PREFIX: u64 = 1 << 7;
const ROLE: u64 = 1 << 8;
const OPERATION: u64 = 1 << 9;
const CODE: u64 = 1 << 10;
const USER_AGENT: u64 = 1 << 11;
const ADDRESS_V6: u64 = 1 << 12;
const GENERATION: u64 = 1 << 13;
// A bit that was added later changes no bytes of calls that do not have it.
const REPLAYED: u64 = 1 << 14;
const CALL_BITS: u64 = (1 << 15) - 1;

impl Call {
    /// Whether the request counts in the windows.
    pub const fn counted(&self) -> bool {
        self.admitted_at_ms.is_some()
    }

    /// The public characters of the key as text.
    pub fn key_prefix(&self) -> Option<&str> {
        std::str::from_utf8(self.key_prefix.as_ref()?).ok()
    }

    /// Appends the call's bytes to `out`, as [`Entry::encode`] does, without boxing it first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, CALL]);
        put_unsigned(out, self.present());
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        out.extend_from_slice(&self.request_id);
        out.extend_from_slice(&[self.face, self.method as u8, self.outcome as u8]);
        put_unsigned(out, self.status.into());
        put_signed(out, self.credits);
        put_unsigned(out, self.latency_us.into());
        put_unsigned(out, self.bytes_in);
        put_unsigned(out, self.bytes_out);
        match self.address {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
        }
        // Within milliseconds of the arrival, hence a byte or two.
        if let Some(admitted_at_ms) = self.admitted_at_ms {
            put_signed(out, admitted_at_ms.wrapping_sub(self.at_ms));
        }
        for id in [self.org, self.key_id, self.lineage, self.session, self.user, self.object_id].into_iter().flatten() {
            put_signed(out, id);
        }
        if let Some(prefix) = &self.key_prefix {
            out.extend_from_slice(prefix);
        }
        for word in [&self.role, &self.operation, &self.code].into_iter().flatten() {
            put_bytes(out, word.as_bytes());
        }
        if let Some(user_agent) = &self.user_agent {
            put_bytes(out, user_agent.as_bytes());
        }
        put_unsigned(out, self.changes.len() as u64);
        for digest in &self.changes {
            out.extend_from_slice(digest);
        }
    }

    fn present(&self) -> u64 {
        let bits = [
            (ADMITTED, self.admitted_at_ms.is_some()),
            (ORG, self.org.is_some()),
            (KEY, self.key_id.is_some()),
            (LINEAGE, self.lineage.is_some()),
            (SESSION, self.session.is_some()),
            (USER, self.user.is_some()),
            (OBJECT, self.object_id.is_some()),
            (KEY_PREFIX, self.key_prefix.is_some()),
            (ROLE, self.role.is_some()),
            (OPERATION, self.operation.is_some()),
            (CODE, self.code.is_some()),
            (USER_AGENT, self.user_agent.is_some()),
            (ADDRESS_V6, self.address.is_ipv6()),
            (GENERATION, self.class == Class::Generation),
            (REPLAYED, self.replayed),
        ];
        bits.into_iter().filter(|(_, set)| *set).fold(0, |mask, (bit, _)| mask | bit)
    }

    /// The fields of the literal are read in the order in which they were written.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let present = reader.unsigned()?;
        if present & !CALL_BITS != 0 {
            return None;
        }
        let at_ms = i64::from_be_bytes(reader.array()?);
        let request_id = reader.array()?;
        let face = reader.byte()?;
        let method = *Method::ALL.get(usize::from(reader.byte()?))?;
        let outcome = *Outcome::ALL.get(usize::from(reader.byte()?))?;
        let status = u16::try_from(reader.unsigned()?).ok()?;
        let credits = reader.signed()?;
        let latency_us = u32::try_from(reader.unsigned()?).ok()?;
        let bytes_in = reader.unsigned()?;
        let bytes_out = reader.unsigned()?;
        let address = if present & ADDRESS_V6 == 0 {
            IpAddr::from(reader.array::<4>()?)
        } else {
            IpAddr::from(reader.array::<16>()?)
        };
        let admitted_at_ms = optional(present & ADMITTED, || reader.signed())?.map(|after| at_ms.wrapping_add(after));
        let org = optional(present & ORG, || reader.signed())?;
        let key_id = optional(present & KEY, || reader.signed())?;
        let lineage = optional(present & LINEAGE, || reader.signed())?;
        let session = optional(present & SESSION, || reader.signed())?;
        let user = optional(present & USER, || reader.signed())?;
        let object_id = optional(present & OBJECT, || reader.signed())?;
        let key_prefix = optional(present & KEY_PREFIX, || reader.array())?;
        let role = optional(present & ROLE, || reader.text())?.map(Word::Owned);
        let operation = optional(present & OPERATION, || reader.text())?.map(Word::Owned);
        let code = optional(present & CODE, || reader.text())?.map(Word::Owned);
        let user_agent = optional(present & USER_AGENT, || reader.text())?;
        let count = usize::try_from(reader.unsigned()?).ok()?;
        // Nothing is reserved for digests that the bytes cannot hold.
        if count.checked_mul(size_of::<Hash>())? != reader.len() {
            return None;
        }
        let changes = (0..count).map(|_| reader.array()).collect::<Option<_>>()?;
        let class = if present & GENERATION == 0 { Class::General } else { Class::Generation };
        Some(Self {
            at_ms,
            admitted_at_ms,
            request_id,
            org,
            key_id,
            lineage,
            key_prefix,
            session,
            user,
            role,
            face,
            method,
            operation,
            object_id,
            status,
            code,
            outcome,
            class,
            credits,
            address,
            latency_us,
            bytes_in,
            bytes_out,
            user_agent,
            replayed: present & REPLAYED != 0,
            changes,
        })
    }
}

const EVENT_ORG: u8 = 1;
const EVENT_DIGEST: u8 = 1 << 1;

impl Event {
    /// Appends the event's bytes to `out`, as [`Entry::encode`] does.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let org = if self.org.is_some() { EVENT_ORG } else { 0 };
        let digest = if self.digest.is_some() { EVENT_DIGEST } else { 0 };
        out.extend_from_slice(&[VERSION, EVENT, org | digest]);
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        if let Some(org) = self.org {
            put_signed(out, org);
        }
        put_bytes(out, self.kind.as_bytes());
        put_bytes(out, self.actor.as_bytes());
        put_bytes(out, self.detail.as_bytes());
        if let Some(digest) = &self.digest {
            out.extend_from_slice(digest);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let present = reader.byte()?;
        if present & !(EVENT_ORG | EVENT_DIGEST) != 0 {
            return None;
        }
        // Written and read in the order of the literal.
        Some(Self {
            at_ms: i64::from_be_bytes(reader.array()?),
            org: optional(u64::from(present & EVENT_ORG), || reader.signed())?,
            kind: Word::Owned(reader.text()?),
            actor: reader.text()?,
            detail: reader.text()?,
            digest: optional(u64::from(present & EVENT_DIGEST), || reader.array())?,
        })
    }
}

/// A value whose bit is set must be there; one whose bit is not is absent.
fn optional<T>(bit: u64, read: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if bit == 0 { Some(None) } else { read().map(Some) }
}
