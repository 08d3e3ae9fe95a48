//! Chance that is the same each time: the numbers behind generated data. Nothing secret comes from here.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Its remainders prefer small
/// numbers by less than one in 10^15, which no chart shows.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Within 15 % of `value`.
    pub(super) fn about(&mut self, value: u64) -> u64 {
        value * (85 + self.below(31)) / 100
    }

    /// About so many hundred-thousandths of `whole`, rounded up or down by chance.
    pub(super) fn share(&mut self, whole: u64, rate: u64) -> u64 {
        (self.about(whole * rate) + self.below(100_000)) / 100_000
    }

    /// One of the items, of which there is at least one; twice the weight, twice as likely.
    pub(super) fn weighted<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> u64) -> &'a T {
        let mut left = self.below(items.iter().map(&weight).sum());
        let chosen = items.iter().find(|item| {
            let weight = weight(item);
            let found = left < weight;
            left = left.saturating_sub(weight);
            found
        });
        chosen.unwrap_or(&items[0])
    }

    /// One of the items, the earlier the likelier: a few customers place most of the orders.
    pub(super) fn favourite<'a, T>(&mut self, items: &[&'a T]) -> Option<&'a T> {
        let draw = self.below(1_000);
        let position = items.len() as u64 * draw * (draw + 250) / 1_250_000;
        items.get(usize::try_from(position).ok()?).copied()
    }
}
