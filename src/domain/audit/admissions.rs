//! The admitted requests of one caller, as short as windows need them to be counted again: two or three bytes each.

use super::wire::{Reader, put_signed, put_unsigned};
use crate::domain::window::Class;

/// An admitted request of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The limiter's instant in milliseconds.
    pub at_ms: i64,
    /// Its class.
    pub class: Class,
    /// The face's number.
    pub face: u8,
}

/// Admitted requests of a caller, in the order of their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admissions {
    /// Of each request its distance from the one before, then its face and class.
    bytes: Vec<u8>,
    last_ms: i64,
    newest_ms: i64,
}

impl Default for Admissions {
    fn default() -> Self {
        Self { bytes: Vec::new(), last_ms: 0, newest_ms: i64::MIN }
    }
}

impl Admissions {
    /// Adds a request.
    pub fn add(&mut self, request: Admitted) {
        put_signed(&mut self.bytes, request.at_ms.wrapping_sub(self.last_ms));
        put_unsigned(&mut self.bytes, u64::from(request.face) << 1 | u64::from(request.class == Class::Generation));
        self.last_ms = request.at_ms;
        self.newest_ms = self.newest_ms.max(request.at_ms);
    }

    /// The instant of the newest.
    pub const fn newest_ms(&self) -> i64 {
        self.newest_ms
    }

    /// As they are stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads what [`Admissions::bytes`] gave; `None` for other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Vec<Admitted>> {
        let (mut reader, mut requests, mut at_ms) = (Reader::new(bytes), Vec::new(), 0_i64);
        while reader.len() > 0 {
            at_ms = at_ms.wrapping_add(reader.signed()?);
            let rest = reader.unsigned()?;
            let class = if rest & 1 == 1 { Class::Generation } else { Class::General };
            requests.push(Admitted { at_ms, class, face: u8::try_from(rest >> 1).ok()? });
        }
        Some(requests)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request() -> impl Strategy<Value = Admitted> {
        let class = prop_oneof![Just(Class::General), Just(Class::Generation)];
        (any::<i64>(), class, any::<u8>()).prop_map(|(at_ms, class, face)| Admitted { at_ms, class, face })
    }

    proptest! {
        #[test]
        fn what_was_added_is_read_in_its_order(requests in prop::collection::vec(request(), 0..50)) {
            let mut admissions = Admissions::default();
            requests.iter().for_each(|request| admissions.add(*request));
            prop_assert_eq!(admissions.newest_ms(), requests.iter().map(|one| one.at_ms).max().unwrap_or(i64::MIN));
            prop_assert_eq!(Admissions::decode(admissions.bytes()), Some(requests));
        }

        #[test]
        fn other_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Admissions::decode(&bytes);
        }
    }

    #[test]
    fn a_busy_caller_takes_two_bytes_a_request() {
        let mut admissions = Admissions::default();
        for number in 0..1_000 {
            admissions.add(Admitted { at_ms: 1_775_466_862_000 + number * 20, class: Class::General, face: 2 });
        }
        assert!(admissions.bytes().len() < 2_010);
    }
}
