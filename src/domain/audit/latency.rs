//! How long calls took, counted in classes whose width grows with what they hold: quantiles of any span of time, in
//! a few bytes, that can be added up.
//!
//! A class is at most a quarter as wide as its lower end, so a quantile read from it is at most 25 % too high and
//! never too low.

use super::wire::{Reader, put_unsigned};

/// Below this many microseconds every number has its own class.
const EXACT: u32 = 4;

/// Counts by class, in the order of the classes: a few dozen at most, because most calls take about as long as others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<(u8, u64)>);

impl Latencies {
    /// Counts a call that took so many microseconds.
    pub fn add(&mut self, micros: u32) {
        self.count_more(class(micros), 1);
    }

    fn count_more(&mut self, class: u8, more: u64) {
        match self.0.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(place) => self.0[place].1 = self.0[place].1.saturating_add(more),
            Err(place) => self.0.insert(place, (class, more)),
        }
    }

    /// Counts all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            self.count_more(*class, *count);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The microseconds within which the fraction `share` (0 to 1) of the calls were done; `None` without calls.
    pub fn within(&self, share: f64) -> Option<u32> {
        let count = self.count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank lies between 1 and count")]
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        self.0.iter().find_map(|(class, found)| {
            seen += found;
            (seen >= rank).then(|| upper_end(*class))
        })
    }

    /// The counts as bytes: a class and its count, by class.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 3);
        for (class, count) in &self.0 {
            bytes.push(*class);
            put_unsigned(&mut bytes, *count);
        }
        bytes
    }

    /// Reads what [`Latencies::encode`] wrote; `None` for other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut latencies = Self::default();
        latencies.absorb(bytes)?;
        Some(latencies)
    }

    /// Counts all that [`Latencies::encode`] wrote; `None` for other bytes.
    pub fn absorb(&mut self, bytes: &[u8]) -> Option<()> {
        let mut reader = Reader::new(bytes);
        while reader.len() > 0 {
            let (class, count) = (reader.byte()?, reader.unsigned()?);
            self.count_more(class, count);
        }
        Some(())
    }
}

/// The class of a number: its highest bit and the two after it.
#[expect(clippy::cast_possible_truncation, reason = "the highest class is 123")]
fn class(micros: u32) -> u8 {
    if micros < EXACT {
        return micros as u8;
    }
    let highest = micros.ilog2();
    ((highest - 1) * 4 + ((micros >> (highest - 2)) & 3)) as u8
}

/// The largest number of a class.
fn upper_end(class: u8) -> u32 {
    let class = u32::from(class);
    if class < EXACT {
        return class;
    }
    let shift = (class / 4 - 1).min(29);
    let next = u64::from(class % 4 + 5) << shift;
    u32::try_from(next - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_follow_each_other_without_gap() {
        let mut last = class(0);
        for micros in 1..100_000 {
            let found = class(micros);
            assert!(found == last || found == last + 1, "{micros}");
            if found != last {
                assert_eq!(upper_end(last), micros - 1);
            }
            last = found;
        }
        assert_eq!((class(u32::MAX), upper_end(class(u32::MAX))), (123, u32::MAX));
    }

    #[test]
    fn quantiles_of_nothing_are_nothing() {
        assert_eq!(Latencies::default().within(0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_never_too_low_and_at_most_a_quarter_too_high(
            mut all in prop::collection::vec(any::<u32>(), 1..200), share in 0.0..1.0_f64,
        ) {
            let mut latencies = Latencies::default();
            all.iter().for_each(|micros| latencies.add(*micros));
            all.sort_unstable();
            // The rank by counting up, as the definition says it.
            let rank = (1..=all.len()).find(|rank| *rank as f64 >= all.len() as f64 * share).unwrap();
            let (exact, found) = (all[rank - 1], latencies.within(share).unwrap());
            prop_assert!(found >= exact && u64::from(found) <= u64::from(exact) * 5 / 4, "{exact} {found}");
        }

        #[test]
        fn counts_come_back_and_add_up(one in prop::collection::vec(any::<u32>(), 0..50),
            two in prop::collection::vec(any::<u32>(), 0..50)) {
            let of = |all: &[u32]| {
                let mut latencies = Latencies::default();
                all.iter().for_each(|micros| latencies.add(*micros));
                latencies
            };
            let mut sum = of(&one);
            sum.merge(&of(&two));
            prop_assert_eq!(&sum, &of(&[one, two].concat()));
            prop_assert_eq!(Latencies::decode(&sum.encode()), Some(sum));
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Latencies::decode(&bytes);
        }
    }
}
