//! Sealing: what the disk holds of receivers and texts.
//!
//! XChaCha20-Poly1305 with a random nonce for each value. The number of the key, the table, the column and the row are bound
//! as associated data, so that a sealed value copied to another place does not open there. Never logs and never returns what
//! it could not authenticate. Called wherever this crate writes or reads something that must not be readable at rest.
//!
//! Two forms lie on disks (ADR 16). The second: 2, number of the key (u32 big-endian), nonce, ciphertext with authenticator.
//! The first had no leading 2 and bound a label and the row; it is opened until everything has been sealed anew, and no
//! longer.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keys::fill_random;

/// How a value of the second form begins. Numbers of keys are small, so the first form begins with a 0.
const FORM: u8 = 2;
const KEY_ID_LENGTH: usize = 4;
const NONCE_LENGTH: usize = 24;
/// What a value of the second form begins with: form and number of the key.
pub(crate) const HEAD_LENGTH: usize = 1 + KEY_ID_LENGTH;

/// A column that holds sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// The table, or what two tables have in common where rows move between them unopened.
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    /// What the first form bound in place of both.
    pub(crate) first_label: &'static str,
}

/// One 256-bit sealing key and its number.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct NumberedKey {
    id: u32,
    key: [u8; 32],
}

/// The keys that seal values: one seals, all open.
#[derive(Clone)]
pub(crate) struct SealKey {
    current: NumberedKey,
    previous: Vec<NumberedKey>,
    opens_first_form: bool,
}

/// Which key sealed a value, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SealedBy {
    First(u32),
    Second(u32),
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(•••)")
    }
}

/// A value could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// The value was sealed with a key that is not at hand.
    #[error("the sealing key {id} is not at hand")]
    UnknownKey {
        /// The key's number.
        id: u32,
    },
    /// The value was changed, cut, or belongs to another place.
    #[error("a sealed value is not authentic")]
    NotAuthentic,
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
}

impl SealKey {
    /// Makes the key ring from the current key and older ones.
    pub(crate) fn new(current: (u32, [u8; 32]), previous: impl IntoIterator<Item = (u32, [u8; 32])>) -> Self {
        let numbered = |(id, key)| NumberedKey { id, key };
        Self {
            current: numbered(current),
            previous: previous.into_iter().map(numbered).collect(),
            opens_first_form: true,
        }
    }

    /// The same keys, which open the second form alone.
    pub(crate) fn without_first_form(mut self) -> Self {
        self.opens_first_form = false;
        self
    }

    pub(crate) fn opens_first_form(&self) -> bool {
        self.opens_first_form
    }

    /// The number of the key that seals.
    pub(crate) fn current_id(&self) -> u32 {
        self.current.id
    }

    /// The numbers of the keys that only open.
    pub(crate) fn previous_ids(&self) -> Vec<u32> {
        self.previous.iter().map(|key| key.id).collect()
    }

    /// What every value begins with that is sealed now.
    pub(crate) fn head(&self) -> [u8; HEAD_LENGTH] {
        let [a, b, c, d] = self.current.id.to_be_bytes();
        [FORM, a, b, c, d]
    }

    /// Seals `clear` for one column of one row.
    pub(crate) fn seal(&self, column: Column, row: &[u8], clear: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE_LENGTH];
        fill_random(&mut nonce).map_err(|_| SealError::Randomness)?;
        let cipher = XChaCha20Poly1305::new((&self.current.key).into());
        let associated = associated_data(self.current.id, column, row);
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: clear, aad: &associated })
            .map_err(|_| SealError::NotAuthentic)?;
        let mut sealed = Vec::with_capacity(HEAD_LENGTH + NONCE_LENGTH + ciphertext.len());
        sealed.extend_from_slice(&self.head());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same column of the same row.
    pub(crate) fn open(&self, column: Column, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let by = sealed_by(sealed).ok_or(SealError::NotAuthentic)?;
        let (id, head, associated) = match by {
            SealedBy::Second(id) => (id, HEAD_LENGTH, associated_data(id, column, row)),
            SealedBy::First(id) if self.opens_first_form => (id, KEY_ID_LENGTH, first_associated_data(column, row)),
            SealedBy::First(_) => return Err(SealError::NotAuthentic),
        };
        let rest = sealed.get(head..).ok_or(SealError::NotAuthentic)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::NotAuthentic)?;
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| key.id == id).ok_or(SealError::UnknownKey { id })?;
        let cipher = XChaCha20Poly1305::new((&key.key).into());
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: &associated })
            .map(Zeroizing::new)
            .map_err(|_| SealError::NotAuthentic)
    }
}

/// Which key sealed a value; None when it is too short to be one.
pub(crate) fn sealed_by(sealed: &[u8]) -> Option<SealedBy> {
    match sealed.split_first()? {
        (&FORM, rest) => rest.first_chunk().map(|id| SealedBy::Second(u32::from_be_bytes(*id))),
        _ => sealed.first_chunk().map(|id| SealedBy::First(u32::from_be_bytes(*id))),
    }
}

