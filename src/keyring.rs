//! The secrets of an installation: one file per purpose in `secrets/`, sub-keys by HKDF. The only reader of them.
//!
//! A file has a line per generation, `<id> <64 hex digits>`, the newest last. Older generations stay readable, so
//! that a secret can be changed without ending what was made with the one before.

pub mod seal;

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
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
    #[error(
        "the secret `{0}` is empty, too short or damaged: it takes a line of a number and 64 hexadecimal digits; \
         restore it from a backup"
    )]
    Damaged(&'static str),
    /// Anyone could guess it.
    #[error("the secret `{0}` is weak: it is a pattern, a text or a copy of another secret; make a random one")]
    Weak(&'static str),
    /// Others than its owner may read it.
    #[error("the secret `{0}` can be read by other users; run `chmod 600` on its file, and make a new one if they did")]
    Exposed(&'static str),
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

    /// All of them, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().map(|(_, secret)| secret)
    }

    /// All of them with their ids, oldest first.
    pub fn with_ids(&self) -> impl Iterator<Item = (i64, &Secret)> {
        self.0.iter().map(|(id, secret)| (*id, secret))
    }

    /// The oldest, which every copy of the installation has.
    pub fn oldest(&self) -> &Secret {
        &self.0[0].1
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
    /// Signs checkpoints of the audit log.
    pub audit: Generations,
}

const NAMES: [&str; 5] = ["pepper", "sessions", "cursors", AUDIT, SEALING];
/// The secrets that installations have had to be given later.
const LATER: [&str; 2] = [AUDIT, SEALING];
const AUDIT: &str = "audit";
const SEALING: &str = "sealing";

impl Keyring {
    /// Makes the secrets of a new installation, readable by their owner alone.
    pub fn create(directory: &Path, entropy: &Entropy) -> Result<(), KeyringError> {
        NAMES.into_iter().try_for_each(|name| make(directory, name, entropy))
    }

    /// Makes what an installation of an earlier version does not have; for the holder of the lock.
    pub fn complete(directory: &Path, entropy: &Entropy) -> Result<(), KeyringError> {
        let missing = LATER.into_iter().filter(|name| !directory.join(name).exists());
        missing.into_iter().try_for_each(|name| make(directory, name, entropy))
    }

    /// Reads all secrets and refuses weak ones.
    pub fn load(directory: &Path) -> Result<Self, KeyringError> {
        let mut seen = Vec::new();
        let mut read = |name| read(directory, name, &mut seen);
        // Refused here when it is weak, and read anew at each use.
        read(SEALING)?;
        Ok(Self {
            pepper: read(NAMES[0])?,
            sessions: read(NAMES[1])?,
            cursors: read(NAMES[2])?,
            audit: read(NAMES[3])?,
        })
    }

    /// The keys that seal what stands in rows. Read at each use, which is rare: so a command beside the server can
    /// rotate them.
    pub fn sealing(directory: &Path) -> Result<Generations, KeyringError> {
        read(directory, SEALING, &mut Vec::new())
    }

    /// Draws a new key to seal with; the ones before stay. Whoever calls sees to it that nobody else does meanwhile.
    pub fn renew_sealing(directory: &Path, entropy: &Entropy) -> Result<Generations, KeyringError> {
        let Generations(mut generations) = Self::sealing(directory)?;
        let next = generations.iter().map(|(id, _)| id + 1).max().unwrap_or(1);
        generations.push((next, Secret(Zeroizing::new(entropy.bytes::<32>()))));
        replace(directory, SEALING, &Generations(generations))?;
        Self::sealing(directory)
    }

    /// Forgets keys that nothing is sealed with any more; the newest stays.
    pub fn retire_sealing(directory: &Path, is_used: impl Fn(i64) -> bool) -> Result<(), KeyringError> {
        let Generations(mut generations) = Self::sealing(directory)?;
        let newest = generations.len() - 1;
        let mut index = 0..;
        generations.retain(|(id, _)| index.next() == Some(newest) || is_used(*id));
        replace(directory, SEALING, &Generations(generations))
    }
}

/// Writes the generations of a secret: whoever reads finds all of the old ones or all of the new ones.
fn replace(directory: &Path, name: &'static str, generations: &Generations) -> Result<(), KeyringError> {
    let mut text = Zeroizing::new(String::new());
    for (id, secret) in &generations.0 {
        let digits = Zeroizing::new(hex::encode(secret.expose()));
        text.push_str(&Zeroizing::new(format!("{id} {}\n", digits.as_str())));
    }
    let new = directory.join(format!("{name}.new"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&new, directory.join(name)))
        .and_then(|()| std::fs::File::open(directory)?.sync_all());
    written.map_err(|error| KeyringError::Io { name, error })
}

fn make(directory: &Path, name: &'static str, entropy: &Entropy) -> Result<(), KeyringError> {
    let line = Zeroizing::new(format!("1 {}\n", Zeroizing::new(hex::encode(entropy.bytes::<32>())).as_str()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.join(name))
        .and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| KeyringError::Io { name, error })
}

fn read(directory: &Path, name: &'static str, seen: &mut Vec<Secret>) -> Result<Generations, KeyringError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => KeyringError::Missing(name),
        std::io::ErrorKind::InvalidData => KeyringError::Damaged(name),
        _ => KeyringError::Io { name, error },
    };
    let path = directory.join(name);
    if std::fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyringError::Exposed(name));
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(failed)?);
    let mut generations = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (id, digits) = line.trim().split_once(' ').ok_or(KeyringError::Damaged(name))?;
        let id = id.parse().map_err(|_| KeyringError::Damaged(name))?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits.trim(), bytes.as_mut()).map_err(|_| KeyringError::Damaged(name))?;
        if is_weak(&bytes) || seen.iter().any(|other| other.expose() == &*bytes) {
            return Err(KeyringError::Weak(name));
        }
        seen.push(Secret(bytes.clone()));
        generations.push((id, Secret(bytes)));
    }
    if generations.is_empty() {
        return Err(KeyringError::Damaged(name));
    }
    Ok(Generations(generations))
}

