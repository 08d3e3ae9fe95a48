//! Signed checkpoints: a hash of the chain under a signature that only the installation can make. Whoever rewrites or
//! cuts the chain cannot make them anew; one that was kept elsewhere shows it, whatever became of the files.
//!
//! What is signed is a line of text, so that `openssl pkeyutl -verify` or any library of Ed25519 (RFC 8032) can check it.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::chain::Hash;

/// How every line begins.
const TAG: &str = "claribi-audit-checkpoint-1";
/// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key.
pub type PublicKey = [u8; 32];

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckpointKind {
    /// The chain's end at a time.
    Head,
    /// What is before may be gone: entries up to this one, itself included, were kept for as long as they had to be.
    Seal,
}

impl CheckpointKind {
    const ALL: [Self; 2] = [Self::Head, Self::Seal];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Seal => "seal",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A place in the chain and the hash there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it is for.
    pub kind: CheckpointKind,
    /// The last entry that it covers.
    pub seq: i64,
    /// That entry's hash.
    pub hash: Hash,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Checkpoint {
    /// What is signed.
    fn line(&self) -> String {
        format!("{TAG} {} {} {} {}", self.kind.as_str(), self.seq, self.at_ms, hex::encode(self.hash))
    }
}

/// A checkpoint with its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// Ed25519 over its line.
    pub signature: [u8; 64],
}

impl Signed {
    /// Whether one of these keys made the signature.
    pub fn is_by(&self, keys: &[PublicKey]) -> bool {
        let line = self.checkpoint.line();
        keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key).verify(line.as_bytes(), &self.signature).is_ok())
    }

    /// One line: what is signed, a space, and the signature in hexadecimal digits.
    pub fn text(&self) -> String {
        format!("{} {}", self.checkpoint.line(), hex::encode(self.signature))
    }

    /// Reads [`Signed::text`]; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim().split(' ');
        if words.next()? != TAG {
            return None;
        }
        let kind = CheckpointKind::parse(words.next()?)?;
        let (seq, at_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (mut hash, mut signature) = ([0; 32], [0; 64]);
        hex::decode_to_slice(words.next()?, &mut hash).ok()?;
        hex::decode_to_slice(words.next()?, &mut signature).ok()?;
        let signed = Self { checkpoint: Checkpoint { kind, seq, hash, at_ms }, signature };
        (words.next().is_none() && signed.text() == text.trim()).then_some(signed)
    }
}

/// Makes signatures.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// From 32 secret bytes. `None` never happens with 32.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// Signs.
    pub fn sign(&self, checkpoint: Checkpoint) -> Signed {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(checkpoint.line().as_bytes()).as_ref());
        Signed { checkpoint, signature }
    }

    /// What checks its signatures.
    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }
}

/// A public key as other programs read it.
pub fn pem(key: &PublicKey) -> String {
    let encoded = STANDARD.encode([&SPKI[..], key].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::from_seed(&[7; 32]).unwrap()
    }

    fn signed() -> Signed {
        signer().sign(Checkpoint { kind: CheckpointKind::Head, seq: 42, hash: [9; 32], at_ms: 1_800_000_000_123 })
    }

    #[test]
    fn a_checkpoint_comes_back_from_its_line_and_no_other_text_is_one() {
        let text = signed().text();
        assert_eq!(Signed::parse(&text), Some(signed()));
        assert_eq!(Signed::parse(&format!("{text}\n")), Some(signed()));
        for other in ["", "x", &text[1..], &text[..text.len() - 1], &text.replace("42", "042"), &format!("{text} x")] {
            assert_eq!(Signed::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_signature_is_of_its_key_and_of_every_value() {
        let key = signer().public_key();
        assert!(signed().is_by(&[[1; 32], key]));
        assert!(!signed().is_by(&[Signer::from_seed(&[8; 32]).unwrap().public_key()]));
        let Checkpoint { kind, seq, hash, at_ms } = signed().checkpoint;
        for other in [
            Checkpoint { kind: CheckpointKind::Seal, seq, hash, at_ms },
            Checkpoint { kind, seq: 43, hash, at_ms },
            Checkpoint { kind, seq, hash: [8; 32], at_ms },
            Checkpoint { kind, seq, hash, at_ms: at_ms + 1 },
        ] {
            assert!(!Signed { checkpoint: other, ..signed() }.is_by(&[key]));
        }
    }

    #[test]
    fn others_can_check_it_with_the_printed_key() {
        // By `openssl pkey -pubout` and `openssl pkeyutl -sign -rawin`, from the same seed and line.
        assert_eq!(
            pem(&signer().public_key()),
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=\n-----END PUBLIC KEY-----\n"
        );
        assert_eq!(
            hex::encode(signed().signature),
            "ae3bbc422047adac38f485ae86ec6b96552c810b5a0f1f52adc76b637d6e7f34\
             5680f2e4db819ec429bb00bf3a8bfa8da292834c3e62806b8291c8d39e13660c"
        );
    }
}