/// Form, key, table, column and row, unambiguous: the lengths of the names come first.
fn associated_data(key_id: u32, column: Column, row: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(HEAD_LENGTH + 8 + column.table.len() + column.name.len() + row.len());
    data.push(FORM);
    data.extend_from_slice(&key_id.to_be_bytes());
    for name in [column.table, column.name] {
        data.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
        data.extend_from_slice(name.as_bytes());
    }
    data.extend_from_slice(row);
    data
}

fn first_associated_data(column: Column, row: &[u8]) -> Vec<u8> {
    let label = column.first_label;
    let mut data = Vec::with_capacity(4 + label.len() + row.len());
    data.extend_from_slice(&u32::try_from(label.len()).unwrap_or(u32::MAX).to_be_bytes());
    data.extend_from_slice(label.as_bytes());
    data.extend_from_slice(row);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: Column = Column { table: "message", name: "summary", first_label: "message.summary" };
    const CONTENT: Column = Column { table: "message", name: "content", first_label: "message.content" };

    fn key() -> SealKey {
        SealKey::new((7, [1; 32]), [])
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_row_only() {
        let sealed = key().seal(SUMMARY, b"row 1", b"628126666666").unwrap();
        assert_eq!(key().open(SUMMARY, b"row 1", &sealed).unwrap().as_slice(), b"628126666666");
        let elsewhere = |column, row: &[u8]| key().open(column, row, &sealed).err();
        assert_eq!(elsewhere(SUMMARY, b"row 2"), Some(SealError::NotAuthentic));
        assert_eq!(elsewhere(CONTENT, b"row 1"), Some(SealError::NotAuthentic), "the other column of the same row");
        let blocked = Column { table: "blocked", ..SUMMARY };
        assert_eq!(elsewhere(blocked, b"row 1"), Some(SealError::NotAuthentic), "the same column of another table");
        let shifted = Column { table: "messages", name: "ummary", first_label: "" };
        assert_eq!(elsewhere(shifted, b"row 1"), Some(SealError::NotAuthentic), "names do not run together");
    }

    #[test]
    fn the_number_of_the_key_is_bound_too() {
        let twins = SealKey::new((8, [1; 32]), [(7, [1; 32])]);
        let mut sealed = key().seal(SUMMARY, b"row", b"text").unwrap();
        assert!(twins.open(SUMMARY, b"row", &sealed).is_ok());
        sealed[4] = 8;
        assert_eq!(twins.open(SUMMARY, b"row", &sealed), Err(SealError::NotAuthentic));
    }

    #[test]
    fn a_changed_or_cut_value_does_not_open() {
        let sealed = key().seal(SUMMARY, b"row", b"text").unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(key().open(SUMMARY, b"row", &changed).is_err(), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key().open(SUMMARY, b"row", &sealed[..length]), Err(SealError::NotAuthentic), "{length} bytes");
        }
    }

    #[test]
    fn an_older_key_still_opens_and_a_foreign_one_is_named() {
        let sealed = key().seal(SUMMARY, b"row", b"text").unwrap();
        let rotated = SealKey::new((8, [2; 32]), [(7, [1; 32])]);
        assert_eq!(rotated.open(SUMMARY, b"row", &sealed).unwrap().as_slice(), b"text");
        let foreign = SealKey::new((8, [2; 32]), []);
        assert_eq!(foreign.open(SUMMARY, b"row", &sealed), Err(SealError::UnknownKey { id: 7 }));
    }

    #[test]
    fn the_same_value_never_seals_to_the_same_bytes() {
        let one = key().seal(SUMMARY, b"row", b"text").unwrap();
        let other = key().seal(SUMMARY, b"row", b"text").unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn a_value_of_the_first_form_opens_as_long_as_that_is_allowed() {
        // Key 7, all bytes 1; label `message.summary`, row `row`, text `text`; nonce all 5.
        let cipher = XChaCha20Poly1305::new((&[1_u8; 32]).into());
        let associated = [&[0, 0, 0, 15][..], b"message.summary", b"row"].concat();
        let payload = Payload { msg: b"text", aad: &associated };
        let ciphertext = cipher.encrypt(&XNonce::from([5; NONCE_LENGTH]), payload).unwrap();
        let sealed = [&[0, 0, 0, 7][..], &[5; NONCE_LENGTH], &ciphertext].concat();
        assert_eq!(sealed_by(&sealed), Some(SealedBy::First(7)));
        assert_eq!(key().open(SUMMARY, b"row", &sealed).unwrap().as_slice(), b"text");
        assert_eq!(key().open(CONTENT, b"row", &sealed), Err(SealError::NotAuthentic));
        assert_eq!(key().without_first_form().open(SUMMARY, b"row", &sealed), Err(SealError::NotAuthentic));
    }

    #[test]
    fn who_sealed_a_value_is_seen_without_opening_it() {
        let sealed = key().seal(SUMMARY, b"row", b"text").unwrap();
        assert_eq!(sealed_by(&sealed), Some(SealedBy::Second(7)));
        assert!(sealed.starts_with(&key().head()));
        assert_eq!((sealed_by(&[]), sealed_by(&[2, 0, 0]), sealed_by(&[0, 0, 0])), (None, None, None));
    }
}
