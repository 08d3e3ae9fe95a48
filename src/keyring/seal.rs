//! Secrets that stand in a row of a database, sealed with a key that lies outside of it.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), with a nonce drawn for each. What is sealed for one place opens there
//! and nowhere else: organisation, table, row and column are authenticated along, so a copy in another row is worth
//! nothing. Deliberately not here: which rows there are.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{Generations, Secret};
use crate::domain::id::OrgId;

/// The bytes of a nonce.
pub const NONCE: usize = 24;
/// How it is written: this byte, the generation of its key, the nonce, what is sealed.
const VERSION: u8 = 1;
const HEAD: usize = 1 + 8 + NONCE;

/// Where a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub org: OrgId,
    /// The table.
    pub table: &'static str,
    /// The row.
    pub row: i64,
    /// The column.
    pub column: &'static str,
}

/// Why a secret does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Its key is not here: it was rotated away, or the databases are of another installation.
    #[error("it was sealed with the key of generation {0}, which is not in the secret `sealing`")]
    Generation(i64),
    /// It was changed, or belongs elsewhere.
    #[error("it is damaged, or belongs to another place")]
    Damaged,
}

impl Place {
    /// What is authenticated along: every part with its length, so that none can run into the next.
    fn described(&self, generation: i64) -> Vec<u8> {
        let (org, row, generation) = (self.org.raw().to_be_bytes(), self.row.to_be_bytes(), generation.to_be_bytes());
        let parts: [&[u8]; 6] =
            [b"claribi sealed", &generation, &org, self.table.as_bytes(), &row, self.column.as_bytes()];
        parts
            .iter()
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
            .collect()
    }
}

/// Seals a text for a place with the newest key. The nonce must never have been used.
///
/// # Errors
/// For texts of more than 256 GiB.
pub fn seal(keys: &Generations, place: &Place, nonce: [u8; NONCE], text: &[u8]) -> Result<Vec<u8>, SealError> {
    let (generation, key) = keys.current();
    let along = place.described(generation);
    let payload = Payload { msg: text, aad: &along };
    let body = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Damaged)?;
    Ok([&[VERSION][..], &generation.to_be_bytes(), &nonce, &body].concat())
}

/// Opens what was sealed for a place.
///
/// # Errors
/// When its key is not here, when it was changed, and when it was sealed for another place.
pub fn open(keys: &Generations, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let generation = generation(sealed)?;
    let key = keys.get(generation).ok_or(SealError::Generation(generation))?;
    let (head, body) = sealed.split_at(HEAD);
    let nonce: [u8; NONCE] = head[9..].try_into().map_err(|_| SealError::Damaged)?;
    let along = place.described(generation);
    let opened = cipher(key).decrypt(&XNonce::from(nonce), Payload { msg: body, aad: &along });
    opened.map(Zeroizing::new).map_err(|_| SealError::Damaged)
}

/// The generation of the key that something was sealed with.
///
/// # Errors
/// When it is nothing that was sealed here.
pub fn generation(sealed: &[u8]) -> Result<i64, SealError> {
    match sealed.first_chunk::<9>() {
        Some([VERSION, generation @ ..]) if sealed.len() >= HEAD => Ok(i64::from_be_bytes(*generation)),
        _ => Err(SealError::Damaged),
    }
}

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.derive("sealed rows").expose().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(generations: &[i64]) -> Generations {
        let secret = |id: i64| Secret(Zeroizing::new([u8::try_from(id).unwrap(); 32]));
        Generations(generations.iter().map(|id| (*id, secret(*id))).collect())
    }

    const PLACE: Place = Place { org: OrgId::new(1), table: "sources", row: 2, column: "secret" };

    #[test]
    fn what_is_sealed_opens_at_its_place_and_says_nothing_elsewhere() {
        let sealed = seal(&keys(&[1]), &PLACE, [7; NONCE], b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(open(&keys(&[1]), &PLACE, &sealed).unwrap().as_slice(), b"hunter2");
        for place in [
            Place { org: OrgId::new(2), ..PLACE },
            Place { row: 3, ..PLACE },
            Place { table: "webhooks", ..PLACE },
            Place { column: "state", ..PLACE },
            // The ends of names are authenticated too.
            Place { table: "source", column: "ssecret", ..PLACE },
        ] {
            assert_eq!(open(&keys(&[1]), &place, &sealed), Err(SealError::Damaged), "{place:?}");
        }
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let sealed = seal(&keys(&[1]), &PLACE, [7; NONCE], b"hunter2").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(open(&keys(&[1]), &PLACE, &changed).is_err(), "{index}");
            assert!(open(&keys(&[1]), &PLACE, &sealed[..index]).is_err(), "{index}");
        }
        // The generation is authenticated: the same key under another number does not open it.
        let renamed = Generations(vec![(9, keys(&[1]).0[0].1.clone())]);
        let mut changed = sealed.clone();
        changed[1..9].copy_from_slice(&9_i64.to_be_bytes());
        assert_eq!(open(&renamed, &PLACE, &changed), Err(SealError::Damaged));
    }

    #[test]
    fn older_generations_stay_readable_and_the_newest_seals() {
        let old = seal(&keys(&[1]), &PLACE, [7; NONCE], b"hunter2").unwrap();
        let both = keys(&[1, 2]);
        assert_eq!(open(&both, &PLACE, &old).unwrap().as_slice(), b"hunter2");
        let new = seal(&both, &PLACE, [8; NONCE], b"hunter2").unwrap();
        assert_eq!((generation(&old), generation(&new)), (Ok(1), Ok(2)));
        assert_eq!(open(&keys(&[2]), &PLACE, &new).unwrap().as_slice(), b"hunter2");
        assert_eq!(open(&keys(&[2]), &PLACE, &old), Err(SealError::Generation(1)));
    }
}
