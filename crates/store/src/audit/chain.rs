//! What proves the record: the hash that chains a row to the one before, and the head that says where the chain begins and ends.
//!
//! Pure. The key is derived from the lookup key, which no rotation replaces.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keys::LookupKey;

/// A keyed hash.
pub(crate) type Hash = [u8; 32];

/// What the first row of all is chained to.
pub(super) const NOTHING: Hash = [0; 32];

/// Written by this program.
const FORM: u8 = 1;
const NUMBER: usize = 8;
const HASH: usize = 32;

/// The key of the chain.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct AuditKey([u8; HASH]);

/// One row as it is chained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) sequence: i64,
    /// Milliseconds since the Unix epoch.
    pub(crate) at: i64,
    pub(crate) event: String,
    pub(crate) actor: String,
    pub(crate) origin: String,
    pub(crate) subject: String,
    pub(crate) details: String,
}

/// Where the chain begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last row.
    pub(crate) last: i64,
    pub(crate) hash: Hash,
    /// The last row that was removed; the first one that is kept follows it.
    pub(crate) anchor: i64,
    pub(crate) anchor_hash: Hash,
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(•••)")
    }
}

impl AuditKey {
    /// Derives it.
    pub(crate) fn of(lookup: &LookupKey) -> Self {
        Self(hash(lookup.as_bytes(), &[b"audit-v1"]))
    }

    /// The hash of a row behind the one of this hash.
    pub(super) fn link(&self, previous: &Hash, row: &Row) -> Hash {
        hash(
            &self.0,
            &[
                b"audit-row-v1",
                previous,
                &row.sequence.to_be_bytes(),
                &row.at.to_be_bytes(),
                row.event.as_bytes(),
                row.actor.as_bytes(),
                row.origin.as_bytes(),
                row.subject.as_bytes(),
                row.details.as_bytes(),
            ],
        )
    }
}

impl Head {
    /// Of a record without rows.
    pub(super) const FRESH: Self = Self { last: 0, hash: NOTHING, anchor: 0, anchor_hash: NOTHING };

    /// The hash of the last row, in hexadecimal digits.
    pub(crate) fn hash_text(&self) -> String {
        hex(&self.hash)
    }

    /// As `meta` keeps it: form, last, hash, anchor, its hash, and a keyed hash of all that.
    pub(super) fn encode(&self, key: &AuditKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + 2 * (NUMBER + HASH) + HASH);
        bytes.push(FORM);
        bytes.extend_from_slice(&self.last.to_be_bytes());
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.anchor.to_be_bytes());
        bytes.extend_from_slice(&self.anchor_hash);
        let proof = hash(&key.0, &[b"audit-head-v1", &bytes]);
        bytes.extend_from_slice(&proof);
        bytes
    }

    /// Reads what [`Self::encode`] wrote; None for anything else.
    pub(super) fn decode(key: &AuditKey, bytes: &[u8]) -> Option<Self> {
        let (body, proof) = bytes.split_at_checked(1 + 2 * (NUMBER + HASH))?;
        let expected = hash(&key.0, &[b"audit-head-v1", body]);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_slice(), proof)) {
            return None;
        }
        let (form, rest) = body.split_first()?;
        let (last, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (hash, rest) = rest.split_first_chunk::<HASH>()?;
        let (anchor, rest) = rest.split_first_chunk::<NUMBER>()?;
        let anchor_hash = rest.first_chunk::<HASH>()?;
        (*form == FORM).then(|| Self {
            last: i64::from_be_bytes(*last),
            hash: *hash,
            anchor: i64::from_be_bytes(*anchor),
            anchor_hash: *anchor_hash,
        })
    }
}

/// A hash in hexadecimal digits.
pub(super) fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 over length-prefixed fields.
fn hash(key: &[u8; HASH], fields: &[&[u8]]) -> Hash {
    // RFC 2104 takes a key of any length; the fallback cannot happen, and would prove nothing.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return NOTHING };
    for field in fields {
        mac.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(field);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> AuditKey {
        AuditKey::of(&LookupKey::new([byte; 32]))
    }

    fn row() -> Row {
        Row {
            sequence: 7,
            at: 1_790_000_000_000,
            event: "backup-made".to_owned(),
            actor: "uid 0".to_owned(),
            origin: "shell".to_owned(),
            subject: "/backup".to_owned(),
            details: "[]".to_owned(),
        }
    }

    #[test]
    fn a_hash_depends_on_every_field_on_the_row_before_and_on_the_key() {
        let whole = key(1).link(&NOTHING, &row());
        let others = [
            Row { sequence: 8, ..row() },
            Row { at: 1_790_000_000_001, ..row() },
            Row { event: "keys-rotated".to_owned(), ..row() },
            Row { actor: "uid 1".to_owned(), ..row() },
            Row { origin: "shel".to_owned(), subject: "l/backup".to_owned(), ..row() },
            Row { subject: String::new(), ..row() },
            Row { details: "[] ".to_owned(), ..row() },
        ];
        for other in others {
            assert_ne!(key(1).link(&NOTHING, &other), whole, "{other:?}");
        }
        assert_ne!(key(1).link(&[1; 32], &row()), whole);
        assert_ne!(key(2).link(&NOTHING, &row()), whole);
        assert_eq!(key(1).link(&NOTHING, &row()), whole);
    }

    #[test]
    fn a_head_is_read_back_and_no_bit_of_it_can_be_changed() {
        let head = Head { last: 41, hash: [4; 32], anchor: 9, anchor_hash: [2; 32] };
        let bytes = head.encode(&key(1));
        assert_eq!(Head::decode(&key(1), &bytes), Some(head));
        assert_eq!(Head::decode(&key(2), &bytes), None);
        for length in 0..bytes.len() {
            assert_eq!(Head::decode(&key(1), bytes.get(..length).unwrap()), None, "{length}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            *changed.get_mut(place).unwrap() ^= 1;
            assert_eq!(Head::decode(&key(1), &changed), None, "{place}");
        }
        assert_eq!(Head::decode(&key(1), &[bytes, vec![0]].concat()), None);
    }
}
