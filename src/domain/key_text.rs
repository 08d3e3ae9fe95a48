//! The text of an API key: how it is made, recognised, verified, and kept out of everything that is written down.
//!
//! `claribi_sk_live_` or `claribi_sk_test_`, then 8 public, 22 secret and 6 checksum characters, all base62. The
//! checksum lets mistyped and invented keys be refused without a hash or a look into the database.
//!
//! Deliberately not here: what a key may do, its row, and where the pepper is kept.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroize;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BRAND: &str = "claribi_";
const PREFIX_LENGTH: usize = 16;
const PUBLIC_LENGTH: usize = 8;
const SECRET_LENGTH: usize = 22;
const CHECKSUM_LENGTH: usize = 6;
const CHECKED_LENGTH: usize = PREFIX_LENGTH + PUBLIC_LENGTH + SECRET_LENGTH;

/// The length of every key in characters, which are bytes.
pub const KEY_LENGTH: usize = CHECKED_LENGTH + CHECKSUM_LENGTH;

/// Which organisations a key is for. A key on the wrong side is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Organisations that do real work.
    Live,
    /// Sandbox organisations.
    Test,
}

impl Environment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Live, Self::Test];

    /// `live` or `test`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// What a key of this environment begins with.
    pub const fn key_prefix(self) -> &'static str {
        match self {
            Self::Live => "claribi_sk_live_",
            Self::Test => "claribi_sk_test_",
        }
    }
}

/// A whole, well-formed key. Whether it exists is another question.
///
/// It can be neither displayed nor serialised, and its memory is wiped when it goes.
#[derive(Clone)]
pub struct KeyText([u8; KEY_LENGTH]);

impl KeyText {
    /// Recognises a key by length, prefix, alphabet and checksum. Costs the same few hundred nanoseconds for any
    /// text and allocates nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let key = Self(text.as_bytes().try_into().ok()?);
        let known = Environment::ALL.map(Environment::key_prefix);
        let well_formed = known.iter().any(|prefix| key.0.starts_with(prefix.as_bytes()))
            && key.0[PREFIX_LENGTH..].iter().all(u8::is_ascii_alphanumeric)
            && key.0[CHECKED_LENGTH..] == checksum(&key.0[..CHECKED_LENGTH]);
        well_formed.then_some(key)
    }

    /// Makes a new key. `random` fills the buffer it is given from a cryptographic source.
    pub fn mint(environment: Environment, random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut key = [0; KEY_LENGTH];
        key[..PREFIX_LENGTH].copy_from_slice(environment.key_prefix().as_bytes());
        fill_base62(&mut key[PREFIX_LENGTH..CHECKED_LENGTH], random);
        let checksum = checksum(&key[..CHECKED_LENGTH]);
        key[CHECKED_LENGTH..].copy_from_slice(&checksum);
        let text = Self(key);
        key.zeroize();
        text
    }

    /// Whole keys that stand anywhere in a text, the first few of them: enough to know whose they are.
    pub fn all_in(text: &str) -> impl Iterator<Item = Self> {
        let places = text.match_indices("claribi_sk_");
        places.filter_map(|(start, _)| Self::parse(text.get(start..start + KEY_LENGTH)?)).take(4)
    }

    /// Live or test.
    pub fn environment(&self) -> Environment {
        if self.0.starts_with(Environment::Live.key_prefix().as_bytes()) {
            Environment::Live
        } else {
            Environment::Test
        }
    }

    /// The 8 public characters, by which the row is found.
    pub fn public(&self) -> &str {
        ascii(&self.0[PREFIX_LENGTH..PREFIX_LENGTH + PUBLIC_LENGTH])
    }

    /// What lists, logs and the audit show: the environment's prefix and the public characters.
    pub fn prefix(&self) -> &str {
        ascii(&self.0[..PREFIX_LENGTH + PUBLIC_LENGTH])
    }

    /// The whole key, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyText({}…)", self.prefix())
    }
}

impl Drop for KeyText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What MACs of keys are made with, ready for use: to get there from its bytes takes as long as a MAC.
#[derive(Debug)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// Of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

/// What is stored of a key: HMAC-SHA256 under the pepper, over the salt and then the key.
pub fn mac(pepper: &Pepper, salt: &[u8; 16], text: &KeyText) -> [u8; 32] {
    let tag = hmac::sign(&pepper.0, &salted(salt, text).0);
    let mut mac = [0; 32];
    mac.copy_from_slice(tag.as_ref());
    mac
}

