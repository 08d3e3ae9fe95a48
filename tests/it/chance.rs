//! Numbers by chance that are the same for a seed, which is printed and can be given.

use claribi::domain::entropy::Entropy;

/// Such numbers.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// By the seed that a variable gives, or a new one; either is printed.
    #[expect(clippy::print_stdout, reason = "whoever looks why it failed needs it")]
    pub fn told_by(variable: &str) -> Self {
        let seed = asked(variable).unwrap_or_else(|| u64::from_le_bytes(Entropy::System.bytes()));
        println!("{variable}={seed}");
        Self::new(seed)
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// The number that a variable gives a test: how long it is, or what its chance begins with.
#[expect(clippy::disallowed_methods, reason = "how a test is run is no setting of the program")]
pub fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}