/// Whether these bytes were chosen rather than drawn. Of 32 that were drawn at random, fewer than half are different
/// once in 10^15 times, and all are printable once in 10^13.
fn is_weak(bytes: &[u8; 32]) -> bool {
    let different: std::collections::BTreeSet<u8> = bytes.iter().copied().collect();
    let is_text = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    let is_row = bytes.windows(2).all(|pair| step(pair) == step(&bytes[..2]));
    different.len() < 16 || is_text || is_row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_installations_differ_in_every_secret() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for directory in [&one, &two] {
            Keyring::create(directory.path(), &Entropy::System).unwrap();
        }
        let (first, second) = (Keyring::load(one.path()).unwrap(), Keyring::load(two.path()).unwrap());
        let sealing = [one, two].map(|directory| Keyring::sealing(directory.path()).unwrap());
        let secrets = [(&first, &sealing[0]), (&second, &sealing[1])]
            .map(|(ring, sealing)| [&ring.pepper, &ring.sessions, &ring.cursors, &ring.audit, sealing]);
        let different: std::collections::BTreeSet<_> =
            secrets.iter().flatten().map(|secret| *secret.current().1.expose()).collect();
        assert_eq!(different.len(), 10);
    }

    #[test]
    fn weak_known_short_and_empty_secrets_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        Keyring::create(directory.path(), &Entropy::System).unwrap();
        let said = |text: &str| {
            std::fs::write(directory.path().join("pepper"), text).unwrap();
            Keyring::load(directory.path()).unwrap_err()
        };
        let row: Vec<u8> = (7..39).collect();
        let sessions = std::fs::read_to_string(directory.path().join("sessions")).unwrap();
        for weak in [
            format!("1 {}", "00".repeat(32)),
            format!("1 {}", "0123456789abcdef".repeat(4)),
            format!("1 {}", hex::encode(row)),
            format!("1 {}", hex::encode("change me before you use this!!!")),
            sessions,
        ] {
            assert!(matches!(said(&weak), KeyringError::Weak("pepper" | "sessions")), "{weak}");
        }
        for damaged in ["", "\n", "1", "1 abcd", "x 00", "changeme"] {
            assert!(matches!(said(damaged), KeyringError::Damaged("pepper")), "{damaged}");
        }
    }

    #[test]
    fn an_older_installation_is_given_what_it_lacks_and_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        Keyring::create(directory.path(), &Entropy::System).unwrap();
        let of = |name: &str| std::fs::read(directory.path().join(name)).ok();
        let (pepper, audit) = (of("pepper"), of("audit"));
        Keyring::complete(directory.path(), &Entropy::System).unwrap();
        assert_eq!((of("pepper"), of("audit")), (pepper.clone(), audit.clone()));
        std::fs::remove_file(directory.path().join("audit")).unwrap();
        assert!(matches!(Keyring::load(directory.path()), Err(KeyringError::Missing("audit"))));
        Keyring::complete(directory.path(), &Entropy::System).unwrap();
        assert!(Keyring::load(directory.path()).is_ok() && of("pepper") == pepper && of("audit") != audit);
        let mode = std::fs::metadata(directory.path().join("audit")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_seals_is_renewed_and_retired_and_one_that_is_used_stays() {
        let directory = tempfile::tempdir().unwrap();
        Keyring::create(directory.path(), &Entropy::System).unwrap();
        let ids = || Keyring::sealing(directory.path()).unwrap().0.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let first = *Keyring::sealing(directory.path()).unwrap().current().1.expose();
        for newest in [2, 3] {
            let renewed = Keyring::renew_sealing(directory.path(), &Entropy::System).unwrap();
            assert_eq!((renewed.current().0, renewed.oldest().expose()), (newest, &first));
        }
        Keyring::retire_sealing(directory.path(), |id| id == 1).unwrap();
        assert_eq!(ids(), [1, 3]);
        Keyring::retire_sealing(directory.path(), |_| false).unwrap();
        assert_eq!(ids(), [3]);
        assert!(Keyring::load(directory.path()).is_ok(), "neither weak nor open to others");
        let left: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), NAMES.len(), "{left:?}");
    }

    #[test]
    fn secrets_that_others_may_read_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        Keyring::create(directory.path(), &Entropy::System).unwrap();
        let path = directory.path().join("sessions");
        for (mode, is_fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o622, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Keyring::load(directory.path()).is_ok(), is_fine, "{mode:o}");
        }
        std::fs::remove_file(path).unwrap();
        assert!(matches!(Keyring::load(directory.path()), Err(KeyringError::Missing("sessions"))));
    }
}