/// Whether this is the key of which `stored` was kept, in a time that does not tell how much of it fits.
pub fn verify(pepper: &Pepper, salt: &[u8; 16], text: &KeyText, stored: &[u8; 32]) -> bool {
    hmac::verify(&pepper.0, &salted(salt, text).0, stored).is_ok()
}

/// Masks whatever in a free text could be a credential: anything that begins like a key and goes on for at least 8
/// word characters, and anything in the shape of a JSON web token. Text without either is given back as it is.
pub fn scrub(text: &str) -> Cow<'_, str> {
    match mask(text, BRAND, "claribi_[masked]", key_end) {
        Cow::Borrowed(text) => mask(text, "eyJ", "[masked token]", token_end),
        Cow::Owned(text) => Cow::Owned(mask(&text, "eyJ", "[masked token]", token_end).into_owned()),
    }
}

/// Salt and key in one buffer on the stack, wiped when it goes.
struct Salted([u8; 16 + KEY_LENGTH]);

impl Drop for Salted {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn salted(salt: &[u8; 16], text: &KeyText) -> Salted {
    let mut buffer = [0; 16 + KEY_LENGTH];
    buffer[..16].copy_from_slice(salt);
    buffer[16..].copy_from_slice(&text.0);
    let salted = Salted(buffer);
    buffer.zeroize();
    salted
}

/// CRC-32 as in zlib, in base62, most significant first.
fn checksum(checked: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(checked);
    let mut digits = [0; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// Each character equally likely: bytes from 248 on would favour the first eight characters and are thrown away.
fn fill_base62(characters: &mut [u8], random: &mut dyn FnMut(&mut [u8])) {
    let mut pool = [0; 64];
    let mut used = pool.len();
    for character in characters {
        loop {
            if used == pool.len() {
                random(&mut pool);
                used = 0;
            }
            let byte = usize::from(pool[used]);
            used += 1;
            if byte < 4 * ALPHABET.len() {
                *character = ALPHABET[byte % ALPHABET.len()];
                break;
            }
        }
    }
    pool.zeroize();
}

/// A piece of a key, which is ASCII by construction.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Replaces each stretch that begins with `marker` and for which `end` finds an end, given the text after the marker.
fn mask<'a>(text: &'a str, marker: &str, replacement: &str, end: fn(&str) -> Option<usize>) -> Cow<'a, str> {
    let mut masked = String::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = text[from..].find(marker) {
        let start = from + found;
        from = start + marker.len();
        let Some(length) = end(&text[from..]) else { continue };
        masked.push_str(&text[copied..start]);
        masked.push_str(replacement);
        from += length;
        copied = from;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// The run of word characters, if it has at least 8.
fn key_end(text: &str) -> Option<usize> {
    let length = run(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (length >= PUBLIC_LENGTH).then_some(length)
}

/// Three parts of base64url between dots; whatever such characters follow belongs to it.
fn token_end(text: &str) -> Option<usize> {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let header = run(text, is_base64url);
    let payload = run(text[header..].strip_prefix('.')?, is_base64url);
    let signed = text[header + 1 + payload..].starts_with('.');
    (header > 0 && payload > 0 && signed).then(|| run(text, |byte| is_base64url(byte) || byte == b'.'))
}

fn run(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&byte| belongs(byte)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Its checksum (and `MAC` below) come from Python's zlib and hmac.
    const GOLDEN: &str = "claribi_sk_live_Ab3dE5gH0123456789abcdefghijKL1TQBac";
    const MAC: &str = "fec41308b9f382a1fbb025ce660d3c2365b8d884625ce6e9effd243cc14c494f";

    /// A generator for tests: every byte differs from the one before, all values occur.
    fn counter(mut state: u64) -> impl FnMut(&mut [u8]) {
        move |buffer| {
            for byte in buffer {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = state.to_be_bytes()[0];
            }
        }
    }

    #[test]
    fn a_key_with_the_checksum_of_zlib_is_recognised() {
        let key = KeyText::parse(GOLDEN).unwrap();
        assert_eq!(key.environment(), Environment::Live);
        assert_eq!((key.public(), key.prefix()), ("Ab3dE5gH", "claribi_sk_live_Ab3dE5gH"));
        assert_eq!(key.expose(), GOLDEN);
        assert!(KeyText::parse("claribi_sk_test_0000000000000000000000000000000sctiP").is_some());
        assert!(KeyText::parse("claribi_sk_live_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz1Fek89").is_some());
    }

    #[test]
    fn every_change_of_a_single_character_is_refused() {
        for position in 0..KEY_LENGTH {
            for other in (1..=127u8).map(char::from) {
                let mut changed = GOLDEN.to_owned();
                changed.replace_range(position..=position, &other.to_string());
                assert_eq!(KeyText::parse(&changed).is_some(), changed == GOLDEN, "{changed}");
            }
        }
    }

    #[test]
    fn other_lengths_and_characters_outside_ascii_are_refused() {
        assert!(KeyText::parse("").is_none());
        assert!(KeyText::parse(&GOLDEN[..51]).is_none());
        assert!(KeyText::parse(&format!("{GOLDEN} ")).is_none());
        assert!(KeyText::parse(&GOLDEN.replace("Ab", "é")).is_none());
        assert!(KeyText::parse(&GOLDEN.replace("live", "prod")).is_none());
    }

    #[test]
    fn the_stored_mac_is_hmac_sha256_over_salt_and_key() {
        let salt: [u8; 16] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let key = KeyText::parse(GOLDEN).unwrap();
        let pepper = Pepper::new(b"pepper");
        let stored = mac(&pepper, &salt, &key);
        assert_eq!(hex::encode(stored), MAC);
        assert!(verify(&pepper, &salt, &key, &stored));
        assert!(!verify(&Pepper::new(b"salt"), &salt, &key, &stored));
        assert!(!verify(&pepper, &[0; 16], &key, &stored));
        let other = KeyText::mint(Environment::Live, &mut counter(1));
        assert!(!verify(&pepper, &salt, &other, &stored));
    }

    #[test]
    fn debug_shows_no_more_than_lists_do() {
        let key = KeyText::parse(GOLDEN).unwrap();
        assert_eq!(format!("{key:?}"), "KeyText(claribi_sk_live_Ab3dE5gH…)");
    }

    #[test]
    fn minted_characters_are_equally_likely() {
        let mut random = counter(7);
        let mut counts = [0u32; 256];
        for _ in 0..4_000 {
            let key = KeyText::mint(Environment::Test, &mut random);
            key.0[PREFIX_LENGTH..CHECKED_LENGTH].iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        }
        let expected = f64::from(4_000 * 30) / 62.0;
        let chi_squared: f64 =
            ALPHABET.iter().map(|&byte| (f64::from(counts[usize::from(byte)]) - expected).powi(2) / expected).sum();
        // 61 degrees of freedom: 110 is passed once in ten thousand tries, and bytes modulo 62 would give over 1,000.
        assert!(chi_squared < 110.0, "{chi_squared}");
    }

    #[test]
    fn keys_and_tokens_are_masked_wherever_they_stand() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl";
        assert_eq!(scrub(&format!("curl/8 ({GOLDEN})")), "curl/8 (claribi_[masked])");
        assert_eq!(scrub(&format!("a={token}&b={GOLDEN}é")), "a=[masked token]&b=claribi_[masked]é");
        assert_eq!(scrub(&format!("{token}{token}")), "[masked token]");
        assert_eq!(scrub("claribi_old1234"), "claribi_old1234");
        assert_eq!(scrub("claribi_old12345"), "claribi_[masked]");
    }

    #[test]
    fn text_without_credentials_is_not_copied() {
        for text in ["", "claribi_cli/1", "eyJ.a.b", "eyJab.c", "Mozilla/5.0 (X11; Linux x86_64)", "naïve eyJ"] {
            assert!(matches!(scrub(text), Cow::Borrowed(same) if same == text));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_minted_is_recognised_and_scrubbed(seed in any::<u64>(), live in any::<bool>(), before in ".{0,20}") {
            let environment = if live { Environment::Live } else { Environment::Test };
            let key = KeyText::mint(environment, &mut counter(seed));
            let again = KeyText::parse(key.expose()).unwrap();
            prop_assert_eq!(again.expose(), key.expose());
            prop_assert_eq!(again.environment(), environment);
            let text = format!("{before}{}", key.expose());
            prop_assert!(!scrub(&text).contains(key.public()));
            let once = scrub(&text).into_owned();
            prop_assert_eq!(scrub(&once), once.as_str());
        }

        #[test]
        fn any_text_can_be_parsed_and_scrubbed(text in "(claribi_|eyJ|\\.|[a-z0-9_é-]){0,40}") {
            prop_assert!(KeyText::parse(&text).is_none());
            let once = scrub(&text).into_owned();
            prop_assert_eq!(scrub(&once), once.as_str());
        }
    }
}
