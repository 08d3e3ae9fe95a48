//! The secrets of an installation: one file per purpose in `secrets/`, sub-keys by HKDF (M13). The only reader of them.
//!
//! A file has a line per generation, `<id> <64 hex digits>`, the newest last. Older generations stay readable, so
//! that a secret can be changed without ending what was made with the one before.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::domain::entropy::Entropy;

/// Why a secret cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file is missing.
    #[error("the secret `{0}` is missing from the data directory; restore it from a backup")]
    Missing(&'static str),
    /// The file does not read.
    #[error("the secret `{0}` is damaged; restore it from a backup")]
    Damaged(&'static str),
    /// Anyone could guess it.
    #[error("the secret `{0}` is weak: a line of it repeats one byte; make a random one")]
    Weak(&'static str),
    /// The file system refused.
    #[error("the secret `{name}`: {error}")]
    Io {
        /// Which.
        name: &'static str,
        /// What it said.
        error: std::io::Error,
    },
}

/// 32 secret bytes. Neither printed nor serialised.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one use, from this one (RFC 5869).
    pub fn derive(&self, purpose: &str) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        let pseudorandom = Salt::new(HKDF_SHA256, b"claribi").extract(self.0.as_ref());
        if let Ok(output) = pseudorandom.expand(&[purpose.as_bytes()], HKDF_SHA256) {
            // 32 bytes are always to be had from SHA-256.
            let _ = output.fill(bytes.as_mut());
        }
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// The generations of one secret.
#[derive(Debug, Clone)]
pub struct Generations(Vec<(i64, Secret)>);

impl Generations {
    /// The newest, with its id.
    pub fn current(&self) -> (i64, &Secret) {
        let (id, secret) = &self.0[self.0.len() - 1];
        (*id, secret)
    }

    /// The one of this id.
    pub fn get(&self, id: i64) -> Option<&Secret> {
        self.0.iter().find(|(found, _)| *found == id).map(|(_, secret)| secret)
    }
}

/// All secrets.
#[derive(Debug, Clone)]
pub struct Keyring {
    /// Keys of the MACs over API keys.
    pub pepper: Generations,
    /// Signs session tokens.
    pub sessions: Generations,
    /// Signs cursors.
    pub cursors: Generations,
}

const NAMES: [&str; 3] = ["pepper", "sessions", "cursors"];

impl Keyring {
    /// Makes the secrets of a new installation, readable by their owner alone.
    pub fn create(directory: &Path, entropy: &Entropy) -> Result<(), KeyringError> {
        for name in NAMES {
            let line = Zeroizing::new(format!("1 {}\n", Zeroizing::new(hex::encode(entropy.bytes::<32>())).as_str()));
            let written = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(directory.join(name))
                .and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
            written.map_err(|error| KeyringError::Io { name, error })?;
        }
        Ok(())
    }

    /// Reads all secrets and refuses weak ones.
    pub fn load(directory: &Path) -> Result<Self, KeyringError> {
        let read = |name| read(directory, name);
        Ok(Self { pepper: read(NAMES[0])?, sessions: read(NAMES[1])?, cursors: read(NAMES[2])? })
    }
}

fn read(directory: &Path, name: &'static str) -> Result<Generations, KeyringError> {
    let text = match std::fs::read_to_string(directory.join(name)) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(KeyringError::Missing(name)),
        Err(error) => return Err(KeyringError::Io { name, error }),
    };
    let mut generations = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (id, digits) = line.trim().split_once(' ').ok_or(KeyringError::Damaged(name))?;
        let id = id.parse().map_err(|_| KeyringError::Damaged(name))?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits.trim(), bytes.as_mut()).map_err(|_| KeyringError::Damaged(name))?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(KeyringError::Weak(name));
        }
        generations.push((id, Secret(bytes)));
    }
    if generations.is_empty() {
        return Err(KeyringError::Damaged(name));
    }
    Ok(Generations(generations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_installations_differ_and_weak_secrets_are_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for directory in [&one, &two] {
            Keyring::create(directory.path(), &Entropy::System).unwrap();
        }
        let (first, second) = (Keyring::load(one.path()).unwrap(), Keyring::load(two.path()).unwrap());
        assert_ne!(first.pepper.current().1.expose(), second.pepper.current().1.expose());
        assert_ne!(first.pepper.current().1.expose(), first.cursors.current().1.expose());

        std::fs::write(one.path().join("pepper"), format!("1 {}", "00".repeat(32))).unwrap();
        assert!(matches!(Keyring::load(one.path()), Err(KeyringError::Weak("pepper"))));
        std::fs::write(one.path().join("pepper"), "").unwrap();
        assert!(matches!(Keyring::load(one.path()), Err(KeyringError::Damaged("pepper"))));
        std::fs::write(one.path().join("pepper"), "1 abcd").unwrap();
        assert!(matches!(Keyring::load(one.path()), Err(KeyringError::Damaged("pepper"))));
    }
}
