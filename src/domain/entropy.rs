//! Chance, passed in like the clock: secrets and ids take their bytes from here.

use std::cell::RefCell;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use uuid::Uuid;

use super::time::Timestamp;

/// Where random bytes come from.
#[derive(Debug, Clone)]
pub enum Entropy {
    /// The operating system's generator.
    System,
    /// A test's, the same bytes at every run.
    Seeded(SeededEntropy),
}

impl Entropy {
    /// Fills `bytes`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing secret can be made then.
    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            #[expect(clippy::expect_used, reason = "without randomness no key, token or id may be made")]
            Self::System => SystemRandom::new().fill(bytes).expect("the operating system gives random bytes"),
            Self::Seeded(seeded) => seeded.fill(bytes),
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A UUIDv7 (RFC 9562): ordered by time, so that indexes over it grow at their end.
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let bytes = match self {
            Self::System => AHEAD.with_borrow_mut(|ahead| ahead.take(self)),
            Self::Seeded(_) => self.bytes(),
        };
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

/// Random bytes of a UUID.
const OF_UUID: usize = 10;

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; 32 * OF_UUID], left: 0 }) };
}

/// Random bytes for the next ids of a thread: the generator takes as long for ten bytes as for some hundred, and every
/// request has an id. For ids alone; what is secret never comes from here.
struct Ahead {
    bytes: [u8; 32 * OF_UUID],
    left: usize,
}

impl Ahead {
    fn take(&mut self, entropy: &Entropy) -> [u8; OF_UUID] {
        if self.left < OF_UUID {
            entropy.fill(&mut self.bytes);
            self.left = self.bytes.len();
        }
        self.left -= OF_UUID;
        let mut taken = [0; OF_UUID];
        taken.copy_from_slice(&self.bytes[self.left..self.left + OF_UUID]);
        taken
    }
}

/// A small deterministic generator (SplitMix64). For tests: nothing secret comes from it.
#[derive(Debug, Clone)]
pub struct SeededEntropy(Arc<Mutex<u64>>);

impl SeededEntropy {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = *state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            let length = chunk.len();
            chunk.copy_from_slice(&word.to_le_bytes()[..length]);
        }
    }
}
