//! Sealing: what the disk holds of receivers and texts.
//!
//! XChaCha20-Poly1305 with a random nonce for each value. The table and the row are bound as associated data, so that
//! a sealed value copied to another row does not open there. Never logs and never returns what it could not
//! authenticate. Called wherever this crate writes or reads something that must not be readable at rest.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keys::fill_random;

const KEY_ID_LENGTH: usize = 4;
const NONCE_LENGTH: usize = 24;

/// One 256-bit sealing key and its number.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct NumberedKey {
    id: u32,
    key: [u8; 32],
}

/// The keys that seal values: one seals, all open.
#[derive(Clone)]
pub struct SealKey {
    current: NumberedKey,
    previous: Vec<NumberedKey>,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(•••)")
    }
}

/// A value could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value was sealed with a key that is not at hand.
    #[error("the sealing key {id} is not at hand")]
    UnknownKey {
        /// The key's number.
        id: u32,
    },
    /// The value was changed, cut, or belongs to another row.
    #[error("a sealed value is not authentic")]
    NotAuthentic,
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
}

impl SealKey {
    /// Makes the key ring from the current key and older ones.
    #[must_use]
    pub fn new(current: (u32, [u8; 32]), previous: impl IntoIterator<Item = (u32, [u8; 32])>) -> Self {
        let numbered = |(id, key)| NumberedKey { id, key };
        Self { current: numbered(current), previous: previous.into_iter().map(numbered).collect() }
    }

    /// Seals `clear` for one row of one table. The answer is key id ‖ nonce ‖ ciphertext with its authenticator.
    ///
    /// # Errors
    /// [`SealError::Randomness`] when no nonce could be drawn.
    pub fn seal(&self, table: &str, row: &[u8], clear: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE_LENGTH];
        fill_random(&mut nonce).map_err(|_| SealError::Randomness)?;
        let cipher = XChaCha20Poly1305::new((&self.current.key).into());
        let associated = associated_data(table, row);
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: clear, aad: &associated })
            .map_err(|_| SealError::NotAuthentic)?;
        let mut sealed = Vec::with_capacity(KEY_ID_LENGTH + NONCE_LENGTH + ciphertext.len());
        sealed.extend_from_slice(&self.current.id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same row of the same table.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] and [`SealError::NotAuthentic`].
    pub fn open(&self, table: &str, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_LENGTH>().ok_or(SealError::NotAuthentic)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::NotAuthentic)?;
        let id = u32::from_be_bytes(*id);
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id == id)
            .ok_or(SealError::UnknownKey { id })?;
        let cipher = XChaCha20Poly1305::new((&key.key).into());
        let associated = associated_data(table, row);
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &associated })
            .map(Zeroizing::new)
            .map_err(|_| SealError::NotAuthentic)
    }
}

/// Table and row, unambiguous: the table's length comes first.
fn associated_data(table: &str, row: &[u8]) -> Vec<u8> {
    let length = u32::try_from(table.len()).unwrap_or(u32::MAX);
    let mut data = Vec::with_capacity(4 + table.len() + row.len());
    data.extend_from_slice(&length.to_be_bytes());
    data.extend_from_slice(table.as_bytes());
    data.extend_from_slice(row);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::new((7, [1; 32]), [])
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_row_only() {
        let sealed = key().seal("outbox", b"row 1", b"628126666666").unwrap();
        assert_eq!(key().open("outbox", b"row 1", &sealed).unwrap().as_slice(), b"628126666666");
        assert_eq!(key().open("outbox", b"row 2", &sealed), Err(SealError::NotAuthentic));
        assert_eq!(key().open("journal", b"row 1", &sealed), Err(SealError::NotAuthentic));
    }

    #[test]
    fn a_changed_or_cut_value_does_not_open() {
        let sealed = key().seal("outbox", b"row", b"text").unwrap();
        for position in 4..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(key().open("outbox", b"row", &changed), Err(SealError::NotAuthentic), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key().open("outbox", b"row", &sealed[..length]), Err(SealError::NotAuthentic));
        }
    }

    #[test]
    fn an_older_key_still_opens_and_a_foreign_one_is_named() {
        let sealed = key().seal("outbox", b"row", b"text").unwrap();
        let rotated = SealKey::new((8, [2; 32]), [(7, [1; 32])]);
        assert_eq!(rotated.open("outbox", b"row", &sealed).unwrap().as_slice(), b"text");
        let foreign = SealKey::new((8, [2; 32]), []);
        assert_eq!(foreign.open("outbox", b"row", &sealed), Err(SealError::UnknownKey { id: 7 }));
    }

    #[test]
    fn the_same_value_never_seals_to_the_same_bytes() {
        let one = key().seal("outbox", b"row", b"text").unwrap();
        let other = key().seal("outbox", b"row", b"text").unwrap();
        assert_ne!(one, other);
    }
}
