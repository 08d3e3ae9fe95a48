//! The hash chain: each entry's hash covers its bytes and the hash before it, so nothing that was written can be
//! changed, removed or put in between unnoticed.
//!
//! It shows tampering, it does not prevent it: whoever can rewrite the whole file can compute a new chain, and only a
//! head that was kept elsewhere tells. Deliberately not here: where entries lie, and who appends them.

use aws_lc_rs::digest;

/// A SHA-256.
pub type Hash = [u8; 32];

/// What the first entry of a chain follows.
pub const GENESIS: Hash = [0; 32];

/// Keeps these hashes from being mistaken for hashes of anything else.
const TAG: &[u8] = b"claribi audit entry 1\n";

/// The hash of an entry that follows the entry with the hash `prev`. `encoded` is [`super::Entry::encode`]'s.
pub fn link(prev: &Hash, encoded: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(TAG);
    context.update(prev);
    context.update(encoded);
    let mut hash = GENESIS;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// An entry's stored hash is not the one its bytes and its predecessor give. Which of the two was touched cannot be
/// told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chain breaks at entry {seq}")]
pub struct Broken {
    /// The first entry that does not fit.
    pub seq: i64,
}

/// Walks a chain in order, one entry at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    head: Hash,
    checked: u64,
}

impl Verifier {
    /// Starts after the entry with the hash `prev`: [`GENESIS`], or the head of a sealed segment.
    pub const fn after(prev: Hash) -> Self {
        Self { head: prev, checked: 0 }
    }

    /// Checks the next entry.
    ///
    /// # Errors
    /// When it does not follow the one before; the verifier then stays where it was.
    pub fn check(&mut self, seq: i64, encoded: &[u8], stored: &Hash) -> Result<(), Broken> {
        if link(&self.head, encoded) != *stored {
            return Err(Broken { seq });
        }
        self.head = *stored;
        self.checked += 1;
        Ok(())
    }

    /// The hash of the last entry that was checked.
    pub const fn head(&self) -> &Hash {
        &self.head
    }

    /// How many entries were checked.
    pub const fn checked(&self) -> u64 {
        self.checked
    }
}

/// Checks a whole run of entries `(seq, encoded, stored hash)` and gives the verifier at its end.
///
/// # Errors
/// The first entry that does not follow the one before.
pub fn verify<B: AsRef<[u8]>>(
    prev: Hash,
    entries: impl IntoIterator<Item = (i64, B, Hash)>,
) -> Result<Verifier, Broken> {
    let mut verifier = Verifier::after(prev);
    for (seq, encoded, stored) in entries {
        verifier.check(seq, encoded.as_ref(), &stored)?;
    }
    Ok(verifier)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (i64, Vec<u8>, Hash);

    fn chain(entries: &[Vec<u8>]) -> Vec<Row> {
        let mut head = GENESIS;
        let rows = entries.iter().enumerate().map(|(index, encoded)| {
            head = link(&head, encoded);
            (i64::try_from(index).unwrap() + 1, encoded.clone(), head)
        });
        rows.collect()
    }

    fn broken_at(rows: Vec<Row>) -> Option<i64> {
        verify(GENESIS, rows).err().map(|broken| broken.seq)
    }

    #[test]
    fn the_hash_is_sha256_over_tag_predecessor_and_bytes() {
        // From Python's hashlib.
        assert_eq!(
            hex::encode(link(&GENESIS, b"entry")),
            "d38ed48e08c6bd553a06bfd2e7853a7b04bf37458e1031a929ca8bb2af39343d"
        );
    }

    #[test]
    fn an_untouched_chain_verifies_from_any_segment() {
        let rows = chain(&[b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
        let whole = verify(GENESIS, rows.clone()).unwrap();
        assert_eq!((whole.checked(), *whole.head()), (3, rows[2].2));
        assert_eq!(verify(rows[0].2, rows[1..].to_vec()).unwrap().head(), whole.head());
    }

    #[test]
    fn removed_inserted_and_swapped_entries_are_found() {
        let rows = chain(&[b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"d".to_vec()]);
        let without = |index: usize| rows.iter().cloned().enumerate().filter(|x| x.0 != index).map(|x| x.1).collect();
        assert_eq!(broken_at(without(0)), Some(2));
        assert_eq!(broken_at(without(2)), Some(4));
        let mut swapped = rows.clone();
        swapped.swap(1, 2);
        assert_eq!(broken_at(swapped), Some(3));
        let mut doubled = rows.clone();
        doubled.insert(1, rows[0].clone());
        assert_eq!(broken_at(doubled), Some(1));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_an_entry_or_a_hash_is_found_where_it_is(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8),
            row in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8u8, in_hash in any::<bool>(),
        ) {
            let mut rows = chain(&entries);
            let row = row.index(rows.len());
            let target = if in_hash { &mut rows[row].2[..] } else { &mut rows[row].1[..] };
            target[byte.index(target.len())] ^= 1 << bit;
            prop_assert_eq!(broken_at(rows), Some(i64::try_from(row).unwrap() + 1));
        }
    }
}
